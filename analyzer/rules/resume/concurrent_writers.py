"""Two processes wrote the run at the same time.

What it checks
    Event files of one folder whose rows overlap in time and in step and that different processes opened; text logs in
    which the step falls and then returns to exactly the end of an earlier stream, again and again: streams of rows in
    turns; and text logs with a row at every step for each declared device.

Why it matters
    Every value is there twice, from two states of the model. Means, counts and curves mix both, and a viewer that
    drops steps out of order shows a random half.

When it is silent
    One process with two loggers writes the same rows twice: `duplicate-rows`. An accumulation of as many micro-batches
    explains as many rows a step, and several passes over each batch explain turns in reinforcement learning, or where
    times go on from block to block; without names and times that decide it is a warning. A session
    that begins when the one before has ended is a resume. Writers in folders of their own (train and validation, one a
    rank) are meant to be apart.

What to do
    Create the logger on the main process only (`if rank == 0`, `accelerator.is_main_process`), and give every run a
    directory of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.clocks.session_map import Simultaneous
from analyzer.model import Finding, View
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import EPOCHS, csv_log, falling_loss
from analyzer.timeline import Timeline


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    found = [
        (view, pair)
        for view, pairs in zip(timeline.run.views, timeline.writers, strict=True)
        for pair in pairs
        if pair.kind == "processes"
    ]
    if found:
        yield _together(timeline, found)


def _together(timeline: Timeline, found: list[tuple[View, Simultaneous]]) -> Finding:
    view, pair = min(found, key=lambda one: one[1].kept == one[1].other)  # two files say more than turns in one
    writers = 1 + sum(name is view for name, _ in found)
    series = view.series[pair.tag]
    kept, other = timeline.run.sources[pair.kept], timeline.run.sources[pair.other]
    step = int(series.step[pair.first_other])
    if pair.kept == pair.other:
        how = f"rows of two processes alternate in one file: {pair.rows} rows of {pair.tag} belong to a second writer"
    else:
        by = ""
        if None not in (kept.pid, other.pid):
            by = f" (processes {kept.host or '?'}:{kept.pid} and {other.host or '?'}:{other.pid})"
        how = f"{writers} files were written at the same time{by}: {pair.rows} rows of {pair.tag} are there again"
    evidence = tuple(
        timeline.row(series, index, why)
        for index, why in ((pair.first_kept, "first writer"), (pair.first_other, "second writer"))
    )
    doubt = ", or one process goes over each stretch of rows several times" if pair.as_likely else ""
    return Finding(severity="warning" if doubt else "error", message=f"{how}, from step {step} on{doubt}",
                   tag=pair.tag, first_step=step, numbers={"writers": writers, "rows": pair.rows}, evidence=evidence)


def _turns() -> list[tuple[int, float]]:
    rows: list[tuple[int, float]] = []
    for begin in range(1, 101, 10):
        rows += [(step, falling_loss(step)) for step in range(begin, begin + 10)]
        rows += [(step, falling_loss(step + 7)) for step in range(begin, begin + 10)]
    return rows


def _every_device() -> list[tuple[object, ...]]:
    return [(step, falling_loss(step) + 0.01 * device) for step in range(1, 61) for device in range(4)]


def _three_resumes() -> list[tuple[object, ...]]:
    lives = ((1, 40), (31, 70), (61, 100), (91, 130))
    return [(step, falling_loss(step)) for first, last in lives for step in range(first, last + 1)]


def _batch_counter() -> list[tuple[object, ...]]:
    return [(batch, epoch, falling_loss(25 * epoch + batch)) for epoch in range(8) for batch in range(25)]


RULE = Rule(
    code="RES008",
    name="concurrent-writers",
    severity="error",
    check=check,
    help="create the logger on the main process only, and give every run a directory of its own",
    sources=(
        "https://github.com/tensorflow/tensorboard/issues/1011",
        "https://github.com/Lightning-AI/pytorch-lightning/issues/230",
        "https://github.com/OpenNMT/OpenNMT-py/pull/1557",
    ),
    bad=(
        Example(title="two ranks append to one table", files=csv_log(("step", "loss"), _turns)),
        Example(title="two ranks that log every five steps", files=csv_log(("step", "loss"), lambda: [
            (5 * step, loss) for step, loss in _turns()])),
        Example(title="each of four devices writes every step", files=csv_log(("step", "loss"), _every_device),
                declared={"world_size": 4}),
    ),
    good=(
        Example(title="four micro-batches on four devices", files=csv_log(("step", "loss"), _every_device),
                declared={"world_size": 4, "grad_accumulation": 4}, why="the accumulation explains the rows"),
        Example(title="three replays after crashes", files=csv_log(("step", "loss"), _three_resumes),
                why="the step falls three times but never returns to the end of an earlier stream"),
        Example(title="a counter that restarts with each epoch",
                files=csv_log(EPOCHS, _batch_counter),
                why="every lap begins at the same step: the axis counts batches of an epoch"),
    ),
)
