"""The epoch clock: which steps per epoch, origin and base make all epoch labels true at once."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

from analyzer.clocks.closing_rows import closing_lengths, closing_rows_fit, epoch_means
from analyzer.clocks.epoch_solution import GEOMETRY_STEPS, Planned, Solution, solve
from analyzer.clocks.fractions import Slope, Stretches, bounds_of_stretches, slope_of, stretches
from analyzer.clocks.global_step import distinct_steps, last_step, updates_done, usual_spacing
from analyzer.clocks.label_runs import (
    FREE,
    Bounds,
    Piece,
    bounds_of_runs,
    candidate_lengths,
    label_runs,
    measured_laps,
    whole_laps,
)
from analyzer.clocks.labels import Labels, read_labels, validation_series
from analyzer.clocks.ramps import Stretch, ramp_of
from analyzer.model import Row, Series

if TYPE_CHECKING:
    from analyzer.clocks.sessions import Join
    from analyzer.timeline import Timeline

BreakKind = Literal["shift", "skip", "repeat", "geometry", "ramp", "data", "origin", "counter"]


@dataclass(frozen=True, kw_only=True)
class Break:
    """A place where the labels leave the clock: how far (in steps, as an interval), where, and the rows that show it.

    Positive: the label changes late, negative: early.
    """

    kind: BreakKind
    step: int  # first step at which the label is wrong
    low: float  # shift in steps, at least
    high: float  # at most
    join: int | None = None  # index of the join it sits at
    evidence: tuple[Row, ...] = ()
    position: int = 0  # row among the labels at which it shows
    laps: int = 0  # whole laps, for a skip or a repeat


@dataclass(frozen=True, kw_only=True)
class EpochClock:
    """Epoch label e at step s obeys e = base + floor((s - origin) / S), or without the floor for fractional labels."""

    source: Literal["labels", "fractions", "validation rows", "batch counter", "declared"]
    low: Fraction  # steps per epoch, at least
    high: Fraction  # at most
    origin: int | None  # step of the log's axis at which epoch `base` begins
    base: int  # label of the first epoch
    breaks: tuple[Break, ...] = ()
    laps: tuple[tuple[int, Fraction], ...] = ()  # (first step, steps per epoch) per stretch, where S changes
    too_sparse: bool = False
    rows_apart: bool = False  # rows are further apart than half an epoch: boundaries are not seen
    tag: str = ""
    labels: Labels | None = field(default=None, compare=False)
    slope: Slope | None = None  # updates per unit of a fractional label
    ratios: tuple[Fraction, Fraction] | None = None  # the same for laps that may alternate in length
    crossings: int = 0  # boundaries that the labels show
    others: tuple[EpochClock, ...] = field(default=(), compare=False)  # other accounts of epochs in the same view
    validations: tuple[Labels, ...] = field(default=(), compare=False)  # labels of validation rows

    @property
    def exact(self) -> bool:
        return self.low == self.high

    def admits(self, steps_per_epoch: Fraction | float) -> bool:
        """Whether the labels can be true with this many steps per epoch."""
        if self.low <= steps_per_epoch <= self.high:
            return True
        alternates = self.ratios is not None and not float(steps_per_epoch).is_integer()
        return alternates and self.ratios is not None and self.ratios[0] <= steps_per_epoch <= self.ratios[1]

    @property
    def accounts(self) -> tuple[EpochClock, ...]:
        """This clock and the other accounts."""
        return (self, *self.others)


def read_epoch_clock(timeline: Timeline) -> EpochClock | None:
    """Reconstruct the epoch clock from labels, fractions, validation rows or counters; None when the log has none."""
    if timeline.step_axis.unit == "epoch":
        return None
    clocks = []
    accounts = read_labels(timeline)
    for labels in accounts:
        if labels.rows_of == "training" and len(labels) > 1:
            clock = _from_labels(timeline, labels) if labels.kind == "integer" else _from_fractions(timeline, labels)
            if clock is not None:
                clocks.append(clock)
    if clocks:
        clocks.sort(key=lambda clock: (clock.too_sparse, -len(clock.labels or ()), clock.tag))
        validations = tuple(labels for labels in accounts if labels.rows_of == "validation")
        return replace(clocks[0], others=tuple(clocks[1:]), validations=validations)
    return _from_closing_rows(timeline)


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
    lengths = candidate_lengths(measured_laps(runs), _planned_lengths(timeline))
    found = solve(
        bounds,
        lengths,
        anchor=_anchor(timeline, labels),
        slope=None,
        planned=_planned(timeline),
        crossings=len(runs) - 1,
    )
    if found is None:
        return None
    if len(found.walk.pieces) > 1 or found.shifted_origin or found.change is not None:
        anchor = _anchor(timeline, labels)
        ramp = ramp_of(runs, labels.step, None if anchor is None else anchor[:2])
        if ramp is not None:
            return _along_stretches(timeline, labels, ramp, crossings)
    return _clock(timeline, labels, found, None, crossings)


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
    crossings = max(0, len(np.unique(found.lap)) - 1)
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
    laps = [(max(1, round(gap) - 1), round(gap) + 1) for gap in np.diff(starts)[follows].tolist()]
    near = (math.floor(slope.middle), math.ceil(slope.middle))
    lengths = candidate_lengths(laps, (*_planned_lengths(timeline), *near))
    return solve(bounds, lengths, anchor=None, slope=slope, planned=_planned(timeline), crossings=crossings)


def _slopes_by_session(labels: Labels, found: Stretches, slope: Slope) -> tuple[int | None, dict[int, Slope]]:
    """The slope of every session, and the first session whose slope contradicts that of the one before."""
    sessions = np.unique(found.session).tolist()
    own = {session: slope_of(labels, found, session) or slope for session in sessions}
    for earlier, later in pairwise(sessions):
        if own[earlier].high < own[later].low - 1 or own[later].high < own[earlier].low - 1:
            return later, {s: own[earlier] if s < later else own[later] for s in sessions}
    return None, dict.fromkeys(sessions, slope)


def _clock(timeline: Timeline, labels: Labels, found: Solution, slope: Slope | None, crossings: int) -> EpochClock:
    first_label = int(np.floor(labels.value[0] + labels.half[0]))
    base = first_label if first_label in (0, 1) else 0
    bounds, pieces = found.bounds, found.walk.pieces
    spacing = usual_spacing(labels.step)
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
    breaks = _breaks_between(timeline, labels, bounds, found)
    if found.shifted_origin:
        breaks = [*_shifted_origin(timeline, labels, found, clock), *breaks]
    laps: tuple[tuple[int, Fraction], ...] = ()
    if found.change is not None and found.after is not None:
        at = int(bounds.start[found.change])
        join = _join_at(timeline, labels, at)
        if join is None:
            at = _changed_inside(labels, at, found, found.after)
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
        breaks += _breaks_between(timeline, labels, found.after.bounds, found.after)
    origin = None
    piece = pieces[0]
    if piece.low > -FREE and not (found.anchored and len(pieces) > 1):
        origin = math.ceil(Fraction(piece.low, bounds.scale) + found.walk.steps_per_epoch * base)
    elif found.anchored:
        origin = timeline.step_axis.base
    return replace(clock, origin=origin, breaks=tuple(sorted(breaks, key=lambda one: one.position)), laps=laps)


def _breaks_between(timeline: Timeline, labels: Labels, bounds: Bounds, found: Solution) -> list[Break]:
    """One break for each change of piece."""
    breaks = []
    S = float(found.walk.steps_per_epoch)
    for number, (before, after) in enumerate(pairwise(found.walk.pieces)):
        low, high = (after.low - before.high) / bounds.scale, (after.high - before.low) / bounds.scale
        if after.low <= -FREE:
            low = high - S  # nothing bounds it from this side: less than a lap more
        if after.high >= FREE:
            high = low + S
        position = _position(labels, bounds, after)
        shown: tuple[int, ...] = (position,)
        join = _join_at(timeline, labels, position) if after.at_join else None
        laps = whole_laps(low, high, S)
        kind: BreakKind
        if join is not None and join.step_jump and low <= join.step_jump <= high:
            kind = "counter"
        elif laps:
            kind = "repeat" if laps > 0 else "skip"
        elif join is not None:
            kind = "data"
        else:
            of_first_boundary = int(labels.value[0]) + (0 if low > 0 else 1)
            from_start = found.anchored and number == 0 and int(labels.value[position]) <= of_first_boundary
            kind = "origin" if from_start else "shift"
            returns = number + 2 < len(found.walk.pieces) and _returns(found.walk.pieces[number : number + 3])
            again = None if from_start or returns else _began_again(labels, position, low, S)
            if again is not None:
                kind, position, shown = "data", again, (again, position)
        breaks.append(
            Break(
                kind=kind,
                step=int(labels.step[position]),
                low=low,
                high=high,
                laps=laps,
                position=position,
                join=None if join is None else join.index,
                evidence=tuple(row for at in shown for row in rows_around(timeline, labels, at)),
            )
        )
    return breaks


def _changed_inside(labels: Labels, boundary: int, before: Solution, after: Solution) -> int:
    """The row from which laps have another length: at a boundary, or inside an epoch that has neither length.

    Such an epoch went on from the share of it that was done, or began again if it is longer than both.
    """
    S, T, piece = float(before.walk.steps_per_epoch), float(after.walk.steps_per_epoch), before.walk.pieces[-1]
    if labels.kind != "integer" or piece.low <= -FREE or piece.high >= FREE:
        return boundary
    blur = (piece.high - piece.low + int(labels.step[boundary] - labels.step[boundary - 1]) - 1) / 2 + 1
    start = (piece.low + piece.high) / 2 + S * round(float(labels.value[boundary - 1]))
    length = (int(labels.step[boundary]) + int(labels.step[boundary - 1]) + 1) / 2 - start
    if min(abs(length - S), abs(length - T)) <= blur:
        return boundary if abs(length - S) <= abs(length - T) else _first_row_of_run(labels, boundary)
    done = (length - T) / (1 - T / S) if min(S, T) < length < max(S, T) else length - T
    begin = int(np.searchsorted(labels.session, labels.session[boundary]))
    at = begin + int(np.searchsorted(labels.step[begin:boundary], start + done))
    return at if 0 < done < max(S, length) and at > begin else boundary


def _first_row_of_run(labels: Labels, boundary: int) -> int:
    """The first row of the label that ends before this row."""
    behind = np.flatnonzero(np.diff(labels.value[:boundary]) != 0)
    return int(behind[-1]) + 1 if len(behind) else boundary


def _returns(pieces: tuple[Piece, ...]) -> bool:
    """Whether the clock behind two breaks can be the one before them."""
    return pieces[2].low <= pieces[0].high and pieces[0].low <= pieces[2].high


def _began_again(labels: Labels, position: int, late: float, S: float) -> int | None:
    """The row from which an epoch with too many steps has as many as the others; None where that is no explanation.

    Its data began again there: boundaries come late from then on, by what had been done. A step or two more are a label
    that changes late, and steps that the counter jumped over lengthen an epoch as well.
    """
    if labels.kind != "integer" or late <= GEOMETRY_STEPS:
        return None
    behind = np.flatnonzero((np.diff(labels.value[position:]) != 0) | (np.diff(labels.session[position:]) != 0))
    if not len(behind):
        return None
    last = position + int(behind[0])  # of the label that lasts too long
    begin = int(np.searchsorted(labels.session, labels.session[last]))
    due = labels.step[last] + 1 - S
    again, opens = (begin + int(at) for at in np.searchsorted(labels.step[begin:last], (due, due - late)))
    if not begin < again < position:
        return None
    jumped = np.diff(labels.step[max(begin, opens - 1) : last + 2]).max() >= late + usual_spacing(labels.step)
    return None if jumped else again


def _position(labels: Labels, bounds: Bounds, piece: Piece) -> int:
    """The row at which a piece begins to show."""
    position = int(bounds.position[piece.bound])
    if piece.due is not None:
        start = int(bounds.start[piece.bound])
        return min(position, start + int(np.searchsorted(labels.step[start : position + 1], piece.due)))
    return int(bounds.start[piece.bound]) if piece.at_join else position


def _join_at(timeline: Timeline, labels: Labels, position: int) -> Join | None:
    """The join that opens the session of this row."""
    session = int(labels.session[position])
    return next((join for join in timeline.joins if join.after == session), None)


def rows_around(timeline: Timeline, labels: Labels, position: int) -> tuple[Row, ...]:
    """The last row before a place and the first behind it."""
    rows = []
    if position > 0:
        rows.append(timeline.row(labels.series, int(labels.index[position - 1]), "last row before"))
    rows.append(timeline.row(labels.series, int(labels.index[position]), "first row that does not fit"))
    return tuple(rows)


def _anchor(timeline: Timeline, labels: Labels) -> tuple[int, int, int] | None:
    """(lowest, highest, label): where the first epoch begins, when the log shows the beginning of the run.

    A first label of 1 may be the second epoch of a count from 0, unless the epoch is longer than what came before it.
    """
    axis = timeline.step_axis
    if axis.unit not in ("update", "micro-batch") or int(labels.session[0]) != 0:
        return None
    low, high = (0, 1) if axis.base is None else (axis.base, axis.base)
    label, before = round(float(labels.value[0])), int(labels.step[0]) - low
    if label not in (0, 1) or before > max(axis.cadence, usual_spacing(labels.step)) + 1:
        return None
    if label == 1 and before > 1:
        runs = label_runs(labels.step, np.round(labels.value).astype(np.int64), labels.session)
        if int(np.max(runs.last - runs.first)) + 1 <= before:
            return None
    return low, high, label


def _shifted_origin(timeline: Timeline, labels: Labels, found: Solution, clock: EpochClock) -> list[Break]:
    """The labels are sound among themselves, but their first boundary is not where the run began."""
    anchor = _anchor(timeline, labels)
    piece = found.walk.pieces[0]
    if anchor is None or piece.low <= -FREE or piece.high >= FREE:
        return []
    S = found.walk.steps_per_epoch
    low = piece.low + S * anchor[2] - anchor[1]
    high = piece.high + S * anchor[2] - anchor[0]
    if low <= 0 <= high:
        return []
    laps = whole_laps(float(low), float(high), float(S))
    position = _first_boundary(labels)
    if low > 0 and position:  # late: the rows from the due boundary on are wrong
        due = int(anchor[1] + S)
        position = min(position, max(1, int(np.searchsorted(labels.step[: position + 1], due))))
    kind: BreakKind = ("repeat" if laps > 0 else "skip") if laps else "origin"
    return [
        Break(
            kind=kind,
            step=int(labels.step[position]),
            low=float(low),
            high=float(high),
            position=position,
            laps=laps,
            evidence=rows_around(timeline, labels, position),
        )
    ]


def _first_boundary(labels: Labels) -> int:
    change = np.nonzero((np.diff(np.floor(labels.value)) != 0) & (np.diff(labels.session) == 0))[0]
    return int(change[0]) + 1 if len(change) else 0


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
                        crossings=len(np.unique(whole)) - 1,
                    )
    return None


def planned_steps_per_epoch(timeline: Timeline) -> tuple[Fraction, ...]:
    """Steps per epoch of the plan, on the log's own axis."""
    per_update = Fraction(timeline.step_axis.per_update).limit_denominator(10**6)
    return tuple(U * per_update for U in timeline.plan.steps_per_epoch)


def _planned_lengths(timeline: Timeline) -> tuple[int, ...]:
    return tuple(int(U) for U in planned_steps_per_epoch(timeline) if U.denominator == 1)


def _planned(timeline: Timeline) -> Planned:
    """What the plan says, with the steps per epoch that closing rows or an exactly known end of the run bear out."""
    lengths = planned_steps_per_epoch(timeline)
    done = updates_done(timeline)
    confirmed = []
    for U, on_axis in zip(timeline.plan.steps_per_epoch, lengths, strict=True):
        ends = done is not None and done.low == done.high and done.low in timeline.plan.totals_given(U)
        if on_axis.denominator == 1 and (ends or closing_rows_fit(timeline, on_axis)):
            confirmed.append(on_axis)
    if not lengths:
        confirmed = [Fraction(length) for length in closing_lengths(timeline)]
    sized = [reading for reading in timeline.plan.readings if reading.batches_per_epoch]
    if not sized:
        return Planned(lengths=lengths, confirmed=tuple(confirmed))
    return Planned(
        lengths=lengths,
        confirmed=tuple(confirmed),
        divided=tuple({Fraction(r.batches_per_epoch or 0, r.accumulation) for r in sized}),
        largest_denominator=max(reading.accumulation for reading in sized),
    )


def _from_closing_rows(timeline: Timeline) -> EpochClock | None:
    """Without labels: rows that an epoch's end writes, at one constant spacing that the plan confirms."""
    means = epoch_means(timeline)
    planned = _planned_lengths(timeline)
    last = last_step(timeline)
    for series in (*means, *validation_series(timeline.view)):
        spacing = _constant_spacing(series)
        if spacing is None or spacing <= 2 or last is None or int(series.step.max()) > 1.05 * last + 1:
            continue
        certain = series in means and len(series) > 2
        if certain or spacing in planned:
            residue = int(series.step[0]) % spacing
            return EpochClock(
                source="validation rows",
                low=Fraction(spacing),
                high=Fraction(spacing),
                origin=timeline.step_axis.base,
                base=0,
                tag=series.tag,
                crossings=len(series),
                too_sparse=residue not in (0, spacing - 1),
            )
    lengths = planned_steps_per_epoch(timeline)
    if len(lengths) == 1 and timeline.step_axis.unit in ("update", "sample"):
        return EpochClock(
            source="declared", low=lengths[0], high=lengths[0], origin=timeline.step_axis.base, base=0, too_sparse=True
        )
    return None


def _constant_spacing(series: Series) -> int | None:
    steps = distinct_steps(series.step)
    if len(steps) < 3:
        return None
    spacing = usual_spacing(steps)
    return spacing if bool(np.all(np.diff(steps) == spacing)) else None
