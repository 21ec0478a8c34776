"""One over a line (Keras InverseTimeDecay)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.claim import Claim, first_number
from analyzer.clocks.schedule_families.conventions import Extras
from analyzer.clocks.schedules import Family, Schedule
from analyzer.model import Floats


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
    spelled="InverseTimeDecay",
    value=value,
    admitted=admitted,
)
