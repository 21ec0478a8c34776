"""The run ended before or after what its epochs or max_steps declare.

What it checks
    The number of updates in the log is compared with what the plan gives: steps per epoch times epochs, or max_steps.
    The reading that is compared is the one that the epoch labels have already confirmed: a run of six updates at 2.5
    per epoch and three epochs is wrong, though six is three times a rounded 2. For logs with one row per epoch, the
    epochs are counted.

Why it matters
    A run that is longer trained beyond the end of its schedule; one that is shorter never reached the learning rates
    it was planned for, and is compared with others as if it had.

When it is silent
    When early_stopping is declared, when the file is cut or corrupt (LOG001, LOG002), when all that is known is a
    checkpoint's state and the run may have gone on behind it, when the steps per epoch already differ (EPO002), when
    one row more may be from before training or tells no loss of training (a last evaluation), and when the last rows
    may be missing because the log is written every c steps.

What to do
    Short: look for a crash, a time limit, or max_steps left in the configuration. Long: look for a loop that counts
    epochs from a checkpoint, or adds the epochs of a resume to those done.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from analyzer.clocks.epoch_rows import relabelled_epochs
from analyzer.clocks.global_step import main_series
from analyzer.clocks.planned_end import admitted_totals, rows_past_the_end
from analyzer.clocks.planned_epochs import measured_totals, planned_steps_per_epoch
from analyzer.clocks.run_end import RunEnd, ends_by_another_counter, steps_ahead, updates_done
from analyzer.distinct import distinct
from analyzer.model import Finding, Row, Severity
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.epoch.wording import amount, either, uncounted
from analyzer.rules.examples import EPOCHS, csv_log, epochs_log, falling_loss
from analyzer.timeline import Timeline


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    """Yield a finding when the run's end fits no reading of the plan."""
    if timeline.step_axis.unit == "epoch":
        yield from _by_epochs(timeline)
        return
    totals = admitted_totals(timeline)
    if not totals:
        yield Unchecked(
            reason=uncounted(timeline.step_axis)
            or "declare epochs with dataset_size and batch_size (or steps_per_epoch), or max_steps"
        )
        return
    done = updates_done(timeline, ahead=steps_ahead(timeline))
    if done is None:
        yield Unchecked(reason=uncounted(timeline.step_axis))
        return
    held = any(done.holds(total) for total in totals)
    if not held and ends_by_another_counter(timeline, totals):
        return
    longest = max(totals) + rows_past_the_end(timeline)
    if held or max(totals) < done.low <= longest:
        yield from _sized_by_whole_updates(timeline, done)
        return
    if done.low > longest:
        yield _too_long(timeline, done, totals)
    elif done.high is None or timeline.step_axis.unit == "row":
        yield Unchecked(
            reason=uncounted(timeline.step_axis) or "rows without steps may be a part of the run; log the step"
        )
    elif not _may_be_short(timeline) and not _shows_every_epoch(timeline):
        yield _too_short(done, done.high, totals, timeline)


def _shows_every_epoch(timeline: Timeline) -> bool:
    """Whether only the labels measure the length, and the last declared epoch has begun: it may be a shorter one."""
    clock, plan = timeline.epoch, timeline.plan
    if clock is None or clock.labels is None or not plan.epochs or not measured_totals(plan, timeline.step_axis, clock):
        return False
    return math.floor(float(np.ptp(clock.labels.value))) + 1 >= plan.epochs


def _sized_by_whole_updates(timeline: Timeline, done: RunEnd) -> Iterator[Finding]:
    """A length of whole updates per epoch for a loop that carries the rest over: it ends before its last epoch does."""
    clock, epochs = timeline.epoch, timeline.plan.epochs
    if clock is None or clock.source != "fractions" or clock.breaks or not epochs or done.high is None:
        return
    planned = planned_steps_per_epoch(timeline.plan, timeline.step_axis)
    carried = [U for U in planned if U.denominator > 1 and clock.admits(U)]
    if len(carried) != 1 or done.high != math.floor(carried[0]) * epochs:
        return
    yield Finding(
        severity="note",
        message=f"the run ends at step {done.last_step}, in epoch {float(done.high / carried[0]):.4g} of "
        f"{amount(epochs)}: its length is {math.floor(carried[0])} whole updates per epoch, and "
        f"{amount(carried[0])} are trained",
        first_step=done.last_step,
        last_step=done.last_step,
        numbers={"epochs": float(done.high / carried[0]), "declared": float(epochs)},
        evidence=(done.evidence,),
    )


def _may_be_short(timeline: Timeline) -> bool:
    stopped = timeline.declared.get("early_stopping")
    cut = any(problem.kind in ("truncated", "corrupt") for problem in timeline.run.problems)
    partial = any(source.sampled or source.unfinished for source in timeline.run.sources)
    return cut or stopped not in (None, False) or partial


def _gravity_of_short(timeline: Timeline) -> tuple[Severity, str]:
    """A length that nobody but the run's own files asked for is context. (`watch` asks this rule at a run's end.)"""
    if not timeline.plan.asked_for:
        return "note", " by the run's own files: it was interrupted, or still runs"
    return "error", ""


def _too_long(timeline: Timeline, done: RunEnd, totals: tuple[int, ...]) -> Finding:
    base = timeline.step_axis.base
    beyond = max(totals) + (1 if base is None else base)
    first = _first_row_from(timeline, beyond)
    return Finding(
        severity="error",
        message=f"the run makes {_updates(done)} updates, {either(totals)} are declared: step {done.last_step} "
        "is the last",
        first_step=beyond if first is None else first.step,
        last_step=done.last_step,
        numbers={"updates": done.low, "declared": list(totals)},
        evidence=tuple(row for row in (first, done.evidence) if row is not None),
    )


def _too_short(done: RunEnd, most: int, totals: tuple[int, ...], timeline: Timeline) -> Finding:
    severity, why = _gravity_of_short(timeline)
    planned = planned_steps_per_epoch(timeline.plan, timeline.step_axis)
    missing = min((total - most for total in totals if total > most), default=0)
    counted = len(planned) == 1 and timeline.step_axis.unit == "update"
    laps = f" ({amount(Fraction(most) / planned[0])} epochs)" if counted else ""
    return Finding(
        severity=severity,
        message=f"the run ends at step {done.last_step} after {_updates(done)} updates{laps}, {either(totals)} "
        f"are declared{why}",
        first_step=done.last_step,
        last_step=done.last_step,
        numbers={"updates": most, "declared": list(totals), "missing": missing},
        evidence=(done.evidence,),
    )


def _by_epochs(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    """Count the rows of a log that has one row per epoch."""
    epochs, series = timeline.plan.epochs, main_series(timeline.view, timeline.roles)
    if not epochs or series is None:
        yield Unchecked(reason="declare epochs")
        return
    seen = distinct(series.step)
    first, last = int(seen[0]), int(seen[-1])
    base = first if first in (0, 1) else 1
    done = last - base + 1
    every = int(np.median(np.diff(seen))) if len(seen) > 1 else 1  # the next row would come so many epochs later
    if done <= epochs < done + every or (first not in (0, 1) and done + 1 == epochs):
        return
    if relabelled_epochs(timeline) is not None or (done == epochs + 1 and _only_evaluated(timeline, last)):
        return
    end = timeline.row(series, int(np.nonzero(series.step == last)[0][-1]), "last epoch in the log")
    numbers = {"epochs": done, "declared": float(epochs)}
    if done > epochs:
        beyond = int(np.argmax(series.step >= base + math.ceil(epochs)))
        row = timeline.row(series, beyond, "first epoch beyond the declared")
        # An evaluation before training, or one epoch too many; a framework's logger writes epochs alone.
        before = first == 0 and last == epochs and timeline.run.sources[int(series.source[0])].framework is None
        yield Finding(
            severity="note" if before else "error",
            message=f"{done} epochs are in the log, {amount(epochs)} are declared: epoch {last} is the last"
            + (", or 0 was logged before training" if before else ""),
            tag=series.tag, first_step=int(series.step[beyond]), last_step=last, numbers=numbers, evidence=(row, end),
        )
    elif not _may_be_short(timeline):
        severity, why = _gravity_of_short(timeline)
        yield Finding(
            severity=severity,
            message=f"the log ends with epoch {last} after {done} epochs, {amount(epochs)} are declared{why}",
            tag=series.tag, first_step=last, last_step=last, numbers=numbers, evidence=(end,),
        )


def _only_evaluated(timeline: Timeline, step: int) -> bool:
    """Whether no row at a step tells a loss of training: a last evaluation is logged as one epoch more, with zeros."""
    losses = [series for role in ("loss", "epoch_loss") for series in timeline.roles.all(role)]
    told = [series.value[series.step == step] for series in losses]
    return bool(losses) and not any(values.any() for values in told)


def _first_row_from(timeline: Timeline, step: int) -> Row | None:
    series = main_series(timeline.view, timeline.roles)
    if series is None:
        return None
    found = np.nonzero(series.step >= step)[0]
    return timeline.row(series, int(found[0]), "first row beyond the declared end") if len(found) else None


def _updates(done: RunEnd) -> str:
    if done.high is None:
        return f"at least {done.low}"
    return str(done.low) if done.low == done.high else f"{done.low} to {done.high}"


def _carried(last: int) -> list[tuple[int, float, float]]:
    return [(step, round(step * 4 / 11, 6), falling_loss(step)) for step in range(1, last + 1)]


DECLARED = {"dataset_size": 800, "batch_size": 16, "epochs": 4, "drop_last": False}

RULE = Rule(
    code="EPO004",
    name="run-length-mismatch",
    severity="error",
    check=check,
    help="look for a crash or a left-over max_steps when short, for epochs counted twice when long",
    sources=(
        "https://github.com/huggingface/transformers/issues/36297",
        "https://github.com/verl-project/verl/issues/7401",
    ),
    bad=(
        Example(title="one epoch too many", files=epochs_log(range(1, 251), 50), declared=DECLARED),
        Example(title="ended in the last epoch", files=epochs_log(range(1, 186), 50), declared=DECLARED),
        Example(
            title="sized by whole updates, though the rest is carried over",
            files=csv_log(EPOCHS, lambda: _carried(24)),
            declared={"dataset_size": 55, "batch_size": 5, "grad_accumulation": 4, "accumulation_remainder": "carry",
                      "epochs": 12},
        ),
        Example(
            title="fewer epochs than declared, at the length that the labels show",
            files=epochs_log(range(1, 136), 50),
            declared={"epochs": 4},
        ),
    ),
    good=(
        Example(
            title="all four epochs", files=epochs_log(range(1, 201), 50), declared=DECLARED, why="4 x 50 updates"
        ),
        Example(
            title="rows every seven steps",
            files=epochs_log(range(7, 201, 7), 50),
            declared=DECLARED,
            why="the last row is step 196; up to six updates behind it were not logged",
        ),
        Example(
            title="samples before each batch, every fifth",
            files=csv_log(("samples", "loss"), lambda: [(80 * row, falling_loss(row)) for row in range(40)]),
            declared=DECLARED,
            why="the last row is before update 196; four more were not logged",
        ),
        Example(
            title="as many epochs as declared",
            files=epochs_log(range(1, 201), 50),
            declared={"epochs": 4},
            why="four epochs of the 50 steps that the labels show",
        ),
        Example(
            title="a row every fifth epoch",
            files=csv_log(("epoch", "loss"), lambda: [(epoch, falling_loss(epoch)) for epoch in range(0, 98, 5)]),
            declared={"epochs": 100},
            why="the last row is epoch 95; the next would be epoch 100, which counts from 0 and is none",
        ),
        Example(
            title="epochs alone, and one label throughout",
            files=epochs_log(range(1, 41), 50),
            declared={"epochs": 1},
            why="nothing says how long an epoch is",
        ),
        Example(
            title="stopped early by design",
            files=epochs_log(range(1, 151), 50),
            declared={**DECLARED, "early_stopping": 3},
            why="early stopping ends a run where it likes",
        ),
    ),
)
