"""The nouns of a chart: curves, marks, and what they are drawn against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from analyzer.model import Floats, Ints


class Line(Struct, frozen=True, kw_only=True, eq=False):
    """One curve in written order, arrays of shape (n,). ``x``: "step" and, where known, "time" in the chart's unit."""

    name: str
    x: Mapping[str, Floats]
    y: Floats
    session: Ints | None = None  # index of the session of every point; None: one
    source: Ints | None = None  # index into RunReport.run.sources; None for a computed curve
    row: Ints | None = None
    style: Literal["observed", "expected", "declared", "level", "band"] = "observed"
    stepped: bool = False
    tag: str = ""  # the series that it was read from; empty for a curve beside it


class Mark(Struct, frozen=True, kw_only=True):
    """A finding's place on a chart."""

    step: float
    y: float | None
    code: str
    severity: str
    text: str
    time: float | None = None  # on a chart by time, in its unit


class Chart(Struct, frozen=True, kw_only=True, eq=False):
    """One figure: curves, marks, and the steps at which sessions begin."""

    key: str  # "epoch", "schedule", "position", "loss", "gradient", "sessions"
    title: str
    y_label: str
    lines: tuple[Line, ...]
    marks: tuple[Mark, ...] = ()
    joins: tuple[float, ...] = ()
    log_y: bool = False
    reading: str = ""  # one sentence: how to read it
    timed: bool = False  # every line knows its times
    time_unit: str = "hours"
    counted_in: str = "step"  # what the log counts: "step", "epoch"
    by_time: bool = False  # drawn against time, whatever the others are drawn against

    @property
    def x_label(self) -> str:
        return f"{self.time_unit} since the first record" if self.by_time else self.counted_in
