"""The step counter jumps forward while the training goes on from where it was.

What it checks
    Long steps of a regular step axis, at joins and inside sessions. The other clocks say what happened: when the
    epoch, the samples seen or the learning rate move on by a single row's worth, nothing was trained in between and
    only the counter jumped. At a resume a pause that is too short for so many rows, at the pace of the fastest near
    it, proves it as well: what moves on with the counter is then of the checkpoint.

Why it matters
    Every later step is too large by the same number. Schedules and stopping rules that hang on the counter end the
    run early: the updates in between were never made.

When it is silent
    When the other clocks moved on with the step, rows are missing (`missing-rows`). A cadence that changes for
    good, or that makes a long step at every epoch, is a habit of the logger. A jump shorter than one logging
    interval cannot be seen. A join whose only witness is the step itself is a
    warning, and a note when so few rows are missing that a killed process may have held them back.

What to do
    Find what set the counter: a checkpoint that was edited or saved before the counter was updated, `global_step`
    computed as epoch times the length of another loader, a batch counted twice on restore.
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.clocks.step_axis import StepJump
from analyzer.model import Finding, Severity
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import EPOCHS, csv_log, falling_loss
from analyzer.timeline import Timeline

ROWS_IN_A_QUEUE = 10  # rows that a SummaryWriter holds back (max_queue) and a killed process loses


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    if timeline.step_axis.unit == "epoch":
        yield Unchecked(reason="this log counts epochs: epoch-skipped-or-repeated looks at its labels")
        return
    for jump in timeline.step_jumps:
        if jump.verdict == "counter jumped" or (jump.verdict == "unknown" and jump.join is not None):
            yield _jumped(timeline, jump)


def _jumped(timeline: Timeline, jump: StepJump) -> Finding:
    proved = jump.verdict == "counter jumped"
    unproved: Severity = "note" if jump.rows <= ROWS_IN_A_QUEUE else "warning"
    where = f" ({timeline.joins[jump.join].how_known})" if jump.join is not None else ""
    return Finding(
        severity="error" if proved else unproved,
        message=f"step jumps from {jump.last_step} to {jump.next_step}{where}: {jump.size} steps were not trained"
        + (f", {jump.because}" if proved else ", or their rows are missing: nothing else in the log tells which"),
        tag=jump.series.tag,
        first_step=jump.next_step,
        numbers={"steps": jump.size},
        evidence=jump.evidence,
        join=jump.join,
    )


def _rows(first: int, last: int, shift: int = 0) -> list[tuple[object, ...]]:
    return [(step + shift, (step - 1) // 40, falling_loss(step)) for step in range(first, last + 1)]


def _schedule_goes_on() -> list[tuple[object, ...]]:
    rate = {step: round(1e-3 * (1 - step / 400), 9) for step in range(1, 201)}
    return [(step + (40 if step > 100 else 0), falling_loss(step), rate[step]) for step in rate]


def _rarer() -> list[tuple[object, ...]]:
    return [(step, falling_loss(step)) for step in [*range(1, 101), *range(110, 401, 10)]]


RULE = Rule(
    code="RES003",
    name="steps-skipped-at-resume",
    severity="error",
    check=check,
    help="find what set the counter when the checkpoint was loaded; the steps in between were never trained",
    sources=(
        "https://github.com/wandb/wandb/pull/6480",
        "https://github.com/thinking-machines-lab/tinker-cookbook/issues/935",
    ),
    bad=(
        Example(title="counter jumps by 25 and the epochs do not",
                files=csv_log(EPOCHS, lambda: _rows(1, 100) + _rows(101, 200, shift=25))),
        Example(title="counter jumps by 40 and the learning rate does not",
                files=csv_log(("step", "loss", "lr"), _schedule_goes_on)),
    ),
    good=(
        Example(title="resumed by a process that logs every ten steps", files=csv_log(("step", "loss"), _rarer),
                why="the first row of a longer cadence comes later, no step is skipped"),
        Example(title="every step logged", files=csv_log(EPOCHS, lambda: _rows(1, 200)),
                why="no step is missing"),
    ),
)
