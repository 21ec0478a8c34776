"""Fractional epoch labels: their slope, and where each lap begins.

A fraction gives two measurements: the updates per unit of the label (its slope), and the updates between two laps. The
Trainer's labels count micro-batches, e = k + min(j G, L) / L: the slope is L / G while a lap has ceil(L / G) updates;
a label divided by the wrong number has a slope that no lap agrees with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from analyzer.clocks.label_runs import FINE, FREE, Bounds
from analyzer.clocks.labels import Labels
from analyzer.model import Floats

SMALLEST_SLOPE_ROWS = 2
LARGEST_DENOMINATOR = 512
"""A slope is L / G: the accumulation of real runs is below this."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Stretches:
    """Runs of rows inside one lap whose fraction rises with the step; arrays of shape (r,)."""

    lap: NDArray[np.int64]  # whole part of the label
    start: NDArray[np.int64]  # position of the first row among the labels
    stop: NDArray[np.int64]  # one past the last
    session: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.lap)


@dataclass(frozen=True, kw_only=True)
class Slope:
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
    events: list[tuple[float, float]] = []
    for r in range(len(found)):
        if session is not None and found.session[r] != session:
            continue
        first, last = int(found.start[r]), int(found.stop[r]) - 1
        steps = float(labels.step[last] - labels.step[first])
        rise = float(labels.value[last] - labels.value[first])
        blur = float(labels.half[last] + labels.half[first])
        if steps <= 0 or rise <= blur:
            continue
        events += [(steps / (rise + blur), steps), (steps / (rise - blur), -steps)]
    if not events:
        return None
    events.sort(key=lambda event: (event[0], -event[1]))
    depth, best, span = 0.0, 0.0, (events[0][0], events[-1][0])
    for position, (at, weight) in enumerate(events):
        depth += weight
        if depth > best + 1e-9 and position + 1 < len(events):
            best, span = depth, (at, events[position + 1][0])
    return Slope(low=span[0] * (1 - 1e-12), high=span[1] * (1 + 1e-12))


def jumps(labels: Labels, slope: Slope) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Places where the data position leaves the step axis: (positions, least size, greatest size) in steps.

    A positive size says that the label fell behind the steps. Where the label passes integers, one step for each is the
    last, incomplete accumulation window and no jump.
    """
    steps = np.diff(labels.step).astype(np.float64)
    rise = np.diff(labels.value)
    size = steps - slope.middle * rise
    blur = slope.high * (labels.half[1:] + labels.half[:-1]) + slope.width / 2 * np.abs(rise) + 1e-6
    crossed = np.abs(np.floor(labels.value[1:] + labels.half[1:]) - np.floor(labels.value[:-1] - labels.half[:-1]))
    allowed = np.where(crossed > 0, np.minimum(crossed, 1 + np.abs(np.round(rise))), 0.0)
    found = np.abs(size) > allowed + blur + 0.25
    at = np.nonzero(found)[0]
    return at + 1, size[at] - blur[at] - allowed[at], size[at] + blur[at] + allowed[at]


def bounds_of_stretches(labels: Labels, found: Stretches, slopes: Mapping[int, Slope]) -> Bounds:
    """One bound for each stretch: the step at which its lap's fraction is zero, less S times the lap.

    ``slopes`` gives the slope of every session.
    """
    low = np.zeros(len(found), dtype=np.int64)
    high = np.zeros(len(found), dtype=np.int64)
    for r in range(len(found)):
        slope = slopes[int(found.session[r])]
        rows = slice(int(found.start[r]), int(found.stop[r]))
        part = labels.value[rows] - found.lap[r]
        inside = (part > 0) & (part < 1)
        part, step, half = part[inside], labels.step[rows][inside], labels.half[rows][inside]
        blur = slope.high * half + slope.width / 2 * part + 1e-6
        zero = step - slope.middle * part
        middle = float(np.median(zero))
        least, most = float(np.max(zero - blur)), float(np.min(zero + blur))
        if least > most:
            least, most = middle - float(np.median(blur)), middle + float(np.median(blur))
        low[r], high[r] = int(np.floor(least * FINE)), int(np.ceil(most * FINE))
    if len(found):
        low, high = np.maximum(low, -FREE + 1), np.minimum(high, FREE - 1)
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
