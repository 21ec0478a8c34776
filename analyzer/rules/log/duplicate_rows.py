"""One process wrote the same tag and step twice within a session.

What it checks
    Rows of the training series that repeat the step of the row before them inside one session, and event files that
    one process wrote side by side with the same rows (a logger that was registered twice).

Why it matters
    Counts, means and steps per epoch come out too large, and smoothing weighs the doubled rows twice.

When it is silent
    Rows of different tags share a step in every framework. A learning rate per micro-batch, the epoch told again at
    an evaluation and validation rows repeat a step by design and are not looked at. A loss that is logged several
    times at every step with different values is a log per micro-batch. A row that tells the step again with
    other tags (the time, beside the validation loss) is a row of its own, and so is one of another epoch, or of
    one that was trained under the number of the epoch before (EPO005). Steps told twice because a session was resumed
    are `steps-replayed`, by two processes `concurrent-writers`.

What to do
    Look for a logger, handler or callback that is registered twice, or two that append to one file; drop the second
    copy of each row before computing anything from the log.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import EllipsisType

import numpy as np
from numpy.typing import NDArray

from analyzer.clocks.epoch_rows import relabelled_epochs
from analyzer.clocks.rows import rows_of, speaking_series
from analyzer.clocks.wall_time import at_rows_of
from analyzer.distinct import distinct
from analyzer.model import NO_STEP, Finding, Ints, Series, View
from analyzer.roles import role_of_tag
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import EPOCHS, csv_log, falling_loss
from analyzer.timeline import Timeline

PER_MICRO_BATCH = 0.5  # share of rows: a loss that repeats its step this often with other values is logged so by design
FEWEST_TAGS = 3  # of a row that is held against the one before, the label one of them; and fewest such rows
EVIDENCE_PAIRS = 2
ROW_BITS = 44  # no file has as many rows


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    found = [*_two_loggers(timeline), *_copied_blocks(timeline)]
    for account in timeline.accounts:
        series = speaking_series(account.whole, ("loss", "epoch_loss", "grad_norm"))
        if series is None or series.step[0] == NO_STEP:
            continue
        twice = _repeated(timeline, account.whole, series)
        if len(twice):
            found.append(_repeats(timeline, series, twice))
    if found:
        yield max(found, key=lambda finding: (finding.severity == "warning", finding.numbers["rows"]))


def _copied_blocks(timeline: Timeline) -> Iterator[Finding]:
    """Rows that stand in the log a second time, times included: copied, not trained again."""
    for account in timeline.accounts:
        for copies in account.copies:
            series, first, second = copies.series, copies.first, copies.second
            yield Finding(
                severity="warning",
                message=f"{len(first)} rows of {series.tag} are there twice, values and times alike: steps "
                f"{series.step[first[0]]} to {series.step[first[-1]]} ({copies.join.how_known})",
                tag=series.tag, first_step=int(series.step[first[0]]), last_step=int(series.step[first[-1]]),
                numbers={"rows": len(first), "equal": len(first)},
                evidence=(timeline.row(series, int(first[0]), "first telling"),
                          timeline.row(series, int(second[0]), "second telling")),
            )


def _two_loggers(timeline: Timeline) -> Iterator[Finding]:
    for view, pairs in zip(timeline.run.views, timeline.writers, strict=True):
        for pair in pairs:
            if pair.kind != "loggers":
                continue
            series = view.series[pair.tag]
            step = int(series.step[pair.first_other])
            told = ((pair.first_kept, "first file"), (pair.first_other, "second file"))
            rows = [timeline.row(series, index, why) for index, why in told]
            yield Finding(
                severity="warning",
                message=f"one process wrote two files at the same time: {pair.rows} rows of {pair.tag} are there "
                f"twice, with {'the same' if pair.equal_values else 'other'} values, from step {step} on",
                tag=pair.tag, first_step=step, numbers={"rows": pair.rows}, evidence=tuple(rows),
            )


def _repeated(timeline: Timeline, view: View, series: Series) -> Ints:
    """Indices of rows that repeat the step of the row before them, in their session and file, with the same tags."""
    session = timeline.session_map.of(series)
    beside = (np.diff(session) == 0) & (np.diff(series.source) == 0)
    if timeline.step_axis.unit == "row":
        return _told_digit_for_digit(view, series, beside)
    twice = np.flatnonzero(beside & (np.diff(series.step) == 0) & (series.step[1:] != NO_STEP)) + 1
    twice = twice[_of_one_kind(view, series, twice - 1, twice)]
    twice = twice[_of_one_epoch(view, series, twice - 1, twice)]
    moved = relabelled_epochs(timeline) if len(twice) == 1 and timeline.step_axis.unit == "epoch" else None
    if moved is not None and moved.finding.first_step == series.step[twice[0]]:
        return twice[:0]
    if not len(twice):
        return twice
    if np.count_nonzero((np.diff(series.step) < 0) & (np.diff(session) == 0)) > len(twice):
        return twice[:0]  # the axis does not count in order, a step told twice means nothing
    equal = series.value[twice] == series.value[twice - 1]
    if len(twice) >= PER_MICRO_BATCH * len(distinct(series.step)) and np.count_nonzero(equal) < 0.5 * len(twice):
        return twice[:0]
    return twice


def _told_digit_for_digit(view: View, series: Series, beside: NDArray[np.bool_]) -> Ints:
    """Rows without a step that have the label of the row before them, and repeat it in every tag.

    Where a label stands over several rows, all of them must: figures of few digits agree by chance in some.
    """
    every = [at_rows_of(series, other) for other in view.series.values()]
    told = [values for values in every if values is not None]
    labels = [at_rows_of(series, other) for other in view.series.values() if role_of_tag(other.tag) == "epoch"]
    label = next((values for values in labels if values is not None), None)
    if label is None or len(told) < FEWEST_TAGS:
        return np.zeros(0, dtype=np.int64)
    alike = beside & (np.diff(label) == 0)
    equal = alike.copy()
    for values in told:
        equal &= (np.diff(values) == 0) | (np.isnan(values[1:]) & np.isnan(values[:-1]))
    twice = np.flatnonzero(equal) + 1
    return twice if len(twice) >= FEWEST_TAGS and (equal == alike).all() else twice[:0]


def _of_one_kind(view: View, series: Series, first: Ints, second: Ints) -> NDArray[np.bool_]:
    """Whether the rows of points ``first`` and ``second``, shape (n,), hold the same tags.

    A row that tells the step again with its validation loss is not a second telling of the training row.
    """
    alike = np.ones(len(first), dtype=bool)
    for other in view.series.values() if len(first) else ():
        if other is not series:
            here = [np.isin(_places(series, points), _places(other, ...)) for points in (first, second)]
            alike &= here[0] == here[1]
    return alike


def _of_one_epoch(view: View, series: Series, first: Ints, second: Ints) -> NDArray[np.bool_]:
    """Whether points have one epoch label: the last place of an epoch and the first of the next may share a step."""
    alike = np.ones(len(first), dtype=bool)
    for other in view.series.values() if len(first) else ():
        if role_of_tag(other.tag) == "epoch":
            label = at_rows_of(rows_of(series, np.concatenate([first, second])), other)
            if label is not None:
                alike &= label[: len(first)] == label[len(first) :]
    return alike


def _places(series: Series, points: Ints | EllipsisType) -> Ints:
    """File and row of points as one number."""
    return (series.source[points].astype(np.int64) << ROW_BITS) + series.row[points]


def _repeats(timeline: Timeline, series: Series, twice: Ints) -> Finding:
    equal = int(np.count_nonzero(series.value[twice] == series.value[twice - 1]))
    first, last = int(series.step[twice[0]]), int(series.step[twice[-1]])
    where = f"at step {first}" if first == last else f"between step {first} and step {last}"
    verb = "rows repeat" if len(twice) > 1 else "row repeats"
    same = f"{equal} of them with the same value"
    if equal in (0, len(twice)):
        same = "with the same value" if equal else "with another value"
    # One step told twice is what a resume from the last checkpoint leaves, too; an epoch told twice is a second report.
    axis = timeline.run.sources[int(series.source[twice[0]])].step_axis
    what = "the epoch" if timeline.step_axis.unit == "row" else "the step"
    rows = []
    for at in twice[:EVIDENCE_PAIRS]:
        rows += [timeline.row(series, int(at) - 1, "first telling"), timeline.row(series, int(at), "second telling")]
    return Finding(
        severity="note" if len(twice) == 1 and axis != "epoch" else "warning",
        message=f"{len(twice)} {verb.replace(' ', f' of {series.tag} ')} {what} of the row before, {same}, {where}",
        tag=series.tag, first_step=first, last_step=last, numbers={"rows": len(twice), "equal": equal},
        evidence=tuple(rows),
    )


def _doubled(first: int, last: int) -> list[tuple[object, ...]]:
    return [(step, falling_loss(step)) for step in range(1, 101) for _ in range(2 if first <= step <= last else 1)]


def _epochs(rows: int, apart: float = 0.0) -> list[tuple[object, ...]]:
    return [
        (epoch, falling_loss(epoch) + apart * row, 100 + epoch % 7) for epoch in range(1, 41) for row in range(rows)
    ]


def _micro_batches() -> list[tuple[object, ...]]:
    return [(step, falling_loss(step) + 0.01 * part) for step in range(1, 61) for part in range(4)]


def _with_validation() -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for step in range(1, 61):
        rows.append((step, falling_loss(step), None))
        if step % 20 == 0:
            rows.append((step, None, falling_loss(step)))
    return rows


def _times_with_validation() -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for step in range(1, 61):
        rows.append((step, 150.0 * step, None))
        if step % 20 == 0:
            rows.append((step, 150.0 * step + 65, falling_loss(step)))
    return rows


RULE = Rule(
    code="LOG003",
    name="duplicate-rows",
    severity="warning",
    check=check,
    help="look for a logger, handler or callback that is registered twice",
    sources=("https://github.com/Lightning-AI/pytorch-lightning/issues/230",),
    bad=(
        Example(title="two handlers for fifteen steps", files=csv_log(("step", "loss"), lambda: _doubled(40, 54))),
        Example(title="every row twice", files=csv_log(("step", "loss"), lambda: _doubled(1, 100))),
        Example(title="every row of an epoch twice", files=csv_log(("epoch", "loss", "seconds"), lambda: _epochs(2))),
    ),
    good=(
        Example(
            title="the last place of an epoch and the first of the next have one step",
            files=csv_log(EPOCHS, lambda: [
                (40 * epoch + place, epoch, falling_loss(41 * epoch + place)) for epoch in range(4)
                for place in range(41)]),
            why="their labels tell them apart",
        ),
        Example(title="two rows an epoch", files=csv_log(("epoch", "loss", "seconds"), lambda: _epochs(2, apart=0.01)),
                why="other values"),
        Example(title="a loss per micro-batch", files=csv_log(("step", "loss"), _micro_batches),
                why="four different values at every step: the log counts updates and tells each micro-batch"),
        Example(title="four micro-batches on four devices", files=csv_log(("step", "loss"), _micro_batches),
                declared={"world_size": 4, "grad_accumulation": 4}, why="the accumulation explains the rows"),
        Example(title="validation rows at the step of the last training row",
                files=csv_log(("step", "loss", "val_loss"), _with_validation),
                why="two tags may share a step"),
        Example(title="the time is told again beside the validation loss",
                files=csv_log(("step", "train_time", "val_loss"), _times_with_validation),
                why="a row of another kind, not a second telling"),
    ),
)
