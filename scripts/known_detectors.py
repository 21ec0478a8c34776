"""Three spike detectors that run inside training frameworks, written anew from their descriptions, to compare with.

Each returns, for every row, how far the row goes on the detector's own scale; an alarm is a value of at least the
detector's threshold. All look at the past only, as they must: they run while the training does.
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
