"""The upper tail of a statistic, learnt from the run itself: a generalised Pareto fitted to its largest tenth.

With it one false-alarm budget holds for Gaussian and for heavy-tailed noise alike (Pickands 1975; probability-weighted
moments after Hosking and Wallis 1987, which need no search and stay finite on a dozen points).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analyzer.model import Floats

TAIL_SHARE = 0.1  # the tail is the largest tenth
PRIOR_SHAPE = 0.05  # shape of a slightly heavy tail: what a short log is taken for until its own rows say otherwise
PRIOR_ROWS = 25.0  # weight of that belief, in tail points; the shape's own error is about 1/sqrt(points)
SHAPE_RANGE = (-0.15, 0.9)  # a Gaussian's tenth fits -0.1, a Student-t with two degrees of freedom 0.5


@dataclass(frozen=True, kw_only=True)
class Tail:
    """P(X > x) = share * (1 + shape (x - start) / spread)^(-1/shape) for x above ``start``."""

    start: float
    spread: float
    shape: float
    share: float
    points: int

    def beyond(self, x: Floats | float) -> Floats:
        """Chance of one value above ``x``, same shape as ``x``; exact only in the tail, at most ``share``."""
        excess = np.maximum(np.asarray(x, dtype=np.float64) - self.start, 0.0) / self.spread
        if abs(self.shape) < 1e-6:
            return self.share * np.exp(-excess)
        base = np.maximum(1.0 + self.shape * excess, 0.0)
        with np.errstate(divide="ignore"):
            return self.share * base ** (-1.0 / self.shape)


def fit_tail(values: Floats, *, share: float = TAIL_SHARE) -> Tail | None:
    """Fit the upper tail of ``values``, shape (n,); None when the tail holds fewer than five points or no spread."""
    n = len(values)
    points = max(5, int(share * n))
    if n < 2 * points:
        return None
    top = np.sort(np.partition(values, n - points - 1)[n - points - 1 :])
    start, excess = float(top[0]), top[1:] - top[0]
    mean = float(excess.mean())
    if mean <= 0 or not np.isfinite(mean):
        return None
    weight = 1.0 - (np.arange(1, points + 1) - 0.35) / points
    tilted = float((weight * excess).mean())
    own = 2.0 - mean / (mean - 2.0 * tilted) if mean > 2.0 * tilted else SHAPE_RANGE[0]
    shape = (points * own + PRIOR_ROWS * PRIOR_SHAPE) / (points + PRIOR_ROWS)
    shape = float(np.clip(shape, *SHAPE_RANGE))
    return Tail(start=start, spread=mean * (1.0 - shape), shape=shape, share=points / n, points=points)
