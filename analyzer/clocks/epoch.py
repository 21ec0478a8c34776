"""The epoch clock: which steps per epoch, origin and base make all epoch labels true at once."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.cadence import usual_cadence
from analyzer.clocks.epoch_breaks import anchor_of, breaks_between, changed_inside, join_at, rows_around, shifted_origin
from analyzer.clocks.epoch_clock import Break, EpochClock
from analyzer.clocks.epoch_ends import counts_in_fractions, from_closing_rows, from_whole_fractions
from analyzer.clocks.epoch_solution import Solution, solve
from analyzer.clocks.fractions import Slope, Stretches, bounds_of_stretches, slope_of, stretches
from analyzer.clocks.label_runs import FREE, Bounds, bounds_of_runs, candidate_lengths, label_runs, measured_laps
from analyzer.clocks.labels import Labels, read_labels
from analyzer.clocks.planned_epochs import planned_lengths, read_planned
from analyzer.clocks.ramps import Stretch, ramp_of
from analyzer.distinct import distinct

if TYPE_CHECKING:
    from analyzer.timeline import Timeline


def read_epoch_clock(timeline: Timeline) -> EpochClock | None:
    """Reconstruct the epoch clock from labels, fractions, validation rows or counters; None when the log has none."""
    if timeline.step_axis.unit == "epoch":
        return None
    clocks = []
    accounts = read_labels(timeline)
    for labels in accounts:
        if labels.rows_of == "training" and len(labels) > 1:
            clock = _clock_of(timeline, labels)
            if clock is not None:
                clocks.append(clock)
    if clocks:
        clocks.sort(key=lambda clock: (clock.too_sparse, -len(clock.labels or ()), clock.tag))
        validations = tuple(labels for labels in accounts if labels.rows_of == "validation")
        return replace(clocks[0], others=tuple(clocks[1:]), validations=validations)
    return from_closing_rows(timeline)


def _clock_of(timeline: Timeline, labels: Labels) -> EpochClock | None:
    if labels.kind == "fraction":
        return _from_fractions(timeline, labels) or from_whole_fractions(timeline, labels)
    at_ends = from_whole_fractions(timeline, labels) if counts_in_fractions(timeline, labels) else None
    return at_ends or _from_labels(timeline, labels)


def _from_labels(timeline: Timeline, labels: Labels) -> EpochClock | None:
    whole = np.round(labels.value).astype(np.int64)
    ramped = _along_ramp(timeline, labels)
    if ramped is not None:
        return ramped
    runs = label_runs(labels.step, whole, labels.session)
    crossings = int(np.count_nonzero((np.diff(runs.label) != 0) & (np.diff(runs.session) == 0)))
    if not crossings and len(runs) == 1:
        return _single_lap(labels)
    bounds = bounds_of_runs(runs)
    lengths = candidate_lengths(measured_laps(runs), planned_lengths(timeline))
    found = solve(
        bounds,
        lengths,
        anchor=anchor_of(timeline, labels),
        slope=None,
        planned=read_planned(timeline),
        crossings=len(runs) - 1,
    )
    if found is None:
        return None
    if len(found.walk.pieces) > 1 or found.shifted_origin or found.change is not None:
        anchor = anchor_of(timeline, labels)
        ramp = ramp_of(runs, labels.step, None if anchor is None else anchor[:2])
        if ramp is not None and not (len(ramp) > 2 and _changes_once(found)):
            return _along_stretches(timeline, labels, ramp, crossings)
    return _clock(timeline, labels, found, None, crossings)


def _changes_once(found: Solution) -> bool:
    """Whether two lengths explain everything: sparse rows make the epoch in which one gives way look like a third."""
    return found.after is not None and len(found.walk.pieces) == len(found.after.walk.pieces) == 1


def _along_stretches(timeline: Timeline, labels: Labels, ramp: tuple[Stretch, ...], crossings: int) -> EpochClock:
    """A clock whose epochs get shorter (or longer) by stretches."""
    first = round(float(labels.value[0]))
    return EpochClock(
        source="labels",
        low=Fraction(min(one.low for one in ramp)),
        high=Fraction(max(one.high for one in ramp)),
        origin=None,
        base=first if first in (0, 1) else 0,
        tag=labels.series.tag,
        labels=labels,
        crossings=crossings,
        laps=tuple((one.step, one.length) for one in ramp),
        breaks=tuple(
            Break(
                kind="ramp",
                step=one.step,
                low=float(one.low),
                high=float(one.high),
                position=one.position,
                evidence=rows_around(timeline, labels, one.position),
            )
            for one in ramp[1:]
        ),
    )


def _from_fractions(timeline: Timeline, labels: Labels) -> EpochClock | None:
    found = stretches(labels)
    slope = slope_of(labels, found)
    if slope is None:
        return None
    crossings = max(0, len(distinct(found.lap)) - 1)
    change, slopes = _slopes_by_session(labels, found, slope)
    bounds = bounds_of_stretches(labels, found, slopes)
    if change is not None:
        cut = int(np.argmax(bounds.session >= change))
        parts = (bounds.part(0, cut), bounds.part(cut, len(bounds)))
        ends = (slopes[int(bounds.session[cut - 1])], slopes[int(bounds.session[cut])])
        before, after = (
            _solve_fractions(timeline, part, end, len(part) - 1) for part, end in zip(parts, ends, strict=True)
        )
        if before is not None and after is not None:
            solution = replace(before, change=cut, after=after, bounds=bounds)
            return _clock(timeline, labels, solution, ends[0], crossings)
    solution_or_none = _solve_fractions(timeline, bounds, slope, crossings)
    return None if solution_or_none is None else _clock(timeline, labels, solution_or_none, slope, crossings)


def _solve_fractions(timeline: Timeline, bounds: Bounds, slope: Slope, crossings: int) -> Solution | None:
    starts = bounds.low / bounds.scale
    follows = (np.diff(bounds.low_label) == 1) & (np.diff(bounds.session) == 0) & (np.diff(starts) > 0)
    whole = np.round(np.diff(starts)[follows]).astype(np.int64)
    near = (math.floor(slope.middle), math.ceil(slope.middle))
    lengths = candidate_lengths((np.maximum(1, whole - 1), whole + 1), (*planned_lengths(timeline), *near))
    return solve(bounds, lengths, anchor=None, slope=slope, planned=read_planned(timeline), crossings=crossings)


def _slopes_by_session(labels: Labels, found: Stretches, slope: Slope) -> tuple[int | None, dict[int, Slope]]:
    """The slope of every session, and the first session whose slope contradicts that of the one before."""
    sessions = distinct(found.session).tolist()
    own = {session: slope_of(labels, found, session) or slope for session in sessions}
    for earlier, later in pairwise(sessions):
        if own[earlier].high < own[later].low - 1 or own[later].high < own[earlier].low - 1:
            return later, {s: own[earlier] if s < later else own[later] for s in sessions}
    return None, dict.fromkeys(sessions, slope)


def _clock(timeline: Timeline, labels: Labels, found: Solution, slope: Slope | None, crossings: int) -> EpochClock:
    first_label = int(np.floor(labels.value[0] + labels.half[0]))
    base = first_label if first_label in (0, 1) else 0
    bounds, pieces = found.bounds, found.walk.pieces
    spacing = usual_cadence(labels.step)
    apart = spacing > 1 and 2 * spacing > found.low
    sparse = crossings < 1 or apart or found.high >= 2 * found.low
    sparse = sparse or found.high - found.low > max(Fraction(2), found.low / 4)
    clock = EpochClock(
        source="labels" if labels.kind == "integer" else "fractions",
        low=found.low,
        high=found.high,
        origin=None,
        base=base,
        tag=labels.series.tag,
        labels=labels,
        slope=slope,
        crossings=crossings,
        ratios=found.ratios,
        too_sparse=bool(sparse),
        rows_apart=bool(apart),
    )
    breaks = breaks_between(timeline, labels, bounds, found)
    if found.shifted_origin:
        breaks = [*shifted_origin(timeline, labels, found, clock), *breaks]
    laps: tuple[tuple[int, Fraction], ...] = ()
    if found.change is not None and found.after is not None:
        at = int(bounds.start[found.change])
        join = join_at(timeline, labels, at)
        if join is None:
            at = changed_inside(labels, at, found, found.after)
        step = int(labels.step[at])
        laps = ((int(labels.step[0]), found.low), (step, found.after.low))
        breaks.append(
            Break(
                kind="geometry",
                step=step,
                low=float(found.low),
                high=float(found.after.high),
                position=at,
                join=None if join is None else join.index,
                evidence=rows_around(timeline, labels, at),
            )
        )
        breaks += breaks_between(timeline, labels, found.after.bounds, found.after)
    origin = None
    piece = pieces[0]
    if piece.low > -FREE and not (found.anchored and len(pieces) > 1):
        origin = math.ceil(Fraction(piece.low, bounds.scale) + found.walk.steps_per_epoch * base)
    elif found.anchored:
        origin = timeline.step_axis.base
    return replace(clock, origin=origin, breaks=tuple(sorted(breaks, key=lambda one: one.position)), laps=laps)


def _single_lap(labels: Labels) -> EpochClock:
    """One label throughout: an epoch is at least as long as the log."""
    span = Fraction(int(labels.step.max() - labels.step.min()) + 1)
    return EpochClock(
        source="labels",
        low=span,
        high=Fraction(FREE),
        origin=None,
        base=min(1, max(0, round(float(labels.value[0])))),
        tag=labels.series.tag,
        labels=labels,
        too_sparse=True,
    )


def _along_ramp(timeline: Timeline, labels: Labels) -> EpochClock | None:
    """A clock whose epochs have the lengths that a declared batch-size ramp gives, if the labels agree with it."""
    whole = np.round(labels.value).astype(np.int64)
    base = timeline.step_axis.base
    for reading in timeline.plan.readings:
        if not reading.laps:
            continue
        ends = np.cumsum(reading.laps)
        for start in (0, 1) if base is None else (base,):
            lap = np.searchsorted(ends, labels.step - start, side="right")
            beyond = lap >= len(ends)
            for first in (0, 1):
                if bool(np.all((lap + first == whole) | beyond)):
                    starts = np.concatenate([[0], ends[:-1]]) + start
                    changed = [0, *(k for k in range(1, len(ends)) if reading.laps[k] != reading.laps[k - 1])]
                    low, high = Fraction(min(reading.laps)), Fraction(max(reading.laps))
                    return EpochClock(
                        source="labels",
                        low=low,
                        high=high,
                        origin=start,
                        base=first,
                        tag=labels.series.tag,
                        labels=labels,
                        laps=tuple((int(starts[k]), Fraction(reading.laps[k])) for k in changed),
                        crossings=len(distinct(whole)) - 1,
                    )
    return None
