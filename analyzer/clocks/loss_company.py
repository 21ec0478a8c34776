"""What else moved within the same rows as the loss: the clocks and columns that may explain it."""

from __future__ import annotations

import re

import numpy as np
from msgspec import Struct

from analyzer.clocks.loss_baseline import LossBaseline
from analyzer.clocks.noise import MAD_TO_SIGMA
from analyzer.clocks.witnesses import counts_evenly
from analyzer.model import Ints, Series
from analyzer.timeline import Timeline

BEFORE = 50  # rows of a column that tell its usual value
RATE_FACTOR = 1.2  # a learning rate that moves by less within a row or two explains little
GRADIENT_FACTOR = 3.0
OF_THE_DATA = re.compile(
    r"(?:^|[/_])n?(?:tokens|(?:seq|sequence|prompt|response|completion)s?_?len(?:gths?)?)(?:$|[/_]mean$)", re.I
)
DATA_FACTOR, DATA_SCATTERS = 1.2, 3.0  # other data hold a fifth more or less, and few rows of one reach the other's
USUAL_MOVES = 3.0  # times what nine of ten moves from row to row are below
VALIDATIONS = 10  # on each side, and as many before them, whose course they follow
BESIDE, FEWEST_STARTS = 20, 2  # rows beside the start of an epoch; starts at which a habit would have shown
FEWEST_PER_EPOCH = 4  # rows: with fewer every second row is a boundary


class Moved(Struct, frozen=True, kw_only=True):
    """Ratios of columns over their value before; None where they are not logged or did not move.

    A validation loss that did not move is 1.
    """

    learning_rate: float | None = None
    gradient_norm: float | None = None
    data: tuple[str, float] | None = None  # tag and ratio of a column of what a row was trained on: tokens, lengths
    validation: float | None = None
    resumed: bool = False
    epoch_starts: bool | None = None  # None: epochs are not known


def what_moved(timeline: Timeline, loss: LossBaseline, first: int, last: int) -> Moved:
    """Columns that moved at rows [first, last] of the judged curve."""
    low, high = loss.step(max(first - 1, 0)), loss.step(min(last, len(loss.rows) - 1))
    return Moved(
        learning_rate=_step_of_rate(timeline.roles.first("learning_rate"), low, loss.step(min(first + 1, last))),
        gradient_norm=_height(timeline.roles.first("grad_norm"), low, high),
        data=_other_data(timeline, low, loss.step(first)),
        validation=_step_of_level(timeline.roles.first("validation_loss"), low, loss.step(first)),
        resumed=any(-1 <= first - at <= 3 for at, _ in loss.joins),
        epoch_starts=starts_an_epoch(timeline, loss, first),
    )


def starts_an_epoch(timeline: Timeline, loss: LossBaseline, position: int, reach: int = 1) -> bool | None:
    """Whether an epoch begins within so many rows of it; None where epochs are unknown or hardly have rows."""
    starts = starts_of_epochs(timeline, loss)
    return None if starts is None else bool(np.any(np.abs(starts - position) <= reach))


def starts_of_epochs(timeline: Timeline, loss: LossBaseline) -> Ints | None:
    """Positions of the judged curve at which an epoch begins; None where epochs are unknown or hardly have rows."""
    starts, clock = loss.starts, timeline.epoch
    if starts is None and clock is not None and clock.origin is not None and clock.low > 0:
        lap = np.floor((loss.series.step[loss.rows] - clock.origin) / float(clock.low))
        starts = np.append(True, np.diff(lap) != 0)
    if starts is None or starts.sum() * FEWEST_PER_EPOCH > len(starts):
        return None
    return np.flatnonzero(starts)


def fell_at_starts(timeline: Timeline, loss: LossBaseline, row: int, fall: float) -> bool:
    """Whether the log-loss fell by half as much at a start of an epoch before, where samples were seen again as well;
    true where too few tell."""
    starts = starts_of_epochs(timeline, loss)
    before = np.zeros(0) if starts is None else starts[(starts >= BESIDE) & (starts <= row - BESIDE)]
    if len(before) < FEWEST_STARTS:
        return True
    log = np.log(loss.value)
    falls = [float(np.median(log[at - BESIDE : at]) - np.median(log[at : at + BESIDE])) for at in before.tolist()]
    return max(falls) >= fall / 2


def _step_of_rate(rate: Series | None, low: int, high: int) -> float | None:
    if rate is None:
        return None
    ok = np.flatnonzero(np.isfinite(rate.value) & (rate.value > 0))
    before, after = ok[rate.step[ok] <= low][-BEFORE:], ok[rate.step[ok] >= high][:1]
    if len(before) < 2 or not len(after):
        return None
    ratio = float(rate.value[after[0]] / rate.value[before[-1]])
    usual = float(np.quantile(np.abs(np.diff(np.log(rate.value[before]))), 0.9))
    return ratio if abs(np.log(ratio)) > max(np.log(RATE_FACTOR), USUAL_MOVES * usual) else None


def _other_data(timeline: Timeline, low: int, high: int) -> tuple[str, float] | None:
    """A column of the data of each row whose level is another from a step on, beyond its scatter."""
    for tag, series in timeline.view.series.items():
        if not OF_THE_DATA.search(tag) or counts_evenly(series.value):
            continue  # a count of the run goes up
        ok = np.isfinite(series.value) & (series.value > 0)
        sides = [np.log(series.value[ok & where]) for where in (series.step <= low, series.step >= high)]
        before, behind = sides[0][-BEFORE:], sides[1][:BEFORE]
        if min(len(before), len(behind)) < BEFORE // 2:
            continue
        rise = float(np.median(behind) - np.median(before))
        scatter = MAD_TO_SIGMA * max(float(np.median(np.abs(side - np.median(side)))) for side in (before, behind))
        if abs(rise) > max(np.log(DATA_FACTOR), DATA_SCATTERS * scatter):
            return tag, float(np.exp(rise))
    return None


def _step_of_level(series: Series | None, low: int, high: int) -> float | None:
    """By what a validation loss steps from the rows before to those behind, 1 within its scatter and its course; None
    where too few tell."""
    if series is None:
        return None
    ok = np.isfinite(series.value) & (series.value > 0)
    before = np.log(series.value[ok & (series.step <= low)][-2 * VALIDATIONS :])
    behind = np.log(series.value[ok & (series.step >= high)][:VALIDATIONS])
    if len(before) < 2 * VALIDATIONS or len(behind) < VALIDATIONS:
        return None
    sides = (before[:VALIDATIONS], before[VALIDATIONS:], behind)
    level = [float(np.median(side)) for side in sides]
    course, step = level[1] - level[0], level[2] - level[1]
    scatter = MAD_TO_SIGMA * float(np.median(np.abs(np.concatenate([side - np.median(side) for side in sides]))))
    return float(np.exp(step)) if abs(step) > abs(course) + DATA_SCATTERS * scatter else 1.0


def _height(norm: Series | None, low: int, high: int) -> float | None:
    """The highest norm within the steps over its median before, where it rises so far and beyond its noise."""
    if norm is None:
        return None
    ok = np.isfinite(norm.value) & (norm.value > 0)
    before = np.log(norm.value[ok & (norm.step < low)][-BEFORE:])
    inside = np.log(norm.value[ok & (norm.step >= low) & (norm.step <= high)])
    if len(before) < 5 or not len(inside):
        return None
    level = float(np.median(before))
    rise = float(inside.max()) - level
    scatter = MAD_TO_SIGMA * float(np.median(np.abs(before - level)))
    return float(np.exp(rise)) if rise > max(np.log(GRADIENT_FACTOR), 3 * scatter) else None
