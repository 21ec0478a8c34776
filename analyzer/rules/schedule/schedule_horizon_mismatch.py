"""The schedule was built for another number of steps than the run's.

What it checks
    Where the decay of the learning rate ends, read off the logged values, against every total that the declaration
    admits: dataset, batch and epochs under each convention, ``max_steps``, or the scheduler's own parameters.

Why it matters
    A schedule that is too long never comes down: the run ends at a high rate and its best part is missing. One that is
    too short trains its last part at a rate of zero, or, with a cosine that is not clamped, at a rising one. Both come
    from a total counted in batches, in another batch size, per process, or rounded per epoch.

When it is silent
    When no total is declared; when end and total differ by one step (a convention); when the total is counted behind
    the warmup; when a floor that somebody would choose explains a straight fall as well; when the horizon changes with
    the batch geometry at a resume (that finding carries it); in a log of samples or of steps of an environment, unless
    it ends right at ``max_steps`` or its labels count the declared epochs.

What to do
    Build the schedule from the number of optimizer updates of the whole run: updates per epoch times epochs, after
    accumulation and with all processes counted.
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.clocks.schedules import Schedule
from analyzer.model import Finding
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.schedule.deviations import rate_log, told
from analyzer.timeline import Timeline


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    yield from told(timeline, "horizon", against="horizon")


RULE = Rule(
    code="SCH001",
    name="schedule-horizon-mismatch",
    severity="error",
    check=check,
    help="build the schedule from the number of optimizer updates of the whole run",
    sources=(
        "https://github.com/modelscope/ms-swift/issues/4366",
        "https://github.com/huggingface/transformers/issues/36297",
        "https://github.com/NVIDIA-NeMo/Speech/issues/7822",
    ),
    bad=(
        Example(
            title="the total is counted in micro-batches",
            files=rate_log(Schedule(family="cosine", peak=1e-3, warmup=10, total=400), 100),
            declared={"scheduler": "cosine", "warmup_steps": 10, "max_steps": 100, "base_lr": 1e-3},
        ),
        Example(
            title="the total is rounded down per epoch",
            files=rate_log(Schedule(family="linear", peak=1e-3, total=90), 100),
            declared={"scheduler": "linear", "max_steps": 100, "base_lr": 1e-3},
        ),
    ),
    good=(
        Example(
            title="as declared",
            files=rate_log(Schedule(family="cosine", peak=1e-3, warmup=10, total=100), 100),
            declared={"scheduler": "cosine", "warmup_steps": 10, "max_steps": 100, "base_lr": 1e-3},
            why="the decay ends at the declared total",
        ),
        Example(
            title="one step ahead",
            files=rate_log(Schedule(family="cosine", peak=1e-3, warmup=10, total=100, span="T-W, ahead"), 100),
            declared={"scheduler": "cosine", "warmup_steps": 10, "max_steps": 100, "base_lr": 1e-3},
            why="a decay that is one ahead is how some libraries count",
        ),
        Example(
            title="nothing declared",
            files=rate_log(Schedule(family="linear", peak=1e-3, total=400), 100),
            declared={},
            why="without a declared total the schedule may be meant so",
        ),
    ),
)
