"""The nouns of a scheduler clock: one parameter group's schedule, and where the learning rates leave it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct, field

from analyzer.model import Floats, Ints, Row, Series, Severity

Kind = Literal[
    "horizon",  # built for another number of steps
    "rate",  # advances k times per update
    "warmup",  # another length of warmup
    "family",  # another shape than declared
    "peak",  # another height than declared
    "floor",  # another lowest rate than declared
    "frozen",  # does not move though a schedule is declared
    "restart",  # at a join: the counter is not what it was
    "jump",  # leaves its schedule at one place
    "isolated",  # single rows beside the schedule
    "lag",  # falls behind by whole steps from one row on
    "lead",  # gains whole steps from one row on
    "per-epoch",  # gains or loses at every epoch's end
    "skipped",  # falls behind by one at scattered rows
    "phase",  # one constant step off: a convention
    "relabelled",  # at a join: it goes on, and the labels of epochs come again
    "overrun",  # goes on past its end
    "refuted",  # no reading of the declaration explains the rows
]
Fact = Literal["family", "horizon", "warmup", "peak", "floor"]


class Deviation(Struct, frozen=True, kw_only=True):
    """A place where the scheduler's counter leaves position = rate * update + offset, or the value its schedule."""

    kind: Kind
    step: int
    last_step: int | None = None
    size: float = 0.0  # positions by which the counter moves, where that can be told
    join: int | None = None
    what: str = ""  # the fault in words, with its numbers
    numbers: Mapping[str, Any] = field(default_factory=dict)
    evidence: tuple[Row, ...] = ()
    shown_by: int | None = None  # the row of the evidence that a message adds; None: ``what`` names its own place
    severity: Severity = "error"


class SchedulerClock(Struct, frozen=True, kw_only=True, eq=False):
    """One parameter group's schedule. Steps are on the log's own axis; intervals are [low, high]."""

    series: Series
    family: str  # "constant", "linear", "cosine", "polynomial", "inverse-sqrt", "exponential", "step", ...; "unknown"
    peak_lr: float
    min_lr: float = 0.0
    warmup_steps: tuple[float, float] | None = None
    total_steps: tuple[float, float] | None = None
    parameters: Mapping[str, float | tuple[float, ...] | str] = field(default_factory=dict)
    rate: float = 1.0  # scheduler steps per optimizer update
    offset: int = 0  # position = rate * (step + offset) on the log's axis
    unit: str = "step"  # what the scheduler counts: "step" or "epoch"
    convention: str = ""
    aliases: tuple[str, ...] = ()  # descriptions that this log cannot tell apart
    position: Floats | None = None  # where the scheduler's counter is due at every row, NaN where that cannot be told
    expected: Floats | None = None  # learning rate that the identified schedule gives at every row
    explained: float = 0.0  # share of rows within their written precision
    deviations: tuple[Deviation, ...] = ()
    held_against: frozenset[Fact] = frozenset()  # declared facts that the log could be held against
    counts: str | None = None  # what the log's steps count, where that is no known number of updates
    distinct_steps: Ints | None = None


def deviations_of(schedulers: tuple[SchedulerClock, ...], *kinds: Kind) -> tuple[tuple[SchedulerClock, Deviation], ...]:
    """Deviations of some kinds, each told once: the same fault in several parameter groups is one."""
    told: dict[tuple[str, int], tuple[SchedulerClock, Deviation]] = {}
    for clock in schedulers:
        for deviation in clock.deviations:
            if deviation.kind in kinds:
                told.setdefault((deviation.kind, deviation.step), (clock, deviation))
    return tuple(told.values())
