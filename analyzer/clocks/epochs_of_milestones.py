"""How many steps an epoch has, where nothing tells it but a rate that drops at declared epochs."""

from __future__ import annotations

import math

import numpy as np

from analyzer.clocks.claim import finite_number, first_number
from analyzer.clocks.rate_axes import counts
from analyzer.model import Floats
from analyzer.timeline import Timeline


def with_epochs_of_milestones(
    timeline: Timeline, axes: dict[str, Floats], rate: Floats, tolerance: Floats
) -> dict[str, Floats]:
    """Epochs by the length with which the rate drops at the declared ones; as many drops as can agree on a length."""
    x, marks = axes.get("step"), _marks(timeline)
    if x is None or not marks or any(counts(name) == "epoch" for name in axes):
        return axes
    drops = np.flatnonzero((np.abs(np.diff(rate)) > tolerance[1:] + tolerance[:-1]) & (np.diff(x) > 0))
    begin, length = min(float(x.min()), 1.0), None
    low, high = 0.0, math.inf
    for at, mark in zip(drops.tolist(), marks, strict=False):
        low, high = max(low, (float(x[at]) - begin) / mark), min(high, (float(x[at + 1]) - begin) / mark)
        if math.floor(high) <= low:
            break
        length = math.floor(high)
    return axes if length is None else {**axes, f"lap of {length}": np.floor((x - begin) / length + 1e-9)}


def _marks(timeline: Timeline) -> list[float]:
    """Epochs at which a rate is declared to drop, in order."""
    params = timeline.declared.get("scheduler_params")
    if timeline.declared.get("scheduler_interval") != "epoch" or not isinstance(params, dict):
        return []
    given = params.get("milestones")
    size = first_number(params, "step_size")
    marks = given if isinstance(given, list) else [size * k for k in range(1, 100)] if size else []
    known = [mark for one in marks if (mark := finite_number(one)) is not None and mark > 0]
    return known if sorted(known) == known else []
