"""A schedule is declared, or ran before, and the learning rate does not move.

What it checks
    Whether the rate is one value in all rows although the declared schedule would have moved it, or stands still from
    one step to the end while the schedule before goes on.

Why it matters
    The scheduler is never stepped, its state was lost, or the logged number is not the rate that is used (a callback
    that reads the optimizer's variable and not the decayed value). Either the run or its log is not what it says.

When it is silent
    For constant and metric-driven schedules; while the declared schedule itself stands still (floor, stable phase);
    where fewer than three rows would have differed.

What to do
    Check that ``scheduler.step()`` is called, and that what is logged is the rate of the optimizer's parameter group.
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
    yield from told(timeline, "frozen")


RULE = Rule(
    code="SCH007",
    name="scheduler-frozen",
    severity="error",
    check=check,
    help="check that scheduler.step() is called and that the logged number is the rate in use",
    sources=(
        "https://github.com/keras-team/keras/issues/4156",
        "https://github.com/EleutherAI/gpt-neox/issues/1029",
    ),
    bad=(
        Example(
            title="never stepped",
            files=rate_log(Schedule(family="constant", peak=1e-3), 100),
            declared={"scheduler": "cosine", "max_steps": 100, "base_lr": 1e-3},
        ),
        Example(
            title="stands still from half of the run on",
            files=rate_log(lambda p: Schedule(family="linear", peak=1e-3, total=200)(np.minimum(p, 100)), 200),
            declared={"scheduler": "linear", "max_steps": 200, "base_lr": 1e-3},
        ),
    ),
    good=(
        Example(
            title="constant, as declared",
            files=rate_log(Schedule(family="constant", peak=1e-3), 100),
            declared={"scheduler": "constant", "base_lr": 1e-3},
            why="a constant schedule does not move",
        ),
        Example(
            title="at its floor",
            files=rate_log(Schedule(family="cosine", peak=1e-3, floor=1e-4, total=100), 150),
            declared={"scheduler": "cosine", "scheduler_params": {"T_max": 100}, "min_lr": 1e-4, "base_lr": 1e-3},
            why="past its end the schedule stays at its floor",
        ),
    ),
)
