"""After a resume the steps go on and the data do not.

What it checks
    The labels of the session after a join are laid over the epoch clock of the one before it. A shift that is no whole
    number of epochs means that the epoch was started over (boundaries late by what had been done) or cut short (early).
    A fractional label that falls while the step goes on says the same without a join, and so does a count of samples
    that begins again.
    Without labels, the batch-to-batch pattern of the loss is compared: data that start again repeat it from the start.

Why it matters
    Some examples are trained twice and others never; the step no longer tells how much of the data has been seen, and
    every later epoch end, validation and schedule in epochs is off by the same amount.

When it is silent
    When data and steps are replayed together (RES002), when the labels move by whole epochs (RES005), when the counter
    jumps and the data go on (RES003), when the batch changed (RES009), and when a fixed data order explains a repeat.

What to do
    Save and restore the position of the data loader (or its sampler's seed and offset) with the step.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from analyzer.clocks.data_order import repeated_patterns
from analyzer.clocks.epoch_clock import Break, EpochClock
from analyzer.clocks.label_in_force import label_in_force
from analyzer.clocks.labels import relabelled_steps
from analyzer.clocks.laps import divisor_is_wrong
from analyzer.model import NO_STEP, Finding, Series
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.epoch.wording import interval
from analyzer.rules.examples import EPOCHS, epochs, falling_loss, lives, table
from analyzer.timeline import Timeline

MOST_FALLS = 3  # of a count of samples; more often it counts within the epoch
FEWEST_ROWS = 3  # before the fall: fewer do not show that the count is one from the start of the run
OF_THE_RUN = re.compile(r"total|consumed|cumulative|global|seen", re.I)  # begin again with no epoch, by name
COUNTS_UPDATES = ("update", "micro-batch", "sample", "token")  # axes on which data and steps can disagree


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    """Yield a finding for each place where the data position leaves the steps."""
    clock = timeline.epoch
    found = 0
    for account in clock.accounts if clock is not None and clock.labels is not None else ():
        for lost in account.breaks:
            if not _is_data(timeline, account, lost):
                continue
            found += 1
            yield _finding(timeline, account, lost)
        if found:
            return
    told = list(_samples_start_over(timeline))
    if told:
        yield from told
        return
    for repeat in repeated_patterns(timeline.roles, timeline.session_map):
        yield Finding(
            severity="warning",
            message=f"the loss of steps {repeat.first_step} to {repeat.last_step} repeats the batch-to-batch "
            "pattern of steps "
            f"{repeat.like_first} to {repeat.like_last} (correlation {repeat.correlation:.2f}): the data "
            "started again at the resume",
            tag=repeat.series.tag,
            first_step=repeat.first_step,
            last_step=repeat.last_step,
            numbers={"correlation": repeat.correlation, "rows": repeat.rows},
            evidence=(
                timeline.row(repeat.series, repeat.index_before, "first row of the pattern"),
                timeline.row(repeat.series, repeat.index_after, "the same batch again"),
            ),
            join=repeat.join,
        )
        found += 1
    if found or (clock is not None and clock.labels is not None):
        return
    if not timeline.joins:
        yield Unchecked(reason="one session, and no epoch labels in the log")
    elif not timeline.roles.all("samples") and not timeline.roles.all("tokens"):
        yield Unchecked(
            reason="no epoch labels and no count of samples or tokens in the log: batches that come again in the same "
            "order are all that could have been seen"
        )


def _samples_start_over(timeline: Timeline) -> Iterator[Finding]:
    """A total of samples or tokens that begins again while the step goes on."""
    if timeline.step_axis.unit not in COUNTS_UPDATES:
        return
    for series in (*timeline.roles.all("samples"), *timeline.roles.all("tokens")):
        usable = np.flatnonzero((series.step != NO_STEP) & np.isfinite(series.value))
        step, value = series.step[usable], series.value[usable]
        rises = np.diff(step)
        falls = np.flatnonzero((np.diff(value) < 0) & (rises > 0)) + 1
        if not 1 <= len(falls) <= MOST_FALLS or falls[0] < FEWEST_ROWS or np.any(value < 0):
            continue
        at = int(falls[0])
        session = timeline.session_map.of(series)[usable]
        join = next((j for j in timeline.joins if session[at] != session[at - 1] and j.after == session[at]), None)
        per_step = float(np.median(np.diff(value[:at]) / np.maximum(rises[: at - 1], 1)))
        begins_again = value[at] <= 2 * per_step * max(int(rises[at - 1]), 1)
        further = value[at:].max() > value[at - 1]  # a count within the epoch never gets beyond its first end
        by_epoch = _by_epoch(timeline, series)
        if per_step <= 0 or not begins_again or by_epoch:
            continue
        if join is None and not further and by_epoch is None and not OF_THE_RUN.search(series.tag):
            continue  # the last part is no longer than the first: two epochs would look the same
        yield Finding(
            severity="error",
            message=f"{series.tag} begins again at {value[at]:.0f} at step {step[at]} behind {value[at - 1]:.0f}, "
            "and the steps go on: the data are read from their beginning again",
            tag=series.tag,
            first_step=int(step[at]),
            numbers={"before": float(value[at - 1]), "after": float(value[at])},
            evidence=(
                timeline.row(series, int(usable[at - 1]), "last of the count"),
                timeline.row(series, int(usable[at]), "begins again"),
            ),
            join=None if join is None else join.index,
        )
        return


def _by_epoch(timeline: Timeline, series: Series) -> bool | None:
    """Whether a count falls wherever the epoch label goes up: it counts within the epoch; None without labels."""
    label = label_in_force(timeline, series)
    if label is None or not np.isfinite(label).all():
        return None
    falls = np.diff(series.value) < 0
    ends = (np.diff(np.floor(label)) > 0) | (np.diff(np.ceil(label)) > 0)  # a label may be that of the epoch's end
    laps = int(np.floor(label[-1]) - np.floor(label[0]))
    return bool(np.all(ends[falls]) and abs(int(np.count_nonzero(falls)) - laps) <= 1)


def _is_data(timeline: Timeline, account: EpochClock, lost: Break) -> bool:
    labels = account.labels
    if labels is None or account.rows_apart or _counter_alone(timeline, lost) or _back_in_line(account, lost):
        return False
    if timeline.step_axis.unit not in COUNTS_UPDATES or lost.until is not None:
        return False  # labels that come back in line were wrong, the data were not
    if lost.kind == "data":
        small = abs(lost.high) <= timeline.step_axis.cadence and lost.join is not None
        join = timeline.joins[lost.join] if small and lost.join is not None else None
        return join is None or not len(relabelled_steps(labels, join.before, join.after)[0])  # else RES005
    if lost.kind == "counter":  # set back into the run; to its beginning is RES001, forward RES003
        axis = timeline.step_axis
        return lost.high < 0 and lost.step > (axis.base or 0) + axis.cadence
    falls = lost.position > 0 and labels.value[lost.position] < labels.value[lost.position - 1]
    same_session = lost.position > 0 and labels.session[lost.position] == labels.session[lost.position - 1]
    forward = lost.position > 0 and labels.step[lost.position] > labels.step[lost.position - 1]
    return bool(
        labels.kind == "fraction"
        and lost.kind == "shift"
        and falls
        and same_session
        and forward
        and not divisor_is_wrong(timeline, account)
    )


def _back_in_line(account: EpochClock, lost: Break) -> bool:
    """Whether a break undoes those before it: labels were wrong up to it, and no data moved."""
    before = [one for one in account.breaks if one.position < lost.position and one.kind in ("shift", "data", "origin")]
    low, high = sum(one.low for one in before), sum(one.high for one in before)
    return bool(before) and low + lost.low <= 0 <= high + lost.high


def _counter_alone(timeline: Timeline, lost: Break) -> bool:
    """Whether the join is one where the step counter jumped or began again: RES003 and RES001 say it."""
    if lost.join is None or lost.kind == "counter":
        return False
    join = timeline.joins[lost.join]
    at_the_beginning = join.first_step_after < timeline.sessions[0].first_step + join.cadence
    return join.step == "skipped" or (join.step == "reset" and at_the_beginning)


def _finding(timeline: Timeline, account: EpochClock, lost: Break) -> Finding:
    labels = account.labels
    assert labels is not None
    size = interval(*sorted((round(abs(lost.low)), round(abs(lost.high)))))
    where = "at the resume" if lost.join is not None else f"at step {lost.step}"
    if lost.kind == "counter":
        what = (
            f"the step counter is set back {size} steps {where} and the data go on: later boundaries come "
            "that much early"
        )
    elif lost.high > 0:
        what = (
            f"the data fall behind the steps by {size} {where}: part of the epoch is done twice, later "
            "boundaries come late"
        )
    else:
        what = (
            f"the data run ahead of the steps by {size} {where}: the rest of the epoch is lost, later "
            "boundaries come early"
        )
    after = labels.value[lost.position :]
    boundary = (
        np.nonzero((np.diff(np.floor(after)) != 0) & (np.diff(labels.session[lost.position :]) == 0))[0][:1]
        + lost.position
        + 1
    )
    rows = [timeline.row(labels.series, int(labels.index[at]), "next boundary") for at in boundary.tolist()]
    return Finding(
        severity="error",
        message=f"{what}; step {lost.step} is labelled {labels.value[lost.position]:g}",
        tag=account.tag,
        first_step=lost.step,
        numbers={"steps_low": lost.low, "steps_high": lost.high},
        evidence=(*lost.evidence, *rows),
        join=lost.join,
    )


def _samples(restart: bool, per_epoch: bool = False) -> dict[str, str]:
    rows = []
    for step in range(10, 501, 10):
        seen = (step - 1) % 80 + 1 if per_epoch else step - (200 if restart and step > 200 else 0)
        rows.append((step, falling_loss(step), 64 * seen))
    return {"log.csv": table(("step", "loss", "consumed_samples"), rows)}


LIFE, GOES_ON = epochs(range(1, 101)), range(101, 241)

RULE = Rule(
    code="RES004",
    name="data-position-lost",
    severity="error",
    check=check,
    help="save and restore the position of the data loader with the step",
    sources=(
        "https://github.com/huggingface/transformers/issues/5605",
        "https://github.com/PrimeIntellect-ai/prime-diloco/issues/97",
        "https://github.com/ByteDance-Seed/VeOmni/pull/798",
    ),
    bad=(
        Example(title="the epoch starts over", files=lambda: lives(EPOCHS, LIFE, epochs(GOES_ON, late=20))),
        Example(title="the rest of the epoch is lost", files=lambda: lives(EPOCHS, LIFE, epochs(GOES_ON, late=-15))),
        Example(title="the count of samples begins again", files=lambda: _samples(restart=True)),
    ),
    good=(
        Example(
            title="the epoch goes on",
            files=lambda: lives(EPOCHS, LIFE, epochs(GOES_ON)),
            why="boundaries stay where the first session had them",
        ),
        Example(
            title="samples of the whole run",
            files=lambda: _samples(restart=False),
            why="a multiple of the step in every row",
        ),
        Example(
            title="samples of the epoch",
            files=lambda: _samples(restart=False, per_epoch=True),
            why="a count that begins again in every epoch is meant so",
        ),
        Example(
            title="resumed at an epoch's end",
            files=lambda: lives(EPOCHS, epochs(range(1, 81)), epochs(range(81, 241))),
            why="no position inside an epoch to lose",
        ),
    ),
)
