"""What the step axis of the log counts, and from which base."""

from __future__ import annotations

import re

import numpy as np

from analyzer.clocks.axes import axis_of
from analyzer.clocks.cadence import distinct_steps, is_rounded_share, usual_cadence
from analyzer.clocks.step_axis import KnownBy, StepAxis
from analyzer.model import NO_STEP, Ints, Series, View
from analyzer.roles import Roles, counts_epochs_beside
from analyzer.timeline import Timeline

ZERO_BASED = ("pytorch-lightning", "lightning", "detectron2")  # loggers that write the first update as step 0
ONE_BASED = ("transformers", "megatron", "mmengine", "olmo")  # reference: how each framework counts, in the docs
BEGINS_AGAIN = {
    "laps": "the step begins again with every epoch",
    "passes": "the step goes over each batch several times",
}
ROUNDED_SHARE = "steps that rise by {} and a neighbouring number in turn are a share of an epoch or run, rounded"
SECOND_COUNTER = re.compile(r"^(?:train/)?(?:num_|n_|optimizer_)?updates?$|^optimizer_steps?$", re.I)
LIGHTNING_TAG = re.compile(r"^lr-[A-Z]\w+(?:/pg\d+)?$")
"""``lr-SGD``, ``lr-AdamW/pg1``: the tags of Lightning's LearningRateMonitor."""


def read_step_axis(timeline: Timeline) -> StepAxis:
    """Infer unit, size, base and cadence of the step axis."""
    series = main_series(timeline.view, timeline.roles)
    if series is None:
        return StepAxis(unit="unknown", why="no series with steps")
    steps = series.step[series.step != NO_STEP]
    cadence = usual_cadence(steps)
    again = next((one.begins_again for one in timeline.accounts if one.view is timeline.view), None)
    if again is not None:
        column = timeline.run.sources[int(series.source[0])].step_column
        return StepAxis(unit="unknown", column=column, cadence=cadence, why=BEGINS_AGAIN[again])
    source = timeline.run.sources[int(series.source[0])]
    found = axis_of(
        source,
        series,
        [*timeline.roles.all("step"), *second_counters(timeline.view)],
        timeline.plan,
        rates=timeline.roles.first("learning_rate"),
        epochs=timeline.roles.first("epoch"),
        examples=timeline.declared.get("dataset_size"),
        accumulation=timeline.declared.get("grad_accumulation"),
        logging_steps=timeline.declared.get("logging_steps"),
    )
    if found.unit == "update" and source.step_axis == "step" and is_rounded_share(steps):
        return StepAxis(unit="unknown", column=found.column, cadence=cadence, why=ROUNDED_SHARE.format(cadence))
    base, known_by, why = _base(timeline, series, steps, cadence) if found.unit == "update" else (None, None, "")
    return StepAxis(
        unit=found.unit,
        column=found.column,
        per_update=found.per_update,
        why="; ".join(words for words in (found.why, why) if words),
        base=base,
        base_known_by=known_by,
        cadence=cadence,
    )


def second_counters(view: View) -> list[Series]:
    """Columns named like a count of updates, which play no other part."""
    return [series for tag, series in view.series.items() if SECOND_COUNTER.search(tag)]


def main_series(view: View, roles: Roles) -> Series | None:
    """The series that the step axis is read from: the training loss, else the learning rate, else the longest.

    A loss by epochs beside a rate by steps leaves it to the rate.
    """
    named = [one for role in ("loss", "learning_rate", "epoch") if (one := roles.first(role)) is not None]
    stepped = [one for one in named if np.any(one.step != NO_STEP)]
    for series in stepped:
        if not any(counts_epochs_beside(series, other) for other in stepped):
            return series
    stepped = [series for series in view.series.values() if np.any(series.step != NO_STEP)]
    return max(stepped, key=len, default=None)


def _base(timeline: Timeline, series: Series, steps: Ints, cadence: int) -> tuple[int | None, KnownBy, str]:
    framework = (timeline.run.sources[int(series.source[0])].framework or "").lower()
    distinct = distinct_steps(steps)
    first = int(distinct[0])
    second = int(distinct[1]) if len(distinct) > 1 else None
    lightning = any(LIGHTNING_TAG.match(tag) for tag in timeline.view.series)
    every_step_from_1 = cadence == 1 and first == 1  # a table of one's own with that logger's columns
    zero_based = (framework in ZERO_BASED or lightning) and not every_step_from_1
    if zero_based and float(np.mean(steps % cadence == cadence - 1)) > 0.5:
        name = framework if framework in ZERO_BASED else "Lightning"
        return 0, "framework", f"{name} writes the first update as step 0"
    if framework in ONE_BASED and first != 0:
        return 1, "framework", f"{framework} counts updates from 1"
    if first == 0 and (cadence == 1 or (second is not None and second % cadence == cadence - 1)):
        return 0, "rows", "the first row is step 0"
    if first == 1 and (cadence == 1 or (second is not None and second % cadence == 0)):
        return 1, "rows", "the first row is step 1"
    totals = timeline.plan.total_steps
    last = last_step(timeline) or 0
    if first > 0 and totals == (last,):  # with several readings, one of them is met by chance
        return 1, "plan", f"the last row is step {last}, the planned number of updates"
    return None, None, f"rows every {cadence} steps fit a count from 0 and a count from 1"


def last_step(timeline: Timeline) -> int | None:
    """The highest step of the series that share the main series' axis."""
    series = main_series(timeline.view, timeline.roles)
    if series is None:
        return None
    shared = [series, *timeline.roles.all("learning_rate"), *timeline.roles.all("grad_norm")]
    highest = [int(one.step.max()) for one in shared if len(one) and int(one.step.max()) != NO_STEP]
    return max(highest, default=None)


