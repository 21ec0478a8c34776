"""Long columns of text, as bytes in one array: a string object for each of a million cells takes longer than a table.

Whoever knows nothing of it sees a sequence of strings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

Labels = tuple[list[str], NDArray[np.intp]]

SHORT = 8  # bytes; cells of just so many are compared as numbers
_SEEN_FIRST = 200  # cells that tell whether a column repeats a few labels
_NO_LABEL = -1


class PackedText(Sequence[str]):
    """Strings of ASCII without NUL, as bytes padded to the longest."""

    __slots__ = ("cells",)

    def __init__(self, *, cells: NDArray[np.bytes_]) -> None:
        self.cells = cells

    def __len__(self) -> int:
        return len(self.cells)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> PackedText: ...
    def __getitem__(self, index: int | slice) -> str | PackedText:
        found: Any = self.cells[index]
        return PackedText(cells=found) if isinstance(index, slice) else found.decode("ascii")

    def __iter__(self) -> Iterator[str]:
        return (cell.decode("ascii") for cell in self.cells.tolist())


def at_places(text: Sequence[str], places: NDArray[np.intp]) -> Sequence[str]:
    """The strings at some places, in their order."""
    if isinstance(text, PackedText):
        return PackedText(cells=text.cells[places])
    return [text[place] for place in places.tolist()]


def joined(parts: Sequence[Sequence[str]]) -> Sequence[str]:
    """Several columns of text as one, packed where all of them are."""
    packed = [part.cells for part in parts if isinstance(part, PackedText)]
    if packed and len(packed) == len(parts):
        return PackedText(cells=np.concatenate(packed))
    return [cell for part in parts for cell in part]


def few_labels(text: Sequence[str], most: int) -> Labels | None:
    """The distinct strings in order of their first appearance and the number of each cell's; None where they are more.

    A comparison of all cells for each label is faster than any sort, as long as the labels are few.
    """
    first_cells = text.cells[:_SEEN_FIRST].tolist() if isinstance(text, PackedText) else text[:_SEEN_FIRST]
    if len(set(first_cells)) > most:
        return None
    if not isinstance(text, PackedText):
        number = {label: place for place, label in enumerate(dict.fromkeys(text))}
        code = np.fromiter(map(number.__getitem__, text), dtype=np.intp, count=len(text))
        return (list(number), code) if len(number) <= most else None
    cells: Any = text.cells.view(np.uint64) if text.cells.itemsize == SHORT else text.cells
    labels: list[str] = []
    code = np.full(len(text), _NO_LABEL, dtype=np.intp)
    first = 0
    while first < len(code) and code[first] == _NO_LABEL:
        if len(labels) == most:
            return None
        code[cells == cells[first]] = len(labels)
        labels.append(text[first])
        first = int(np.argmax(code == _NO_LABEL))
    return labels, code
