"""One over a line (Keras InverseTimeDecay)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.schedule_families import Family
from analyzer.clocks.schedule_families.conventions import Extras, first_number
from analyzer.model import Floats

if TYPE_CHECKING:
    from analyzer.clocks.declared_schedule import Claim
    from analyzer.clocks.schedules import Schedule


def value(schedule: Schedule, p: Floats) -> Floats:
    turns = np.maximum(p - schedule.warmup, 0.0) / schedule.step_size
    if schedule.staircase:
        turns = np.floor(turns + 1e-9)
    return schedule.peak / (1 + schedule.gamma * turns)


def admitted(
    blank: Schedule, claim: Claim, total: float | None, floors: list[float], extras: Extras
) -> Iterator[Schedule]:
    rate = first_number(claim.params, "decay_rate", "gamma", "decay")
    if rate is not None:
        each = first_number(claim.params, "decay_steps") or 1.0
        yield replace(blank, gamma=rate, step_size=each, staircase=bool(claim.params.get("staircase")))


FAMILY = Family(
    name="inverse-time",
    spelled="inversetimedecay",
    value=value,
    admitted=admitted,
)
