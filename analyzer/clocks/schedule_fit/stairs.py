"""Levels that each fall by one factor."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzer.clocks.schedule_fit.fit import Fit
from analyzer.clocks.schedule_fit.parts import Parts, joined
from analyzer.model import Floats


def stairs(parts: Parts, peaks: tuple[float, ...], floors: tuple[float, ...], power: float | None) -> Iterator[Fit]:
    """Levels that each fall by one factor: step and multi-step schedules, a plateau schedule, a staircase."""
    x, y, tolerance = parts.x[parts.top :], parts.y[parts.top :], parts.tolerance[parts.top :]
    changes = np.flatnonzero(np.abs(np.diff(y)) > tolerance[1:] + tolerance[:-1]) + 1
    starts = np.concatenate([[0], changes])
    lengths = np.diff(np.append(starts, len(y)))
    if len(changes) == 0 or len(starts) > 200 or np.median(lengths) < 2 or (y <= 0).any():
        return
    level = y[starts]
    ratios = level[1:] / level[:-1]
    ratio = float(np.median(ratios))
    slack = 3 * np.max(tolerance[starts] / level) + 1e-6
    if ratio >= 1 or (np.abs(ratios - ratio) > slack).any():
        return
    places = x[starts[1:]]

    def value(at: Floats) -> Floats:
        return level[np.clip(np.searchsorted(places, at, side="right"), 0, len(level) - 1)]

    gaps = np.diff(places)
    regular = len(gaps) > 0 and np.ptp(gaps) <= 2 * max(1.0, float(np.median(np.diff(x)))) if len(gaps) else False
    parameters: dict[str, float | tuple[float, ...]] = {"gamma": ratio, "milestones": tuple(float(p) for p in places)}
    if regular:
        parameters["step_size"] = float(np.median(gaps))
    for rise in parts.rises():
        yield joined(
            parts,
            rise,
            family="step",
            peak=float(level[0]),
            floor=0.0,
            value=value,
            start=float(places[0]),
            parameters=parameters,
        )
