"""The wall clock: seconds per step, pauses, and time that runs backwards."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from analyzer.clocks.elapsed import named_elapsed, tells_elapsed_time
from analyzer.clocks.wall_clock import WallClock
from analyzer.model import NO_STEP, Floats, Ints, Series
from analyzer.timeline import Timeline

TIMESTAMP = re.compile(r"^_?(?:(?:wall|unix|date)[_ ]?(?:time|clock)|time[_ ]?stamp|time)(?:_s|_ms)?$", re.I)
SECONDS_NOW = (1e8, 1e10)  # 1973 to 2286: what seconds since 1970 look like
MILLISECONDS_NOW = (1e11, 1e13)
MICROSECONDS_NOW = (1e14, 1e16)
IN_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}


def read_wall_clock(timeline: Timeline) -> WallClock | None:
    """Read the pace from record times or a column of times; None when the log has neither.

    The view that the clocks are read from is asked first, then the run's other views.
    """
    main = [account for account in timeline.accounts if account.view is timeline.view]
    for account in [*main, *(one for one in timeline.accounts if one.view is not timeline.view)]:
        for series in account.training[:3]:
            if len(series) < 2 or series.step[0] == NO_STEP:
                continue
            found = times_of(series, account.view.series)
            if found is None:
                continue
            time, since, unit, told_by = found
            session = timeline.session_map.of(series)
            return _clock(series, time, session, since, unit, told_by)
    return None


def _clock(series: Series, time: Floats, session: Ints, since: str, unit: str, told_by: str) -> WallClock | None:
    rise, passed = np.diff(series.step), np.diff(time)
    inside = (session[1:] == session[:-1]) & (rise > 0) & np.isfinite(passed)
    if not inside.any():
        return None
    pace = passed[inside] / rise[inside]
    of = session[1:][inside]
    in_order = pace[np.argsort(of, kind="stable")]
    own = np.split(in_order, np.cumsum(np.bincount(of, minlength=int(session.max()) + 1))[:-1])
    by_session = [float(np.median(part)) if len(part) >= 3 else float("nan") for part in own]
    finite = time[np.isfinite(time)]
    return WallClock(first=float(finite[0]), last=float(finite[-1]), seconds_per_step=float(np.median(pace)),
                     series=series, time=time, session=session, since=since, unit=unit, told_by=told_by,
                     pace=tuple(by_session))


def times_of(series: Series, others: Mapping[str, Series]) -> tuple[Floats, str, str, str] | None:
    """Time of every row of a series in seconds, what it counts from, its unit and who told it."""
    if np.isfinite(series.wall_time).all():
        return series.wall_time, "1970", "s", "record times"
    found = []
    for tag, column in others.items():
        is_elapsed = tells_elapsed_time(column)
        if not is_elapsed and not TIMESTAMP.match(tag):
            continue
        time, unit = at_rows_of(series, column), unit_of(column.value)
        if time is None or (unit is None and not is_elapsed):
            continue
        seconds, named = time * IN_SECONDS[unit or "s"], unit is not None or named_elapsed(column)
        since = "start" if unit is None else "1970"
        found.append((not named, -float(np.nanmax(seconds)), seconds, since, unit or "s", tag))
    # What is named so; else what rises furthest: the time of evaluations so far is a part of that of all.
    return min(found, key=lambda one: one[:2])[2:] if found else None


def unit_of(value: Floats) -> str | None:
    """Unit of times since 1970, by their size; None when they count from somewhere else."""
    finite = value[np.isfinite(value)]
    if not len(finite):
        return None
    middle = float(np.median(finite))
    for unit, (low, high) in (("s", SECONDS_NOW), ("ms", MILLISECONDS_NOW), ("us", MICROSECONDS_NOW)):
        if low <= middle < high:
            return unit
    return None


def at_rows_of(series: Series, column: Series) -> Floats | None:
    """Values of a column in the rows of a series, shape (n,); None unless nearly every row has one."""
    keys = (column.source.astype(np.int64) << 40) + column.row
    wanted = (series.source.astype(np.int64) << 40) + series.row
    if not len(keys):
        return None
    if np.array_equal(keys, wanted):  # also the states of a bar, which stand in one line
        return column.value
    if np.any(np.diff(keys) < 0):
        order = np.argsort(keys, kind="stable")
        keys, value = keys[order], column.value[order]
    else:
        value = column.value
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    found = keys[at] == wanted
    if np.count_nonzero(found) < 0.9 * len(wanted):
        return None
    return np.where(found & np.isfinite(value[at]), value[at], np.nan)
