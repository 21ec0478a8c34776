"""Cosine cycles of one length that fill the run (transformers cosine_with_restarts)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.claim import Claim, first_number
from analyzer.clocks.schedule_families.conventions import Extras, above_the_floor, ended, progress, spanned
from analyzer.clocks.schedules import Family, Schedule
from analyzer.model import Floats

CYCLES = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
"""Tried where nobody says how many."""


def value(schedule: Schedule, p: Floats) -> Floats:
    r = progress(schedule, p)
    inside = np.mod(schedule.cycles * np.maximum(r, 0.0), 1.0)
    return above_the_floor(schedule, np.where(r >= 1, 0.0, 0.5 * (1 + np.cos(np.pi * inside))))


def admitted(
    blank: Schedule, claim: Claim, total: float | None, floors: list[float], extras: Extras
) -> Iterator[Schedule]:
    told = first_number(claim.params, "num_cycles")
    for one in ended(blank, total, floors, extras):
        for cycles in (told,) if told else CYCLES:
            yield from spanned(replace(one, cycles=cycles), claim, extras)


FAMILY = Family(
    name="restarts",
    spelled="cosine_with_restarts cosine_with_hard_restarts",
    value=value,
    admitted=admitted,
    ends=True,
)
