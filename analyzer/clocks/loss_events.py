"""What happens to the training loss, each place under one name.

The order of attribution: a join first (its place is known), then a move of the learning rate, a lasting rise, a factor,
and what is left is a spike. One place never gets two names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from analyzer.clocks.change_points import (
    Divergence,
    LevelShift,
    comes_back,
    find_divergence,
    is_integer_like,
    is_ramp,
    is_sharp,
    is_sure,
    same_noise,
    sharpest_shift,
    shift_at,
)
from analyzer.clocks.loss_joins import JoinChange, changes_at_joins, restarts_without_a_join
from analyzer.clocks.loss_plateaus import find_plateaus
from analyzer.clocks.loss_spikes import Spike, find_spikes
from analyzer.clocks.loss_windows import without_closing_noise
from analyzer.clocks.noise import MAD_TO_SIGMA
from analyzer.clocks.recurring_peaks import without_recurring
from analyzer.model import Floats

if TYPE_CHECKING:
    from analyzer.clocks.loss import LossBaseline
    from analyzer.timeline import Timeline

LOG_NOISE = 0.6  # scatter of the log-loss from which a row of three times the loss is nothing special
RATIO_ERROR_AT_JOIN = 0.08  # of the ratio: with more, what a lost state does to the loss looks like a factor
LEAST_FACTOR_AT_JOIN = 3  # a lost state may well double the loss for a while
SHARE_OF_NEW = 0.5  # of its height that a peak in replayed steps adds to what stood there before
NEAR_JOIN_ROWS = 3  # a change that begins so close to a join belongs to it


class LossEvents(Struct, frozen=True, kw_only=True):
    """Positions are those of ``LossBaseline.rows``."""

    joins: tuple[JoinChange, ...] = ()
    spikes: tuple[Spike, ...] = ()
    divergence: Divergence | None = None
    scale: LevelShift | None = None


def name_events(loss: LossBaseline, timeline: Timeline) -> LossEvents:
    """Judge the curve; nothing when statistics do not apply to it."""
    if loss.unfit or not np.all(loss.value > 0):
        return LossEvents()
    joins = (*changes_at_joins(loss, timeline), *restarts_without_a_join(loss, timeline))
    scale = _scale_jump(loss)
    if scale is not None and scale.factor < LEAST_FACTOR_AT_JOIN and _explained(scale.row, joins):
        scale = None
    if scale is not None:
        joins = tuple(change for change in joins if abs(change.position - scale.row) > NEAR_JOIN_ROWS)
    divergence = None
    if scale is None:
        divergence = find_divergence(loss.value, burn_in=loss.burn_in, floor=loss.floor)
        if divergence is not None and _explained(divergence.onset, joins):
            divergence = None
    spikes = tuple(
        spike
        for spike in without_recurring(spikes_of(loss, without_closing_noise(loss, timeline)), loss, timeline)
        if not _explained(spike.first, joins)
        and not _is_replay(spike, loss)
        and (divergence is None or spike.first < divergence.onset - NEAR_JOIN_ROWS)
        and (scale is None or abs(spike.first - scale.row) > NEAR_JOIN_ROWS)
    )
    return LossEvents(joins=joins, spikes=spikes, divergence=divergence, scale=scale)


def spikes_of(loss: LossBaseline, value: Floats) -> list[Spike]:
    """Spikes of the loss, or of its logarithm where the noise is of the size of the loss itself."""
    log = np.log(value)
    noise = MAD_TO_SIGMA * float(np.median(np.abs(np.diff(log)))) / np.sqrt(2)
    if noise <= LOG_NOISE:
        return find_spikes(value, floor=loss.floor, judged_from=loss.burn_in) or find_plateaus(
            value, floor=loss.floor, judged_from=loss.burn_in
        )
    middle = float(np.median(value))
    return [
        replace(spike, level=float(np.exp(spike.level)), height=float(value[spike.peak] - np.exp(spike.level)))
        for spike in find_spikes(log, floor=loss.floor / max(middle, 1e-300), judged_from=loss.burn_in)
    ]


def _explained(position: int, joins: tuple[JoinChange, ...]) -> bool:
    return any(change.position - 2 <= position <= change.last + NEAR_JOIN_ROWS for change in joins)


def _is_replay(spike: Spike, loss: LossBaseline) -> bool:
    """The rows stand where the same steps stood when they were logged first: the curve goes back, the loss does not."""
    step = loss.series.step[loss.rows]
    before, inside = slice(0, spike.first), slice(spike.first, spike.last + 1)
    same = (step[before] >= step[inside].min()) & (step[before] <= step[inside].max())
    if not same.any():
        return False
    height = float(np.median(loss.value[inside])) - float(np.median(loss.value[before][same]))
    return height < SHARE_OF_NEW * (float(np.median(loss.value[inside])) - spike.level)


def join_near(loss: LossBaseline, position: int, reach: int = NEAR_JOIN_ROWS) -> int | None:
    """Index of the join that lies at a position of the curve, or None."""
    for at, index in loss.joins:
        if -1 <= position - at <= reach:
            return index
    return None


def _scale_jump(loss: LossBaseline) -> LevelShift | None:
    row = sharpest_shift(loss.value, burn_in=loss.burn_in)
    if row is None or row <= loss.burn_in:
        return None
    near = max(2, len(loss.value) // 100)
    if np.any(np.abs(loss.learning_rate_moves - row) <= near):
        return None
    shift = shift_at(loss.value, row, burn_in=loss.burn_in)
    if shift is None or shift.down or not (is_integer_like(shift) and same_noise(shift) and is_sharp(shift)):
        return None
    if not is_sure(shift) or is_ramp(loss.value, shift, loss.burn_in):
        return None
    if shift.error > RATIO_ERROR_AT_JOIN and join_near(loss, row) is not None:
        return None
    return None if comes_back(loss.value, shift, loss.burn_in) else shift
