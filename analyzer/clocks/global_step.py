"""What the step axis of the log counts, and from which base."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from analyzer.timeline import Timeline


@dataclass(frozen=True, kw_only=True)
class StepAxis:
    """How the axis relates to optimizer updates: updates done = (step - base + 1) / per_update."""

    unit: Literal["update", "micro-batch", "sample", "token", "epoch", "row", "call", "unknown"] = "update"
    base: int | None = None  # step of the row that the first update wrote; None: not known
    per_update: float = 1.0
    cadence: int = 1  # usual difference of two logged steps of the main series
    why: str = ""


def read_step_axis(timeline: Timeline) -> StepAxis:
    """Infer unit, base and cadence of the step axis."""
    return StepAxis()
