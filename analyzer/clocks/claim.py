"""What a declaration says of the learning rate: the noun, and numbers read from values that people wrote."""

from __future__ import annotations

import math
from typing import Any

from msgspec import Struct


def finite_number(value: Any) -> float | None:
    """A finite number, or None; booleans are none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def first_number(params: dict[str, Any], *names: str) -> float | None:
    """The first of some parameters that is a number, or None."""
    return next((found for name in names if (found := finite_number(params.get(name))) is not None), None)


def stated(*values: float | None) -> tuple[float, ...]:
    """Those that are known."""
    return tuple(value for value in values if value is not None)


class Claim(Struct, frozen=True, kw_only=True):
    """What is declared about the learning rate, in the scheduler's own unit."""

    name: str  # as it was written
    family: str | None  # None: not declared, or a name that nobody knows
    unit: str | None  # "step", "epoch"; None: not declared
    base_lr: float | None
    min_lr: float | None
    params: dict[str, Any]
    totals: tuple[float, ...]  # T in updates, every reading
    epochs: float | None
    epochs_asked: bool = False  # a person said how many; a framework's file tells what a run may have at most
    warmups: tuple[float, ...]  # W in updates, every reading; (0.0,) where none is declared
    warmup_declared: bool
    warmup_epochs: float | None
    per_epoch: tuple[float, ...]  # U, every reading
    pairs: tuple[tuple[float | None, float], ...]  # (T, W) of one reading each
    max_steps: float | None
    world: int
    accumulation: int
    ratio: float | None = None  # of the whole run that is warmup
    asked: bool = True  # a person said so; else it was found in files that the run left
