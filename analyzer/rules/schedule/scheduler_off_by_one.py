"""The scheduler's counter changes its phase against the updates.

What it checks
    The position that each logged rate has on its schedule, minus the update's number. A constant difference is a habit
    of the logger. A difference that grows by one at every epoch's end, or changes at one step, is not.

Why it matters
    A second ``scheduler.step()`` at the end of each epoch shortens the schedule by one step per epoch; a missed call or
    a repeated value shifts everything behind it. The loss hardly shows it, a reproduction does.

When it is silent
    A constant phase that is the framework's own (the rate of the next update is logged by older transformers,
    DeepSpeed, Megatron, Composer); where the writer is not known for it, it is a note. One update that is not counted
    is a warning, a note where no schedule is declared: a loss scaler leaves the same.

What to do
    Look for a second call of ``scheduler.step()`` at the end of the epoch, or one that is skipped, at the steps given.
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
    yield from told(timeline, "lag", "lead", "per-epoch", "phase")


RULE = Rule(
    code="SCH004",
    name="scheduler-off-by-one",
    severity="error",
    check=check,
    help="look for a scheduler.step() called twice or skipped at the steps given",
    sources=(
        "https://github.com/huggingface/transformers/issues/35942",
        "https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate",
    ),
    bad=(
        Example(
            title="an extra step at each epoch's end",
            files=rate_log(
                lambda p: Schedule(family="linear", peak=1e-3, total=200)(p + np.floor(p / 20)), 180, per_epoch=20
            ),
            declared={"scheduler": "linear", "max_steps": 200, "base_lr": 1e-3, "early_stopping": 1},
        ),
        Example(
            title="one step missed",
            files=rate_log(lambda p: Schedule(family="cosine", peak=1e-3, total=200)(p - (p >= 90)), 200),
            declared={"scheduler": "cosine", "max_steps": 200, "base_lr": 1e-3},
        ),
    ),
    good=(
        Example(
            title="exact",
            files=rate_log(Schedule(family="linear", peak=1e-3, total=200), 200, per_epoch=20),
            declared={"scheduler": "linear", "max_steps": 200, "base_lr": 1e-3},
            why="the position is the update's number throughout",
        ),
        Example(
            title="rounded to four digits",
            files=rate_log(Schedule(family="cosine", peak=1e-3, total=2000), 2000, every=10, digits=4),
            declared={"scheduler": "cosine", "max_steps": 2000, "base_lr": 1e-3},
            why="within half a printed unit every row is on the schedule",
        ),
    ),
)
