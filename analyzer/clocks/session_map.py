"""The nouns of sessions: the lives of the process that wrote a run, the joins between them, and whose each row is."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Literal

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from analyzer.model import Ints, Row, Series, View

Cut = tuple[int, int]
"""(source, row): this row and all after it, in source order, belong to the next session."""
StepChange = Literal["continued", "replayed", "reset", "skipped", "fresh", "unknown"]
Sign = Literal[
    "new event file", "new file", "header repeated", "a line tells of a resume", "session marker", "long pause",
    "elapsed time starts again", "step falls back",
]  # fmt: skip
"""By what the log shows that a life of the process begins."""
Witness = Literal["goes on", "goes back", "starts over", "unknown"]


class Session(Struct, frozen=True, kw_only=True):
    """One life of the process."""

    index: int
    start: Cut
    first_step: int
    last_step: int
    sources: tuple[str, ...]
    wall_first: float = float("nan")
    wall_last: float = float("nan")


class Join(Struct, frozen=True, kw_only=True):
    """Where one session ends and the next begins. Steps are on the log's own axis.

    ``overlap`` counts the rows of the second session at steps that the first had reached; ``step_jump`` is the first
    step after minus the step that an unbroken log would have had there (0: seamless; negative: replayed or reset;
    positive: jumped).
    """

    index: int
    before: int  # index of the session that ended
    after: int
    last_step_before: int
    first_step_after: int
    overlap: int = 0
    step_jump: int = 0
    step: StepChange = "continued"
    wall_gap: float = float("nan")  # seconds
    how_known: Sign | None = None
    evidence: tuple[Row, ...] = ()
    cut: Cut = (0, 0)  # first row of the second session, in the view that shows the join best
    cadence: int = 1  # usual difference of two steps of the series that the join was read from
    view: str = ""  # the view that shows it best
    tag: str | None = None  # the series that it was read from
    marked: bool = False  # a session marker declares from which step on rows are written anew
    witnesses: Mapping[str, Witness] = field(default_factory=dict)  # what loss, learning rate and epoch did there


ROW_BITS = 40  # of a key of a row: its file above, its number in the file below
_SIDES: tuple[Literal["left"], Literal["right"]] = ("left", "right")


class SessionMap(Struct, frozen=True, kw_only=True, eq=False):
    """Sessions in the order of their starts, the joins between them, and where each view was cut."""

    sessions: tuple[Session, ...]
    joins: tuple[Join, ...] = ()
    cuts: tuple[Cut, ...] = ()  # of the view that the clocks are read from; one fewer than sessions, ascending
    concurrent: tuple[tuple[int, ...], ...] = ()  # groups of source indices that two processes wrote at once
    starts: tuple[tuple[int, int, int], ...] = ()  # (source, row, session) for every source of every view, ascending

    def of(self, series: Series) -> NDArray[np.int64]:
        """Session index of every point of a series of any view of the run, shape (n,)."""
        if len(self.sessions) < 2 or not self.starts:
            return np.zeros(len(series), dtype=np.int64)
        keys = np.array([_key(source, row) for source, row, _ in self.starts], dtype=np.int64)
        session = np.array([session for _, _, session in self.starts], dtype=np.int64)
        at = np.searchsorted(keys, (series.source.astype(np.int64) << ROW_BITS) + series.row, side="right") - 1
        return session[np.maximum(at, 0)]

    def bounds(self, series: Series) -> Ints:
        """Where each session begins in a series, and the end: points of session n are bounds[n] up to bounds[n + 1].

        Points stand in written order, so each place is found by bisection.
        """
        if len(self.sessions) < 2 or not self.starts:
            return np.array([0, *[len(series)] * max(1, len(self.sessions))])
        source, row, session = (np.array(column, dtype=np.int64) for column in zip(*self.starts, strict=True))
        begin, end = (np.searchsorted(series.source, source.astype(series.source.dtype), side=s) for s in _SIDES)
        here = begin < end  # starts in files that hold points of this series
        written = (series.source.astype(np.int64) << ROW_BITS) + series.row
        place = np.append(np.searchsorted(written, (source[here] << ROW_BITS) + row[here]), len(series))
        first: Ints = place[np.searchsorted(session[here], np.arange(len(self.sessions) + 1))]
        return first

    def slices(self, series: Series) -> list[slice]:
        """The points of each session in a series."""
        return [slice(begin, end) for begin, end in pairwise(self.bounds(series).tolist())]


def _key(source: int, row: int) -> int:
    return (source << ROW_BITS) + row


class Copies(Struct, frozen=True, kw_only=True, eq=False):
    """A join behind which every row of a step told before is a copy of its first telling, time included."""

    join: Join
    series: Series
    first: Ints  # indices of the first tellings
    second: Ints  # and of their copies


class LivesOfView(Struct, frozen=True, kw_only=True, eq=False):
    """One view, its joins, and where another run begins in the same place: every clock and the loss start over."""

    view: View  # of one run's rows, each once: the longest run that the view holds
    whole: View  # of all rows
    joins: tuple[Join, ...]
    other_runs: tuple[Join, ...] = ()  # indices of these joins count the sessions of the whole view
    begins_again: Literal["laps", "passes"] | None = None  # the habit by which the step of the training rows falls
    training: tuple[Series, ...] = ()  # of the view, those of its training rows; what tells sessions best comes first
    copies: tuple[Copies, ...] = ()  # joins at which rows were copied, not trained again


class Simultaneous(Struct, frozen=True, kw_only=True):
    """Two accounts of the same steps, written at the same time. ``kept`` stays in the view that the clocks read."""

    kind: Literal["processes", "loggers", "units"]  # two processes, one that has two loggers, or two units as step
    kept: int  # index into Run.sources
    other: int  # the same as ``kept`` when both wrote into one file
    tag: str
    first_kept: int  # index into the raw series of ``tag``: the first row while both wrote
    first_other: int
    rows: int  # rows of ``tag`` that the other writer wrote meanwhile
    equal_values: bool  # at equal steps the values are equal to the last bit
    as_likely: str | None = None  # what else explains the rows, where only names would tell
    other_counts: bool = False  # whether the other rows go up by one distance, in one file
    alone: tuple[int, int] | None = None  # the other wrote many steps below or above these, and they stay in the view
