"""Second witnesses on the length of an epoch: rows that an epoch's end writes, and the length of the run."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from analyzer.clocks.epoch import EpochClock, planned_steps_per_epoch
from analyzer.clocks.global_step import updates_done
from analyzer.clocks.labels import validation_series
from analyzer.model import NO_STEP, Ints, Series

if TYPE_CHECKING:
    from analyzer.timeline import Timeline


def epoch_means(timeline: Timeline) -> list[Series]:
    """Series that are written once per epoch, beside a loss that is written more often."""
    losses = timeline.roles.all("loss")
    return [series for series in timeline.roles.all("epoch_loss") if not any(series is one for one in losses)]


def closing_steps(timeline: Timeline) -> list[tuple[str, Ints]]:
    """Steps of validations and epoch means, each series once: (tag, ascending steps)."""
    found = []
    for series in (*epoch_means(timeline), *validation_series(timeline.view)):
        steps = np.unique(series.step[series.step != NO_STEP])
        if len(steps) >= 2:
            found.append((series.tag, steps))
    return found


def closing_rows_fit(timeline: Timeline, S: Fraction) -> bool:
    """Whether a series of closing rows stands at k S - 1 or k S with one constant residue."""
    if S.denominator != 1 or S < 2:
        return False
    length = int(S)
    for _, steps in closing_steps(timeline):
        residue = np.unique(steps % length)
        if len(residue) == 1 and int(residue[0]) in (0, length - 1) and bool(np.all(np.diff(steps) == length)):
            return True
    return False


def slope_disagrees(clock: EpochClock) -> bool:
    """Whether a fractional label rises by another number of steps per epoch than its laps have.

    An epoch has at most one update more or less than its fraction counts: the last, incomplete accumulation window.
    """
    if clock.slope is None or clock.crossings < 1:
        return False
    return bool(clock.high <= clock.slope.low - 1 or clock.low >= clock.slope.high + 1)


def divisor_is_wrong(timeline: Timeline, clock: EpochClock) -> str:
    """Why a fractional label, not the loop, has the wrong steps per epoch; "" when it does not."""
    if clock.slope is None:
        return ""
    if slope_disagrees(clock):
        return "its laps and its slope disagree"
    planned = planned_steps_per_epoch(timeline)
    if not planned or any(clock.admits(U) or clock.slope.admits(U) for U in planned):
        return ""
    done = updates_done(timeline)
    epochs = timeline.plan.epochs
    for U in planned:
        if closing_rows_fit(timeline, U):
            return "validation runs at the planned epoch ends"
        totals = timeline.plan.totals_given(U)
        if done is not None and epochs and any(done.low <= total <= done.high for total in totals):
            return "the run has the planned length"
    return ""
