"""Where in a log a problem of its reader lies."""

from __future__ import annotations

import numpy as np

from analyzer.clocks.rows import training_series
from analyzer.model import Problem, Row, Series
from analyzer.timeline import Timeline


def last_row_before(timeline: Timeline, problem: Problem) -> Row | None:
    """The last readable row of the problem's file before the place of the problem."""
    return _row(timeline, problem, before=True, why="last readable row before")


def first_row_after(timeline: Timeline, problem: Problem) -> Row | None:
    """The first readable row of the problem's file behind the place of the problem."""
    return _row(timeline, problem, before=False, why="first row read after")


def _row(timeline: Timeline, problem: Problem, *, before: bool, why: str) -> Row | None:
    best: tuple[int, Series, int] | None = None
    for view in timeline.run.views:
        indices = [index for index in view.sources if timeline.run.sources[index].path == problem.source]
        for series in training_series(view) if indices else ():
            inside = np.isin(series.source, indices)
            if problem.row is not None:
                inside &= series.row < problem.row if before else series.row >= problem.row
            elif not before:
                continue
            found = np.flatnonzero(inside)
            if not len(found):
                continue
            at = int(found[-1] if before else found[0])
            row = int(series.row[at])
            if best is None or (row > best[0] if before else row < best[0]):
                best = row, series, at
    return None if best is None else timeline.row(best[1], best[2], why)
