"""The epoch clock: which steps per epoch, origin and base make all epoch labels true at once."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.cadence import usual_cadence
from analyzer.clocks.closing_rows import closing_steps
from analyzer.clocks.epoch_bounds import Bounds, bounds_of_runs, label_runs, measured_laps
from analyzer.clocks.epoch_breaks import anchor_of, breaks_between, rows_around, shifted_origin
from analyzer.clocks.epoch_clock import Break, EpochClock, Labels, Slope
from analyzer.clocks.epoch_ends import from_closing_rows, from_rows_at_ends
from analyzer.clocks.epoch_evidence import borne_out
from analyzer.clocks.epoch_explanation import EpochExplanation, explain
from analyzer.clocks.epoch_ramps import along_ramp, as_ramp, is_declared
from analyzer.clocks.epoch_search import MEASURED, candidate_lengths, measured_from
from analyzer.clocks.fractions import (
    along_a_line,
    bounds_of_stretches,
    lasting_changes,
    slope_of,
    slopes_agree,
    stretches,
)
from analyzer.clocks.labels import read_labels, validation_labels_elsewhere
from analyzer.clocks.planned_epochs import laps_of_places, planned_lengths, read_planned
from analyzer.distinct import distinct
from analyzer.model import Ints
from analyzer.timeline import Timeline

MADE_EACH_TIME = 3
"""Epochs' ends at which a label goes up by the same more than one: two may be two slips."""
BARELY = Fraction(1, 4)
"""Of the steps per epoch, by which they may be open in a log that is said to measure them."""


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
        own = tuple(labels for labels in accounts if labels.rows_of == "validation")
        validations = (*own, *validation_labels_elsewhere(timeline))
        return replace(clocks[0], others=tuple(clocks[1:]), validations=validations)
    return from_closing_rows(timeline)


def _clock_of(timeline: Timeline, labels: Labels) -> EpochClock | None:
    if labels.kind == "fraction":
        return _from_fractions(timeline, labels)
    return from_rows_at_ends(timeline, labels) or _from_labels(timeline, labels)


def _from_labels(timeline: Timeline, labels: Labels) -> EpochClock | None:
    whole = np.round(labels.value).astype(np.int64)
    ramped = along_ramp(timeline.plan, timeline.step_axis, labels)
    if ramped is not None:
        return ramped
    by = _counted_by(labels, whole)
    if by > 1:
        return _counted_more_than_once(timeline, labels, whole, by)
    runs = label_runs(labels.step, whole, labels.session)
    crossings = int(np.count_nonzero((np.diff(runs.label) != 0) & (np.diff(runs.session) == 0)))
    if not crossings and len(runs) == 1:
        return _single_lap(labels)
    placed = (*timeline.roles.all("batch_in_epoch"), *timeline.roles.all("step"))  # counts of the run show no laps
    places = next((int(lap[0]) for series in placed if (lap := laps_of_places(series))), None)
    bounds = bounds_of_runs(runs, closing_steps(timeline.view, timeline.roles), places=places)
    anchor = anchor_of(timeline, labels)
    rooted = bounds if anchor is None else bounds.opened(anchor[0], anchor[2], high=anchor[1], at=0)
    first = measured_from(rooted, 0, opened=False)
    narrow = first is not None and first[1] is not None and first[1] <= MEASURED * first[0]
    beginning = () if first is None or first[1] is None or not narrow else (first[0], first[1])
    planned = read_planned(timeline)
    known = tuple(int(S) for S in {*planned.known, *planned.confirmed} if S.denominator == 1)
    lengths = candidate_lengths(measured_laps(runs), (*known, *beginning))
    found = explain(bounds, lengths, anchor=anchor, slope=None, planned=planned, crossings=len(runs) - 1)
    if found is None or not borne_out(found, planned):
        return None
    return _clock(timeline, labels, found, None, crossings)


def _counted_by(labels: Labels, whole: Ints) -> int:
    """By how much the label goes up at every epoch's end, where the labels between would have been logged."""
    changes = np.flatnonzero(np.diff(whole)) + 1
    up = whole[changes] - whole[changes - 1]
    if len(changes) < MADE_EACH_TIME or (up != up[0]).any() or up[0] < 2 or (np.diff(labels.session) != 0).any():
        return 1
    missing = labels.step[changes] - labels.step[changes - 1]  # steps in which the labels between had to lie
    return int(up[0]) if (2 * missing * up[0] < np.diff(labels.step[changes]).min()).all() else 1


def _counted_more_than_once(timeline: Timeline, labels: Labels, whole: Ints, by: int) -> EpochClock | None:
    """The clock of labels that go up by more than one at every epoch's end: each time the others are skipped."""
    true = whole[0] + (whole - whole[0]) // by
    clock = _from_labels(timeline, replace(labels, value=true.astype(np.float64)))
    if clock is None:
        return None
    skipped = tuple(
        Break(
            kind="skip", step=int(labels.step[at]), low=0.0, high=0.0, laps=by - 1, position=at,
            evidence=rows_around(timeline, labels, at),
        )
        for at in (np.flatnonzero(np.diff(whole)) + 1).tolist()
    )  # fmt: skip
    breaks = sorted((*clock.breaks, *skipped), key=lambda one: one.position)
    return replace(clock, labels=labels, breaks=tuple(breaks))


def _from_fractions(timeline: Timeline, labels: Labels) -> EpochClock | None:
    found = stretches(labels)
    slope = slope_of(labels, found)
    crossings = max(0, len(distinct(np.floor(labels.value + labels.half))) - 1)
    if slope is None or 2 * usual_cadence(labels.step) > slope.low:  # hardly two rows in one lap
        line = along_a_line(labels)
        if line is not None:
            return _explained_fractions(timeline, labels, line[0], line[1], crossings)
    if slope is None:
        return None
    change, slopes = slopes_agree(labels, found, slope)
    if change is not None:
        return _of_parts(timeline, labels, bounds_of_stretches(labels, found, slopes), [change], slopes, crossings)
    within = lasting_changes(labels, found)
    if within is not None:
        cut, changes, parts = within
        which = np.searchsorted(changes, np.arange(len(cut)), side="right").tolist()
        slopes = [parts[k] for k in which]
        return _of_parts(timeline, labels, bounds_of_stretches(labels, cut, slopes), changes, slopes, crossings)
    return _explained_fractions(timeline, labels, bounds_of_stretches(labels, found, slopes), slope, crossings)


def _of_parts(
    timeline: Timeline, labels: Labels, bounds: Bounds, changes: list[int], slopes: list[Slope], crossings: int
) -> EpochClock | None:
    """The clock of labels whose slope changes at some bounds: a clock for each part, a change of length between two."""
    begins, ends = [0, *changes], [*changes, len(bounds)]
    parts = [bounds.part(*span) for span in zip(begins, ends, strict=True)]
    solved = [
        _solve_fractions(timeline, part, slopes[begin], len(part) - 1)
        for part, begin in zip(parts, begins, strict=True)
    ]
    if any(one is None for one in solved):
        return None
    first, *later = [one for one in solved if one is not None]
    clock = _clock(timeline, labels, first, slopes[0], crossings)
    positions = [0, *(int(bounds.start[change]) for change in changes)]
    lengths = [first.pieces[0].S, *(after.pieces[0].S for after in later)]
    clock = replace(clock, laps=tuple(zip(labels.step[positions].tolist(), lengths, strict=True)))
    if is_declared(timeline.plan, list(zip([0.0, *labels.value[positions[1:]].tolist()], lengths, strict=True))):
        return replace(clock, low=min(lengths), high=max(lengths))
    breaks = list(clock.breaks)
    for number, (position, after) in enumerate(zip(positions[1:], later, strict=True)):
        before = clock.low if number == 0 else lengths[number]
        session, length = int(labels.session[position]), lengths[number + 1]
        joined = session != int(labels.session[position - 1])
        by_itself = not joined and labels.value[position] >= labels.value[position - 1]
        changed = Break(
            kind="ramp" if by_itself else "geometry",
            step=int(labels.step[position]),
            low=float(length if by_itself else before),
            high=float(length),
            position=position,
            join=next((join.index for join in timeline.joins if joined and join.after == session), None),
            evidence=rows_around(timeline, labels, position),
        )
        breaks += [changed, *breaks_between(timeline, labels, after)]
    return replace(clock, breaks=tuple(sorted(breaks, key=lambda one: one.position)))


def _explained_fractions(
    timeline: Timeline, labels: Labels, bounds: Bounds, slope: Slope, crossings: int
) -> EpochClock | None:
    found = _solve_fractions(timeline, bounds, slope, crossings)
    return None if found is None else _clock(timeline, labels, found, slope, crossings)


def _solve_fractions(timeline: Timeline, bounds: Bounds, slope: Slope, crossings: int) -> EpochExplanation | None:
    starts = bounds.low
    follows = (np.diff(bounds.low_label) == 1) & (np.diff(bounds.session) == 0) & (np.diff(starts) > 0)
    whole = np.round(np.diff(starts)[follows]).astype(np.int64)
    near = (math.floor(slope.middle), math.ceil(slope.middle))
    # a label that never reached 1 measures no lap
    given = planned_lengths(timeline.plan, timeline.step_axis) if crossings else ()
    lengths = candidate_lengths((np.maximum(1, whole - 1), whole + 1), (*given, *near))
    return explain(bounds, lengths, anchor=None, slope=slope, planned=read_planned(timeline), crossings=crossings)


def _clock(
    timeline: Timeline, labels: Labels, found: EpochExplanation, slope: Slope | None, crossings: int
) -> EpochClock:
    pieces = found.pieces
    first_label = int(np.floor(labels.value[0] + labels.half[0]))
    base = first_label if first_label in (0, 1) else 0
    if slope is not None and pieces[0].low > -pieces[0].S / 2:
        base = 0  # a fraction of 1 at the end of the first epoch
    spacing = usual_cadence(labels.step)
    apart = slope is None and spacing > 1 and 2 * spacing > found.low
    open_end = found.high is None or found.high >= 2 * found.low
    wide = found.high is None or found.high - found.low > max(Fraction(2), BARELY * found.low)
    breaks = breaks_between(timeline, labels, found)
    if found.elsewhere:
        breaks = [*shifted_origin(timeline, labels, found), *breaks]
    breaks = as_ramp(found, breaks)
    origin = None
    if math.isfinite(pieces[0].low) and not (found.anchored and len(pieces) > 1):
        first = pieces[0].low if slope is None else (pieces[0].low + pieces[0].high) / 2 - 0.5
        origin = math.ceil(first + float(pieces[0].S) * base - 1e-6)
    elif found.anchored:
        origin = timeline.step_axis.base
    lengths = [(int(labels.step[0]), pieces[0].S)]
    lengths += [(one.step, Fraction(one.high)) for one in breaks if one.kind in ("geometry", "ramp")]
    return EpochClock(
        source="labels" if labels.kind == "integer" else "fractions",
        low=found.low,
        high=found.high,
        origin=origin,
        base=base,
        breaks=tuple(sorted(breaks, key=lambda one: one.position)),
        laps=tuple(lengths) if len(lengths) > 1 else (),
        tag=labels.series.tag,
        labels=labels,
        slope=slope,
        crossings=crossings,
        ratios=found.ratios,
        too_sparse=bool(crossings < 1 or apart or open_end or wide),
        rows_apart=bool(apart),
    )


def _single_lap(labels: Labels) -> EpochClock:
    """One label throughout: an epoch is at least as long as the log."""
    span = Fraction(int(labels.step.max() - labels.step.min()) + 1)
    return EpochClock(
        source="labels",
        low=span,
        high=None,
        origin=None,
        base=min(1, max(0, round(float(labels.value[0])))),
        tag=labels.series.tag,
        labels=labels,
        too_sparse=True,
    )
