"""What a repair asks of a reader: rows that go, and steps that move, in a copy of the log it reads."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from analyzer.model import Source
from analyzer.spelling import counted


class Correction(Struct, frozen=True, kw_only=True):
    """What becomes of the rows of one file: which are cut, and by how much the steps of others move."""

    source: Source
    cut: frozenset[int] = frozenset()
    shift: Mapping[int, int] = field(default_factory=dict)  # row -> steps to add

    def __bool__(self) -> bool:
        return bool(self.cut or self.shift)

    @property
    def told(self) -> str:
        """What is done, in one line."""
        parts = [f"{counted(len(self.cut), 'row')} of an abandoned branch cut"] if self.cut else []
        for amount in sorted(set(self.shift.values())):
            rows = sum(one == amount for one in self.shift.values())
            parts.append(f"steps of {counted(rows, 'row')} shifted by {amount:+d}")
        return "; ".join(parts) or "nothing to repair"


class CannotRepair(ValueError):
    """A file that needs a repair and cannot have it, and why."""
