"""Declared schedules tied to an axis of the log, and the rows that they pass through."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from analyzer.clocks.claim import Claim
from analyzer.clocks.declared_shapes import Candidate, candidates
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.rate_axes import counts
from analyzer.clocks.schedule_families.conventions import Extras
from analyzer.clocks.schedule_fit import Fit, line_through
from analyzer.clocks.scheduler.counters import course_through, tabled
from analyzer.clocks.scheduler.heights import (
    BEYOND,
    ESTIMATED,
    Mask,
    followed_heights,
    heights,
    passing,
    peaks_by_row,
    peaks_of,
    roundest,
)  # fmt: skip
from analyzer.clocks.scheduler.own_lengths import own_totals
from analyzer.clocks.schedules import Schedule, at_height, ending
from analyzer.distinct import distinct
from analyzer.model import Floats, Row
from analyzer.timeline import Timeline

OFFSETS = (0, -1, 1)  # rate used or next, steps counted from 0 or 1
LATE = -2  # steps counted from 1, and a scheduler that lags one update: DeepSpeed's warmup schedules
FEW = 12  # rows on which a hypothesis is tried first
MOST_REFERENCES = 60  # schedules whose counters are looked at row by row
OF_AN_AXIS = 2  # that count the same events, before others have their turn
SAME_VALUE = 1e-6  # of the peak: in the seven digits of a float32
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


def phases(unit: str, rows: Observed) -> list[tuple[str, int]]:
    """Axes that a schedule with this unit may run on, in every phase that is a habit of loggers."""
    known_phase, found = counted_laps(rows), []
    for axis in axes_for(unit, rows):
        wide = axis == "step" or (axis == "epoch" and rows.axes[axis][0] >= 1)
        fixed = axis in known_phase or counts(axis) == "share"
        found += [(axis, offset) for offset in ((0,) if fixed else (*OFFSETS, LATE) if wide else OFFSETS)]
    return found


class Grid(Struct, frozen=True, kw_only=True, eq=False):
    """All phases of one unit at once: the counter of every row in each of them, shape (phases, rows)."""

    phases: list[tuple[str, int]]
    counters: Floats

    def tied(self, candidate: Candidate, number: int) -> Tied:
        axis, offset = self.phases[number]
        return Tied(schedule=candidate.schedule, axis=axis, unit=candidate.unit, offset=offset)


def grids(rows: Observed) -> dict[str, Grid]:
    """The phases of both units on some rows."""
    found = {}
    for unit in ("step", "epoch"):
        pairs = phases(unit, rows)
        counters = [rows.axes[axis] + offset for axis, offset in pairs]
        found[unit] = Grid(phases=pairs, counters=np.array(counters).reshape(len(pairs), len(rows)))
    return found


def counted_laps(rows: Observed) -> tuple[str, ...]:
    """Epoch axes with several rows per epoch: there the first of them tells the epoch's rate, and no phase is open."""
    axes = [axis for axis in rows.axes if counts(axis) == "epoch" and "step" in rows.axes]
    return tuple(axis for axis in axes if len(rows) >= 2 * len(distinct(rows.axes[axis])))


def as_declared(claim: Claim, sample: Observed, rows: Observed) -> Tied | None:
    """The first declared schedule that passes through every row."""
    if claim.family is None or claim.family == "plateau":
        return None
    extras = extras_of(sample, own_totals(claim, sample))
    few = sample.rows(distinct(np.linspace(0, len(sample) - 1, FEW).astype(np.int64)))
    on_few = {
        unit: Grid(phases=grid.phases, counters=grid.counters[:, np.searchsorted(sample.index, few.index)])
        for unit, grid in grids(sample).items()
    }
    stands = np.ptp(rows.rate) == 0 and claim.base_lr is not None
    for guess in (extras, replace(extras, usual_floors=True)):
        for peak in peaks_of(claim, rows):
            free = peak != claim.base_lr  # the top itself may not be logged
            for candidate in candidates(claim, peak, guess):
                grid = on_few[candidate.unit]
                good = passing(candidate.schedule, grid.counters, few).all(axis=1)
                if free:
                    good |= np.isfinite(heights(candidate.schedule, grid.counters, few))
                for tied in (grid.tied(candidate, number) for number in np.flatnonzero(good).tolist()):
                    fitted = at_its_height(tied, sample, declared=claim.base_lr is not None) if free else tied
                    if fitted is None or (free and stands and np.ptp(fitted.on(rows)) > SAME_VALUE * peak):
                        continue  # one value throughout is no other height of a schedule that moves
                    if matches(fitted, rows).all():
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
    low, high = peaks_by_row(schedule, tied.counter(rows.axes[tied.axis]), rows)
    peak = roundest(float(low.max()), float(high.min()))
    return None if peak is None else replace(tied, schedule=at_height(schedule, peak), height_read=True)


def matches(tied: Tied, rows: Observed) -> Mask:
    """Which rows the schedule passes through."""
    estimated = tied.height_read or (isinstance(tied.schedule, Schedule) and tied.schedule.warmup_start > 0)
    slack = ESTIMATED * rows.tolerance if estimated else rows.tolerance
    result: Mask = np.abs(tied.on(rows) - rows.rate) <= slack
    return result


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
    followed: list[tuple[int, int, int, Tied]] = []  # the best phase of every schedule on every axis
    on_sample = grids(sample)
    for number, candidate in enumerate(dict.fromkeys(c for guess in guesses for c in candidates(claim, peak, guess))):
        followed += _followed_longest(claim, candidate, on_sample[candidate.unit], sample, number)
    in_turn = sorted(followed, key=lambda one: one[:3])[:MOST_REFERENCES]
    reached = [_reaches_every_row(one[3], sample) for one in in_turn] if wanted > 1 else [True] * len(in_turn)
    best = [in_turn[k][3] for k in sorted(range(len(in_turn)), key=lambda k: (not reached[k], k))]
    events = [(counts(tied.axis), tied.schedule.floor) for tied in best]
    order = sorted(range(len(best)), key=lambda k: (events[:k].count(events[k]) // OF_AN_AXIS, k))
    return [best[k] for k in order[:wanted]]


def _followed_longest(
    claim: Claim, candidate: Candidate, grid: Grid, rows: Observed, number: int
) -> Iterator[tuple[int, int, int, Tied]]:
    """How far a schedule is followed in the best phase of every axis: rows in a row, rows, its own number; negative."""
    if not len(grid.phases):
        return
    schedule = candidate.schedule
    if claim.base_lr is None:
        low, high = followed_heights(schedule, grid.counters, rows)
        one, two = schedule(grid.counters), at_height(schedule, 2 * schedule.peak)(grid.counters)
        value = one + (two - one) * (0.5 * (low + high) / schedule.peak - 1)[:, None]
        good = np.abs(value - rows.rate) <= ESTIMATED * rows.tolerance
    else:
        good = passing(schedule, grid.counters, rows)
    prefix = np.where(good.all(axis=1), good.shape[1], np.argmin(good, axis=1))
    total = np.where(prefix >= FEWEST_FOLLOWED, good.sum(axis=1), 0)
    first = grid.phases[0][0]
    for axis in dict.fromkeys(name for name, _ in grid.phases):
        lines = [k for k, (name, _) in enumerate(grid.phases) if name == axis]
        k = max(lines, key=lambda k: (prefix[k], total[k], -k))
        if prefix[k] < FEWEST_FOLLOWED and axis != first:
            continue
        tied = grid.tied(candidate, k)
        if claim.base_lr is None:
            height = roundest(float(low[k]), float(high[k])) or schedule.peak
            tied = replace(tied, schedule=at_height(schedule, height), height_read=True)
        yield -int(prefix[k]), -int(total[k]), number, tied


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
