"""Second witnesses on the length of an epoch: rows that an epoch's end writes, and the length of the run."""

from __future__ import annotations

from analyzer.clocks.closing_rows import closing_rows_fit
from analyzer.clocks.epoch_clock import EpochClock
from analyzer.clocks.planned_epochs import planned_steps_per_epoch
from analyzer.clocks.run_end import updates_done
from analyzer.timeline import Timeline


def slope_disagrees(clock: EpochClock) -> bool:
    """Whether a fractional label rises by another number of steps per epoch than its laps have.

    An epoch has at most one update more or less than its fraction counts: the last, incomplete accumulation window.
    """
    if clock.slope is None or clock.crossings < 1:
        return False
    return bool((clock.high is not None and clock.high <= clock.slope.low - 1) or clock.low >= clock.slope.high + 1)


def divisor_is_wrong(timeline: Timeline, clock: EpochClock) -> str:
    """Why a fractional label, not the loop, has the wrong steps per epoch; "" when it does not."""
    if clock.slope is None:
        return ""
    if slope_disagrees(clock):
        return "its laps and its slope disagree"
    planned = planned_steps_per_epoch(timeline.plan, timeline.step_axis)
    if not planned or any(clock.admits(U) for U in planned):
        return ""
    if clock.slope.width < 0.5 and any(clock.slope.admits(U) for U in planned):
        return ""  # the divisor is the planned one, and the label stands still while the loop makes more updates
    done = updates_done(timeline)
    epochs = timeline.plan.epochs
    for U in planned:
        if closing_rows_fit(timeline.view, timeline.roles, U):
            return "validation runs at the planned epoch ends"
        totals = timeline.plan.totals_given(U)
        if done is not None and epochs and any(done.low <= total <= done.seen for total in totals):
            return "the run has the planned length"
    return ""
