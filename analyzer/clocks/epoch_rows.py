"""Logs with one row per epoch: the step axis is the epoch, and the only second witness is how many rows there are."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from analyzer.clocks.global_step import main_series
from analyzer.model import NO_STEP, Finding, Row
from analyzer.timeline import Timeline


class RelabelledEpochs(Struct, frozen=True, kw_only=True):
    """An epoch number that was left out or given twice, with the join at which it happened."""

    finding: Finding
    join: int | None


def relabelled_epochs(timeline: Timeline) -> RelabelledEpochs | None:
    """The epoch at which the labels leave the rows, when there is a row for every declared epoch.

    As many rows as epochs and a label missing: the counter skipped it, no row was lost. A label twice: it was trained
    twice under one name, nothing was replayed.
    """
    series, epochs = main_series(timeline.view, timeline.roles), timeline.plan.epochs
    if series is None or epochs is None or epochs.denominator != 1:
        return None
    usable = np.nonzero(series.step != NO_STEP)[0]
    step = series.step[usable]
    rise = np.diff(step)
    odd = np.nonzero(rise != 1)[0]
    if len(step) != int(epochs) or len(odd) != 1 or int(step[-1]) - int(step[0]) + 1 == len(step):
        return None
    at, size = int(odd[0]) + 1, int(rise[odd[0]])
    if size < 0 and -size >= len(step) // 2:
        return None
    session = timeline.session_map.of(series)[usable]
    crossed = session[at] != session[at - 1]
    join = next((one for one in timeline.joins if one.after == int(session[at])), None) if crossed else None
    what = (
        f"epoch {int(step[at - 1])} is followed by {int(step[at])}"
        if size > 1
        else f"epoch {int(step[at])} is in the log twice"
    )
    rows: tuple[Row, ...] = (
        timeline.row(series, int(usable[at - 1]), "row before"),
        timeline.row(series, int(usable[at]), "row behind it"),
    )
    return RelabelledEpochs(
        finding=Finding(
            severity="error",
            message=f"{what}, though the log has a row for each of the {int(epochs)} declared epochs: the label "
            "moved by "
            f"{abs(size - 1)}{' at the resume' if join is not None else ''}, no row is missing or replayed",
            tag=series.tag,
            first_step=int(step[at]),
            numbers={"epochs": size - 1, "rows": len(step)},
            evidence=rows,
            join=None if join is None else join.index,
        ),
        join=None if join is None else join.index,
    )
