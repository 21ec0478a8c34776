"""Detectors to compare with, written anew from their descriptions: three that run inside training frameworks, and two
of changes from statistics.

Each returns, for every row, how far the row goes on the detector's own scale; an alarm is a value of at least the
detector's threshold. Those of frameworks look at the past only, as they must: they run while the training does.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float64]

OLMO_WINDOW, OLMO_THRESHOLD = 1000, 7.0
KILL_SHARE, KILL_LEAST_WINDOW, KILL_RATIO, KILL_ROWS = 0.05, 100, 2.0, 5
ROLLING_WINDOW, ROLLING_THRESHOLD = 100, 4.0


def olmo_spike_score(loss: Floats) -> Floats:
    """Standard deviations from the rolling mean of the last 1000 values (arXiv 2501.00656, section 3): 7 is a spike.

    A run shorter than the window is judged on what there is, from the tenth row on: the sentence does not say.
    """
    return _deviations(loss, OLMO_WINDOW, least=10)


def rolling_z_score(loss: Floats) -> Floats:
    """Standard deviations above the mean of the last 100 values, as a monitoring rule would be set up."""
    return _deviations(loss, ROLLING_WINDOW, least=10)


def _deviations(loss: Floats, window: int, least: int) -> Floats:
    n = len(loss)
    centred = loss - loss.mean()
    total = np.concatenate([[0.0], np.cumsum(centred)])
    squares = np.concatenate([[0.0], np.cumsum(centred**2)])
    stop = np.arange(n)
    start = np.maximum(0, stop - window)
    count = np.maximum(stop - start, 1)
    mean = (total[stop] - total[start]) / count
    variance = np.maximum((squares[stop] - squares[start]) / count - mean**2, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (centred - mean) / np.sqrt(variance)
    return np.where((stop >= least) & (variance > 0), z, 0.0)


def kill_loss_spike(loss: Floats) -> Floats:
    """Five consecutive losses of at least ``ratio`` times the mean of the window before: 2.0 is a spike.

    The callback of llm-foundry; its window is 5 % of the run and at least 100 rows, and holds the outliers too.
    The value is the smallest ratio of the five rows that end here.
    """
    n = len(loss)
    window = max(KILL_LEAST_WINDOW, round(KILL_SHARE * n))
    if n <= window + KILL_ROWS:
        return np.zeros(n)
    total = np.concatenate([[0.0], np.cumsum(loss)])
    ratio = np.zeros(n)
    stop = np.arange(window, n)
    ratio[window:] = loss[window:] / ((total[stop] - total[stop - window]) / window)
    five = sliding_window_view(ratio, KILL_ROWS).min(axis=1)
    return np.concatenate([np.zeros(KILL_ROWS - 1), five])


def pelt(loss: Floats) -> Floats:
    """The largest penalty, in units of the variance of single rows, at which a change begins at each row.

    Changes of the mean under squared error by dynamic programming with pruning (Killick, Fearnhead and Eckley 2012),
    at penalties a factor of 1.5 apart; the variance from differences, segments of five rows at least.
    """
    n = len(loss)
    scale = 1.4826 * float(np.median(np.abs(np.diff(loss)))) / np.sqrt(2) or 1.0
    x = (loss - np.median(loss)) / scale
    total, squares = np.concatenate([[0.0], np.cumsum(x)]), np.concatenate([[0.0], np.cumsum(x * x)])
    score = np.zeros(n)
    for penalty in PELT_PENALTIES:
        changes = _segments(total, squares, n, penalty)
        if not changes:
            break
        score[changes] = penalty
    return score


PELT_PENALTIES = tuple(10.0 * 1.5**k for k in range(22))
PELT_THRESHOLD = 3 * np.log(1000)  # the penalty BIC would take for a thousand rows
SHORTEST_SEGMENT = 5


def _segments(total: Floats, squares: Floats, n: int, penalty: float) -> list[int]:
    cost, before = np.full(n + 1, np.inf), np.zeros(n + 1, dtype=np.int64)
    cost[0] = -penalty
    candidates = np.array([0])
    for end in range(SHORTEST_SEGMENT, n + 1):
        if end >= 2 * SHORTEST_SEGMENT:
            candidates = np.append(candidates, end - SHORTEST_SEGMENT)
        inside = squares[end] - squares[candidates] - (total[end] - total[candidates]) ** 2 / (end - candidates)
        value = cost[candidates] + inside + penalty
        best = int(value.argmin())
        cost[end], before[end] = value[best], candidates[best]
        candidates = candidates[value - penalty <= cost[end]]
    changes, at = [], n
    while (at := int(before[at])) > 0:
        changes.append(at)
    return changes


BOCPD_HAZARD, BOCPD_LONGEST, BOCPD_THRESHOLD = 1 / 1000, 400, 0.5
RECENT = 10  # rows


def bayesian_online(loss: Floats) -> Floats:
    """Log-odds that the run length is at most ten rows (Adams and MacKay 2007), Gaussian noise.

    Mean and variance are unknown; their prior is that of the first rows' differences; run lengths beyond 400 are one.
    """
    n = len(loss)
    scale = 1.4826 * float(np.median(np.abs(np.diff(loss[: max(50, n // 10)])))) / np.sqrt(2) or 1.0
    x = (loss - np.median(loss[:20])) / scale
    log_r, mu = np.zeros(1), np.zeros(1)
    kappa, alpha, beta = np.full(1, 0.01), np.full(1, 2.0), np.full(1, 2.0)
    score = np.full(n, -50.0)
    hazard = np.log(BOCPD_HAZARD), np.log1p(-BOCPD_HAZARD)
    for t, value in enumerate(x.tolist()):
        spread = beta * (kappa + 1) / (alpha * kappa)
        log_p = _log_gamma_ratio(alpha) - 0.5 * np.log(2 * alpha * np.pi * spread)
        log_p = log_p - (alpha + 0.5) * np.log1p((value - mu) ** 2 / (2 * alpha * spread))
        grown, begun = log_r + log_p + hazard[1], np.logaddexp.reduce(log_r + log_p + hazard[0])
        log_r = np.concatenate([[begun], grown])
        log_r -= np.logaddexp.reduce(log_r)
        beta = np.concatenate([[2.0], beta + kappa * (value - mu) ** 2 / (2 * (kappa + 1))])
        mu = np.concatenate([[0.0], (kappa * mu + value) / (kappa + 1)])
        kappa, alpha = np.concatenate([[0.01], kappa + 1]), np.concatenate([[2.0], alpha + 0.5])
        if len(log_r) > BOCPD_LONGEST:
            log_r, mu, kappa, alpha, beta = (a[:BOCPD_LONGEST] for a in (log_r, mu, kappa, alpha, beta))
        if t > 2 * RECENT:
            recent = np.logaddexp.reduce(log_r[:RECENT])
            score[t] = recent - np.log(max(-np.expm1(recent), 1e-20))
    return score


def _log_gamma_ratio(alpha: Floats) -> Floats:
    """log Gamma(alpha + 1/2) - log Gamma(alpha)."""
    from scipy.special import gammaln

    return np.asarray(gammaln(alpha + 0.5) - gammaln(alpha))
