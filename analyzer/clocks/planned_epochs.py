"""What the plan says about the length of an epoch, and which other witnesses bear it out."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from analyzer.clocks.closing_rows import closing_lengths, closing_rows_fit
from analyzer.clocks.epoch_clock import EpochClock
from analyzer.clocks.epoch_explanation import Planned
from analyzer.clocks.run_end import updates_done
from analyzer.clocks.step_axis import StepAxis
from analyzer.distinct import distinct
from analyzer.model import NO_STEP, Series
from analyzer.planning import Plan
from analyzer.timeline import Timeline

OPEN, OPEN_SHARE = Fraction(2), Fraction(1, 20)
"""Steps, or share of them, that the labels may leave open in an epoch whose length they measure."""
MEASURED_ENDS = 2
"""Ends of epochs that measure a length: the first may be off by the origin of the count."""


def planned_steps_per_epoch(plan: Plan, step_axis: StepAxis) -> tuple[Fraction, ...]:
    """Steps per epoch of the plan, on the log's own axis; none where its size in updates is not known."""
    size = step_axis.per_update
    if size is None:
        return ()
    per_update = Fraction(size).limit_denominator(10**6)
    return tuple(U * per_update for U in plan.steps_per_epoch)


def measured_totals(plan: Plan, step_axis: StepAxis, clock: EpochClock | None) -> tuple[int, ...]:
    """Updates of the declared epochs at the measured steps per epoch, where nothing else declares a length.

    Every whole number that the labels leave, ascending; empty where they leave the steps per epoch open.
    """
    epochs, size = plan.epochs, step_axis.per_update
    if plan.total_steps or not epochs or size is None:
        return ()
    if clock is None or clock.labels is None or clock.high is None or clock.too_sparse or clock.breaks:
        return ()
    if clock.crossings < MEASURED_ENDS or clock.high - clock.low > max(OPEN, OPEN_SHARE * clock.low):
        return ()
    if clock.origin is None or abs(clock.origin) > 1:
        return ()  # the first epoch has another length, or the log begins later
    each = epochs / Fraction(size).limit_denominator(10**6)
    return tuple(range(math.floor(clock.low * each), math.ceil(clock.high * each) + 1))


def planned_lengths(plan: Plan, step_axis: StepAxis) -> tuple[int, ...]:
    return tuple(int(U) for U in planned_steps_per_epoch(plan, step_axis) if U.denominator == 1)


def laps_of_places(place: Series | None) -> list[Fraction]:
    """Steps from the beginning of one epoch to the next, where a place in the epoch tells where each began."""
    if place is None:
        return []
    usable = np.isfinite(place.value) & (place.step != NO_STEP)
    began = distinct((place.step[usable] - place.value[usable]).astype(np.int64))
    laps = np.diff(began)
    even = len(laps) >= MEASURED_ENDS and 2 * len(began) <= np.count_nonzero(usable) and np.ptp(laps) == 0
    return [Fraction(int(laps[0]))] if even and laps[0] > 1 else []


def read_planned(timeline: Timeline) -> Planned:
    """What the plan says, with the steps per epoch that closing rows or an exactly known end of the run bear out."""
    lengths = planned_steps_per_epoch(timeline.plan, timeline.step_axis)
    if timeline.step_axis.per_update is None:
        return Planned()
    done = updates_done(timeline)
    confirmed = []
    for U, on_axis in zip(timeline.plan.steps_per_epoch, lengths, strict=True):
        ends = done is not None and done.low == done.high and done.low in timeline.plan.totals_given(U)
        if on_axis.denominator == 1 and (ends or closing_rows_fit(timeline.view, timeline.roles, on_axis)):
            confirmed.append(on_axis)
    if not lengths:
        confirmed = [Fraction(length) for length in closing_lengths(timeline.view, timeline.roles)]
        confirmed += laps_of_places(timeline.roles.first("batch_in_epoch"))
    sized = [reading for reading in timeline.plan.readings if reading.batches_per_epoch]
    if not sized:
        return Planned(lengths=lengths, confirmed=tuple(confirmed))
    return Planned(
        lengths=lengths,
        confirmed=tuple(confirmed),
        divided=tuple({Fraction(r.batches_per_epoch or 0, r.accumulation) for r in sized}),
        batches=tuple({Fraction(r.batches_per_epoch or 0) for r in sized}),
        largest_denominator=max(reading.accumulation for reading in sized),
    )
