"""Families without an end: they fall by a factor, or with a power of the counter."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from analyzer.clocks.schedule_fit.fit import FEWEST_ROWS, Fit, line_through, thinned
from analyzer.clocks.schedule_fit.parts import Parts, joined
from analyzer.model import Floats


def by_speed(family: str) -> Callable[..., Iterator[Fit]]:
    """Families without an end: a straight line through log(rate), rate^-2 or 1 / rate."""

    def fits(parts: Parts, peaks: tuple[float, ...], floors: tuple[float, ...], power: float | None) -> Iterator[Fit]:
        first = parts.top_end if parts.top_end > parts.top else parts.top
        last = parts.tail if parts.tail < len(parts.y) and parts.tail > first + 3 else len(parts.y)
        rows = first + thinned(last - first)
        y, tolerance = parts.y[rows], parts.tolerance[rows]
        if len(rows) < FEWEST_ROWS or (y <= 0).any():
            return
        with np.errstate(all="ignore"):
            if family == "exponential":
                u, sigma = np.log(y), tolerance / y
            elif family == "inverse-sqrt":
                u, sigma = y**-2.0, 2 * tolerance / y**3
            else:
                u, sigma = 1 / y, tolerance / y**2
        line = line_through(parts.x[rows], u, sigma)
        if line is None or line[0] == 0 or (family != "exponential" and line[0] < 0):
            return
        slope, intercept = line
        low = float(parts.y[-1]) if last < len(parts.y) else 0.0
        top = float(parts.y.max())

        def value(at: Floats) -> Floats:
            with np.errstate(all="ignore"):
                if family == "exponential":
                    return np.maximum(np.exp(intercept + slope * at), low)
                if family == "inverse-sqrt":
                    return np.minimum(
                        np.maximum(1 / np.sqrt(np.maximum(intercept + slope * at, 1e-300)), low), top * (1 + 1e-9)
                    )
                return 1 / np.maximum(intercept + slope * at, 1e-300)

        for rise in parts.rises():
            yield joined(
                parts,
                rise,
                family=family,
                peak=top,
                floor=low,
                value=value,
                start=float(parts.x[first]),
                parameters={"slope": slope, "intercept": intercept},
            )

    return fits
