"""Where a log leaves a schedule and how it goes on: moved along, multiplied, held, or off for a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
from msgspec import Struct

from analyzer.distinct import distinct
from analyzer.model import Floats

LOWEST = -2.0  # counters looked at when a session's own counter is searched: from here on
LONGEST_GRID = 2_000_000  # and as many
MOST_CHANGES = 60
FIRST_CHANGES = 12  # by which it shows how many there will be
FAR_TOO_MANY = 90
FEWEST_AFTER = 3  # rows that a change must last
NEWTON_STEPS = 6
CLEARLY = 10  # half widths
LONGEST_WAIT = 16  # updates; a loss scale of 2**16 halves that often before it is 1
MOST_WAITS = 3000
FIRST_STRETCH = 64  # rows on which all waits are tried at once
EVEN_GAPS = 5  # scattered waits lie as far apart as chance has it: the spread of their distances is that of their mean
SINGLE_ROWS = 2  # rows in a row that may be off and still be single rows
Value = Callable[[Floats], Floats]


class Counted(Struct, frozen=True, kw_only=True, eq=False):
    """A schedule at every counter from ``LOWEST`` on."""

    counter: Floats
    rate: Floats


def counted(value: Value, x: Floats) -> Counted | None:
    """The schedule at every counter that a row may have; None where that is too many."""
    high = _highest(x)
    if high - LOWEST > LONGEST_GRID:
        return None
    counter = np.arange(LOWEST, high)
    return Counted(counter=counter, rate=value(counter))


def _highest(x: Floats) -> float:
    return float(x.max(initial=1.0) * 2 + 100)


def own_shifts(
    value: Value, x: Floats, y: Floats, tolerance: Floats, known: Counted | None, *, near: float
) -> list[float]:
    """Whole shifts c for which value(x + c) passes through all rows, the nearest to ``near`` first."""
    if len(x) == 0 or known is None:
        return []
    grid = known.counter[: np.searchsorted(known.counter, _highest(x))]
    values = known.rate[: len(grid)]
    probe = (
        int(np.argmin(np.abs(values[:, None] - y[None, :: max(1, len(y) // 8)]).min(axis=0)))
        if len(values) < 2000
        else len(y) // 2
    )
    probe = min(probe, len(y) - 1)
    shifts = grid[np.abs(values - y[probe]) <= tolerance[probe]] - x[probe]
    for place in distinct(np.linspace(0, len(x) - 1, 24).astype(np.int64)):
        if not len(shifts):
            return []
        shifts = shifts[np.abs(value(x[place] + shifts) - y[place]) <= tolerance[place]]
    order = np.argsort(np.abs(shifts - near), kind="stable")[:20]
    return [float(c) for c in shifts[order] if (np.abs(value(x + c) - y) <= tolerance).all()]


class Change(Struct, frozen=True, kw_only=True):
    """From this row on (for ``rows`` rows) the log follows the reference in another way."""

    place: int
    rows: int
    how: Literal["single", "shift", "scale", "level"]
    size: float


def moves(value: Value, x: Floats) -> bool:
    values = value(x)
    return len(values) > 1 and bool(np.ptp(values) > 1e-9 * np.abs(values).max())


def changes(value: Value, x: Floats, y: Floats, tolerance: Floats, *, shifting: bool) -> list[Change]:
    """Places where the log leaves a schedule and how it goes on; [] when it cannot be said."""
    if shifting:
        shifts = shifts_throughout(value, x, y, tolerance)
        if len(shifts) != 1:
            behind = falls_behind(value, x, y, tolerance)
            if behind and (not shifts or len(behind) <= len(shifts)):
                shifts = behind
        if len(shifts) == 1 and abs(shifts[0].size) > 3:
            # An exponential moved along is one multiplied: the plainer description first.
            for change, _ in _ways_on(value, value, x, y, tolerance, shifts[0].place, None):
                if change.how == "scale" and change.place + change.rows == len(x) and not 0.9 < change.size < 1.1:
                    return [change]
        if shifts:
            return shifts
    found: list[Change] = []
    current: Value = value
    place = kept_until(current, x, y, tolerance, 0)
    known = counted(value, x) if shifting and place < len(x) else None
    while place < len(x):
        if len(found) >= MOST_CHANGES or (len(found) >= FIRST_CHANGES and len(found) * len(x) > FAR_TOO_MANY * place):
            return []
        options = list(_ways_on(value, current, x, y, tolerance, place, known))
        if not options:
            return []
        change, after = max(options, key=lambda option: (option[0].rows, option[0].how == "single"))
        if change.rows < FEWEST_AFTER and change.how != "single":
            return []
        found.append(change)
        current = after
        place += change.rows
    return found


def shifts_throughout(value: Value, x: Floats, y: Floats, tolerance: Floats) -> list[Change]:
    """The counter of every row by Newton's method, where it differs from the reference by whole steps only.

    Rows on flat parts tell nothing and go with the row before. [] when some row is not explained so.
    """
    shift = np.zeros(len(x))
    for _ in range(NEWTON_STEPS):
        ahead, behind = value(x + shift + 0.5), value(x + shift - 0.5)
        slope = ahead - behind
        with np.errstate(all="ignore"):
            step = np.where(np.abs(slope) > 2 * tolerance, (y - value(x + shift)) / slope, 0.0)
        if not np.isfinite(step).all() or np.abs(step).max() > 0.5 * len(x) + 1000:
            return []
        shift += step
        if np.abs(step).max() < 0.05:
            break
    telling = np.abs(slope) > 2 * tolerance
    if telling.sum() < 3:
        return []
    last_told = np.maximum.accumulate(np.where(telling, np.arange(len(x)), -1))
    whole = np.where(last_told >= 0, np.round(shift)[last_told], 0.0)
    whole = np.where(np.abs(value(x) - y) <= tolerance, np.where(telling, whole, _held(whole, telling)), whole)
    lost = np.abs(value(x + whole) - y) > tolerance
    whole = np.where(lost, np.round(shift), whole)  # before it moves at all: the first update was skipped
    if not (np.abs(value(x + whole) - y) <= tolerance).all():
        return []
    starts = np.flatnonzero(np.diff(whole, prepend=0.0) != 0)
    if not len(starts):
        return []
    lengths = np.diff(np.append(starts, len(x)))
    in_turn = np.append((lengths[:-1] == 1) & (lengths[1:] == 1), False)
    if len(starts) > 0.25 * len(x) or in_turn[-3:].any():  # a counter that changes with every row to the end is none
        return []
    sizes = np.concatenate([[0.0], whole[starts]])
    if (sizes[2:] == sizes[:-2]).any() and (lengths[:-1][sizes[2:] == sizes[:-2]] <= SINGLE_ROWS).any():
        return []  # single rows that come back
    return [
        Change(place=int(start), rows=int(length), how="shift", size=float(whole[start]))
        for start, length in zip(starts, lengths, strict=True)
    ]


def falls_behind(value: Value, x: Floats, y: Floats, tolerance: Floats) -> list[Change]:
    """A counter that waits at scattered rows and follows the schedule in between, through the turns of it as well.

    At every row that is missed the wait is taken that lasts longest. [] when some row is not explained so, or the
    waits come evenly: then the schedule is a longer one.
    """
    found: list[Change] = []
    furthest = min(max(LONGEST_WAIT, 2 * int(np.median(np.diff(x)))), 4 * LONGEST_WAIT) if len(x) > 1 else 0
    waits = np.arange(1.0, furthest + 1)
    waited = 0.0
    place = kept_until(value, x, y, tolerance, 0)
    while place < len(x):
        if len(found) >= min(MOST_WAITS, 0.25 * len(x)) or not len(waits):
            return []
        wait, end = _lasting_wait(value, x, y, tolerance, place, waited, waits)
        if end == place:
            return []
        waited -= wait
        found.append(Change(place=place, rows=end - place, how="shift", size=waited))
        place = end
    gaps = np.diff([change.place for change in found])
    if len(gaps) >= EVEN_GAPS and np.std(gaps) < 0.3 * np.mean(gaps):
        return []
    return found


def _lasting_wait(
    value: Value, x: Floats, y: Floats, tolerance: Floats, place: int, waited: float, waits: Floats
) -> tuple[float, int]:
    """The further wait from a row on that lasts longest, and the first row that it misses."""
    near = slice(place, place + FIRST_STRETCH)
    miss = np.abs(value(x[near][None, :] + (waited - waits)[:, None]) - y[near]) > tolerance[near]
    ends = np.where(miss.any(axis=1), np.argmax(miss, axis=1), miss.shape[1]) + place
    for number in np.flatnonzero(ends == place + miss.shape[1]):
        by = waited - float(waits[number])
        ends[number] = kept_until(lambda at, by=by: value(at + by), x, y, tolerance, int(ends[number]))  # type: ignore[misc]
    longest = int(np.argmax(ends))
    return float(waits[longest]), int(ends[longest])


def _held(whole: Floats, telling: np.ndarray) -> Floats:
    """Before the first telling row the reference itself holds."""
    first = int(np.argmax(telling))
    return np.where(np.arange(len(whole)) < first, 0.0, whole)


def kept_until(value: Value, x: Floats, y: Floats, tolerance: Floats, start: int, slack: float = 1.0) -> int:
    """First row from ``start`` on that a schedule misses; looked for in growing stretches."""
    width = 64
    while start < len(x):
        part = slice(start, start + width)
        miss = np.abs(value(x[part]) - y[part]) > slack * tolerance[part]
        if miss.any():
            return start + int(np.argmax(miss))
        start, width = start + width, width * 4
    return len(x)


def _ways_on(
    value: Value,
    current: Value,
    x: Floats,
    y: Floats,
    tolerance: Floats,
    place: int,
    known: Counted | None,
) -> Iterator[tuple[Change, Value]]:
    """Every way in which the rows from a place on may follow the schedule, with how long each lasts.

    ``known``: the schedule at every counter, where the rows may have another one.
    """
    for skip in range(1, SINGLE_ROWS + 1):
        if place + skip < len(x):
            end = kept_until(current, x, y, tolerance, place + skip)
            if end - place - skip >= min(3, len(x) - place - skip):
                yield Change(place=place, rows=end - place, how="single", size=skip), current
                break
    ahead = slice(place, min(place + 50, len(x)))
    if len(x[ahead]) >= 2:
        near = slice(place, min(place + 6, len(x)))
        for c in own_shifts(value, x[near], y[near], tolerance[near], known, near=0.0)[:6]:

            def moved(at: Floats, c: float = c) -> Floats:
                return value(at + c)

            end = kept_until(moved, x, y, tolerance, place)
            yield Change(place=place, rows=end - place, how="shift", size=c), moved
    now = current(x[ahead])
    weight = now / tolerance[ahead] ** 2
    if now.max() > 0:
        factor = float(np.sum(weight * y[ahead]) / np.sum(weight * now))
        if factor > 0 and abs(factor - 1) > 1e-3:

            def multiplied(at: Floats, factor: float = factor, current: Value = current) -> Floats:
                return factor * current(at)

            end = kept_until(multiplied, x, y, tolerance, place, slack=2.0)
            yield Change(place=place, rows=end - place, how="scale", size=factor), multiplied
    level = float(y[place])

    def still(at: Floats) -> Floats:
        return np.full_like(at, level)

    end = kept_until(still, x, y, tolerance, place, slack=2.0)
    yield Change(place=place, rows=end - place, how="level", size=level), still
