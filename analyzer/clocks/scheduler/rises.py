"""A rate that rises where its schedule cannot: what is left to say when no schedule explains the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analyzer.clocks.declared_schedule import Claim
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.scheduler import Deviation, SchedulerClock
from analyzer.clocks.scheduler.known import row_of

if TYPE_CHECKING:
    from analyzer.timeline import Timeline

FALLS_ONLY = ("linear", "cosine", "polynomial", "exponential", "inverse-sqrt", "inverse-time", "step", "plateau", "wsd")
MOST_RISES = 5  # places; a rate that rises more often has a rule of its own
FALLS_AT_ONCE = 10.0  # times the usual fall
GAP = 3.0  # times the usual spacing of the rows
LARGE = 1.2  # times the rate before: printed digits and float noise never make a fifth


def never_falls_only(
    timeline: Timeline, claim: Claim, rows: Observed, sample: Observed, main: bool
) -> SchedulerClock | None:
    """A schedule that only falls behind its warmup, and a rate that rises again at once: at a join, or at one row.

    A plateau schedule depends on a metric and is not known beforehand, but it never rises; nor do the others.
    """
    if not main or claim.family not in FALLS_ONLY or len(rows) < 4:
        return None
    if (np.diff(rows.step) <= 0).any():
        return None
    rate, slack = rows.rate, 2 * rows.tolerance
    change = np.diff(rate)
    fallen = np.flatnonzero(change < -(slack[1:] + slack[:-1]))
    if not len(fallen):
        return None
    rising = np.flatnonzero(change > slack[1:] + slack[:-1]) + 1
    rising = rising[rising > fallen[0] + 1]
    if not len(rising):
        return None
    places = rising[np.concatenate([[True], np.diff(rising) > 1])]
    ends = rising[np.concatenate([np.diff(rising) > 1, [True]])]
    place, end = int(places[0]), int(ends[0])
    join = None
    for near in (place, place - 1):  # the first rate of a new life may be its lowest: a warmup begins
        if near > 0 and rows.session[near] != rows.session[near - 1]:
            join = rows.joins.get(int(rows.session[near]))
            place = near
    falls = -change[change < 0]
    dropped = (
        place >= 2
        and change[place - 2] < -FALLS_AT_ONCE * np.median(falls)
        and LARGE * rate[place - 1] < rate[place - 2]
    )
    if join is None and dropped:  # it begins again, with a warmup
        place -= 1
    at_once = rate[end] > LARGE * rate[place - 1 if not dropped else place] and (
        end - place <= 1 or join is not None or dropped
    )
    if len(places) > MOST_RISES or not at_once:
        return None
    step = int(rows.step[place])
    missing = rows.step[place] - rows.step[place - 1] >= GAP * np.median(
        np.diff(rows.step)
    )  # it may have resumed there
    deviation = Deviation(
        kind="restart" if join is not None else "jump",
        step=step,
        last_step=int(rows.step[-1]),
        join=join,
        evidence=(
            row_of(timeline, rows, place - 1, "before"),
            row_of(timeline, rows, end, "risen"),
        ),
        what=f"the rate goes from {rate[place - 1]:.6g} to {rate[end]:.6g} at step {rows.step[end]}, "
        f"and a {claim.name} schedule does not rise once it has fallen",
        numbers={"before": float(rate[place - 1]), "after": float(rate[end])},
        severity="note" if join is None and missing else "error",
    )
    return SchedulerClock(
        series=rows.series,
        family="plateau" if claim.family == "plateau" else "unknown",
        peak_lr=float(rate.max()),
        min_lr=float(rate.min()),
        deviations=(deviation,),
    )
