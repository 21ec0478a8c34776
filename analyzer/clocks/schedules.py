"""Learning-rate schedules as functions from the scheduler's own counter to a value.

The counter ``p`` is the 0-based index of the update that the rate is applied to; it may be an array and need not be an
integer. What a log shows at step s is ``schedule(rate * s + offset)``; the offset of -1, 0 or +1 is the logger's habit
(steps counted from 0 or 1, the rate that was used or the one that comes next).

Formulas, each read in the source named beside it:

- torch ``torch/optim/lr_scheduler.py``: StepLR, MultiStepLR, ExponentialLR, PolynomialLR, CosineAnnealingLR (rises
  again past its end), CosineAnnealingWarmRestarts, OneCycleLR (phases end at ``pct * total - 1`` and ``total - 1``),
  CyclicLR.
- transformers ``optimization.py``: linear, cosine, cosine_with_restarts, polynomial, inverse_sqrt, warmup_stable_decay.
- Keras ``optimizers/schedules/learning_rate_schedule.py``: ExponentialDecay, InverseTimeDecay, PolynomialDecay,
  CosineDecay (its ``decay_steps`` exclude the warmup). optax ``schedules/_schedule.py`` (there they include it).
- timm ``scheduler/cosine_lr.py`` (without prefix the cosine runs on during the warmup), DeepSpeed
  ``runtime/lr_schedules.py`` (logarithmic warmup), Megatron ``optimizer_param_scheduler.py``, nanoGPT ``train.py``.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from msgspec import Struct

from analyzer.model import Floats

WarmupForm = Literal[
    "p/W",  # transformers, Megatron, optax, Keras: starts at `warmup_start`, peak at p = W
    "(p+1)/W",  # transformers cosine_warmup_with_min_lr, hand-written loops: the first update already has a share
    "(p+1)/(W+1)",  # nanoGPT
    "p/(W-1)",  # transformers with warmup_lr_rate: peak at p = W - 1
    "log",  # DeepSpeed's default: ln(p) / ln(W)
    "cosine",  # OneCycleLR, warmup_stable_decay with warmup_type="cosine"
    "constant",  # a constant factor, then the schedule
]
Span = Literal[
    "T-W",  # from p = W to p = T
    "T-W, ahead",  # one ahead, (p - W + 1) / (T - W): transformers cosine_warmup_with_min_lr, DeepSpeed cosine
    "T",  # from p = W on, over T further steps: Keras' CosineDecay, warmup added in front
    "whole",  # from p = 0 to T, warmup only covers its beginning: timm without prefix
    "T-1",  # from p = 0 to p = T - 1
    "T-W-1",  # from p = W to p = T - 1
]


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
    clamp: bool = True  # False: the cosine rises again past its end
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

    def __call__(self, position: Floats) -> Floats:
        p = np.asarray(position, dtype=np.float64)
        if self.family in WHOLE:
            return WHOLE[self.family](self, p)
        value = self.floor + (self.peak - self.floor) * _decayed(self, p) if self.family in TO_FLOOR else _free(self, p)
        if self.warmup <= 0:
            return value
        return np.where(p < self.warmup, self._warming(p), value)

    def _warming(self, p: Floats) -> Floats:
        width = self.warmup
        start, peak = self.warmup_start, self.peak
        if self.warmup_form == "constant":
            return np.full_like(p, start)
        if self.warmup_form == "log":
            with np.errstate(divide="ignore", invalid="ignore"):
                share = np.where(p >= 1, np.log(np.maximum(p, 1.0)) / np.log(max(width, 2.0)), 0.0)
        elif self.warmup_form == "(p+1)/W":
            share = (p + 1) / width
        elif self.warmup_form == "(p+1)/(W+1)":
            share = (p + 1) / (width + 1)
        elif self.warmup_form == "p/(W-1)":
            share = p / max(width - 1, 1)
        elif self.warmup_form == "cosine":
            share = 0.5 * (1 - np.cos(np.pi * np.clip(p / width, 0, 1)))
        else:
            share = p / width
        return start + (peak - start) * np.clip(share, 0.0, 1.0)


def progress(schedule: Schedule, p: Floats) -> Floats:
    """Share of the decay that is done at p: 0 at its start, 1 at its end; not clipped."""
    total, width = schedule.total, schedule.warmup
    if schedule.span == "T-W":
        return (p - width) / max(total - width, 1e-9)
    if schedule.span == "T-W, ahead":
        return (p - width + 1) / max(total - width, 1e-9)
    if schedule.span == "T":
        return (p - width) / max(total, 1e-9)
    if schedule.span == "T-1":
        return p / max(total - 1, 1e-9)
    if schedule.span == "T-W-1":
        return (p - width) / max(total - width - 1, 1e-9)
    return p / max(total, 1e-9)


def decay_shape(name: str, r: Floats, power: float = 1.0) -> Floats:
    """Share of the height that is left after a share r in [0, 1] of the decay."""
    if name == "cosine":
        return 0.5 * (1 + np.cos(np.pi * r))
    if name == "polynomial":
        return (1 - r) ** power
    if name == "1-sqrt":
        return 1 - np.sqrt(r)
    if name == "halving":  # Megatron's exponential decay of warmup-stable-decay
        return 2 * 0.5**r - 1
    return 1 - r


def _decayed(schedule: Schedule, p: Floats) -> Floats:
    """Share of the height above the floor, for families that come down to a floor at T."""
    if schedule.family == "constant":
        return np.ones_like(p)
    if schedule.family == "wsd":
        start = schedule.total - schedule.decay_steps
        r = np.clip((p - start) / max(schedule.decay_steps, 1e-9), 0.0, 1.0)
        return decay_shape(schedule.shape, r, schedule.power)
    r = progress(schedule, p)
    if schedule.family == "cosine":
        r = np.maximum(r, 0.0) if not schedule.clamp else np.clip(r, 0.0, 1.0)
        turns = 2 * schedule.cycles if schedule.cycles != 1.0 else 1.0
        return 0.5 * (1 + np.cos(np.pi * turns * r))
    if schedule.family == "restarts":
        inside = np.mod(schedule.cycles * np.maximum(r, 0.0), 1.0)
        return np.where(r >= 1, 0.0, 0.5 * (1 + np.cos(np.pi * inside)))
    return decay_shape(schedule.family, np.clip(r, 0.0, 1.0), schedule.power)


def _free(schedule: Schedule, p: Floats) -> Floats:
    """Families without an end: they fall by a factor, or with a power of the counter."""
    after = np.maximum(p - schedule.warmup, 0.0)
    if schedule.family == "exponential":
        turns = after / schedule.step_size
        if schedule.staircase:
            turns = np.floor(turns + 1e-9)
        return np.maximum(schedule.peak * schedule.gamma**turns, schedule.floor)
    if schedule.family == "inverse-time":
        turns = after / schedule.step_size
        if schedule.staircase:
            turns = np.floor(turns + 1e-9)
        return schedule.peak / (1 + schedule.gamma * turns)
    if schedule.family == "inverse-sqrt":
        scale = schedule.timescale
        return np.maximum(schedule.peak / np.sqrt((after + scale) / scale), schedule.floor)
    raise ValueError(f"unknown schedule family {schedule.family!r}")


def _steps(schedule: Schedule, p: Floats) -> Floats:
    """Drops at fixed positions of the whole counter: StepLR, MultiStepLR, piecewise constant."""
    if schedule.milestones:
        passed = np.searchsorted(np.asarray(schedule.milestones), p + 1e-9, side="right")
        factors = schedule.levels or tuple(schedule.gamma**k for k in range(len(schedule.milestones) + 1))
        value = schedule.peak * np.asarray(factors)[passed]
    else:
        value = schedule.peak * schedule.gamma ** np.floor(np.maximum(p, 0.0) / schedule.step_size + 1e-9)
    value = np.maximum(value, schedule.floor)
    return np.where(p < schedule.warmup, schedule._warming(p), value) if schedule.warmup > 0 else value


def _warm_restarts(schedule: Schedule, p: Floats) -> Floats:
    """Cosine cycles of T_0, T_0 * mult, ... steps (torch CosineAnnealingWarmRestarts, SGDR, Keras, timm)."""
    after = np.maximum(p - schedule.warmup, 0.0)
    first, mult = schedule.step_size, schedule.cycle_mult
    if mult == 1.0:
        cycle = np.floor(after / first + 1e-9)
        inside, length = after - cycle * first, np.full_like(after, first)
    else:
        cycle = np.floor(np.log(after / first * (mult - 1) + 1 + 1e-12) / np.log(mult) + 1e-9)
        length = first * mult**cycle
        inside = after - first * (mult**cycle - 1) / (mult - 1)
    height = (
        (schedule.peak - schedule.floor) * schedule.gamma**cycle
        if schedule.gamma != 1.0
        else schedule.peak - schedule.floor
    )
    value = schedule.floor + height * 0.5 * (1 + np.cos(np.pi * np.clip(inside / length, 0.0, 1.0)))
    return np.where(p < schedule.warmup, schedule._warming(p), value) if schedule.warmup > 0 else value


def _one_cycle(schedule: Schedule, p: Floats) -> Floats:
    """Up from ``warmup_start`` at 0 to the peak at ``warmup``, down to ``floor`` at ``total`` (torch: one earlier)."""
    up = np.clip(p / max(schedule.warmup, 1e-9), 0.0, 1.0)
    down = np.maximum((p - schedule.warmup) / max(schedule.total - schedule.warmup, 1e-9), 0.0)
    if schedule.clamp:
        down = np.minimum(down, 1.0)
    if schedule.shape == "cosine":
        up, down = 0.5 * (1 - np.cos(np.pi * up)), 0.5 * (1 - np.cos(np.pi * down))
    rising = schedule.warmup_start + (schedule.peak - schedule.warmup_start) * up
    falling = schedule.peak + (schedule.floor - schedule.peak) * down
    return np.where(p <= schedule.warmup, rising, falling)


def _cyclic(schedule: Schedule, p: Floats) -> Floats:
    """A zig-zag between ``floor`` and ``peak``: up over ``step_size`` steps, down over ``timescale`` (CyclicLR)."""
    up, down = schedule.step_size, schedule.timescale
    turn = np.mod(p, up + down)
    cycle = np.floor(p / (up + down))
    share = np.where(turn <= up, turn / up, 1 - (turn - up) / down)
    return schedule.floor + (schedule.peak - schedule.floor) * share * schedule.gamma**cycle


TO_FLOOR = ("constant", "linear", "cosine", "restarts", "polynomial", "1-sqrt", "wsd")
WHOLE = {
    "step": _steps,
    "warm-restarts": _warm_restarts,
    "one-cycle": _one_cycle,
    "cyclic": _cyclic,
}
