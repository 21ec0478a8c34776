"""The upper tail of a statistic, learnt from the run itself.

With it one false-alarm budget holds for Gaussian and for heavy-tailed noise alike. Each noise family of a grid gets its
likelihood from all values: skewed like a log-normal, heavy like a Student-t on both sides or on the upper one alone,
with or without a few wild rows. The lower side is what tells a skewed family from a heavy one. The chance of a maximum
is the mean over the families, each with its posterior: a short log, which cannot tell them apart, must not pretend to.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from msgspec import Struct

from analyzer.model import Floats, Ints

# Families and their odds before the run has said anything. A mean over a batch is nearly Gaussian; that over few
# samples is skewed like them (log-normal noise of 20 % has a skewness of 0.2) or as heavy as a Student-t of 4.
SKEWNESS = dict(
    zip(
        (-0.1, -0.05, 0.0, 0.05, 0.1, 0.15, 0.2, 0.27, 0.35, 0.43, 0.5, 0.6, 0.7, 0.85, 1.0),
        (3, 5, 30, 10, 10, 8, 8, 6, 5, 4, 4, 3, 2, 1, 1),
        strict=True,
    )
)
FREEDOM = {math.inf: 40, 30.0: 12, 15.0: 12, 8.0: 12, 5.0: 10, 4.0: 6, 3.0: 5, 2.2: 3}  # degrees of freedom
WILD = {(0.0, 1.0): 98.5} | dict.fromkeys(
    [(0.003, 2.0), (0.01, 2.0), (0.03, 2.0), (0.001, 5.0), (0.003, 5.0), (0.01, 5.0)], 0.25
)  # share of rows that are lifted by a law so many standard deviations wide
WILD_FREEDOM = 3.0  # of that law
LIGHT = 100.0  # degrees of freedom from which a tail is Gaussian as far as anybody sees

FEWEST = 8  # values that say anything about a law
SURE = 20  # values whose spread is known well enough; fewer get a wider one, by which 3,000 sound short runs kept 0.3 %
LEAST_SIGMA = 0.7  # noise units: a curve that keeps still moves by less, as its unit is that of its last digits
ENDS, MIDDLE = 120, 300  # values at either end that count one by one; those between are counted in so many groups
SCORES = np.linspace(-9.0, 9.0, 721)  # normal scores on which a family is tabulated
OUTSIDE = -60.0  # log density where the table ends

_LOG_SURVIVAL = np.log([0.5 * math.erfc(z / math.sqrt(2)) for z in SCORES.tolist()])
_NOUGHT = len(SCORES) // 2
_LOW, _HIGH = (int(np.argmin(np.abs(SCORES - z))) for z in (-1.0, 1.0))
_BELOW = 0.5 * math.erfc(1 / math.sqrt(2))  # share of a Gaussian below -1


class Families(Struct, frozen=True, kw_only=True, eq=False):
    """Standard laws: ``quantile`` and ``log_density`` there, shape (families, scores); ``log_odds``, (families,)."""

    quantile: Floats
    log_density: Floats
    log_odds: Floats


@lru_cache
def student(freedom: float) -> tuple[Floats, Floats, Floats]:
    """Student's t on a grid of u >= 0: u, log survival, log density."""
    u = np.concatenate([np.linspace(0, 1, 201)[:-1], np.geomspace(1, 1e9, 3000)])
    norm = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - 0.5 * math.log(freedom * math.pi)
    log = norm - (freedom + 1) / 2 * np.log1p(u * u / freedom)
    pieces = np.diff(u) * np.diff(np.exp(log)) / np.minimum(np.diff(log), -1e-12)  # exponential between grid points
    last = math.exp(log[-1]) * u[-1] / freedom
    beyond = np.append(np.cumsum(pieces[::-1])[::-1] + last, last)
    return u, np.log(np.maximum(beyond * (0.5 / beyond[0]), 1e-300)), log


@lru_cache
def families(order: float) -> Families:
    """The grid, for a statistic that goes far only when ``order`` independent rows do, as the median of a block."""
    scores, survival = SCORES[_NOUGHT:], _LOG_SURVIVAL[_NOUGHT:]
    nonzero = np.where(SCORES == 0, 1e-12, SCORES)
    quantiles, densities, odds = [], [], []
    for freedom, share in FREEDOM.items():
        upper = scores
        if freedom * order < LIGHT:
            u, log, _ = student(freedom * order)
            upper = np.interp(-survival, -log, u)
        for lower in (upper,) if upper is scores else (upper, scores):
            both = np.concatenate([-lower[:0:-1], upper])
            for skewness, of_skewness in SKEWNESS.items():
                g = skewness / math.sqrt(order)
                quantile = both * (np.expm1(g * nonzero) / (g * nonzero)) if g else both
                quantiles.append(quantile)
                densities.append(-0.5 * SCORES**2 - 0.5 * math.log(2 * math.pi) - np.log(np.gradient(quantile, SCORES)))
                odds.append(share * of_skewness / (1 if upper is scores else 2))
    return Families(
        quantile=np.array(quantiles), log_density=np.array(densities), log_odds=np.log(np.array(odds) / sum(odds))
    )


class Tail:
    """The law of ``values`` in noise units, shape (n,): fitted once, asked often.

    Args:
        order: rows that must go far for one value to do so, 1 for values of single rows.
        wild: whether single rows may come from a wider law.
    """

    def __init__(self, values: Floats, *, order: float = 1.0, wild: bool = True) -> None:
        self.values = values
        self.known = False
        if len(values) < FEWEST:
            return
        low, self.middle, high = np.quantile(values, [_BELOW, 0.5, 1 - _BELOW]).tolist()
        self.known = high > low
        if not self.known:
            return
        self.sigma = max((high - low) / 2, LEAST_SIGMA) * max(1.0, math.sqrt(SURE / len(values)))
        self.families = families(order)
        self.shares, self.widths = np.array(list(WILD) if wild else [(0.0, 1.0)]).T
        odds = np.array(list(WILD.values()))[: len(self.shares)]
        self.log_odds = self.families.log_odds[:, None] + np.log(odds / odds.sum())
        quantile = self.families.quantile
        self.scale = 2 * self.sigma / (quantile[:, _HIGH] - quantile[:, _LOW])
        most = min(2 * ENDS, len(values))
        highest = np.argpartition(values, len(values) - most)[len(values) - most :]
        self.highest = highest[np.argsort(-values[highest])]
        points, counts = _grouped(np.sort(values))
        self.log_likelihood = np.einsum("p,pfw->fw", counts, self._log_density(points))

    def chance_of_maximum(self, x: float, *, of: int, without: Ints | None = None) -> float:
        """Chance that the largest of ``of`` values exceeds ``x``; 1.0 when there are too few to know a law.

        Args:
            without: indices of values that are no noise, perhaps. They are known only to be larger than all others:
                left out altogether they would make every heavy tail a light one.
        """
        if not self.known or x <= self.middle:
            return 1.0
        likelihood = self.log_likelihood
        if without is not None and len(without):
            if len(self.values) - len(without) < FEWEST:
                return 1.0
            rest = self.highest[~np.isin(self.highest, without)]
            if not len(rest):
                return 1.0
            top = float(self.values[rest[0]])
            left = self.values[without]
            likelihood = likelihood - self._log_density(left).sum(axis=0)
            likelihood = likelihood + int(np.sum(left > top)) * self._log_survival(top)
        posterior = likelihood + self.log_odds
        weight = np.exp(posterior - posterior.max())
        beyond = np.minimum(np.exp(self._log_survival(x)), 1 - 1e-12)
        return float((weight * -np.expm1(of * np.log1p(-beyond))).sum() / weight.sum())

    def _log_density(self, points: Floats) -> Floats:
        """Shape (points, families, wild shares)."""
        above = points - self.middle
        table = np.stack(
            [
                np.interp(above / scale, quantile, log, left=OUTSIDE, right=OUTSIDE) - math.log(scale)
                for quantile, log, scale in zip(
                    self.families.quantile, self.families.log_density, self.scale.tolist(), strict=True
                )
            ],
            axis=1,
        )[:, :, None]
        if len(self.shares) == 1:
            return table
        width = self.widths * self.sigma
        u, _, log = student(WILD_FREEDOM)
        at = np.maximum(above, 0.0)[:, None] / width
        wild = np.where(above[:, None] > 0, 2 / width * np.exp(np.interp(at, u, log)), 0.0)
        return np.asarray(np.log((1 - self.shares) * np.exp(table) + (self.shares * wild)[:, None, :] + 1e-300))

    def _log_survival(self, x: float) -> Floats:
        """Shape (families, wild shares)."""
        above = x - self.middle
        table = np.array(
            [
                np.interp(above / scale, quantile, _LOG_SURVIVAL)
                for quantile, scale in zip(self.families.quantile, self.scale.tolist(), strict=True)
            ]
        )[:, None]
        if len(self.shares) == 1:
            return table
        u, log, _ = student(WILD_FREEDOM)
        wild = np.minimum(1.0, 2 * np.exp(np.interp(max(above, 0.0) / (self.widths * self.sigma), u, log)))
        return np.asarray(np.log((1 - self.shares) * np.exp(table) + self.shares * wild))


def _grouped(ordered: Floats) -> tuple[Floats, Floats]:
    """Values with their counts: those at the ends one by one, means of groups between them."""
    if len(ordered) <= 2 * ENDS + MIDDLE:
        return ordered, np.ones(len(ordered))
    body = ordered[ENDS:-ENDS]
    cuts = np.linspace(0, len(body), MIDDLE + 1).astype(np.int64)
    counts = np.diff(cuts)
    means = np.add.reduceat(body, cuts[:-1]) / counts
    return (
        np.concatenate([ordered[:ENDS], means, ordered[-ENDS:]]),
        np.concatenate([np.ones(ENDS), counts, np.ones(ENDS)]),
    )
