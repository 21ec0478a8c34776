"""The scheduler clock: which schedule wrote the learning rates, and where its own counter stood at every row.

The learning rate is a noise-free function of the scheduler's counter. Every schedule that the declaration admits is
tried first, in every convention; if one passes through all rows the clock is sound. Then, in this order: the sessions
with counters of their own; another rate or unit; a rate that stands still; single rows beside an exact schedule; one
epoch late; a schedule read off the log itself, with its own horizon and warmup; a step more at every epoch's end; a
change inside a session. What is found first is the first cause, and its consequences are not told as faults of their
own.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from analyzer.clocks.claim import Claim
from analyzer.clocks.declared_schedule import read_claim, without_steps
from analyzer.clocks.learning_rate import Observed, observe, rates_of
from analyzer.clocks.scheduler.search import read_clock
from analyzer.clocks.scheduler_clock import Fact, SchedulerClock
from analyzer.roles import is_share_of_a_rate
from analyzer.timeline import Timeline

SAME_PEAK = 1e-3  # relative; printed rates have three digits at least


def read_scheduler_clocks(timeline: Timeline) -> tuple[SchedulerClock, ...]:
    """Identify and invert the schedule of every learning-rate series of the view."""
    claim = read_claim(timeline)
    groups = [one for series in rates_of(timeline) if (one := observe(timeline, series)) is not None]
    if not all(rows.sized for rows in groups):
        claim = without_steps(claim)
    if groups and all(is_share_of_a_rate(rows.series.tag) for rows in groups):
        claim = replace(claim, base_lr=None, min_lr=None)
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
    if not base_lr:
        return 0
    tops = [abs(float(rows.rate.max()) / base_lr - 1) for rows in groups]
    return next((number for number, off in enumerate(tops) if off < SAME_PEAK), 0)


