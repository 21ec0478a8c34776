"""The clock on the wall of a table: its column of absolute times, as seconds since 1970."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from msgspec.structs import replace

from analyzer.model import Floats
from analyzer.readers.columns import Column, Dialect
from analyzer.readers.columns.stamps import FIRST_YEAR, LAST_YEAR, seconds_of_stamps
from analyzer.readers.columns.step_axis import normal
from analyzer.readers.columns.texts import PackedText

ABSOLUTE_SECONDS = (978_307_200.0, 4_102_444_800.0)  # 2001-01-01 .. 2100-01-01, in seconds since 1970
DAY = 86_400.0  # seconds
FEWEST_DAY_TIMES = 8  # fewer durations may go up by chance
_DAY_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d):([0-5]\d(?:\.\d{1,9})?)")
_DATE = re.compile(r"\d{4}([-/.])\d{1,2}\1\d{1,2}|\d{1,2}([-/.])\d{1,2}\2\d{4}|\d{1,2}-[A-Z][a-z]{2}-\d{4}")
_WALL = re.compile(
    r"^(?:.*/)?_?(?:timestamps?|time_?stamps?|wall[_ ]?(?:time|clock)s?|walltime|date[_ ]?time|date|time|ts|"
    r"created(?:_at)?|logged_at|asctime|local_?time|utc(?:_?time)?|unix_?time|end_time)(?:_?(?:ms|s|utc|unix))?$",
    re.I,
)

_IN_EITHER_ORDER = ("%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%d/%m/%Y %I:%M:%S %p")
_FORMS: tuple[str | None, ...] = (
    None, "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M:%S.%f", *_IN_EITHER_ORDER, "%d.%m.%Y %H:%M:%S", "%d-%b-%Y %H:%M:%S",
    "%d %b %Y %H:%M:%S", "%a %b %d %H:%M:%S %Y",
)  # fmt: skip
_EITHER_ORDER = re.compile(r"\d{1,2}/\d{1,2}/\d{4} ")
_OF_ASCTIME = re.compile(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d ")


def seconds_since_1970(value: Floats) -> Floats | None:
    """Times in s, ms, us or ns since 1970 as seconds; None when they are no absolute times."""
    finite = value[np.isfinite(value)]
    if not len(finite):
        return None
    middle = float(np.median(finite))
    for scale in (1.0, 1e3, 1e6, 1e9):
        if ABSOLUTE_SECONDS[0] <= middle / scale <= ABSOLUTE_SECONDS[1]:
            return value / scale
    return None


def seconds_of_text(cells: Sequence[str]) -> Floats | None:
    """ISO 8601 and the usual log timestamps as seconds since 1970 (UTC where no zone is written), or None."""
    seconds = seconds_of_stamps(cells.cells) if isinstance(cells, PackedText) else np.full(len(cells), np.nan)
    left = np.flatnonzero(np.isnan(seconds)).tolist()
    forms = _forms_of([cells[index] for index in left]) if left else _FORMS
    failed = 0
    for index in left:
        parsed = seconds_of_stamp(cells[index], forms)
        if parsed is not None:
            seconds[index] = parsed
            continue
        if index < 3 or failed / index > 0.1:
            return None
        failed += 1
    return seconds if len(cells) else None


def seconds_of_day_times(cells: Sequence[str]) -> Floats | None:
    """Times of day (``09:23:23``) as seconds from an unknown day on; None where they are durations.

    They go forward, but for midnight. What they cannot tell is how many whole days lie between two rows.
    """
    found = [_DAY_TIME.fullmatch(cell.strip()) for cell in cells]
    if len(found) < FEWEST_DAY_TIMES or None in found:
        return None
    parts = [match.groups() for match in found if match is not None]
    of_day = np.array([int(hour) * 3600 + int(minute) * 60 + float(second) for hour, minute, second in parts])
    back = np.diff(of_day) < 0
    if (np.diff(of_day)[back] > -DAY / 2).any() or not (np.diff(of_day) != 0).any():
        return None
    return ABSOLUTE_SECONDS[0] + of_day + DAY * np.append(0, np.cumsum(back))


def tells_the_day_time(column: Column) -> bool:
    """Whether a column of ``22:05:01`` is a clock on the wall: it passes midnight, or began later than it went on.

    A duration begins near 0; one that does not tells the same distances as a clock.
    """
    seconds = seconds_of_day_times(column.text) if names_a_time(column.name) else None
    if seconds is None:
        return False
    begins = float(seconds[0]) - ABSOLUTE_SECONDS[0]
    return begins > float(seconds[-1] - seconds[0]) or float(seconds[-1]) >= ABSOLUTE_SECONDS[0] + DAY


def with_dates_joined(columns: list[Column]) -> list[Column]:
    """The columns, one of dates alone and one of times of day made one: ``2024-05-03`` beside ``22:05:01``."""
    rows = {one.name: one for one in columns if len(one.text) and not len(one.value) and names_a_time(one.name)}
    dates = next((one for one in rows.values() if all(map(_DATE.fullmatch, one.text))), None)
    times = next((one for one in rows.values() if all(map(_DAY_TIME.fullmatch, one.text))), None)
    if dates is None or times is None or list(dates.text_at) != list(times.text_at):
        return columns
    stamps = [f"{date} {time}" for date, time in zip(dates.text, times.text, strict=True)]
    joined = replace(dates, text=stamps)
    return [joined if one is dates else one for one in columns if one is not times]


def _forms_of(cells: Sequence[str]) -> Sequence[str | None]:
    """The forms of a column's dates: where day and month may stand in either order, that by which least time passed.

    ``05/01/2024`` above ``05/13/2024`` is the first of May, whatever it could be alone.
    """
    ends = cells[0].strip()
    if _EITHER_ORDER.match(ends) is None:
        return _FORMS
    spans = []
    for form in _IN_EITHER_ORDER:
        told = [seconds_of_stamp(cell, (form,)) for cell in cells]
        known = [one for one in told if one is not None]
        spans.append((len(told) - len(known), max(known, default=0.0) - min(known, default=0.0)))
    return (_IN_EITHER_ORDER[spans.index(min(spans))], *_FORMS)


def seconds_of_stamp(cell: str, forms: Sequence[str | None] = ()) -> float | None:
    """One timestamp as seconds since 1970, or None."""
    stamp = cell.strip().strip("[]").replace(",", ".", 1)
    if len(stamp) < 10 or not (stamp[0].isdigit() or _OF_ASCTIME.match(stamp)):
        return None
    for pattern in forms or _FORMS:
        try:
            moment = datetime.fromisoformat(stamp) if pattern is None else datetime.strptime(stamp, pattern)
        except ValueError:
            continue
        if not FIRST_YEAR <= moment.year <= LAST_YEAR:
            return None  # a date with a lost or changed digit
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return None


def names_a_time(name: str) -> bool:
    """Whether a column of this name could hold absolute times."""
    return _WALL.search(normal(name)) is not None


def wall_times(columns: Sequence[Column], rows: int, dialect: Dialect) -> tuple[str | None, Floats]:
    """The column of absolute times and its seconds for every row, NaN where there is none."""
    for column in columns:
        if column.name != dialect.wall_column and not names_a_time(column.name):
            continue
        if column.name in dialect.elapsed_columns:
            continue
        if len(column.value) >= len(column.text):
            seconds = seconds_since_1970(column.value)
            if seconds is None:
                continue
            at: Any = column.positions(rows)
        else:
            seconds = seconds_of_text(column.text)
            seconds = seconds_of_day_times(column.text) if seconds is None else seconds
            if seconds is None:
                continue
            at = np.asarray(column.text_at, dtype=np.int64)
        wall = np.full(rows, np.nan)
        wall[at] = seconds
        return column.name, wall
    return None, np.broadcast_to(np.nan, rows)  # one NaN in memory for all rows
