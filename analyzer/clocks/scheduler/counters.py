"""Where a scheduler's counter may stand at every row: a schedule tabled at whole counters, inverted row by row.

A logged rate is an interval, so it gives a set of counters: one range on each stretch on which the schedule only rises
or only falls. The counter never goes back, so the rows together give a path through these sets. Its lowest and its
highest course bound every counter that the rows admit.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from msgspec import Struct

from analyzer.distinct import distinct
from analyzer.model import Floats, Ints

LOWEST = -2  # counters looked at: a late first call leaves -1, DeepSpeed's schedules one more
LONGEST_TABLE = 2_000_000
MOST_STRETCHES = 2_000
LONGEST_LEVEL = 5_000  # counters of one rate that are told one by one
FIRST_CHUNK = 256  # rows looked at together; four times as many after each


class CounterTable(Struct, frozen=True, kw_only=True, eq=False):
    """A schedule at the whole counters ``first``, ``first + 1``, ...; stretches share their turning points."""

    first: int
    rate: Floats
    starts: Ints  # of the stretches, indices into ``rate``
    ends: Ints  # last index of each


class Course(Struct, frozen=True, kw_only=True, eq=False):
    """A path of a counter that never goes back, as low as can be: the counters around it that each row admits.

    ``refuted`` is the first row that no counter reaches.
    """

    low: Floats
    high: Floats
    refuted: int | None = None


def tabled(value: Callable[[Floats], Floats], highest: float) -> CounterTable | None:
    """A schedule at every whole counter up to ``highest``; None where these are too many."""
    if not highest < LONGEST_TABLE:
        return None
    rate = value(np.arange(LOWEST, max(highest, 1) + 1, dtype=np.float64))
    slack = 1e-12 * float(np.abs(rate).max(initial=0.0))
    change = np.diff(rate)
    way = np.where(np.abs(change) <= slack, 0, np.sign(change)).astype(np.int8)
    told = np.maximum.accumulate(np.where(way != 0, np.arange(len(way)), -1))
    way = np.where(told >= 0, way[told], 0)  # where it stands still it goes on as before
    turns = np.flatnonzero(np.diff(way) * way[1:] != 0) + 1 if len(way) else np.zeros(0, dtype=np.int64)
    turns = turns[way[turns - 1] != 0]
    if len(turns) > MOST_STRETCHES:
        return None
    return CounterTable(
        first=LOWEST,
        rate=rate,
        starts=np.concatenate([[0], turns]).astype(np.int64),
        ends=np.concatenate([turns, [len(rate) - 1]]).astype(np.int64),
    )


def inverted(
    table: CounterTable, stretch: int, low: Floats, high: Floats, *, whole: bool = True
) -> tuple[Floats, Floats]:
    """First and last counter of one stretch whose rates lie in [low, high]; last < first where there is none.

    Args:
        whole: counters are whole numbers; else every number between two of them is one as well.
    """
    start, end = int(table.starts[stretch]), int(table.ends[stretch])
    part = table.rate[start : end + 1]
    if not whole:
        counter = table.first + np.arange(start, end + 1, dtype=np.float64)
        rises = part[-1] >= part[0]
        part, counter = (part, counter) if rises else (part[::-1], counter[::-1])
        ends = np.interp(low, part, counter), np.interp(high, part, counter)
        none = (low > part[-1]) | (high < part[0])
        first, last = ends if rises else ends[::-1]
        return np.where(none, 1.0, first), np.where(none, 0.0, last)
    way = 1.0 if part[-1] >= part[0] else -1.0
    least, most = (low, high) if way > 0 else (-high, -low)
    at_least = np.searchsorted(way * part, least, side="left")
    at_most = np.searchsorted(way * part, most, side="right") - 1
    return table.first + start + at_least.astype(np.float64), table.first + start + at_most.astype(np.float64)


def counters_of(table: CounterTable, low: float, high: float) -> Floats:
    """Every whole counter whose rate lies in [low, high], ascending; the first thousands of a level."""
    found = []
    for stretch in range(len(table.starts)):
        first, last = inverted(table, stretch, np.array([low]), np.array([high]))
        if last[0] >= first[0]:
            found.append(np.arange(first[0], min(last[0], first[0] + LONGEST_LEVEL) + 1))
    return distinct(np.concatenate(found)) if found else np.zeros(0)


def course_through(table: CounterTable, rate: Floats, tolerance: Floats, *, whole: bool = True) -> Course:
    """The lowest path through the counters that every row admits.

    A row that a stretch does not reach sends the path into the next one: it never comes back, and to leave a stretch
    earlier gains nothing.
    """
    low, high = np.full(len(rate), np.nan), np.full(len(rate), np.nan)
    below, above = rate - tolerance, rate + tolerance
    row, least = 0, -np.inf
    for stretch in range(len(table.starts)):
        chunk, began = FIRST_CHUNK, row
        while row < len(rate):
            part = slice(row, row + chunk)
            first, last = inverted(table, stretch, below[part], above[part], whole=whole)
            running = np.maximum.accumulate(np.maximum(first, least))
            wrong = np.flatnonzero((first > last) | (running > last))
            good = int(wrong[0]) if len(wrong) else len(first)
            low[row : row + good], high[row : row + good] = first[:good], last[:good]
            if good:
                least = float(running[good - 1])
            row += good
            if len(wrong):
                break
            chunk *= 4
        _over_the_turns(table, stretch, slice(began, row), below, above, low, high, whole=whole)
    return Course(low=low, high=high, refuted=row if row < len(rate) else None)


def _over_the_turns(
    table: CounterTable, stretch: int, rows: slice, below: Floats, above: Floats, low: Floats, high: Floats, *,
    whole: bool,
) -> None:
    """Ranges that touch a turning point go on behind it."""
    first, last = table.first + float(table.starts[stretch]), table.first + float(table.ends[stretch])
    if stretch + 1 < len(table.starts) and (high[rows] == last).any():
        begins, ends = inverted(table, stretch + 1, below[rows], above[rows], whole=whole)
        high[rows] = np.where((high[rows] == last) & (begins == last), ends, high[rows])
    if stretch > 0 and (low[rows] == first).any():
        begins, ends = inverted(table, stretch - 1, below[rows], above[rows], whole=whole)
        low[rows] = np.where((low[rows] == first) & (ends == first), begins, low[rows])


def simplest(low: float, high: float) -> float:
    """The fraction with the smallest denominator in an interval of positive numbers."""
    for denominator in range(1, 1001):
        numerator = np.ceil(low * denominator - 1e-9)
        if numerator <= high * denominator + 1e-9 and numerator > 0:
            return float(numerator / denominator)
    return 0.5 * (low + high)
