"""The loss at a join: is it what the session before had reached?

The place is known, so the thresholds are lower than those of a search. Rows that both sessions logged are compared at
the same step; without such rows the first rows behind the join are compared with the last before it, and the run's own
differences at all other rows say how often so much happens by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from analyzer.clocks.loss import baseline_of
from analyzer.clocks.loss_baseline import JoinChange, JoinKind, LossBaseline
from analyzer.clocks.loss_known_level import level_at
from analyzer.clocks.loss_scan import Scan
from analyzer.clocks.noise import MAD_TO_SIGMA
from analyzer.clocks.tellings import Tellings
from analyzer.model import Floats, Ints
from analyzer.precision import half_width
from analyzer.timeline import Timeline

ROWS_BEFORE = 25  # whose median is the level that the session before had reached
LENGTHS = (1, 2, 3, 5, 8, 15)  # first rows behind the join, a level each: a lost optimizer shows for a few rows only
NOISE_UNITS = 4.0  # at a known place; a search needs more, and a tail
ROW_NOISE_UNITS = 8.0  # for a single row, whose noise may have a heavy tail
LEAST_RISE = 0.12  # in log-loss: a tenth comes and goes with the data order
ELSEWHERE = 0.01  # share of the run's other rows at which as much may happen
FEW_ROWS = 60  # with fewer other rows to compare with, noise units alone must decide
FEW_ROWS_FACTOR = 1.2  # and be so many times as many

MOST_LOSSES = 5  # series looked at beside the main one
P_JOIN = 8e-3  # chance of such a difference at a join, either way, all lengths together: only rises are told
LEAST_LONG_RISE = 0.03  # in log-loss
LONG_NOISE_UNITS = 3.0  # of single rows: a level that lies so much higher is seen, though it be less than a tenth

FEWEST_PAIRS = 5
ROWS_OF_A_SCATTER = 40_000  # whose 5,000 levels tell it to 2 %
PAIR_OFFSET = 0.05  # in log-loss
PAIR_UNITS = 6.0  # standard errors of the mean difference of rows at the same step
IDENTICAL = 1e-6  # relative difference of rows that are the same number
ROUNDED_APART = 4.0  # half units of the last digit: two roundings of what is nearly one number lie two apart


def changes_at_joins(loss: LossBaseline, timeline: Timeline, scan: Scan | None = None) -> tuple[JoinChange, ...]:
    """All joins at which the loss is not what it was."""
    found = []
    elsewhere = cache(partial(_Elsewhere, loss))  # of so many rows: the same for every join
    start = last = 0
    for number, (position, index) in enumerate(loss.joins):
        start, last = (last, position) if position > last else (start, last)
        join = timeline.joins[index]
        if join.step == "fresh":
            continue
        end = loss.joins[number + 1][0] if number + 1 < len(loss.joins) else len(loss.value)
        paired = join.step in ("replayed", "continued") and join.overlap >= FEWEST_PAIRS
        change = None
        if paired:
            change = _by_pairs(loss, position, end, index)
        if change is None and not paired:
            change = _by_level(loss, start, position, end, index, elsewhere)
            change = change or _by_scan(loss, scan, start, position, end, index)
        if change is not None:
            found.append(change)
    return tuple(found)


def other_losses_at_joins(timeline: Timeline) -> tuple[tuple[LossBaseline, JoinChange], ...]:
    """Changes of other training losses at joins where steps were replayed: a moving average shows what batches hide."""
    found = []
    for series in timeline.roles.all("loss")[1:MOST_LOSSES]:
        loss = baseline_of(timeline, series)
        if loss.unfit or not loss.joins or not np.all(loss.value > 0):
            continue
        found += [
            (loss, change) for change in changes_at_joins(loss, timeline) if change.kind in ("offset", "transient")
        ]
    return tuple(found)


def _by_pairs(loss: LossBaseline, position: int, end: int, join: int) -> JoinChange | None:
    rows = np.arange(position, end)
    told = Tellings(loss.series.step[loss.rows]).latest(rows, position)
    early, late = told[told >= 0], rows[told >= 0]
    if len(early) < 1:
        return None
    difference = np.log(loss.value[late]) - np.log(loss.value[early])
    pairs = tuple(zip(early.tolist(), late.tolist(), strict=True))
    same = np.abs(difference) <= IDENTICAL
    if same.all():
        return None
    if same.sum() >= max(3, 0.5 * len(same)):
        other = np.flatnonzero(~same)
        apart = np.abs(loss.value[late] - loss.value[early])[other]
        written = half_width(loss.series)[loss.rows[late[other]]]
        if same[other[-1] + 1 :].sum() < 2 or np.all(apart <= ROUNDED_APART * written):
            return None  # drifts apart: rounding that grows, not another state; or a digit that falls either way
        worst = int(other[np.abs(difference[other]).argmax()])
        return _change(
            loss, late, early, worst, join, "row", units=np.inf, pairs=(pairs[worst],), last=int(late[other[-1]])
        )
    if len(difference) < FEWEST_PAIRS:
        return None
    first = difference[:8]
    size = np.abs(first)
    if (
        np.all(np.sign(first) == np.sign(first[0]))
        and np.all(np.diff(size) < 0)
        and size[0] > 5 * size[-1]
        and size[0] >= PAIR_OFFSET
    ):
        units = float(size[0] / np.median(size[len(size) // 2 :]))
        return _change(
            loss, late, early, 0, join, "transient", units=units, pairs=pairs[:3], last=int(late[len(first) - 1])
        )
    mean = float(difference.mean())
    steps_apart = np.diff(difference)
    noise = MAD_TO_SIGMA * float(np.median(np.abs(steps_apart))) / np.sqrt(2)
    noise = max(noise, float(difference.std(ddof=1)) / 2, 1e-4)
    units = mean / (noise / np.sqrt(len(difference)))
    slow = _slow_scatter(loss, position)
    if mean < PAIR_OFFSET or units < PAIR_UNITS or mean < 3 * slow or (difference > 0).mean() < 0.95:
        return None
    worst = int(difference.argmax())
    return _change(
        loss, late, early, worst, join, "offset", units=float(units), pairs=(pairs[0], pairs[worst]), last=int(late[-1])
    )


def _slow_scatter(loss: LossBaseline, position: int) -> float:
    """Scatter of levels of eight rows, in log-loss, behind the burn-in and before the join."""
    log = np.log(loss.value[max(min(loss.burn_in, position - 24), position - ROWS_OF_A_SCATTER, 0) : position])
    blocks = len(log) // 8
    if blocks < 3:
        return 0.0
    levels = np.median(log[-blocks * 8 :].reshape(blocks, 8), axis=1)
    steps = np.diff(levels)
    return float(MAD_TO_SIGMA * np.median(np.abs(steps - np.median(steps))) / np.sqrt(2))


def _change(
    loss: LossBaseline,
    late: Ints,
    early: Ints,
    which: int,
    join: int,
    kind: JoinKind,
    *,
    units: float,
    pairs: tuple[tuple[int, int], ...],
    last: int,
) -> JoinChange:
    return JoinChange(
        join=join,
        position=int(late[0]),
        last=last,
        kind=kind,
        before=float(loss.value[early[which]]),
        after=float(loss.value[late[which]]),
        units=units,
        pairs=pairs,
        recovered=kind != "offset",
    )


def _by_level(
    loss: LossBaseline, start: int, position: int, end: int, join: int, elsewhere: Callable[[int], _Elsewhere]
) -> JoinChange | None:
    before = np.log(loss.value[max(start, position - ROWS_BEFORE) : position])
    after = np.log(loss.value[position : min(end, position + LENGTHS[-1])])
    if len(before) < 5 or len(after) < 2:
        return None
    level_rows = before - _line(before)  # a descent is no scatter
    noise = max(
        MAD_TO_SIGMA * float(np.median(np.abs(np.diff(level_rows)))) / np.sqrt(2),
        MAD_TO_SIGMA * float(np.median(np.abs(level_rows))),
        loss.floor / float(np.exp(np.median(before))),
        1e-3,
    )
    level = float(np.median(before))
    best: tuple[float, int, float] | None = None
    for length in LENGTHS:
        if length > len(after):
            break
        rise = float(np.median(after[:length])) - level
        units = rise / (noise * 1.2533 * np.sqrt(1 / length + 1 / len(before)))
        wanted = ROW_NOISE_UNITS if length == 1 else NOISE_UNITS
        if best is not None and units <= best[0]:
            continue
        high = rise >= LEAST_RISE and units >= wanted
        if high and elsewhere(length).are_rare(position, rise, units, wanted):
            best = (units, length, rise)
    if best is None:
        return None
    units, length, rise = best
    last, recovered = back_at_level(loss, position, end, level, noise)
    return JoinChange(
        join=join,
        position=position,
        last=last,
        kind="level",
        before=float(np.exp(level)),
        after=float(np.exp(level + rise)),
        units=units,
        recovered=recovered,
    )


def _line(values: Floats) -> Floats:
    """The straight line through the medians of both halves, shape (n,)."""
    half = len(values) // 2
    first, second = float(np.median(values[:half])), float(np.median(values[-half:]))
    slope = (second - first) / (len(values) - half)
    return np.asarray((first + second) / 2 + slope * (np.arange(len(values)) - (len(values) - 1) / 2))


def _by_scan(
    loss: LossBaseline, scan: Scan | None, start: int, position: int, end: int, join: int
) -> JoinChange | None:
    """A level that differs on many rows on either side, by less than a few rows could show."""
    found = None if scan is None or not scan.lengths else level_at(scan, position, start, end, one_of=len(loss.joins))
    if found is None or found.p_value > P_JOIN:
        return None
    if found.rise < max(LEAST_LONG_RISE, min(LEAST_RISE, LONG_NOISE_UNITS * found.noise)):
        return None
    level = float(np.median(np.log(loss.value[position - found.length : position])))
    width = min(found.length, max(3, (end - position) // 2))
    last, recovered = back_at_level(loss, position, end, level, found.rise / 2, width)
    return JoinChange(
        join=join,
        position=position,
        last=last,
        kind="level",
        before=float(np.exp(level)),
        after=float(np.exp(level + found.rise)),
        units=found.units,
        recovered=recovered,
    )


class _Elsewhere:
    """How much the loss rises at every row behind the burn-in, over so many rows."""

    def __init__(self, loss: LossBaseline, length: int) -> None:
        self.first = max(loss.burn_in, ROWS_BEFORE)
        self.rises = rises(np.log(loss.value), ROWS_BEFORE, length)[self.first - ROWS_BEFORE :]
        self.in_order = np.sort(self.rises)
        self.reach = ROWS_BEFORE + length  # rows on either side that a join has a part in

    def are_rare(self, position: int, rise: float, units: float, wanted: float) -> bool:
        """Whether the loss hardly ever rises as much at rows that a join has no part in."""
        place = position - self.first
        near = self.rises[max(place - self.reach, 0) : max(place + self.reach + 1, 0)]
        others = len(self.rises) - len(near)
        if others < FEW_ROWS:
            return units >= FEW_ROWS_FACTOR * wanted
        as_much = len(self.rises) - np.searchsorted(self.in_order, rise) - np.count_nonzero(near >= rise)
        return float(as_much / others) <= ELSEWHERE


def rises(log: Floats, before: int, after: int) -> Floats:
    """Median of ``after`` rows minus the median of the ``before`` rows ahead of them, at every row from ``before``
    on."""
    if len(log) < before + after:
        return np.zeros(0)
    ahead = np.median(sliding_window_view(log, before), axis=1)[: len(log) - before - after + 1]
    behind = np.median(sliding_window_view(log[before:], after), axis=1)
    return behind - ahead


def back_at_level(
    loss: LossBaseline, position: int, end: int, level: float, noise: float, rows: int = 3
) -> tuple[int, bool]:
    """Last row before the loss is back at its level, in the median of so many rows, and whether it is."""
    log = np.log(loss.value[position:end])
    if len(log) < rows:
        return end - 1, False
    smooth = np.median(sliding_window_view(log, rows), axis=1)
    back = np.flatnonzero(smooth <= level + max(noise, 0.05))
    if not len(back):
        return end - 1, False
    return min(end - 1, position + 2 * int(back[0]) + rows), True
