"""A fractional epoch label is divided by the wrong number.

What it checks
    A fractional label says twice how long an epoch is: by its slope, and by the steps between two integers. Where the
    two disagree by an update or more, or where both agree on a number that no reading of the plan gives although the
    run's end or the validations stand where the plan has them, the divisor of the label is wrong, not the loop.

Why it matters
    Fractional epochs are the x axis of reports and the trigger of "every 0.1 epoch" actions. A label divided by
    len(loader) instead of the updates, or by an estimate made before packing, drifts away from the data.

When it is silent
    For the Trainer's labels, which count micro-batches: a slope of L / G with laps of ceil(L / G) updates; without
    plan, validations or two laps, when nothing contradicts the slope; and where the loop itself differs (EPO002).

What to do
    Divide by the number of updates that the loop really makes per epoch.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzer.clocks.epoch_clock import EpochClock
from analyzer.clocks.laps import divisor_is_wrong, slope_disagrees
from analyzer.clocks.planned_epochs import planned_steps_per_epoch
from analyzer.clocks.run_end import updates_done
from analyzer.model import Finding
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.epoch.wording import amount, either, interval, uncounted
from analyzer.rules.examples import EPOCHS, csv_log, falling_loss
from analyzer.timeline import Timeline


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    """Yield a finding for each fractional label whose divisor is not the loop's."""
    clock = timeline.epoch
    fractions = [] if clock is None else [one for one in clock.accounts if one.source == "fractions"]
    if not fractions:
        yield Unchecked(reason="no fractional epochs in the log")
        return
    if uncounted(timeline.step_axis):
        yield Unchecked(reason=uncounted(timeline.step_axis))
        return
    if clock is not None and (clock.source == "fractions" or not clock.breaks):  # else the whole labels tell it
        for account in fractions:
            yield from _fallen_behind(timeline, account)
    for account in fractions:
        why = divisor_is_wrong(timeline, account)
        labels, slope = account.labels, account.slope
        if not why or labels is None or slope is None or account.breaks:
            continue  # where the clock breaks, its laps and its slope are those of different stretches
        planned = planned_steps_per_epoch(timeline.plan, timeline.step_axis)
        says = f"{amount(slope.ratio)} steps per epoch"
        against = (
            f"its laps have {interval(account.low, account.high)}"
            if slope_disagrees(account)
            else f"the plan gives {either(planned)}"
        )
        at = _first_lap(labels.value)
        done = updates_done(timeline)
        rows = [timeline.row(labels.series, int(labels.index[i]), why_row) for i, why_row in at]
        yield Finding(
            severity="error",
            message=f"the fractional epoch rises by 1 in {says}, {against}: {why}; "
            f"it reads {labels.value[-1]:g} at step {int(labels.step[-1])}",
            tag=account.tag,
            first_step=int(labels.step[0]),
            last_step=int(labels.step[-1]),
            numbers={
                "slope_low": slope.low,
                "slope_high": slope.high,
                "laps_low": float(account.low),
                "laps_high": None if account.high is None else float(account.high),
            },
            evidence=(
                *rows,
                timeline.row(labels.series, int(labels.index[-1]), "last label"),
                *((done.evidence,) if done else ()),
            ),
        )


def _fallen_behind(timeline: Timeline, account: EpochClock) -> Iterator[Finding]:
    """A fraction that leaves its line and is back in line some rows later: the label, not the data."""
    labels = account.labels
    for one in account.breaks:
        if one.kind != "label" or labels is None or one.join is not None or account.too_sparse:
            continue
        due = labels.value[one.position] + (one.low + one.high) / 2 / account.middle
        yield Finding(
            severity="error",
            message=f"the fractional epoch reads {labels.value[one.position]:g} at step {one.step} where {due:.4g} is "
            f"due, and is back in line at step {one.until}: between them it counts from another place",
            tag=account.tag,
            first_step=one.step,
            last_step=one.until,
            numbers={"steps_low": one.low, "steps_high": one.high},
            evidence=one.evidence,
        )


def _first_lap(value: np.ndarray) -> list[tuple[int, str]]:
    """The first row, and the two around the first integer."""
    crossed = np.nonzero(np.diff(np.floor(value)) > 0)[0]
    rows = [(0, "first label")]
    if len(crossed):
        rows += [(int(crossed[0]), "last before the integer"), (int(crossed[0]) + 1, "first behind it")]
    return rows


def _fractions(divisor: float, last: int = 200) -> list[tuple[int, float, float]]:
    return [(step, round(step / divisor, 4), falling_loss(step)) for step in range(1, last + 1)]


def _reset(divisor: float, lap: int) -> list[tuple[int, float, float]]:
    return [
        (step, round((step - 1) // lap + ((step - 1) % lap + 1) / divisor, 4), falling_loss(step))
        for step in range(1, 201)
    ]


DECLARED = {"dataset_size": 800, "batch_size": 16, "epochs": 4, "drop_last": False}

RULE = Rule(
    code="EPO006",
    name="epoch-fraction-drift",
    severity="error",
    check=check,
    help="divide by the updates that the loop really makes per epoch",
    sources=("https://github.com/huggingface/trl/issues/761", "https://github.com/huggingface/trl/issues/450"),
    bad=(
        Example(
            title="divided by one batch too many", files=csv_log(EPOCHS, lambda: _fractions(51)), declared=DECLARED
        ),
        Example(title="packing ends the epoch at a quarter", files=csv_log(EPOCHS, lambda: _reset(200, 50))),
    ),
    good=(
        Example(
            title="one per 50 steps",
            files=csv_log(EPOCHS, lambda: _fractions(50)),
            declared=DECLARED,
            why="the plan's number",
        ),
        Example(
            title="the Trainer counts micro-batches",
            files=csv_log(
                EPOCHS,
                lambda: [
                    (6 * k + j, round(k + min(j * 4, 23) / 23, 4), falling_loss(6 * k + j))
                    for k in range(5)
                    for j in range(1, 7)
                ],
            ),
            why="a slope of 23 / 4 with six updates per epoch: the last window holds three batches",
        ),
    ),
)
