"""Who wrote a view: one process after another, two at once, or one process with two loggers.

Rows of two writers must never be read as one series: each clock would see every step twice. The view that the clocks
read keeps the first writer's rows; the run keeps all of them, and the rules say what the others were.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from analyzer.clocks.falls import Falls, explain_falls
from analyzer.clocks.rows import rows_of, rows_of_source, speaking_series, training_series
from analyzer.clocks.session_map import Simultaneous
from analyzer.clocks.traces import beside
from analyzer.model import NO_STEP, Ints, Run, Series, Source, View

ROWS_WITHIN = 3  # rows that each of two files must have inside the other's span of time
COPIES_NEEDED = 2
ALONE = 0.1  # share of a writer's rows at steps of its own: a life of its own that overlapped with the next one
OF_EVERY_DEVICE = 0.9  # share of the steps with a row for each device; the last may be cut


def simultaneous_writers(view: View, run: Run, devices: int | None = None) -> tuple[Simultaneous, ...]:
    """Pairs of writers that wrote the same tags at the same time, the first of each pair kept.

    ``devices``: the declared number of processes, where no accumulation explains as many rows a step.
    """
    found = list(_pairs_of_files(view, run.sources))
    for source in view.sources:
        pair = _within_a_file(view, run, source, devices)
        if pair is not None:
            found.append(pair)
    return tuple(found)


def without_other_writers(view: View, pairs: Sequence[Simultaneous], run: Run, devices: int | None = None) -> View:
    """The view with one writer's rows only, and those that another wrote when that one had ended."""
    if not pairs:
        return view
    dropped = {pair.other for pair in pairs if pair.other != pair.kept and pair.alone is None}
    partly = [pair for pair in pairs if pair.other != pair.kept and pair.alone is not None]
    shared = {pair.kept: pair.tag for pair in pairs if pair.other == pair.kept and pair.kept not in dropped}
    units = {pair.kept for pair in pairs if pair.kind == "units"}
    whose = {source: _streams(view.series[tag], view, run, source, devices) for source, tag in shared.items()}
    series = {}
    for tag, one in view.series.items():
        keep = ~np.isin(one.source, list(dropped))
        for pair in partly:
            low, high = pair.alone or (0, 0)
            keep &= (one.source != pair.other) | (one.step < low) | (one.step > high)
        for source, told in shared.items():
            mine = rows_of_source(one, source)
            main = view.series[told]
            stream = whose[source]
            if run.sources[source].format == "tfevents":  # a record holds one tag, a row all of them
                stream, at = _streams(one, view, run, source, devices), np.arange(mine.stop - mine.start)
            else:
                at = np.searchsorted(main.row[rows_of_source(main, source)], one.row[mine], side="right") - 1
            if stream is not None:
                own = stream[np.maximum(at, 0)] == 0
                if source not in units:  # the other writer goes on when the first has ended
                    own |= one.step[mine] > one.step[mine][own].max(initial=NO_STEP)
                keep[mine] &= own
        if keep.any():
            series[tag] = one if keep.all() else rows_of(one, keep)
    return replace(view, series=series, sources=tuple(index for index in view.sources if index not in dropped))


def without_repeated_rows(view: View) -> View:
    """The view without second copies of rows, where its training loss has rows that repeat the one before.

    A doubled row halves every noise and doubles every count that is taken from the rows.
    """
    told = speaking_series(view, ("loss",))
    if told is None or np.count_nonzero(_copies(told)) < COPIES_NEEDED:
        return view
    series = {tag: rows_of(one, ~_copies(one)) for tag, one in view.series.items()}
    return replace(view, series=series)


def _copies(series: Series) -> NDArray[np.bool_]:
    """Points with step and value of the point before, in the same file."""
    same = np.zeros(len(series), dtype=np.bool_)
    same[1:] = (np.diff(series.step) == 0) & (np.diff(series.source) == 0) & (series.value[1:] == series.value[:-1])
    return same & (series.step != NO_STEP)


def _pairs_of_files(view: View, sources: Sequence[Source]) -> list[Simultaneous]:
    found: list[Simultaneous] = []
    taken: set[int] = set()
    if len(view.sources) < 2:
        return found
    begin, end = np.array([_span_of_time(view, source) for source in view.sources]).T
    for at, first in enumerate(view.sources):
        meanwhile = (begin[at + 1 :] <= end[at]) & (end[at + 1 :] >= begin[at])
        for second in (view.sources[at + 1 + behind] for behind in np.flatnonzero(meanwhile).tolist()):
            if first in taken or second in taken:
                continue
            if PurePath(sources[first].path).parent != PurePath(sources[second].path).parent:
                continue  # train/ and validation/, or a folder a rank: meant to be apart
            pair = _pair_of_files(view, sources, first, second)
            if pair is not None:
                taken.add(pair.other)
                found.append(pair)
    return found


def _pair_of_files(view: View, sources: Sequence[Source], first: int, second: int) -> Simultaneous | None:
    shared = {
        tag: series
        for tag, series in view.series.items()
        if len(series.step[rows_of_source(series, first)]) and len(series.step[rows_of_source(series, second)])
    }
    told = training_series(replace(view, series=shared))
    if not told:
        return None
    series = told[0]
    tag = series.tag
    counted = series.step != NO_STEP
    mine = np.flatnonzero(counted & (series.source == first))
    theirs = np.flatnonzero(counted & (series.source == second))
    if not len(mine) or not len(theirs):
        return None
    if not _same_time(series, mine, theirs):
        return None
    common, at_mine, at_theirs = np.intersect1d(series.step[mine], series.step[theirs], return_indices=True)
    few = len(common) < min(ROWS_WITHIN, len(mine), len(theirs))
    if few and not _ranges_cross(series.step[mine], series.step[theirs]):
        return None
    a, b = series.value[mine[at_mine]], series.value[theirs[at_theirs]]
    equal = bool(len(common)) and bool(np.all((a == b) | (np.isnan(a) & np.isnan(b))))
    one, two = sources[first], sources[second]
    if None not in (one.pid, two.pid):
        same_process = (one.host, one.pid) == (two.host, two.pid)
    else:
        same_process = equal
    longer = len(theirs) > len(mine) + ROWS_WITHIN  # by a row or two they take turns while they grow
    kept, other = (second, first) if longer else (first, second)
    rows = (mine, theirs) if kept == first else (theirs, mine)
    wall = series.wall_time
    begin = max(float(np.nanmin(wall[part])) for part in rows)
    end = min(float(np.nanmax(wall[part])) for part in rows)
    first_kept, first_other = (int(part[np.argmax(wall[part] >= begin)]) for part in rows)
    step, steps = series.step[rows[0]], series.step[rows[1]]
    outside = np.count_nonzero((steps < step.min()) | (steps > step.max()))
    alone = (int(step.min()), int(step.max())) if outside > max(ROWS_WITHIN, ALONE * len(steps)) else None
    meanwhile = int(np.count_nonzero((wall[rows[1]] >= begin) & (wall[rows[1]] <= end)))
    return Simultaneous(kind="loggers" if same_process else "processes", kept=kept, other=other, tag=tag,
                        first_kept=first_kept, first_other=first_other, rows=meanwhile, equal_values=equal, alone=alone)


def _span_of_time(view: View, source: int) -> tuple[float, float]:
    times = [series.wall_time[rows_of_source(series, source)] for series in view.series.values()]
    every = np.concatenate(times) if times else np.zeros(0)
    every = every[np.isfinite(every)]
    return (float(every.min()), float(every.max())) if len(every) else (np.inf, -np.inf)


def _same_time(series: Series, mine: Ints, theirs: Ints) -> bool:
    a, b = series.wall_time[mine], series.wall_time[theirs]
    if np.isnan(a).all() or np.isnan(b).all():
        return False
    within_a = np.count_nonzero((b >= np.nanmin(a)) & (b <= np.nanmax(a)))
    within_b = np.count_nonzero((a >= np.nanmin(b)) & (a <= np.nanmax(b)))
    needed = min(ROWS_WITHIN, len(mine), len(theirs))
    return bool(within_a >= needed and within_b >= needed)


def _ranges_cross(a: Ints, b: Ints) -> bool:
    """Whether most of the shorter range of steps lies inside the other one (two ranks that log different steps)."""
    low, high = max(a.min(), b.min()), min(a.max(), b.max())
    return bool(high - low > 0.5 * min(np.ptp(a), np.ptp(b)))


def _within_a_file(view: View, run: Run, source: int, devices: int | None) -> Simultaneous | None:
    """Two streams of rows in one file: of two processes, or of one that counts two things as step."""
    for series in training_series(view):
        mine = np.arange(len(series))[rows_of_source(series, source)]
        found = _whose(series, view, run, source, devices)
        if found is None or found.stream is None:
            continue
        one, two = mine[found.stream == 0], mine[found.stream == 1]
        _, at_one, at_two = np.intersect1d(series.step[one], series.step[two], return_indices=True)
        equal = bool(np.all(series.value[one[at_one]] == series.value[two[at_two]]))
        rises = np.diff(series.step[mine[found.stream != 0]])
        counts = len(rises) >= ROWS_WITHIN and rises[0] > 0 and np.ptp(rises) == 0
        return Simultaneous(kind="units" if found.cause == "another unit" else "processes", kept=source, other=source,
                            other_counts=bool(counts),
                            tag=series.tag, first_kept=int(one[0]), first_other=int(two[0]),
                            rows=int(np.count_nonzero(found.stream)), equal_values=equal, as_likely=found.as_likely)
    return None


def _streams(series: Series, view: View, run: Run, source: int, devices: int | None) -> NDArray[np.int64] | None:
    found = _whose(series, view, run, source, devices)
    return None if found is None else found.stream


def _whose(series: Series, view: View, run: Run, source: int, devices: int | None) -> Falls | None:
    """The streams of the rows of a series in one file; None where one process counts one thing."""
    step = series.step[rows_of_source(series, source)]
    if len(step) < ROWS_WITHIN or np.any(step == NO_STEP):
        return None
    if run.sources[source].format != "tfevents" and devices is not None:
        stream = _in_step(step, devices)
        if stream is not None:
            return Falls(cause="turns", at=step[:0], stream=stream)
    if not np.any(np.diff(step) < 0):
        return None
    found = explain_falls(step, beside(view, run, series, source, training_series(view)[:1]))
    if found.cause == "turns" and run.sources[source].format == "tfevents":
        return None  # every event writer opens a file of its own
    return found


def _in_step(step: Ints, devices: int) -> NDArray[np.int64] | None:
    """Whose each row is, where every device tells every step, one after another; None where they do not."""
    begins = np.flatnonzero(np.concatenate([[True], np.diff(step) != 0]))
    rows = np.diff(np.append(begins, len(step)))
    if float(np.mean(rows == devices)) < OF_EVERY_DEVICE:
        return None
    return np.arange(len(step)) - np.repeat(begins, rows)
