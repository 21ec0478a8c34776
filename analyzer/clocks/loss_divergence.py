"""Where a loss leaves its lowest level for good."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from analyzer.clocks.change_points import MEDIAN_ERROR, row_noise
from analyzer.clocks.loss_baseline import Divergence
from analyzer.clocks.loss_scan import Change, running_median
from analyzer.model import Floats

LEAST_RISE = 1.3  # of the lowest level: a restart or a new mixture of data may cost 10..20 %
RISE_BEFORE = 2.0  # times the largest rise before the lowest level: a curve that wanders has risen before
LEAST_SHARE = 0.02  # of the run that the lowest level holds: less is a dip
# Random walks of 60 to 1000 rows rise so, behind their first quarter, in 0.1 to 4 % by simulation; and no loss is one.
DWARFS, DWARFED = 8.0, 1e-2  # times any rise before, and the noise of a row, that a last rise is; its chance
LOWEST_ROWS = 25  # at least, whose median is a lowest level
END_ERRORS = 2.0  # standard errors of where the curve ends, that it ends higher
LEAST_ROWS = 5  # that must lie behind an onset


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
    unsure = MEDIAN_ERROR * row_noise(tail) / math.sqrt(len(tail))  # rows that go up and down end nowhere
    if not up or rise < max(np.log(LEAST_RISE), END_ERRORS * unsure):
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
