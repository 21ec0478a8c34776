"""Epochs read from rows that stand at their ends, where no label tells of their inside."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from analyzer.clocks.cadence import distinct_steps, usual_cadence
from analyzer.clocks.closing_rows import epoch_means
from analyzer.clocks.epoch_breaks import join_at, rows_around
from analyzer.clocks.epoch_clock import Break, EpochClock, Labels
from analyzer.clocks.global_step import last_step
from analyzer.clocks.labels import validation_series
from analyzer.clocks.planned_epochs import planned_lengths, planned_steps_per_epoch
from analyzer.model import Series
from analyzer.timeline import Timeline

FEWEST_ROWS = 8
"""Rows that each have the label behind the one before: as many that do so by chance need an epoch within an eighth of
the distance of rows."""
ODD_LABELS = 2
"""Labels given twice or left out; with more of them the rows do not close epochs."""
SMALL = 16
"""Steps: so often people log by choice."""


def from_rows_at_ends(timeline: Timeline, labels: Labels) -> EpochClock | None:
    """Whole labels of a log that has one row per epoch and a step: the rows close epochs of one length.

    None unless all rows are equally far apart, nearly every row has the label behind that of the row before, and the
    distance is none that people choose to log at: at a chosen one, an epoch that is a little longer or shorter leaves
    such labels too. A label that stands for two rows was given twice, one that is left out was skipped.
    """
    rises, laps = np.diff(labels.step), np.diff(np.round(labels.value)).astype(np.int64)
    if len(rises) < FEWEST_ROWS or rises[0] < 2 or np.any(rises != rises[0]):
        return None
    length, odd = int(rises[0]), np.flatnonzero(laps != 1)
    if _is_chosen(length) and length not in planned_lengths(timeline.plan, timeline.step_axis):
        return None
    if len(odd) > ODD_LABELS or np.any(laps < 0):
        return None
    breaks = []
    for at in (odd + 1).tolist():
        moved = 1 - int(laps[at - 1])
        join = join_at(timeline.joins, labels, at) if labels.session[at] != labels.session[at - 1] else None
        breaks.append(
            Break(
                kind="repeat" if moved > 0 else "skip",
                step=int(labels.step[at]),
                low=float(moved * length),
                high=float(moved * length),
                laps=moved,
                position=at,
                join=None if join is None else join.index,
                evidence=rows_around(timeline, labels, at),
            )
        )
    first = round(float(labels.value[0]))
    return EpochClock(
        source="labels",
        low=Fraction(length),
        high=Fraction(length),
        origin=timeline.step_axis.base,
        base=first if first in (0, 1) else 0,
        breaks=tuple(breaks),
        tag=labels.series.tag,
        labels=labels,
        crossings=len(rises),
    )


def _is_chosen(cadence: int) -> bool:
    """Whether people choose to log at such a distance: a small number, a round one, or one of powers of two."""
    return cadence <= SMALL or cadence % 5 == 0 or cadence & (cadence - 1) == 0


def from_closing_rows(timeline: Timeline) -> EpochClock | None:
    """Without labels: rows that an epoch's end writes, at one constant spacing that the plan confirms."""
    means = epoch_means(timeline.roles)
    planned = planned_lengths(timeline.plan, timeline.step_axis)
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
    lengths = planned_steps_per_epoch(timeline.plan, timeline.step_axis)
    if len(lengths) == 1 and timeline.step_axis.per_update is not None:
        return EpochClock(
            source="declared", low=lengths[0], high=lengths[0], origin=timeline.step_axis.base, base=0, too_sparse=True
        )
    return None


def _constant_spacing(series: Series) -> int | None:
    steps = distinct_steps(series.step)
    if len(steps) < 3:
        return None
    spacing = usual_cadence(steps)
    return spacing if bool(np.all(np.diff(steps) == spacing)) else None
