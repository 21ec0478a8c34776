"""A record fails its checksum, or bytes of the log were overwritten.

What it checks
    The checksum of every record of an event file, length and payload; in text logs, bytes that no logger writes.
    Where reading could go on behind the damage is part of the finding. A header inside a table that names the columns
    at other places. And rows in which two logs of one run differ that agree everywhere else.

Why it matters
    Most readers stop at the first bad record and say nothing: everything behind it is missing from the curve, as if
    the run had ended there.

When it is silent
    A file that just ends inside its last record is `truncated-log`.

What to do
    Copy the file again from where it was written, and check the disk or the transfer. What lies behind the damage
    has been read as far as its own checksums are right.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzer.clocks.accounts import PairedViews, comparisons
from analyzer.distinct import distinct
from analyzer.model import Finding, Problem, Row
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import falling_loss
from analyzer.rules.log.where import first_row_after, last_row_before
from analyzer.timeline import Timeline

REPLACED = "\ufffd"  # what a decoder writes for bytes that are no text
DAMAGED = "not readable"  # in place of the value
LINES_LEFT_OUT = 3
DENSE = 0.95  # share of the rows in which a column has a number before one that lacks it is damage


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    by_source: dict[str, list[Problem]] = {}
    for problem in timeline.run.problems:
        if problem.kind == "corrupt" or (problem.kind == "row" and _overwritten(timeline, problem)):
            by_source.setdefault(problem.source, []).append(problem)
    for problems in by_source.values():
        yield _damaged(timeline, problems)
    for pair in comparisons(timeline.view, timeline.views):
        if len(pair.differs):
            yield _told_otherwise(timeline, pair)


def _told_otherwise(timeline: Timeline, pair: PairedViews) -> Finding:
    """Two logs of the run agree everywhere but in a few rows: one of them was altered."""
    at, at_other = (int(index) for index in pair.differs[0])
    step, count = int(pair.one.step[at]), len(pair.differs)
    return Finding(
        severity="warning",
        message=f"two logs of the run agree on {pair.one.tag} at {pair.common - count} steps and differ at {count}, "
        f"first at step {step}: {pair.one.value[at]:g} in {pair.one_view}, {pair.other.value[at_other]:g} in "
        f"{pair.other_view}",
        tag=pair.one.tag, first_step=step, last_step=int(pair.one.step[int(pair.differs[-1][0])]),
        numbers={"rows": count, "agreeing": pair.common - count},
        evidence=(timeline.row(pair.one, at, "one log"), timeline.row(pair.other, at_other, "the other")),
    )


def _overwritten(timeline: Timeline, problem: Problem) -> bool:
    """Whether one of few rows that could not be read as their neighbours was lost, or lost cells that all others have.

    A first row with fewer cells is a habit of writers that know their columns later, and many lines of another kind
    are what else a program printed.
    """
    if REPLACED in problem.message:
        return True
    indices = [index for index, source in enumerate(timeline.run.sources) if source.path == problem.source]
    every = [series for view in timeline.run.views for series in view.series.values()]
    columns = [series.row[np.isin(series.source, indices)] for series in every]
    rows = distinct(np.concatenate(columns)) if columns else np.zeros(0, dtype=np.int64)
    if problem.row is None or not len(rows) or not rows[0] < problem.row < rows[-1]:
        return False
    if problem.row not in rows:
        left_out = int(rows[-1] - rows[0]) + 1 - len(rows)
        return left_out <= max(LINES_LEFT_OUT, (1 - DENSE) * len(rows))
    return any(len(own) >= DENSE * len(rows) and problem.row not in own for own in columns)


def _damaged(timeline: Timeline, problems: list[Problem]) -> Finding:
    problems = sorted(problems, key=lambda problem: (problem.kind != "corrupt", problem.row or 0))
    first = problems[0]
    before, after = last_row_before(timeline, first), first_row_after(timeline, first)
    place = [] if first.row is None else [first.row]
    damaged = [Row(source=first.source, row=row, tag="", step=None, value=DAMAGED) for row in place]
    rows = [row for row in (before, after) if row is not None and row.row != first.row]
    more = "" if len(problems) == 1 else f" ({len(problems)} places in this file, the first is told)"
    lost = sum(problem.length or 0 for problem in problems)
    return Finding(
        severity="error" if first.kind == "corrupt" else "warning",
        message=f"{first.message}{more}",
        first_step=rows[0].step if rows else None,
        last_step=rows[-1].step if rows else None,
        numbers={"places": len(problems), **({"bytes": lost} if lost else {})},
        evidence=tuple(sorted((*damaged, *rows), key=lambda row: row.row)),
    )


def _lines(damage: bytes = b"") -> bytes:
    lines = [f"{step},{falling_loss(step)}\n".encode() for step in range(1, 41)]
    if damage:
        lines[20] = lines[20][:3] + damage + lines[20][5:]
    return b"step,loss\n" + b"".join(lines)


def _lives(second: str) -> str:
    rows = [f"{step},{falling_loss(step)},{falling_loss(step)}\n" for step in range(1, 61)]
    return f"step,loss,val_loss\n{''.join(rows[:30])}step,{second}\n{''.join(rows[30:])}"


RULE = Rule(
    code="LOG002",
    name="corrupt-record",
    severity="error",
    check=check,
    help="copy the file again from where it was written; check the disk or the transfer",
    sources=(
        "https://github.com/tensorflow/tensorboard/issues/5116",
        "https://github.com/tensorflow/tensorboard/issues/5588",
    ),
    bad=(
        Example(title="bytes overwritten in a line", files=lambda: {"log.csv": _lines(b"\xff\xfe\x9c")}),
        Example(title="a second header with other places", files=lambda: {"log.csv": _lives("val_loss,loss")}),
    ),
    good=(
        Example(title="the header again", files=lambda: {"log.csv": _lives("loss,val_loss")}, why="the same columns"),
        Example(title="sound", files=lambda: {"log.csv": _lines()}, why="every row reads as its neighbours do"),
    ),
)
