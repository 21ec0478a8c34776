"""Where labels leave the epoch clock, and what happened there: a shift, whole laps, data read again, another batch."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from analyzer.clocks.cadence import usual_cadence
from analyzer.clocks.epoch_clock import Break, BreakKind, EpochClock
from analyzer.clocks.epoch_solution import GEOMETRY_STEPS, Solution
from analyzer.clocks.label_runs import FREE, Bounds, Piece, label_runs, whole_laps
from analyzer.clocks.labels import Labels
from analyzer.model import Row

if TYPE_CHECKING:
    from analyzer.clocks.session_map import Join
    from analyzer.timeline import Timeline


def breaks_between(timeline: Timeline, labels: Labels, bounds: Bounds, found: Solution) -> list[Break]:
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
        join = join_at(timeline, labels, position) if after.at_join else None
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


def changed_inside(labels: Labels, boundary: int, before: Solution, after: Solution) -> int:
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
    jumped = np.diff(labels.step[max(begin, opens - 1) : last + 2]).max() >= late + usual_cadence(labels.step)
    return None if jumped else again


def _position(labels: Labels, bounds: Bounds, piece: Piece) -> int:
    """The row at which a piece begins to show."""
    position = int(bounds.position[piece.bound])
    if piece.due is not None:
        start = int(bounds.start[piece.bound])
        return min(position, start + int(np.searchsorted(labels.step[start : position + 1], piece.due)))
    return int(bounds.start[piece.bound]) if piece.at_join else position


def join_at(timeline: Timeline, labels: Labels, position: int) -> Join | None:
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


def anchor_of(timeline: Timeline, labels: Labels) -> tuple[int, int, int] | None:
    """(lowest, highest, label): where the first epoch begins, when the log shows the beginning of the run.

    A first label of 1 may be the second epoch of a count from 0, unless the epoch is longer than what came before it.
    """
    axis = timeline.step_axis
    if axis.unit not in ("update", "micro-batch") or int(labels.session[0]) != 0:
        return None
    low, high = (0, 1) if axis.base is None else (axis.base, axis.base)
    label, before = round(float(labels.value[0])), int(labels.step[0]) - low
    if label not in (0, 1) or before > max(axis.cadence, usual_cadence(labels.step)) + 1:
        return None
    if label == 1 and before > 1:
        runs = label_runs(labels.step, np.round(labels.value).astype(np.int64), labels.session)
        if int(np.max(runs.last - runs.first)) + 1 <= before:
            return None
    return low, high, label


def shifted_origin(timeline: Timeline, labels: Labels, found: Solution, clock: EpochClock) -> list[Break]:
    """The labels are sound among themselves, but their first boundary is not where the run began."""
    anchor = anchor_of(timeline, labels)
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
