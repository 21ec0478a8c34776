"""Where labels leave the epoch clock, and what happened there: a shift, whole laps, data read again, another batch."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.cadence import usual_cadence
from analyzer.clocks.epoch_bounds import Bounds, label_runs
from analyzer.clocks.epoch_clock import Break, BreakKind, Labels
from analyzer.clocks.epoch_explanation import EpochExplanation
from analyzer.clocks.epoch_search import EpochPiece
from analyzer.clocks.session_map import Join
from analyzer.model import Row
from analyzer.planning import Plan
from analyzer.timeline import Timeline

LABELS_OF_DONE = ("chainer",)  # ``updater.epoch`` counts the epochs that are done when the row is written


def breaks_between(timeline: Timeline, labels: Labels, found: EpochExplanation) -> list[Break]:
    """One break for each change of piece; a clock that returns ends the break before it."""
    breaks: list[Break] = []
    pieces = found.pieces
    for number, (before, after) in enumerate(pairwise(pieces)):
        if after.another_length:
            breaks.append(_another_length(timeline, labels, found, number + 1))
            continue
        S = float(after.S)
        if after.returns:
            until = int(labels.step[_position(labels, found.bounds, after)])
            kind = "label" if labels.kind == "fraction" else breaks[-1].kind
            breaks[-1] = replace(breaks[-1], kind=kind, until=until)
            continue
        low, high = after.low - before.high, after.high - before.low
        low = high - S if not math.isfinite(low) else low  # nothing bounds it from this side: less than a lap more
        high = low + S if not math.isfinite(high) else high
        breaks.append(_shifted(timeline, labels, found, number, low, high))
    return breaks


def _shifted(
    timeline: Timeline, labels: Labels, found: EpochExplanation, number: int, low: float, high: float
) -> Break:
    """Labels or data that moved between a piece and the next by an interval of steps."""
    after = found.pieces[number + 1]
    S = float(after.S)
    position = _position(labels, found.bounds, after)
    join = join_at(timeline.joins, labels, position) if after.at_join else None
    laps = after.laps or whole_laps(low, high, S)
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
    return Break(
        kind=kind,
        step=int(labels.step[position]),
        low=low,
        high=high,
        laps=laps,
        position=position,
        join=None if join is None else join.index,
        evidence=rows_around(timeline, labels, position),
    )


def whole_laps(low: float, high: float, S: float) -> int:
    """The number of whole laps in a shift, the nearest to its middle; 0 when none lies inside."""
    if min(abs(low), abs(high)) > S and low * high > 0:
        return math.trunc(min((low, high), key=abs) / S)  # more than a lap: several changes in one
    nearest = round((low + high) / 2 / S)
    if nearest and low <= nearest * S <= high:
        return nearest
    inward = math.ceil(low / S) if low > 0 else math.floor(high / S)  # the smallest whole shift in the interval
    return inward if inward and low <= inward * S <= high else 0


def _another_length(timeline: Timeline, labels: Labels, found: EpochExplanation, number: int) -> Break:
    """Epochs of another length from a piece on: at a join, or inside a session."""
    before, after = found.pieces[number - 1], found.pieces[number]
    start = int(found.bounds.start[after.bound])
    join = join_at(timeline.joins, labels, start) if after.at_join else None
    ahead = _beyond_the_plan(timeline.plan, labels)
    if join is None and ahead and after.S < before.S:
        last = timeline.row(labels.series, int(labels.index[-1]), "last label")
        return Break(
            kind="skip",
            step=int(labels.step[start]),
            low=-ahead * float(before.S),
            high=-ahead * float(before.S),
            laps=-ahead,
            position=start,
            until=int(labels.step[-1]),
            evidence=(*rows_around(timeline, labels, start), last),
        )
    return Break(
        kind="geometry",
        step=int(labels.step[start]),
        low=float(before.S),
        high=float(after.S),
        position=start,
        join=None if join is None else join.index,
        evidence=rows_around(timeline, labels, start),
    )


def _beyond_the_plan(plan: Plan, labels: Labels) -> int:
    """Epochs by which the labels exceed the declared ones, in a run that is not longer than declared."""
    epochs, totals, last = plan.epochs, plan.total_steps, int(labels.step.max())
    beyond = 0 if not epochs else math.floor(float(np.ptp(labels.value))) + 1 - math.ceil(epochs)
    return max(0, beyond) if totals and last <= max(totals) + 1 else 0


def _position(labels: Labels, bounds: Bounds, piece: EpochPiece) -> int:
    """The row at which a piece begins to show."""
    position = int(bounds.position[piece.bound])
    if piece.due is not None:
        start = int(bounds.start[piece.bound])
        return min(position, start + int(np.searchsorted(labels.step[start : position + 1], piece.due - 1e-6)))
    return int(bounds.start[piece.bound]) if piece.at_join else position


def join_at(joins: tuple[Join, ...], labels: Labels, position: int) -> Join | None:
    """The join that opens the session of this row."""
    session = int(labels.session[position])
    return next((join for join in joins if join.after == session), None)


def rows_around(timeline: Timeline, labels: Labels, position: int) -> tuple[Row, ...]:
    """The last row before a place and the first behind it."""
    rows = []
    if position > 0:
        rows.append(timeline.row(labels.series, int(labels.index[position - 1]), "last row before"))
    rows.append(timeline.row(labels.series, int(labels.index[position]), "first row that does not fit"))
    return tuple(rows)


def anchor_of(timeline: Timeline, labels: Labels) -> tuple[int, int, int] | None:
    """(lowest, highest, label): where the first epoch begins, when the log shows the beginning of the run.

    A first label of 1 may be the second epoch of a count from 0, unless the epoch is longer than what came before it.
    """
    axis = timeline.step_axis
    if axis.unit not in ("update", "micro-batch") or int(labels.session[0]) != 0:
        return None
    low, high = (0, 1) if axis.base is None else (axis.base, axis.base)
    if timeline.run.sources[int(labels.series.source[0])].framework in LABELS_OF_DONE and axis.base is not None:
        low = high = axis.base - 1  # the last update of an epoch has the next label
    label, before = round(float(labels.value[0])), int(labels.step[0]) - low
    if label not in (0, 1) or before > max(axis.cadence, usual_cadence(labels.step)) + 1:
        return None
    if label == 1 and before > 1:
        runs = label_runs(labels.step, np.round(labels.value).astype(np.int64), labels.session)
        if int(np.max(runs.last - runs.first)) + 1 <= before:
            return None
    return low, high, label


def shifted_origin(timeline: Timeline, labels: Labels, found: EpochExplanation) -> list[Break]:
    """The labels are sound among themselves, but their first boundary is not where the run began."""
    anchor = anchor_of(timeline, labels)
    piece = found.pieces[0]
    if anchor is None or not (math.isfinite(piece.low) and math.isfinite(piece.high)):
        return []
    S = float(piece.S)
    low, high = piece.low + S * anchor[2] - anchor[1], piece.high + S * anchor[2] - anchor[0]
    if low <= 0 <= high:
        return []
    laps = whole_laps(low, high, S)
    position = _first_boundary(labels)
    if low > 0 and position:  # late: the rows from the due boundary on are wrong
        due = int(anchor[1] + S)
        position = min(position, max(1, int(np.searchsorted(labels.step[: position + 1], due))))
    kind: BreakKind = ("repeat" if laps > 0 else "skip") if laps else "origin"
    return [
        Break(
            kind=kind,
            step=int(labels.step[position]),
            low=low,
            high=high,
            position=position,
            laps=laps,
            evidence=rows_around(timeline, labels, position),
        )
    ]


def _first_boundary(labels: Labels) -> int:
    change = np.nonzero((np.diff(np.floor(labels.value)) != 0) & (np.diff(labels.session) == 0))[0]
    return int(change[0]) + 1 if len(change) else 0
