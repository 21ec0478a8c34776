"""Whole factors between losses where no curve can be fitted: to the validation's, and of all losses at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
from msgspec import Struct

from analyzer.clocks.epoch_means import one_measure
from analyzer.model import NO_STEP, Ints, Series, View

OF_A_VALIDATION = re.compile(r"(?<![a-z])(?:e?val(?:id(?:ation)?|uation)?|dev)(?![a-z])", re.I)
OF_A_PLAYER = re.compile(r"^(?:[GD]|cycle|idt)_[A-Za-z0-9]+$")
"""Losses as adversarial programs print them (CycleGAN): ``G_GAN``, ``G_L1``, ``D_real``, ``cycle_A``."""
NEAR = 2  # rows on each side of a validation that stand for the training loss there
FEWEST = 4  # validations; a model that generalises as it learns keeps no one ratio over them
WITHIN, TOGETHER = (
    0.15,
    0.03,
)  # of log(factor) in one validation, and of their median: a lower gap than most models have
WINDOW = 10  # rows before and behind a resume
LASTING = 3  # windows; losses that come back to what they were met another state, not another divisor
FEWEST_LOSSES = 2  # that one factor takes at once at a resume
FEWEST_ANYWHERE = 3  # the same where nothing else marks the row: a sum moves with the larger of its two parts
BESIDE = 3  # rows on each side of a factor that stand at its levels already, or it came gradually
AT_A_LEVEL = 0.25  # of log(factor) by which they may be off
LARGEST = 64  # of a factor at a resume; a logging interval or accumulation that was changed
SURE = 4.0  # standard errors that still tell one whole number from the next


class AtValidations(Struct, frozen=True, kw_only=True, eq=False):
    """Places of validations (v,), of the training row beside each (v,), and the ratio of the two losses (v,)."""

    validations: Ints
    rows: Ints
    ratio: np.ndarray


def losses_of_players(view: View) -> list[Series]:
    return [one for tag, one in view.series.items() if OF_A_PLAYER.match(tag)]


def validations_of(view: View, loss: Series) -> list[Series]:
    """The series that are named as this loss, of a validation."""
    named = ((OF_A_VALIDATION.sub("", tag), one) for tag, one in view.series.items() if OF_A_VALIDATION.search(tag))
    return [one for rest, one in named if one is not loss and one_measure(rest, loss.tag)]


def beside_validations(loss: Series, validation: Series) -> AtValidations | None:
    """The training loss at each validation that lies inside its rows."""
    if len(loss) < FEWEST * (2 * NEAR + 1) or loss.step[0] == NO_STEP or np.any(np.diff(loss.step) <= 0):
        return None
    at = np.searchsorted(loss.step, validation.step)
    inside = np.flatnonzero((at >= NEAR) & (at < len(loss) - NEAR) & np.isfinite(validation.value))
    if len(inside) < FEWEST:
        return None
    rows = at[inside]
    level = np.median(loss.value[rows[:, None] + np.arange(-NEAR, NEAR + 1)], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = level / validation.value[inside]
    return AtValidations(validations=inside, rows=rows, ratio=ratio) if np.all(ratio > 0) else None


def factor_of(beside: AtValidations, sizes: Iterable[tuple[str, int]]) -> tuple[str, int, bool] | None:
    """Name, size and whether the training loss is larger, of the declared number that lies between the two losses."""
    apart = np.log(beside.ratio)
    for key, size in sizes:
        for larger in (False, True):
            far = apart - np.log(size) * (1 if larger else -1)
            if np.all(np.abs(far) <= WITHIN * np.log(size)) and abs(float(np.median(far))) <= TOGETHER * np.log(size):
                return key, size, larger
    return None


def factor_at(losses: Sequence[Series], last: int, first: int) -> tuple[int, bool] | None:
    """The whole number that every loss is multiplied by (or divided, False) from step `first` on, behind `last`."""
    ratios, later, errors = [], [], []
    for loss in losses:
        before, rest = loss.value[loss.step <= last][-WINDOW:], loss.value[loss.step >= first]
        if len(before) < WINDOW or len(rest) < LASTING * WINDOW or min(before.min(), rest.min()) <= 0:
            return None
        old, new, kept = (np.log(one) for one in (before, rest[:WINDOW], rest[(LASTING - 1) * WINDOW :][:WINDOW]))
        ratios.append(float(np.median(new) - np.median(old)))
        later.append(float(np.median(kept) - np.median(old)))
        errors.append(float(np.hypot(old.std(ddof=1), new.std(ddof=1)) / np.sqrt(WINDOW)))
    if len(ratios) < FEWEST_LOSSES:
        return None
    about = float(np.median(ratios))
    whole = round(float(np.exp(abs(about))))
    if not 2 <= whole <= LARGEST:
        return None
    room = 0.5 * float(np.log((whole + 1) / whole))  # half the way to the next whole number
    target = np.log(whole) * np.sign(about)
    told = all(
        SURE * error <= room and abs(ratio - target) <= SURE * error and abs(kept - target) <= room
        for ratio, kept, error in zip(ratios, later, errors, strict=True)
    )
    return (whole, about > 0) if told else None


def common_jump(losses: Sequence[Series]) -> tuple[int, int] | None:
    """The steps before and behind the largest jump of all losses at once, where it is made from one row to the next."""
    step = losses[0].step if losses else np.zeros(0, dtype=np.int64)
    told = [loss.value for loss in losses if len(loss) == len(step) and np.array_equal(loss.step, step)]
    n = len(step)
    if len(told) < max(FEWEST_ANYWHERE, len(losses)) or n < (LASTING + 1) * WINDOW:
        return None
    value = np.array(told)
    if not np.all(np.isfinite(value) & (value > 0)) or np.any(np.diff(step) <= 0):
        return None
    curve = np.log(value)
    rise = np.diff(curve[:, WINDOW - 1 : n - WINDOW + 1], axis=1)  # to row WINDOW + k
    together = np.where(np.abs(np.sign(rise).sum(axis=0)) == len(rise), np.abs(rise).min(axis=0), 0.0)
    at = int(np.argmax(together)) + WINDOW
    sides = (slice(at - WINDOW, at), slice(at, at + WINDOW))
    levels = [np.median(curve[:, side], axis=1, keepdims=True) for side in sides]
    beside = (curve[:, at - BESIDE : at], curve[:, at : at + BESIDE])
    room = AT_A_LEVEL * np.abs(levels[1] - levels[0])
    made = all(np.all(np.abs(rows - level) < room) for rows, level in zip(beside, levels, strict=True))
    return (int(step[at - 1]), int(step[at])) if made else None
