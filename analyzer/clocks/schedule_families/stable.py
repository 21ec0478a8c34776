"""A plateau and a decay at the end: warmup-stable-decay (transformers, Megatron, timm)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.claim import Claim, first_number
from analyzer.clocks.schedule_families.conventions import Extras, above_the_floor, decay_shape, ended, warmed
from analyzer.clocks.schedules import Family, Schedule
from analyzer.model import Floats

SHAPES = ("linear", "cosine", "1-sqrt", "halving")
SHARES = (0.1, 0.2)  # of the run, tried where nobody says how long the decay is


def value(schedule: Schedule, p: Floats) -> Floats:
    begins, length = schedule.total - schedule.decay_steps, max(schedule.decay_steps, 1e-9)
    share = decay_shape(schedule.shape, np.clip((p - begins) / length, 0.0, 1.0), schedule.power)
    return above_the_floor(schedule, share)


def admitted(
    blank: Schedule, claim: Claim, total: float | None, floors: list[float], extras: Extras
) -> Iterator[Schedule]:
    told = first_number(claim.params, "num_decay_steps", "decay_steps", "wsd_decay_steps")
    shape = claim.params.get("decay_type") or claim.params.get("lr_wsd_decay_style")
    for one in ended(blank, total, floors, extras):
        lengths = [told] if told else [one.total - one.warmup, *(round(share * one.total) for share in SHARES)]
        for decay in dict.fromkeys(lengths):
            for form in (shape,) if shape in SHAPES else SHAPES:
                yield from warmed(replace(one, decay_steps=decay, shape=form), claim, extras)


FAMILY = Family(
    name="wsd",
    spelled="wsd warmup_stable_decay trapezoidal",
    value=value,
    admitted=admitted,
    ends=True,
)
