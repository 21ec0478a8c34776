"""Families without an end: they fall by a factor, or with a power of the counter."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from analyzer.clocks.schedule_fit.fit import FEWEST_ROWS, Fit, thinned
from analyzer.clocks.schedule_fit.lines import line_through
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
            u = y ** (-1 / power) if power else np.log(y)
            sigma = tolerance / y * (u / power if power else 1.0)
        line = line_through(parts.x[rows], u, sigma)
        if line is None or line[0] == 0 or (power and line[0] < 0):
            return
        slope, intercept = line
        low = float(parts.y[-1]) if last < len(parts.y) else 0.0
        top = float(parts.y.max())

        def value(at: Floats) -> Floats:
            line = intercept + slope * at
            with np.errstate(all="ignore"):
                falling = np.maximum(line, 1e-300) ** -power if power else np.exp(line)
            return np.maximum(np.minimum(falling, top * (1 + 1e-9)) if held or power == ROOT else falling, low)

        known = {"power": power} if family == "inverse-time" and power != 1 else {}
        for rise in parts.rises():
            yield joined(
                parts,
                rise,
                family=family,
                peak=top,
                floor=low,
                value=value,
                start=float(parts.x[first]),
                parameters={"slope": slope, "intercept": intercept, **known},
            )

    return fits
