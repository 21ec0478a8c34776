"""Losses that are logged as the mean of the epoch so far, and the batch losses behind them.

Keras' batch logs, allennlp's ``loss`` and many progress bars write m_k = (b_1 + ... + b_k) / k, which starts anew
with each epoch. Such a curve falls in a saw-tooth that is nobody's fault, and one bad batch shows in all rows to the
epoch's end. The batch loss is b_k = k m_k - (k-1) m_(k-1).
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from analyzer.distinct import distinct
from analyzer.model import Floats, Ints

STEEP = -0.45  # slope of log |m_k - m_(k-1)| against log k: -1 for a running mean, 0 for batch losses
LEVEL = 0.2  # that slope and the slope of what is undone, added: -1 for a running mean, +1 for batch losses
NEGATIVE = 0.02  # share of batch losses that may come out below zero where the logged ones are above it
FEWEST_EPOCHS = 2
RESTART = 4.0  # times the late differences: what the curve moves where the mean starts anew
RESTARTING = 0.7  # share of the epochs that do
CLEARLY = 0.75  # the labels' own rows are where the mean starts anew, unless others make the batches so much smoother
LATER_SHARE = 0.25  # of the rows that lie behind the first epoch, which then tell how differences shrink
BIN_ROWS = 6  # differences that a bin of k must hold
BINS = 3
STRETCH = 100_000  # rows from the middle of a longer curve that are tried before the whole of it
SHIFTS = (0, -1, 1, -2, 2)  # rows by which labels may miss the place where the mean starts anew


class Undone(Struct, frozen=True, kw_only=True, eq=False):
    """Batch losses (n,) and the count k of each row within its epoch (n,)."""

    value: Floats
    count: Ints


def undo_running_mean(value: Floats, step: Ints, starts: NDArray[np.bool_]) -> Undone | None:
    """Batch losses of a curve that is a running mean since each start; None when it is none.

    Args:
        value: shape (n,), finite.
        step: shape (n,), in steps of one batch.
        starts: shape (n,), True where an epoch begins.
    """
    if len(value) < 24 or starts.sum() < FEWEST_EPOCHS or not np.median(np.diff(step)) >= 1:
        return None
    if len(value) > 2 * STRETCH:
        middle = np.flatnonzero(starts[len(value) // 2 : len(value) // 2 + STRETCH]) + len(value) // 2
        if len(middle) > FEWEST_EPOCHS + 1:
            part = slice(int(middle[0]), int(middle[-1]))
            if undo_running_mean(value[part], step[part], starts[part]) is None:
                return None
    usual = 10 * float(np.median(np.abs(value)))  # a divergence must not outvote the healthy epochs
    best: tuple[float, NDArray[np.bool_], Undone] | None = None
    for shift in SHIFTS:
        moved = np.zeros_like(starts)
        moved[np.clip(np.flatnonzero(starts) + shift, 0, len(starts) - 1)] = True
        moved[[0, -1]] = True, bool(starts[-1])
        count = _counts(step, moved)
        batch = _undo(value, moved, count)
        rough = float(np.mean(np.abs(np.diff(np.clip(batch, -usual, usual)))))
        if best is None or rough < CLEARLY * best[0]:
            best = (rough, moved, Undone(value=batch, count=count))
    assert best is not None
    _, moved, undone = best
    before = _slope(value, moved, undone.count)
    if before is None or before > STEEP:
        return None
    after = _slope(undone.value, moved, undone.count)
    if after is None or before + after > LEVEL:
        return None
    if not _starts_anew(value, moved):
        return None
    if value.min() > 0 and np.mean(undone.value <= 0) > NEGATIVE:
        return None
    return undone


def _starts_anew(value: Floats, starts: NDArray[np.bool_]) -> bool:
    """The curve moves far more from one epoch to the next than late in the epoch before."""
    first = np.flatnonzero(starts)
    jumps = []
    for low, high in zip(first[:-1].tolist(), first[1:].tolist(), strict=True):
        late = np.abs(np.diff(value[(low + high) // 2 : high]))
        if len(late) >= 3:
            jumps.append(abs(value[high] - value[high - 1]) >= RESTART * float(np.median(late)))
    return len(jumps) >= FEWEST_EPOCHS - 1 and float(np.mean(jumps)) >= RESTARTING


def _counts(step: Ints, starts: NDArray[np.bool_]) -> Ints:
    """How many batches each row's mean holds: the steps since the last row of the epoch before."""
    first = np.flatnonzero(starts)
    cadence = int(np.median(np.diff(step)))
    gap = np.diff(step, prepend=0)[first]
    opening = np.where(
        (gap >= 1) & (gap <= 2 * cadence), gap, min(cadence, max(int(np.min(gap[1:], initial=cadence)), 1))
    )
    which = np.cumsum(starts) - 1
    return step - step[first][which] + opening[which]


def _slope(value: Floats, starts: NDArray[np.bool_], count: Ints) -> float | None:
    """Slope of the log of the typical difference of two rows against the log of their count."""
    move = np.abs(np.diff(value, prepend=value[0])) / np.maximum(np.diff(count, prepend=0), 1)
    later = np.cumsum(starts) > 1  # the first epoch descends
    if later.mean() < LATER_SHARE:
        later[:] = True
    used = later & ~starts & (count > 1) & (move > 0)
    if used.sum() < BINS * BIN_ROWS:
        return None
    octave = np.floor(np.log2(count[used])).astype(np.int64)
    centres, sizes = [], []
    for one in distinct(octave):
        inside = octave == one
        if inside.sum() >= BIN_ROWS:
            centres.append(float(np.mean(np.log(count[used][inside]))))
            sizes.append(float(np.log(np.median(move[used][inside]))))
    if len(centres) < BINS:
        return None
    return float(np.polyfit(centres, sizes, 1)[0])


def _undo(value: Floats, starts: NDArray[np.bool_], count: Ints) -> Floats:
    before, previous = np.roll(count, 1), np.roll(value, 1)
    more = count - before
    inside = ~starts & (more > 0)
    batch = value.copy()
    batch[inside] = (count * value - before * previous)[inside] / more[inside]
    return batch
