"""The scheduler advances k times per update.

What it checks
    Whether the declared schedule passes through the logged rates when its counter runs k times as fast as the updates:
    k is the number of processes or of accumulated micro-batches, their inverse, or the step is an epoch.

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

from analyzer.clocks.schedules import Schedule
from analyzer.model import Finding
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.schedule.deviations import rate_log, told
from analyzer.timeline import Timeline


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    yield from told(timeline, "rate", against="family")


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
    ),
)
