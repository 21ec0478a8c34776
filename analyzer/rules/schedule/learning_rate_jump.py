"""The learning rate leaves its schedule at one place.

What it checks
    The schedule that explains the rows before, as declared or read off the log, and the first row that leaves it while
    no resume is known there: multiplied by a factor, set to a value, or off in single rows. Where no schedule is known:
    a level that the rate leaves once and takes again.

Why it matters
    A rate that was changed by hand, by a callback or by a bug is the commonest reason why a run cannot be repeated.
    Single rows that are off and come back usually show a wrong value printed, not a wrong value used.

When it is silent
    At resumes (scheduler-not-restored); at drops that the schedule itself has; when no schedule explains the rows
    before and the rate leaves its level for good, twice, or for zero.

What to do
    Look for what changed the optimizer's rate at this step: a callback, a manual edit, a second scheduler. Single rows
    that come back: read ``get_last_lr()`` instead of ``get_lr()``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzer.clocks.schedules import Schedule
from analyzer.model import Finding
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import falling_loss
from analyzer.rules.schedule.deviations import rate_log, told
from analyzer.timeline import Timeline


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    yield from told(timeline, "jump", "isolated")


RULE = Rule(
    code="SCH006",
    name="learning-rate-jump",
    severity="error",
    check=check,
    help="look for what changed the rate at this step: a callback, a manual edit, get_lr() read outside of step()",
    sources=(
        "https://github.com/pytorch/pytorch/issues/22107",
        "https://github.com/NVIDIA-NeMo/Speech/issues/11149",
    ),
    bad=(
        Example(
            title="cut to a tenth by hand",
            files=rate_log(
                lambda p: Schedule(family="cosine", peak=1e-3, total=200)(p) * np.where(p >= 120, 0.1, 1.0), 200
            ),
            declared={"scheduler": "cosine", "max_steps": 200, "base_lr": 1e-3},
        ),
        Example(
            title="single rows off, nothing declared",
            files=rate_log(
                lambda p: Schedule(family="linear", peak=1e-3, total=200)(p) * np.where(p == 120, 0.1, 1.0), 200
            ),
            declared={},
        ),
        Example(
            title="at its peak again for one of the levels of a decay",
            files=rate_log(
                lambda p: np.where(p // 40 == 5, 1e-3, Schedule(family="step", peak=1e-3, gamma=0.8, step_size=40)(p)),
                400,
            ),
            declared={
                "scheduler": "StepLR",
                "scheduler_params": {"step_size": 40, "gamma": 0.8},
                "scheduler_interval": "step",
                "base_lr": 1e-3,
            },
        ),
    ),
    good=(
        Example(
            title="levels printed with six decimals",
            files=lambda: {
                "train.log": "".join(
                    f"Epoch: [{step // 40}]  [{step % 40}/40]  lr: {1e-4 * 0.1 ** (step // 120):.6f}  "
                    f"loss: {falling_loss(step):.4f}\n"
                    for step in range(480)
                )
            },
            declared={
                "scheduler": "StepLR",
                "scheduler_params": {"step_size": 3, "gamma": 0.1},
                "scheduler_interval": "epoch",
                "base_lr": 1e-4,
            },
            why="the rate of 1e-07 is printed as 0.000000",
        ),
        Example(
            title="a step schedule",
            files=rate_log(Schedule(family="step", peak=1e-3, gamma=0.1, step_size=60), 200),
            declared={
                "scheduler": "StepLR",
                "scheduler_params": {"step_size": 60, "gamma": 0.1},
                "scheduler_interval": "step",
                "base_lr": 1e-3,
            },
            why="the drops are the schedule's own",
        ),
        Example(
            title="milestones, nothing declared",
            files=rate_log(Schedule(family="step", peak=1e-3, gamma=0.1, milestones=(100, 150)), 200),
            declared={},
            why="drops by one factor are a schedule",
        ),
    ),
)
