"""Where a view begins a new life: at a new file, a repeated header, a step that falls back, a pause."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from analyzer.clocks.writers import rows_of_source, training_series
from analyzer.model import NO_STEP, Ints, Run, Series, View
from analyzer.roles import role_of_tag

Cut = tuple[int, int]  # (source, row): this row and all after it, in source order, belong to the next session

GAP_IN_SPACINGS = 100.0  # a pause a hundred times the usual spacing of rows is a process that was not running
GAP_SECONDS = 60.0  # and no shorter than a minute: the first rows of a fast toy run are microseconds apart
LAPS_OF_A_BATCH_COUNTER = 2  # so many equal laps in a row: the counter restarts with each epoch, the process does not
LIVES_AT_MOST = 100  # in one file; a step that falls more often counts something else, unless every fall gets further
GETS_FURTHER = 0.9  # share of the lives that begin behind where the one before began: resumes from newer checkpoints
ROWS_OF_A_LIFE = 20  # at least, on average, where lives are so many: rows of two writers alternate faster
ROWS_BY_LIVES = 100_000_000  # joins are compared with all rows before them: ten seconds


class Mark(Struct, frozen=True, kw_only=True):
    """A place in one view where a new life begins."""

    cut: Cut
    how_known: str
    marked: bool = False


def marks_of(view: View, run: Run) -> list[Mark]:
    """All places of a view where a new life begins, in written order."""
    marks = _new_files(view, run)
    starts = {mark.cut[0] for mark in marks}
    references = training_series(view)
    for source in view.sources:
        inside = _inside_a_file(view, run, source, references)
        if source in starts:
            first = _first_row(view, source)
            marked = [mark for mark in inside if mark.marked and mark.cut[1] <= first]
            if marked:
                marks = [replace(mark, marked=True) if mark.cut[0] == source else mark for mark in marks]
            inside = [mark for mark in inside if mark.cut[1] > first]
        marks += inside
    order = {source: index for index, source in enumerate(view.sources)}
    marks.sort(key=lambda mark: (order[mark.cut[0]], mark.cut[1]))
    return _near_ones_joined(marks, references)


def _near_ones_joined(marks: list[Mark], references: Sequence[Series]) -> list[Mark]:
    """Marks without a training row between them are one place."""
    kept: list[Mark] = []
    for mark in marks:
        if kept and kept[-1].cut[0] == mark.cut[0] and references:
            between = (kept[-1].cut[1], mark.cut[1])
            parts = (series.row[rows_of_source(series, mark.cut[0])] for series in references)
            if not any(int(np.subtract(*np.searchsorted(rows, between[::-1]))) for rows in parts):
                kept[-1] = replace(kept[-1], marked=kept[-1].marked or mark.marked)
                continue
        kept.append(mark)
    return kept


def _new_files(view: View, run: Run) -> list[Mark]:
    """Files whose writer started when the one before had ended; siblings that wrote side by side are one life."""
    marks: list[Mark] = []
    if len(view.sources) < 2:
        return marks
    seen: set[str] = set()
    life_ends = -np.inf
    for source in view.sources:
        rows = {tag: rows_of_source(series, source) for tag, series in view.series.items()}
        tags = {tag for tag, mine in rows.items() if mine.stop > mine.start}
        if not tags:
            continue  # a header only: a life that trained nothing
        times = np.concatenate([view.series[tag].wall_time[rows[tag]] for tag in tags])
        times = times[np.isfinite(times)]
        begins = float(times.min()) if len(times) else np.nan
        shared = {tag for tag in tags & seen if tag != "hp_metric"}
        side_by_side = begins < life_ends and not _continues(view, source, shared)
        if seen and shared and not side_by_side:
            first = _first_row(view, source)
            kind = "new event file" if run.sources[source].format == "tfevents" else "new file"
            marks.append(Mark(cut=(source, first), how_known=kind))
            life_ends = float(times.max()) if len(times) else -np.inf
        elif len(times):
            life_ends = max(life_ends, float(times.max()))
        seen |= tags
    return marks


def _first_row(view: View, source: int) -> int:
    parts = (series.row[rows_of_source(series, source)] for series in view.series.values())
    return min((int(rows[0]) for rows in parts if len(rows)), default=0)


def _continues(view: View, source: int, shared: set[str]) -> bool:
    """Whether a file's steps begin behind all that came before, in every shared tag (clocks of hosts differ)."""
    if not shared:
        return False
    for tag in shared:
        series = view.series[tag]
        here = rows_of_source(series, source)
        if here.start and series.step[here].min() <= series.step[: here.start].max():
            return False
    return True


def _inside_a_file(view: View, run: Run, source: int, references: Sequence[Series]) -> list[Mark]:
    words = {"header-repeated": "header repeated", "session-start": "session marker"}
    marks = [
        Mark(cut=(source, marker.row), how_known=words[marker.kind], marked=marker.kind == "session-start")
        for marker in run.markers
        if marker.source == source and marker.kind != "file-start"
    ]
    marks += [Mark(cut=(source, row), how_known="step falls back") for row in falls_of_the_step(references, source)]
    for tag, series in view.series.items():
        if role_of_tag(tag) == "elapsed":
            restarts = _elapsed_restarts(series, source)
            marks += [Mark(cut=(source, row), how_known="elapsed time starts again") for row in restarts]
        elif role_of_tag(tag) == "epoch":
            backwards = _epoch_falls_at_a_step_told_twice(series, source)
            if backwards and run.sources[source].format != "tfevents":  # a validation may number from another base
                training = [one.row[rows_of_source(one, source)] for one in references]
                backwards = [row for row in backwards if any(bool(np.any(rows == row)) for rows in training)]
            marks += [Mark(cut=(source, row), how_known="epoch falls back") for row in backwards]
    if run.sources[source].format != "tfevents" and references:
        marks += [Mark(cut=(source, row), how_known="long pause") for row in _long_pauses(references[0], source)]
    return marks


def falls_of_the_step(references: Sequence[Series], source: int) -> list[int]:
    """Rows of one file at which the step falls back in most of the series that count training steps.

    A falling series says that the new life begins behind its last row before the fall and no later than the row that
    fell; the rows of a place that several series agree on are the intersection. A counter that restarts with every
    epoch is no life.
    """
    intervals: list[tuple[int, int]] = []
    voters = 0
    for series in references:
        mine = rows_of_source(series, source)
        step, row = series.step[mine], series.row[mine]
        if len(step) < 2 or step[0] == NO_STEP:
            continue
        voters += 1
        falls = np.flatnonzero(np.diff(step) < 0) + 1
        if len(falls) > LIVES_AT_MOST and not _get_further(step, falls):
            continue  # this axis counts something else
        falls = falls[_not_laps(step, falls)]
        intervals += [(int(row[at - 1]), int(row[at])) for at in falls]
    places: list[list[tuple[int, int]]] = []
    for interval in sorted(intervals, key=lambda one: one[1]):
        if places and interval[0] < places[-1][0][1]:
            places[-1].append(interval)
        else:
            places.append([interval])
    return [place[0][1] for place in places if 2 * len(place) >= voters]


def _get_further(step: Ints, falls: Ints) -> bool:
    """Whether many falls are resumes: lives of some rows, each from a newer checkpoint than the one before."""
    bounded = ROWS_OF_A_LIFE * len(falls) <= len(step) <= ROWS_BY_LIVES // len(falls)
    return bounded and float(np.mean(np.diff(step[falls]) > 0)) >= GETS_FURTHER


def _not_laps(step: Ints, falls: Ints) -> NDArray[np.bool_]:
    """Which falls are no laps of a counter that restarts with each epoch."""
    if len(falls) <= LAPS_OF_A_BATCH_COUNTER:
        return np.ones(len(falls), dtype=np.bool_)
    begins = np.concatenate([[0], falls])
    first, last = step[begins], step[np.concatenate([falls - 1, [len(step) - 1]])]
    laps = np.count_nonzero((first[1:-1] == np.median(first[1:])) & (last[1:-1] == np.median(last[1:-1])))
    if laps >= LAPS_OF_A_BATCH_COUNTER and laps >= 0.8 * (len(first) - 2):
        return np.zeros(len(falls), dtype=np.bool_)
    return np.ones(len(falls), dtype=np.bool_)


def _elapsed_restarts(series: Series, source: int) -> list[int]:
    """Rows at which a column of elapsed seconds starts again near its beginning."""
    mine = rows_of_source(series, source)
    known = np.isfinite(series.value[mine])
    value, row = series.value[mine][known], series.row[mine][known]
    if len(value) < 3:
        return []
    falls = np.flatnonzero(np.diff(value) < 0) + 1
    spacing = float(np.median(np.abs(np.diff(value))))
    begin = max(float(value[0]), 0.0) * 2 + 20 * spacing
    falls = falls[(value[falls] >= 0) & (value[falls] <= begin) & (value[falls] < 0.5 * value[falls - 1])]
    return [int(at) for at in row[falls]] if len(falls) <= LIVES_AT_MOST else []


def _epoch_falls_at_a_step_told_twice(series: Series, source: int) -> list[int]:
    """Rows that repeat the step of the row before under an earlier epoch: two processes disagree about it."""
    mine = rows_of_source(series, source)
    step, value, row = series.step[mine], series.value[mine], series.row[mine]
    if len(step) < 3 or step[0] == NO_STEP:
        return []
    falls = np.flatnonzero((value[1:] < value[:-1]) & (step[1:] == step[:-1])) + 1
    return [int(at) for at in row[falls]] if len(falls) <= min(LIVES_AT_MOST, max(1, len(step) // 100)) else []


def _long_pauses(series: Series, source: int) -> list[int]:
    """Rows before which nothing was written for a hundred spacings, where that is not the habit of the run."""
    mine = rows_of_source(series, source)
    wall = series.wall_time[mine]
    if len(wall) < 20 or not np.isfinite(wall).all():
        return []
    gaps = np.diff(wall)
    usual = float(np.median(gaps))
    if usual <= 0:
        return []
    long = np.flatnonzero(gaps > max(GAP_IN_SPACINGS * usual, GAP_SECONDS)) + 1
    if len(long) > min(LIVES_AT_MOST, max(3, len(wall) // 100)):
        return []
    return [int(at) for at in series.row[mine][long]]
