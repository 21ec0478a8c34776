"""The schedule is over, and the run goes on.

What it checks
    The step at which the identified schedule ends, and the rows after it: a rate that rises again (a cosine that is not
    clamped; a warning where its length is declared, as PyTorch documents the way up), or one that is exactly zero to
    the end. In steps and in epochs.

Why it matters
    Updates at a rate of zero cost compute and teach nothing. A cosine past its end heats the weights up again just
    when they had settled, and a checkpoint from the end is worse than one from the schedule's end.

When it is silent
    When the end is not that of the declared schedule (schedule-horizon-mismatch tells that); when the run itself is
    longer than declared (run-length-mismatch); when the rate stays at a floor above zero, which many schedules intend,
    or at zero while another parameter group is trained.

What to do
    Give the schedule the run's full length, or stop at its end; use a schedule that stays at its floor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from analyzer.clocks.schedules import Schedule
from analyzer.model import Finding
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import csv_log, falling_loss
from analyzer.rules.schedule.deviations import rate_log, told
from analyzer.timeline import Timeline


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    yield from told(timeline, "overrun")


def _by_epochs(length: int) -> Callable[[], Mapping[str, str]]:
    """Eighty epochs of a cosine of so many."""
    rows = [(e, falling_loss(e), f"{5e-4 * (1 + np.cos(np.pi * e / length)):.12g}") for e in range(80)]
    return csv_log(("epoch", "loss", "lr"), lambda: rows)


BY_EPOCHS = {"scheduler": "CosineAnnealingLR", "scheduler_interval": "epoch", "base_lr": 1e-3, "epochs": 80}

RULE = Rule(
    code="SCH005",
    name="schedule-overrun",
    severity="error",
    check=check,
    help="give the schedule the run's full length, or stop at its end",
    sources=(
        "https://github.com/pytorch/pytorch/blob/main/torch/optim/lr_scheduler.py (period 2 T_max)",
        "https://github.com/huggingface/diffusers/issues/3954",
    ),
    bad=(
        Example(
            title="a cosine rises again",
            files=rate_log(Schedule(family="cosine", peak=1e-3, total=100, clamp=False), 150),
        ),
        Example(
            title="a cosine of fifty epochs in a run of eighty, both declared",
            files=_by_epochs(50),
            declared=BY_EPOCHS | {"scheduler_params": {"T_max": 50}},
        ),
        Example(
            title="zero to the end", files=rate_log(Schedule(family="linear", peak=1e-3, warmup=10, total=100), 150)
        ),
    ),
    good=(
        Example(
            title="a cosine of eighty epochs in a run of eighty",
            files=_by_epochs(80),
            declared=BY_EPOCHS | {"scheduler_params": {"T_max": 80}},
            why="its end is the run's",
        ),
        Example(
            title="ends with the run",
            files=rate_log(Schedule(family="cosine", peak=1e-3, total=150), 150),
            why="the schedule ends where the run does",
        ),
        Example(
            title="a floor above zero",
            files=rate_log(Schedule(family="cosine", peak=1e-3, floor=1e-4, total=100), 150),
            why="staying at a floor is meant so",
        ),
    ),
)
