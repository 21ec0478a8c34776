"""An epoch label is skipped, or stays for two epochs.

What it checks
    Inside a session, the labels are laid over the epoch clock; where they move by whole epochs against the steps, the
    place and the number of epochs are reported. A label that is missing although its steps are there was skipped; one
    that lasts for two laps was given twice. In a log of a row for each epoch a rate that moves on from one row of a
    label to the other tells the same.

Why it matters
    The label is what checkpoints, schedules in epochs and early stopping go by. A loop that counts twice decays the
    learning rate early and ends before its last epoch; one that forgets to count trains on.

When it is silent
    When rows are missing but the labels and the steps agree (LOG004), at a resume (RES005), and where a label lasts a
    few steps too long at the very end, which is a matter of the run's length (EPO004).

What to do
    Count epochs in one place, once per pass over the data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from analyzer.clocks.epoch_rows import relabelled_epochs
from analyzer.model import Finding
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.epoch.wording import interval, uncounted, unresolved
from analyzer.rules.examples import EPOCHS, csv_log, falling_loss
from analyzer.timeline import Timeline

BY_WHOLE_LAPS = ("sample", "token", "place")  # whole epochs are whole, whatever the size of the unit in updates


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    """Yield one finding for each account of epochs whose labels move by whole laps inside a session."""
    if timeline.step_axis.unit == "epoch":
        yield from _in_rows_of_epochs(timeline)
        return
    clock = timeline.epoch
    counted = timeline.step_axis.unit in BY_WHOLE_LAPS or not uncounted(timeline.step_axis)
    reason = "" if counted else uncounted(timeline.step_axis)
    reason = reason or unresolved(clock, bool(timeline.roles.all("epoch")))
    if reason or clock is None:
        yield Unchecked(reason=reason)
        return
    for account in clock.accounts:
        labels = account.labels
        moved = [one for one in account.breaks if one.kind in ("skip", "repeat") and one.join is None]
        if not moved or labels is None or account.too_sparse:
            continue
        first = moved[0]
        laps = abs(first.laps)
        what = "skip" if first.kind == "skip" else "repeat"
        value = labels.value[first.position]
        times = (
            ""
            if len(moved) == 1
            else f"; {len(moved) - 1} more such place{'s' if len(moved) > 2 else ''}, next at step {moved[1].step}"
        )
        yield Finding(
            severity="error",
            message=f"epoch labels {what} {laps} epoch{'s' if laps > 1 else ''} at step {first.step}, labelled "
            f"{value:g}: "
            f"the steps go on at {interval(account.low, account.high)} per epoch{times}",
            tag=account.tag,
            first_step=first.step,
            last_step=moved[-1].until or moved[-1].step,
            numbers={"epochs": first.laps, "places": len(moved)},
            evidence=tuple(row for one in moved[:3] for row in one.evidence),
        )


def _in_rows_of_epochs(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    """A log with one row per epoch: as many rows as declared epochs, but labels that miss one or have one twice; or
    a label that another clock does not move on with."""
    moved = relabelled_epochs(timeline)
    if moved is None:
        proved = [jump for jump in timeline.step_jumps if jump.verdict == "counter jumped"]
        open_ones = [jump for jump in timeline.step_jumps if jump.verdict == "unknown" and jump.join is not None]
        jumps = proved or open_ones
        for jump in jumps[:1]:
            told = jump.because if proved else "or their rows are missing: nothing else in the log tells which"
            yield Finding(
                severity="error" if proved else "note",
                message=f"epoch labels skip {jump.size} epoch{'s' if jump.size > 1 else ''} between {jump.last_step} "
                f"and {jump.next_step}{'' if proved else ' at the resume'}{': ' if proved else ', '}{told}",
                tag=jump.series.tag,
                first_step=jump.next_step,
                numbers={"epochs": jump.size, "places": len(jumps)},
                evidence=jump.evidence,
                join=jump.join,
            )
        if not jumps and timeline.plan.epochs is None:
            yield Unchecked(reason="one row per epoch: declare epochs to tell a missing row from a skipped label")
        return
    if moved.join is None:
        yield moved.finding


def _labelled(renamed: dict[int, int]) -> list[tuple[int, int, float]]:
    true = [(step, (step - 1) // 20) for step in range(1, 161)]
    return [(step, renamed.get(epoch, epoch), falling_loss(step)) for step, epoch in true]


def _rows_of_epochs(labels: Iterable[int], made: Iterable[int]) -> list[tuple[object, ...]]:
    """A row an epoch; the schedule goes by the epochs that were made."""
    return [
        (label, falling_loss(epoch + 1), round(1e-3 * (1 - epoch / 100), 9))
        for label, epoch in zip(labels, made, strict=True)
    ]


RULE = Rule(
    code="EPO005",
    name="epoch-skipped-or-repeated",
    severity="error",
    check=check,
    help="count epochs in one place, once per pass over the data",
    sources=("https://github.com/facebookresearch/fairseq/issues/32",),
    bad=(
        Example(title="the counter skips epoch 4", files=csv_log(EPOCHS, lambda: _labelled({4: 5, 5: 6, 6: 7, 7: 8}))),
        Example(
            title="a row for each epoch, counted up twice at a resume",
            files=csv_log(("epoch", "loss", "lr"), lambda: _rows_of_epochs([*range(40), *range(41, 60)], range(59))),
        ),
        Example(title="epoch 5 is called 4 again", files=csv_log(EPOCHS, lambda: _labelled({5: 4}))),
    ),
    good=(
        Example(
            title="a row for each epoch",
            files=csv_log(("epoch", "loss", "lr"), lambda: _rows_of_epochs(range(60), range(60))),
            why="the learning rate moves on with the label",
        ),
        Example(title="every epoch once", files=csv_log(EPOCHS, lambda: _labelled({})), why="labels and steps agree"),
        Example(
            title="counted from 1",
            files=csv_log(EPOCHS, lambda: _labelled({epoch: epoch + 1 for epoch in range(8)})),
            why="the base of the labels is a convention",
        ),
    ),
)
