"""The gradient norm is exactly zero, or a millionth of what it was, to the end.

What it checks
    Whether the last ten or more gradient norms are zero or below a millionth of the median before, while the loss has
    not come down to zero itself.

Why it matters
    Nothing is learnt any more: dead units, a detached graph, a frozen model or labels that are all ignored.

When it is silent
    When the loss has reached zero (no gradient is then right), and for single zeros.

What to do
    Look at what changed at the step: frozen parameters, a ``detach``, saturated activations, masked labels.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzer.model import Finding
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import csv_log, falling_loss
from analyzer.timeline import Timeline

VANISHED = 1e-6  # of the median before
LASTING_ROWS = 10
FEWEST_ROWS = 30
LOSS_LEFT = 0.01  # of the first loss: below it a gradient may well vanish


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
    usual = float(np.median(value[: len(value) // 2]))
    if usual <= 0:
        return
    alive = np.flatnonzero(value > VANISHED * usual)
    first = int(alive[-1]) + 1
    if len(value) - first < LASTING_ROWS or _loss_is_gone(timeline, int(series.step[rows[first]])):
        return
    yield Finding(
        severity="warning",
        message=(
            f"{series.tag} falls from about {usual:.3g} to {value[first]:.3g} at step {int(series.step[rows[first]])}"
            f" and stays there ({len(value) - first} rows)"
        ),
        tag=series.tag,
        first_step=int(series.step[rows[first]]),
        last_step=int(series.step[rows[-1]]),
        evidence=(
            timeline.row(series, int(rows[first - 1]), "the last usual one"),
            timeline.row(series, int(rows[first]), "gone"),
            timeline.row(series, int(rows[-1]), "the end"),
        ),
    )


def _loss_is_gone(timeline: Timeline, step: int) -> bool:
    loss = timeline.roles.first("loss")
    if loss is None:
        return False
    finite = loss.value[np.isfinite(loss.value)]
    later = loss.value[(loss.step >= step) & np.isfinite(loss.value)]
    return not len(later) or float(np.median(np.abs(later))) <= LOSS_LEFT * float(np.max(np.abs(finite[:5])))


def _log(gone_from: int) -> list[tuple[object, ...]]:
    return [
        (s, falling_loss(min(s, gone_from)), round(1 + 0.1 * (s % 7), 3) if s < gone_from else 0.0)
        for s in range(1, 121)
    ]


RULE = Rule(
    code="GRD002",
    name="gradient-vanishing",
    severity="warning",
    check=check,
    help="look at what changed at this step: frozen parameters, a detached graph, saturated activations, masked labels",
    sources=("https://arxiv.org/abs/2112.13314 (AUTOTRAINER: vanishing gradients)",),
    bad=(Example(title="zero from step 80", files=csv_log(("step", "loss", "grad_norm"), lambda: _log(80))),),
    good=(
        Example(
            title="alive",
            files=csv_log(("step", "loss", "grad_norm"), lambda: _log(1000)),
            why="the norm keeps its size",
        ),
    ),
)
