"""The scheduler clock: which schedule wrote the learning rates, and where its own counter stood at every row.

The learning rate is a noise-free function of the scheduler's counter. Every schedule that the declaration admits is
tried first, in every convention; if one passes through all rows the clock is sound. Then, in this order: the sessions
with counters of their own; another rate or unit; a rate that stands still; single rows beside an exact schedule; one
epoch late; a schedule read off the log itself, with its own horizon and warmup; a step more at every epoch's end; a
change inside a session. What is found first is the first cause, and its consequences are not told as faults of their
own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from analyzer.model import Floats, Ints, Row, Series, Severity
from analyzer.roles import role_of_tag

if TYPE_CHECKING:
    from analyzer.clocks.declared_schedule import Claim
    from analyzer.clocks.learning_rate import Observed
    from analyzer.timeline import Timeline

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
    "overrun",  # goes on past its end
    "refuted",  # no reading of the declaration explains the rows
]


Fact = Literal["family", "horizon", "warmup", "peak", "floor"]
SAME_PEAK = 1e-3  # relative; printed rates have three digits at least


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
    position: Floats | None = None  # the scheduler's counter at every row, NaN where it cannot be told
    expected: Floats | None = None  # learning rate that the identified schedule gives at every row
    explained: float = 0.0  # share of rows within their written precision
    deviations: tuple[Deviation, ...] = ()
    held_against: frozenset[Fact] = frozenset()  # declared facts that the log could be held against
    counts: str | None = None  # what the log's steps count, where that is no known number of updates
    distinct_steps: Ints | None = None


def read_scheduler_clocks(timeline: Timeline) -> tuple[SchedulerClock, ...]:
    """Identify and invert the schedule of every learning-rate series of the view."""
    from analyzer.clocks.declared_schedule import read_claim, without_steps
    from analyzer.clocks.learning_rate import observe
    from analyzer.clocks.scheduler.search import read_clock

    claim = read_claim(timeline)
    groups = [one for series in rates_of(timeline) if (one := observe(timeline, series)) is not None]
    if not all(rows.sized for rows in groups):
        claim = without_steps(claim)
    bound = group_of(claim.base_lr, groups)
    facts = frozenset(facts_of(claim))
    clocks = []
    for number, rows in enumerate(groups):
        clock = read_clock(timeline, claim, rows, main=number == bound)
        counts = None if rows.sized else timeline.step_axis.unit
        clocks.append(replace(clock, held_against=facts if number == bound else frozenset(), counts=counts))
    return tuple(clocks)


def facts_of(claim: Claim) -> Iterator[Fact]:
    """Facts of a declaration that a schedule can be held against."""
    told: tuple[tuple[Fact, bool], ...] = (
        ("family", claim.family is not None),
        ("horizon", bool(claim.totals) or claim.epochs is not None),
        ("warmup", claim.warmup_declared),
        ("peak", claim.base_lr is not None),
        ("floor", claim.min_lr is not None),
    )
    return (fact for fact, declared in told if declared)


def group_of(base_lr: float | None, groups: list[Observed]) -> int:
    """The parameter group that a declared rate binds: the one whose peak it is, else the first."""
    if base_lr is None:
        return 0
    tops = [abs(float(rows.rate.max()) / base_lr - 1) for rows in groups]
    return next((number for number, off in enumerate(tops) if off < SAME_PEAK), 0)


def rates_of(timeline: Timeline) -> tuple[Series, ...]:
    """Learning-rate series of the view; of another account of the run where the view has none."""
    found = timeline.roles.all("learning_rate")
    if found:
        return found
    others = (
        series
        for view in timeline.run.views
        for tag, series in view.series.items()
        if role_of_tag(tag) == "learning_rate"
    )
    return tuple(sorted(others, key=len, reverse=True))[:1]


def findings_of(timeline: Timeline, *kinds: Kind) -> tuple[tuple[SchedulerClock, Deviation], ...]:
    """Deviations of some kinds, each told once: the same fault in several parameter groups is one."""
    told: dict[tuple[str, int], tuple[SchedulerClock, Deviation]] = {}
    for clock in timeline.schedulers:
        for deviation in clock.deviations:
            if deviation.kind in kinds:
                told.setdefault((deviation.kind, deviation.step), (clock, deviation))
    return tuple(told.values())
