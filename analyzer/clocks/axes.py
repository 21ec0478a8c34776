"""What a step axis counts, decided in one place: by what the reader says, by a second counter, by the plan."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from analyzer.clocks.cadence import usual_cadence
from analyzer.model import NO_STEP, Axis, Ints, Series, Source, Unit
from analyzer.planning import Plan

ENVIRONMENT = re.compile(r"timesteps$|(?:env|environment|actor|agent)_?steps?$|frames$", re.I)
NAMED: dict[str, Unit] = {
    "micro-batch": "micro-batch", "place": "place", "samples": "sample", "tokens": "token",
    "environment": "environment step", "epoch": "epoch",
    "episode": "episode", "row": "row", "call": "call", "redraw": "redraw",
}  # fmt: skip
OF_EVENTS: dict[str | None, Unit] = {"stable-baselines3": "environment step", "ultralytics": "epoch"}
"""What frameworks hand to TensorBoard as the step, where it is no update: ``num_timesteps``, ``epoch + 1``."""
OVER_SAMPLES = re.compile(r"/Samples/|[ _]vs[ _]samples$", re.I)
"""Tags of DeepSpeed and Megatron that say that their step counts samples."""
UPDATES_BY_NAME = re.compile(r"update|optim", re.I)
"""A second counter of this name counts the optimizer's updates; another one may count anything."""
FEWEST_WINDOWS = 10
"""Changes of a rate that all fall on the first step of a window of two: by chance in one log of a thousand."""
EVERY_STEP = 0.95
"""Of the rows: a resume may shift them once."""
FEWEST_EPOCHS = 5
"""Declared epochs that end with the steps: by chance as often as a run has just so many updates."""
FEWEST_LAPS = 4
"""Changes of the label that show an epoch's length by themselves."""
FEWEST_PAIRS = 3
"""Rows with both counters that show how one runs against the other."""


def axis_of(
    source: Source,
    series: Series,
    counters: Sequence[Series],
    plan: Plan,
    *,
    rates: Series | None = None,
    epochs: Series | None = None,
    examples: float | None = None,
    accumulation: int | None,
    logging_steps: int | None,
) -> Axis:
    """Unit and size of the axis of a log's main series.

    Args:
        counters: further columns that count steps.
        rates: a learning rate.
        epochs: whole labels of epochs.
        examples, accumulation, logging_steps: as declared; the first are those of an epoch.
    """
    steps = series.step[series.step != NO_STEP]
    unit = NAMED.get(source.step_axis, "update")
    if unit == "update" and OVER_SAMPLES.search(series.tag):
        unit = "sample"
    column, said = source.step_column, f"the {source.format} log counts {source.step_axis}"
    if unit == "sample" and (ENVIRONMENT.search(column or "") or source.framework == "stable-baselines3"):
        return Axis(unit="environment step", column=column, why=said)
    if unit == "update" and source.format == "tfevents" and source.framework in OF_EVENTS:
        return Axis(unit=OF_EVENTS[source.framework], column=column, why=f"{source.framework} writes these events")
    in_batches = source.places is not None and source.places in {one.batches_per_epoch for one in plan.readings}
    if source.step_axis == "batch" or (source.step_axis == "place" and in_batches):
        if accumulation and accumulation > 1:
            return Axis(unit="micro-batch", column=column, per_update=float(accumulation), why=said)
        return Axis(
            unit="update", column=column, per_update=1.0, why="every batch is an update: no accumulation is declared"
        )
    if unit in ("call", "row"):
        return _of_calls(unit, column, said, steps, plan, logging_steps)
    if unit == "update" and series.tag.startswith("epoch_"):
        return Axis(unit="epoch", column=column, why=f"{series.tag} is written once per epoch")
    ratio, counter = _whole_ratio(series, counters)
    if unit == "update":
        if _counts_epochs(steps, plan):
            why = f"a row for each of the {float(plan.epochs or 0):g} declared epochs"
            return Axis(unit="epoch", column=column, why=why)
        batch = plan.samples_per_update
        by_labels = batch and examples and epochs is not None and _an_epoch_is(int(examples), epochs, steps, batch)
        if batch and batch > 1 and (by_labels or _counts_samples(steps, plan, batch)):
            why = f"steps advance by multiples of the {batch} examples of one update"
            why += f", and an epoch by the {int(examples or 0)} declared" if by_labels else ""
            return Axis(unit="sample", column=column, per_update=float(batch), why=why)
        if accumulation and accumulation > 1 and rates is not None and _moves_by_windows(rates, accumulation):
            why = f"the learning rate stands still for {accumulation} steps each time: the batches of one update"
            return Axis(unit="micro-batch", column=column, per_update=float(accumulation), why=why)
        if counter is not None and (ratio == accumulation or UPDATES_BY_NAME.search(counter)):
            why = f"the step advances {ratio} for each of {counter}"
            return Axis(unit="micro-batch", column=column, per_update=float(ratio), why=why)
        return Axis(unit="update", column=column, per_update=1.0)
    known = {"sample": plan.samples_per_update, "token": plan.tokens_per_update, "micro-batch": accumulation}.get(unit)
    return Axis(unit=unit, column=column, per_update=float(known or ratio) if known or ratio else None, why=said)


def _of_calls(unit: Unit, column: str | None, said: str, steps: Ints, plan: Plan, logging_steps: int | None) -> Axis:
    """Calls and rows have the size of the declared logging_steps; a call counter that advances alone counts updates."""
    if unit == "call" and usual_cadence(steps) > 1:
        return Axis(unit="update", column=column, per_update=1.0, why="the counter goes on between two rows")
    whole = unit == "call" or bool(np.all(np.diff(steps) == 1))  # rows of other kinds are counted as well
    if logging_steps and whole:
        if logging_steps == 1:
            return Axis(unit="update", column=column, per_update=1.0, why="a row for every update is declared")
        return Axis(unit=unit, column=column, per_update=1 / logging_steps, why=said)
    fewest = min(plan.total_steps, default=None)
    if unit == "call" and fewest is not None and len(steps) > fewest / 2:
        return Axis(unit="update", column=column, per_update=1.0, why="more calls than half the planned updates")
    return Axis(unit=unit, column=column, why=said)


def _whole_ratio(series: Series, counters: Sequence[Series]) -> tuple[int, str | None]:
    """How many steps of the axis one count of another column is, where that is a constant whole number above 1."""
    for counter in counters:
        usable = (counter.step != NO_STEP) & np.isfinite(counter.value)
        step, value = counter.step[usable], counter.value[usable]
        if len(step) < FEWEST_PAIRS or counter.tag == series.tag or np.any(value != np.round(value)):
            continue
        rise, run = np.diff(value), np.diff(step).astype(np.float64)
        if np.any(rise <= 0) or np.any(run <= 0):
            continue
        ratio = run / rise
        if float(np.ptp(ratio)) == 0 and ratio[0] >= 2 and float(ratio[0]).is_integer():
            return int(ratio[0]), counter.tag
    return 0, None


def _moves_by_windows(rates: Series, accumulation: int) -> bool:
    """Whether a rate that is logged at every step stands still inside each window of so many steps."""
    usable = rates.step != NO_STEP
    step, value = rates.step[usable], rates.value[usable]
    if len(step) < accumulation * FEWEST_WINDOWS or np.mean(np.diff(step) == 1) < EVERY_STEP:
        return False
    place = step[1:][np.diff(value) != 0] % accumulation
    if len(place) < FEWEST_WINDOWS:
        return False
    return bool(np.bincount(place).max() >= EVERY_STEP * len(place))


def _counts_epochs(steps: Ints, plan: Plan) -> bool:
    """Whether the steps are the declared epochs, one by one from 0 or 1 to the last."""
    first, last = int(steps.min()), int(steps.max())
    as_declared = plan.epochs is not None and first in (0, 1) and last - first + 1 == plan.epochs
    updates = (last, last + 1)  # one for each epoch
    as_updates = any(total in updates for total in plan.total_steps)
    return as_declared and last >= FEWEST_EPOCHS and not as_updates and usual_cadence(steps) == 1


def _an_epoch_is(examples: int, epochs: Series, steps: Ints, batch: int) -> bool:
    """Whether the labels go up once in as many steps as an epoch has examples, and all steps are whole batches.

    An epoch of so many updates is one of batches of a single example: not of the declared ones, of which steps are
    multiples.
    """
    if examples < 2 * batch or np.any(steps % batch):
        return False
    rises = np.flatnonzero(np.diff(epochs.value) == 1)
    if len(rises) < FEWEST_LAPS or np.any(np.diff(epochs.step) <= 0):
        return False
    between = (epochs.step[rises] + epochs.step[rises + 1]) / 2  # a label begins somewhere between its two rows
    laps = np.diff(between)
    room = usual_cadence(epochs.step) / 2
    return bool(np.mean(np.abs(laps - examples) <= 2 * room) >= EVERY_STEP and abs(laps.mean() - examples) <= room)


def _counts_samples(steps: Ints, plan: Plan, batch: int) -> bool:
    """Whether the axis counts examples: spaced by whole global batches, and far beyond the run's updates."""
    last = int(steps.max())
    if not plan.total_steps or last < 2 * max(plan.total_steps):
        return False
    forward = np.diff(steps)
    whole = forward[forward > 0] % batch == 0
    return len(whole) > 0 and bool(np.mean(whole) > 0.5) and bool(last <= 1.5 * batch * max(plan.total_steps))
