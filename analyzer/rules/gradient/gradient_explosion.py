"""The gradient norm grows by orders of magnitude and stays there, or becomes infinite.

What it checks
    Whether the gradient norm of any account ends thirty times above the level that it had, for at least five rows, or
    is infinite or NaN to the end or in every row, while the loss itself is still a number.

Why it matters
    Weights move as far as the clipping lets them, or out of the basin: a divergence follows within a few updates.

When it is silent
    Single high rows: clipping exists for them. Single NaN or infinite norms: a loss scaler skips these updates. When
    the loss is lost too, that finding is made instead.

What to do
    Clip the gradient norm, lower the learning rate or lengthen the warmup; look for a layer without normalisation.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzer.model import Finding, Series
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import csv_log, falling_loss
from analyzer.rules.judged_loss import series_of_every_account
from analyzer.timeline import Timeline

LASTING_FACTOR = 30.0  # of the median norm before; a spike in the loss moves it by 3 to 10
LASTING_ROWS = 5
FEWEST_ROWS = 20


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    norms = series_of_every_account(timeline, "grad_norm")
    if not norms:
        yield Unchecked(reason="no gradient norm in the log")
        return
    long = [series for series in norms if len(series) >= FEWEST_ROWS]
    if not long:
        yield Unchecked(reason=f"{len(norms[0])} gradient norms; {FEWEST_ROWS} or more would let it run")
        return
    if timeline.session_map.concurrent:
        yield Unchecked(reason="two processes wrote the run at once: its rows are not one curve")
        return
    for series in long:
        found = _lost(timeline, series) or _grown(timeline, series)
        if found is not None:
            yield found
            return


def _lost(timeline: Timeline, series: Series) -> Finding | None:
    finite = np.flatnonzero(np.isfinite(series.value))
    first = int(finite[-1]) + 1 if len(finite) else 0
    if len(series) - first < LASTING_ROWS or _loss_is_lost(timeline, int(series.step[first])):
        return None
    whole = "" if first else ", its first row,"
    return Finding(
        severity="warning",
        message=(
            f"{series.tag} is no finite number from step {int(series.step[first])}{whole} to the end"
            f" ({len(series) - first} rows)"
        ),
        tag=series.tag,
        first_step=int(series.step[first]),
        last_step=int(series.step[-1]),
        evidence=(
            *((timeline.row(series, first - 1, "the last finite one"),) if first else ()),
            timeline.row(series, first, "not finite"),
        ),
    )


def _loss_is_lost(timeline: Timeline, step: int) -> bool:
    loss = timeline.roles.first("loss")
    if loss is None:
        return False
    later = loss.value[loss.step >= step]
    return len(later) > 0 and bool(np.mean(~np.isfinite(later) | (later == 0)) > 0.5)


def _grown(timeline: Timeline, series: Series) -> Finding | None:
    rows = np.flatnonzero(np.isfinite(series.value) & (series.value > 0))
    if len(rows) < FEWEST_ROWS:
        return None
    value = series.value[rows]
    usual = float(np.median(value[: max(LASTING_ROWS, int(0.7 * len(value)))]))
    high = value > LASTING_FACTOR * usual
    calm = np.flatnonzero(~high)
    first = int(calm[-1]) + 1 if len(calm) else 0
    if len(value) - first < LASTING_ROWS or first == 0:
        return None
    top = first + int(value[first:].argmax())
    return Finding(
        severity="warning",
        message=(
            f"{series.tag} rises from about {usual:.3g} to {value[top]:.3g}"
            f" and stays at least {LASTING_FACTOR:.0f} times as high"
            f" from step {int(series.step[rows[first]])} to the end"
        ),
        tag=series.tag,
        first_step=int(series.step[rows[first]]),
        last_step=int(series.step[rows[-1]]),
        numbers={"usual": usual, "highest": float(value[top])},
        evidence=(
            timeline.row(series, int(rows[first - 1]), "the last usual one"),
            timeline.row(series, int(rows[first]), "leaves it for good"),
            timeline.row(series, int(rows[top]), "the highest"),
        ),
    )


def _log(norm: dict[int, object]) -> list[tuple[object, ...]]:
    return [(s, falling_loss(s), norm.get(s, round(1 + 0.1 * (s % 7), 3))) for s in range(1, 101)]


RULE = Rule(
    code="GRD001",
    name="gradient-explosion",
    severity="warning",
    check=check,
    help="clip the gradient norm, lower the learning rate or lengthen the warmup",
    sources=(
        "https://arxiv.org/abs/1211.5063 (Pascanu et al. 2013)",
        "https://github.com/InternRobotics/StreamVLN/issues/35",
    ),
    bad=(
        Example(
            title="a hundred times as large",
            files=csv_log(("step", "loss", "grad_norm"), lambda: _log({s: 100.0 + s for s in range(81, 101)})),
        ),
    ),
    good=(
        Example(
            title="one high row",
            files=csv_log(("step", "loss", "grad_norm"), lambda: _log({50: 80.0})),
            why="clipping exists for single large gradients",
        ),
        Example(
            title="updates that the loss scaler skips",
            files=csv_log(("step", "loss", "grad_norm"), lambda: _log({20: "inf", 60: "nan"})),
            why="fp16 training skips the update and lowers its scale",
        ),
    ),
)
