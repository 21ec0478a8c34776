"""The rate falls when a metric has not improved for long enough: the metric in the log is its clock."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzer.clocks.claim import Claim
from analyzer.clocks.schedule_families.conventions import Extras
from analyzer.clocks.schedules import Family, Schedule
from analyzer.model import Floats


def value(schedule: Schedule, p: Floats) -> Floats:
    return np.full_like(p, schedule.peak)


def admitted(
    blank: Schedule, claim: Claim, total: float | None, floors: list[float], extras: Extras
) -> Iterator[Schedule]:
    return iter(())


FAMILY = Family(
    name="plateau",
    spelled="reduce_lr_on_plateau plateau",
    value=value,
    admitted=admitted,
)
