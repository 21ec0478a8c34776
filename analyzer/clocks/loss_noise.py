"""How far differences of windows of a curve go by themselves: the law that the scan of levels judges them by."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from analyzer.clocks.extreme_tail import student
from analyzer.model import Floats

# Models of the noise and their odds before the run has said anything: white noise of a share w and an autoregression.
CORRELATION = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.985, 0.993, 0.997, 0.999)  # of neighbouring rows
WHITE = {0.0: 1.0, 0.5: 0.02, 0.8: 0.004}  # share of the variance: odds
# A random walk beside them: times the variance of white noise that it adds to differences of the longest windows, odds.
WALK = {0.0: 1.0} | dict.fromkeys((0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3), 0.01)
LARGEST_FREEDOM = 60.0
OCTAVES = 2 ** np.arange(40)


class Noise:
    """The law of differences of windows: models weighed by what was measured, and what none of them explains.

    Args:
        seen: log variance of differences, in noise units of single rows, at the first of the lengths.
        known: the degrees of freedom that each is known with.
    """

    def __init__(self, lengths: list[int], seen: Floats, known: Floats) -> None:
        expected, measured, odds = models(len(lengths))
        told = np.flatnonzero(known > 0)
        octave = told[np.isin(np.array(lengths)[told], OCTAVES)]
        share = known[octave] / known[octave].sum()
        off = seen[octave] - measured[:, octave]
        level = (off * share).sum(axis=1, keepdims=True)
        fit = -0.25 * ((off - level) ** 2 * known[octave]).sum(axis=1)
        weight = odds * np.exp(fit - fit.max())
        self.weight = weight / weight.sum()
        self.freedom = float(round(min(max(known[octave].sum() / 2, 2.0), LARGEST_FREEDOM)))
        # What no model explains, as waves of the data, is kept: at the lengths that show it and at longer ones.
        excess = np.maximum(seen[told] - np.sqrt(2 / known[told]) - (measured[:, told] + level), 0.0)
        lift = np.concatenate([excess, np.repeat(excess[:, -1:], len(lengths) - len(told), axis=1)], axis=1)
        self.errors = np.exp((expected + level + lift) / 2)  # (models, lengths)
        self.error = np.sqrt((self.weight[:, None] * self.errors**2).sum(axis=0))

    def chance(self, z: Floats, k: int, places: float) -> Floats:
        """Chance of a difference of ``z`` noise units of single rows, in either direction, at one of so many places."""
        u, log_survival, _ = student(self.freedom)
        single = np.exp(np.interp(z[:, None] / self.errors[:, k], u, log_survival))
        return np.asarray((self.weight * -np.expm1(-2 * places * single)).sum(axis=1))

    def log_chance(self, z: float, k: int) -> float:
        """Logarithm of the chance at one place, also where it is too small for a number."""
        u, log_survival, _ = student(self.freedom)
        single = np.interp(z / self.errors[:, k], u, log_survival)
        return float(np.logaddexp.reduce(np.log(self.weight + 1e-300) + single))


@lru_cache
def models(lengths: int) -> tuple[Floats, Floats, Floats]:
    """Log variance of differences of windows, and of what is measured, shape (models, lengths) each; odds (models,).

    Measured are differences two windows apart, in which slow noise shows less.
    """
    expected, measured, odds = [], [], []
    L = np.array(window_lengths(lengths), dtype=np.float64)
    for rho in CORRELATION:
        side = ((1 - rho**L) / (1 - rho)) ** 2 * rho  # covariance of the sums of neighbouring windows
        total = L * (1 + rho) / (1 - rho) - 2 * rho * (1 - rho**L) / (1 - rho) ** 2
        alone = 2 * (total - side) / L**2
        apart = side * (2 * rho**L - 1 - rho ** (2 * L)) / L**2
        for white, odd in WHITE.items() if rho else ((0.0, 4.0),):
            for walk, of_walk in WALK.items():
                wandered = walk * (2 * L * L + 1) / L / L[-1] ** 2
                expected.append(white * 2 / L + (1 - white) * alone + wandered)
                measured.append(white * 2 / L + (1 - white) * (alone - apart) + wandered)
                odds.append(odd * of_walk)
    return np.log(expected), np.log(measured), np.array(odds)


def window_lengths(count: int) -> list[int]:
    """1, 2, 3, 4, 6, 8, 11, 16, ...: two in an octave."""
    return [1, *(round(math.sqrt(2) ** k) for k in range(2, count + 1))]
