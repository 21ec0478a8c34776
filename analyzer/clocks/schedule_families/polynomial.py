"""A power of what is left down to a floor (transformers, torch, Keras, timm)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.claim import Claim, first_number
from analyzer.clocks.schedule_families.conventions import Extras, above_the_floor, decay_shape, ended, progress, spanned
from analyzer.clocks.schedules import Family, Schedule
from analyzer.model import Floats

LR_END = 1e-7  # transformers' default floor
FAR_DOWN = 0.1  # of the peak: higher up no row tells such a floor from none
POWERS = (1.0, 2.0, 0.5, 0.9, 3.0)
"""Tried where nobody says which: transformers' and torch's default, then those of papers on segmentation."""


def value(schedule: Schedule, p: Floats) -> Floats:
    share = decay_shape("polynomial", np.clip(progress(schedule, p), 0.0, 1.0), schedule.power)
    return above_the_floor(schedule, share)


def admitted(
    blank: Schedule, claim: Claim, total: float | None, floors: list[float], extras: Extras
) -> Iterator[Schedule]:
    told = first_number(claim.params, "power")
    if claim.min_lr is None and LR_END <= extras.lowest < FAR_DOWN * blank.peak:
        floors = [*floors, LR_END]
    for one in ended(blank, total, floors, extras):
        for power in (told,) if told is not None else POWERS:
            yield from spanned(replace(one, power=power), claim, extras)


FAMILY = Family(
    name="polynomial",
    spelled="polynomial PolynomialLR polynomial_decay poly PolyLR PolyLRScheduler timm.PolyLRScheduler "
    "WarmupPolyLR",
    value=value,
    admitted=admitted,
    ends=True,
)
