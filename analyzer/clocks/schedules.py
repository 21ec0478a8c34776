"""Learning-rate schedules as functions from the scheduler's own counter to a value.

The counter ``p`` is the 0-based index of the update that the rate is applied to; it may be an array and need not be an
integer. What a log shows at step s is ``schedule(rate * s + offset)``; the offset of -1, 0 or +1 is the logger's habit
(steps counted from 0 or 1, the rate that was used or the one that comes next). The formulas stand in the families.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Literal

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from analyzer.clocks import schedule_families
from analyzer.model import Floats
from analyzer.spelling import plain

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
    "whole",  # from p = 0 to T, warmup only covers its beginning: timm without prefix, Ultralytics
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


def at_height(schedule: Schedule, peak: float) -> Schedule:
    """The same schedule with another peak: its floor stays, unless the whole curve is a multiple of its peak."""
    if not families()[schedule.family].covers_warmup:
        return replace(schedule, peak=peak)
    times = peak / schedule.peak
    return replace(
        schedule, peak=peak, floor=times * schedule.floor, warmup_start=times * schedule.warmup_start,
        parts=tuple(at_height(part, times * part.peak) for part in schedule.parts),
    )  # fmt: skip


def warming(schedule: Schedule, p: Floats) -> Floats:
    """Rates of the warmup."""
    width, start, peak = schedule.warmup, schedule.warmup_start, schedule.peak
    if schedule.warmup_form == "constant":
        return np.full_like(p, start)
    if schedule.warmup_form == "log":
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(p >= 1, np.log(np.maximum(p, 1.0)) / np.log(max(width, 2.0)), 0.0)
    elif schedule.warmup_form == "cosine":
        share = 0.5 * (1 - np.cos(np.pi * np.clip(p / width, 0, 1)))
    else:
        ahead, length = {"(p+1)/W": (1, width), "(p+1)/(W+1)": (1, width + 1), "p/(W-1)": (0, max(width - 1, 1))}.get(
            schedule.warmup_form, (0, width)
        )
        share = (p + ahead) / length
    return start + (peak - start) * np.clip(share, 0.0, 1.0)


class Family(Struct, frozen=True, kw_only=True):
    """One family. Counters and rates are arrays of one shape."""

    name: str
    spelled: str  # names as frameworks spell them, separated by blanks
    value: Callable[[Schedule, Floats], Floats]  # rates behind the warmup
    admitted: Callable[..., Iterator[Schedule]]  # (blank, claim, total, floors, extras): what a declaration admits
    ends: bool = False  # it comes down to its floor at T
    covers_warmup: bool = False  # ``value`` is the whole curve, its rise included


@cache
def families() -> Mapping[str, Family]:
    """All families by name."""
    found: dict[str, Family] = {}
    for module in pkgutil.iter_modules(schedule_families.__path__, prefix=f"{schedule_families.__name__}."):
        family: Any = getattr(importlib.import_module(module.name), "FAMILY", None)
        if family is not None:
            found[family.name] = family
    return found


@cache
def family_names() -> Mapping[str, str]:
    """Names without case and punctuation, and the family that each means."""
    return {plain(name): family.name for family in families().values() for name in family.spelled.split()}


@cache
def ending() -> frozenset[str]:
    """Families that come down to their floor at T."""
    return frozenset(family.name for family in families().values() if family.ends)
