"""The arithmetic of a declaration: every reading that it admits.

A reading is one consistent convention; it must explain epoch length, run length, warmup and horizon together.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from analyzer.config.declared import Declared


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One consistent convention and the numbers that it gives."""

    convention: str  # "last batch kept, remainder of the accumulation stepped"
    batches_per_epoch: int | None  # L
    steps_per_epoch: Fraction | None  # U, optimizer updates; a ratio where accumulation carries over
    total_steps: int | None  # T, optimizer updates
    warmup_steps: int | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All readings of the declaration; none when it says too little."""

    readings: tuple[Reading, ...] = ()


def plan_of(declared: Declared) -> Plan:
    """All readings that the declared facts admit."""
    return Plan()
