"""The scheduler clock: which schedule wrote the learning rates, and where its own counter stood at every row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from analyzer.model import Floats, Ints, Row, Series

if TYPE_CHECKING:
    from analyzer.timeline import Timeline


@dataclass(frozen=True, kw_only=True)
class Deviation:
    """A place where the scheduler's counter leaves position = rate * update + offset, or the value its schedule."""

    kind: Literal["jump", "restart", "freeze", "lag", "lead", "per-epoch", "overrun", "isolated", "horizon"]
    step: int
    size: float = 0.0  # positions by which the counter moves, where that can be told
    join: int | None = None
    evidence: tuple[Row, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class SchedulerClock:
    """One parameter group's schedule. Steps are on the log's own axis; intervals are [low, high]."""

    series: Series
    family: str  # "constant", "linear", "cosine", "polynomial", "inverse-sqrt", "exponential", "step", ...; "unknown"
    peak_lr: float
    min_lr: float = 0.0
    warmup_steps: tuple[float, float] | None = None
    total_steps: tuple[float, float] | None = None
    parameters: Mapping[str, float | tuple[float, ...]] = field(default_factory=dict)
    rate: float = 1.0  # scheduler steps per optimizer update
    offset: int = 0  # constant phase against the framework's convention
    convention: str = ""
    aliases: tuple[str, ...] = ()  # descriptions that this log cannot tell apart
    position: Floats | None = None  # the scheduler's counter at every row, NaN where it cannot be told
    expected: Floats | None = None  # learning rate that the identified schedule gives at every row
    explained: float = 0.0  # share of rows within their written precision
    deviations: tuple[Deviation, ...] = ()
    distinct_steps: Ints | None = None


def read_scheduler_clocks(timeline: Timeline) -> tuple[SchedulerClock, ...]:
    """Identify and invert the schedule of every learning-rate series of the view."""
    return ()
