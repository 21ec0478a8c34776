"""Where a log leaves a schedule and how it goes on: another counter, a standstill, a factor, single rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from analyzer.clocks.scheduler.counters import CounterTable, counters_of
from analyzer.distinct import distinct
from analyzer.model import Floats

How = Literal["single", "shift", "scale", "level"]
Value = Callable[[Floats], Floats]
SINGLE_ROWS = 2  # rows in a row that may be off and still be single rows
FEWEST_GOOD = 5  # rows on the schedule, and the share of all rows, beside which others may be single
GOOD_SHARE = 0.6
MOST_SINGLES = 20
FEWEST_AFTER = 3  # rows that a change must last, or to the end
LONGEST_WAIT = 16  # updates; a loss scale of 2**16 halves that often before it is 1
NEAR = 6  # rows on which another counter is looked for
MOST_COUNTERS = 80  # the nearest of them, and as many spread over the rest
LOOKED_AT = 48  # rows on which they are compared
TRIED_TO_THE_END = 8
LONGEST_RAMP = 20_000  # rows
LOWEST_SHARE = 0.5  # of the schedule, from which a warmup begins or below
LONGEST_LEVEL = 100_000  # rows back, in which a change may lie unseen
MOST_SHARE = 0.25  # of the rows so far: with a break at every fourth there is no schedule that is left
FEW_CHANGES = 3
BY_CHANCE = 0.05  # of the way to the next counter that a rate's own digits leave open
VAGUE = 0.1  # relative; a rate printed with one digit tells no factor
FACTOR = 1e-3  # relative; a smaller one is an estimate's own error


class CounterChange(Struct, frozen=True, kw_only=True):
    """From row ``place`` on, for ``rows`` rows, the log follows the schedule in another way."""

    place: int
    rows: int
    how: How
    size: float  # rows, counters beyond the row's own, the factor, or the level
    since: int | None = None  # first row from which on this explains the rows as well: where nothing moves no row tells


def changes(
    value: Value, table: CounterTable, x: Floats, y: Floats, tolerance: Floats, *, most: int, counter_only: bool
) -> list[CounterChange] | None:
    """The fewest changes that pass through every row, by always taking what lasts longest; None when nothing does.

    Args:
        most: changes, after which it is given up.
        counter_only: the counter alone may change (it waits, jumps, stands still), not the rate beside it.
    """
    found: list[CounterChange] = []
    shift, factor = 0.0, 1.0
    only_waits, clear = True, None
    place = kept_until(value, x, y, tolerance, 0)
    while place < len(x):
        often = len(found) > FEW_CHANGES and len(found) > MOST_SHARE * place
        if often and only_waits and clear is None:
            clear = resolved(value, x, tolerance)  # of all rows: once
        if len(found) >= most or (often and not (only_waits and clear)):
            return None
        away = factor != 1 or bool(found and found[-1].how == "level")
        options = list(_counters_on(value, table, x, y, tolerance, place, shift, away=away))
        if not counter_only:
            options += _rates_on(value, x, y, tolerance, place, shift, factor)
        lasting = [one for one in options if _lasts(one, shift, len(x))]
        counted = max((one.rows for one in lasting if one.how == "shift" and _goes_on(value, x, one)), default=0)
        lasting = [one for one in lasting if one.how != "level" or one.rows > counted]
        if not lasting:
            return None
        best = max(lasting, key=lambda one: (one.rows, one.how != "scale", _near(one, shift)))
        if best.how == "shift":
            before = found[-1].place if found else 0
            best = replace(best, since=held_since(value, x, y, tolerance, best.size, place, before))
        found.append(best)
        only_waits = only_waits and _waits(best, shift)
        if best.how == "shift":
            shift, factor = best.size, 1.0
        elif best.how == "scale":
            factor = best.size
        place += best.rows
    single = int(sum(one.size for one in found if one.how == "single"))
    return None if single and not _is_followed(len(x) - single, len(x)) else found


def _waits(change: CounterChange, shift: float) -> bool:
    """Whether a counter only waited for a few updates, as it does where they are skipped."""
    return change.how == "shift" and 0 < shift - change.size <= LONGEST_WAIT


def resolved(value: Value, x: Floats, tolerance: Floats) -> bool:
    """Whether rates tell whole counters apart, so that none fits by chance: a path of waits through every row is then
    no schedule of another length."""
    return bool(np.mean(2 * tolerance <= BY_CHANCE * np.abs(value(x + 1) - value(x))) >= GOOD_SHARE)


def _goes_on(value: Value, x: Floats, change: CounterChange) -> bool:
    """Whether a schedule moves on behind the rows on which a counter followed it: till then it stood still as well."""
    last = x[change.place + change.rows - 1] + change.size
    return bool(value(np.array([2 * last + 1]))[0] != value(np.array([last]))[0])


def _near(change: CounterChange, shift: float) -> float:
    return -abs(change.size - shift) if change.how == "shift" else 0.0


def _lasts(change: CounterChange, shift: float, count: int) -> bool:
    """Whether a change is more than the row that it begins with: a wait may be followed by another at once."""
    if change.how == "shift":
        return _waits(change, shift) or change.rows >= FEWEST_AFTER or change.place + change.rows == count
    return change.rows >= FEWEST_AFTER or change.how == "single"


def _is_followed(good: int, rows: int) -> bool:
    """Whether a schedule passes through so many rows that others beside it may be odd ones."""
    return good >= max(FEWEST_GOOD, GOOD_SHARE * rows)


def single_rows(good: NDArray[np.bool_]) -> list[CounterChange] | None:
    """Misses that come one or two at a time beside a schedule that passes through most rows; None for others."""
    if good.all() or not good[-1] or not _is_followed(int(good.sum()), len(good)):
        return None
    edges = np.flatnonzero(np.diff(np.concatenate([[True], good, [True]]).astype(np.int8)))
    begins, lengths = edges[::2], edges[1::2] - edges[::2]
    if len(lengths) > MOST_SINGLES or (lengths > SINGLE_ROWS).any():
        return None
    ends = np.append(begins[1:], len(good))
    return [
        CounterChange(place=int(at), rows=int(end - at), how="single", size=float(length))
        for at, end, length in zip(begins, ends, lengths, strict=True)
    ]


def _counters_on(
    value: Value, table: CounterTable, x: Floats, y: Floats, tolerance: Floats, place: int, shift: float, *, away: bool
) -> Iterator[CounterChange]:
    """Every counter with which the rows from a place on may follow the schedule, with how long each lasts."""
    for c in _shifts(value, table, x, y, tolerance, place, shift, away=away):
        end = kept_until(lambda at, c=c: value(at + c), x, y, tolerance, place)  # type: ignore[misc]
        yield CounterChange(place=place, rows=end - place, how="shift", size=c)
    level = float(y[place])
    end = kept_until(lambda at: np.full_like(at, level), x, y, tolerance, place, slack=2.0)
    yield CounterChange(place=place, rows=end - place, how="level", size=level)


def _rates_on(
    value: Value, x: Floats, y: Floats, tolerance: Floats, place: int, shift: float, factor: float
) -> Iterator[CounterChange]:
    """Single rows beside the schedule, or all further rows a multiple of it."""
    for skip in range(1, SINGLE_ROWS + 1):
        if place + skip == len(x):
            yield CounterChange(place=place, rows=skip, how="single", size=skip)
        elif place + skip < len(x):
            end = kept_until(lambda at: factor * value(at + shift), x, y, tolerance, place + skip)
            if end - place - skip >= min(FEWEST_AFTER, len(x) - place - skip):  # they come back
                yield CounterChange(place=place, rows=end - place, how="single", size=skip)
                break
    ahead = slice(place, place + FEWEST_AFTER)
    now = value(x[ahead] + shift)
    weight = now / tolerance[ahead] ** 2
    if now.max() <= 0 or tolerance[place] > VAGUE * y[place]:
        return
    other = float(np.sum(weight * y[ahead]) / np.sum(weight * now))
    if other > 0 and abs(other - 1) > FACTOR:
        end = kept_until(lambda at: other * value(at + shift), x, y, tolerance, place, slack=2.0)
        yield CounterChange(place=place, rows=end - place, how="scale", size=other)


def _shifts(
    value: Value, table: CounterTable, x: Floats, y: Floats, tolerance: Floats, place: int, near: float, *, away: bool
) -> list[float]:
    """Counters, beyond each row's own, with which the schedule passes longest through the next rows.

    Args:
        near: the counter before; ``away``: the rate was not its own, and may come back to it.
    """
    part = slice(place, place + LOOKED_AT)
    at, rate, slack = x[part], y[part], tolerance[part]
    first = range(min(NEAR, len(at)))
    choices = [counters_of(table, rate[k] - slack[k], rate[k] + slack[k]) - at[k] for k in first]
    shifts = min(choices, key=len)
    if len(shifts) > MOST_COUNTERS:
        order = shifts[np.argsort(np.abs(shifts - near), kind="stable")]
        spread = order[np.linspace(0, len(order) - 1, MOST_COUNTERS).astype(np.int64)]
        shifts = np.concatenate([order[:MOST_COUNTERS], spread])
    waits = near - np.arange(1.0, LONGEST_WAIT + 1)  # each of the next rows may be followed by another wait
    shifts = distinct(np.concatenate([waits, shifts if away else shifts[shifts != near]]))
    miss = np.abs(value(at[None, :] + shifts[:, None]) - rate) > slack
    lasts = np.where(miss.any(axis=1), np.argmax(miss, axis=1), len(at))
    wait = (near - shifts > 0) & (near - shifts <= LONGEST_WAIT)
    order = np.lexsort((np.abs(shifts - near), -lasts))
    order = order[lasts[order] >= np.where(wait[order], 1, min(FEWEST_AFTER, len(at)))][:TRIED_TO_THE_END]
    return [float(shifts[k]) for k in order]


def held_since(value: Value, x: Floats, y: Floats, tolerance: Floats, shift: float, place: int, least: int) -> int:
    """First row, not before ``least``, from which on a counter explains every row up to ``place``."""
    part = slice(max(least, place - LONGEST_LEVEL), place)
    miss = np.flatnonzero(np.abs(value(x[part] + shift) - y[part]) > tolerance[part])
    return part.start + int(miss[-1]) + 1 if len(miss) else part.start


def kept_until(value: Value, x: Floats, y: Floats, tolerance: Floats, start: int, slack: float = 1.0) -> int:
    """First row from ``start`` on that a schedule misses; looked for in growing stretches."""
    width = 64
    while start < len(x):
        part = slice(start, start + width)
        miss: NDArray[np.bool_] = np.abs(value(x[part]) - y[part]) > slack * tolerance[part]
        if miss.any():
            return start + int(np.argmax(miss))
        start, width = start + width, width * 4
    return len(x)
