"""Cosine cycles of T_0, T_0 * mult, ... steps (torch CosineAnnealingWarmRestarts, SGDR, Keras, timm)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.claim import Claim, first_number
from analyzer.clocks.schedule_families.conventions import Extras, warmed
from analyzer.clocks.schedules import Family, Schedule
from analyzer.model import Floats


def value(schedule: Schedule, p: Floats) -> Floats:
    after = np.maximum(p - schedule.warmup, 0.0)
    first, mult = schedule.step_size, schedule.cycle_mult
    if mult == 1.0:
        cycle = np.floor(after / first + 1e-9)
        inside, length = after - cycle * first, np.full_like(after, first)
    else:
        cycle = np.floor(np.log(after / first * (mult - 1) + 1 + 1e-12) / np.log(mult) + 1e-9)
        length = first * mult**cycle
        inside = after - first * (mult**cycle - 1) / (mult - 1)
    height = (schedule.peak - schedule.floor) * (schedule.gamma**cycle if schedule.gamma != 1.0 else 1.0)
    return schedule.floor + height * 0.5 * (1 + np.cos(np.pi * np.clip(inside / length, 0.0, 1.0)))


def admitted(
    blank: Schedule, claim: Claim, total: float | None, floors: list[float], extras: Extras
) -> Iterator[Schedule]:
    params = claim.params
    first = first_number(params, "T_0", "first_decay_steps", "t_initial")
    if not first:
        return
    mult = first_number(params, "T_mult", "t_mul", "cycle_mul") or 1.0
    shrink = first_number(params, "m_mul", "cycle_decay") or 1.0
    for floor in floors:
        one = replace(blank, step_size=first, cycle_mult=mult, gamma=shrink, floor=floor)
        yield from warmed(one, claim, extras)


FAMILY = Family(
    name="warm-restarts",
    spelled="CosineAnnealingWarmRestarts CosineAnnealingWarmupRestarts CosineDecayRestarts SGDR "
    "cosine_annealing_with_restarts",
    value=value,
    admitted=admitted,
)
