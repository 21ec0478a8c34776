"""The number of steps per epoch changes at a resume.

What it checks
    No single number of steps per epoch makes all labels true, one before a join and another behind it does (or a
    lasting change inside a session, with two whole laps on each side). The finding names both.

Why it matters
    Another batch size, device count or accumulation after a resume changes the number of updates, the schedule's
    horizon, the noise of the gradient, and what "step" means when runs are compared.

When it is silent
    When a shift of labels explains as much (RES004, RES005), when the second part shows no whole lap, when the two
    differ by less than two steps or 5 %, and when batch_size_ramp declares the change.

What to do
    Resume with the same global batch, or rescale step, schedule and learning rate on purpose and declare it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzer.clocks.labels import Labels
from analyzer.model import Finding, Row
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.epoch.wording import interval, number
from analyzer.rules.examples import falling_loss, table
from analyzer.timeline import Timeline

HEADER = ("step", "epoch", "loss")


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    """Yield a finding where a second number of steps per epoch holds from some step on."""
    clock = timeline.epoch
    if clock is None or clock.labels is None:
        yield Unchecked(reason="no epoch labels with steps in the log")
        return
    for account in clock.accounts:
        changed = next((one for one in account.breaks if one.kind == "geometry"), None)
        labels = account.labels
        if changed is None or labels is None or len(account.laps) < 2:
            continue
        yield Finding(
            severity="error",
            message=f"{interval(account.low, account.high)} steps per epoch up to step "
            f"{int(labels.step[max(changed.position - 1, 0)])}, "
            f"{number(account.laps[1][1])} from step {changed.step} on: the batch (size, devices or "
            "accumulation) changed" + (" at the resume" if changed.join is not None else ""),
            tag=account.tag,
            first_step=changed.step,
            numbers={"before": float(account.low), "after": float(account.laps[1][1])},
            evidence=(*changed.evidence, *_boundary_behind(timeline, labels, changed.position)),
            join=changed.join,
        )
        return


def _boundary_behind(timeline: Timeline, labels: Labels, position: int) -> list[Row]:
    """The first two boundaries behind the change: they measure the new lap."""
    whole = np.floor(labels.value[position:])
    change = np.nonzero(np.diff(whole) != 0)[0][:2] + position + 1
    return [
        timeline.row(labels.series, int(labels.index[at]), f"first row of epoch {whole[at - position]:g}")
        for at in change.tolist()
    ]


def _laps(second: int) -> dict[str, str]:
    first = [(step, (step - 1) // 40, falling_loss(step)) for step in range(1, 81)]
    later = [(step, 2 + (step - 81) // second, falling_loss(step)) for step in range(81, 241)]
    return {"log.csv": table(HEADER, first) + table(HEADER, later)}


RULE = Rule(
    code="RES009",
    name="batch-geometry-changed",
    severity="error",
    check=check,
    help="resume with the same global batch, or declare the change with batch_size_ramp",
    sources=(
        "https://github.com/huggingface/transformers/issues/25956",
        "https://github.com/facebookresearch/fairseq/issues/781",
    ),
    bad=(Example(title="batches of twice the size after the resume", files=lambda: _laps(20)),),
    good=(
        Example(title="the same batch", files=lambda: _laps(40), why="40 steps per epoch before and after"),
        Example(
            title="one long session",
            files=lambda: {
                "log.csv": table(HEADER, [(step, (step - 1) // 40, falling_loss(step)) for step in range(1, 241)])
            },
            why="nothing changes",
        ),
    ),
)
