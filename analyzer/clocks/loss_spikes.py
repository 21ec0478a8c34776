"""Transient peaks of a curve: rows that stand above what lies before *and* after them.

A top-hat on block medians: the excess of a block is its median minus the larger of the levels before and after it.
Descent, staircase and divergence cannot make it positive. Blocks of many lengths find one row of twenty noise units and
fifty rows of three. The excess is judged on the raw loss (in logs a spike of 19 noise units over 30 % noise is one of 6)
in units of its own local scale, against the run's own tail.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from analyzer.clocks.extreme_tail import fit_tail
from analyzer.model import Floats, Ints

LENGTHS = (1, 2, 3, 5, 8, 12, 20, 32, 50, 80, 128, 200)  # rows per block
CONTEXT_ROWS = 20  # rows before and after on which a level is taken, at least
CONTEXT_BLOCKS = 5  # and at least this many blocks
LONGEST_SHARE = 1 / 12  # a block holds at most this share of the run: there must be a level to stand above
SCALE_BLOCKS = 64  # blocks on which the local scale is taken
MAD_TO_SIGMA = 1.4826  # of a Gaussian
DENSE = 20_000  # from so many blocks on neighbours share their levels: the cost stays a few passes over the rows
SHARED = 8
MOST_SPIKES = 12  # clusters looked at one by one; a run with more is not one with spikes

NOISE_UNITS = 5.5  # with P_VALUE: no false spike in 325 clean logs of the prototype (reference run of the benchmark)
P_VALUE = 5e-3  # chance that the run's own tail reaches so far anywhere in the run


@dataclass(frozen=True, kw_only=True)
class Spike:
    """Rows [first, last] of the curve stand ``height`` above ``level``; ``units`` noise units of blocks of ``length``."""

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
    scale: Floats
    level: Floats

    @property
    def units(self) -> Floats:
        return self.excess / self.scale


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
    """Local robust scale, shape (n,): MAD over chunks of ``width``, the larger of neighbours' mean and own."""
    n = len(residual)
    chunks = max(1, n // width)
    edges = np.linspace(0, n, chunks + 1).astype(np.int64)
    if chunks > 400:  # equal chunks, one table
        size = n // chunks
        table = np.abs(residual[: chunks * size].reshape(chunks, size))
        mads = np.median(table, axis=1)
        centre = (np.arange(chunks) + 0.5) * size
    else:
        mads = np.array([np.median(np.abs(residual[a:b])) for a, b in zip(edges[:-1], edges[1:], strict=True)])
        centre = (edges[:-1] + edges[1:]) / 2
    if chunks == 1:
        return np.full(n, MAD_TO_SIGMA * mads[0])
    padded = np.concatenate([mads[:1], mads, mads[-1:]])
    smooth = np.median(sliding_window_view(padded, 3), axis=1)
    return MAD_TO_SIGMA * np.interp(np.arange(n), centre, smooth)


def scan(value: Floats, length: int, offset: int, floor: Floats | float) -> Scan | None:
    """The top-hat statistic of blocks of ``length`` rows; None when there are too few blocks for levels around one."""
    blocks = block_medians(value, length, offset)
    context = max(CONTEXT_BLOCKS, -(-CONTEXT_ROWS // length))
    gap = 1
    n = len(blocks)
    if n < 2 * (context + gap) + 3:
        return None
    share = SHARED if n > DENSE else 1
    windows = sliding_window_view(blocks, context)
    if share == 1:
        levels = np.median(windows, axis=1)  # levels[i]: of blocks i .. i+context-1
        first = np.arange(n)
        before = np.where(first - gap - context >= 0, levels[np.maximum(first - gap - context, 0)], np.inf)
        after = np.where(first + gap + 1 + context <= n, levels[np.minimum(first + gap + 1, n - context)], np.inf)
        # Near the ends a shorter context must do: the nearest one that does not hold the block itself.
        short = max(3, context // 4)
        ends = np.median(sliding_window_view(blocks, short), axis=1)
        late = first[np.isinf(after) & (first + gap + 1 + short <= n)]
        after[late] = ends[n - short]
        early = first[np.isinf(before) & (first - gap - short >= 0)]
        before[early] = ends[0]
    else:
        group = np.arange(0, n, share)
        levels = np.median(windows[::share], axis=1)  # levels[k]: of blocks k*share ..
        behind = -(-(context + gap) // share)
        ahead = -(-(share + gap) // share)
        order = np.arange(len(group))
        before = np.where(order >= behind, levels[np.clip(order - behind, 0, len(levels) - 1)], np.inf)
        after = np.where(order + ahead < len(levels), levels[np.clip(order + ahead, 0, len(levels) - 1)], np.inf)
        before, after = np.repeat(before, share)[:n], np.repeat(after, share)[:n]
    level = np.maximum(before, after)
    judged = np.isfinite(level)
    start = (np.arange(n) * length + offset)[judged]
    excess, level = (blocks - level)[judged], level[judged]
    difference = np.diff(blocks, append=blocks[-2:-1])[judged] / np.sqrt(2.0)
    scale = np.maximum(running_scale(excess - np.median(excess)), running_scale(difference))
    at_least = floor if isinstance(floor, float) else floor[start]
    return Scan(length=length, start=start, excess=excess, scale=np.maximum(scale, at_least), level=level)


def all_scans(value: Floats, floor: Floats | float) -> list[Scan]:
    """The statistic at every block length that the curve has room for, two phases of blocks where they are long."""
    found = []
    for length in LENGTHS:
        if length > 1 and length > LONGEST_SHARE * len(value):
            break
        for offset in (0,) if length == 1 else (0, length // 2):
            one = scan(value, length, offset, floor)
            if one is not None:
                found.append(one)
    return found


def find_spikes(
    value: Floats,
    *,
    floor: Floats | float = 0.0,
    judged_from: int = 0,
    noise_units: float = NOISE_UNITS,
    p_value: float = P_VALUE,
) -> list[Spike]:
    """Transient peaks of a curve, shape (n,) and finite, in order of rows.

    Args:
        floor: smallest scale, in the unit of the curve: the precision of the numbers.
        judged_from: rows before this (the burn-in) lend their scale, but no spike may begin there.
    """
    scans = [one for one in all_scans(value, floor)]
    if not scans:
        return []
    tests = len({one.length for one in scans})
    # The clusters in order of their height; each is taken out of all tails with the higher ones before it is judged.
    masks = [one.start >= judged_from for one in scans]
    clusters: list[tuple[int, int, int, int]] = []  # first row, last row, scan, block
    p_values: list[float] = []
    open_rows = [mask.copy() for mask in masks]
    for _ in range(MOST_SPIKES):
        best = _highest(scans, open_rows)
        if best is None or scans[best[0]].units[best[1]] < noise_units:
            break
        first, last = cluster_of(value, scans[best[0]], best[1])
        reach = last - first + 1
        for one, rows in zip(scans, open_rows, strict=True):
            rows &= (one.start + one.length <= first - reach) | (one.start > last + reach)
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
        p_values[index] = min(1.0, tests * _chance(scans[which], open_rows[which], block))
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


def _chance(one: Scan, rows: NDArray[np.bool_], block: int) -> float:
    """Chance that the largest of so many blocks reaches as far as this one."""
    tail = fit_tail(one.units[rows])
    if tail is None:
        return 1.0
    return float(min(1.0, tail.beyond(one.units[block]) * len(one.start)))


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
