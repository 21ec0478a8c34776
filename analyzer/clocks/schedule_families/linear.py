"""Straight down to a floor (transformers, DeepSpeed, Megatron, torch with a schedule of one's own)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzer.clocks.claim import Claim
from analyzer.clocks.schedule_families.conventions import (
    Extras,
    above_the_floor,
    decay_shape,
    ended,
    progress,
    spanned,
)
from analyzer.clocks.schedules import Family, Schedule
from analyzer.model import Floats


def value(schedule: Schedule, p: Floats) -> Floats:
    return above_the_floor(schedule, decay_shape("linear", np.clip(progress(schedule, p), 0.0, 1.0)))


def admitted(
    blank: Schedule, claim: Claim, total: float | None, floors: list[float], extras: Extras
) -> Iterator[Schedule]:
    for one in ended(blank, total, floors, extras):
        yield from spanned(one, claim, extras)


FAMILY = Family(
    name="linear",
    spelled="linear LinearLR linear_decay linear_with_warmup WarmupDecayLR linear_warmup",
    value=value,
    admitted=admitted,
    ends=True,
)
