"""Epochs count from 0 in one place and from 1 in another.

What it checks
    The label of every validation row is compared with the training rows of the lap that it closes: the row beside it
    and the bulk of the lap. A constant difference means that the two number epochs from different bases. In a log of
    one row for each epoch, validations that begin and end one label behind the training rows are (a warning). Two logs
    of one run that give the same values under epoch numbers shifted by one are named in a note.

Why it matters
    "Best at epoch 7" then names two different epochs, and the checkpoint that is loaded is not the one that was
    validated. Joining training and validation rows by epoch pairs each validation with the wrong training.

When it is silent
    When validation and training rows agree, when the label changes between the training rows around a validation,
    when labels are early or late by steps rather than epochs (EPO001), and for fractional labels, which read a whole
    number at the end of an epoch.

What to do
    Pass one epoch variable to both loggers; state the base in the tag or the documentation.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from analyzer.clocks.epoch_clock import EpochClock, Labels
from analyzer.distinct import distinct
from analyzer.model import Finding, Run, Series
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.epoch.one_row_each import bases_of_rows
from analyzer.rules.examples import csv_log, falling_loss
from analyzer.timeline import Timeline

HEADER = ("step", "epoch", "loss", "val_loss")
ROWS = 2  # validation rows that must differ; one may be a validation before training
SHARE = 0.8  # of the validation rows that carry the same difference
SAME_VALUE = 1e-5  # relative; one value written as float32 and as text


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    """Yield a finding for each account of validation rows on another base, and a note for views that differ."""
    clock = timeline.epoch
    looked = False
    told: set[str] = set()  # two accounts of one log say the same
    accounts = clock.validations if clock is not None else ()
    training = [
        one
        for one in (clock.accounts if clock is not None else ())
        if one.labels is not None and one.labels.kind == "integer"
    ]
    for labels in accounts:
        if labels.kind != "integer" or not training:
            continue
        looked = True
        found = _difference(timeline, labels, training[0])
        if found is not None and found.message not in told:
            told.add(found.message)
            yield found
    if timeline.step_axis.unit == "epoch":
        by_row = [*bases_of_rows(timeline)]
        looked |= timeline.roles.first("validation_loss") is not None
        yield from by_row[:1]
    for note in _views(timeline):
        looked = True
        yield note
    if not looked:
        yield Unchecked(reason="no validation rows with epoch labels of their own, and no second log of the run")


def _difference(timeline: Timeline, validation: Labels, clock: EpochClock) -> Finding | None:
    training = clock.labels
    if training is None or clock.crossings < 1 or clock.rows_apart:
        return None
    order = np.argsort(training.step, kind="stable")
    steps, labels = training.step[order], training.value[order]
    behind = _written_behind(training, validation)
    if behind is None:
        behind = np.searchsorted(steps, validation.step, side="right")
    elif _labelled_before(timeline.run, training):
        return None  # validations that open epochs, the first of them before training
    half_lap = max(1, int(clock.low / 2))
    beside = labels[np.clip(behind - 1, 0, None)]
    bulk = labels[np.clip(np.searchsorted(steps, validation.step - half_lap, side="right") - 1, 0, None)]
    off = validation.value - beside
    wrong = (off != 0) & (validation.value != bulk) & (validation.step >= steps[0])
    seen = behind < len(steps)
    following = labels[np.where(seen, behind, -1)]
    proved = (seen & (validation.value != following)) | _excluded(timeline, clock, training, validation)
    if np.count_nonzero(wrong) < ROWS or not np.any(wrong & proved):
        return None  # one count of epochs, whose label changes between two training rows, explains them all
    size, count = np.unique((validation.value - bulk)[wrong], return_counts=True)
    difference = int(size[np.argmax(count)])
    same = wrong & (validation.value - bulk == difference)
    if np.count_nonzero(same) < max(ROWS, SHARE * len(validation)) or abs(difference) != 1:
        return None
    first = int(np.argmax(same))
    at = int(max(0, behind[first] - 1))
    beside_row = timeline.row(training.series, int(training.index[order[at]]), "training row of the same epoch")
    return Finding(
        severity="error",
        message=f"validation rows number epochs {'one higher' if difference > 0 else 'one lower'} than training "
        "rows: at step "
        f"{int(validation.step[first])} validation says {int(validation.value[first])}, training {int(labels[at])}, "
        f"and so at {int(np.count_nonzero(same))} of {len(validation)} validations",
        tag=validation.series.tag,
        first_step=int(validation.step[first]),
        last_step=int(validation.step[-1]),
        numbers={"difference": difference, "rows": int(np.count_nonzero(same))},
        evidence=(
            beside_row,
            timeline.row(validation.series, int(validation.index[first]), "validation of the same epoch"),
        ),
    )


def _written_behind(training: Labels, validation: Labels) -> NDArray[np.int64] | None:
    """How many training rows stand above each validation row of one file; None where rows are not in one order."""
    of_training, of_validation = (one.series.row[one.index] for one in (training, validation))
    sources = (one.series.source[one.index] for one in (training, validation))
    one_file = len({int(n) for of in sources for n in (of.min(), of.max())}) == 1
    if not one_file or np.any(np.diff(training.step) < 0) or np.any(np.diff(of_training) < 0):
        return None
    return np.searchsorted(of_training, of_validation, side="right")


def _labelled_before(run: Run, training: Labels) -> bool:
    """Whether a row with a label stands above the first training row of its file, with a step or without."""
    at = int(training.index[0])
    file, row = training.series.source[at], training.series.row[at]
    told = (view.series[training.series.tag] for view in run.views if training.series.tag in view.series)
    return any(bool(np.any((one.source == file) & (one.row < row))) for one in told)


def _excluded(timeline: Timeline, clock: EpochClock, training: Labels, validation: Labels) -> NDArray[np.bool_]:
    """Which validation rows no epoch clock can put where the training rows leave it, shape (n,).

    A row (s, e) confines the step d at which epoch 0 begins to [s + 1 - S (e + 1), s - S e]; the first epoch begins at
    step 0 or 1, not before.
    """
    if not clock.exact or clock.breaks:
        return np.zeros(len(validation), dtype=bool)
    S = float(clock.low)
    low, high = (training.step + 1 - S * (training.value + 1)).max(), (training.step - S * training.value).min()
    if training.value[0] == clock.base:
        low = max(low, (timeline.step_axis.base or 0) - S * clock.base)
    own_low, own_high = validation.step + 1 - S * (validation.value + 1), validation.step - S * validation.value
    excluded: NDArray[np.bool_] = (own_low > high) | (own_high < low)
    return excluded


def _views(timeline: Timeline) -> Iterator[Finding]:
    """Two accounts that count epochs and give the same values one epoch apart."""
    by_epoch = [
        (view.name, series)
        for view in timeline.run.views
        for series in view.series.values()
        if len(series) >= 3 and _counts_epochs(timeline, series)
    ]
    for k, (name, one) in enumerate(by_epoch):
        for other_name, other in by_epoch[k + 1 :]:
            if other_name == name:
                continue
            pair = _same_values(one, other)
            if pair is None or abs(int(one.step[pair[0]]) - int(other.step[pair[1]])) != 1:
                continue
            yield Finding(
                severity="note",
                message=f"{one.tag} counts epochs from {int(one.step[0])} in one log and {other.tag} from "
                f"{int(other.step[0])} in "
                "another: the same values one epoch apart",
                tag=other.tag,
                first_step=min(int(one.step[0]), int(other.step[0])),
                evidence=(timeline.row(one, pair[0], "here"), timeline.row(other, pair[1], "the same value there")),
            )
            return


def _counts_epochs(timeline: Timeline, series: Series) -> bool:
    source = timeline.run.sources[int(series.source[0])]
    return source.step_axis == "epoch" or series.tag.rsplit("/", 1)[-1].startswith("epoch_")


def _same_values(one: Series, other: Series) -> tuple[int, int] | None:
    """Indices of the first points with the same value, if the series are the same throughout."""
    n = min(len(one), len(other))
    if n < 3 or len(distinct(one.value[:n])) < 3:
        return None
    return (
        (0, 0) if bool(np.all(np.abs(one.value[:n] - other.value[:n]) <= SAME_VALUE * np.abs(one.value[:n]))) else None
    )


def _log(of_validation: int) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for step in range(1, 101):
        epoch = (step - 1) // 20
        rows.append((step, epoch, falling_loss(step), None))
        if step % 20 == 0:
            rows.append((step, epoch + of_validation, None, falling_loss(step)))
    return rows


def _sparse() -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for step in range(1, 151):
        if step % 2 == 0:
            rows.append((step, step // 25, falling_loss(step), None))
        if step % 25 == 0:
            rows.append((step, step // 25, None, falling_loss(step)))
    return rows


def _with_means() -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for step in range(1, 101):
        epoch = (step - 1) // 20
        rows.append((step, epoch, falling_loss(step), None, None))
        if step % 20 == 0:
            rows.append((step, epoch + 1, None, falling_loss(step), None))
            rows.append((step, epoch, None, None, falling_loss(step - 10)))
    return rows


def _by_epoch(shift: int, every: int = 1, first: bool = False) -> list[tuple[object, ...]]:
    """A row of the training for each of 12 epochs, and one of the validation for every few of them."""
    rows: list[tuple[object, ...]] = [(0, None, 2.3)] if first else []
    for epoch in range(12):
        rows.append((epoch, falling_loss(epoch), None))
        if (epoch + 1) % every == 0:
            rows.append((epoch + shift, None, falling_loss(epoch)))
    return rows


def _printed(before: bool) -> dict[str, str]:
    """Validations that count the epochs done, or stand before each epoch and behind the last."""
    lines = []
    for epoch in range(6):
        lines += [f"epoch {epoch}: val_loss {falling_loss(40 * epoch + 1):.5f}\n"] if before else []
        lines += [f"epoch {epoch} batch {k} loss {falling_loss(40 * epoch + k):.5f}\n" for k in range(10, 41, 10)]
        lines += [] if before else [f"epoch {epoch + 1}: val_loss {falling_loss(40 * epoch + 40):.5f}\n"]
    lines += [f"epoch 6: val_loss {falling_loss(240):.5f}\n"] if before else []
    return {"train.log": "".join(lines)}


RULE = Rule(
    code="EPO003",
    name="epoch-base-mixed",
    severity="error",
    check=check,
    help="pass one epoch variable to both loggers",
    sources=("https://github.com/tensorflow/tensorboard/issues/5805",),
    bad=(
        Example(title="validation counts from 1, training from 0", files=csv_log(HEADER, lambda: _log(1))),
        Example(
            title="validation counts from 1, training and the epoch's mean from 0",
            files=csv_log((*HEADER, "loss_epoch"), _with_means),
        ),
        Example(title="printed validations count the epochs done", files=lambda: _printed(before=False)),
        Example(
            title="a row for each epoch, the validation's one higher",
            files=csv_log(("epoch", "loss", "val_loss"), lambda: _by_epoch(1)),
        ),
        Example(
            title="the same, every third epoch",
            files=csv_log(("epoch", "loss", "val_loss"), lambda: _by_epoch(1, every=3)),
        ),
    ),
    good=(
        Example(title="validation carries the epoch it closes", files=csv_log(HEADER, lambda: _log(0)), why="one base"),
        Example(
            title="validated before each epoch and behind the last",
            files=lambda: _printed(before=True),
            why="the first validation stands before training",
        ),
        Example(
            title="a row for each epoch",
            files=csv_log(("epoch", "loss", "val_loss"), lambda: _by_epoch(0)),
            why="both count from 0",
        ),
        Example(
            title="validated before the first epoch as well",
            files=csv_log(("epoch", "loss", "val_loss"), lambda: _by_epoch(1, first=True)),
            why="a validation counts the epochs that are done, and one of them is none",
        ),
        Example(
            title="training rows every two steps",
            files=csv_log(HEADER, _sparse),
            why="between steps 24 and 26 the label rises, and the validation at step 25 may lie behind it",
        ),
        Example(
            title="no validation rows",
            files=csv_log(HEADER, lambda: [row for row in _log(1) if row[2] is not None]),
            why="one account of epochs has one base, whichever it is",
        ),
    ),
)
