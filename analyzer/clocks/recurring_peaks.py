"""What comes back with the data: an outlying example lifts its batch once an epoch, other data come with an epoch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analyzer.clocks.loss_baseline import LossBaseline
from analyzer.clocks.loss_spikes import Spike
from analyzer.clocks.noise import MAD_TO_SIGMA
from analyzer.distinct import distinct
from analyzer.model import Floats, Ints
from analyzer.timeline import Timeline

LIKE_HEIGHT = 0.6  # of a peak's height over its level: a row as high as that is a peak like it
FEWEST_LAPS = 3  # with such a row, before one speaks of a habit
SHARE_OF_LAPS = 0.5  # of the laps in which the example's row was logged at all
LONGEST_ROWS = 2  # a batch is one row; an event that lasts is none of these
BESIDE = 5  # rows on either side of a boundary, at most, that tell what the loss does there
FEWEST_LIKE, LIKE_SIZE = 3, 0.5  # other boundaries with such a share of a change before it is a habit
USUAL_MOVES = 5.0  # times the usual move of its sign at a boundary that a change at one is


def without_recurring(spikes: Sequence[Spike], loss: LossBaseline, timeline: Timeline) -> list[Spike]:
    """Spikes that are events: those whose like is met in epoch after epoch belong to the data, and are left out.

    At a cadence of c steps an example's row is logged in one lap of c, and as many laps are asked for.
    """
    clock = timeline.epoch
    if not spikes or clock is None or clock.low <= 0:
        return list(spikes)
    step = loss.series.step[loss.rows].astype(np.float64)
    if not (np.diff(step) > 0).all():
        return list(spikes)  # replayed or restarted steps: a lap is not told by its steps alone
    lap = np.floor((step - (clock.origin or 0)) / clock.middle).astype(np.int64)
    spacing = max(1.0, float(np.median(np.diff(step))) if len(step) > 1 else 1.0)
    laps = len(distinct(lap))
    needed = max(FEWEST_LAPS, SHARE_OF_LAPS * laps / spacing)
    return [spike for spike in spikes if not _recurs(spike, loss, lap, needed)]


def _recurs(spike: Spike, loss: LossBaseline, lap: np.ndarray, needed: float) -> bool:
    if spike.last - spike.first + 1 > LONGEST_ROWS:
        return False
    above = loss.value - loss.level[loss.rows]  # a descent is high as well, but not above its own level
    above[: loss.burn_in] = 0.0
    alike = np.flatnonzero(above >= LIKE_HEIGHT * spike.height)
    return len(distinct(lap[alike])) >= needed


def is_habit(rise: float, position: int, curve: Floats, starts: Ints | None) -> bool:
    """Whether a change at the start of an epoch is what the loss does at such places: data that change with the epoch,
    folds and restarts.

    Args:
        rise: of the curve at the position, shape (n,).
        starts: positions at which an epoch begins; None where they are unknown.
    """
    if starts is None or not len(starts) or np.abs(starts - position).min() > 1:
        return False
    edges = np.append(starts, len(curve))
    moves = [
        float(np.median(curve[at : min(end, at + BESIDE)]) - np.median(curve[max(before, at - BESIDE) : at]))
        for before, at, end in zip(edges[:-2].tolist(), edges[1:-1].tolist(), edges[2:].tolist(), strict=True)
        if abs(at - position) > 1
    ]
    if len(moves) <= FEWEST_LIKE:
        return False
    same_way = np.array(moves) * np.sign(rise)
    like = int(np.sum(same_way >= LIKE_SIZE * abs(rise)))
    usual = float(np.quantile(same_way, 0.75))  # median of their sizes where they go either way; none on a descent
    return like >= FEWEST_LIKE or abs(rise) < USUAL_MOVES * MAD_TO_SIGMA * usual
