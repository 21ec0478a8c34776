"""The training loss is exactly zero from one step on.

What it checks
    Whether the loss of any account ends in a run of exact zeros that it did not approach: the last value before is
    well above the smallest number that the log can write. Also whether it is zero in every row of the log.

Why it matters
    A cross-entropy is never exactly zero. The zeros are NaN in disguise (the Trainer's ``logging_nan_inf_filter``
    writes what it held before), an empty batch whose labels are all ignored, or a loss that is no longer computed; a
    gradient norm that stands at the clipping threshold or is NaN says the same.

When it is silent
    Where rewards are logged, a loss that is always zero: on-policy losses begin there. When the loss came down to zero
    by itself: values before the zeros are within a few units of the last written digit.

What to do
    Set ``logging_nan_inf_filter=False``, look at the gradient norm and the labels of the first zero batch, and restart
    from the checkpoint before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from analyzer.clocks.loss import ZERO_TAIL_ROWS
from analyzer.distinct import distinct
from analyzer.model import NO_STEP, Finding, Floats, Row, Series
from analyzer.precision import half_width
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import csv_log, falling_loss
from analyzer.rules.judged_loss import series_of_every_account
from analyzer.spelling import counted
from analyzer.timeline import Timeline

UNITS_OF_LAST_DIGIT = 100.0  # a loss within so many written units of zero may well have reached it
ROWS_BEFORE = 10
MULTIPLE_WITHIN = 0.01  # of the unit; ten values of a loss that is not rounded meet it once in 10^17
FEWEST_ON_GRID = 3  # different values: any one is a multiple of itself, and so is one of fifty of another
USUAL_ZEROS = 0.05  # share of the rows before that are zero
FEWEST_ZEROS = 10  # rows of nothing else
RETURNS = re.compile(r"reward|kl(?:$|[/_])|advantage|policy|episode|rollout", re.I)  # on-policy losses begin at zero


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    losses = series_of_every_account(timeline, "loss")
    if not losses:
        yield Unchecked(reason="no training loss in the log")
        return
    main = {series.tag for series in losses[:1]}
    for series in losses:  # one account may hide what another shows: each tag once
        found = _collapse(timeline, series) or (_never_more(timeline, series) if series.tag in main else None)
        if found is not None:
            yield found
            return


def _collapse(timeline: Timeline, series: Series) -> Finding | None:
    finite = np.flatnonzero(np.isfinite(series.value))
    nonzero = np.flatnonzero(series.value[finite] != 0.0)
    if not len(nonzero) or len(finite) - 1 - nonzero[-1] < ZERO_TAIL_ROWS:
        return None
    first = int(finite[nonzero[-1] + 1])
    before = finite[: nonzero[-1] + 1][-ROWS_BEFORE:]
    unit = max(2 * float(half_width(series)[before].max()), _grid(series.value[before]))
    if float(np.median(np.abs(series.value[before]))) <= max(UNITS_OF_LAST_DIGIT * unit, 1e-6):
        return None
    if np.mean(series.value[finite[: nonzero[-1] + 1]] == 0.0) > USUAL_ZEROS:
        return None  # zeros are an everyday value of this loss (a hinge, an auxiliary term)
    rows = len(finite) - int(nonzero[-1]) - 1
    step = int(series.step[first])
    last = float(series.value[before[-1]])
    witness, evidence = _gradient(timeline, step)
    return Finding(
        severity="error",
        message=f"{series.tag} is exactly 0 from {_place(series, first)} to the end ({counted(rows, 'row')});"
        f" the row before has {last:.4g}{witness}",
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


def _grid(values: Floats) -> float:
    """The unit of which all values are multiples, as those of a rounded loss are, however it is scaled; 0.0: none."""
    different = distinct(np.abs(values))
    if len(different) < FEWEST_ON_GRID:
        return float(np.array_equal(different, np.round(different)))
    apart = np.diff(different, prepend=0.0)
    unit = float(apart[apart > 0].min(initial=np.inf))
    if not np.isfinite(unit):
        return 0.0
    multiples = values / unit
    return unit if bool((np.abs(multiples - np.round(multiples)) < MULTIPLE_WITHIN).all()) else 0.0


def _never_more(timeline: Timeline, series: Series) -> Finding | None:
    """Zero in every row of the log: an error beside a gradient norm that is NaN or does not move, else a warning."""
    value = series.value[np.isfinite(series.value)]
    if len(value) < FEWEST_ZEROS or np.any(value != 0.0):
        return None
    step = int(series.step[0])
    witness, evidence = _gradient(timeline, step)
    if not witness and any(RETURNS.search(tag) for tag in timeline.view.series):
        return None
    every = "its only row" if len(value) == 1 else f"all {len(value)} rows"
    return Finding(
        severity="error" if witness else "warning",
        message=f"{series.tag} is exactly 0 in {every}{witness}",
        tag=series.tag,
        first_step=None if step == NO_STEP else step,
        last_step=None if step == NO_STEP else int(series.step[-1]),
        numbers={"rows": len(value)},
        evidence=(timeline.row(series, 0, "the first row"), *evidence),
    )


def _place(series: Series, index: int) -> str:
    step = int(series.step[index])
    return f"step {step}" if step != NO_STEP else f"row {int(series.row[index])}"


def _gradient(timeline: Timeline, step: int) -> tuple[str, tuple[Row, ...]]:
    """What the gradient norm says from a step on, in words, and a row that shows it."""
    for norm in series_of_every_account(timeline, "grad_norm"):
        later = np.flatnonzero(norm.step >= step)
        if len(later) < ZERO_TAIL_ROWS:
            continue
        values = norm.value[later]
        if np.isnan(values).mean() > 0.9:
            row = timeline.row(norm, int(later[0]), "NaN in disguise")
            return ", and the gradient norm is NaN from there on", (row,)
        finite = values[np.isfinite(values)]
        if len(finite) and np.ptp(finite) == 0:
            return f", and the gradient norm stands at exactly {finite[0]:g}", (
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
        Example(title="zero behind the first row", files=csv_log(("step", "loss"), lambda: _log(2))),
        Example(
            title="zero from the first row",
            files=csv_log(("step", "loss", "grad_norm"), lambda: [(s, 0.0, "nan") for s in range(1, 61)]),
        ),
    ),
    good=(
        Example(
            title="zero beside a reward",
            files=csv_log(("step", "loss", "reward"), lambda: [(s, 0.0, 0.1 + s / 200) for s in range(1, 61)]),
            why="on-policy losses are zero at the first update on each batch",
        ),
        Example(
            title="zero or one",
            files=csv_log(("step", "loss"), lambda: [(s, f"{float(s < 40):.6f}") for s in range(1, 61)]),
            why="whole numbers: a count of errors may come down to zero",
        ),
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
