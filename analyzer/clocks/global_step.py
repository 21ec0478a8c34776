"""What the step axis of the log counts, and from which base."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Literal

import numpy as np
from msgspec import Struct

from analyzer.clocks.cadence import distinct_steps, usual_cadence
from analyzer.model import NO_STEP, Ints, Row, Series

if TYPE_CHECKING:
    from analyzer.timeline import Timeline

FEWEST_ROWS = 3
"""Training rows that show how often rows are written; fewer say nothing about what came behind the last."""
UNSEEN = 2**40
"""Updates that may lie behind the last row where nothing says how often rows are written."""

Unit = Literal["update", "micro-batch", "sample", "token", "epoch", "row", "call", "unknown"]

ZERO_BASED = ("pytorch-lightning", "lightning", "detectron2")  # loggers that write the first update as step 0
ONE_BASED = ("transformers", "megatron", "mmengine", "olmo")  # reference: how each framework counts, in the docs
LIGHTNING_TAG = re.compile(r"^lr-[A-Z]\w+(?:/pg\d+)?$")
"""``lr-SGD``, ``lr-AdamW/pg1``: the tags of Lightning's LearningRateMonitor."""


class StepAxis(Struct, frozen=True, kw_only=True):
    """How the axis relates to optimizer updates: updates done = (step - base + 1) / per_update."""

    unit: Unit = "update"
    base: int | None = None  # step of the row that the first update wrote; None: not known
    per_update: float = 1.0
    cadence: int = 1  # usual difference of two logged steps of the main series
    why: str = ""


def read_step_axis(timeline: Timeline) -> StepAxis:
    """Infer unit, base and cadence of the step axis."""
    series = main_series(timeline)
    if series is None:
        return StepAxis(unit="unknown", why="no series with steps")
    steps = series.step[series.step != NO_STEP]
    cadence = usual_cadence(steps)
    unit, per_update, why_unit = _unit(timeline, series, steps)
    if unit != "update":
        return StepAxis(unit=unit, per_update=per_update, cadence=cadence, why=why_unit)
    base, why_base = _base(timeline, series, steps, cadence)
    return StepAxis(unit="update", base=base, cadence=cadence, why=why_base)


def main_series(timeline: Timeline) -> Series | None:
    """The series that the step axis is read from: the training loss, else the learning rate, else the longest."""
    roles = timeline.roles
    for role in ("loss", "learning_rate", "epoch"):
        found = roles.first(role)
        if found is not None and np.any(found.step != NO_STEP):
            return found
    stepped = [series for series in timeline.view.series.values() if np.any(series.step != NO_STEP)]
    return max(stepped, key=len, default=None)


def _unit(timeline: Timeline, series: Series, steps: Ints) -> tuple[Unit, float, str]:
    source = timeline.run.sources[int(series.source[0])]
    named: dict[str, Unit] = {"samples": "sample", "tokens": "token", "epoch": "epoch", "row": "row", "call": "call"}
    samples = timeline.plan.samples_per_update
    if source.step_axis in named:
        unit = named[source.step_axis]
        per_update = float(samples) if unit == "sample" and samples else 1.0
        return unit, per_update, f"the {source.format} log counts {source.step_axis}"
    if series.tag.startswith("epoch_"):
        return "epoch", 1.0, f"{series.tag} is written once per epoch"
    if samples and samples > 1 and _counts_samples(timeline, steps, samples):
        return "sample", float(samples), f"steps advance by multiples of the {samples} examples of one update"
    return "update", 1.0, ""


def _counts_samples(timeline: Timeline, steps: Ints, samples: int) -> bool:
    """Whether the axis counts examples: spaced by whole global batches, and far beyond the run's updates."""
    plan = timeline.plan
    last = int(steps.max())
    if not plan.total_steps or last < 2 * max(plan.total_steps):
        return False
    forward = np.diff(steps)
    whole = forward[forward > 0] % samples == 0
    return len(whole) > 0 and bool(np.mean(whole) > 0.5) and bool(last <= 1.5 * samples * max(plan.total_steps))


def _base(timeline: Timeline, series: Series, steps: Ints, cadence: int) -> tuple[int | None, str]:
    framework = (timeline.run.sources[int(series.source[0])].framework or "").lower()
    distinct = distinct_steps(steps)
    first = int(distinct[0])
    second = int(distinct[1]) if len(distinct) > 1 else None
    lightning = any(LIGHTNING_TAG.match(tag) for tag in timeline.view.series)
    every_step_from_1 = cadence == 1 and first == 1  # a table of one's own with that logger's columns
    zero_based = (framework in ZERO_BASED or lightning) and not every_step_from_1
    if zero_based and float(np.mean(steps % cadence == cadence - 1)) > 0.5:
        return 0, f"{framework if framework in ZERO_BASED else 'Lightning'} writes the first update as step 0"
    if framework in ONE_BASED:
        return 1, f"{framework} counts updates from 1"
    if first == 0 and (cadence == 1 or (second is not None and second % cadence == cadence - 1)):
        return 0, "the first row is step 0"
    if first == 1 and (cadence == 1 or (second is not None and second % cadence == 0)):
        return 1, "the first row is step 1"
    totals = timeline.plan.total_steps
    last = last_step(timeline) or 0
    if first > 0 and totals == (last,):  # with several readings, one of them is met by chance
        return 1, f"the last row is step {last}, the planned number of updates"
    return None, f"rows every {cadence} steps fit a count from 0 and a count from 1"


def last_step(timeline: Timeline) -> int | None:
    """The highest step of the series that share the main series' axis."""
    series = main_series(timeline)
    if series is None:
        return None
    roles = timeline.roles
    shared = [series, *roles.all("learning_rate"), *roles.all("grad_norm")]
    highest = [int(one.step.max()) for one in shared if len(one) and int(one.step.max()) != NO_STEP]
    return max(highest, default=None)


class RunEnd(Struct, frozen=True, kw_only=True):
    """How many updates the log shows, as an interval: rows every c steps leave up to c - 1 of them unseen."""

    last_step: int
    low: int
    seen: int  # at most so many, if nothing came behind the last row
    high: int
    evidence: Row


def updates_done(timeline: Timeline) -> RunEnd | None:
    """Updates at the end of the log; None when the axis does not count updates or examples."""
    series, axis = main_series(timeline), timeline.step_axis
    last = last_step(timeline)
    if series is None or last is None or axis.unit not in ("update", "sample"):
        return None
    if axis.unit == "sample":
        done, unseen = round(last / axis.per_update), math.ceil(axis.cadence / axis.per_update) - 1
        return RunEnd(last_step=last, low=done, seen=done, high=done + unseen, evidence=_row_at(timeline, last))
    distinct = distinct_steps(series.step)
    spacing = max(1, axis.cadence, *np.diff(distinct[-2:]).tolist())
    enough = len(distinct) >= FEWEST_ROWS
    closing = [
        int(one.step.max())
        for one in timeline.view.series.values()
        if len(one) and last < int(one.step.max()) <= last + spacing
    ]
    closed = any(re.search(r"(?:^|/)train_runtime$", tag) for tag in timeline.view.series)
    end = max(closing, default=last)
    counted = _counter_saved(timeline)
    if counted is not None and end <= counted < end + spacing:  # the state file's own counter, behind the last row
        evidence = _row_at(timeline, end)
        return RunEnd(last_step=counted, low=counted, seen=counted, high=counted, evidence=evidence)
    earliest = end - 1 if closing and end - last > 1 else last
    base_low, base_high = (1, 0) if axis.base is None else (axis.base, axis.base)
    seen = end - base_high + 1
    unseen = 0 if closed else last + spacing - 1 - end if enough else UNSEEN
    return RunEnd(
        last_step=end,
        low=earliest - base_low + 1,
        seen=seen,
        high=seen + max(0, unseen),
        evidence=_row_at(timeline, end),
    )


def _counter_saved(timeline: Timeline) -> int | None:
    """``global_step`` of the Trainer's state file: updates done when it was written."""
    found = [fact.value for fact in timeline.run.facts if fact.key == "global_step"]
    return int(found[0]) if found and isinstance(found[0], int) else None


def _row_at(timeline: Timeline, step: int) -> Row:
    """The last row that was written at a step, of the main series where it has one."""
    main = main_series(timeline)
    candidates = [main] if main is not None and bool(np.any(main.step == step)) else list(timeline.view.series.values())
    found = [(one, int(np.nonzero(one.step == step)[0][-1])) for one in candidates if bool(np.any(one.step == step))]
    series, index = max(found, key=lambda one: int(one[0].row[one[1]]))
    return timeline.row(series, index, "last row of the run")
