"""The learning rate follows another family, peak, floor or factor than declared, or nothing that is admitted.

What it checks
    The schedule that passes through every logged rate, against the declared name, base rate, lowest rate, factor,
    milestones and lengths of steps and cycles. Where no reading of the declaration passes through the rows, at any rate
    and with any single break, the declared schedule is refuted at the first row that leaves it.

Why it matters
    A default that wins over the configured value (a warmup scheduler with its own maximum, a cosine where linear was
    meant) is invisible in the loss and makes every comparison between runs wrong.

When it is silent
    When the declared schedule passes through the rows in some convention; when the log's steps are no updates (rows,
    log calls, samples of unknown size); for further parameter groups, whose rates and shapes may be their own.

What to do
    Find which configuration reached the scheduler: its own defaults often override the optimizer's rate.
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.clocks.schedules import Schedule
from analyzer.model import Finding
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.schedule.deviations import rate_log, told
from analyzer.timeline import Timeline


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    yield from told(timeline, "family", "peak", "floor", "refuted")


RULE = Rule(
    code="SCH008",
    name="schedule-family-mismatch",
    severity="error",
    check=check,
    help="find which configuration reached the scheduler: its defaults may override the optimizer's rate",
    sources=(
        "https://github.com/deepspeedai/DeepSpeed/issues/7303",
        "https://github.com/NVIDIA-NeMo/Speech/issues/11149",
    ),
    bad=(
        Example(
            title="linear instead of cosine",
            files=rate_log(Schedule(family="linear", peak=1e-3, warmup=10, total=100), 100),
            declared={"scheduler": "cosine", "warmup_steps": 10, "max_steps": 100, "base_lr": 1e-3},
        ),
        Example(
            title="ten times the declared peak",
            files=rate_log(Schedule(family="cosine", peak=1e-2, warmup=10, total=100), 100),
            declared={"scheduler": "cosine", "warmup_steps": 10, "max_steps": 100, "base_lr": 1e-3},
        ),
    ),
    good=(
        Example(
            title="as declared",
            files=rate_log(Schedule(family="cosine", peak=1e-3, warmup=10, total=100), 100),
            declared={"scheduler": "cosine", "warmup_steps": 10, "max_steps": 100, "base_lr": 1e-3},
            why="family and peak are the declared ones",
        ),
        Example(
            title="an unknown name",
            files=rate_log(Schedule(family="linear", peak=1e-3, total=100), 100),
            declared={"scheduler": "custom", "max_steps": 100, "base_lr": 1e-3},
            why="a name that nobody knows says nothing about the family",
        ),
    ),
)
