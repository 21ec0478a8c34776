"""Resumes that only the loss shows: a mean divided by the global step, and weights that start over."""

from __future__ import annotations

import numpy as np

from analyzer.clocks.loss_baseline import JoinChange, LossBaseline
from analyzer.clocks.loss_joins import back_at_level
from analyzer.clocks.loss_windows import closing_ratios
from analyzer.clocks.noise import MAD_TO_SIGMA
from analyzer.model import Floats
from analyzer.timeline import Timeline

DIVIDED_BY_STEP = 0.1  # in logs, beside the noise: how near a row is to its level times cadence over step
LEAST_DIP = 0.5  # and it is at most this share of its level
START_AGAIN = 0.5  # share of the way back to its first value that a loss goes when the weights are new
PAUSE = 2.0  # times any other: evaluations and checkpoints pause as long as one another
FEWEST_PACES = 12  # rows
SLOW_ROWS = 2  # rows after the jump that still lie above the level: new weights have to learn again


def restarts_without_a_join(loss: LossBaseline, timeline: Timeline) -> tuple[JoinChange, ...]:
    """Resumes that only the loss shows: a mean divided by the global step, and weights that start over."""
    found = (_divided_by_step(loss, timeline), _fresh_weights(loss, timeline))
    return tuple(change for change in found if change is not None)


def _divided_by_step(loss: LossBaseline, timeline: Timeline) -> JoinChange | None:
    """A row that is its level times (logging interval / step): the window's sum over all steps, not over its own.

    A row that closes an epoch may hold few samples, and be as low by chance: it is not asked.
    """
    step = loss.series.step[loss.rows]
    if len(step) < 12 or np.any(np.diff(step) <= 0):
        return None
    cadence = int(np.median(np.diff(step)))
    if cadence < 2:
        return None
    log = np.log(loss.value)
    middle = np.arange(3, len(log) - 3)
    around = np.median(np.stack([log[middle + k] for k in (-3, -2, -1, 1, 2, 3)], axis=1), axis=1)
    noise = MAD_TO_SIGMA * float(np.median(np.abs(log[middle] - around)))
    dip = log[middle] - around
    wanted = np.log(cadence / step[middle])
    hit = np.flatnonzero(
        (dip < np.log(LEAST_DIP))
        & (np.abs(dip - wanted) <= DIVIDED_BY_STEP + 2 * noise)
        & (dip < -8 * noise)
        & (closing_ratios(loss, timeline)[middle] == 1)
    )
    if len(hit) != 1 or (dip < np.log(LEAST_DIP)).sum() > 1:
        return None
    position = int(middle[hit[0]])
    return JoinChange(
        join=None,
        position=position,
        last=position,
        kind="divided",
        before=float(np.exp(around[hit[0]])),
        after=float(loss.value[position]),
        units=float(-dip[hit[0]] / max(noise, 1e-3)),
        recovered=True,
    )


def _fresh_weights(loss: LossBaseline, timeline: Timeline) -> JoinChange | None:
    """The training loss jumps back to about its first values in one row and learns again.

    The validation loss does so too, or the process was away there: nothing was written for longer than anywhere else.
    """
    value = loss.value
    if loss.joins or len(loss.learning_rate_moves) or len(value) < 12:
        return None
    first, ahead = float(value[: max(1, len(value) // 50)].max()), value[:-1]
    if np.sum((first > 1.5 * ahead) & (np.diff(value) >= START_AGAIN * (first - ahead))) > 1:
        return None  # trials or folds, each with weights of its own
    level = np.array([np.median(value[max(0, i - 5) : i]) for i in _largest_rises(value)])
    for position, before in zip(_largest_rises(value), level.tolist(), strict=True):
        back = (value[position] - before) / (first - before) if first > 1.5 * before else 0.0
        later = value[position + 1 : position + 1 + SLOW_ROWS]
        if position < 5 or not START_AGAIN <= back <= 1 / START_AGAIN:
            continue
        if len(later) < SLOW_ROWS or later.min() < 1.1 * before:
            continue
        if np.any(np.diff(value[position : position + 4]) > 0):
            continue
        if not (_validated_anew(timeline, loss.step(position)) or _was_away(timeline, loss, position)):
            continue
        last, recovered = back_at_level(loss, position, len(value), float(np.log(before)), 0.05)
        return JoinChange(
            join=None,
            position=position,
            last=last,
            kind="fresh",
            before=before,
            after=float(value[position]),
            units=float("inf"),
            recovered=recovered,
        )
    return None


def _validated_anew(timeline: Timeline, here: int) -> bool:
    """Whether the validation loss is back at about its first value from a step on."""
    validation = timeline.roles.first("validation_loss")
    if validation is None or len(validation) < 8:
        return False
    old, new = validation.value[validation.step < here], validation.value[validation.step >= here]
    if len(old) < 4 or len(new) < 2 or not np.isfinite([*old, *new[:1]]).all():
        return False
    reached = float(np.median(old[-3:]))
    return bool(new[0] - reached >= START_AGAIN * (old[0] - reached) and new[0] >= 1.3 * reached)


def _was_away(timeline: Timeline, loss: LossBaseline, position: int) -> bool:
    """Whether the longest pause of the run by far lies before a row: a process that ended and began again."""
    wall = timeline.wall
    if wall is None:
        return False
    low, high = loss.step(position - 1), loss.step(position)
    passed = np.diff(wall.time)
    inside = (wall.series.step[:-1] >= low) & (wall.series.step[1:] <= high)
    others = passed[~inside & np.isfinite(passed)]
    if not inside.any() or len(others) < FEWEST_PACES:
        return False
    return bool(passed[inside].max() >= PAUSE * max(float(others.max()), 0.0) > 0)


def _largest_rises(value: Floats) -> list[int]:
    return [int(row) + 1 for row in np.argsort(-np.diff(value))[:3]]
