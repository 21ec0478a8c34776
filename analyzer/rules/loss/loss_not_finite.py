"""The training loss becomes NaN or infinite.

What it checks
    Whether any value of a training or validation loss in any account of the run is NaN or infinite, from which step
    on, and whether it comes back. A few evaluations that are not finite and recover are a warning.

Why it matters
    One NaN in the weights stays there: every later step costs compute and teaches nothing, and the checkpoints written
    from then on are lost. In fp16 runs a single non-finite loss that the loss scaler skips is harmless.

When it is silent
    Empty cells of a table are not NaN. NaN before the first value is a note: a buffer is filled before anything is
    trained. A loss that is exactly zero while the gradient norm is NaN (the Trainer's
    filter) is told as loss-collapsed-to-zero.

What to do
    Go back to the last checkpoint before the step; look at the batch of that step, at the learning rate and at
    overflow in half precision. Gradient clipping does not help: the norm of a NaN is NaN.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from analyzer.clocks.rows import rows_of
from analyzer.model import NO_STEP, Finding, Series, Severity
from analyzer.roles import role_of_tag
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import csv_log, falling_loss
from analyzer.rules.judged_loss import series_of_every_account
from analyzer.spelling import counted
from analyzer.timeline import Timeline

FEWEST_LOST = 10  # rows before and behind, of a figure that nothing calls a loss
FEW_EVALUATIONS, SHARE_OF_EVALUATIONS = 2, 0.1  # that may be NaN before a metric has samples


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    losses = series_of_every_account(timeline, "loss", "epoch_loss", "validation_loss")
    if not losses:
        lost_for_good = [series for series in timeline.view.series.values() if _is_lost(series)]
        if not lost_for_good:
            yield Unchecked(reason="no loss in the log")
            return
        series = _first_bad(lost_for_good)
        yield _finding(timeline, series, [one.tag for one in lost_for_good if one is not series], "warning")
        return
    begun = [_begun(series) for series in losses]
    bad = {series.tag: series for series in begun if not np.isfinite(series.value).all()}
    validation = {tag: series for tag, series in bad.items() if role_of_tag(tag) == "validation_loss"}
    training = {tag: series for tag, series in bad.items() if tag not in validation}
    lost = {tag: series for tag, series in validation.items() if not _recovers(series)}
    if not bad:
        late = [series for series, rest in zip(losses, begun, strict=True) if len(rest) < len(series)]
        if late:
            yield _finding(timeline, late[0], [one.tag for one in late[1:]], "note")
        return
    series = _first_bad(list((training | lost or bad).values()))
    others = [tag for tag in bad if tag != series.tag]
    yield _finding(timeline, series, others, "error" if training or lost else "warning")


def _begun(series: Series) -> Series:
    """A loss without the NaN before its first value, which mean that there was none yet: a buffer is filled first."""
    finite = np.isfinite(series.value)
    begins = int(np.argmax(finite))
    late = begins > 0 and finite.any() and np.isnan(series.value[:begins]).all()
    return rows_of(series, np.arange(begins, len(series))) if late else series


def _is_lost(series: Series) -> bool:
    """Whether every value up to a row is finite, and none is from there to the end: an energy, or what else is fit."""
    finite = np.isfinite(series.value)
    first = int(np.argmin(finite))
    return bool(min(first, len(finite) - first) >= FEWEST_LOST and not finite[first:].any())


def _recovers(series: Series) -> bool:
    """A few evaluations were not finite, and the last ones are: an empty class or a metric without samples so far."""
    finite = np.isfinite(series.value)
    return bool(finite[-1]) and int(np.sum(~finite)) <= max(FEW_EVALUATIONS, SHARE_OF_EVALUATIONS * len(finite))


def _first_bad(found: Sequence[Series]) -> Series:
    """The series that was the first not to be finite: by the clock where all have one, for steps may be of two axes."""
    at = [int(np.argmin(np.isfinite(one.value))) for one in found]
    moments = [float(one.wall_time[row]) for one, row in zip(found, at, strict=True)]
    steps = [float(one.step[row]) for one, row in zip(found, at, strict=True)]
    return found[int(np.argmin(moments if np.isfinite(moments).all() else steps))]


def _finding(timeline: Timeline, series: Series, others: list[str], severity: Severity) -> Finding:
    finite = np.isfinite(series.value)
    rows = np.flatnonzero(~finite)
    first, last = int(rows[0]), int(rows[-1])
    back = np.flatnonzero(finite[first:])
    unknown = np.isnan(series.value[rows])
    kinds = [*["infinite"] * (not unknown.all()), *["NaN"] * bool(unknown.any())]
    step = int(series.step[first])
    where = f"at step {step}" if step != NO_STEP else f"in row {int(series.row[first])}"
    if not len(back):
        begin = where[3:] if first else f"{where[3:]}, its first row,"
        message = f"{series.tag} is {' or '.join(kinds)} from {begin} to the end ({counted(len(rows), 'row')})"
    else:
        message = f"{series.tag} is {' or '.join(kinds)} in {len(rows)} of {len(series)} rows, first {where}"
    if others:
        message += f"; so is {', '.join(others[:3])}"
    evidence = [timeline.row(series, first, "first value that is not finite")]
    if first > 0:
        evidence.insert(0, timeline.row(series, first - 1, "the last one before"))
    if len(back):
        evidence.append(timeline.row(series, first + int(back[0]), "finite again"))
    elif last > first:
        evidence.append(timeline.row(series, last, "the end"))
    return Finding(
        severity=severity,
        message=message,
        tag=series.tag,
        first_step=None if step == NO_STEP else step,
        last_step=None if step == NO_STEP else int(series.step[last]),
        numbers={"rows": len(rows), "of": len(series)},
        evidence=tuple(evidence),
    )


def _log(value_at: dict[int, str]) -> list[tuple[int, object]]:
    return [(step, value_at.get(step, falling_loss(step))) for step in range(1, 61)]


RULE = Rule(
    code="LOS003",
    name="loss-not-finite",
    severity="error",
    check=check,
    help="go back to the last checkpoint before this step; look at its batch, the learning rate and fp16 overflow",
    sources=(
        "https://huggingface.co/docs/transformers/main_classes/trainer (logging_nan_inf_filter)",
        "https://lightning.ai/docs/pytorch/stable/api/lightning.pytorch.callbacks.EarlyStopping.html (check_finite)",
    ),
    bad=(
        Example(
            title="NaN to the end",
            files=csv_log(("step", "loss"), lambda: _log(dict.fromkeys(range(41, 61), "nan"))),
        ),
        Example(
            title="an energy that is lost for good, where nothing is called a loss",
            files=csv_log(("step", "energy"), lambda: _log(dict.fromkeys(range(41, 61), "nan"))),
        ),
        Example(
            title="NaN before the first value, and to the end",
            files=csv_log(("step", "loss"), lambda: _log(dict.fromkeys([1, 2, *range(41, 61)], "nan"))),
        ),
        Example(title="one infinite batch", files=csv_log(("step", "loss"), lambda: _log({30: "inf"}))),
    ),
    good=(
        Example(
            title="a figure that is not always there",
            files=csv_log(("step", "energy"), lambda: _log({step: "nan" for step in range(1, 61) if step % 5})),
            why="it is finite again, and no loss",
        ),
        Example(
            title="NaN before the first value alone",
            files=csv_log(("step", "loss"), lambda: _log(dict.fromkeys([1, 2], "nan"))),
            why="nothing was computed yet, and every value behind it is finite",
        ),
        Example(
            title="finite throughout", files=csv_log(("step", "loss"), lambda: _log({})), why="every value is finite"
        ),
        Example(
            title="empty cells",
            files=csv_log(
                ("step", "loss", "lr"),
                lambda: [(s, falling_loss(s) if s % 5 == 0 else None, 0.001) for s in range(1, 61)],
            ),
            why="a sparse table leaves cells empty where nothing was logged",
        ),
    ),
)
