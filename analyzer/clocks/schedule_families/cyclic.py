"""A zig-zag between two rates (torch CyclicLR)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.claim import Claim, first_number
from analyzer.clocks.schedule_families.conventions import Extras
from analyzer.clocks.schedules import Family, Schedule
from analyzer.model import Floats

DEFAULT_STEPS = 2000.0  # torch's step_size_up


def value(schedule: Schedule, p: Floats) -> Floats:
    """Up over ``step_size`` steps, down over ``timescale``."""
    up, down = schedule.step_size, schedule.timescale
    turn, cycle = np.mod(p, up + down), np.floor(p / (up + down))
    share = np.where(turn <= up, turn / up, 1 - (turn - up) / down)
    return schedule.floor + (schedule.peak - schedule.floor) * share * schedule.gamma**cycle


def admitted(
    blank: Schedule, claim: Claim, total: float | None, floors: list[float], extras: Extras
) -> Iterator[Schedule]:
    params = claim.params
    up = first_number(params, "step_size_up", "step_size") or DEFAULT_STEPS
    down = first_number(params, "step_size_down") or up
    low, high = first_number(params, "base_lr") or claim.base_lr or 0.0, first_number(params, "max_lr") or blank.peak
    shrink = 0.5 if params.get("mode") == "triangular2" else 1.0
    yield replace(blank, peak=high, floor=low, step_size=up, timescale=down, gamma=shrink, warmup=0.0)


FAMILY = Family(
    name="cyclic",
    spelled="CyclicLR cyclic triangular",
    value=value,
    admitted=admitted,
    covers_warmup=True,
)
