"""The loss has not moved for most of the run, at a learning rate that has not come down.

What it checks
    Whether the level of the loss is the same, within 1 %, in each of the last three fifths of the run, after a
    descent, while the learning rate stays at no less than half of its peak.

Why it matters
    At a constant learning rate the noise of the gradient sets the level: a decay would lower it, or the run could have
    ended earlier.

When it is silent
    In short runs, when the learning rate comes down or is not logged, and when the noise is larger than what is asked.

What to do
    Decay the learning rate, or stop the run when it levels off.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzer.model import Finding
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import csv_log, falling_loss, wobble
from analyzer.rules.judged_loss import judged_loss
from analyzer.timeline import Timeline

FEWEST_ROWS = 300
SAME = 0.01  # of the level
DESCENT = 1.2  # the first level over the last
HIGH = 0.5  # of the peak learning rate


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    loss, rate = judged_loss(timeline, fewest_rows=FEWEST_ROWS), timeline.roles.first("learning_rate")
    if isinstance(loss, Unchecked):
        yield loss
        return
    if rate is None:
        yield Unchecked(reason="no learning rate in the log")
        return
    finite = rate.value[np.isfinite(rate.value)]
    if not len(finite) or finite.max() <= 0 or finite[len(finite) // 2 :].min() < HIGH * finite.max():
        return
    parts = [float(np.median(part)) for part in np.array_split(loss.value, 5)]
    events = loss.events
    if events.joins or events.divergence or events.scale:
        return
    if max(parts[2:]) > (1 + SAME) * min(parts[2:]) or float(np.median(loss.value[:5])) < DESCENT * parts[4]:
        return
    start = len(loss.value) * 2 // 5
    yield Finding(
        severity="note",
        message=(
            f"{loss.series.tag} stays at {parts[4]:.4g}, within {100 * SAME:.0f} %,"
            f" from step {loss.step(start)} to the end, and the learning rate does not come down"
        ),
        tag=loss.series.tag,
        first_step=loss.step(start),
        last_step=loss.step(len(loss.value) - 1),
        numbers={"level": parts[4]},
        evidence=(
            timeline.row(loss.series, int(loss.rows[start]), "the plateau"),
            timeline.row(loss.series, int(loss.rows[-1]), "the end"),
        ),
    )


def _log(decays: bool) -> list[tuple[object, ...]]:
    def rate(step: int) -> float:
        return round(0.001 * (1 - step / 401), 8) if decays else 0.001

    def loss(step: int) -> float:
        return round(falling_loss(min(20 * step, 2000)) + 0.002 * wobble(step), 6)

    return [(s, loss(s), rate(s)) for s in range(1, 401)]


RULE = Rule(
    code="LOS008",
    name="plateau",
    severity="note",
    check=check,
    help="decay the learning rate, or stop the run when it levels off",
    sources=("https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ReduceLROnPlateau.html",),
    bad=(Example(title="flat from step 100", files=csv_log(("step", "loss", "lr"), lambda: _log(False))),),
    good=(
        Example(
            title="flat while the rate decays",
            files=csv_log(("step", "loss", "lr"), lambda: _log(True)),
            why="the learning rate comes down: there is nothing to advise",
        ),
    ),
)
