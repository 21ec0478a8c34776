"""Schedules that watch a metric: the rate falls by a factor when the metric has not improved for long enough.

A declared one is borne out by a rate that only falls, by one factor. How many evaluations it waited for is not read: on
a log of few drops nearly every number explains them.
"""

from __future__ import annotations

import numpy as np

from analyzer.clocks.claim import Claim, finite_number
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.scheduler_clock import SchedulerClock

SAME_FACTOR = 1e-3  # relative; printed rates have three digits at least


def watching_a_metric(claim: Claim, rows: Observed) -> SchedulerClock | None:
    """A declared plateau schedule, where the rate falls as one does."""
    if claim.family != "plateau" or (np.diff(rows.step) <= 0).any():
        return None
    factor = _factor(claim, rows)
    if factor is None:
        return None
    return SchedulerClock(
        series=rows.series,
        family="plateau",
        peak_lr=float(rows.rate.max()),
        min_lr=float(rows.rate.min()),
        parameters={"gamma": factor},
        explained=1.0,
        distinct_steps=rows.step,
    )


def _factor(claim: Claim, rows: Observed) -> float | None:
    """The factor by which a rate falls that never rises; the last fall may be cut short by the floor."""
    change = np.diff(rows.rate)
    slack = rows.tolerance[1:] + rows.tolerance[:-1]
    if (change > slack).any():
        return None
    places = np.flatnonzero(change < -slack) + 1
    ratios = rows.rate[places] / rows.rate[places - 1]
    known = finite_number(claim.params.get("factor"))
    factor = known if known is not None and 0 < known < 1 else float(ratios.max()) if len(ratios) > 1 else 0.1
    times = np.maximum(np.round(np.log(np.maximum(ratios, 1e-300)) / np.log(factor)), 1.0)
    unsure = SAME_FACTOR + 2 * rows.tolerance[places] / np.maximum(rows.rate[places], 1e-300)
    partial = np.abs(ratios / factor**times - 1) > unsure
    return None if partial[:-1].any() else factor
