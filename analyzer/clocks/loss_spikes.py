"""Transient peaks of a curve: rows that stand above what lies before *and* after them.

A top-hat on block medians: the excess of a block is its median minus the larger of the levels before and after it.
Descent, staircase and divergence cannot make it positive. Blocks of many lengths find one row of twenty noise units
and fifty rows of three. The excess is judged on the raw loss (in logs a spike of 19 noise units over 30 % noise is
one of 6) in units of its own local scale, against the run's own tail.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from analyzer.clocks.extreme_tail import chance_of_maximum
from analyzer.clocks.noise import MAD_TO_SIGMA
from analyzer.model import Floats, Ints

LENGTHS = (1, 2, 3, 5, 8, 12, 20, 32, 50, 80, 128, 200)  # rows per block
CONTEXT_ROWS = 20  # rows before and after on which a level is taken, at least
CONTEXT_BLOCKS = 5  # and at least this many blocks
LONGEST_SHARE = 1 / 12  # a block holds at most this share of the run: there must be a level to stand above
SCALE_BLOCKS = 24  # blocks on which the local scale is taken, five times over
DENSE = 20_000  # from so many blocks on neighbours share their levels: the cost stays a few passes over the rows
SHARED = 8
LONG = 200_000  # rows from which every second length does: a block twice too long loses a third of its noise units
FEWEST_BESIDE = 4  # rows on either side of a peak
POOLED_BLOCKS = 120  # so many values know their own tail
MOST_SPIKES = 12  # clusters looked at one by one; a run with more is not one with spikes

NOISE_UNITS = 5.0  # of the best block; below it the tail is not asked
P_VALUE = 1e-2  # chance that the run's own tail reaches so far anywhere in the run: scripts/bench_detection.py measures
# a false spike in 6 of 1000 healthy runs at this value, none of them Gaussian


@dataclass(frozen=True, kw_only=True)
class Spike:
    """Rows [first, last] of the curve stand ``height`` above ``level``; ``units`` noise units of blocks of
    ``length``."""

    first: int
    last: int
    peak: int
    level: float
    height: float  # of the peak row over the level
    units: float  # excess of the best block over its local scale
    row_units: float  # height of the peak row over the scale of single rows
    p_value: float
    length: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Scan:
    """The top-hat statistic at one block length: block starts, excess, local scale, level; shape (blocks,) each."""

    length: int
    start: Ints
    excess: Floats
    usual: float
    scale: Floats
    level: Floats

    @cached_property
    def units(self) -> Floats:
        return self.excess / self.scale + min(1.0, -self.usual / float(np.median(self.scale)))


def block_medians(value: Floats, length: int, offset: int = 0) -> Floats:
    """Medians of consecutive blocks, shape ((n - offset) // length,); a last short block is left out."""
    if length == 1:
        return value[offset:]
    blocks = (len(value) - offset) // length
    table = value[offset : offset + blocks * length].reshape(blocks, length)
    if length == 2:
        return table.mean(axis=1)
    return np.median(table, axis=1)


def running_scale(residual: Floats, width: int = SCALE_BLOCKS) -> Floats:
    """Local robust scale, shape (n,): MAD over chunks of ``width``, then the median of five neighbouring chunks.

    The median keeps a chunk that holds the spike from setting the scale that the spike is measured with.
    """
    n = len(residual)
    chunks = max(1, n // width)
    size = n // chunks
    table = np.abs(residual[: chunks * size].reshape(chunks, size))
    mads = np.partition(table, size // 2, axis=1)[:, size // 2]
    if chunks == 1:
        return np.full(n, MAD_TO_SIGMA * mads[0])
    if chunks < 5:
        return np.full(n, MAD_TO_SIGMA * np.median(mads))
    padded = np.concatenate([mads[2:0:-1], mads, mads[-2:-4:-1]])
    smooth = MAD_TO_SIGMA * np.median(sliding_window_view(padded, 5), axis=1)
    if n > DENSE:
        return np.append(np.repeat(smooth, size), np.full(n - chunks * size, smooth[-1]))
    return np.interp(np.arange(n), (np.arange(chunks) + 0.5) * size, smooth)


def scan(value: Floats, length: int, offset: int, floor: float) -> Scan | None:
    """The top-hat statistic of blocks of ``length`` rows; None when there are too few blocks for levels around one."""
    blocks = block_medians(value, length, offset)
    n = len(blocks)
    group = SHARED if n > DENSE else 1
    context = max(CONTEXT_BLOCKS, min(-(-CONTEXT_ROWS // length), n // 6))
    context = -(-context // group) * group
    gap = 1 if group == 1 else 0
    if n < 2 * (context + gap) + 3:
        return None
    level = np.repeat(surrounding_level(blocks, context, gap, group), group)[:n]
    judged = np.flatnonzero(np.isfinite(level))
    low, high = int(judged[0]), int(judged[-1]) + 1
    excess, level = blocks[low:high] - level[low:high], level[low:high]
    usual = float(np.median(excess))  # below zero: the level is the highest of three
    difference = np.diff(blocks, append=blocks[-2:-1])[low:high] / np.sqrt(2.0)
    scale = np.maximum(running_scale(excess - usual), running_scale(difference))
    start = np.arange(low, high) * length + offset
    return Scan(length=length, start=start, excess=excess, usual=usual, scale=np.maximum(scale, floor), level=level)


def surrounding_level(blocks: Floats, context: int, gap: int, group: int) -> Floats:
    """The highest level that the blocks around each group of blocks suggest for it, shape (groups,); NaN at the ends.

    The level before and that after, each carried on along its own slope, and their mean. The slope is the smallest of
    three neighbouring ones (minmod), one of them inside the nearest context, and carries no lower than the few blocks
    beside: a step has no slope, so that the rows around a step are compared with its upper side. The mean lies above a
    convex curve, where the two slopes fall short.
    """
    windows = sliding_window_view(blocks, context)[::group]
    levels = np.partition(windows, context // 2, axis=1)[:, context // 2]
    if group == 1 and context % 2 == 0:
        levels = np.median(windows, axis=1)
    few = max(group, 3 if context < 12 else context // 4)
    windows = sliding_window_view(blocks, few)[::group]
    fews = np.partition(windows, few // 2, axis=1)[:, few // 2]
    half = max(few, context // 2) if group == 1 else few
    if half > few:
        windows = sliding_window_view(blocks, half)
        halves = np.partition(windows, half // 2, axis=1)[:, half // 2]
    else:
        halves = fews
    groups = -(-len(blocks) // group)
    span = context // group
    distance = (gap + 0.5) * group + context / 2
    order = np.arange(groups)

    def at(index: Ints, of: Floats) -> Floats:
        inside = (index >= 0) & (index < len(of))
        return np.where(inside, of[np.clip(index, 0, len(of) - 1)], np.nan)

    def carried(first: Ints, direction: int) -> Floats:
        nearest, second, third = (at(first + direction * k * span, levels) for k in range(3))
        near = at(first if direction > 0 else first + (context - half) // group, halves)
        far = at(first + (context - half) // group if direction > 0 else first, halves)
        inner = (near - far) / max(context - half, 1)
        slope = np.nan_to_num(_smallest((nearest - second) / context, (second - third) / context, inner))
        beside = at(first if direction > 0 else first + (context - few) // group, fews)
        return np.where(slope < 0, np.fmax(nearest + slope * distance, beside), nearest + slope * distance)

    first_before, first_after = order - gap - span, order + gap + 1
    before, after = carried(first_before, -1), carried(first_after, 1)
    # At the ends a shorter context must do: three blocks at least.
    short = max(3, context // 4)
    if group == 1:
        late = order[np.isnan(after) & (order + gap + 1 + short <= len(blocks))]
        after[late] = np.median(blocks[len(blocks) - short :])
        early = order[np.isnan(before) & (order - gap - short >= 0)]
        before[early] = np.median(blocks[:short])
    middle = (at(first_before, levels) + at(first_after, levels)) / 2
    highest = np.fmax(np.maximum(before, after), middle)
    return np.where(np.isnan(before) | np.isnan(after), np.nan, highest)


def _smallest(*slopes: Floats) -> Floats:
    """Where all have one sign, the one nearest to zero; else zero (minmod). NaN where one is unknown."""
    table = np.stack(slopes)
    low, high = table.min(axis=0), table.max(axis=0)
    return np.where(low > 0, low, np.where(high < 0, high, 0.0 * low))


def all_scans(value: Floats, floor: float) -> list[Scan]:
    """The statistic at every block length that the curve has room for, two phases of blocks where they are long.

    The scale of long blocks is at least that of single rows over the root of their length: no noise is smoother.
    """
    found: list[Scan] = []
    for length in LENGTHS if len(value) < LONG else LENGTHS[::2]:
        if length > 1 and length > LONGEST_SHARE * len(value):
            break
        for offset in (0,) if length == 1 or len(value) > DENSE * length else (0, length // 2):
            one = scan(value, length, offset, floor)
            if one is None:
                continue
            if found and found[0].length == 1:
                rows = found[0]
                at = np.clip(one.start + length // 2 - rows.start[0], 0, len(rows.start) - 1)
                one = replace(one, scale=np.maximum(one.scale, rows.scale[at] / np.sqrt(length)))
            found.append(one)
    return found


def find_spikes(
    value: Floats,
    *,
    floor: float = 0.0,
    judged_from: int = 0,
    noise_units: float = NOISE_UNITS,
    p_value: float = P_VALUE,
) -> list[Spike]:
    """Transient peaks of a curve, shape (n,) and finite, in order of rows.

    Args:
        floor: smallest scale, in the unit of the curve: the precision of the numbers.
        judged_from: rows before this (the burn-in) lend their scale, but no spike may begin there.
    """
    scans = all_scans(value, floor)
    if not scans:
        return []
    tests = len({one.length for one in scans})
    # The clusters in order of their height; each is taken out of all tails with the higher ones before it is judged.
    masks = [one.start >= judged_from for one in scans]
    clusters: list[tuple[int, int, int, int]] = []  # first row, last row, scan, block
    p_values: list[float] = []
    open_rows = [mask.copy() for mask in masks]
    for _ in range(2 * MOST_SPIKES):
        best = _highest(scans, open_rows)
        if best is None or scans[best[0]].units[best[1]] < noise_units or len(clusters) == MOST_SPIKES:
            break
        first, last = cluster_of(value, scans[best[0]], best[1])
        reach = last - first + 1
        for one, rows in zip(scans, open_rows, strict=True):
            rows &= (one.start + one.length <= first - reach) | (one.start > last + reach)
        if stands_alone(value, first, last, scans[best[0]], best[1]):
            clusters.append((first, last, *best))
            p_values.append(0.0)
    if not clusters:
        return []
    # Generalised ESD (Rosner 1983): the largest group whose smallest member is still beyond the tail of the rest.
    kept = 0
    open_rows = [mask.copy() for mask in masks]
    for index, (first, last, which, block) in enumerate(clusters):
        reach = last - first + 1
        for one, rows in zip(scans, open_rows, strict=True):
            rows &= (one.start + one.length <= first - reach) | (one.start > last + reach)
        p_values[index] = min(1.0, tests * _chance(scans, open_rows, which, block, index))
        if p_values[index] < p_value:
            kept = index + 1
    rows_scan = next((one for one in scans if one.length == 1), scans[0])
    spikes = [
        _spike(value, scans[which], block, first, last, p, rows_scan)
        for (first, last, which, block), p in zip(clusters[:kept], p_values[:kept], strict=True)
    ]
    return sorted(spikes, key=lambda spike: spike.first)


def _highest(scans: list[Scan], open_rows: list[NDArray[np.bool_]]) -> tuple[int, int] | None:
    best: tuple[float, int, int] | None = None
    for index, (one, rows) in enumerate(zip(scans, open_rows, strict=True)):
        if not rows.any():
            continue
        units = np.where(rows, one.units, -np.inf)
        block = int(units.argmax())
        if best is None or units[block] > best[0]:
            best = (float(units[block]), index, block)
    return None if best is None else best[1:]


def _chance(scans: list[Scan], open_rows: list[NDArray[np.bool_]], which: int, block: int, higher: int) -> float:
    """Chance that the largest of so many blocks reaches as far as this one."""
    one = scans[which]
    units = one.units[open_rows[which]]
    # Few long blocks do not know their tail: shorter ones, whose tail is heavier if it differs, lend theirs.
    shorter = which - 1
    while len(units) < POOLED_BLOCKS and shorter >= 0:
        units = np.concatenate([units, scans[shorter].units[open_rows[shorter]]])
        shorter -= 1
    return chance_of_maximum(units, float(one.units[block]), of=len(one.start), censored=higher)


def cluster_of(value: Floats, one: Scan, block: int) -> tuple[int, int]:
    """First and last row around a block that stand above a third of its excess."""
    threshold = one.level[block] + max(one.excess[block] / 3.0, 0.0)
    start, stop = int(one.start[block]), int(one.start[block]) + one.length
    reach = 3 * one.length + 3
    while True:
        low = max(0, start - reach)
        below = np.flatnonzero(value[low:start] <= threshold)
        first = int(low + below[-1] + 1) if len(below) else low
        if first > low or low == 0:
            break
        reach *= 4
    reach = 3 * one.length + 3
    while True:
        high = min(len(value), stop + reach)
        below = np.flatnonzero(value[stop:high] <= threshold)
        last = int(stop + below[0] - 1) if len(below) else high - 1
        if last < high - 1 or high == len(value):
            break
        reach *= 4
    inside = np.flatnonzero(value[first : last + 1] > threshold)
    return (first + int(inside[0]), first + int(inside[-1])) if len(inside) else (start, stop - 1)


def stands_alone(value: Floats, first: int, last: int, one: Scan, block: int) -> bool:
    """The rows on either side of a cluster lie below half its excess: it is a peak, not the upper side of a step."""
    reach = int(np.clip(last - first + 1, FEWEST_BESIDE, 5 * FEWEST_BESIDE))
    before, after = value[max(0, first - reach) : first], value[last + 1 : last + 1 + reach]
    if min(len(before), len(after)) < FEWEST_BESIDE:
        return False
    half = one.level[block] + one.excess[block] / 2
    return bool(np.median(before) < half and np.median(after) < half)


def _spike(value: Floats, one: Scan, block: int, first: int, last: int, p: float, rows_scan: Scan) -> Spike:
    peak = first + int(value[first : last + 1].argmax())
    level = float(one.level[block])
    near = int(np.clip(np.searchsorted(rows_scan.start, peak), 0, len(rows_scan.start) - 1))
    return Spike(
        first=first,
        last=last,
        peak=peak,
        level=level,
        height=float(value[peak] - level),
        units=float(one.units[block]),
        row_units=float((value[peak] - level) / rows_scan.scale[near]),
        p_value=p,
        length=one.length,
    )
