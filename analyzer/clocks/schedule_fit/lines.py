"""Straight lines: the likeliest through points, and those that lie between bounds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from analyzer.model import Floats

BISECTIONS = 50


def line_through(x: Floats, u: Floats, sigma: Floats) -> tuple[float, float] | None:
    """Slope and intercept of the weighted straight line; None when x does not vary."""
    good = np.isfinite(u) & np.isfinite(sigma) & (sigma > 0)
    if good.sum() < 2:
        return None
    x, u, sigma = x[good], u[good], sigma[good]
    weight = (sigma.min() / sigma) ** 2
    mean_x, mean_u = np.average(x, weights=weight), np.average(u, weights=weight)
    spread = float(np.average((x - mean_x) ** 2, weights=weight))
    if spread <= 0:
        return None
    slope = float(np.average((x - mean_x) * (u - mean_u), weights=weight)) / spread
    return slope, float(mean_u - slope * mean_x)


def line_between(x: Floats, low: Floats, high: Floats) -> tuple[float, float] | None:
    """Slope and intercept of a rising line that lies in [low, high) at every x; None when there is none."""
    slopes = slopes_through(x, low, high)
    if slopes is None:
        return None
    slope = 0.5 * (slopes[0] + slopes[1])
    return slope, 0.5 * float((low - slope * x).max() + (high - slope * x).min())


def slopes_through(x: Floats, low: Floats, high: Floats) -> tuple[float, float] | None:
    """Least and greatest slope of a straight line that lies in [low, high) at every x; None when there is none.

    The room that a slope leaves, min(high - slope x) - max(low - slope x), is concave in it: its top and both zeros
    are found by bisection.
    """
    x = x - x[0]
    width = float(x[-1])
    if width <= 0:
        return None

    def room(slope: float) -> float:
        return float((high - slope * x).min() - (low - slope * x).max())

    def leans(slope: float) -> bool:
        """Whether a greater slope leaves more room."""
        at = slope * x
        return float(x[int(np.argmin(high - at))]) < float(x[int(np.argmax(low - at))])

    bounded = np.isfinite(high) & (x > 0)
    if not bounded.any():
        return None
    most = float(((high[bounded] - low[0]) / x[bounded]).min())
    least = max(0.0, float(((low[1:] - high[0]) / np.maximum(x[1:], 1e-12)).max()) if np.isfinite(high[0]) else 0.0)
    if most <= least:
        return None
    best, left, right = 0.5 * (least + most), least, most
    for _ in range(BISECTIONS):
        best = 0.5 * (left + right)
        if room(best) > 0:
            break
        left, right = (best, right) if leans(best) else (left, best)
    if room(best) <= 0:
        return None
    return _edge(room, best, least), _edge(room, best, most)


def _edge(room: Callable[[float], float], inside: float, outside: float) -> float:
    if room(outside) > 0:
        return outside
    for _ in range(BISECTIONS):
        middle = 0.5 * (inside + outside)
        inside, outside = (middle, outside) if room(middle) > 0 else (inside, middle)
    return inside
