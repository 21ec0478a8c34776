"""Constants of robust statistics that the clocks and rules share."""

from __future__ import annotations

MAD_TO_SIGMA = 1.4826
"""Standard deviations in a median absolute deviation, for Gaussian noise: 1 over the normal quantile of 3/4."""
