"""What a change of level is: a factor, a stretch that ends, a shift.

The changes come from one scan of the log-loss (``loss_scan.py``): a level that doubles is the same change at 8 and at
0.08. A pair that undoes itself is a stretch; what stays is lasting. A factor has an edge of two rows, an integer for a
ratio, and the same noise in logs on both sides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.loss_baseline import LevelShift
from analyzer.clocks.loss_scan import Change
from analyzer.clocks.noise import MAD_TO_SIGMA
from analyzer.model import Floats

PART_OF_WAY = 0.1  # of a rise: a second change that adds so much makes it gradual
OWN = 0.4  # of a change of the other sign behind it that a change at least is: else both are events of their own
UNDONE = 0.6  # of a change that a later one takes back: it was a stretch

FACTORS = tuple(range(2, 65))  # what a forgotten division multiplies a loss by: accumulation, devices, logging steps
SHIFT_ROWS = (4, 6, 10, 20, 40, 80, 160, 320)  # on either side
SLOPE_ROWS = 20  # on either side, that tell how the curve goes on
SLOPE_ERRORS = 2.5
SHARED_SLOPE = 0.5  # of the steeper side that the other has at least on one smooth curve
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
SCATTER_ERROR = 1.2  # of the log of a scatter, times the root of the rows, by simulation
LEAST_NOISE = 0.02  # in log-loss: below it a curve is smooth, and its noise says nothing
NOISE_ROWS = 80, 320  # on either side: the nearer err more, and over the farther noise may drift
NOISE_RATIO = 1.5  # log-noise before and after may differ by this factor
RAMP_ROWS = 40, 60  # rows before and behind a step on which a ramp is tried in its place
RAMP_EVIDENCE = 5.5  # twice the log-likelihood that a ramp must gain: of forty simulated steps one gained as much
FASTEST_RAMP = 2.5  # rows of its time constant: a faster one is a step

ErrorAt = Callable[[int, int], float]


def shifts_of(log: Floats, changes: Sequence[Change], first: int, error_at: ErrorAt) -> list[LevelShift]:
    """Each change with how long it lasts: to the one that takes it back, or to the end.

    Args:
        error_at: standard error of a difference at a row, over so many rows on either side.
    """
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
        found.append(_measured(log, changes, index, first, last, error_at))
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


def _measured(
    log: Floats, changes: Sequence[Change], index: int, first: int, last: int, error_at: ErrorAt
) -> LevelShift:
    """The ratio on as few rows as tell it: over many a descent bends."""
    change, (low, high) = changes[index], _rows_between(changes, index, first, len(log))
    row, best, steady = change.row, (np.inf, change.rise), False
    back = next((k for k, later in enumerate(changes) if later.row == last + 1), None)
    sides = log[low:row], log[row + change.way : high]
    noise = [row_noise(side[-NOISE_ROWS[-1] :] if k == 0 else side[: NOISE_ROWS[-1]]) for k, side in enumerate(sides)]
    pooled = max(float(np.hypot(noise[0], noise[1])) / np.sqrt(2), 1e-6)
    tried: list[tuple[float, float]] = []
    enough = min(STEADY_ROWS, len(sides[0]), len(sides[1]))
    for rows in SHIFT_ROWS:
        left, right = sides[0][-rows:], sides[1][:rows]
        if len(left) > 4 and np.median(left) < left[-1] - 0.2 < np.median(right):
            left = left[:-1]  # a mean over rows of both sides
        around = max(rows, SLOPE_ROWS)
        slope = common_slope(sides[0][-around:], sides[1][:around])  # goes on and is no part of the step
        descent = slope * (len(left) + len(right)) / 2
        step = float(np.median(right) - np.median(left)) - descent
        alone = float(np.hypot(noise[0] / np.sqrt(len(left)), noise[1] / np.sqrt(len(right))))
        error = max(alone, error_at(row, rows)) * MEDIAN_ERROR
        error = max(float(np.hypot(error, 0.25 * descent)), 1e-4)
        if any(abs(step - other) > BEND_ERRORS * e + LEAST_RATIO_ERROR for e, other in tried):
            break  # over more rows it bends (Lepski 1990)
        tried.append((error, step))
        best, steady = min(best, (error, step)), rows >= enough
        error, step = best
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
        back=None if back is None else _measured(log, changes, back, first, len(log) - 1, error_at),
        noise_apart=min(noise_apart(*sides, rows) for rows in NOISE_ROWS),
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


def common_slope(left: Floats, right: Floats) -> float:
    """Slope per row that both sides share: their mean, as a bend is the same on both, or the smaller where another
    curve begins; zero where noise hides it or they differ in sign."""
    if min(len(left), len(right)) < 6:
        return 0.0
    slopes = [
        float(np.polyfit(np.arange(len(side)), np.clip(side, *np.quantile(side, [0.1, 0.9])), 1)[0])
        for side in (left, right)
    ]
    errors = [row_noise(side) * math.sqrt(12 / len(side) ** 3) for side in (left, right)]
    unsure, (low, high) = SLOPE_ERRORS * math.hypot(*errors), sorted(slopes, key=abs)
    if low * high <= 0 or abs(low + high) < unsure:
        return 0.0
    begins_anew = abs(high - low) > unsure and abs(low) < SHARED_SLOPE * abs(high)
    return low if begins_anew else (low + high) / 2


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


def noise_apart(before: Floats, after: Floats, rows: int) -> float:
    """By how much the log of the scatter differs on so many rows on either side, beyond two standard errors."""
    before, after = before[-rows:], after[:rows]
    low, high = sorted(max(row_noise(side), LEAST_NOISE) for side in (before, after))
    return math.log(high / low) - 2 * SCATTER_ERROR * math.sqrt(1 / max(len(before), 1) + 1 / max(len(after), 1))


def same_noise(shift: LevelShift) -> bool:
    """The scatter of the log-loss is the same on both sides: what is multiplied keeps it."""
    return shift.noise_apart <= math.log(NOISE_RATIO)
