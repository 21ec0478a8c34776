"""Lasting changes of a curve's level: divergence, and a factor that appears from one row on.

Judged on block medians and in logs: a level that doubles is the same change at 8 and at 0.08.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from analyzer.model import Floats

BLOCKS = 40  # blocks that a run is cut into: 2.5 % of the run each
SHORTEST_BLOCK = 3  # rows
MAD_TO_SIGMA = 1.4826

LEAST_RISE = (
    1.3  # the end stands this factor above the lowest level: a restart or a new mixture of data may cost 10..20 %
)
RISE_UNITS = 5.0  # and, in logs, this many units of what neighbouring blocks differ by
RISE_BEFORE = 2.0  # times the largest rise before the lowest stretch: a curve that wanders has risen before
BAND_UNITS = 3.0  # the lowest stretch reaches so far up
LEAST_ROWS = 5  # rows that must lie behind the onset

FACTORS = tuple(range(2, 65))  # what a forgotten division multiplies a loss by: accumulation, devices, logging steps
MOST_BLOCKS = 20_000  # a longer curve is searched in so many blocks
RATIO_ERRORS = 3.0  # standard errors within which the ratio is an integer
WORST_RATIO_ERROR = 0.15  # of the ratio: with more an integer means nothing
NOISE_RATIO = 1.8  # log-noise before and after may differ by this factor


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """The level leaves the band of its lowest stretch at ``onset`` and never returns to it."""

    onset: int  # row
    lowest_row: int
    lowest: float
    final: float
    units: float  # rise of the log-level in units of the scatter of neighbouring blocks


@dataclass(frozen=True, kw_only=True)
class LevelShift:
    """From ``row`` on the curve is ``ratio`` times what it was, with the same noise in logs."""

    row: int
    ratio: float
    error: float  # relative standard error of the ratio
    factor: int  # nearest integer of the ratio or of its inverse
    down: bool
    noise_before: float
    noise_after: float
    sharpness: float


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
    """Row at which the medians of the log-loss before and after differ most; None when too short.

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
    change = np.abs(levels[context:] - levels[:-context])
    if first > context:
        change[: first - context] = 0.0
    if not len(change):
        return None
    middle = (context + int(change.argmax())) * size
    # To the row: the largest single difference of short medians near it.
    reach = context * size if size == 1 else 3 * size
    low, high = max(3, middle - reach), min(n - 3, middle + reach)
    if high <= low:
        return middle
    near = sliding_window_view(log[low - 3 : high + 3], 3)
    shorts = np.median(near, axis=1)
    edge = low + int(np.abs(shorts[3 : 3 + high - low] - shorts[: high - low]).argmax())
    # Least deviation over the neighbours settles the exact row.
    rows = list(range(max(2, edge - 4), min(n - 2, edge + 5)))
    return rows[int(np.argmin([_two_level_cost(log, row, context) for row in rows]))]


def _two_level_cost(log: Floats, row: int, context: int) -> float:
    before, after = log[max(0, row - context) : row], log[row : row + context]
    return float(np.abs(before - np.median(before)).sum() + np.abs(after - np.median(after)).sum())


def shift_at(value: Floats, row: int, *, burn_in: int = 0, before: int = 40, after: int = 40) -> LevelShift | None:
    """How the level of a positive curve differs across ``row``."""
    log = np.log(value)
    left, right = log[max(burn_in, row - before) : row], log[row : row + after]
    if len(left) > 4 and np.median(left) < left[-1] - 0.2 < np.median(right):
        left = left[:-1]  # a mean over rows of both sides
    if len(left) < 4 or len(right) < 4:
        return None
    noise_before, noise_after = _noise(left), _noise(right)
    step = float(np.median(right) - np.median(left))
    error = 1.2533 * float(np.hypot(noise_before / np.sqrt(len(left)), noise_after / np.sqrt(len(right))))
    ratio = float(np.exp(step))
    factor = max(2, round(ratio if ratio > 1 else 1 / ratio))
    pooled = max(np.hypot(noise_before, noise_after) / np.sqrt(2), 1e-6)
    return LevelShift(
        row=row,
        ratio=ratio,
        error=max(error, 1e-4),
        factor=factor,
        down=ratio < 1,
        noise_before=noise_before,
        noise_after=noise_after,
        sharpness=abs(step) / pooled,
    )


def _noise(log: Floats) -> float:
    """Scatter of single rows: first differences, so that a slope does not count."""
    steps = np.diff(log)
    return float(MAD_TO_SIGMA * np.median(np.abs(steps)) / np.sqrt(2))


def is_integer_like(shift: LevelShift) -> bool:
    """The ratio is an integer, or one over an integer, within its error, and the error is small enough to say so."""
    ratio = 1 / shift.ratio if shift.down else shift.ratio
    if ratio < 1.7 or shift.factor > FACTORS[-1] or shift.error > WORST_RATIO_ERROR:
        return False
    return abs(np.log(ratio / shift.factor)) <= max(RATIO_ERRORS * shift.error, 0.01)


def same_noise(shift: LevelShift) -> bool:
    """The scatter of the log-loss is the same on both sides: what is multiplied keeps it."""
    least = 1e-3
    low, high = sorted((max(shift.noise_before, least), max(shift.noise_after, least)))
    return high <= NOISE_RATIO * low
