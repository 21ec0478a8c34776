"""Sessions: the lives of the process that wrote a run, and the joins between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from analyzer.model import Row, Series

if TYPE_CHECKING:
    from analyzer.timeline import Timeline

Cut = tuple[int, int]  # (source, row): this row and all after it, in source order, belong to the next session


@dataclass(frozen=True, kw_only=True)
class Session:
    """One life of the process."""

    index: int
    start: Cut
    first_step: int
    last_step: int
    sources: tuple[str, ...]
    wall_first: float = float("nan")
    wall_last: float = float("nan")


@dataclass(frozen=True, kw_only=True)
class Join:
    """Where one session ends and the next begins. Steps are on the log's own axis.

    ``overlap`` counts the steps that both sessions logged; ``step_jump`` is the first step after minus the step that
    an unbroken log would have had there (0: seamless; negative: replayed or reset; positive: jumped).
    """

    index: int
    before: int  # index of the session that ended
    after: int
    last_step_before: int
    first_step_after: int
    overlap: int = 0
    step_jump: int = 0
    step: Literal["continued", "replayed", "reset", "skipped", "fresh"] = "continued"
    wall_gap: float = float("nan")  # seconds
    how_known: str = ""  # "new event file", "header repeated in row 812", "step falls back", ...
    evidence: tuple[Row, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class SessionMap:
    """Sessions in the order of their starts, the joins between them, and where the view was cut."""

    sessions: tuple[Session, ...]
    joins: tuple[Join, ...] = ()
    cuts: tuple[Cut, ...] = ()  # one fewer than sessions, ascending
    concurrent: tuple[tuple[int, ...], ...] = ()  # groups of source indices that two processes wrote at once

    def of(self, series: Series) -> NDArray[np.int64]:
        """Session index of every point of a series of the view, shape (n,)."""
        session = np.zeros(len(series), dtype=np.int64)
        for source, row in self.cuts:
            session += (series.source > source) | ((series.source == source) & (series.row >= row))
        return session


def find_sessions(timeline: Timeline) -> SessionMap:
    """Cut the view into sessions and classify every join."""
    steps = [series.step for series in timeline.view.series.values() if len(series)]
    first = min((int(step.min()) for step in steps), default=0)
    last = max((int(step.max()) for step in steps), default=0)
    sources = tuple(timeline.run.sources[index].path for index in timeline.view.sources)
    return SessionMap(sessions=(Session(index=0, start=(0, 0), first_step=first, last_step=last, sources=sources),))
