"""Epochs that change in length by design: a batch that grows, as declared or as the labels show it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.epoch_clock import Break, EpochClock, Labels
from analyzer.clocks.epoch_evidence import laps_of, one_way_only
from analyzer.clocks.epoch_explanation import EpochExplanation
from analyzer.clocks.step_axis import StepAxis
from analyzer.distinct import distinct
from analyzer.planning import Plan

RAMP_LAPS = 2
"""Complete epochs of one length that show a stretch of a ramp: a single one may be an epoch in which something went
wrong."""


def along_ramp(plan: Plan, step_axis: StepAxis, labels: Labels) -> EpochClock | None:
    """A clock whose epochs have the lengths that a declared batch-size ramp gives, if the labels agree with it."""
    whole = np.round(labels.value).astype(np.int64)
    base = step_axis.base
    for reading in plan.readings:
        if not reading.laps or not reading.laps[-1]:
            continue
        ends = np.cumsum(reading.laps)
        for start in (0, 1) if base is None else (base,):
            lap = np.searchsorted(ends, labels.step - start, side="right")
            lap += np.maximum(labels.step - start - ends[-1], 0) // reading.laps[-1]  # the last length goes on
            for first in (0, 1):
                if np.array_equal(lap + first, whole):
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


def as_ramp(found: EpochExplanation, breaks: list[Break]) -> list[Break]:
    """Lengths that change where epochs end, in one direction and for two epochs or more each, are a ramp.

    Nothing that goes wrong with labels or data leaves that: a label that is skipped or given twice, or data that begin
    again, are followed by epochs of the old length.
    """
    changes = [one for one in breaks if one.kind == "geometry"]
    if not changes or len(changes) < len(breaks) or any(one.join is not None for one in changes):
        return breaks
    starts = [int(found.bounds.start[piece.bound]) for piece in found.pieces[1:]]
    befores = [int(found.bounds.start[piece.bound - 1]) for piece in found.pieces[1:]]
    lengths = [piece.S for piece in found.pieces]
    at_boundaries = all(start != before for start, before in zip(starts, befores, strict=True))
    one_way = one_way_only(lengths)
    laps = [laps_of(found, k) for k in range(len(lengths))]
    lasting = all(one >= RAMP_LAPS for one in (laps if len(laps) == 2 else laps[:-1]))
    if not (at_boundaries and one_way and lasting):
        return breaks
    return [replace(one, kind="ramp", low=one.high) for one in changes]


def is_declared(plan: Plan, laps: list[tuple[float, Fraction]]) -> bool:
    """Whether a declared batch-size ramp gives the lengths of epochs, each from the fractional label on that it has."""
    for reading in plan.readings:
        starts = [k for k, length in enumerate(reading.laps) if k == 0 or length != reading.laps[k - 1]]
        if len(starts) == len(laps) and all(
            abs(label - start) < 1 and abs(length - reading.laps[start]) <= 1
            for start, (label, length) in zip(starts, laps, strict=True)
        ):
            return True
    return False
