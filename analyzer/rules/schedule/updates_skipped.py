"""The scheduler falls behind the step counter: updates were skipped.

What it checks
    The position of each logged rate on its schedule, minus the step. Where it falls by one at scattered steps, the
    step counter went on and the scheduler did not. And a column that says how many updates were skipped: in all, since
    the row before, or as a share.

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

import re
from collections.abc import Iterator

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.rows import rows_of
from analyzer.clocks.schedules import Schedule
from analyzer.model import Finding, Floats, Ints
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import csv_log, falling_loss
from analyzer.rules.schedule.deviations import rate_log, told
from analyzer.timeline import Timeline

NORMAL_SHARE = 0.01  # of the steps
OF_THE_FIRST_SCALE = 16  # updates: an initial loss scale of 2**16 halves so often at most, whatever the log's length


SKIPPED = re.compile(
    r"(?:^|[/_ -])(?:skipped[_ -](?:updates?|steps?|iterations?|iters?|batches)"
    r"|(?:updates?|steps?|iterations?)[_ -]skipped|num[_ -]skip(?:s|ped)?)$",
    re.I,
)
FEWEST = 8  # rows that show whether a column counts in all or since the row before


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    counted = next(_counted(timeline), None)
    if counted is not None:
        yield counted
        return
    for answer in told(timeline, "skipped"):
        numbers = answer.numbers if isinstance(answer, Finding) else {}
        if numbers.get("skipped", 0) > OF_THE_FIRST_SCALE and numbers["share"] > NORMAL_SHARE:
            answer = replace(answer, severity="warning")
        yield answer


def _counted(timeline: Timeline) -> Iterator[Finding]:
    """Columns of skipped updates that say more of them than a loss scale needs to find its place."""
    for tag, column in timeline.view.series.items():
        if not SKIPPED.search(tag) or timeline.step_axis.unit != "update":
            continue
        series = rows_of(column, np.isfinite(column.value))
        made = np.diff(series.step)
        if len(series) < FEWEST or made.min() <= 0 or series.value.min() < 0:
            continue
        skipped = _of_each_row(series.value[1:], np.diff(series.value), made)
        count, steps = float(skipped.sum()), int(made.sum())
        if count <= OF_THE_FIRST_SCALE or not NORMAL_SHARE < count / steps <= 1:
            continue
        share = skipped / made
        first = int(np.flatnonzero(share >= share.max() / 2)[0]) + 1
        yield Finding(
            severity="warning",
            message=f"{tag} says that {count:.0f} of {steps} updates were skipped ({count / steps:.2g} of them), most "
            f"from step {series.step[first]} on: up to {share.max():.2g} of the updates between two rows",
            tag=tag,
            first_step=int(series.step[first]),
            last_step=int(series.step[1 + np.flatnonzero(skipped)[-1]]),
            numbers={"skipped": count, "share": round(count / steps, 4)},
            evidence=(
                timeline.row(series, first - 1, "the row before"),
                timeline.row(series, first, "updates are skipped"),
                timeline.row(series, len(series) - 1, "the last row"),
            ),
        )


def _of_each_row(value: Floats, rise: Floats, made: Ints) -> Floats:
    """Skipped updates between a row and the one before: a share of them, a number, or the rise of a count."""
    if value.max() <= 1:
        return value * made
    return rise if (rise >= 0).all() else value


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
        Example(
            title="nearly all updates are skipped from step 200 on, as their column says",
            files=csv_log(("step", "loss", "skipped_updates"), lambda: [
                (step, falling_loss(step), 0.98 if step >= 200 else 0.0) for step in range(10, 401, 10)]),
        ),
    ),
    good=(
        Example(
            title="a count of updates that were skipped while the loss scale was found",
            files=csv_log(("step", "loss", "skipped_steps"), lambda: [
                (step, falling_loss(step), min(step, 9)) for step in range(1, 401)]),
            why="sixteen halvings are a loss scale's own",
        ),
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
