"""A factor each step or each few steps (torch, Keras, optax)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.claim import Claim, first_number
from analyzer.clocks.schedule_families.conventions import Extras, warmed
from analyzer.clocks.schedules import Family, Schedule
from analyzer.model import Floats


def value(schedule: Schedule, p: Floats) -> Floats:
    turns = np.maximum(p - schedule.warmup, 0.0) / schedule.step_size
    if schedule.staircase:
        turns = np.floor(turns + 1e-9)
    return np.maximum(schedule.peak * schedule.gamma**turns, schedule.floor)


def admitted(
    blank: Schedule, claim: Claim, total: float | None, floors: list[float], extras: Extras
) -> Iterator[Schedule]:
    gamma = first_number(claim.params, "gamma", "decay_rate", "decay")
    if gamma is None or gamma <= 0:
        return
    each = first_number(claim.params, "decay_steps", "transition_steps") or 1.0
    told = claim.params.get("staircase")
    for stairs in (bool(told),) if told is not None or each == 1.0 else (False, True):
        one = replace(blank, gamma=gamma, step_size=each, staircase=stairs, floor=claim.min_lr or 0.0)
        yield from warmed(one, claim, extras)


FAMILY = Family(
    name="exponential",
    spelled="exponential ExponentialLR ExponentialDecay WarmupExponentialLR",
    value=value,
    admitted=admitted,
)
