"""The warmup lasts another number of steps than declared.

What it checks
    Where the rising line of the learning rate meets the peak, against every declared reading of the warmup: steps,
    epochs, or a share of the run, under the usual off-by-one conventions. In sparse logs one row on the rise, or none,
    is enough where the decay shows its own beginning; where no row shows the top, the last row on the line and the
    first that falls bound the warmup's end.

Why it matters
    A warmup that is too short lets early updates destroy an initialisation; one that is too long wastes the run's
    budget. Typical causes: the warmup was scaled with the accumulation or the number of processes while the total was
    not, or it was given in epochs where steps were meant.

When it is silent
    When no schedule is declared; when the difference is one step; when the decay is off by the same factor
    (scheduler-rate-mismatch). A warmup that nobody declared is a note.

What to do
    Compare the two numbers in the finding: their ratio usually names the factor that was applied once too often.
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.clocks.schedules import Schedule
from analyzer.model import Finding
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.schedule.deviations import rate_log, told
from analyzer.timeline import Timeline


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    yield from told(timeline, "warmup", against="warmup")


RULE = Rule(
    code="SCH003",
    name="warmup-mismatch",
    severity="error",
    check=check,
    help="the ratio of the two lengths usually names the factor that was applied once too often",
    sources=(
        "https://github.com/pytorch/torchtitan/pull/1284",
        "https://github.com/Lightning-AI/pytorch-lightning/issues/1476",
        "https://github.com/deepspeedai/DeepSpeed/issues/7303",
    ),
    bad=(
        Example(
            title="four times too long",
            files=rate_log(Schedule(family="cosine", peak=1e-3, warmup=40, total=200), 200),
            declared={"scheduler": "cosine", "warmup_steps": 10, "max_steps": 200, "base_lr": 1e-3},
        ),
        Example(
            title="half as long",
            files=rate_log(Schedule(family="linear", peak=1e-3, warmup=25, total=400), 400, every=5),
            declared={"scheduler": "linear", "warmup_steps": 50, "max_steps": 400, "base_lr": 1e-3},
        ),
    ),
    good=(
        Example(
            title="as declared",
            files=rate_log(Schedule(family="linear", peak=1e-3, warmup=50, total=400), 400, every=5),
            declared={"scheduler": "linear", "warmup_steps": 50, "max_steps": 400, "base_lr": 1e-3},
            why="the line meets the peak at the declared step",
        ),
        Example(
            title="the first update has a share",
            files=rate_log(Schedule(family="cosine", peak=1e-3, warmup=10, warmup_form="(p+1)/(W+1)", total=200), 200),
            declared={"scheduler": "cosine", "warmup_steps": 10, "max_steps": 200, "base_lr": 1e-3},
            why="(p + 1) / (W + 1) is a usual convention",
        ),
    ),
)
