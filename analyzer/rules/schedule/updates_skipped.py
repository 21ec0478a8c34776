"""The scheduler falls behind the step counter: updates were skipped.

What it checks
    The position of each logged rate on its schedule, minus the step. Where it falls by one at scattered steps, the
    step counter went on and the scheduler did not.

Why it matters
    In fp16 the loss scaler skips an update whose gradients overflow, and the scheduler waits with it. A few of them,
    mostly at the start, are normal. Many mean that the loss scale is too high or gradients are not finite, and that
    the schedule ends later than the run.

When it is silent
    When the position never falls, or only once (scheduler-off-by-one).

What to do
    Up to 1 % of the steps, and for the first sixteen: nothing. Beyond: look at the loss scale and the gradient norm
    of these steps, lower the initial scale, or train in bf16.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.schedules import Schedule
from analyzer.model import Finding
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.schedule.deviations import rate_log, told
from analyzer.timeline import Timeline

NORMAL_SHARE = 0.01  # of the steps
OF_THE_FIRST_SCALE = 16  # updates: an initial loss scale of 2**16 halves so often at most, whatever the log's length


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    for answer in told(timeline, "skipped"):
        numbers = answer.numbers if isinstance(answer, Finding) else {}
        if numbers.get("skipped", 0) > OF_THE_FIRST_SCALE and numbers["share"] > NORMAL_SHARE:
            answer = replace(answer, severity="warning")
        yield answer


def _skipping(share: float) -> np.ndarray:
    """How many updates were skipped before each of 400."""
    skipped = np.zeros(400)
    skipped[np.linspace(30, 380, max(2, int(share * 400))).astype(int)] = 1
    return np.cumsum(skipped)


DECLARED = {"scheduler": "linear", "max_steps": 400, "base_lr": 1e-3, "warmup_steps": 20}
LINEAR = Schedule(family="linear", peak=1e-3, warmup=20, total=400)

RULE = Rule(
    code="SCH009",
    name="updates-skipped",
    severity="warning",
    check=check,
    help="look at the loss scale and the gradient norm of these steps; lower the initial scale, or train in bf16",
    sources=(
        "https://pytorch.org/docs/stable/amp.html#torch.amp.GradScaler.step",
        "https://github.com/NVIDIA/Megatron-LM/blob/main/megatron/training/training.py (skipped iterations)",
    ),
    bad=(
        Example(
            title="one update in twenty is skipped",
            files=rate_log(lambda p: LINEAR(p - _skipping(0.05)), 400),
            declared=DECLARED,
        ),
        Example(
            title="sixty updates in a row: the rate stands still as long",
            files=rate_log(lambda p: LINEAR(p - np.clip(p - 150, 0, 60)), 400),
            declared=DECLARED,
        ),
    ),
    good=(
        Example(
            title="none is skipped", files=rate_log(LINEAR, 400), declared=DECLARED, why="the position follows the step"
        ),
        Example(
            title="three skipped updates",
            files=rate_log(lambda p: LINEAR(p - _skipping(0.0075)), 400),
            declared=DECLARED,
            why="a note only: the loss scaler finds its scale",
        ),
        Example(
            title="the beginning of a log with two",
            files=rate_log(lambda p: LINEAR(p - (p > 30) - (p > 45)), 80),
            declared=DECLARED | {"early_stopping": 5},
            why="the first loss scale may halve sixteen times",
        ),
    ),
)
