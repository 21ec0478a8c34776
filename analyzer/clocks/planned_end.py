"""Where a run may end as it is declared."""

from __future__ import annotations

from fractions import Fraction

from analyzer.clocks.closing_rows import closing_lengths
from analyzer.clocks.epoch_clock import EpochClock
from analyzer.clocks.laps import divisor_is_wrong
from analyzer.clocks.planned_epochs import measured_totals
from analyzer.model import View
from analyzer.roles import Roles
from analyzer.timeline import Timeline


def admitted_totals(timeline: Timeline) -> tuple[int, ...]:
    """Updates that the readings give whose steps per epoch the labels have confirmed; empty when none says."""
    clock, plan = timeline.epoch, timeline.plan
    if measured := measured_totals(timeline.plan, timeline.step_axis, clock):
        return measured
    if (
        clock is None
        or clock.labels is None
        or clock.crossings < 1
        or clock.source == "declared"
        or divisor_is_wrong(timeline, clock)
    ):
        return plan.total_steps
    scale = Fraction(timeline.step_axis.per_update or 1).limit_denominator(10**6)
    fits = {
        r.total_steps
        for r in plan.readings
        if r.total_steps and (r.steps_per_epoch is None or clock.admits(r.steps_per_epoch * scale) or r.laps)
    }
    if not fits and plan.max_steps:
        fits = {plan.max_steps}
    return tuple(sorted(fits))


def rows_past_the_end(timeline: Timeline) -> int:
    """A loop that counts from 0 and ends with `iter > max_iters` writes a row at step T: one more than declared."""
    axis, clock = timeline.step_axis, timeline.epoch
    if axis.unit != "update" or axis.base not in (0, None) or (axis.base == 0 and axis.base_known_by == "framework"):
        return 0
    return 0 if clock is not None and _counts_from_zero(timeline.view, timeline.roles, clock) else 1


def _counts_from_zero(view: View, roles: Roles, clock: EpochClock) -> bool:
    """Whether the epochs show that step 0 is an update: a fraction above 0 there, or rows that close epochs at k S - 1.

    Then a row at step T is one update more than T; else step 0 may be what was logged before training.
    """
    if not clock.exact or clock.labels is None or clock.breaks:
        return False
    if clock.source == "fractions":
        return clock.origin == -1
    return clock.origin == 0 and closing_lengths(view, roles, last_update=True) == [clock.low]
