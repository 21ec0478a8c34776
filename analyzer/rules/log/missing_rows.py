"""Rows are missing from a log of regular cadence.

What it checks
    Long steps of the training series where the cadence is otherwise regular: the epoch, the samples seen, the
    learning rate or the wall clock have moved on with the step, so the steps were trained and their rows are gone.
    Also a stretch in which one training tag has no rows and another one has them, a log that starts late, a validation
    series that lacks one row, and rows that only one of two logs of the run has.

Why it matters
    Means over an epoch, spikes and the end of a session may lie in the hole. Nothing can be checked there.

When it is silent
    When the other clocks did not move, the counter jumped (`steps-skipped-at-resume`). An irregular cadence, a
    cadence that changes for good and long steps at equal distances are habits of the logger. In a down-sampled
    export rows are missing by design. A log that starts late is a note, for what came before may lie in another file,
    but where its writer empties the table of the run that it resumes (Lightning's, Keras' and fastai's). Rows that a
    killed process had not written yet, between its last row and the checkpoint that the next one resumed from, are a
    note; so are single rows (a loss that was not finite, say), but where each epoch leaves one row and nothing at all
    is left of one.

What to do
    Look for the rows in another file (a rotated log, the folder of an earlier session), and at log calls that are
    skipped under a condition.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzer.clocks.accounts import comparisons
from analyzer.clocks.step_axis import StepJump
from analyzer.clocks.step_jumps import UNEVEN, regular_cadence
from analyzer.distinct import distinct
from analyzer.model import NO_STEP, Finding, Series
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import EPOCHS, csv_log, falling_loss
from analyzer.rules.log.sampled_export import looks_sampled
from analyzer.rules.log.validation_rows import validation_missing
from analyzer.timeline import Timeline

LATE_ROWS = 3  # a log starts late when more than this many rows of its cadence would have come before its first
LATE_EPOCH = 2.0  # and its first epoch label says that whole epochs came before, whether they count from 0 or from 1
OPENED_ANEW = ("pytorch-lightning", "keras", "fastai")  # a process that resumes empties its table (CSVLogger)
GAPS_TOLD = 3
ROWS_OF_ONE_TAG = 3  # fewer may have been values that were not written because they were not finite


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    if looks_sampled(timeline):
        yield Unchecked(reason="the log is a down-sampled export; the original log would show every row")
        return
    main = next((series for series in timeline.training if series.step[0] != NO_STEP), None)
    if main is None or regular_cadence(main.step, timeline.session_map.of(main)) is None:
        lacking = [*_rows_of_one_tag(timeline), *_only_in_the_other_account(timeline)]
        yield from lacking
        if not lacking:
            yield Unchecked(reason="no series of regular cadence: nothing can be said to be missing between its rows")
        return
    gaps = [jump for jump in timeline.step_jumps
            if jump.verdict == "rows missing"
            or (jump.verdict == "unknown" and jump.join is None and _on_the_grid(jump))]
    inside = [jump for jump in gaps if jump.join is None]
    if inside:
        yield _holes(inside, whole_epoch=timeline.step_axis.unit == "epoch" and _in_no_series(timeline, inside[0]))
    for jump in gaps:
        if jump.join is not None:
            yield _lost_tail(jump, epochs=timeline.step_axis.unit == "epoch")
    of_one_tag = list(_rows_of_one_tag(timeline))
    yield from of_one_tag
    if not inside and not of_one_tag:
        yield from _only_in_the_other_account(timeline)
        yield from _starts_late(timeline)
        yield from validation_missing(timeline)


def _on_the_grid(jump: StepJump) -> bool:
    """Whether a gap ends where a row of the cadence is due: the rows behind the missing ones stand where they did.

    Rows that are only nearly even (whole batches, to the nearest thousand samples) have no such places.
    """
    rises = np.diff(jump.series.step)
    near = rises[np.abs(rises - jump.cadence) <= UNEVEN * jump.cadence]
    return bool(np.ptp(near)) or (jump.next_step - jump.last_step) % jump.cadence == 0


def _in_no_series(timeline: Timeline, gap: StepJump) -> bool:
    """Whether nothing at all was written in a gap: a value that is not finite leaves out itself, not its row."""
    return not any(
        np.any((one.step > gap.last_step) & (one.step < gap.next_step)) for one in timeline.view.series.values()
    )


def _holes(gaps: list[StepJump], *, whole_epoch: bool) -> Finding:
    """Rows missing inside a session; `whole_epoch`: a row is all that an epoch leaves, and there is none of it."""
    rows = sum(gap.rows for gap in gaps)
    first, last = gaps[0], gaps[-1]
    places = ", ".join(f"{gap.last_step} to {gap.next_step}" for gap in gaps[:GAPS_TOLD])
    more = f" and {len(gaps) - GAPS_TOLD} more" if len(gaps) > GAPS_TOLD else ""
    because = f"; {first.because}" if first.because else ""
    if whole_epoch:
        because += "; the epoch was left out, or its row is lost"
    return Finding(
        severity="warning" if whole_epoch or any(gap.rows > 1 for gap in gaps) else "note",
        message=f"{rows} row{'s' if rows > 1 else ''} of {first.series.tag} missing, which is logged every "
        f"{first.cadence} step{'s' if first.cadence > 1 else ''}: nothing from step {places}{more}{because}",
        tag=first.series.tag,
        first_step=first.last_step + first.cadence,
        last_step=last.next_step - last.cadence,
        numbers={"rows": rows, "gaps": len(gaps), "cadence": first.cadence},
        evidence=tuple(row for gap in gaps[:GAPS_TOLD] for row in gap.evidence[:2]),
    )


def _rows_of_one_tag(timeline: Timeline) -> Iterator[Finding]:
    """A stretch in which a training tag has no rows although another tag of the same file goes on with its own."""
    series = [one for one in timeline.training if one.step[0] != NO_STEP]
    for lacking in series:
        found = regular_cadence(lacking.step, timeline.session_map.of(lacking))
        if found is None:
            continue
        cadence, gaps = found
        rises = lacking.step[gaps + 1] - lacking.step[gaps]
        for at in gaps[rises > ROWS_OF_ONE_TAG * cadence].tolist():
            low, high = int(lacking.step[at]), int(lacking.step[at + 1])
            rows = (high - low) // cadence - 1
            beside = next((one for one in series if one is not lacking and _goes_on(one, lacking, at, rows)), None)
            if rows < ROWS_OF_ONE_TAG or beside is None:
                continue
            inside = np.flatnonzero((beside.step > low) & (beside.step < high))
            yield Finding(
                severity="warning",
                message=f"{rows} rows of {lacking.tag} missing from step {low + cadence} to {high - cadence}, "
                f"where {beside.tag} was written",
                tag=lacking.tag, first_step=low + cadence, last_step=high - cadence,
                numbers={"rows": rows, "cadence": cadence},
                evidence=(timeline.row(lacking, at, "last row before"), timeline.row(lacking, at + 1, "next row"),
                          timeline.row(beside, int(inside[0]), "written all the same")),
            )
            return


def _goes_on(series: Series, lacking: Series, at: int, rows: int) -> bool:
    """Whether a series of the same file has the rows that another lacks behind its row `at`."""
    low, high = lacking.step[at], lacking.step[at + 1]
    here = (series.step > low) & (series.step < high) & (series.source == lacking.source[at])
    return bool(np.count_nonzero(here) >= rows)


def _lost_tail(gap: StepJump, *, epochs: bool) -> Finding:
    """Rows that a killed process had not written; `epochs`: each leaves a row with its checkpoint, but for the last."""
    return Finding(
        severity="warning" if epochs and gap.rows > 1 else "note",
        message=f"{gap.rows} rows between step {gap.last_step} and the resume at step {gap.next_step} were never "
        f"written: {gap.because}",
        tag=gap.series.tag,
        first_step=gap.last_step + gap.cadence,
        last_step=gap.next_step - gap.cadence,
        numbers={"rows": gap.rows},
        evidence=gap.evidence,
        join=gap.join,
    )


def _only_in_the_other_account(timeline: Timeline) -> Iterator[Finding]:
    """Rows that one of two accounts of the run lacks and the other has."""
    damaged = {problem.source for problem in timeline.run.problems}
    for pair in comparisons(timeline.view, timeline.views):
        sides = (
            (pair.one, pair.only_in_one, pair.other, pair.other_view),
            (pair.other, pair.only_in_other, pair.one, pair.one_view),
        )
        for full, steps, lacking, name in sides:
            if len(steps) < 2 or damaged & {timeline.run.sources[int(n)].path for n in distinct(lacking.source)}:
                continue
            if any(join.last_step_before < steps[-1] and steps[0] < join.first_step_after + join.cadence
                   for join in timeline.joins):
                continue  # a killed process had written one account and not yet the other
            first, last = int(steps[0]), int(steps[-1])
            at = [int(np.argmax(full.step == step)) for step in (first, last)]
            yield Finding(
                severity="warning",
                message=f"{name} lacks {len(steps)} rows of {lacking.tag} between step {first} and step {last} that "
                f"the run's other log has",
                tag=lacking.tag, first_step=first, last_step=last, numbers={"rows": len(steps)},
                evidence=tuple(timeline.row(full, index, "only in this log") for index in at),
            )
            return


def _starts_late(timeline: Timeline) -> Iterator[Finding]:
    """The first row of every series lies far behind the beginning of the axis."""
    references = [series for series in timeline.training if series.step[0] != NO_STEP]
    if not references or timeline.session_map.concurrent or timeline.step_axis.unit == "place":
        return  # places are counted from label 0, whichever is the first
    main = references[0]
    found = regular_cadence(main.step, timeline.session_map.of(main))
    first = min(int(series.step.min()) for view in timeline.views for series in view.series.values()
                if len(series) and series.step[0] != NO_STEP)
    if found is None or first <= (LATE_ROWS + 1) * found[0] or first != int(main.step[0]):
        return
    rows = first // found[0] - 1
    epoch = timeline.roles.first("epoch")
    later_epoch = epoch is not None and len(epoch) > 0 and float(epoch.value[0]) >= LATE_EPOCH
    written_over = timeline.run.sources[int(main.source[0])].framework in OPENED_ANEW
    evidence = [timeline.row(main, 0, "first row of the log")]
    in_epoch = ""
    if epoch is not None and later_epoch:
        in_epoch = f" in epoch {epoch.value[0]:g}"
        evidence.append(timeline.row(epoch, 0, "epoch of the first row"))
    yield Finding(
        severity="warning" if later_epoch and written_over else "note",
        message=f"the log starts at step {first}{in_epoch} though it is written every {found[0]} steps: "
        f"about {rows} rows before it are missing",
        tag=main.tag, first_step=first % found[0], last_step=first - found[0],
        numbers={"rows": rows, "cadence": found[0]}, evidence=tuple(evidence),
    )


def _rows(lost: range) -> list[tuple[object, ...]]:
    return [(step, (step - 1) // 40, falling_loss(step)) for step in range(1, 201) if step not in lost]


def _without_loss(lost: range) -> list[tuple[object, ...]]:
    return [(step, None if step in lost else falling_loss(step), 1e-3 / step) for step in range(1, 201)]


def _epochs(without: int = -1, no_loss: int = -1) -> list[tuple[object, ...]]:
    return [(epoch, None if epoch == no_loss else falling_loss(20 * epoch), falling_loss(20 * epoch + 9))
            for epoch in range(30) if epoch != without]


def _cadence_changes() -> list[tuple[object, ...]]:
    return [(step, falling_loss(step)) for step in [*range(1, 51), *range(60, 601, 10)]]


def _restarts_each_epoch() -> list[tuple[object, ...]]:
    steps = [313 * epoch + batch for epoch in range(8) for batch in range(50, 313, 50)]
    return [(step, falling_loss(step)) for step in steps]


RULE = Rule(
    code="LOG004",
    name="missing-rows",
    severity="warning",
    check=check,
    help="look for the rows in another file, and at log calls that are skipped under a condition",
    sources=(
        "https://github.com/roboflow/rf-detr/issues/1321",
        "https://github.com/tensorflow/tensorboard/issues/4975",
    ),
    bad=(
        Example(title="fourteen rows lost, the epochs go on",
                files=csv_log(EPOCHS, lambda: _rows(range(90, 104)))),
        Example(title="the loss of twenty rows is not there, the learning rate is",
                files=csv_log(("step", "loss", "lr"), lambda: _without_loss(range(90, 110)))),
        Example(title="one row per epoch, and none of epoch 12",
                files=csv_log(("epoch", "loss", "val_loss"), lambda: _epochs(without=12))),
        Example(title="every epoch is validated but the fifth", files=csv_log(("step", "loss", "val_loss"), lambda: [
            (step, falling_loss(step), falling_loss(step + 5) if step % 40 == 0 and step != 200 else None)
            for step in range(1, 401)])),
        Example(title="the logger of a resumed run deleted what was there",
                files=csv_log(EPOCHS, lambda: _rows(range(1, 130)))),
    ),
    good=(
        Example(title="all rows", files=csv_log(EPOCHS, lambda: _rows(range(0))),
                why="the cadence has no hole"),
        Example(title="validated more seldom from the fifth epoch on", why="another interval from there on",
                files=csv_log(("step", "loss", "val_loss"), lambda: [
                    (step, falling_loss(step), None if step % (40 if step <= 200 else 80) else falling_loss(step + 5))
                    for step in range(1, 561)])),
        Example(title="one loss that was not written", why="a value that is not finite may be left out",
                files=csv_log(("step", "loss", "lr"), lambda: _without_loss(range(90, 91)))),
        Example(title="one row per epoch, the loss of one is not finite",
                files=csv_log(("epoch", "loss", "val_loss"), lambda: _epochs(no_loss=12)),
                why="the row is there, and the validation of the epoch in it"),
        Example(title="dense at first, then every ten steps", files=csv_log(("step", "loss"), _cadence_changes),
                why="the cadence changes for good"),
        Example(title="every fifty batches of each epoch of 313", files=csv_log(("step", "loss"), _restarts_each_epoch),
                why="the long step comes back at every epoch: the loop counts batches anew"),
    ),
)
