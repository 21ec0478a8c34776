"""Epoch labels move by whole epochs at a resume.

What it checks
    The labels of the session after a join are laid over the epoch clock of the session before it. A shift that is a
    whole number of epochs, while the steps go on, means that the counter of epochs was restored wrongly. Steps that
    both sessions logged under different labels are reported too, and so are labels that begin again in a log whose
    steps are made of them. In a log of one row for each epoch the number of rows tells it, or a declared schedule in
    epochs that goes on where labels come again (a warning).

Why it matters
    Loading `epoch + 1` from a checkpoint inside an epoch skips the rest of it, or renames it; loading `epoch` from a
    checkpoint at its end trains it twice. Schedules in epochs move with the label.

When it is silent
    When labels and steps go on together, when the steps are replayed under the same labels (RES002), when the shift is
    no whole number of epochs (RES004), and when the batch changed (RES009).

What to do
    Save the epoch together with the position inside it, and restore both.
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.clocks.epoch_clock import EpochClock
from analyzer.clocks.epoch_rows import relabelled_epochs
from analyzer.clocks.labels import made_of_labels, relabelled_steps
from analyzer.clocks.session_map import Join
from analyzer.model import Finding
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.epoch.wording import interval
from analyzer.rules.examples import EPOCHS, epochs, falling_loss, lives
from analyzer.timeline import Timeline


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    """Yield a finding for each join at which the labels move by whole epochs."""
    clock = timeline.epoch
    if timeline.step_axis.unit == "epoch":
        moved_rows = relabelled_epochs(timeline)
        if moved_rows is not None and moved_rows.join is not None:
            yield moved_rows.finding
        return
    if not timeline.joins:
        yield Unchecked(reason="the log shows one session")
        return
    fell = [join for join in timeline.joins if join.step == "reset" and made_of_labels(timeline)]
    yield from (_began_again(join) for join in fell)
    if clock is None or clock.labels is None:
        yield Unchecked(reason="no epoch labels with steps in the log")
        return
    told = {join.index for join in fell}
    for account in clock.accounts:
        labels = account.labels
        if account.rows_apart:
            continue
        for moved in account.breaks:
            if moved.kind not in ("skip", "repeat") or moved.join is None or labels is None or moved.join in told:
                continue
            told.add(moved.join)
            laps = abs(moved.laps)
            yield Finding(
                severity="error",
                message=f"epoch labels move {laps} epoch{'s' if laps > 1 else ''} "
                f"{'back' if moved.laps > 0 else 'ahead'} at the resume: "
                f"step {moved.step} is labelled {labels.value[moved.position]:g}, the steps before it put it in "
                f"{labels.value[moved.position] + moved.laps:g} at {interval(account.low, account.high)} steps "
                "per epoch",
                tag=account.tag,
                first_step=moved.step,
                numbers={"epochs": -moved.laps},
                evidence=moved.evidence,
                join=moved.join,
            )
        for join in timeline.joins:
            if join.index not in told and not any(
                one.kind == "geometry" or (one.join == join.index and abs(one.high) > timeline.step_axis.cadence)
                for one in account.breaks
            ):
                found = _two_labels(timeline, account, join)
                if found is not None:
                    told.add(join.index)
                    yield found


def _began_again(join: Join) -> Finding:
    """Labels that begin again while the loss goes on, in a log whose steps are made of them."""
    return Finding(
        severity="warning",
        message=f"the epochs begin again ({join.how_known}) while the training goes on from where it was: place "
        f"{join.last_step_before} of the run is followed by {join.first_step_after}, counted by epoch and batch",
        tag=join.tag,
        first_step=join.first_step_after,
        numbers={"last_step_before": join.last_step_before, "rows": join.overlap},
        evidence=join.evidence,
        join=join.index,
    )


def _two_labels(timeline: Timeline, account: EpochClock, join: Join) -> Finding | None:
    """Steps that both sessions logged, under different labels: the log contradicts itself there."""
    labels = account.labels
    if labels is None or labels.kind != "integer":
        return None
    first, second, twice = relabelled_steps(labels, join.before, join.after)
    if not len(first):
        return None
    one, two = int(first[0]), int(second[0])
    return Finding(
        severity="error",
        message=f"step {int(labels.step[one])} is labelled {labels.value[one]:g} before the resume and "
        f"{labels.value[two]:g} after it, "
        f"as {'is' if len(first) == 1 else 'are'} {len(first)} of {twice} step{'s' if twice > 1 else ''} logged twice",
        tag=account.tag,
        first_step=int(labels.step[one]),
        numbers={"steps": len(first)},
        evidence=(
            timeline.row(labels.series, int(labels.index[one]), "before the resume"),
            timeline.row(labels.series, int(labels.index[two]), "after it"),
        ),
        join=join.index,
    )


def _printed(done: int) -> str:
    return "".join(
        f"epoch {epoch} batch {batch}/40 loss {falling_loss(done + 40 * epoch + batch):.5f}\n"
        for epoch in range(5)
        for batch in range(10, 41, 10)
    )


LIFE = epochs(range(1, 101))

RULE = Rule(
    code="RES005",
    name="epoch-shifted-at-resume",
    severity="error",
    check=check,
    help="save the epoch together with the position inside it, and restore both",
    sources=(
        "https://github.com/Lightning-AI/pytorch-lightning/issues/850",
        "https://github.com/facebookresearch/fairseq/issues/32",
        "https://github.com/intel/ipex-llm/issues/271",
    ),
    bad=(
        Example(
            title="printed epochs that begin again with the weights of the last",
            files=lambda: {"train.log": _printed(0) + _printed(200)},
        ),
        Example(
            title="epoch + 1 is loaded inside an epoch",
            files=lambda: lives(EPOCHS, LIFE, epochs(range(101, 241), first=1)),
        ),
    ),
    good=(
        Example(
            title="printed epochs of another run",
            files=lambda: {"train.log": _printed(0) + _printed(0)},
            why="the loss starts over as well",
        ),
        Example(
            title="labels go on", files=lambda: lives(EPOCHS, LIFE, epochs(range(101, 241))), why="step and label agree"
        ),
        Example(
            title="steps replayed under their own labels",
            files=lambda: lives(EPOCHS, LIFE, epochs(range(81, 241))),
            why="the labels of the replayed steps are those of the first time",
        ),
    ),
)
