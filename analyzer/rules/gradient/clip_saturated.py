"""The logged gradient norm stands at one value: the clipping threshold.

What it checks
    Whether at least nine in ten gradient norms are one and the same number, the largest of all.

Why it matters
    The column shows the norm after clipping: it says nothing about the gradient, and explosions stay invisible. If
    nearly every update is clipped, the threshold sets the step length and the learning rate loses its meaning.

When it is silent
    When the norm varies, and when it stands at zero.

What to do
    Log the norm that ``clip_grad_norm_`` returns (before clipping), and raise the threshold if most updates exceed it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzer.model import Finding
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import csv_log, falling_loss
from analyzer.timeline import Timeline

SHARE = 0.9
FEWEST_ROWS = 20
WITHIN = 1e-4  # relative: frameworks divide by norm + 1e-6


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    series = timeline.roles.first("grad_norm")
    if series is None:
        yield Unchecked(reason="no gradient norm in the log")
        return
    rows = np.flatnonzero(np.isfinite(series.value))
    if len(rows) < FEWEST_ROWS:
        yield Unchecked(reason=f"{len(rows)} gradient norms; {FEWEST_ROWS} or more would let it run")
        return
    value = series.value[rows]
    top = float(value.max())
    at_top = value >= top * (1 - WITHIN)
    if top <= 0 or at_top.mean() < SHARE:
        return
    first = int(rows[int(at_top.argmax())])
    yield Finding(
        severity="note",
        message=(
            f"{series.tag} is {top:g} in {int(at_top.sum())} of {len(rows)} rows: the norm after clipping;"
            " the gradient itself is not in the log"
        ),
        tag=series.tag,
        first_step=int(series.step[first]),
        last_step=int(series.step[rows[-1]]),
        numbers={"value": top, "share": round(float(at_top.mean()), 3)},
        evidence=(timeline.row(series, first, "at the threshold"),),
    )


def _log(clip: float) -> list[tuple[object, ...]]:
    return [(s, falling_loss(s), min(clip, round(2 + 0.1 * (s % 7), 3))) for s in range(1, 61)]


RULE = Rule(
    code="GRD003",
    name="clip-saturated",
    severity="note",
    check=check,
    help="log the norm before clipping; raise the threshold if most updates exceed it",
    sources=("https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html",),
    bad=(Example(title="always 1", files=csv_log(("step", "loss", "grad_norm"), lambda: _log(1.0))),),
    good=(
        Example(
            title="below the threshold",
            files=csv_log(("step", "loss", "grad_norm"), lambda: _log(9.0)),
            why="it varies",
        ),
    ),
)
