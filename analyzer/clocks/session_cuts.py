"""Where a view begins a new life: at a new file, a repeated header, a step that falls back, a pause."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from analyzer.clocks.falls import Beside, explain_falls
from analyzer.clocks.rows import rows_of_source
from analyzer.clocks.session_map import Cut, Sign
from analyzer.clocks.traces import beside, starts_in
from analyzer.model import NO_STEP, Run, Series, View


class LifeMark(Struct, frozen=True, kw_only=True):
    """A place in one view where a new life begins."""

    cut: Cut
    how_known: Sign
    marked: bool = False


def marks_of(view: View, run: Run, references: Sequence[Series]) -> list[LifeMark]:
    """All places of a view where a new life begins, in written order."""
    marks = _new_files(view, run)
    starts = {mark.cut[0] for mark in marks}
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


def _near_ones_joined(marks: list[LifeMark], references: Sequence[Series]) -> list[LifeMark]:
    """Marks without a training row between them are one place."""
    kept: list[LifeMark] = []
    for mark in marks:
        if kept and kept[-1].cut[0] == mark.cut[0] and references:
            between = (kept[-1].cut[1], mark.cut[1])
            parts = (series.row[rows_of_source(series, mark.cut[0])] for series in references)
            if not any(int(np.subtract(*np.searchsorted(rows, between[::-1]))) for rows in parts):
                kept[-1] = replace(kept[-1], marked=kept[-1].marked or mark.marked)
                continue
        kept.append(mark)
    return kept


def _new_files(view: View, run: Run) -> list[LifeMark]:
    """Files whose writer started when the one before had ended; siblings that wrote side by side are one life."""
    marks: list[LifeMark] = []
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
        side_by_side = begins < life_ends
        if seen and shared and not side_by_side:
            first = _first_row(view, source)
            kind: Sign = "new event file" if run.sources[source].format == "tfevents" else "new file"
            marks.append(LifeMark(cut=(source, first), how_known=kind))
            life_ends = float(times.max()) if len(times) else -np.inf
        elif len(times):
            life_ends = max(life_ends, float(times.max()))
        seen |= tags
    return marks


def _first_row(view: View, source: int) -> int:
    parts = (series.row[rows_of_source(series, source)] for series in view.series.values())
    return min((int(rows[0]) for rows in parts if len(rows)), default=0)


def _inside_a_file(view: View, run: Run, source: int, references: Sequence[Series]) -> list[LifeMark]:
    marks = [
        LifeMark(cut=(source, row), how_known=why, marked=why == "session marker")
        for row, why in starts_in(view, run, source).items()
    ]
    counters = [(one, beside(view, run, one, source, references[:1])) for one in references]
    marks += [LifeMark(cut=(source, row), how_known="step falls back") for row in falls_agreed_on(counters, source)]
    return marks


def habit_of_falls(view: View, run: Run, references: Sequence[Series]) -> Literal["laps", "passes"] | None:
    """Whether the step of the training rows begins again with every epoch, or goes over each batch several times."""
    for series in references[:1]:
        for source in view.sources:
            mine = rows_of_source(series, source)
            step = series.step[mine]
            if np.any(np.diff(step) < 0) and not np.any(step == NO_STEP):
                cause = explain_falls(step, beside(view, run, series, source, references[:1])).cause
                if cause in ("laps", "passes"):
                    return cause
    return None


def falls_agreed_on(counters: Sequence[tuple[Series, Beside]], source: int) -> list[int]:
    """Rows of one file at which lives begin in most of the series that count training steps.

    A falling series says that the new life begins behind its last row before the fall and no later than the row that
    fell; the rows of a place that several series agree on are the intersection.
    """
    intervals: list[tuple[int, int]] = []
    voters = 0
    for series, around in counters:
        mine = rows_of_source(series, source)
        step, row = series.step[mine], series.row[mine]
        if len(step) < 2 or step[0] == NO_STEP:
            continue
        voters += 1
        intervals += [(int(row[at - 1]), int(row[at])) for at in explain_falls(step, around).begins]
    places: list[list[tuple[int, int]]] = []
    for interval in sorted(intervals, key=lambda one: one[1]):
        if places and interval[0] < places[-1][0][1]:
            places[-1].append(interval)
        else:
            places.append([interval])
    return [place[0][1] for place in places if 2 * len(place) >= voters]
