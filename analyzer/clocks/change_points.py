"""Lasting changes of a curve's level: divergence, and a factor that appears from one row on.

Judged on block medians and in logs: a level that doubles is the same change at 8 and at 0.08.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.lib.stride_tricks import sliding_window_view

from analyzer.clocks.noise import MAD_TO_SIGMA
from analyzer.model import Floats

BLOCKS = 40  # blocks that a run is cut into: 2.5 % of the run each
SHORTEST_BLOCK = 3  # rows

LEAST_RISE = (
    1.3  # the end stands this factor above the lowest level: a restart or a new mixture of data may cost 10..20 %
)
RISE_UNITS = 5.0  # and, in logs, this many units of what neighbouring blocks differ by
RISE_ERRORS = 4.0  # and this many standard errors by the noise of single rows: few blocks do not know their own scatter
RISE_BEFORE = 2.0  # times the largest rise before the lowest stretch: a curve that wanders has risen before
BAND_UNITS = 3.0  # the lowest stretch reaches so far up
LEAST_ROWS = 5  # rows that must lie behind the onset

FACTORS = tuple(range(2, 65))  # what a forgotten division multiplies a loss by: accumulation, devices, logging steps
SHIFT_ROWS = (6, 10, 20, 40)  # on either side
GOOD_RATIO_ERROR = 0.03  # with it there is no need for more rows
BACK_ROWS = 5
NOISE_OF_STEP = 10.0  # a level of so many rows scatters by a tenth of the step
ABOVE_OTHERS = 1.3  # times the largest other rise: a curve that wanders has more of its kind
MOST_BLOCKS = 20_000  # a longer curve is searched in so many blocks
RATIO_ERRORS = 3.0  # standard errors within which the ratio is an integer
WORST_RATIO_ERROR = 0.17  # of the ratio: with more an integer means nothing
LEAST_EDGE = 0.6  # share of the step
LEAST_NOISE = 0.02  # in log-loss: below it a curve is smooth, and its noise says nothing
NOISE_RATIO = 1.5  # log-noise before and after may differ by this factor
SURE_STEP = 5.5  # standard errors of the step: the place was searched for
RAMP_ROWS = 40, 60  # rows before and behind a step on which a ramp is tried in its place
RAMP_EVIDENCE = 5.5  # twice the log-likelihood that a ramp must gain: of forty simulated steps one gained as much
FASTEST_RAMP = 2.5  # rows of its time constant: a faster one is a step


class Divergence(Struct, frozen=True, kw_only=True):
    """The level leaves the band of its lowest stretch at ``onset`` and never returns to it."""

    onset: int  # row
    lowest_row: int
    lowest: float
    final: float
    units: float  # rise of the log-level in units of the scatter of neighbouring blocks


class LevelShift(Struct, frozen=True, kw_only=True):
    """From ``row`` on the curve is ``ratio`` times what it was, with the same noise in logs."""

    row: int
    ratio: float
    error: float  # relative standard error of the ratio
    factor: int  # nearest integer of the ratio or of its inverse
    down: bool
    noise_before: float
    noise_after: float
    noise_error: float  # standard error of the log of their ratio
    sharpness: float  # step over the noise of single rows
    edge: float  # share of the step that lies between the three rows before and the three after


def block_levels(value: Floats) -> tuple[int, Floats]:
    """Rows per block and the medians of consecutive blocks, aligned to the end of the run."""
    length = max(SHORTEST_BLOCK, len(value) // BLOCKS)
    blocks = len(value) // length
    return length, np.median(value[len(value) - blocks * length :].reshape(blocks, length), axis=1)


def find_divergence(value: Floats, *, burn_in: int = 0, floor: float = 0.0) -> Divergence | None:
    """Where a positive curve rises for good; None when it does not. ``floor``: smallest scatter that counts."""
    if len(value) - burn_in < 12:
        return None
    length, levels = block_levels(value)
    skipped = len(value) - len(levels) * length
    first = min(max(0, (burn_in - skipped) // length), len(levels) - 4)
    smooth = np.concatenate([levels[:1], np.median(sliding_window_view(levels, 3), axis=1), levels[-1:]])
    lowest_block = first + int(smooth[first:-1].argmin())
    lowest = float(smooth[lowest_block])
    tail = levels[-max(2, len(levels) // 8) :]
    final = float(np.median(tail))
    if lowest <= 0 or lowest_block >= len(levels) - 2:
        return None
    if final < LEAST_RISE * lowest or tail.min() < (1 + (LEAST_RISE - 1) / 2) * lowest:
        return None
    log = np.log(levels)
    scatter = max(_scatter(log[first:]), floor / lowest)
    units = float(np.log(final / lowest) / scatter) if scatter > 0 else np.inf
    if units < RISE_UNITS or np.log(final / lowest) < RISE_BEFORE * _largest_rise(log[first : lowest_block + 1]):
        return None
    error = 1.2533 * _noise(np.log(value[burn_in:])) * float(np.sqrt((1 / 3 + 1 / len(tail)) / length))
    if np.log(final / lowest) < RISE_ERRORS * error:
        return None
    band = lowest * float(np.exp(min(max(BAND_UNITS * scatter, 0.1), 0.5 * np.log(final / lowest))))
    inside = np.flatnonzero(levels <= band)
    start = skipped + (int(inside[-1]) + 1) * length if len(inside) else 0
    # To the row: the last one before the onset block's end that still lies in the band.
    low = max(0, start - length)
    quiet = np.flatnonzero(value[low : start + length] <= band)
    onset = low + int(quiet[-1]) + 1 if len(quiet) else start
    if len(value) - onset < LEAST_ROWS:
        return None
    where = skipped + lowest_block * length
    lowest_row = where + int(np.abs(value[where : where + length] - lowest).argmin())
    return Divergence(onset=onset, lowest_row=lowest_row, lowest=lowest, final=final, units=units)


def _scatter(log_levels: Floats) -> float:
    """Typical difference of neighbouring block levels, over the root of two."""
    steps = np.diff(log_levels)
    return float(MAD_TO_SIGMA * np.median(np.abs(steps - np.median(steps))) / np.sqrt(2))


def _largest_rise(log_levels: Floats) -> float:
    """How far the curve has ever stood above an earlier level."""
    return float(np.max(log_levels - np.minimum.accumulate(log_levels), initial=0.0))


def sharpest_shift(value: Floats, *, burn_in: int = 0, context: int = 25) -> int | None:
    """Row at which the median of the log-loss rises most; None when too short. It falls fast for good reasons.

    A long curve is searched in blocks, and only the neighbourhood of the best block row by row.
    """
    n = len(value)
    if n - burn_in < 12:
        return None
    log = np.log(value)
    size = -(-n // MOST_BLOCKS)
    blocks = np.median(log[: n // size * size].reshape(-1, size), axis=1) if size > 1 else log
    first = burn_in // size
    context = int(min(context, max(5, (len(blocks) - first) // 3)))
    levels = np.median(sliding_window_view(blocks, context), axis=1)
    # Block i: levels[i - context] lies wholly before it, levels[i] from it on.
    change = levels[context:] - levels[:-context]
    if first > context:
        change[: first - context] = 0.0
    if not len(change):
        return None
    best = int(change.argmax())
    elsewhere = np.abs(np.arange(len(change)) - best) > 2 * context
    if np.max(change[elsewhere], initial=0.0) * ABOVE_OTHERS > change[best]:
        return None  # the curve wanders
    middle = (context + best) * size
    # To the row: the largest single difference of short medians near it.
    reach = context * size if size == 1 else 3 * size
    low, high = max(3, middle - reach), min(n - 3, middle + reach)
    if high <= low:
        return middle
    near = sliding_window_view(log[low - 3 : high + 3], 3)
    shorts = np.median(near, axis=1)
    edge = low + int((shorts[3 : 3 + high - low] - shorts[: high - low]).argmax())
    # Least deviation over the neighbours settles the exact row.
    rows = list(range(max(2, edge - 4), min(n - 2, edge + 5)))
    return rows[int(np.argmin([_two_level_cost(log, row, context) for row in rows]))]


def _two_level_cost(log: Floats, row: int, context: int) -> float:
    before, after = log[max(0, row - context) : row], log[row : row + context]
    return float(np.abs(before - np.median(before)).sum() + np.abs(after - np.median(after)).sum())


def shift_at(value: Floats, row: int, *, burn_in: int = 0) -> LevelShift | None:
    """How the level of a positive curve differs across ``row``, on as few rows as tell: over many a descent bends."""
    found = None
    for rows in SHIFT_ROWS:
        shift = _shift_on(value, row, burn_in, rows)
        if shift is None or (found is not None and shift.error >= found.error):
            break
        found = shift
        if shift.error <= GOOD_RATIO_ERROR:
            break
    return found


def _shift_on(value: Floats, row: int, burn_in: int, rows: int) -> LevelShift | None:
    log = np.log(value[max(burn_in, row - rows) : row + rows])
    left, right = log[: row - max(burn_in, row - rows)], log[row - max(burn_in, row - rows) :]
    if len(left) > 4 and len(right) and np.median(left) < left[-1] - 0.2 < np.median(right):
        left = left[:-1]  # a mean over rows of both sides
    if len(left) < 4 or len(right) < 4:
        return None
    wide = np.log(value[max(burn_in, row - SHIFT_ROWS[-1]) : row]), np.log(value[row : row + SHIFT_ROWS[-1]])
    noise_before, noise_after = _noise(wide[0]), _noise(wide[1])
    step = float(np.median(right) - np.median(left))
    descent = _common_slope(left, right) * (len(left) + len(right)) / 2  # goes on and is no part of the step
    step -= descent
    edge = float(np.median(right[:3]) - np.median(left[-3:]))
    error = 1.2533 * float(np.hypot(noise_before / np.sqrt(len(left)), noise_after / np.sqrt(len(right))))
    ratio = float(np.exp(step))
    pooled = max(np.hypot(noise_before, noise_after) / np.sqrt(2), 1e-6)
    return LevelShift(
        row=row,
        ratio=ratio,
        error=max(float(np.hypot(error, 0.25 * descent)), 1e-4),
        factor=max(2, round(ratio if ratio > 1 else 1 / ratio)),
        down=ratio < 1,
        noise_before=noise_before,
        noise_after=noise_after,
        noise_error=float(1.2 * np.sqrt(1 / len(wide[0]) + 1 / len(wide[1]))),
        sharpness=float(abs(step) / pooled),
        edge=edge / step if step else 0.0,
    )


def comes_back(value: Floats, shift: LevelShift, burn_in: int) -> bool:
    """Behind the step the curve falls by half of it more than it fell on as many rows before: it recovers."""
    reach = min(len(value) - shift.row, shift.row - burn_in)
    before, after = np.log(value[shift.row - reach : shift.row]), np.log(value[shift.row :])
    step = float(np.log(shift.ratio))
    length = max(BACK_ROWS, int((NOISE_OF_STEP * shift.noise_after / step) ** 2))
    length = min(length, reach // 3, len(after) // 3)
    if length < 2:
        return False
    levels = np.median(after[: len(after) // length * length].reshape(-1, length), axis=1)
    fell = float(np.median(before[:length]) - np.median(before[-length:]))
    return bool(levels[0] - levels[1:].min() > 0.5 * step + 1.5 * max(fell, 0.0))


def _common_slope(left: Floats, right: Floats) -> float:
    """Slope per row that both sides share: the smaller of the two, zero where they differ in sign."""
    if min(len(left), len(right)) < 8:
        return 0.0
    slopes = [float(np.polyfit(np.arange(len(side)), np.clip(side, *_inner(side)), 1)[0]) for side in (left, right)]
    return min(slopes, key=abs) if slopes[0] * slopes[1] > 0 else 0.0


def _inner(side: Floats) -> tuple[float, float]:
    low, high = np.quantile(side, [0.1, 0.9])
    return float(low), float(high)


def _noise(log: Floats) -> float:
    """Scatter of single rows: first differences, so that a slope does not count."""
    steps = np.diff(log)
    return float(MAD_TO_SIGMA * np.median(np.abs(steps)) / np.sqrt(2))


def is_integer_like(shift: LevelShift) -> bool:
    """The ratio is an integer, or one over an integer, within its error, and the error is small enough to say so."""
    ratio = 1 / shift.ratio if shift.down else shift.ratio
    if ratio < 1.7 or shift.factor > FACTORS[-1] or shift.error > WORST_RATIO_ERROR:
        return False
    return abs(np.log(ratio / shift.factor)) <= max(RATIO_ERRORS * shift.error, 0.02)


def is_sharp(shift: LevelShift) -> bool:
    """The step lies between two rows, give or take the noise of three: a ramp does not."""
    return shift.edge >= LEAST_EDGE


def is_sure(shift: LevelShift) -> bool:
    """The step is many of its own standard errors high: some step of a few of them is in every noisy curve."""
    return abs(float(np.log(shift.ratio))) >= SURE_STEP * shift.error


def is_ramp(value: Floats, shift: LevelShift, burn_in: int = 0) -> bool:
    """Whether a rise that takes rows, L (1 + c (1 - exp(-t / tau))), fits the log-loss better than a step at ``row``.

    A step is the same curve with tau = 0, so that twice the log of the ratio of likelihoods has one degree of freedom.
    """
    start = max(burn_in, shift.row - RAMP_ROWS[0])
    stop = min(len(value), shift.row + max(RAMP_ROWS[1], len(value) // 4))
    log = np.log(value[start:stop])
    stride = -(-len(log) // 400)
    log, row = log[: len(log) // stride * stride].reshape(-1, stride).mean(axis=1), (shift.row - start) // stride
    if row < 3 or len(log) - row < 4:
        return False
    low, high = np.quantile(log[:row], [0.02, 0.98]), np.quantile(log[row:], [0.02, 0.98])
    log = np.concatenate([np.clip(log[:row], *low), np.clip(log[row:], *high)])
    t = np.arange(len(log), dtype=np.float64)
    step = float(((log[:row] - log[:row].mean()) ** 2).sum() + ((log[row:] - log[row:].mean()) ** 2).sum())
    best = step
    ratio = float(np.exp(log[row:].mean() - log[:row].mean()))
    onsets = np.arange(max(0, row - RAMP_ROWS[0] // 2), row + 1)
    for tau in (FASTEST_RAMP, 4.0, 7.0, 12.0, 20.0, 33.0, 55.0):
        for c in (0.8 * (ratio - 1), ratio - 1, 1.2 * (ratio - 1), 1.5 * (ratio - 1)):
            rise = np.log1p(c * -np.expm1(-np.maximum(t[None, :] - onsets[:, None] + 1, 0.0) / tau))
            residual = log[None, :] - rise
            residual -= residual.mean(axis=1, keepdims=True)
            best = min(best, float((residual**2).sum(axis=1).min()))
    return len(log) * float(np.log(step / max(best, 1e-300))) > RAMP_EVIDENCE


def same_noise(shift: LevelShift) -> bool:
    """The scatter of the log-loss is the same on both sides: what is multiplied keeps it."""
    low, high = sorted((max(shift.noise_before, LEAST_NOISE), max(shift.noise_after, LEAST_NOISE)))
    return bool(high <= NOISE_RATIO * np.exp(2 * shift.noise_error) * low)
