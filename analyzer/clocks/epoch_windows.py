"""The last row of every epoch: is it a mean over fewer batches, divided by the number of a full window?"""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

import numpy as np
from msgspec import Struct

from analyzer.clocks.loss_baseline import LossBaseline
from analyzer.clocks.noise import MAD_TO_SIGMA
from analyzer.model import Floats, Ints
from analyzer.timeline import Timeline

FEWEST_EPOCHS = 3
SAME_SIDE = 0.9  # share of the boundaries at which the last row lies on one side of its neighbours
LEAST_CHANGE = 0.05  # in log-loss
ERRORS = 4.0  # standard errors by which the typical ratio leaves 1


class LastRows(Struct, frozen=True, kw_only=True, eq=False):
    """Positions of the last rows of epochs (k,), their ratio to the neighbours (k,), and what it is on the whole."""

    position: Ints
    ratio: Floats
    typical: float
    error: float  # relative
    units: float = 0.0  # noise units of single rows that one such row stands from its neighbours
    name: Literal["first", "last"] = "last"


def last_rows_of_epochs(loss: LossBaseline, timeline: Timeline) -> LastRows | None:
    """How the last rows of epochs differ from their neighbours; None when they do not, or where that cannot be told."""
    clock = timeline.epoch
    if clock is None or not clock.exact or clock.low.denominator != 1 or clock.breaks or clock.origin is None:
        return None
    length = int(clock.low)
    step = loss.series.step[loss.rows]
    if length < 3 or len(step) < FEWEST_EPOCHS * length or not np.all(np.diff(step) == 1):
        return None
    closing = 0 if clock.source == "fractions" else length - 1
    found = _rows_at(loss, timeline, length, closing, "last")
    return found or _rows_at(loss, timeline, length, (closing + 1) % length, "first")


def _rows_at(
    loss: LossBaseline, timeline: Timeline, length: int, phase: int, name: Literal["first", "last"]
) -> LastRows | None:
    """The rows of one phase of every epoch against their neighbours."""
    clock, step = timeline.epoch, loss.series.step[loss.rows]
    assert clock is not None and clock.origin is not None
    position = np.flatnonzero((step - clock.origin) % length == phase)
    position = position[(position >= 2) & (step[position] > clock.origin)]
    if len(position) < FEWEST_EPOCHS:
        return None
    if np.any(loss.value <= 0):
        return None  # no ratio to compare
    log = np.log(loss.value)
    reach = min(6, length - 1)
    others = np.stack(
        [
            np.where(position + k < len(log), log[np.minimum(position + k, len(log) - 1)], np.nan)
            for k in (*range(-reach, 0), *range(1, reach + 1))
        ],
        axis=1,
    )
    difference = log[position] - np.nanmedian(others, axis=1)
    typical = float(np.median(difference))
    scatter = MAD_TO_SIGMA * float(np.median(np.abs(difference - typical)))
    noise = MAD_TO_SIGMA * float(np.nanmedian(np.abs(others - np.nanmedian(others, axis=1)[:, None])))
    # a mean over fewer samples is noisier by the root of their share, and the scatter of a few rows can hide it
    widened = noise / np.sqrt(share_of_last_update(timeline))
    error = max(scatter, noise / 2, widened, 1e-4) * 1.2533 / np.sqrt(len(position))
    same = float(np.mean(np.sign(difference) == np.sign(typical)))
    if same < SAME_SIDE or abs(typical) < LEAST_CHANGE or abs(typical) < ERRORS * error:
        return None
    return LastRows(
        position=position,
        ratio=np.exp(difference),
        typical=float(np.exp(typical)),
        error=error,
        units=abs(typical) / max(noise, 1e-4),
        name=name,
    )


def share_of_last_update(timeline: Timeline) -> float:
    """Samples of an epoch's last update over those of a full one, in (0, 1]; 1 where the declaration does not tell."""
    declared = timeline.declared
    size, batch = declared.get("dataset_size"), declared.get("batch_size")
    if not size or not batch or declared.get("drop_last"):
        return 1.0
    update = int(batch) * int(declared.get("world_size") or 1) * int(declared.get("grad_accumulation") or 1)
    return (int(size) % update or update) / update


def cause_of(typical: float, error: float, timeline: Timeline) -> tuple[str, Fraction] | None:
    """What the declaration says that the ratio is: the share of the last accumulation window or of the last batch."""
    declared = timeline.declared
    size, batch = declared.get("dataset_size"), declared.get("batch_size")
    devices, accumulation = int(declared.get("world_size") or 1), int(declared.get("grad_accumulation") or 1)
    shares: list[tuple[str, Fraction]] = []
    if size and batch:
        wide = int(batch) * devices
        batches = -(-int(size) // wide)
        if accumulation > 1 and batches % accumulation:
            left = batches % accumulation
            shares.append(
                (f"{left} of {accumulation} micro-batches, divided by {accumulation}", Fraction(left, accumulation))
            )
        if int(size) % wide:
            left = int(size) % wide
            shares.append((f"{left} of {wide} samples, divided by {wide}", Fraction(left, wide)))
    for words, share in shares:
        if abs(np.log(typical) - np.log(float(share))) <= max(3 * error, 0.02):
            return words, share
    return None
