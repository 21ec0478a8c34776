"""Fractional epoch labels: their slope, and where each lap begins.

A fraction gives two measurements: the updates per unit of the label (its slope), and the updates between two laps. The
Trainer's labels count micro-batches, e = k + min(j G, L) / L: the slope is L / G while a lap has ceil(L / G) updates;
a label divided by the wrong number has a slope that no lap agrees with.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from analyzer.clocks.label_runs import FINE, Bounds
from analyzer.clocks.labels import Labels

LARGEST_DENOMINATOR = 512
"""A slope is L / G: the accumulation of real runs is below this."""


class Stretches(Struct, frozen=True, kw_only=True, eq=False):
    """Runs of rows inside one lap whose fraction rises with the step; arrays of shape (r,)."""

    lap: NDArray[np.int64]  # whole part of the label
    start: NDArray[np.int64]  # position of the first row among the labels
    stop: NDArray[np.int64]  # one past the last
    session: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.lap)


class Slope(Struct, frozen=True, kw_only=True):
    """Updates per unit of the label, in [low, high]."""

    low: float
    high: float

    @property
    def middle(self) -> float:
        return (self.low + self.high) / 2

    @property
    def width(self) -> float:
        return self.high - self.low

    def admits(self, value: Fraction | float) -> bool:
        return self.low <= float(value) <= self.high

    @property
    def ratio(self) -> Fraction:
        """The simplest fraction in the interval."""
        middle = Fraction(self.middle)
        for denominator in (1, 2, 4, 8, 16, 32, 64, LARGEST_DENOMINATOR):
            near = middle.limit_denominator(denominator)
            if self.admits(near):
                return near
        return middle.limit_denominator(10**6)


def inner_rows(labels: Labels) -> NDArray[np.int64]:
    """Positions of the labels that are certainly inside a lap: not at an integer, within their precision."""
    away = np.abs(labels.value - np.round(labels.value))
    return np.nonzero(away > labels.half)[0]


def stretches(labels: Labels) -> Stretches:
    """Cut the labels where the lap or the session changes, or the fraction or the step falls."""
    rows = inner_rows(labels)
    if not len(rows):
        empty = np.zeros(0, dtype=np.int64)
        return Stretches(lap=empty, start=empty, stop=empty, session=empty)
    lap = np.floor(labels.value[rows]).astype(np.int64)
    fall = (np.diff(labels.value[rows]) < -(labels.half[rows][1:] + labels.half[rows][:-1])) | (
        np.diff(labels.step[rows]) < 0
    )
    change = np.nonzero((np.diff(lap) != 0) | (np.diff(labels.session[rows]) != 0) | fall)[0] + 1
    start = np.concatenate([[0], change]).astype(np.int64)
    stop = np.concatenate([change, [len(rows)]]).astype(np.int64)
    return Stretches(lap=lap[start], start=rows[start], stop=rows[stop - 1] + 1, session=labels.session[rows][start])


def slope_of(labels: Labels, found: Stretches, session: int | None = None) -> Slope | None:
    """Updates per unit of the label: what most of the rows agree on; None without a stretch that rises."""
    first, last = found.start, found.stop - 1
    steps = (labels.step[last] - labels.step[first]).astype(np.float64)
    rise = labels.value[last] - labels.value[first]
    blur = labels.half[last] + labels.half[first]
    usable = (steps > 0) & (rise > blur)
    if session is not None:
        usable &= found.session == session
    if not usable.any():
        return None
    steps, rise, blur = steps[usable], rise[usable], blur[usable]
    at = np.concatenate([steps / (rise + blur), steps / (rise - blur)])
    weight = np.concatenate([steps, -steps])
    order = np.lexsort((-weight, at))
    depth = np.cumsum(weight[order])[:-1]
    best = int(np.argmax(depth > depth.max() - 1e-6))
    low, high = float(at[order[best]]), float(at[order[best + 1]])
    return Slope(low=low * (1 - 1e-12), high=high * (1 + 1e-12))


def bounds_of_stretches(labels: Labels, found: Stretches, slopes: Mapping[int, Slope]) -> Bounds:
    """One bound for each stretch: the step at which its lap's fraction is zero, less S times the lap.

    ``slopes`` gives the slope of every session.
    """
    r = len(found)
    if not r:
        empty = np.zeros(0, dtype=np.int64)
        low = high = empty
    else:
        rows = inner_rows(labels)
        which = np.searchsorted(found.start, rows, side="right") - 1
        middle = np.array([slopes[int(session)].middle for session in found.session])[which]
        part = labels.value[rows] - found.lap[which]
        widest = np.array([slopes[int(session)].high for session in found.session])[which]
        spread = np.array([slopes[int(session)].width for session in found.session])[which]
        blur = widest * labels.half[rows] + spread / 2 * part + 1e-6
        zero = labels.step[rows] - middle * part
        begin = np.nonzero(np.diff(which, prepend=-1))[0]
        least, most = np.maximum.reduceat(zero - blur, begin), np.minimum.reduceat(zero + blur, begin)
        count = np.diff(np.append(begin, len(rows)))
        centre, about = np.add.reduceat(zero, begin) / count, np.add.reduceat(blur, begin) / count
        crossed = least > most  # rounding that the column's precision does not show
        least, most = np.where(crossed, centre - about, least), np.where(crossed, centre + about, most)
        low = np.floor(least * FINE).astype(np.int64)
        high = np.ceil(most * FINE).astype(np.int64)
    return Bounds(
        low=low,
        low_label=found.lap.copy(),
        high=high,
        high_label=found.lap.copy(),
        session=found.session,
        start=found.start,
        position=found.start,
        scale=FINE,
    )
