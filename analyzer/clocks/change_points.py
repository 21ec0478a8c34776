"""What a change of level is: a factor, a rise that lasts, a stretch that ends, a shift.

The changes come from one scan of the log-loss (``loss_scan.py``): a level that doubles is the same change at 8 and at
0.08. A pair that undoes itself is a stretch; what stays is lasting. A factor has an edge of two rows, an integer for a
ratio, and the same noise in logs on both sides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.loss_baseline import Divergence, LevelShift
from analyzer.clocks.loss_scan import Change, running_median
from analyzer.clocks.noise import MAD_TO_SIGMA
from analyzer.model import Floats

LEAST_RISE = 1.3  # of the lowest level: a restart or a new mixture of data may cost 10..20 %
RISE_BEFORE = 2.0  # times the largest rise before the lowest level: a curve that wanders has risen before
LEAST_SHARE = 0.02  # of the run that the lowest level holds: less is a dip
# Random walks of 60 to 1000 rows rise so, behind their first quarter, in 0.1 to 4 % by simulation; and no loss is one.
DWARFS, DWARFED = 8.0, 1e-2  # times any rise before, and the noise of a row, that a last rise is; its chance
LOWEST_ROWS = 25  # at least, whose median is a lowest level
LEAST_ROWS = 5  # that must lie behind an onset
PART_OF_WAY = 0.1  # of a rise: a second change that adds so much makes it gradual
OWN = 0.4  # of a change of the other sign behind it that a change at least is: else both are events of their own
UNDONE = 0.6  # of a change that a later one takes back: it was a stretch

FACTORS = tuple(range(2, 65))  # what a forgotten division multiplies a loss by: accumulation, devices, logging steps
SHIFT_ROWS = (4, 6, 10, 20, 40, 80, 160, 320)  # on either side
SLOPE_ROWS = 20  # on either side, that tell how the curve goes on
STEADY_ROWS = 20  # on which a ratio is still what it was on fewer
BEND_ERRORS = 2.0  # of a ratio on fewer rows, by which one on more may differ
RATIO_ERRORS = 3.0  # standard errors within which the ratio is an integer
GOOD_RATIO_ERROR, GOOD_INTEGER_ERROR = 0.03, 0.1  # of the ratio, of an integer: with one there is no need for more rows
WORST_RATIO_ERROR = 0.17  # of the ratio: with more an integer means nothing
# With a larger error, in integers, any ratio is near one, and the step itself must be beyond doubt.
TELLING_ERROR, SURE_STEP = 0.25, 1e-4
LEAST_RATIO_ERROR = 0.03  # in logs: what a loss does from one row to the next
LEAST_RATIO = 1.7  # nearer to 1 no integer is meant
EDGE_ERRORS, LEAST_EDGE = 5.0, 0.65  # an edge is looked at on rows that show it with so many errors; share of the step
MEDIAN_ERROR = 1.2533  # standard errors of a mean in that of a median
LEAST_NOISE = 0.02  # in log-loss: below it a curve is smooth, and its noise says nothing
NOISE_RATIO = 1.5  # log-noise before and after may differ by this factor
RAMP_ROWS = 40, 60  # rows before and behind a step on which a ramp is tried in its place
RAMP_EVIDENCE = 5.5  # twice the log-likelihood that a ramp must gain: of forty simulated steps one gained as much
FASTEST_RAMP = 2.5  # rows of its time constant: a faster one is a step


def shifts_of(log: Floats, changes: Sequence[Change], first: int = 0) -> list[LevelShift]:
    """Each change with how long it lasts: to the one that takes it back, or to the end."""
    found = []
    changes = gradual(changes)
    taking_back: set[int] = set()
    for index, change in enumerate(changes):
        if index in taking_back:
            continue
        level, last = change.rise, len(log) - 1
        for k, later in enumerate(changes[index + 1 :], start=index + 1):
            level += later.rise
            if abs(later.rise) * OWN > abs(change.rise) and later.rise * change.rise < 0:
                break  # an event of its own
            if level * np.sign(change.rise) < (1 - UNDONE) * abs(change.rise):
                last = later.row - 1
                taking_back.add(k)
                break
        found.append(_measured(log, changes, index, first, last))
    return found


def gradual(changes: Sequence[Change]) -> list[Change]:
    """Changes of one sign whose windows touch are one that takes rows: its first row, and the length of the way."""
    found: list[Change] = []
    for change in changes:
        before = found[-1] if found else None
        if (
            before is not None
            and before.rise * change.rise > 0
            and change.row - before.row - before.way <= max(before.length, change.length)
            and min(abs(before.rise), abs(change.rise)) > PART_OF_WAY * abs(before.rise + change.rise)
        ):
            found[-1] = replace(before, rise=before.rise + change.rise, way=change.row - before.row)
        else:
            found.append(change)
    return found


def _rows_between(changes: Sequence[Change], index: int, first: int, n: int) -> tuple[int, int]:
    low = changes[index - 1].row if index else first
    return low, changes[index + 1].row if index + 1 < len(changes) else n


def _measured(log: Floats, changes: Sequence[Change], index: int, first: int, last: int) -> LevelShift:
    """The ratio on as few rows as tell it: over many a descent bends."""
    change, (low, high) = changes[index], _rows_between(changes, index, first, len(log))
    row, best, steady = change.row, (np.inf, change.rise), False
    back = next((k for k, later in enumerate(changes) if later.row == last + 1), None)
    sides = log[low:row], log[row + change.way : high]
    noise = [row_noise(side[-320:] if k == 0 else side[:320]) for k, side in enumerate(sides)]
    slope = common_slope(sides[0][-SLOPE_ROWS:], sides[1][:SLOPE_ROWS])  # goes on and is no part of the step
    pooled = max(float(np.hypot(noise[0], noise[1])) / np.sqrt(2), 1e-6)
    tried: list[tuple[float, float]] = []
    alone = pooled * math.sqrt(2 / change.length)  # the error, if rows did not depend on one another
    related = max(1.0, abs(change.rise) / max(abs(change.units), 1e-300) / alone)
    enough = min(STEADY_ROWS, len(sides[0]), len(sides[1]))
    for rows in SHIFT_ROWS:
        left, right = sides[0][-rows:], sides[1][:rows]
        if len(left) > 4 and np.median(left) < left[-1] - 0.2 < np.median(right):
            left = left[:-1]  # a mean over rows of both sides
        descent = slope * (len(left) + len(right)) / 2
        step = float(np.median(right) - np.median(left)) - descent
        error = related * float(np.hypot(noise[0] / np.sqrt(len(left)), noise[1] / np.sqrt(len(right)))) * MEDIAN_ERROR
        error = max(float(np.hypot(error, 0.25 * descent)), 1e-4)
        if error >= best[0] or any(abs(step - other) > BEND_ERRORS * e + LEAST_RATIO_ERROR for e, other in tried):
            break  # over more rows it bends (Lepski 1990)
        tried.append((error, step))
        best, steady = (error, step), rows >= enough
        good = max(GOOD_INTEGER_ERROR / float(np.exp(min(abs(step), 50.0))), GOOD_RATIO_ERROR)
        if (steady and error <= good) or rows >= max(len(sides[0]), len(sides[1])):
            break
    error, step = best
    bend = abs(step - tried[0][1]) - tried[0][0] if tried else 0.0  # beyond its error, from the fewest rows to these
    error = float(np.hypot(error, max(bend, 0.0)))
    return LevelShift(
        row=row,
        last=last,
        lasting=last == len(log) - 1,
        ratio=float(np.exp(np.clip(step, -600, 600))),
        error=error,
        sharp=not change.way and _is_sharp(log, row, step, pooled),
        steady=steady,
        units=change.units,
        p_value=change.p_value,
        noise_before=noise[0],
        noise_after=noise[1],
        back=None if back is None else _measured(log, changes, back, first, len(log) - 1),
        noise_error=float(1.2 * np.sqrt(1 / min(len(sides[0]), 320) + 1 / min(len(sides[1]), 320))),
    )


def _is_sharp(log: Floats, row: int, step: float, noise: float) -> bool:
    """The step stands out on the fewest rows that can show it; a ramp has only part of it there."""
    rows = max(1, int(np.ceil(2 * (EDGE_ERRORS * noise / max(abs(step), 1e-12)) ** 2)))
    if row < rows or len(log) - row < rows:
        return False
    edges = [
        float(np.median(log[at + lag : at + lag + rows]) - np.median(log[at - rows : at]))
        for at in (row - 1, row, row + 1)
        for lag in (0, 1)  # one row may be a mean over both sides
        if at >= rows and at + lag + rows <= len(log)
    ]
    return any(edge / step >= LEAST_EDGE for edge in edges) if step else False


def find_divergence(log: Floats, changes: Sequence[Change], first: int) -> Divergence | None:
    """Where the log of a curve rises for good: its last level against the lowest of those between its changes."""
    n = len(log)
    if not any(change.rise > 0 for change in changes) and (dwarfing := _dwarfing(log, first)) is not None:
        changes = sorted([*changes, dwarfing], key=lambda change: change.row)
    rows = [first, *(change.row for change in changes), n]
    levels = [float(np.median(log[a:b])) if b > a else np.inf for a, b in pairwise(rows)]
    wide = [k for k in range(len(changes)) if rows[k + 1] - rows[k] >= max(LEAST_ROWS, LEAST_SHARE * n)]
    if not wide:
        return None
    k = min(wide, key=lambda one: levels[one])
    low, lowest = _lowest(log[rows[k] : rows[k + 1]], max(LOWEST_ROWS, n // 20))
    tail = log[-max(LEAST_ROWS, min(n // 20, n - rows[-2])) :]
    final, rise = float(np.median(tail)), float(np.median(tail)) - lowest
    up = [change for change in changes[k:] if change.rise > 0]
    if not up or rise < np.log(LEAST_RISE):
        return None
    risen = next((j for j in range(k + 1, len(levels)) if levels[j] > lowest + rise / 2), k + 1)
    if min(levels[risen:]) < lowest + 0.5 * np.log(LEAST_RISE):
        return None
    reached = np.array(levels[: k + 1])
    if rise < RISE_BEFORE * float(np.max(reached - np.minimum.accumulate(reached), initial=0.0)):
        return None
    # To the row: the last one, before the change has come, that lies in the band of the lowest level.
    noise = row_noise(log[rows[k] : up[0].row])
    band = lowest + min(max(3 * noise, 0.1), 0.5 * rise)
    low += rows[k]
    quiet = np.flatnonzero(log[low : up[0].row + 1] <= band)
    onset = low + int(quiet[-1]) + 1 if len(quiet) else up[0].row
    if n - onset < LEAST_ROWS:
        return None
    lowest_row = low + int(np.abs(log[low:onset] - lowest).argmin())
    return Divergence(
        onset=onset,
        lowest_row=lowest_row,
        lowest=float(np.exp(lowest)),
        final=float(np.exp(min(final, 700.0))),
        units=max(change.units for change in up),
        p_value=min(change.p_value for change in up),
    )


def _dwarfing(log: Floats, first: int) -> Change | None:
    """A rise to twice the level or more that lasts, many times any rise before it.

    A short curve that falls and then climbs is all descent and climb: they are the noise that a scan would judge it by.
    """
    if len(log) - first < 4 * LEAST_ROWS:
        return None
    curve = running_median(log[first:])
    lowest, tail = int(curve.argmin()), max(LEAST_ROWS, len(curve) // 20)
    rise = float(np.median(curve[-tail:]) - curve[lowest])
    before = curve[: lowest + 1]
    largest = max(float(np.max(before - np.minimum.accumulate(before))), row_noise(log[first:]))
    risen = curve[lowest:] > curve[lowest] + rise / 2
    row = lowest + int(risen.argmax())
    if lowest < len(curve) / 4 or rise < max(math.log(2), DWARFS * largest) or not risen[row - lowest :].all():
        return None
    if len(curve) - row < 2 * LEAST_ROWS:
        return None
    units = rise / max(largest, 1e-9)
    return Change(row=first + row, length=row - lowest + 1, rise=rise, units=units, p_value=DWARFED)


def _lowest(log: Floats, length: int) -> tuple[int, float]:
    """First row and level of the lowest block of so many rows, counted from the end: a level may rise to its change."""
    length = min(length, len(log))
    blocks = np.median(log[len(log) % length :].reshape(-1, length), axis=1)
    return len(log) % length + int(blocks.argmin()) * length, float(blocks.min())


def common_slope(left: Floats, right: Floats) -> float:
    """Slope per row that both sides share: the smaller; zero where noise hides one or they differ in sign."""
    if min(len(left), len(right)) < 6:
        return 0.0
    slopes = [
        float(np.polyfit(np.arange(len(side)), np.clip(side, *np.quantile(side, [0.1, 0.9])), 1)[0])
        for side in (left, right)
    ]
    errors = [row_noise(side) * math.sqrt(12 / len(side) ** 3) for side in (left, right)]
    if slopes[0] * slopes[1] <= 0 or any(abs(a) < 1.5 * e for a, e in zip(slopes, errors, strict=True)):
        return 0.0
    return min(slopes, key=abs)


def row_noise(log: Floats) -> float:
    """Scatter of single rows: first differences, so that a slope does not count."""
    if len(log) < 3:
        return 0.0
    return float(MAD_TO_SIGMA * np.median(np.abs(np.diff(log)))) / np.sqrt(2)


def is_integer_like(shift: LevelShift) -> bool:
    """The ratio is an integer, or one over an integer, within its error, and the error is small enough to say so."""
    ratio = 1 / shift.ratio if shift.down else shift.ratio
    if not shift.steady or ratio < LEAST_RATIO or shift.factor > FACTORS[-1] or shift.error > WORST_RATIO_ERROR:
        return False
    if shift.error * ratio > TELLING_ERROR and shift.p_value > SURE_STEP:
        return False
    return abs(np.log(ratio / shift.factor)) <= max(RATIO_ERRORS * shift.error, LEAST_RATIO_ERROR)


def is_ramp(log: Floats, shift: LevelShift, burn_in: int = 0) -> bool:
    """Whether a rise that takes rows, L (1 + c (1 - exp(-t / tau))), fits the log-loss better than a step at ``row``.

    A step is the same curve with tau = 0, so that twice the log of the ratio of likelihoods has one degree of freedom.
    """
    if shift.down:
        return False
    start = max(burn_in, shift.row - RAMP_ROWS[0])
    stop = min(shift.last + 1, shift.row + max(RAMP_ROWS[1], len(log) // 4))
    log = log[start:stop]
    stride = -(-len(log) // 400)
    log, row = log[: len(log) // stride * stride].reshape(-1, stride).mean(axis=1), (shift.row - start) // stride
    if row < 3 or len(log) - row < 4:
        return False
    low, high = np.quantile(log[:row], [0.02, 0.98]), np.quantile(log[row:], [0.02, 0.98])
    log = np.concatenate([np.clip(log[:row], *low), np.clip(log[row:], *high)])
    t = np.arange(len(log), dtype=np.float64)
    step = float(((log[:row] - log[:row].mean()) ** 2).sum() + ((log[row:] - log[row:].mean()) ** 2).sum())
    best = step
    onsets = np.arange(max(0, row - RAMP_ROWS[0] // 2), row + 1)
    for tau in (FASTEST_RAMP, 4.0, 7.0, 12.0, 20.0, 33.0, 55.0):
        for c in np.array([0.8, 1.0, 1.2, 1.5]) * (shift.ratio - 1):
            rise = np.log1p(c * -np.expm1(-np.maximum(t[None, :] - onsets[:, None] + 1, 0.0) / tau))
            residual = log[None, :] - rise
            residual -= residual.mean(axis=1, keepdims=True)
            best = min(best, float((residual**2).sum(axis=1).min()))
    return len(log) * float(np.log(step / max(best, 1e-300))) > RAMP_EVIDENCE


def same_noise(shift: LevelShift) -> bool:
    """The scatter of the log-loss is the same on both sides: what is multiplied keeps it."""
    low, high = sorted((max(shift.noise_before, LEAST_NOISE), max(shift.noise_after, LEAST_NOISE)))
    return bool(high <= NOISE_RATIO * np.exp(2 * shift.noise_error) * low)
