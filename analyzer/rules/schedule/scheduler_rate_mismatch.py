"""The scheduler advances k times per update.

What it checks
    Whether the declared schedule passes through the logged rates when its counter runs k times as fast as the updates:
    k is the number of processes or of accumulated micro-batches, their inverse, or the step is an epoch. Where the
    parameters are not declared, a rate that moves inside epochs is a note beside `scheduler_interval = "epoch"`.

Why it matters
    Warmup and decay are over k times too early or too late. With k = number of processes the rate is zero for most of
    the run; with one step per epoch a warmup of 500 updates lasts 500 epochs.

When it is silent
    With fewer than four distinct values that are neither top nor bottom; when only the end of the decay is off
    (schedule-horizon-mismatch); without a declared schedule.

What to do
    Step the scheduler once per optimizer update, and size it in the same unit. With Accelerate, a prepared scheduler
    steps once per process; in Lightning set ``interval`` to "step".
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzer.clocks.rate_within_epochs import within_epochs
from analyzer.clocks.schedules import Schedule
from analyzer.model import Finding
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.schedule.deviations import rate_log, told
from analyzer.timeline import Timeline


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    note = _more_often_than_declared(timeline)
    if note is not None:
        yield note
        return
    yield from told(timeline, "rate", against="family")


def _more_often_than_declared(timeline: Timeline) -> Finding | None:
    """A rate that moves inside epochs though its scheduler is declared to step once in each, and nothing else is told.

    How fast it advances, the parameters would tell; without them it may as well be stepped by parts of an epoch.
    """
    clock = timeline.schedulers[0] if timeline.schedulers else None
    if clock is None or timeline.declared.get("scheduler_interval") != "epoch":
        return None
    if any(one.deviations for one in timeline.schedulers) or (clock.family != "unknown" and clock.held_against):
        return None
    found = within_epochs(timeline, clock.series)
    if found is None or not found.pairs or not found.mostly:
        return None
    at, tag = int(found.changes[0]), clock.series.tag
    return Finding(
        severity="note",
        message=f'{tag}: {found.in_words}, though scheduler_interval = "epoch" is declared: the scheduler is stepped '
        "more often, or by parts of an epoch; declare scheduler_params to tell how fast it advances",
        tag=tag,
        first_step=int(clock.series.step[at]),
        numbers={"changes": len(found.changes), "rows": found.pairs},
        evidence=(
            timeline.row(clock.series, at - 1, "in an epoch"),
            timeline.row(clock.series, at, "in the same epoch"),
        ),
    )


RULE = Rule(
    code="SCH002",
    name="scheduler-rate-mismatch",
    severity="error",
    check=check,
    help="step the scheduler once per optimizer update and size it in the same unit",
    sources=(
        "https://github.com/huggingface/transformers/pull/24088",
        "https://github.com/huggingface/accelerate/issues/2926",
        "https://github.com/Lightning-AI/pytorch-lightning/issues/1476",
    ),
    bad=(
        Example(
            title="two processes, two steps",
            files=rate_log(lambda p: Schedule(family="linear", peak=1e-3, warmup=20, total=100)(2 * p), 100),
            declared={"scheduler": "linear", "warmup_steps": 20, "max_steps": 100, "base_lr": 1e-3, "world_size": 2},
        ),
        Example(
            title="stepped per micro-batch",
            files=rate_log(lambda p: Schedule(family="cosine", peak=1e-3, warmup=40, total=200)(4 * p), 200),
            declared={
                "scheduler": "cosine",
                "warmup_steps": 40,
                "max_steps": 200,
                "base_lr": 1e-3,
                "grad_accumulation": 4,
            },
        ),
    ),
    good=(
        Example(
            title="once per update",
            files=rate_log(Schedule(family="linear", peak=1e-3, warmup=20, total=100), 100),
            declared={"scheduler": "linear", "warmup_steps": 20, "max_steps": 100, "base_lr": 1e-3, "world_size": 2},
            why="two processes, and the scheduler is stepped once per update",
        ),
        Example(
            title="by epochs, as declared",
            files=rate_log(
                lambda p: Schedule(family="exponential", peak=0.1, gamma=0.9)(np.floor(p / 20)), 200, per_epoch=20
            ),
            declared={
                "scheduler": "ExponentialLR",
                "scheduler_params": {"gamma": 0.9},
                "scheduler_interval": "epoch",
                "base_lr": 0.1,
            },
            why="a schedule declared in epochs moves once per epoch",
        ),
        Example(
            title="by updates, its gamma not declared",
            files=rate_log(Schedule(family="exponential", peak=0.1, gamma=0.99), 200, per_epoch=20),
            declared={"scheduler": "ExponentialLR", "scheduler_interval": "epoch", "base_lr": 0.1},
            why="a note: stepped by every batch, or by a twentieth of an epoch",
        ),
    ),
)
