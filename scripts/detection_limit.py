"""How often the best possible detector finds one raised row: it knows the family of the noise and its parameters.

It judges each row by its height alone and may be wrong in one healthy run of a hundred. In correlated noise it knows
what the rows beside a row leave open. No detector that has to learn the noise from the run does better.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import stats

ALARMS = 0.01  # of the healthy runs
LENGTHS_DRAWN = 200

Quantile = Callable[[float], float]


def share_found(noise: str, height: float, rows: tuple[int, int]) -> float:
    """Mean share of single rows of ``height`` noise units found, over run lengths drawn as those of the benchmark."""
    lengths = np.exp(np.linspace(math.log(rows[0]), math.log(rows[1]), LENGTHS_DRAWN))
    return float(np.mean([one(height, n) for n in lengths for one in FOUND[noise]]))


def _gaussian(factor: float) -> Callable[[float, float], float]:
    """``factor``: noise units over what is left of the noise when its neighbours are known."""
    return lambda height, n: float(stats.norm.sf(stats.norm.isf(_chance(n)) - height * factor))


def _student(freedom: float) -> Callable[[float, float], float]:
    unit = 1.4826 * float(stats.t.ppf(0.75, freedom))
    return lambda height, n: float(stats.t.sf(stats.t.isf(_chance(n), freedom) - height * unit, freedom))


def _log_normal(spread: float) -> Callable[[float, float], float]:
    """Noise (exp(spread z) - 1) / spread, in units of its median absolute deviation."""
    z = np.linspace(-8.0, 8.0, 20_001)
    value, weight = np.expm1(spread * z) / spread, stats.norm.pdf(z)
    order = np.argsort(np.abs(value))
    unit = 1.4826 * float(np.abs(value)[order][np.searchsorted(np.cumsum(weight[order]), 0.5 * weight.sum())])

    def found(height: float, n: float) -> float:
        threshold = math.expm1(spread * float(stats.norm.isf(_chance(n)))) / spread - height * unit
        return float(stats.norm.sf(math.log1p(spread * threshold) / spread)) if spread * threshold > -1 else 1.0

    return found


def _chance(n: float) -> float:
    """Of a single row, when the highest of n may be beyond in so many runs."""
    return -math.expm1(math.log1p(-ALARMS) / n)


# The parameters that simulate_runs.unit_noise draws from.
FOUND = {
    "gaussian": [_gaussian(1.0)],
    "student-t": [_student(freedom) for freedom in (3.0, 4.0, 5.0, 8.0)],
    "log-normal": [_log_normal(spread) for spread in (0.25, 0.35, 0.45, 0.55)],
    "autocorrelated": [_gaussian(math.sqrt((1 + rho**2) / (1 - rho**2))) for rho in (0.5, 0.8, 0.95, 0.97)],
}


def share_of_shifts_found(
    errors: float,
    chance: float,
    *,
    descends: bool = False,
    correlation: float = 0.0,
    lengths: tuple[int, ...] = (300, 800, 2000),
    runs: int = 800,
) -> float:
    """Share of lasting shifts of so many standard errors of independent rows found by whoever knows the law of the
    noise and only has to look for the place; with such a chance of an alarm in a sound run.

    Args:
        descends: whether the loss may descend by an unknown straight line; a real descent is less known than that.
        correlation: of neighbouring rows in an autoregression that is known.
    """
    rng, found = np.random.default_rng(0), []
    for n in lengths:
        row, places, t = n // 2, np.linspace(n // 20, n - n // 20, 150).astype(int), np.arange(n)
        shapes = _whitened(np.vstack([t >= places[:, None], [t >= row]]).astype(np.float64), correlation)
        others = _whitened(np.vstack([np.ones(n), t])[: 2 if descends else 1], correlation)
        unknown = np.linalg.qr(others.T)[0]
        shapes -= (shapes @ unknown) @ unknown.T
        shapes, planted = shapes[:-1], shapes[-1]
        shapes /= np.linalg.norm(shapes, axis=1, keepdims=True)
        sound = rng.standard_normal((runs, n)) @ shapes.T
        shift = errors * math.sqrt(1 / row + 1 / (n - row)) * (shapes @ planted)
        threshold = np.quantile(np.abs(sound).max(axis=1), 1 - chance)
        found.append(float(np.mean(np.abs(sound + shift).max(axis=1) > threshold)))
    return float(np.mean(found))


def _whitened(rows: NDArray[np.float64], correlation: float) -> NDArray[np.float64]:
    """Rows, shape (k, n), as they are where each value's part that the one before tells is taken out."""
    rest = rows.copy()
    rest[:, 1:] = (rows[:, 1:] - correlation * rows[:, :-1]) / math.sqrt(1 - correlation**2)
    return rest
