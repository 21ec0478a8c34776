"""Identify a schedule from its values alone: every family has a form u(rate) that is linear in the step.

Linear decay is the rate itself; cosine ``acos(2 (rate - m) / (M - m) - 1) / pi``; a power ``1 - rate^(1/power)``;
exponential its logarithm; inverse square root ``rate^-2``; inverse time ``1 / rate``; warmup the rate itself. A
straight line through u gives start and end of the decay at once; whole numbers are tried first, and a fit is believed
only if it passes through the interval of every row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from analyzer.clocks.schedule_fit.cycles import restarts, three_phases, zigzag
from analyzer.clocks.schedule_fit.falls import constants, falls, rising_again
from analyzer.clocks.schedule_fit.fit import Fit, Rise, agrees, named
from analyzer.clocks.schedule_fit.lines import line_through
from analyzer.clocks.schedule_fit.parts import Parts
from analyzer.clocks.schedule_fit.speeds import by_speed
from analyzer.clocks.schedule_fit.stairs import stairs
from analyzer.model import Floats, Ints

__all__ = ["Fit", "Rise", "agrees", "identified", "identify", "line_through", "named", "rising_again", "through_all"]

EXCHANGES = 3  # times that rows are chosen
HELD_AT = 40  # rows that are added each time
MISSED_BY_A_LITTLE = 0.2  # of the rows: a curve that misses more is another
MOST_OF_A_FAMILY = 8  # fits that are told, with other tops, floors and ends
FAMILY_FITS: dict[str, Callable[..., Iterator[Fit]]] = {
    "constant": constants,
    "linear": falls("linear"),
    "cosine": falls("cosine"),
    "polynomial": falls("polynomial"),
    "1-sqrt": falls("1-sqrt"),
    "exponential": by_speed("exponential"),
    "inverse-sqrt": by_speed("inverse-sqrt", 0.5),
    "inverse-time": by_speed("inverse-time", 1.0),
    "inverse-power": by_speed("inverse-time", 0.75),
    "step": stairs,
    "warm-restarts": restarts,
    "cyclic": zigzag,
    "one-cycle": three_phases,
}


def identify(
    x: Floats,
    y: Floats,
    tolerance: Floats,
    *,
    families: tuple[str, ...] | None = None,
    peaks: tuple[float, ...] = (),
    floors: tuple[float, ...] = (),
    power: float | None = None,
) -> Fit | None:
    """The schedule that passes through every row of one stretch; None when no family does.

    Args:
        x: steps, ascending, shape (n,).
        y: rates; tolerance: half widths of their intervals.
        families: names to try, in this order; all when None.
        peaks, floors: values that are likely for the top and the bottom (declared ones).
    """
    return next(identified(x, y, tolerance, families=families, peaks=peaks, floors=floors, power=power), None)


def through_all(
    x: Floats, y: Floats, tolerance: Floats, chosen: Ints, **likely: Any
) -> Iterator[Fit]:
    """All schedules that pass through every row, read off some of them.

    Where one misses a few of the others these are looked at as well: a curve is held where it is furthest off.

    Args:
        chosen: places of the rows that are looked at first, ascending.
        likely: as for ``identified``.
    """
    for _ in range(EXCHANGES):
        nearest, found = x[:0] < 0, False
        for fit in identified(x[chosen], y[chosen], tolerance[chosen], **likely):
            missed = ~agrees(fit, x, y, tolerance)
            if not missed.any():
                found = True
                yield fit
            elif not len(nearest) or missed.sum() < nearest.sum():
                nearest = missed
        if found or not 0 < nearest.sum() <= MISSED_BY_A_LITTLE * len(x):
            return
        places = np.flatnonzero(nearest)
        chosen = np.union1d(chosen, places[np.linspace(0, len(places) - 1, HELD_AT).astype(np.int64)])


def identified(
    x: Floats,
    y: Floats,
    tolerance: Floats,
    *,
    families: tuple[str, ...] | None = None,
    peaks: tuple[float, ...] = (),
    floors: tuple[float, ...] = (),
    power: float | None = None,
) -> Iterator[Fit]:
    """All schedules that pass through every row, the simplest family first."""
    if len(x) < 2:
        return
    wanted = families or tuple(FAMILY_FITS)
    low, high = float((y - tolerance).max()), float((y + tolerance).min())
    if low <= high:  # one value lies inside the intervals of all rows
        level = min(max(float(np.median(y)), low), high)
        yield Fit(family="constant", peak=level, value=lambda at: np.full_like(at, level), parameters={})
        return
    parts = Parts.of(x, y, tolerance)
    cuts = (parts, *parts.rising_to_the_top(peaks), *parts.first_top(), *parts.at_its_height())
    for family in wanted:
        fits = FAMILY_FITS.get(family)
        possible = (fit for cut in cuts for fit in fits(cut, peaks, floors, power)) if fits is not None else ()
        seen: set[tuple[float, ...]] = set()
        for fit in possible:
            ends = tuple(float(f"{one:.9g}") for one in (fit.start, fit.end, fit.peak, fit.floor))
            if len(seen) < MOST_OF_A_FAMILY and ends not in seen and agrees(fit, x, y, tolerance).all():
                seen.add(ends)
                yield fit
