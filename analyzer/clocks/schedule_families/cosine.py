"""Half a cosine down to a floor; torch and transformers rise again past the end."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.claim import Claim, first_number
from analyzer.clocks.schedule_families.conventions import Extras, above_the_floor, ended, progress, spanned
from analyzer.clocks.schedules import Family, Schedule
from analyzer.model import Floats


def value(schedule: Schedule, p: Floats) -> Floats:
    r = np.maximum(progress(schedule, p), 0.0)
    if schedule.clamp:
        r = np.minimum(r, 1.0)
    turns = 2 * schedule.cycles if schedule.cycles != 1.0 else 1.0
    return above_the_floor(schedule, 0.5 * (1 + np.cos(np.pi * turns * r)))


def admitted(
    blank: Schedule, claim: Claim, total: float | None, floors: list[float], extras: Extras
) -> Iterator[Schedule]:
    told = first_number(claim.params, "num_cycles")
    cycles = 1.0 if told in (None, 0.5) else told or 1.0
    for one in ended(replace(blank, cycles=cycles), total, floors, extras):
        yield from spanned(one, claim, extras)


FAMILY = Family(
    name="cosine",
    spelled="cosine CosineLR CosineAnnealingLR CosineAnnealing nanogpt_cosine timm.CosineLRScheduler "
    "CosineLRScheduler CosineDecay cosine_with_warmup cosine_with_min_lr cosine_warmup_with_min_lr "
    "WarmupCosineLR warmup_cosine warmup_cosine_decay_schedule warmup_cosine_decay "
    "linear_warmup_cosine_annealing LinearWarmupCosineAnnealingLR cos_with_warmup cosine_scheduler "
    "cosine_decay_schedule",
    value=value,
    admitted=admitted,
    ends=True,
)
