"""A file ends inside a record or a row.

What it checks
    Whether the last record of an event file, the last line of a table or the last object of a JSON file is complete.

Why it matters
    What was being written when the process ended is lost, often with everything that was still in a buffer: the log
    ends before the run did.

When it is silent
    A live run's log may end inside a record at any moment, so a cut at the very end of the run is a note. A cut
    file that a later session follows is a warning: the process is gone, and so are the rows.

What to do
    Nothing for a live run. Otherwise flush the logger before the process ends (`SummaryWriter.close()`,
    `flush_secs`), and expect the last rows to be missing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzer.model import Finding, Floats, Problem, View
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import falling_loss
from analyzer.rules.log.where import last_row_before
from analyzer.timeline import Timeline


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    for problem in timeline.run.problems:
        if problem.kind == "truncated":
            yield _cut(timeline, problem)


def _cut(timeline: Timeline, problem: Problem) -> Finding:
    row = last_row_before(timeline, problem)
    followed = _followed(timeline, problem)
    file = "" if row is not None else problem.source.rsplit("/", 1)[-1] + ": "  # no evidence row names it
    last = "" if row is None else f"; the last readable row is at step {row.step}"
    return Finding(
        severity="warning" if followed else "note",
        message=f"{file}{problem.message}{last}",
        tag=None,
        first_step=None if row is None else row.step,
        numbers={} if problem.length is None else {"bytes": problem.length},
        evidence=() if row is None else (row,),
    )


def _followed(timeline: Timeline, problem: Problem) -> bool:
    """Whether a later file of the same account goes on behind it: the process that wrote the cut one is gone.

    Files that were written at the same time, as those of a training and its validation, are cut together.
    """
    for view in timeline.run.views:
        places = [at for at, index in enumerate(view.sources) if timeline.run.sources[index].path == problem.source]
        for at in places[:1]:
            last = _times(view, at).max(initial=-np.inf)
            later = [_times(view, other) for other in range(at + 1, len(view.sources))]
            if any(len(times) and not times.min() < last for times in later):  # without times, the order tells
                return True
    return False


def _times(view: View, source: int) -> Floats:
    """Times of all rows of one file, shape (n,)."""
    found = [one.wall_time[one.source == source] for one in view.series.values()]
    return np.concatenate(found) if found else np.zeros(0)


def _lines(last: int) -> str:
    return "step,loss\n" + "".join(f"{step},{falling_loss(step)}\n" for step in range(1, last + 1))


RULE = Rule(
    code="LOG001",
    name="truncated-log",
    severity="warning",
    check=check,
    help="flush or close the logger before the process ends; expect the last rows to be missing",
    sources=("https://github.com/tensorflow/tensorboard/issues/5116",),
    bad=(Example(title="the last line has no end", files=lambda: {"log.csv": _lines(30) + "31,0.7"}),),
    good=(
        Example(title="rows of a life that was killed, and the next one's",
                files=lambda: {"log.csv": _lines(30) + _lines(60)[len(_lines(30)):]},
                why="the last line is complete"),
        Example(title="complete", files=lambda: {"log.csv": _lines(30)}, why="every row ends with a newline"),
    ),
)
