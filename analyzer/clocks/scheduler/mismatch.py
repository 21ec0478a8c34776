"""One declared parameter that is another in the log, and what a fit shows of the log's own height."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from msgspec import Struct

from analyzer.clocks import prices
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.schedule_fit import Fit
from analyzer.clocks.scheduler_clock import Kind

OTHER_PEAK = 1e-3  # relative; printed rates have three digits at least
CONVENTION = 1.5  # steps by which horizon and warmup may differ and still be a convention
FEWEST_FALLING = 3  # rows between top and floor, below which a fall may be any
EXACTLY = 1e-3  # steps


class Mismatch(Struct, frozen=True, kw_only=True):
    """One declared parameter that is another in the log."""

    kind: Kind
    what: str
    numbers: Mapping[str, Any]
    price: float = prices.PARAMETER
    note: bool = False
    told: bool = True  # False: it costs, and there is nothing to say


def still_rising(rows: Observed, fit: Fit) -> bool:
    """Whether the log ends with the warmup: what follows is not told."""
    return fit.family == "constant" and fit.rise is not None and int(np.argmax(rows.rate)) >= len(rows) - 1


def height_is_seen(rows: Observed, fit: Fit, axis: str, declared: float) -> bool:
    """Whether the log shows the top itself: a plateau, every step around it, or a rate above the declared one."""
    if fit.family not in ("constant", "exponential", "step", "inverse-time", "inverse-sqrt") and fit.rise is None:
        return bool(rows.rate[0] > declared * (1 + OTHER_PEAK)) or fit.held >= 2
    x, top = rows.axes[axis], int(np.argmax(rows.rate))
    if rows.rate[top] > declared * (1 + OTHER_PEAK):
        return True
    level = np.count_nonzero(np.abs(rows.rate - rows.rate[top]) <= 2 * rows.tolerance)
    around = x[max(top - 1, 0) : top + 2]
    return bool(level >= 3 or (len(around) > 1 and np.diff(around).max() <= 1))
