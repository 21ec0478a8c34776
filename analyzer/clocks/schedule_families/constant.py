"""One rate, behind a warmup or without one."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.claim import Claim
from analyzer.clocks.schedule_families.conventions import Extras, warmed
from analyzer.clocks.schedules import Family, Schedule
from analyzer.model import Floats


def value(schedule: Schedule, p: Floats) -> Floats:
    return np.full_like(p, schedule.peak)


def admitted(
    blank: Schedule, claim: Claim, total: float | None, floors: list[float], extras: Extras
) -> Iterator[Schedule]:
    yield from warmed(blank, claim, extras)
    if blank.warmup > 0 and re.sub(r"[^a-z]", "", claim.name.lower()) == "constant":
        yield replace(blank, warmup=0.0)  # transformers' "constant" ignores a declared warmup


FAMILY = Family(
    name="constant",
    spelled="constant none no fixed ConstantLR constant_schedule constant_with_warmup WarmupLR",
    value=value,
    admitted=admitted,
)
