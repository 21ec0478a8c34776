"""Fractional epoch labels: their slope, and where each lap begins.

A fraction gives two measurements: the updates per unit of the label (its slope), and the updates between two laps. The
Trainer's labels count micro-batches, e = k + min(j G, L) / L: the slope is L / G while a lap has ceil(L / G) updates;
a label divided by the wrong number has a slope that no lap agrees with.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from analyzer.clocks.epoch_bounds import Bounds, feasible_lengths
from analyzer.clocks.epoch_clock import Labels, Slope
from analyzer.clocks.epoch_search import DIFFERENT_SHARE, DIFFERENT_STEPS, FEWEST_LAPS

MOST_PARTS = 64
"""Places at which a slope may change: a label that falls more often is no measure of another slope."""
LAG = 1.0
"""Updates by which the fraction of a label that counts micro-batches is off the line of its whole epochs, at most."""


class Stretches(Struct, frozen=True, kw_only=True, eq=False):
    """Runs of rows inside one lap whose fraction rises with the step; arrays of shape (r,)."""

    lap: NDArray[np.int64]  # whole part of the label
    start: NDArray[np.int64]  # position of the first row among the labels
    stop: NDArray[np.int64]  # one past the last
    session: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.lap)


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


def slope_of(labels: Labels, found: Stretches, chosen: NDArray[np.bool_] | None = None) -> Slope | None:
    """Updates per unit of the label: what most of the (chosen) stretches' rows agree on; None where none rises."""
    first, last = found.start, found.stop - 1
    steps = (labels.step[last] - labels.step[first]).astype(np.float64)
    rise = labels.value[last] - labels.value[first]
    blur = labels.half[last] + labels.half[first]
    usable = (steps > 0) & (rise > blur)
    if chosen is not None:
        usable &= chosen
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


def slopes_agree(labels: Labels, found: Stretches, slope: Slope) -> tuple[int | None, list[Slope]]:
    """The slope of every stretch, and the first stretch from which on it is another one for good.

    The slope may change where a session begins or the label falls while the steps go on.
    """
    first, last = found.start, found.stop - 1
    falls = labels.value[first[1:]] < labels.value[last[:-1]] - labels.half[last[:-1]] - labels.half[first[1:]]
    part = np.append(0, np.cumsum(falls | (np.diff(found.session) != 0)))
    begins = np.flatnonzero(np.diff(part, prepend=-1)).tolist()
    if len(begins) > MOST_PARTS:
        return None, [slope] * len(found)
    own = [slope_of(labels, found, part == number) for number in range(len(begins))]
    for number in range(1, len(begins)):
        before, after = slope_of(labels, found, part < number), slope_of(labels, found, part >= number)
        if before is None or after is None or own[number] is None:
            continue
        gap = max(before.low - after.high, after.low - before.high)
        if gap > 1 and all(one is None or _overlap(one, before if k < number else after) for k, one in enumerate(own)):
            change = begins[number]
            return change, [before] * change + [after] * (len(found) - change)
    return None, [slope] * len(found)


def lasting_changes(labels: Labels, found: Stretches) -> tuple[Stretches, list[int], list[Slope]] | None:
    """Stretches from which on the slope is another one though nothing falls, as where the batch changes.

    Two laps or more have to bear out each slope. The lap in which it changes has neither: it is cut at the first row
    beside the line of those before.

    Returns:
        The stretches, one more for each lap that was cut; the first of every later slope; the slope of every part.
    """
    first, last = found.start, found.stop - 1
    steps = (labels.step[last] - labels.step[first]).astype(np.float64)
    rise, blur = labels.value[last] - labels.value[first], labels.half[last] + labels.half[first]
    rises = np.flatnonzero((steps > 0) & (rise > blur))
    own = [Slope(low=float(steps[k] / (rise[k] + blur[k])), high=float(steps[k] / (rise[k] - blur[k]))) for k in rises]
    parts: list[Slope] = []
    cuts: list[tuple[int, bool]] = []
    begun, stretches_before = 0, len(found)
    while begun < len(own):
        part, after = own[begun], begun + 1
        while after < len(own) and _overlap(part, own[after]):
            low, high = max(part.low, own[after].low), min(part.high, own[after].high)
            part, after = Slope(low=min(low, high), high=max(low, high)), after + 1
        parts.append(part)
        if after - begun < FEWEST_LAPS or len(parts) > MOST_PARTS:
            return None
        following = own[after + 1 : after + 1 + FEWEST_LAPS]
        mixed = len(following) > 0 and not _overlap(own[after], following[0])
        if after < len(own):
            cuts.append((int(rises[after]), mixed))
        begun = after + mixed
    if len(parts) < 2 or any(_near(one, other) for one, other in itertools.pairwise(parts)):
        return None
    changes: list[int] = []
    for number, (k, mixed) in enumerate(cuts):
        k += len(found) - stretches_before
        if mixed:
            found = _cut(labels, found, k, parts[number])
        changes.append(k + mixed)
    return found, changes, parts


def _cut(labels: Labels, found: Stretches, k: int, slope: Slope) -> Stretches:
    """Stretch k in two, at its first row beside the line that begins at its first row."""
    start, stop = int(found.start[k]), int(found.stop[k])
    passed = (labels.step[start:stop] - labels.step[start]).astype(np.float64)
    risen, blur = labels.value[start:stop] - labels.value[start], labels.half[start:stop] + labels.half[start]
    beside = (risen > passed / slope.low + blur) | (risen < passed / slope.high - blur)
    at = start + int(np.argmax(beside))
    return Stretches(
        lap=np.insert(found.lap, k, found.lap[k]),
        start=np.insert(found.start, k + 1, at),
        stop=np.insert(found.stop, k, at),
        session=np.insert(found.session, k, found.session[k]),
    )


def _near(one: Slope, other: Slope) -> bool:
    gap = max(one.low - other.high, other.low - one.high)
    return gap < max(DIFFERENT_STEPS, DIFFERENT_SHARE * min(one.low, other.low))


def _overlap(one: Slope, other: Slope) -> bool:
    return one.low <= other.high + 1 and other.low <= one.high + 1


def along_a_line(labels: Labels) -> tuple[Bounds, Slope] | None:
    """Every row as a bound on one line, label = (step - d) / S; None where no line passes through them.

    Rows further apart than an epoch show no lap; with laps of whole updates a label is off the line by less than one.
    """
    bounds = Bounds(
        low=labels.step.astype(np.float64) - LAG,
        low_label=labels.value + labels.half,
        high=labels.step.astype(np.float64) + LAG,
        high_label=labels.value - labels.half,
        session=labels.session,
        start=np.arange(len(labels)),
        position=np.arange(len(labels)),
    )
    lengths = feasible_lengths(bounds)
    if lengths is None or lengths[1] is None:
        return None
    return bounds, Slope(low=float(lengths[0]) * (1 - 1e-12), high=float(lengths[1]) * (1 + 1e-12))


def bounds_of_stretches(labels: Labels, found: Stretches, slopes: Sequence[Slope]) -> Bounds:
    """One bound for each stretch: the step at which its lap's fraction is zero, less S times the lap.

    ``slopes`` gives the slope of every stretch, of which there is one at least.
    """
    rows = inner_rows(labels)
    which = np.searchsorted(found.start, rows, side="right") - 1
    middle = np.array([slope.middle for slope in slopes])[which]
    part = labels.value[rows] - found.lap[which]
    widest = np.array([slope.high for slope in slopes])[which]
    spread = np.array([slope.width for slope in slopes])[which]
    blur = widest * labels.half[rows] + spread / 2 * part + 1e-6
    zero = labels.step[rows] - middle * part
    begin = np.nonzero(np.diff(which, prepend=-1))[0]
    least, most = np.maximum.reduceat(zero - blur, begin), np.minimum.reduceat(zero + blur, begin)
    count = np.diff(np.append(begin, len(rows)))
    centre, about = np.add.reduceat(zero, begin) / count, np.add.reduceat(blur, begin) / count
    crossed = least > most  # rounding that the column's precision does not show
    low, high = np.where(crossed, centre - about, least), np.where(crossed, centre + about, most)
    return Bounds(
        low=low,
        low_label=found.lap.astype(np.float64),
        high=high,
        high_label=found.lap.astype(np.float64),
        session=found.session,
        start=found.start,
        position=found.start,
    )
