"""What happens to the training loss, each place under one name.

The order of attribution: a join first (its place is known), then a move of the learning rate, a lasting rise, a factor,
and what is left is a spike. One place never gets two names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analyzer.clocks.change_points import (
    Divergence,
    LevelShift,
    find_divergence,
    is_integer_like,
    same_noise,
    sharpest_shift,
    shift_at,
)
from analyzer.clocks.loss_spikes import Spike, find_spikes

if TYPE_CHECKING:
    from analyzer.clocks.loss import LossBaseline

NEAR_JOIN_ROWS = 3  # a change that begins so close to a join belongs to it


@dataclass(frozen=True, kw_only=True)
class LossEvents:
    """Positions are those of ``LossBaseline.rows``."""

    spikes: tuple[Spike, ...] = ()
    divergence: Divergence | None = None
    scale: LevelShift | None = None


def name_events(loss: LossBaseline) -> LossEvents:
    """Judge the curve; nothing when statistics do not apply to it."""
    if loss.unfit:
        return LossEvents()
    positive = bool(np.all(loss.value > 0))
    divergence = find_divergence(loss.value, burn_in=loss.burn_in, floor=loss.floor) if positive else None
    scale = _scale_jump(loss) if positive else None
    if scale is not None:
        divergence = None
    spikes = [
        spike
        for spike in find_spikes(loss.value, floor=loss.floor, judged_from=loss.burn_in)
        if join_near(loss, spike.first) is None
        and (divergence is None or spike.first < divergence.onset - NEAR_JOIN_ROWS)
    ]
    if divergence is not None and join_near(loss, divergence.onset) is not None:
        divergence = None
    return LossEvents(spikes=tuple(spikes), divergence=divergence, scale=scale)


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
    shift = shift_at(loss.value, row)
    if shift is None or shift.down or not is_integer_like(shift) or not same_noise(shift):
        return None
    after = loss.value[row:]
    lasting = float(np.median(after[len(after) // 2 :])) / float(np.median(loss.value[max(0, row - 40) : row]))
    if lasting < 1 + 0.5 * (shift.ratio - 1):
        return None
    return shift
