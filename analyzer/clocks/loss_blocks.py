"""Blocks of a curve over the level of their neighbours, at many lengths, in units of their own noise.

The level of a block is the median of the blocks around it, as many before as after: a straight descent leaves nothing
of itself, and a step hardly anything. How far around is the curve's own: where neighbouring rows resemble one another
a near level is the sharper one.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.lib.stride_tricks import sliding_window_view

from analyzer.clocks.noise import MAD_TO_SIGMA
from analyzer.clocks.row_medians import row_medians
from analyzer.distinct import distinct
from analyzer.model import Floats, Ints

LENGTHS = (1, 2, 3, 5, 8, 12, 20, 32, 50, 80, 128, 200)  # rows per block
CONTEXT_ROWS = 20  # rows before and after on which a level is taken, at least
CONTEXT_BLOCKS = 5  # and at least this many blocks
NEAR_BLOCKS = {1: 3, 2: 2, 3: 2, 5: 2}  # blocks before and after of the near level, by rows per block
NEARER = 0.9  # the near level is taken where it leaves less than this share of the scatter: both err by a twentieth
FEWEST_CONTEXT = 2, 3  # blocks on either side: anywhere, and at the ends of the run
LONGEST_SHARE = 1 / 12  # a block holds at most this share of the run: there must be a level to stand above
FEWEST_BLOCKS = 12  # of one length that show their scatter
SCALE_BLOCKS = 24  # blocks on which a local scale is taken
NEIGHBOURS = (2, 4, 8, 16, 32, 64, 128)  # of these on either side that a scale may be taken from
SURE_OF_WIDTH = 2000  # local scales that tell how far the noise stays the same
DENSE = 20_000  # from so many blocks on neighbours share their levels: the cost stays a few passes over the rows
SHARED = 8
LONG = 200_000  # rows from which every second length does: a block twice too long loses a third of its noise units


class Blocks(Struct, frozen=True, kw_only=True, eq=False):
    """Blocks of one length and phase: first row, height over the level, local scale, level; shape (blocks,) each."""

    length: int
    start: Ints
    excess: Floats
    scale: Floats
    level: Floats
    units: Floats  # height in units of the local scale

    def level_at(self, rows: Ints) -> Floats:
        return np.asarray(np.interp(rows, self.start + (self.length - 1) / 2, self.level))


def block_medians(value: Floats, length: int, offset: int = 0) -> Floats:
    """Medians of consecutive blocks, shape ((n - offset) // length,); a last short block is left out."""
    if length == 1:
        return value[offset:]
    blocks = (len(value) - offset) // length
    table = value[offset : offset + blocks * length].reshape(blocks, length)
    return row_medians(table)


def running_scale(residual: Floats, width: int = SCALE_BLOCKS) -> Floats:
    """Local robust scale, shape (n,): MAD over chunks of ``width``, then the median of five neighbouring chunks.

    The median keeps a chunk that holds the spike from setting the scale that the spike is measured with.
    """
    size, mads = _chunk_scales(residual, width)
    if len(mads) < 5:
        return np.full(len(residual), np.median(mads))
    padded = np.concatenate([mads[2:0:-1], mads, mads[-2:-4:-1]])
    return _per_row(np.median(sliding_window_view(padded, 5), axis=1), size, len(residual))


def steady_scale(residual: Floats, floor: float) -> Floats:
    """Local robust scale, shape (n,), from as many rows as have the same noise.

    The scale of a few rows errs, and an erring scale makes every tail heavier. How many neighbours a local scale is the
    median of is the number that predicts one from the others best.
    """
    size, scales = _chunk_scales(residual, SCALE_BLOCKS)
    chunks = len(scales)
    if chunks < 5:
        return np.full(len(residual), max(float(np.median(scales)), floor))
    log = np.log(np.maximum(scales, max(floor, 1e-300)))
    some = distinct(np.linspace(0, chunks - 1, min(chunks, SURE_OF_WIDTH)).astype(np.int64))
    best, reach = np.inf, NEIGHBOURS[0]
    for side in NEIGHBOURS:
        if side >= chunks and side > NEIGHBOURS[0]:
            break
        others = np.delete(_around(log, side)[some], side, axis=1)
        error = float(np.median(np.abs(log[some] - np.median(others, axis=1))))
        if error < 0.99 * best:
            best, reach = error, side
    group = SHARED if chunks > DENSE and reach >= SHARED else 1
    level = np.repeat(np.median(_around(log, reach)[::group], axis=1), group)[:chunks]
    return _per_row(np.exp(level), size, len(residual))


def _chunk_scales(residual: Floats, width: int) -> tuple[int, Floats]:
    """Rows per chunk and the scale of each whole chunk."""
    chunks = max(1, len(residual) // width)
    size = len(residual) // chunks
    table = np.abs(residual[: chunks * size].reshape(chunks, size))
    return size, MAD_TO_SIGMA * np.partition(table, size // 2, axis=1)[:, size // 2]


def _around(log: Floats, side: int) -> Floats:
    """Windows of each value and ``side`` on either side, mirrored at the ends, shape (n, 2 side + 1)."""
    return sliding_window_view(np.pad(log, min(side, len(log) - 1), mode="reflect"), 2 * min(side, len(log) - 1) + 1)


def _per_row(scale: Floats, size: int, n: int) -> Floats:
    if n > DENSE:
        return np.append(np.repeat(scale, size), np.full(n - len(scale) * size, scale[-1]))
    return np.interp(np.arange(n), (np.arange(len(scale)) + 0.5) * size, scale)


def surrounding_level(blocks: Floats, context: int) -> Floats:
    """Median of ``context`` blocks before and as many after each, shape (n,); of fewer near the ends, NaN at them."""
    n = len(blocks)
    level = np.full(n, np.nan)
    group = SHARED if n > DENSE and context >= SHARED else 1
    windows = sliding_window_view(blocks, 2 * context + group)[::group]
    middle = row_medians(windows[:, :context], windows[:, context + group :])
    level[context : context + group * len(middle)] = np.repeat(middle, group)
    at_most = n - context
    level[at_most:] = np.nan
    for reach in range(FEWEST_CONTEXT[1], context + group):
        for at in (reach, n - 1 - reach):
            if reach <= at < n - reach and np.isnan(level[at]):
                near = blocks[at - reach : at + reach + 1]
                level[at] = np.median(np.delete(near, reach))
    return level


def blocks_of(value: Floats, length: int, offset: int, floor: float, rows: Blocks | None) -> Blocks | None:
    """Blocks of ``length`` rows from row ``offset`` on, with the far or the near level; None when there are too few.

    ``rows`` are the blocks of one row, whose noise longer ones share.
    """
    medians = block_medians(value, length, offset)
    found: Blocks | None = None
    contexts = [max(CONTEXT_BLOCKS, -(-CONTEXT_ROWS // length))]
    contexts += [NEAR_BLOCKS[length]] if length in NEAR_BLOCKS else []
    for context in contexts:
        context = min(context, (len(medians) - 3) // 2)
        if context < FEWEST_CONTEXT[0]:
            return found
        level = surrounding_level(medians, context)
        judged = np.flatnonzero(np.isfinite(level))
        if len(judged) < FEWEST_BLOCKS:
            return found
        inside = slice(int(judged[0]), int(judged[-1]) + 1)
        excess = medians[inside] - level[inside]
        excess = excess - np.median(excess)
        start = np.arange(inside.start, inside.stop) * length + offset
        scale = np.maximum(_scale_of(excess, start + length // 2, length, floor, rows), floor)
        if found is None or np.median(scale) < NEARER * np.median(found.scale):
            found = Blocks(length=length, start=start, excess=excess, scale=scale, level=level[inside],
                           units=excess / scale)
    return found


def _scale_of(excess: Floats, middle: Ints, length: int, floor: float, rows: Blocks | None) -> Floats:
    """Local scale of blocks, shape (blocks,).

    Long blocks are few: theirs is that of single rows, times a ratio that all of them tell together. No noise is
    smoother than the root of the length makes it.
    """
    if rows is None:
        return steady_scale(excess, floor)
    single = rows.scale[np.clip(middle - rows.start[0], 0, len(rows.start) - 1)]
    ratio = MAD_TO_SIGMA * float(np.median(np.abs(excess) / single))
    scale = single * max(ratio, 1 / np.sqrt(length))
    if len(excess) >= 5 * SCALE_BLOCKS:
        scale = np.maximum(scale, running_scale(excess))
    return np.asarray(scale)


def all_blocks(value: Floats, floor: float) -> list[Blocks]:
    """Blocks of every length that the curve has room for, two phases of them where they are long."""
    if floor <= 0:
        floor = 1e-12 * float(np.max(np.abs(value), initial=0.0)) or 1e-300
    found: list[Blocks] = []
    for length in LENGTHS if len(value) < LONG else LENGTHS[::2]:
        if length > 1 and length > LONGEST_SHARE * len(value):
            break
        for offset in (0,) if length == 1 or len(value) > DENSE * length else (0, length // 2):
            one = blocks_of(value, length, offset, floor, found[0] if found else None)
            if one is not None:
                found.append(one)
    return found
