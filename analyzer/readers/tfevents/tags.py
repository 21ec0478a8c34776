"""What is known of the tags of a file."""

from __future__ import annotations

from msgspec import Struct, field


class Tags(Struct):
    """Numbers for tags, in order of first appearance, and what is known of each."""

    names: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    exact: set[int] = field(default_factory=set)  # tags with values that are no float32
    plugins: dict[str, str] = field(default_factory=dict)  # that each was first given
    told: set[str] = field(default_factory=set)  # tags whose declaration has been kept

    def number(self, tag: str, *, exact: bool = False) -> int:
        found = self.numbers.get(tag)
        if found is None:
            found = self.numbers[tag] = len(self.names)
            self.names.append(tag)
        if exact:
            self.exact.add(found)
        return found
