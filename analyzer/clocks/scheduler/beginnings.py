"""Schedules that nobody declared, read off the beginning of a log or off its increments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from analyzer.clocks.claim import Claim, stated
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.schedule_fit import agrees, identified, rising_again, through_all
from analyzer.clocks.schedule_fit.fit import thinned
from analyzer.clocks.scheduler.breaks import CounterChange
from analyzer.clocks.scheduler.courses import RateCourse, course_of, put_together
from analyzer.clocks.scheduler.tied import Tied
from analyzer.model import Ints

FEWEST_BEFORE = 8  # rows that a schedule nobody declared must explain before it is left
WINDOW = 9  # rows around a step that tell how long steps are there
CLEAR_STEP = 4  # half widths that such a step must be long
MOST_CALLS = 3  # of the scheduler between two rows
OF_A_FAMILY = 2  # fits to one course, with other tops or floors
ODD_SHARE = 0.2  # of the rows: with more of them the usual step is not known


class Left(Struct, frozen=True, kw_only=True, eq=False):
    """A reference and its breaks."""

    tied: Tied
    found: tuple[CounterChange, ...]
    declared: bool


def by_increments(claim: Claim, rows: Observed) -> Left | None:
    """A schedule that nobody declared, on a counter whose every increment is read off the rows.

    Where the rate moves smoothly, a row that stands still is an update that was skipped, and a step twice as long as
    those around it is a second call: the increment is the step over the median of its neighbours.
    """
    x, y, tolerance = rows.axes.get("step"), rows.rate, rows.tolerance
    if x is None or len(x) < 2 * WINDOW or (np.diff(rows.session) != 0).any():
        return None
    spacing = np.diff(x)
    if spacing[0] <= 0 or np.ptp(spacing) > 0:
        return None
    moved = np.diff(y)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(moved, WINDOW // 2, mode="edge"), WINDOW)
    usual = np.median(around, axis=1)
    with np.errstate(all="ignore"):
        times = np.where(np.abs(usual) > CLEAR_STEP * tolerance[1:], np.round(moved / usual), 1.0)
    times = np.where((times >= 0) & (times <= MOST_CALLS), times, 1.0)
    odd = np.flatnonzero(times != 1)
    if not len(odd) or len(odd) > ODD_SHARE * len(times):
        return None
    extra = np.concatenate([[0.0], np.cumsum(times - 1)]) * spacing[0]
    counted = replace(rows, axes={**rows.axes, "step": x + extra})
    thin = counted.sample()
    keep = np.concatenate([[True], np.diff(thin.axes["step"]) > 0])
    thin = thin.rows(keep)
    for fit in identified(
        thin.axes["step"], thin.rate, thin.tolerance, peaks=stated(claim.base_lr), floors=stated(claim.min_lr)
    ):
        if fit.family == "step" or fit.rises_as_logged:
            continue
        if agrees(fit, counted.axes["step"], y, tolerance).all():
            ends = np.append(odd[1:], len(y) - 1)
            found = tuple(
                CounterChange(place=int(k) + 1, rows=int(end - k), how="shift", size=float(extra[k + 1]))
                for k, end in zip(odd, ends, strict=True)
            )
            return Left(tied=Tied(schedule=fit, axis="step", unit="step"), found=found, declared=False)
    return None


def read_off(claim: Claim, rows: Observed) -> Iterator[Tied]:
    """Schedules read off the rows where these are one course once a break is undone; else off their beginning."""
    for axis in ("step", "epoch"):
        if axis not in rows.axes:
            continue
        course, begins = course_of(rows, axis)
        whole = list(put_together(course, begins))
        for one in (*whole, *_beginning(claim, course)):
            told: Counter[str] = Counter()
            for fit in through_all(one.x, one.y, one.tolerance, _telling(one), **_likely(claim)):
                if told[fit.family] < OF_A_FAMILY:
                    told[fit.family] += 1
                    yield Tied(schedule=fit, axis=axis, unit=axis)
                    if fit.family == "cosine" and fit.end > one.x[-1]:  # what lies behind its end was not seen
                        yield Tied(schedule=rising_again(fit), axis=axis, unit=axis)


def _telling(course: RateCourse) -> Ints:
    """Rows spread evenly, and those around the changes of a rate that is held: they place its drops."""
    changed = np.flatnonzero(np.diff(course.y))
    spread = thinned(len(course))
    return spread if len(changed) > len(spread) // 2 else np.unique(np.concatenate([spread, changed, changed + 1]))


def _likely(claim: Claim) -> dict[str, Any]:
    """What a declaration says of a schedule that is read off the rows."""
    families = (claim.family,) if claim.family not in (None, "plateau") else None
    return {"families": families, "peaks": stated(claim.base_lr), "floors": stated(claim.min_lr)}


def _beginning(claim: Claim, course: RateCourse) -> Iterator[RateCourse]:
    """The most rows from the first on that one schedule explains, with more rows than it has parameters."""
    falls = np.flatnonzero(np.diff(course.x) <= 0)
    one_life = course.only(slice(0, int(falls[0]) + 1 if len(falls) else None))
    one_life = one_life.only(_telling(one_life))

    def explained(count: int) -> bool:
        part = one_life.only(slice(0, count))
        return next(identified(part.x, part.y, part.tolerance, **_likely(claim)), None) is not None

    low, high = max(FEWEST_BEFORE, len(one_life) // 8), len(one_life)
    known = high > low and explained(low)
    if not known and low > 2 * FEWEST_BEFORE:
        low = 2 * FEWEST_BEFORE
        known = explained(low)
    if not known:
        return
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if explained(middle) else (low, middle)
    yield one_life.only(slice(0, low))
