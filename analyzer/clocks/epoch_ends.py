"""Epochs read from rows that stand at their ends, where no label tells of their inside."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from analyzer.clocks.cadence import distinct_steps, usual_cadence
from analyzer.clocks.closing_rows import epoch_means
from analyzer.clocks.epoch_clock import EpochClock, Labels, Slope
from analyzer.clocks.global_step import last_step
from analyzer.clocks.labels import validation_series
from analyzer.clocks.planned_epochs import planned_lengths, planned_steps_per_epoch
from analyzer.distinct import distinct
from analyzer.model import Series
from analyzer.timeline import Timeline

FEWEST_ENDS = 3
"""Ends of epochs on one line: any two are."""
FRACTIONAL = ("transformers",)
"""Frameworks whose epoch is a fraction by itself, epoch + (batch + 1) / batches (``trainer.py``)."""


def from_whole_fractions(timeline: Timeline, labels: Labels) -> EpochClock | None:
    """Fractional labels of rows at the ends of epochs: 1.0, 2.0, .. at whole multiples of the steps per epoch.

    None unless every row agrees: a fraction that reads e at step s says s = origin + e S exactly, and rows inside an
    epoch lie on the same line, to the step that its rounding leaves.
    """
    whole = np.abs(labels.value - np.round(labels.value)) <= labels.half
    epoch, first = np.unique(np.round(labels.value[whole]).astype(np.int64), return_index=True)
    if len(epoch) < FEWEST_ENDS or np.any(np.diff(labels.step) < 0):
        return None
    step = labels.step[whole][first]
    length, rest = divmod(int(step[-1] - step[0]), int(epoch[-1] - epoch[0]))
    origin = int(step[0]) - length * int(epoch[0])
    off = np.abs(labels.step - origin - length * labels.value)
    if rest or length < 2 or np.any(off > np.where(whole, 0, 1 + length * labels.half)):
        return None
    return EpochClock(
        source="fractions",
        low=Fraction(length),
        high=Fraction(length),
        origin=origin,
        base=0,
        tag=labels.series.tag,
        labels=labels,
        slope=Slope(low=float(length), high=float(length)),
        crossings=len(epoch) - 1,
    )


def counts_in_fractions(timeline: Timeline, labels: Labels) -> bool:
    """Whether whole labels are fractions that were read at the ends of epochs: one step for each, and the writer's way.

    A label that merely changes once per row may change anywhere between two rows.
    """
    framework = timeline.run.sources[int(labels.series.source[0])].framework or ""
    if framework.lower() not in FRACTIONAL:
        return False
    return len(distinct(labels.step)) == len(distinct(labels.value)) >= FEWEST_ENDS


def from_closing_rows(timeline: Timeline) -> EpochClock | None:
    """Without labels: rows that an epoch's end writes, at one constant spacing that the plan confirms."""
    means = epoch_means(timeline)
    planned = planned_lengths(timeline)
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
