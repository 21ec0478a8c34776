"""Families without an end: they fall by a factor, or with a power of the counter."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from analyzer.clocks.schedule_fit.fit import FEWEST_ROWS, Fit, Rise, thinned
from analyzer.clocks.schedule_fit.lines import line_between, line_through
from analyzer.clocks.schedule_fit.parts import Parts, joined
from analyzer.model import Floats

ROOT = 0.5  # the power of an inverse square root, which begins at a plateau or behind a warmup


def by_speed(family: str, power: float = 0.0) -> Callable[..., Iterator[Fit]]:
    """Families without an end: a straight line through log(rate), or through rate^(-1 / power)."""

    def fits(parts: Parts, peaks: tuple[float, ...], floors: tuple[float, ...], told: float | None) -> Iterator[Fit]:
        held = parts.top_end > parts.top
        first = parts.top_end + 1 if held else parts.top
        last = parts.tail if parts.tail < len(parts.y) and parts.tail > first + 3 else len(parts.y)
        rows = first + thinned(last - first)
        y, tolerance = parts.y[rows], parts.tolerance[rows]
        if len(rows) < FEWEST_ROWS or (y <= 0).any():
            return
        with np.errstate(all="ignore"):
            u, low_u, high_u = (_straight(at, power) for at in (y, y + tolerance, np.maximum(y - tolerance, 1e-300)))
            lines = (
                line_through(parts.x[rows], u, 0.5 * (high_u - low_u)),
                line_between(parts.x[rows], low_u, high_u),  # a fall: a rise of u
            )
        low = float(parts.y[-1]) if last < len(parts.y) else 0.0
        for slope, intercept in (line for line in lines if line is not None and (line[0] > 0 or not power)):
            for rise in parts.rises():
                yield _falling(parts, rise, family, power, slope, intercept, low, first)

    return fits


def _straight(y: Floats, power: float) -> Floats:
    """What rises in a straight line where the family falls."""
    return y ** (-1 / power) if power else -np.log(y)


def _falling(
    parts: Parts, rise: Rise | None, family: str, power: float, slope: float, intercept: float, low: float, first: int
) -> Fit:
    top, held = float(parts.y.max()), parts.top_end > parts.top

    def value(at: Floats) -> Floats:
        line = intercept + slope * at
        with np.errstate(all="ignore"):
            falling = np.maximum(line, 1e-300) ** -power if power else np.exp(-line)
        return np.maximum(np.minimum(falling, top * (1 + 1e-9)) if held or power == ROOT else falling, low)

    known = {"power": power} if family == "inverse-time" and power != 1 else {}
    told = {"slope": slope, "intercept": intercept} if power else {"slope": -slope, "intercept": -intercept}
    return joined(
        parts, rise, family=family, peak=top, floor=low, value=value, start=float(parts.x[first]),
        parameters={**told, **known},
    )  # fmt: skip
