"""The scheduler's counter is not restored at a resume.

What it checks
    The position that the learning rate has on its schedule on both sides of every join. It may follow the step counter
    or go on from where it stood; it must not start again, double, freeze, or belong to a schedule with another end. A
    schedule that starts again inside a session is a cycle where it had come to its end (a note), and none where it was
    broken off or has no end.

Why it matters
    A resumed run that repeats its warmup, stands still, or decays to another end is another experiment than the one
    that was planned, and the loss often looks healthy all the same.

When it is silent
    When the rate goes on where it stood, even if the step counter was reset or jumps; when another counter of steps
    went back with it, or the step begins again with every epoch (`step-axis-mixed`); when a new horizon follows from
    a new batch geometry (that finding carries it); for constant rates.

What to do
    Save and load the scheduler's state with the checkpoint, once; do not also fast-forward it by hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from analyzer.clocks.scheduler_clock import deviations_of
from analyzer.clocks.schedules import Schedule
from analyzer.model import Finding
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import falling_loss, lives
from analyzer.rules.schedule.deviations import NO_RATE, finding
from analyzer.timeline import Timeline


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    if not timeline.schedulers:
        yield Unchecked(reason=NO_RATE)
        return
    restarts = list(deviations_of(timeline.schedulers, "restart"))
    for clock, deviation in restarts[:1]:
        one = finding(timeline, clock, deviation)
        more = [f"the same again at step {other.step}: {other.what}" for _, other in restarts[1:4]]
        evidence = (*one.evidence, *(row for _, other in restarts[1:3] for row in other.evidence[-1:]))
        yield Finding(
            severity=one.severity,
            message=one.message + (f"; and at {len(restarts) - 1} more" if len(restarts) > 1 else ""),
            tag=one.tag,
            first_step=one.first_step,
            last_step=one.last_step,
            numbers=one.numbers,
            evidence=evidence,
            consequences=tuple(more),
            join=one.join,
        )


def _resumed(second: int, shift: int) -> Mapping[str, str]:
    """Two lives in one file, the second under a repeated header; its counter is moved by ``shift``."""
    schedule = Schedule(family="linear", peak=1e-3, warmup=20, total=200)
    step = np.arange(1, 201)
    rate = schedule((step - 1 + np.where(step >= second, shift, 0)).astype(np.float64))
    rows = [[int(s), falling_loss(int(s)), float(f"{r:.10g}")] for s, r in zip(step, rate, strict=True)]
    header = ["step", "loss", "lr"]
    return lives(header, rows[: second - 1], rows[second - 1 :])


DECLARED = {"scheduler": "linear", "warmup_steps": 20, "max_steps": 200, "base_lr": 1e-3}

RULE = Rule(
    code="RES006",
    name="scheduler-not-restored",
    severity="error",
    check=check,
    help="save and load the scheduler's state with the checkpoint, once",
    sources=(
        "https://github.com/EleutherAI/gpt-neox/issues/1029",
        "https://github.com/THUDM/slime/issues/1546",
        "https://github.com/Nerogar/OneTrainer/issues/1604",
    ),
    bad=(
        Example(title="the warmup runs again", files=lambda: _resumed(101, -100), declared=DECLARED),
        Example(title="the position doubles", files=lambda: _resumed(81, 80), declared=DECLARED),
    ),
    good=(
        Example(
            title="restored",
            files=lambda: _resumed(101, 0),
            declared=DECLARED,
            why="the schedule goes on as if nothing had been",
        ),
        Example(
            title="restored, nothing declared",
            files=lambda: _resumed(61, 0),
            why="one line passes through both sides of the join",
        ),
    ),
)
