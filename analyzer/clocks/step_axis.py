"""The nouns of the step axis: what it counts, and where it runs ahead of the rows."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from analyzer.model import Axis, Row, Series

KnownBy = Literal["framework", "rows", "plan"] | None
"""What told the base: a habit of the framework, the first rows, or the planned number of updates."""
Verdict = Literal["rows missing", "counter jumped", "unknown"]


class StepAxis(Axis, frozen=True, kw_only=True):
    """How the axis relates to optimizer updates: updates done = (step - base + 1) / per_update."""

    base: int | None = None  # step of the row that the first update wrote; None: not known
    base_known_by: KnownBy = None
    cadence: int = 1  # usual difference of two logged steps of the main series


class StepJump(Struct, frozen=True, kw_only=True):
    """The rows around one long step of the main training series."""

    series: Series
    at: int  # index of the last row before
    last_step: int
    next_step: int
    cadence: int
    join: int | None  # index of the join it sits at
    verdict: Verdict
    because: str  # the witness, in words
    evidence: tuple[Row, ...]

    @property
    def size(self) -> int:
        """Steps beyond one cadence."""
        return self.next_step - self.last_step - self.cadence

    @property
    def rows(self) -> int:
        """Rows that a regular cadence would have had between the two."""
        return max(1, round((self.next_step - self.last_step) / self.cadence) - 1)
