"""Peaks that come back with the data: an outlying example is drawn once an epoch and lifts its batch each time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analyzer.clocks.loss_baseline import LossBaseline
from analyzer.clocks.loss_spikes import Spike
from analyzer.distinct import distinct
from analyzer.timeline import Timeline

LIKE_HEIGHT = 0.6  # of a peak's height over its level: a row as high as that is a peak like it
FEWEST_LAPS = 3  # with such a row, before one speaks of a habit
SHARE_OF_LAPS = 0.5  # of the laps in which the example's row was logged at all
LONGEST_ROWS = 2  # a batch is one row; an event that lasts is none of these


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
