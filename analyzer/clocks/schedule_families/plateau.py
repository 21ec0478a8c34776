"""The rate falls when a metric has not improved for long enough: the metric in the log is its clock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from analyzer.clocks.schedule_families import Family
from analyzer.clocks.schedule_families.conventions import Extras
from analyzer.model import Floats

if TYPE_CHECKING:
    from analyzer.clocks.declared_schedule import Claim
    from analyzer.clocks.schedules import Schedule


def value(schedule: Schedule, p: Floats) -> Floats:
    return np.full_like(p, schedule.peak)


def admitted(
    blank: Schedule, claim: Claim, total: float | None, floors: list[float], extras: Extras
) -> Iterator[Schedule]:
    return iter(())


FAMILY = Family(
    name="plateau",
    spelled="reducelronplateau plateau",
    value=value,
    admitted=admitted,
)
