"""The epoch label changes a few steps before or after the epoch does.

What it checks
    The labels of all rows are laid over the epoch clock, label = base + floor((step - origin) / steps per epoch). A
    boundary that lies some steps early or late, at one place or at every epoch, and is no whole number of epochs away,
    is reported with the interval in which the shift lies. So is a counter that begins with the second epoch though the
    labels run from 1 to the last declared epoch (`epoch * len(loader) + i` with epochs from 1). The origin is the
    first update of the run, where the log shows its beginning.

Why it matters
    A label that is one step off comes from `step // steps_per_epoch` on a counter that starts at 1, from a loader that
    notices its end only after the first batch of the next epoch, or from prefetching. Everything that is keyed by the
    label (checkpoints, validation, a schedule in epochs, per-epoch means) is then one batch off as well.

When it is silent
    When the first step could be 0 or 1 and both fit, when rows are too far apart to show the boundary, when laps
    alternate in length because accumulation carries over an epoch's end, and at a resume (RES004, RES005).

What to do
    Derive the label from the loop that iterates over the data, not from the step; or subtract the first step before
    dividing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzer.clocks.closing_rows import epoch_means
from analyzer.clocks.epoch_clock import EpochClock
from analyzer.clocks.run_end import steps_ahead
from analyzer.model import Finding
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.epoch.wording import interval, shift, uncounted, unresolved
from analyzer.rules.examples import epochs_log
from analyzer.timeline import Timeline

CLOSING_ROWS = 4  # epoch means that show where epochs are closed; a quarter of them at most may be off
STEPS_PER_EPOCH = 32


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    """Yield one finding for each account of epochs whose boundaries lie off the clock."""
    clock = timeline.epoch
    reason = uncounted(timeline.step_axis) or unresolved(clock, bool(timeline.roles.all("epoch")))
    if reason or clock is None:
        yield Unchecked(reason=reason)
        return
    told = False
    for account in clock.accounts:
        labels = account.labels
        off = [one for one in account.breaks if one.kind in ("origin", "shift") and one.join is None]
        if not off or labels is None or labels.kind != "integer" or account.too_sparse:
            continue
        first = off[0]
        lap = interval(account.low, account.high)
        where = "at every epoch" if first.kind == "origin" else f"at step {first.step}"
        times = (
            ""
            if len(off) == 1
            else f", and at {len(off) - 1} more place{'s' if len(off) > 2 else ''} (next: step {off[1].step})"
        )
        told = True
        yield Finding(
            severity="error",
            message=f"epoch labels change {shift(first)} {where}{times}: step {first.step} is labelled "
            f"{int(labels.value[first.position])} under {lap} steps per epoch",
            tag=account.tag,
            first_step=first.step,
            last_step=int(labels.step.max()) if first.kind == "origin" else off[-1].step,
            numbers={"shift_low": first.low, "shift_high": first.high, "places": len(off)},
            evidence=tuple(row for one in off[:3] for row in one.evidence),
        )
    ahead = steps_ahead(timeline)
    if ahead and not told and clock.labels is not None:
        told = True
        labels, epochs = clock.labels, int(clock.labels.value.max())
        yield Finding(
            severity="warning",
            message=f"the step is a whole epoch ahead: epoch 1 of {epochs} begins at step {int(labels.step[0])}, under "
            f"{ahead} steps per epoch: a count of epoch * {ahead} + i with epochs from 1",
            tag=clock.tag,
            first_step=int(labels.step[0]),
            last_step=int(labels.step.max()),
            numbers={"shift_low": -ahead, "shift_high": -ahead, "places": 1},
            evidence=(
                timeline.row(labels.series, int(labels.index[0]), "first row of the first epoch"),
                timeline.row(labels.series, int(labels.index[-1]), "the last planned epoch"),
            ),
        )
    if not told:
        yield from _closing_rows(timeline, clock)


def _closing_rows(timeline: Timeline, clock: EpochClock) -> Iterator[Finding]:
    """Rows of an epoch's end that stand inside the epoch, while those of most epochs stand at its last step."""
    if not clock.exact or clock.low.denominator != 1 or clock.labels is None or timeline.joins or clock.breaks:
        return
    S = int(clock.low)
    for series in epoch_means(timeline.roles):
        step = series.step
        if len(step) < CLOSING_ROWS or S < 2 or bool(np.any(np.diff(step) <= 0)):
            continue
        residue, count = np.unique(step % S, return_counts=True)
        usual = int(residue[np.argmax(count)])
        off = np.nonzero(step % S != usual)[0]
        if usual not in (0, S - 1) or not 0 < len(off) <= len(step) // 4 or len(off) + 1 > len(step):
            continue
        at = int(off[0])
        due = int(step[at]) + (usual - int(step[at]) % S) % S
        if bool(np.any(step == due)) or at == len(step) - 1:
            continue  # an extra row, or the end of the run
        yield Finding(
            severity="error",
            message=f"{series.tag} closes an epoch at step {int(step[at])}, {due - int(step[at])} early: the other "
            f"{len(step) - len(off)} close theirs at {int(step[at + 1])}, {int(step[at + 1]) + S}, .. ({S} "
            "steps per epoch)",
            tag=series.tag,
            first_step=int(step[at]),
            numbers={"shift": int(step[at]) - due},
            evidence=(timeline.row(series, at, f"should be step {due}"), timeline.row(series, at + 1, "next epoch's")),
        )


PLAN = {"steps_per_epoch": STEPS_PER_EPOCH, "epochs": 4}

RULE = Rule(
    code="EPO001",
    name="epoch-off-by-one",
    severity="error",
    check=check,
    help="derive the epoch label from the data loop, not from the step counter",
    sources=(
        "https://github.com/Lightning-AI/pytorch-lightning/issues/4398",
        "https://github.com/tdrussell/qlora-pipe/pull/42",
    ),
    bad=(
        Example(
            title="step // steps_per_epoch on a counter from 1",
            files=epochs_log(range(1, 129), STEPS_PER_EPOCH, late=-1),
            declared=PLAN,
        ),
        Example(
            title="the label changes after the first step of the epoch",
            files=epochs_log(range(1, 129), STEPS_PER_EPOCH, late=1),
            declared=PLAN,
        ),
        Example(
            title="epoch * len(loader) + i with epochs from 1",
            files=epochs_log(range(33, 161), STEPS_PER_EPOCH),
            declared=PLAN,
        ),
    ),
    good=(
        Example(
            title="a log that begins with its second epoch",
            files=epochs_log(range(33, 129), STEPS_PER_EPOCH),
            declared=PLAN,
            why="counted from 0, the labels end with the last declared epoch: the first one is in another log",
        ),
        Example(
            title="labels change with the epoch",
            files=epochs_log(range(1, 129), STEPS_PER_EPOCH),
            why="boundaries lie at steps 33, 65, 97: whole laps from the first step",
        ),
        Example(
            title="rows every ten steps",
            files=epochs_log(range(10, 129, 10), STEPS_PER_EPOCH, late=-1),
            why="a boundary between steps 30 and 40 does not tell whether it is at 32 or 33",
        ),
        Example(
            title="laps of 45 and 46 steps",
            files=epochs_log(range(1, 400), 45.5, late=-1),
            why="packed batches that carry over: 45.5 steps per epoch explain every label",
        ),
    ),
)
