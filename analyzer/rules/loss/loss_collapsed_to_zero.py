"""The training loss is exactly zero from one step on.

What it checks
    Whether the loss ends in a run of exact zeros that it did not approach: the last value before is well above the
    smallest number that the log can write.

Why it matters
    A cross-entropy is never exactly zero. The zeros are NaN in disguise (the Trainer's ``logging_nan_inf_filter``
    writes what it held before), an empty batch whose labels are all ignored, or a loss that is no longer computed; a
    gradient norm that stands at the clipping threshold or is NaN says the same.

When it is silent
    When the loss came down to zero by itself: values before the zeros are within a few units of the last written digit.

What to do
    Set ``logging_nan_inf_filter=False``, look at the gradient norm and the labels of the first zero batch, and restart
    from the checkpoint before it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzer.clocks.loss import ZERO_TAIL_ROWS
from analyzer.model import NO_STEP, Finding, Row, Series
from analyzer.precision import half_width
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import csv_log, falling_loss
from analyzer.timeline import Timeline

UNITS_OF_LAST_DIGIT = 100.0  # a loss within so many written units of zero may well have reached it
ROWS_BEFORE = 10


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    series = timeline.roles.first("loss")
    if series is None:
        yield Unchecked(reason="no training loss in the log")
        return
    finite = np.flatnonzero(np.isfinite(series.value))
    nonzero = np.flatnonzero(series.value[finite] != 0.0)
    if not len(nonzero) or len(finite) - 1 - nonzero[-1] < ZERO_TAIL_ROWS:
        return
    first = int(finite[nonzero[-1] + 1])
    before = finite[: nonzero[-1] + 1][-ROWS_BEFORE:]
    width = float(half_width(series)[before].max())
    if float(np.median(np.abs(series.value[before]))) <= max(UNITS_OF_LAST_DIGIT * 2 * width, 1e-6):
        return
    if np.mean(series.value[finite[: nonzero[-1] + 1]] == 0.0) > 0.05:
        return  # zeros are an everyday value of this loss (a hinge, an auxiliary term)
    rows = len(finite) - int(nonzero[-1]) - 1
    step = int(series.step[first])
    last = float(series.value[before[-1]])
    message = f"{series.tag} is exactly 0 from step {step} to the end ({rows} rows); the row before has {last:.4g}"
    witness, evidence = _gradient(timeline, step)
    yield Finding(
        severity="error",
        message=message + witness,
        tag=series.tag,
        first_step=None if step == NO_STEP else step,
        last_step=None if step == NO_STEP else int(series.step[finite[-1]]),
        numbers={"rows": rows},
        evidence=(
            timeline.row(series, int(before[-1]), "the last value above zero"),
            timeline.row(series, first, "the first zero"),
            *evidence,
        ),
    )


def _gradient(timeline: Timeline, step: int) -> tuple[str, tuple[Row, ...]]:
    norm = timeline.roles.first("grad_norm")
    if norm is None:
        return "", ()
    return _gradient_words(timeline, norm, step)


def _gradient_words(timeline: Timeline, norm: Series, step: int) -> tuple[str, tuple[Row, ...]]:
    later = np.flatnonzero(norm.step >= step)
    if len(later) < ZERO_TAIL_ROWS:
        return "", ()
    values = norm.value[later]
    if np.isnan(values).mean() > 0.9:
        return ", and the gradient norm is NaN from there on", (timeline.row(norm, int(later[0]), "NaN in disguise"),)
    if np.ptp(values[np.isfinite(values)]) == 0:
        return f", and the gradient norm stands at exactly {values[0]:g}", (
            timeline.row(norm, int(later[0]), "does not move"),
        )
    return "", ()


def _log(zero_from: int, start: float = 0.0) -> list[tuple[int, float]]:
    return [(step, falling_loss(step) + start if step < zero_from else 0.0) for step in range(1, 81)]


RULE = Rule(
    code="LOS005",
    name="loss-collapsed-to-zero",
    severity="error",
    check=check,
    help="log with logging_nan_inf_filter=False, look at the labels and the gradient norm of the first zero batch",
    sources=(
        "https://github.com/hiyouga/LlamaFactory/issues/8004",
        "https://github.com/huggingface/transformers/blob/main/src/transformers/trainer.py (logging_nan_inf_filter)",
    ),
    bad=(
        Example(title="zero from step 51", files=csv_log(("step", "loss"), lambda: _log(51))),
        Example(
            title="gradient norm NaN",
            files=csv_log(
                ("step", "loss", "grad_norm"),
                lambda: [
                    (s, falling_loss(s) if s < 40 else 0.0, round(1 + 0.1 * (s % 7), 3) if s < 40 else "nan")
                    for s in range(1, 81)
                ],
            ),
        ),
    ),
    good=(
        Example(
            title="never zero", files=csv_log(("step", "loss"), lambda: _log(1000)), why="the loss stays above zero"
        ),
        Example(
            title="reached zero",
            files=csv_log(("step", "loss"), lambda: [(s, max(0.0, round(2.0 * 0.7**s, 4))) for s in range(1, 61)]),
            why="four written digits: the loss came down to zero by itself",
        ),
    ),
)
