"""The declared schedule on every axis of events, at every count that the declaration names: looked up, not fitted.

All places at which the counter may stand (axis, count, phase) are one matrix of hypotheses by rows; each admitted
schedule is evaluated on it once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from analyzer.clocks.claim import Claim
from analyzer.clocks.declared_shapes import Candidate
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.rate_axes import counts
from analyzer.clocks.scheduler.heights import heights
from analyzer.clocks.schedules import at_height
from analyzer.distinct import distinct
from analyzer.model import Floats

FEW = 16  # rows on which all hypotheses are tried
STRETCHED = 1.5  # half widths, where the height was itself read off the log
PHASES = (0.0, -1.0, 1.0, -2.0)  # counts by which an origin may lie off: the rate used or next, counted from 0 or 1


class RateLine(Struct, frozen=True, kw_only=True):
    """A rate on an axis of events: counter = rate * x + origin, with an origin for every session."""

    axis: str
    rate: float
    origins: tuple[float, ...]
    stepped: bool = True  # whole counts; else it is the schedule that is longer or shorter by this factor


def counts_of(claim: Claim) -> tuple[float, ...]:
    """How many calls one event may mean: counts of the declaration, and inverses for lengths that are too long."""
    world, accumulation = claim.world, claim.accumulation
    epochs = (int(claim.epochs),) if claim.epochs and float(claim.epochs).is_integer() else ()  # sized for one epoch
    counts = dict.fromkeys((1, world, accumulation, world * accumulation, 2, *epochs))
    return (*(float(k) for k in counts), *(1 / k for k in counts if k > 1))


def native(candidate: Candidate, axis: str) -> bool:
    """Whether a schedule is declared to count what this axis counts."""
    return counts(axis) in (("epoch", "share") if candidate.unit == "epoch" else ("step",))


def possible(candidate: Candidate, axis: str) -> bool:
    """Whether a scheduler may be called at these events: a share of an epoch is no event for one in steps."""
    return candidate.unit == "epoch" or counts(axis) != "share"


def known_lines(
    claim: Claim, candidates: Sequence[Candidate], rows: Observed, sample: Observed, sessions: int
) -> Iterator[tuple[Candidate, RateLine]]:
    """Every admitted schedule with every count on every axis that passes through all rows, native axes first."""
    few = sample.rows(distinct(np.linspace(0, len(sample) - 1, FEW).astype(np.int64)))
    lines = [
        RateLine(axis=axis, rate=rate, origins=(rate * phase,) * sessions, stepped=stepped)
        for axis in rows.axes
        for rate in counts_of(claim)
        for phase in (PHASES if counts(axis) != "share" else (0.0,))
        for stepped in ((True, False) if rate < 1 and counts(axis) == "step" else (counts(axis) != "share",))
    ]  # fmt: skip
    if not lines:
        return
    places = np.stack([counter(line, few) for line in lines])
    free = claim.base_lr is None
    for candidate in candidates:
        if free:
            peak = heights(candidate.schedule, places, few)
            good = np.isfinite(peak)
        else:
            peak = np.full(len(lines), candidate.schedule.peak)
            good = np.asarray((np.abs(candidate.schedule(places) - few.rate) <= few.tolerance).all(axis=1))
        for number in np.flatnonzero(good).tolist():
            line = lines[number]
            if (native(candidate, line.axis) and line.rate == 1) or not possible(candidate, line.axis):
                continue
            fitted = replace(candidate, schedule=at_height(candidate.schedule, float(peak[number])))
            if all(passes(fitted, line, part, free=free) for part in (sample, rows)):
                yield fitted, line


def counter(line: RateLine, rows: Observed) -> Floats:
    """The counter at every row, the first session's origin throughout."""
    at = line.rate * rows.axes[line.axis] + line.origins[0]
    return np.floor(at + 1e-9) if line.stepped else at


def passes(candidate: Candidate, line: RateLine, rows: Observed, *, free: bool) -> bool:
    """Whether a schedule at a count passes through every row."""
    miss = np.abs(candidate.schedule(counter(line, rows)) - rows.rate)
    return bool((miss <= (STRETCHED if free else 1.0) * rows.tolerance).all())
