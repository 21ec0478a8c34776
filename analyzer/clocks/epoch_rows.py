"""Logs with one row per epoch: the step axis is the epoch, and the second witness is how many rows there are, or a
scheduler that counts epochs."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from analyzer.clocks.global_step import main_series
from analyzer.clocks.scheduler_clock import deviations_of
from analyzer.model import NO_STEP, Finding, Ints, Row, Series
from analyzer.precision import half_width
from analyzer.timeline import Timeline

AROUND = 4
"""Rows on each side of one that show how the rate moves; as many happen to move alike by no other schedule."""


class RelabelledEpochs(Struct, frozen=True, kw_only=True):
    """An epoch number that was left out or given twice, with the join at which it happened."""

    finding: Finding
    join: int | None


def relabelled_epochs(timeline: Timeline) -> RelabelledEpochs | None:
    """The epoch at which the labels leave the rows, by a row for every declared epoch or by the declared schedule.

    As many rows as epochs and a label missing: the counter skipped it, no row was lost. A label twice: it was trained
    twice under one name, nothing was replayed; so where the declared schedule goes on over it.
    """
    series, epochs = main_series(timeline.view, timeline.roles), timeline.plan.epochs
    if series is None:
        return None
    usable = np.nonzero(series.step != NO_STEP)[0]
    step = series.step[usable]
    rise = np.diff(step)
    odd = np.nonzero(rise != 1)[0]
    if len(odd) != 1:
        return None
    at, size = int(odd[0]) + 1, int(rise[odd[0]])
    if size < 0 and -size >= len(step) // 2:
        return None
    session = timeline.session_map.of(series)[usable]
    crossed = session[at] != session[at - 1]
    join = next((one for one in timeline.joins if one.after == int(session[at])), None) if crossed else None
    counted = [
        (clock, one)
        for clock, one in deviations_of(timeline.schedulers, "relabelled")
        if join is not None and one.join == join.index
    ]
    all_there = epochs == len(step) and int(step[-1]) - int(step[0]) + 1 != len(step)
    rate = None if all_there or counted or size else _rate_that_goes_on(timeline, series, usable, at)
    if not all_there and not counted and rate is None:
        return None
    what = (
        f"epoch {int(step[at - 1])} is followed by {int(step[at])}"
        if size > 1
        else f"epoch {int(step[at])} is in the log twice"
    )
    why = (
        f"though the log has a row for each of the {len(step)} declared epochs"
        if all_there
        else f"and {counted[0][0].series.tag} counts both: {counted[0][1].what}"
        if rate is None
        else f"and {rate.tag} moves on from one to the other as it does from each epoch to the next"
    )
    rows: tuple[Row, ...] = (
        timeline.row(series, int(usable[at - 1]), "row before"),
        timeline.row(series, int(usable[at]), "row behind it"),
        *(counted[0][1].evidence if counted and not all_there else ()),
        *(timeline.row(rate, int(one), "the rate of this row") for one in usable[[at - 1, at]] if rate is not None),
    )
    return RelabelledEpochs(
        finding=Finding(
            severity="error" if all_there else "warning",
            message=f"{what}, {why}; the label moved by "
            f"{abs(size - 1)}{' at the resume' if join is not None else ''}, no row is missing or replayed",
            tag=series.tag,
            first_step=int(step[at]),
            numbers={"epochs": size - 1, "rows": len(step)},
            evidence=rows,
            join=None if join is None else join.index,
        ),
        join=None if join is None else join.index,
    )


def _rate_that_goes_on(timeline: Timeline, series: Series, usable: Ints, at: int) -> Series | None:
    """The learning rate that moves at a row as it does from each row to the next around it: it counts the row."""
    for rate in timeline.roles.all("learning_rate"):
        if len(rate) != len(series) or not np.array_equal(rate.row, series.row):
            continue
        near = usable[max(0, at - 1 - AROUND) : at + 1 + AROUND]
        moves, room = np.diff(rate.value[near]), 4 * float(half_width(rate)[near].max())
        own = min(at - 1, AROUND)
        others = np.delete(moves, own)
        told = len(moves) == 2 * AROUND + 1 and np.abs(moves).min() > room and len(set(np.sign(moves))) == 1
        if told and others.min() - room <= moves[own] <= others.max() + room:
            return rate
    return None
