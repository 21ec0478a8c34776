"""The logged loss is multiplied by an integer from one step on.

What it checks
    Whether the loss jumps within two rows by a factor that is an integer within its error, keeps the factor, and keeps
    its relative noise: what is multiplied keeps it, what is trained differently does not.

Why it matters
    The number is a sum where a mean was meant (or the other way round): a division by the accumulation steps, the
    devices or the logging interval is missing. If the gradient is scaled with it, so is the learning rate.

When it is silent
    When the learning rate moves at the same row, when the change comes gradually or does not last, and when the noise
    is too large to tell the factor.

What to do
    Compare what the code divides by before and after this step: gradient accumulation, world size, logging interval.
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.clocks.loss_events import join_near
from analyzer.model import Finding
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import csv_log, falling_loss
from analyzer.rules.judged_loss import judged_loss
from analyzer.timeline import Timeline


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    loss = judged_loss(timeline)
    if isinstance(loss, Unchecked):
        yield loss
        return
    shift = loss.events.scale
    if shift is None:
        return
    step = loss.step(shift.row)
    words = f"1/{shift.factor}" if shift.down else f"{shift.factor}"
    message = (
        f"{loss.series.tag} is multiplied by about {words} from step {step} on"
        f" (measured {shift.ratio:.3g} +- {shift.ratio * shift.error:.2g}; the relative noise stays the same)"
    )
    join = join_near(loss, shift.row)
    if join is not None:
        message += ", where the run was resumed"
    yield Finding(
        severity="warning",
        message=message,
        tag=loss.series.tag,
        first_step=step,
        last_step=loss.step(len(loss.rows) - 1),
        numbers={"factor": 1 / shift.factor if shift.down else shift.factor, "ratio": round(shift.ratio, 4)},
        evidence=(
            timeline.row(loss.series, int(loss.rows[shift.row - 1]), "the last row before"),
            timeline.row(loss.series, int(loss.rows[shift.row]), f"times {words} from here"),
        ),
        join=join,
    )


def _wobble(step: int) -> float:
    return 1 + 0.05 * (((step * 7919) % 101) / 50 - 1)


def _log(factor: float, at: int, lasts: int = 10_000) -> list[tuple[int, float]]:
    return [
        (s, round(falling_loss(s) * _wobble(s) * (factor if at <= s < at + lasts else 1.0), 6)) for s in range(1, 401)
    ]


RULE = Rule(
    code="LOS004",
    name="loss-scale-jump",
    severity="warning",
    check=check,
    help="compare what the code divides the loss by before and after: accumulation steps, devices, logging interval",
    sources=(
        "https://github.com/huggingface/transformers/pull/38872",
        "https://github.com/deepspeedai/DeepSpeed/issues/1107",
    ),
    bad=(Example(title="four times from step 250", files=csv_log(("step", "loss"), lambda: _log(4.0, 250))),),
    good=(
        Example(
            title="no jump", files=csv_log(("step", "loss"), lambda: _log(1.0, 250)), why="the level is continuous"
        ),
        Example(
            title="slightly worse data",
            files=csv_log(("step", "loss"), lambda: _log(1.12, 250)),
            why="a twelfth more is no factor",
        ),
    ),
)
