"""Other descriptions of the same rates: what a log cannot tell apart is told as a set, never chosen silently."""

from __future__ import annotations

import math
from collections.abc import Iterator

from analyzer.clocks.declared_shapes import ENDS
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.schedule_fit import Fit
from analyzer.clocks.schedules import Schedule
from analyzer.model import Floats

ENDED = 2  # rows further, at which a decay that has come to its end would be met


def other_rate(schedule: Schedule | Fit, rate: float) -> str | None:
    """k steps per update over T are one step per update over T / k, where no warmup shows the length as well."""
    if rate == 1.0 or not isinstance(schedule, Schedule) or schedule.warmup > 0 or schedule.family not in ENDS:
        return None
    if not math.isfinite(schedule.total):
        return None
    return f"stepped once per update, built for {schedule.total / rate:.6g} steps"


def other_fits(rows: Observed, fit: Fit, x: Floats) -> Iterator[str]:
    """A straight fall that the log does not follow to its end: to zero later, or to a floor at the last row."""
    if fit.family == "linear" and math.isfinite(fit.end) and x[-1] + ENDED * (x[-1] - x[-2]) < fit.end:
        yield f"linear to a floor of {rows.rate[-1]:.4g} at {x[-1]:.6g}"
