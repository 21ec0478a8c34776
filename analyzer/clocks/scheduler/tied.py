"""Declared schedules tied to an axis of the log, and the rows that they pass through."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from analyzer.clocks.claim import Claim
from analyzer.clocks.declared_shapes import candidates
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.rate_axes import counts
from analyzer.clocks.schedule_families.conventions import Extras
from analyzer.clocks.schedule_fit import Fit, identify, line_through
from analyzer.clocks.scheduler.counters import course_through, tabled
from analyzer.clocks.schedules import Schedule, at_height, ending
from analyzer.distinct import distinct
from analyzer.model import Floats, Row
from analyzer.timeline import Timeline

Mask = NDArray[np.bool_]
OFFSETS = (0, -1, 1)  # rate used or next, steps counted from 0 or 1
LATE = -2  # steps counted from 1, and a scheduler that lags one update: DeepSpeed's warmup schedules
NEVER = 1e12  # an end beyond any log, for a decay that has not begun
ESTIMATED = 1.5  # half widths, where a factor or the warmup's start was itself read off the log
MOST_DIGITS = 4  # of a peak that somebody chose
BEYOND = 2  # counts behind a warmup's end, by which conventions place it elsewhere
FEW = 12  # rows on which a hypothesis is tried first
MOST_REFERENCES = 60  # schedules whose counters are looked at row by row
OF_AN_AXIS = 2  # that count the same events, before others have their turn
FEWEST_FOLLOWED = 3  # rows in a row, before which a reference is taken by how plain it is


class Tied(Struct, frozen=True, kw_only=True, eq=False):
    """A schedule tied to an axis of the log: what it gives at every row."""

    schedule: Schedule | Fit
    axis: str
    unit: str  # what the schedule counts: "step" or "epoch"
    rate: float = 1.0
    offset: float = 0.0
    stepped: bool = False  # the counter moves in whole numbers although rate is a fraction
    height_read: bool = False  # off the log: nobody declares it, or the log has another

    def counter(self, x: Floats) -> Floats:
        p = self.rate * (x + self.offset)
        return np.floor(p + 1e-9) if self.stepped else p

    def at(self, x: Floats) -> Floats:
        return self.schedule(self.counter(x))

    def on(self, rows: Observed) -> Floats:
        return self.at(rows.axes[self.axis])


def axes_for(unit: str, rows: Observed) -> list[str]:
    """Axes of the log that a schedule with this unit may run on."""
    wanted = ("step",) if unit == "step" else ("epoch", "share")
    return [axis for kind in wanted for axis in rows.axes if counts(axis) == kind]


def extras_of(rows: Observed, totals: tuple[float, ...] = ()) -> Extras:
    """What only the log can tell a declaration."""
    axis = rows.axes.get("step", next(iter(rows.axes.values())))
    starts: tuple[float, ...] = ()
    top = int(np.argmax(rows.rate))
    if top >= 2:
        line = line_through(axis[:top], rows.rate[:top], rows.tolerance[:top])
        if line is not None and line[0] > 0:
            starts = tuple(line[1] - line[0] * offset for offset in OFFSETS)
    low = top + int(np.argmin(rows.rate[top:]))
    lowest = float(rows.rate[low])
    held = len(rows) > 3 and bool((np.abs(rows.rate[[-1, -3]] - lowest) <= rows.tolerance[low]).all())
    return Extras(
        lowest=lowest,
        lowest_is_floor=held,
        warmup_starts=starts,
        furthest=float(max(a.max() for a in rows.axes.values())),
        totals=totals,
    )


def hypotheses(claim: Claim, rows: Observed, peak: float, extras: Extras) -> Iterator[Tied]:
    """Every declared schedule on every axis that its unit allows, in every phase that is a habit of loggers."""
    known_phase = counted_laps(rows)
    for candidate in candidates(claim, peak, extras):
        for axis in axes_for(candidate.unit, rows):
            wide = axis == "step" or (axis == "epoch" and rows.axes[axis][0] >= 1)
            fixed = axis in known_phase or counts(axis) == "share"
            for offset in (0,) if fixed else (*OFFSETS, LATE) if wide else OFFSETS:
                yield Tied(schedule=candidate.schedule, axis=axis, unit=candidate.unit, offset=offset)


def counted_laps(rows: Observed) -> tuple[str, ...]:
    """Epoch axes with several rows per epoch: there the first of them tells the epoch's rate, and no phase is open."""
    axes = [axis for axis in rows.axes if counts(axis) == "epoch" and "step" in rows.axes]
    return tuple(axis for axis in axes if len(rows) >= 2 * len(distinct(rows.axes[axis])))


def peaks_of(claim: Claim, rows: Observed) -> list[float]:
    """Heights that a schedule may have: the declared one first, then the highest that was logged."""
    top = float(rows.rate.max())
    if top <= 0:
        return [claim.base_lr or 1.0]
    if claim.base_lr is None:
        return [top]
    return [claim.base_lr] if abs(top - claim.base_lr) < 1e-9 * top else [claim.base_lr, top]


def as_declared(claim: Claim, sample: Observed, rows: Observed) -> Tied | None:
    """The first declared schedule that passes through every row."""
    if claim.family is None or claim.family == "plateau":
        return None
    extras = extras_of(sample, own_totals(claim, sample))
    few = sample.rows(distinct(np.linspace(0, len(sample) - 1, FEW).astype(np.int64)))
    for guess in (extras, replace(extras, usual_floors=True)):
        for peak in peaks_of(claim, rows):
            for tied in hypotheses(claim, sample, peak, guess):
                free = peak != claim.base_lr  # the top itself may not be logged
                if not free and not matches(tied, few).all():
                    continue
                fitted = at_its_height(tied, sample, declared=claim.base_lr is not None) if free else tied
                if fitted is not None and matches(fitted, rows).all():
                    return fitted
        if claim.min_lr is not None or claim.family not in ending():
            break
    return None


def at_its_height(tied: Tied, rows: Observed, *, declared: bool) -> Tied | None:
    """The schedule if it passes through the rows, at a height that the intervals of all rows admit.

    Inside a warmup nothing but its slope is seen: there is no height to read.

    Args:
        declared: another height is.
    """
    schedule = tied.schedule
    inside = isinstance(schedule, Schedule) and tied.counter(rows.axes[tied.axis]).max() < schedule.warmup + BEYOND
    if matches(tied, rows).all() and not (inside and declared):
        return tied
    if not isinstance(schedule, Schedule) or inside:
        return None
    peak = float(heights(schedule, tied.counter(rows.axes[tied.axis])[None, :], rows)[0])
    if not math.isfinite(peak):
        return None
    return replace(tied, schedule=at_height(schedule, peak), height_read=True)


def heights(schedule: Schedule, counters: Floats, rows: Observed) -> Floats:
    """Peak with which a schedule passes through all rows, one for each line of counters; NaN where there is none.

    Args:
        counters: shape (hypotheses, rows).
    """
    low, high = _peaks_by_row(schedule, counters, rows)
    return _between(low.max(axis=1), high.min(axis=1))


def _peaks_by_row(schedule: Schedule, counters: Floats, rows: Observed) -> tuple[Floats, Floats]:
    """The interval of peaks that every row's interval admits: a rate is a straight line in the peak."""
    with np.errstate(all="ignore"):
        one, two = schedule(counters), at_height(schedule, 2 * schedule.peak)(counters)
        ends = rows.rate - rows.tolerance, rows.rate + rows.tolerance
        below, above = (schedule.peak * (1 + (end - one) / (two - one)) for end in ends)
    moves = two - one > 1e-9 * schedule.peak
    any_peak = np.abs(one - rows.rate) <= rows.tolerance
    low = np.where(moves, below, np.where(any_peak, -np.inf, np.inf))
    return low, np.where(moves, above, np.where(any_peak, np.inf, -np.inf))


def _between(low: Floats, high: Floats) -> Floats:
    """The roundest number of an interval: people choose such peaks; NaN where it is empty."""
    with np.errstate(all="ignore"):
        middle = np.where((low <= high) & (high > 0) & np.isfinite(low + high), 0.5 * (low + high), np.nan)
        chosen = middle.copy()
        for digits in range(MOST_DIGITS, 0, -1):
            unit = 10.0 ** (np.floor(np.log10(middle)) - digits + 1)
            rounded = np.round(middle / unit) * unit
            chosen = np.where((rounded >= low) & (rounded <= high), rounded, chosen)
        return chosen


def _at_followed_height(tied: Tied, rows: Observed) -> Tied:
    """The schedule at the height with which it passes through the most rows from the first on."""
    schedule, counter = tied.schedule, tied.counter(rows.axes[tied.axis])
    if not isinstance(schedule, Schedule):
        return tied
    low, high = (side[0] for side in _peaks_by_row(schedule, counter[None, :], rows))
    peaks = _between(np.maximum.accumulate(low), np.minimum.accumulate(high))
    known = np.flatnonzero(np.isfinite(peaks))
    if not len(known) or counter[known[-1]] < schedule.warmup + BEYOND:
        return tied
    return replace(tied, schedule=at_height(schedule, float(peaks[known[-1]])), height_read=True)


def matches(tied: Tied, rows: Observed) -> Mask:
    """Which rows the schedule passes through."""
    estimated = tied.height_read or (isinstance(tied.schedule, Schedule) and tied.schedule.warmup_start > 0)
    slack = ESTIMATED * rows.tolerance if estimated else rows.tolerance
    result: Mask = np.abs(tied.on(rows) - rows.rate) <= slack
    return result


def own_totals(claim: Claim, rows: Observed) -> tuple[float, ...]:
    """Ends read off the log, for a schedule whose length nobody declares."""
    axis = rows.axes.get("step")
    if claim.totals or claim.family not in ending() or axis is None:
        return ()
    falls = ("linear", "cosine", "1-sqrt") if claim.family == "wsd" else (claim.family,)
    fit = identify(
        axis, rows.rate, rows.tolerance, families=falls, peaks=stated(claim.base_lr), floors=stated(claim.min_lr)
    )
    found = [] if fit is None or not math.isfinite(fit.end) else [float(round(fit.end)) + k for k in (0, -1, 1)]
    if claim.family == "wsd":
        found.append(NEVER)
    return (*found, float(axis[-1]), float(axis[-1]) + 1)


def stated(*values: float | None) -> tuple[float, ...]:
    """Those that are known."""
    return tuple(value for value in values if value is not None)


def references(claim: Claim, sample: Observed, wanted: int) -> list[Tied]:
    """The declared schedules to compare with: first those with a counter for every row, then those followed longest."""
    if claim.family in (None, "plateau"):
        return []
    extras = extras_of(sample, own_totals(claim, sample))
    extras = replace(extras, furthest=extras.furthest * (2 if wanted > 1 else 1))  # a counter may be doubled
    guesses = [extras]
    if claim.min_lr is None and claim.family in ending():
        guesses.append(replace(extras, usual_floors=True))
    peak = peaks_of(claim, sample)[0]
    followed: dict[object, tuple[int, int, int, Tied]] = {}  # the best phase of every schedule
    for number, guessed in enumerate(one for guess in guesses for one in hypotheses(claim, sample, peak, guess)):
        tied = guessed if claim.base_lr is not None else _at_followed_height(guessed, sample)
        good = matches(tied, sample)
        prefix = int(np.argmin(good)) if not good.all() else len(good)
        if prefix < FEWEST_FOLLOWED and tied.axis != axes_for(tied.unit, sample)[0]:
            continue
        total = -int(good.sum()) if prefix >= FEWEST_FOLLOWED else 0
        key, score = (guessed.schedule, tied.axis), (-prefix, total, number, tied)
        if key not in followed or score[:3] < followed[key][:3]:
            followed[key] = score
    in_turn = sorted(followed.values(), key=lambda one: one[:3])[:MOST_REFERENCES]
    reached = [_reaches_every_row(one[3], sample) for one in in_turn] if wanted > 1 else [True] * len(in_turn)
    best = [in_turn[k][3] for k in sorted(range(len(in_turn)), key=lambda k: (not reached[k], k))]
    events = [counts(tied.axis) for tied in best]
    order = sorted(range(len(best)), key=lambda k: (events[:k].count(events[k]) // OF_AN_AXIS, k))
    return [best[k] for k in order[:wanted]]


def _reaches_every_row(tied: Tied, rows: Observed) -> bool:
    """Whether a counter that never goes back passes through all rows."""
    furthest = float(rows.axes[tied.axis].max()) + 2
    table = tabled(replace(tied, offset=0.0).at, furthest)
    return table is not None and course_through(table, rows.rate, rows.tolerance).refuted is None


def evidence_against(
    timeline: Timeline, rows: Observed, tied: Tied | None, count: int = 3
) -> tuple[int, tuple[Row, ...]]:
    """First row that leaves a schedule, and a few rows with what they should be."""
    if tied is None:
        return 0, (row_of(timeline, rows, 0, "first row"),)
    value = tied.on(rows)
    wrong = np.flatnonzero(~matches(tied, rows))
    if not len(wrong):
        return 0, ()
    far = int(wrong[int(np.argmax(np.abs(value[wrong] - rows.rate[wrong])))])
    places = list(dict.fromkeys([int(wrong[0]), far, int(wrong[-1])]))[:count]
    return int(wrong[0]), tuple(row_of(timeline, rows, place, f"should be {value[place]:.6g}") for place in places)


def row_of(timeline: Timeline, rows: Observed, place: int, why: str) -> Row:
    """One observed row as evidence."""
    return timeline.row(rows.series, int(rows.index[place]), why)


def inner_values(rows: Observed) -> int:
    """Distinct rates that are neither the highest nor the lowest: what a schedule's parameters are read from."""
    order = np.argsort(rows.rate, kind="stable")
    values, slack = rows.rate[order], rows.tolerance[order]
    inner = (values > values[0] + slack) & (values < values[-1] - slack)
    values, slack = values[inner], slack[inner]
    return int(1 + np.count_nonzero(np.diff(values) > slack[1:])) if len(values) else 0


def session_spans(rows: Observed) -> list[tuple[int, int]]:
    """First row and the one after the last of every session."""
    starts = np.flatnonzero(np.diff(rows.session, prepend=-1))
    return list(zip(starts.tolist(), [*starts[1:].tolist(), len(rows)], strict=True))
