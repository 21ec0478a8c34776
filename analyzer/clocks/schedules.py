"""Learning-rate schedules as functions from the scheduler's own counter to a value.

The counter ``p`` is the 0-based index of the update that the rate is applied to; it may be an array and need not be an
integer. What a log shows at step s is ``schedule(rate * s + offset)``; the offset of -1, 0 or +1 is the logger's habit
(steps counted from 0 or 1, the rate that was used or the one that comes next). The formulas stand in the families.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from analyzer.clocks.schedule_families import families
from analyzer.clocks.schedule_families.conventions import Span, WarmupForm, warming
from analyzer.model import Floats


class Schedule(Struct, frozen=True, kw_only=True):
    """One schedule with all its parameters; calling it gives the rates at counters p."""

    family: str
    peak: float
    floor: float = 0.0
    warmup: float = 0.0  # W, scheduler steps
    warmup_form: WarmupForm = "p/W"
    warmup_start: float = 0.0  # rate at p = 0
    total: float = float("inf")  # T, scheduler steps
    span: Span = "T-W"
    clamp: bool = True  # False: a cosine rises again past its end, one cycle goes on
    power: float = 1.0
    cycles: float = 1.0
    cycle_mult: float = 1.0
    gamma: float = 0.1
    step_size: float = 1.0
    staircase: bool = False
    milestones: tuple[float, ...] = ()
    levels: tuple[float, ...] = ()  # factors after each milestone, when they are not powers of gamma
    timescale: float = 1.0
    decay_steps: float = 0.0  # warmup-stable-decay: length of the last phase
    shape: str = "linear"  # of the last phase, and of a cyclic schedule's rise
    parts: tuple[Schedule, ...] = ()  # of a composed schedule

    def __call__(self, position: Floats) -> Floats:
        p = np.asarray(position, dtype=np.float64)
        family = families()[self.family]
        value = family.value(self, p)
        if self.warmup <= 0 or family.covers_warmup:
            return value
        return np.where(p < self.warmup, warming(self, p), value)
