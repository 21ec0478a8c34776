"""Schedules that nobody declared, read off the beginning of a log or off its increments."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from analyzer.clocks.claim import Claim
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.schedule_fit import Fit, agrees, identified, identify
from analyzer.clocks.scheduler.breaks import CounterChange
from analyzer.clocks.scheduler.tied import Tied, stated

FEWEST_BEFORE = 8  # rows that a schedule nobody declared must explain before it is left
WINDOW = 9  # rows around a step that tell how long steps are there
CLEAR_STEP = 4  # half widths that such a step must be long
MOST_CALLS = 3  # of the scheduler between two rows
ODD_SHARE = 0.2  # of the rows: with more of them the usual step is not known


class Left(Struct, frozen=True, kw_only=True, eq=False):
    """A reference and its breaks."""

    tied: Tied
    found: tuple[CounterChange, ...]
    declared: bool


def by_increments(claim: Claim, rows: Observed) -> Left | None:
    """A schedule that nobody declared, on a counter whose every increment is read off the rows.

    Where the rate moves smoothly, a row that stands still is an update that was skipped, and a step twice as long as
    those around it is a second call: the increment is the step over the median of its neighbours.
    """
    x, y, tolerance = rows.axes.get("step"), rows.rate, rows.tolerance
    if x is None or len(x) < 2 * WINDOW or (np.diff(rows.session) != 0).any():
        return None
    spacing = np.diff(x)
    if spacing[0] <= 0 or np.ptp(spacing) > 0:
        return None
    moved = np.diff(y)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(moved, WINDOW // 2, mode="edge"), WINDOW)
    usual = np.median(around, axis=1)
    with np.errstate(all="ignore"):
        times = np.where(np.abs(usual) > CLEAR_STEP * tolerance[1:], np.round(moved / usual), 1.0)
    times = np.where((times >= 0) & (times <= MOST_CALLS), times, 1.0)
    odd = np.flatnonzero(times != 1)
    if not len(odd) or len(odd) > ODD_SHARE * len(times):
        return None
    extra = np.concatenate([[0.0], np.cumsum(times - 1)]) * spacing[0]
    counted = replace(rows, axes={**rows.axes, "step": x + extra})
    thin = counted.sample()
    keep = np.concatenate([[True], np.diff(thin.axes["step"]) > 0])
    thin = thin.rows(keep)
    for fit in identified(
        thin.axes["step"], thin.rate, thin.tolerance, peaks=stated(claim.base_lr), floors=stated(claim.min_lr)
    ):
        if fit.family != "step" and agrees(fit, counted.axes["step"], y, tolerance).all():
            ends = np.append(odd[1:], len(y) - 1)
            found = tuple(
                CounterChange(place=int(k) + 1, rows=int(end - k), how="shift", size=float(extra[k + 1]))
                for k, end in zip(odd, ends, strict=True)
            )
            return Left(tied=Tied(schedule=fit, axis="step", unit="step"), found=found, declared=False)
    return None


def beginnings(claim: Claim, sample: Observed) -> Iterator[Tied]:
    """The schedule that explains the most rows from the first on, with more rows than it has parameters."""
    for axis in ("step", "epoch"):
        if axis not in sample.axes:
            continue
        x, y, tolerance = sample.axes[axis], sample.rate, sample.tolerance

        def fit_to(count: int) -> Fit | None:
            return identify(
                x[:count], y[:count], tolerance[:count],  # noqa: B023
                families=(claim.family,) if claim.family not in (None, "plateau") else None,
                peaks=stated(claim.base_lr), floors=stated(claim.min_lr),
            )  # fmt: skip

        low, high = max(FEWEST_BEFORE, len(x) // 8), len(x)
        best = fit_to(low) if high > low else None
        if best is None and low > 2 * FEWEST_BEFORE:
            low, best = 2 * FEWEST_BEFORE, fit_to(2 * FEWEST_BEFORE)
        if best is None:
            continue
        while high - low > 1:
            middle = (low + high) // 2
            fit = fit_to(middle)
            low, high, best = (middle, high, fit) if fit is not None else (low, middle, best)
        yield Tied(schedule=best, axis=axis, unit=axis)
