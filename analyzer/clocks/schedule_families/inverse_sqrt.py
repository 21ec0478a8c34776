"""A power of -1/2 of the counter (transformers, fairseq, Noam, Megatron)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.claim import Claim, first_number
from analyzer.clocks.schedule_families.conventions import Extras, warmed
from analyzer.clocks.schedules import Family, Schedule
from analyzer.model import Floats

DEFAULT_SCALE = 10_000.0  # transformers, without a warmup


def value(schedule: Schedule, p: Floats) -> Floats:
    after, scale = np.maximum(p - schedule.warmup, 0.0), schedule.timescale
    return np.maximum(schedule.peak / np.sqrt((after + scale) / scale), schedule.floor)


def admitted(
    blank: Schedule, claim: Claim, total: float | None, floors: list[float], extras: Extras
) -> Iterator[Schedule]:
    told = first_number(claim.params, "timescale")
    for scale in dict.fromkeys([told] if told else [blank.warmup or DEFAULT_SCALE, DEFAULT_SCALE, 1.0]):
        yield from warmed(replace(blank, timescale=scale), claim, extras)


FAMILY = Family(
    name="inverse-sqrt",
    spelled="inverse_sqrt inverse_square_root noam rsqrt NoamLR",
    value=value,
    admitted=admitted,
)
