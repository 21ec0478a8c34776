"""Drops at fixed counters (torch StepLR and MultiStepLR, Keras, timm, detectron2's WarmupMultiStepLR)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.claim import Claim, finite_number, first_number
from analyzer.clocks.schedule_families.conventions import Extras, warmed
from analyzer.clocks.schedules import Family, Schedule
from analyzer.model import Floats


def value(schedule: Schedule, p: Floats) -> Floats:
    if schedule.milestones:
        passed = np.searchsorted(np.asarray(schedule.milestones), p + 1e-9, side="right")
        factors = schedule.levels or tuple(schedule.gamma**k for k in range(len(schedule.milestones) + 1))
        rates = schedule.peak * np.asarray(factors)[passed]
    else:
        rates = schedule.peak * schedule.gamma ** np.floor(np.maximum(p, 0.0) / schedule.step_size + 1e-9)
    return np.maximum(rates, schedule.floor)


def admitted(
    blank: Schedule, claim: Claim, total: float | None, floors: list[float], extras: Extras
) -> Iterator[Schedule]:
    params = claim.params
    gamma = first_number(params, "gamma", "decay_rate", "factor")
    gamma = 0.1 if gamma is None else gamma
    marks = params.get("milestones") or params.get("boundaries") or params.get("steps")
    if isinstance(marks, list) and all(finite_number(mark) is not None for mark in marks):
        places, values = tuple(float(mark) for mark in marks), params.get("values")
        levels: tuple[float, ...] = ()
        if isinstance(values, list) and len(values) == len(places) + 1 and values[0]:
            levels = tuple(float(one) / float(values[0]) for one in values)
        late = (0.0, 1.0) if "boundaries" in params or "piecewise" in claim.name.lower() else (0.0,)
        for shift in late:  # Keras keeps the old value at the boundary itself
            at = tuple(place + shift for place in places)
            yield from warmed(replace(blank, gamma=gamma, milestones=at, levels=levels), claim, extras)
        return
    size = first_number(params, "step_size", "decay_t", "decay_steps", "lr_step_size", "step")
    if size:
        yield from warmed(replace(blank, gamma=gamma, step_size=size, floor=claim.min_lr or 0.0), claim, extras)


FAMILY = Family(
    name="step",
    spelled="StepLR step MultiStepLR multistep StepLRScheduler timm.StepLRScheduler MultiStepLRScheduler "
    "timm.MultiStepLRScheduler WarmupMultiStepLR PiecewiseConstantDecay piecewise_constant "
    "piecewise_constant_schedule",
    value=value,
    admitted=admitted,
)
