"""Single rows beside an otherwise exact schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analyzer.clocks.declared_schedule import Claim
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.scheduler import Deviation, SchedulerClock
from analyzer.clocks.scheduler.changes import CLEARLY, SINGLE_ROWS
from analyzer.clocks.scheduler.known import OFFSETS, Known, clock_of, extras_of, hypotheses, matches, peaks_of, row_of
from analyzer.model import Floats

if TYPE_CHECKING:
    from analyzer.timeline import Timeline


def single_rows(
    timeline: Timeline, claim: Claim, rows: Observed, sample: Observed, main: bool
) -> SchedulerClock | None:
    """The declared schedule with one or two rows beside it."""
    if claim.family in (None, "plateau") or not main:
        return None
    peak = peaks_of(claim, rows, main)[0]
    for known in hypotheses(claim, sample, peak, extras_of(sample), offsets=(*OFFSETS, -2)):
        good = matches(known, sample)
        if not good.all() and not _are_single(good):
            continue
        good = matches(known, rows)
        if (
            good.all()
            or not _are_single(good)
            or few_warmup_rows(known, rows, good)
            or opening_rows(claim, rows, known.on(rows), np.flatnonzero(~good))
            or not clearly_off(rows, known.on(rows), np.flatnonzero(~good))
        ):
            continue
        deviation = rows_beside(timeline, rows, known.on(rows), np.flatnonzero(~good))
        return clock_of(rows, known, deviations=(deviation,), explained=float(good.mean()))
    return None


def _are_single(good: np.ndarray) -> bool:
    """Misses are few, come one or two at a time, and are followed by rows that fit again."""
    if good.sum() < max(5, 0.6 * len(good)) or not good[-1]:
        return False
    edges = np.flatnonzero(np.diff(np.concatenate([[True], good, [True]]).astype(np.int8)))
    lengths = edges[1::2] - edges[::2]
    return bool(len(lengths) <= 20 and (lengths <= SINGLE_ROWS).all())


def few_warmup_rows(known: Known, rows: Observed, good: np.ndarray) -> bool:
    """The rows that are off are the warmup's own, and too few to know its form."""
    schedule = known.schedule
    warming = known.rate * (rows.axes[known.axis] + known.offset) < schedule.warmup
    return bool(warming.sum() <= 3 and not (~good & ~warming).any() and warming.any())


def opening_rows(claim: Claim, rows: Observed, value: Floats, wrong: np.ndarray) -> bool:
    """The first rows, and too low: a warmup that nobody declared, or one of a form that so few rows do not show."""
    width = max(claim.warmups, default=0.0)
    inside = width > 0 and bool(rows.axes[next(iter(rows.axes))][wrong[-1]] <= width)
    if inside and claim.base_lr is None:
        return True  # of an unknown height as well
    if not claim.warmup_declared and wrong[0] == 0 and rows.rate[0] < value[0]:
        return True
    return inside and not (wrong != np.arange(len(wrong))).any() and not (rows.rate[wrong] >= value[wrong]).any()


def clearly_off(rows: Observed, value: Floats, wrong: np.ndarray) -> bool:
    """Far outside their intervals: a schedule that is known only nearly grazes many."""
    off = np.abs(value[wrong] - rows.rate[wrong])
    return bool((off > np.maximum(CLEARLY * rows.tolerance[wrong], 0.01 * np.abs(value[wrong]))).all())


def rows_beside(timeline: Timeline, rows: Observed, value: Floats, wrong: np.ndarray) -> Deviation:
    shown = wrong[:4].tolist()
    first = shown[0]
    count = "1 row leaves" if len(wrong) == 1 else f"{len(wrong)} rows leave"
    return Deviation(
        kind="isolated",
        step=int(rows.step[first]),
        last_step=int(rows.step[wrong[-1]]),
        what=f"{count} an otherwise exact schedule: {rows.rate[first]:.6g} at step {rows.step[first]} "
        f"instead of {value[first]:.6g}",
        numbers={"rows": len(wrong), "observed": float(rows.rate[first]), "expected": float(value[first])},
        evidence=tuple(row_of(timeline, rows, place, f"should be {value[place]:.6g}") for place in shown),
    )
