"""The upper tail of a statistic, learnt from the run itself.

With it one false-alarm budget holds for Gaussian and for heavy-tailed noise alike. The law is Tukey's g-and-h: a
normal score z becomes median + A z exp(g z/2 + h z^2/2); g makes it skew, h makes its tail heavy (Hoaglin 1985). It
is fitted to quantiles of the upper half with their own covariance, so that outliers do not bend it, and what the run
does not know about its tail is averaged over: a short log must not pretend to. Against a generalised Pareto on the
largest tenth, which sees a fifth of these rows, it finds twice as many single rows of six noise units at the same
false-alarm rate.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from analyzer.model import Floats

LEVELS = np.array([0.6, 0.7, 0.8, 0.85, 0.9, 0.94, 0.965, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999])
POINTS_BEYOND = 4  # a quantile is used while so many values lie beyond it
FEWEST_LEVELS = 4
SKEW, SKEW_ERROR = 0.1, 0.2  # healthy losses before their own rows say more: log-normal noise of 20 % has g = 0.2
TAIL, TAIL_ERROR = 0.02, 0.05  # a Gaussian has h = 0, a Student-t with four degrees of freedom 0.12
SCORES = np.linspace(0.5, 9.0, 341)
OFFSETS = np.array([-2.0, -1.2, -0.5, 0.0, 0.5, 1.2, 2.0])  # in standard errors of the fitted curve
WEIGHTS = np.exp(-0.5 * OFFSETS**2) / np.exp(-0.5 * OFFSETS**2).sum()

_Z = np.array([NormalDist().inv_cdf(level) for level in LEVELS.tolist()])
_PDF = np.exp(-0.5 * _Z**2) / math.sqrt(2 * math.pi)
_COVARIANCE = (  # of log spreads at the levels, times the number of values
    np.minimum.outer(LEVELS, LEVELS) * (1 - np.maximum.outer(LEVELS, LEVELS)) / np.outer(_PDF * _Z, _PDF * _Z)
)


def chance_of_maximum(values: Floats, x: float, *, of: int, censored: int = 0) -> float:
    """Chance that the largest of ``of`` values from the law of ``values`` exceeds ``x``.

    Args:
        values: shape (n,), without the candidate and without the ``censored`` higher ones. Those are known only to
            be larger than all of ``values``: left out altogether they would make every heavy tail a light one.

    Returns:
        The posterior mean; 1.0 when there are too few values to know a tail.
    """
    n = len(values) + censored
    known = int(np.sum((1 - LEVELS) * n >= POINTS_BEYOND + censored))
    if known < FEWEST_LEVELS:
        return 1.0
    middle, *quantiles = np.quantile(values, np.minimum(1.0, np.append(0.5, LEVELS[:known]) * n / max(len(values), 1)))
    spread = np.array(quantiles) - middle
    if not spread.min() > 0 or x <= middle:
        return 1.0
    z = _Z[:known]
    features = np.stack([np.ones(known), z / 2, z**2 / 2], axis=1)
    precision = np.linalg.inv(_COVARIANCE[:known, :known] / n + 1e-8 * np.eye(known))
    prior = np.diag([1e-6, SKEW_ERROR**-2, TAIL_ERROR**-2])
    error = np.linalg.inv(features.T @ precision @ features + prior)
    fitted = error @ (features.T @ precision @ np.log(spread / z) + prior @ np.array([0.0, SKEW, TAIL]))
    curve = np.stack([np.ones_like(SCORES), SCORES / 2, SCORES**2 / 2], axis=1)
    mean = curve @ fitted + np.log(SCORES)
    sigma = np.sqrt(np.einsum("ij,jk,ik->i", curve, error, curve))
    target = math.log(x - middle)
    chance = 0.0
    for offset, weight in zip(OFFSETS.tolist(), WEIGHTS.tolist(), strict=True):
        score = float(np.interp(target, np.maximum.accumulate(mean + offset * sigma), SCORES))
        one = min(0.5 * math.erfc(score / math.sqrt(2)), 1 - 1e-12)
        chance += weight * -math.expm1(of * math.log1p(-one))
    return chance
