"""The height of a schedule where nobody declares it: an interval of peaks that the intervals of the rows admit."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from analyzer.clocks.claim import Claim
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.schedules import Schedule, at_height
from analyzer.model import Floats

Mask = NDArray[np.bool_]
MOST_DIGITS = 4  # of a peak that somebody chose
BEYOND = 2  # counts behind a warmup's end, by which conventions place it elsewhere
ESTIMATED = 1.5  # half widths, where a factor or the warmup's start was itself read off the log


def peaks_of(claim: Claim, rows: Observed) -> list[float]:
    """Heights that a schedule may have: the declared one first, then the highest that was logged."""
    top = float(rows.rate.max())
    if top <= 0:
        return [claim.base_lr or 1.0]
    if claim.base_lr is None:
        return [top]
    return [claim.base_lr] if abs(top - claim.base_lr) < 1e-9 * top else [claim.base_lr, top]


def heights(schedule: Schedule, counters: Floats, rows: Observed) -> Floats:
    """Peak with which a schedule passes through all rows, one for each line of counters; NaN where there is none.

    Args:
        counters: shape (hypotheses, rows).
    """
    low, high = peaks_by_row(schedule, counters, rows)
    return _between(low.max(axis=1), high.min(axis=1))


def peaks_by_row(schedule: Schedule, counters: Floats, rows: Observed) -> tuple[Floats, Floats]:
    """The interval of peaks that every row's interval admits: a rate is a straight line in the peak."""
    with np.errstate(all="ignore"):
        one, two = schedule(counters), at_height(schedule, 2 * schedule.peak)(counters)
        ends = rows.rate - rows.tolerance, rows.rate + rows.tolerance
        below, above = (schedule.peak * (1 + (end - one) / (two - one)) for end in ends)
    moves = two - one > 1e-9 * schedule.peak
    any_peak = np.abs(one - rows.rate) <= rows.tolerance
    low = np.where(moves, below, np.where(any_peak, -np.inf, np.inf))
    return low, np.where(moves, above, np.where(any_peak, np.inf, -np.inf))


def _between(low: Floats, high: Floats) -> Floats:
    with np.errstate(all="ignore"):
        return np.where((low <= high) & (high > 0) & np.isfinite(low + high), 0.5 * (low + high), np.nan)


def roundest(low: float, high: float) -> float | None:
    """The roundest number of an interval of peaks: people choose such; None where the interval is empty."""
    middle = 0.5 * (low + high)
    if not (low <= high and high > 0 and math.isfinite(middle)):
        return None
    rounded = (float(f"{middle:.{digits}e}") for digits in range(MOST_DIGITS))
    return next((one for one in rounded if low <= one <= high), middle)


def followed_heights(schedule: Schedule, counters: Floats, rows: Observed) -> tuple[Floats, Floats]:
    """Peaks with which every line of counters is followed longest from the first row on, as (lowest, highest)."""
    low, high = peaks_by_row(schedule, counters, rows)
    low, high = np.maximum.accumulate(low, axis=1), np.minimum.accumulate(high, axis=1)
    known = np.isfinite(_between(low, high)) & (counters >= schedule.warmup + BEYOND)
    last = counters.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1)
    lines = np.arange(len(counters))
    any_known = known.any(axis=1)
    return tuple(np.where(any_known, side[lines, last], schedule.peak) for side in (low, high))  # type: ignore[return-value]


def passing(schedule: Schedule, counters: Floats, rows: Observed) -> Mask:
    """Which rows a schedule passes through, for every line of counters, shape (phases, rows)."""
    slack = (ESTIMATED if schedule.warmup_start > 0 else 1.0) * rows.tolerance
    result: Mask = np.abs(schedule(counters) - rows.rate) <= slack
    return result
