"""Who wrote a view: one process after another, two at once, or one process with two loggers.

Rows of two writers must never be read as one series: each clock would see every step twice. The view that the clocks
read keeps the first writer's rows; the run keeps all of them, and the rules say what the others were.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import PurePath
from typing import Literal

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from analyzer.model import NO_STEP, Ints, Series, Source, View
from analyzer.roles import preference, role_of_tag

ROWS_WITHIN = 3  # rows that each of two files must have inside the other's span of time
TRAINING_ROLES = ("loss", "learning_rate", "grad_norm", "samples", "tokens", "epoch_loss")
COPIES_NEEDED = 2
ALONE = 0.1  # share of a writer's rows at steps of its own: a life of its own that overlapped with the next one
RETURNS_NEEDED = 3  # an interleaved file returns to the end of an earlier stream; three returns are no accident


class Simultaneous(Struct, frozen=True, kw_only=True):
    """Two accounts of the same steps, written at the same time. ``kept`` stays in the view that the clocks read."""

    kind: Literal["processes", "loggers"]  # two processes, or one process that has two loggers
    kept: int  # index into Run.sources
    other: int  # the same as ``kept`` when both wrote into one file
    tag: str
    first_kept: int  # index into the raw series of ``tag``: the first row while both wrote
    first_other: int
    rows: int  # rows of ``tag`` that the other writer wrote meanwhile
    equal_values: bool  # at equal steps the values are equal to the last bit
    alone: tuple[int, int] | None = None  # the other wrote many steps below or above these, and they stay in the view


def simultaneous_writers(view: View, sources: Sequence[Source]) -> tuple[Simultaneous, ...]:
    """Pairs of writers that wrote the same tags at the same time, the first of each pair kept."""
    found = list(_pairs_of_files(view, sources))
    for source in view.sources:
        if sources[source].format == "tfevents":
            continue  # every event writer opens a file of its own
        pair = _interleaved(view, source)
        if pair is not None:
            found.append(pair)
    return tuple(found)


def without_other_writers(view: View, pairs: Sequence[Simultaneous]) -> View:
    """The view with one writer's rows only."""
    if not pairs:
        return view
    dropped = {pair.other for pair in pairs if pair.other != pair.kept and pair.alone is None}
    partly = [pair for pair in pairs if pair.other != pair.kept and pair.alone is not None]
    shared = [pair.kept for pair in pairs if pair.other == pair.kept and pair.kept not in dropped]
    series = {}
    for tag, one in view.series.items():
        keep = ~np.isin(one.source, list(dropped))
        for pair in partly:
            low, high = pair.alone or (0, 0)
            keep &= (one.source != pair.other) | (one.step < low) | (one.step > high)
        for source in shared:
            mine = np.flatnonzero(one.source == source)
            streams = split_streams(one.step[mine])
            if streams is not None:
                keep[mine[streams != 0]] = False
        if keep.any():
            series[tag] = one if keep.all() else rows_of(one, keep)
    return replace(view, series=series, sources=tuple(index for index in view.sources if index not in dropped))


def training_series(view: View) -> list[Series]:
    """The series that are written at every logged training step, the one that tells sessions best first."""
    order = {role: index for index, role in enumerate(TRAINING_ROLES)}
    roles = [(role_of_tag(tag) or "", series) for tag, series in view.series.items() if len(series)]
    known = [(role, series) for role, series in roles if role in order] or roles
    # A loss of three validation rows must not speak for a training loss of thousands.
    longest = max((len(series) for _, series in known), default=0)
    known = [(role, series) for role, series in known if 4 * len(series) >= longest]
    known.sort(key=lambda item: (order.get(item[0], len(order)), *preference(*item)))
    return [series for _, series in known]


def rows_of_source(series: Series, source: int) -> slice:
    """The points of one file in a series; files follow one another in written order."""
    number = series.source.dtype.type(source)  # of its own type: a wider one would copy the column
    begin, end = (int(np.searchsorted(series.source, number, side=side)) for side in ("left", "right"))
    return slice(begin, end)


def place_of(series: Series, cut: tuple[int, int]) -> int:
    """The first point of a series at or behind a cut, a source and a row in it."""
    inside = rows_of_source(series, cut[0])
    return inside.start + int(np.searchsorted(series.row[inside], cut[1]))


def without_repeated_rows(view: View) -> View:
    """The view without second copies of rows, where its training loss has rows that repeat the one before.

    A doubled row halves every noise and doubles every count that is taken from the rows.
    """
    told = next(iter(training_series(view)), None)
    if told is None or role_of_tag(told.tag) != "loss" or np.count_nonzero(_copies(told)) < COPIES_NEEDED:
        return view
    series = {tag: rows_of(one, ~_copies(one)) for tag, one in view.series.items()}
    return replace(view, series=series)


def _copies(series: Series) -> NDArray[np.bool_]:
    """Points with step and value of the point before, in the same file."""
    same = np.zeros(len(series), dtype=np.bool_)
    same[1:] = (np.diff(series.step) == 0) & (np.diff(series.source) == 0) & (series.value[1:] == series.value[:-1])
    return same & (series.step != NO_STEP)


def rows_of(series: Series, keep: NDArray[np.bool_]) -> Series:
    """The points of a series for which ``keep`` is true."""
    return replace(series, step=series.step[keep], value=series.value[keep], wall_time=series.wall_time[keep],
                   source=series.source[keep], row=series.row[keep])


def _pairs_of_files(view: View, sources: Sequence[Source]) -> list[Simultaneous]:
    found: list[Simultaneous] = []
    taken: set[int] = set()
    if len(view.sources) < 2:
        return found
    spans = {source: _span_of_time(view, source) for source in view.sources}
    for at, first in enumerate(view.sources):
        for second in view.sources[at + 1 :]:
            if first in taken or second in taken or not _overlap(spans[first], spans[second]):
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
    kept, other = (first, second) if len(mine) >= len(theirs) else (second, first)
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


def _overlap(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


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


def _interleaved(view: View, source: int) -> Simultaneous | None:
    """Two streams in one file: it falls and returns to exactly the end of the earlier stream, three times or more."""
    for series in training_series(view):
        mine = np.flatnonzero(series.source == source)
        if len(mine) < 4 * RETURNS_NEEDED or series.step[mine[0]] == NO_STEP:
            continue
        streams = split_streams(series.step[mine])
        if streams is None:
            continue
        one, two = mine[streams == 0], mine[streams == 1]
        _, at_one, at_two = np.intersect1d(series.step[one], series.step[two], return_indices=True)
        equal = bool(np.all(series.value[one[at_one]] == series.value[two[at_two]]))
        return Simultaneous(kind="processes", kept=source, other=source, tag=series.tag, first_kept=int(one[0]),
                            first_other=int(two[0]), rows=len(two), equal_values=equal)
    return None


def split_streams(step: Ints) -> NDArray[np.int64] | None:
    """Stream (0 or 1) of every row of one file's series that two processes wrote in turns; None when one wrote it.

    Each run of rising steps continues the stream whose end it follows by exactly one cadence. Two streams are believed
    when the file returned to either stream's end at least three times, and every run fits one of them.
    """
    falls = np.flatnonzero(np.diff(step) < 0) + 1
    if len(falls) < RETURNS_NEEDED:
        return None
    rises = np.diff(step)
    rises = rises[rises > 0]
    if not len(rises):
        return None
    # In the turns of two writers the usual difference is the cadence only if runs are longer than a row; the smallest
    # difference that occurs often is the cadence in either case.
    values, counts = np.unique(rises, return_counts=True)
    cadence = int(values[np.argmax(counts >= 0.1 * counts.max())])
    breaks = np.flatnonzero(np.diff(step) != cadence) + 1
    bounds = [0, *breaks.tolist(), len(step)]
    if len(bounds) > 200_000:
        return None
    ends: list[int] = []
    stream = np.zeros(len(step), dtype=np.int64)
    returns = misfits = 0
    for begin, end in pairwise(bounds):
        first, last = int(step[begin]), int(step[end - 1])
        fits = [index for index, stop in enumerate(ends) if stop + cadence == first]
        if fits:
            chosen = fits[0]
            returns += 1
        elif len(ends) < 2:
            chosen = len(ends)
            ends.append(first)
        else:
            misfits += 1
            chosen = int(np.argmin([abs(stop + cadence - first) for stop in ends]))
        ends[chosen] = last
        stream[begin:end] = chosen
    size = np.bincount(stream, minlength=2)
    if len(ends) < 2 or returns < 2 * RETURNS_NEEDED or misfits > 0.1 * returns or 4 * size.min() < size.max():
        return None
    return stream
