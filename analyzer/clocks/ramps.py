"""Stretches of epochs with lengths of their own: a batch size that grows by design, which nobody declared.

The log alone can prove that the epochs of a stretch have one length and that the lengths change where an epoch ends,
always in one direction. Nothing that goes wrong with labels or data leaves that: a label that is skipped or given
twice, or data that begin again, are followed by epochs of the old length.
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from analyzer.clocks.label_runs import FREE, Bounds, LabelRuns, feasible_lengths
from analyzer.model import Ints

MANY_STRETCHES = 5
"""Of different lengths, each shorter (or longer) than the one before, whatever their number of epochs."""
ENOUGH_LAPS = 2
"""Complete epochs of one length that show a stretch: a single one may be an epoch in which something went wrong."""
APART_STEPS = 2
APART_SHARE = 0.05
"""Two stretches differ by at least so many steps and this share of the shorter one."""


class Stretch(Struct, frozen=True, kw_only=True):
    """Epochs of one length: the step of its first row, the row among the labels, and the length as an interval."""

    step: int
    position: int
    low: int
    high: int
    laps: int  # that are complete

    @property
    def length(self) -> Fraction:
        return Fraction(self.low + self.high, 2) if self.low < self.high else Fraction(self.low)


def ramp_of(runs: LabelRuns, step: Ints, origin: tuple[int, int] | None) -> tuple[Stretch, ...] | None:
    """The stretches of a ramp; None where the labels are none, or where a resume explains a change.

    Args:
        step: of all labels, in written order.
        origin: first step of the first epoch, at least and at most, where the log shows its beginning.
    """
    whole = _without_joins(runs)
    if whole is None or len(whole) < 2 * ENOUGH_LAPS:
        return None
    least, most = (-FREE, int(whole.first[0])) if origin is None else origin
    low = np.concatenate([[least], whole.last + 1])
    high = np.concatenate([[most], whole.first[1:], [FREE]])
    if np.any(np.diff(whole.label) != 1):
        return None
    found: list[Stretch] = []
    at, last = 0, len(whole)
    while at < last:
        stop, length = _longest(low, high, at, last)
        if length is None:
            return None
        complete = stop - at - (1 if stop == last and int(whole.last[-1]) + 1 - int(whole.first[-1]) < length[0] else 0)
        found.append(
            Stretch(
                step=int(step[whole.start[at]]),
                position=int(whole.start[at]),
                low=length[0],
                high=length[1],
                laps=complete,
            )
        )
        if not _one_way(found[-3:]):
            return None
        at = stop
    resumed = any(_resumed_at(runs, whole, one.position) for one in found[1:])
    return tuple(found) if _is_ramp(found) and not resumed else None


def _is_ramp(found: list[Stretch]) -> bool:
    if len(found) < 2 or not _one_way(found) or found[-1].laps < 1:
        return False
    shown = [one.laps >= ENOUGH_LAPS for one in found]
    return len(found) >= MANY_STRETCHES or all(shown) or (len(found) > 2 and all(shown[:-1]))


def _one_way(found: list[Stretch]) -> bool:
    falls = all(_apart(later, earlier) for earlier, later in pairwise(found))
    return falls or all(_apart(earlier, later) for earlier, later in pairwise(found))


def _apart(shorter: Stretch, longer: Stretch) -> bool:
    return longer.low - shorter.high >= max(APART_STEPS, math.ceil(APART_SHARE * shorter.high))


def _longest(low: NDArray[np.int64], high: NDArray[np.int64], at: int, last: int) -> tuple[int, tuple[int, int] | None]:
    """The end of the longest stretch from epoch `at` whose boundaries fit one whole length, and that length."""
    reach, known = at, None
    step = 1
    while reach < last:  # widen by doubling, then narrow
        stop = min(last, reach + step)
        length = _length(low, high, at, stop)
        if length is not None:
            reach, known, step = stop, length, 2 * step
        elif step == 1:
            break
        else:
            step = max(1, step // 4)
    return reach, known


def _length(low: NDArray[np.int64], high: NDArray[np.int64], at: int, stop: int) -> tuple[int, int] | None:
    number = np.arange(stop - at + 1, dtype=np.int64)
    low, high = low[at : stop + 1], high[at : stop + 1]
    nothing = np.zeros(len(number), dtype=np.int64)
    found = feasible_lengths(
        Bounds(
            low=low,
            low_label=np.where(low > -FREE, number, 0),
            high=high,
            high_label=np.where(high < FREE, number, 0),
            session=nothing,
            start=nothing,
            position=nothing,
        )
    )
    if found is None or math.ceil(found[0]) > math.floor(found[1]):
        return None
    return math.ceil(found[0]), math.floor(found[1])


def _without_joins(runs: LabelRuns) -> LabelRuns | None:
    """Runs of one label as one, where a session goes on with the label and the steps of the one before."""
    if np.any(runs.first[1:] <= runs.last[:-1]):
        return None
    opens = np.concatenate([[True], np.diff(runs.label) != 0])
    closes = np.concatenate([opens[1:], [True]])
    return LabelRuns(
        label=runs.label[opens],
        first=runs.first[opens],
        last=runs.last[closes],
        start=runs.start[opens],
        stop=runs.stop[closes],
        session=runs.session[opens],
    )


def _resumed_at(runs: LabelRuns, whole: LabelRuns, position: int) -> bool:
    """Whether a session opens at the epoch that begins at this row, or inside the one before."""
    opens = runs.start[1:][np.diff(runs.session) != 0]
    epoch = int(np.searchsorted(whole.start, position))
    return bool(np.any((opens > whole.start[epoch - 1]) & (opens <= position)))
