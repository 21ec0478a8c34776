"""Rows that close or open an epoch: a window of few samples, or a mean that has just begun, makes their loss noisier.

A mean over m samples scatters by 1/sqrt(m), and has the heavier tail of so few: of a window of 80 samples of which one
is left, the loss is that of a single sample. Such a row is no spike, whatever the rows before it say.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analyzer.clocks.loss import epoch_starts
from analyzer.clocks.loss_baseline import LossBaseline
from analyzer.model import Floats, Ints, Series
from analyzer.planning import Plan
from analyzer.timeline import Timeline

UNKNOWN_RATIO = 10.0  # full window over last window when nothing is declared: nine of ten runs have a fuller one
FULL_ENOUGH = 1.1  # a last window that lacks a tenth is a window like the others
LARGEST_SHARE = 1 / 4  # of the rows: where every third row closes an epoch they are no exception
USUAL_MAXIMUM = 2.5  # noise units that the highest of ten Gaussian rows stays below
FEWEST_OPENING = 5  # rows that open an epoch: their median is then no spike's
MEDIAN_TO_SIGMA = 0.6745  # median of the absolute values of Gaussian noise
BESIDE = 4  # rows before and after whose median is the level of a closing row
MANY = 30  # closing rows from which a quantile says more than the highest


def without_closing_noise(loss: LossBaseline, timeline: Timeline) -> Floats:
    """The judged loss, its excess over the local level at closing rows divided by how much noisier they are, (m,)."""
    ratio = closing_ratios(loss, timeline)
    rows = np.flatnonzero(ratio > 1)
    if not len(rows):
        return loss.value
    level = _level_beside(loss.value, rows)
    value = loss.value.copy()
    value[rows] = np.where(value[rows] > level, level + (value[rows] - level) / ratio[rows], value[rows])
    return value


def closing_ratios(loss: LossBaseline, timeline: Timeline) -> Floats:
    """How much noisier each judged row may be for closing an epoch, shape (m,); 1 elsewhere.

    Every account of where epochs end is followed, as one of them may be at fault: the clock, the declared plan, from
    the first row of the run and from that of each session. The declared size of the last window and the scatter of an
    account's other closing rows both widen.
    """
    n = len(loss.value)
    ratio = np.ones(n)
    if n < 8:
        return ratio
    declared = _declared_ratio(timeline.plan)
    residual = np.abs(loss.value - loss.level[loss.rows]) / np.maximum(loss.scale[loss.rows], loss.floor or 1e-300)
    for closing in _accounts(loss, timeline):
        rows = np.flatnonzero(closing)
        if not len(rows) or len(rows) > LARGEST_SHARE * n:
            continue
        ratio[rows] = np.maximum(ratio[rows], np.maximum(declared, _seen_ratios(residual[rows])))
    opening = np.flatnonzero(loss.starts)[1:] if loss.starts is not None else np.zeros(0, dtype=np.int64)
    if FEWEST_OPENING <= len(opening) <= LARGEST_SHARE * n:  # the mean at batch 0 is of one batch
        usual = float(np.median(residual[opening])) / MEDIAN_TO_SIGMA
        ratio[opening] = np.maximum(ratio[opening], usual if usual > 1.5 else 1.0)
    return ratio


def _declared_ratio(plan: Plan) -> float:
    """Samples of a full window over those of the last in an epoch, the largest of the declared readings."""
    full, size = plan.samples_per_update, plan.dataset_size
    if not full or not size:
        return UNKNOWN_RATIO
    last = size % full
    ratio = full / last if last else 1.0
    return ratio if ratio >= FULL_ENOUGH else 1.0


def _seen_ratios(residual: Floats) -> Floats:
    """For each closing row, how far the others stand from the level, over what so few rows of usual noise do."""
    if len(residual) < 3:
        return np.ones(len(residual))
    if len(residual) > MANY:
        wide = float(np.quantile(residual, 0.9)) / 1.645
        return np.full(len(residual), wide if wide > 1.5 else 1.0)
    highest = np.sort(residual)[-2:]
    others = np.where(residual >= highest[1], highest[0], highest[1]) / USUAL_MAXIMUM
    return np.where(others > 1.5, others, 1.0)


def _accounts(loss: LossBaseline, timeline: Timeline) -> list[NDArray[np.bool_]]:
    series, rows = loss.series, loss.rows
    step = series.step[rows]
    origins = {int(step[0]), timeline.step_axis.base or 0}
    lengths: set[int] = {int(S) for S in timeline.plan.steps_per_epoch if S.denominator == 1}
    clock = timeline.epoch
    if clock is not None and not clock.too_sparse:
        lengths |= {round(clock.low), round(clock.middle), round(2 * clock.middle - float(clock.low))}
        if clock.origin is not None:
            origins.add(clock.origin)
    found = [_closes(step, origin, S) for S in lengths if S > 2 for origin in origins]
    for position, _ in loss.joins:  # a loader that starts over, and a step counter that does
        later = np.arange(len(step)) >= position
        found += [_closes(step, int(step[position]), S) & later for S in lengths if S > 2]
    labelled = _before_label_changes(timeline, series, rows)
    return found if labelled is None else [*found, labelled]


def _closes(step: Ints, origin: int, length: int) -> NDArray[np.bool_]:
    return np.asarray((step - origin) % length == length - 1)


def _before_label_changes(timeline: Timeline, series: Series, rows: Ints) -> NDArray[np.bool_] | None:
    starts = epoch_starts(timeline, series, rows)
    if starts is None:
        return None
    next_row = np.append(np.diff(series.step[rows]) == 1, False)  # with rows left out the last one is not seen
    return np.asarray(np.append(starts[1:], True) & next_row)


def _level_beside(value: Floats, rows: Ints) -> Floats:
    """Median of the rows beside each of ``rows``, those of ``rows`` left out, shape (k,)."""
    beside = rows[:, None] + np.array([k for k in range(-BESIDE, BESIDE + 1) if k])
    special = np.zeros(len(value), dtype=np.bool_)
    special[rows] = True
    inside = (beside >= 0) & (beside < len(value))
    beside = np.clip(beside, 0, len(value) - 1)
    usable = inside & ~special[beside]
    usable[~usable.any(axis=1)] = True
    return np.asarray(np.nanmedian(np.where(usable, value[beside], np.nan), axis=1))
