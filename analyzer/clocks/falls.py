"""Why a counter falls: the competing explanations of all falls of one counter in one file, by price.

| explanation | predicts |
|---|---|
| lives | a trace of a new process at each fall; rows that never return to where earlier rows ended |
| laps | every fall goes back to the beginning, from the same place; the epoch label goes up in that row |
| passes | each fall goes back to the beginning of the same stretch, or to the one that follows the last |
| turns | each run of rows goes on exactly where an earlier one ended: several writers |
| another unit | a few rows on another scale, behind which the count goes on as if nothing had been |

Pure functions over values in written order; the caller says what else happened at each fall.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from analyzer.clocks.prices import (
    HABIT,
    LAPS_IN_STEP_WITH_LABELS,
    LAPS_WITH_LATE_LABELS,
    LIFE,
    LIFE_WITH_A_TRACE,
    MISFIT,
)
from analyzer.model import Ints

Cause = Literal["none", "lives", "laps", "passes", "turns", "another unit", "unknown"]

LIVES_WITHOUT_A_TRACE = 2  # so many at most are believed of one file; a log that falls more often does not show why
RUNS_LOOKED_AT = 200_000  # unbroken runs of rows; more of them are no account of anything
OFTEN = 0.1  # of the most frequent rise: in turns of single rows the usual difference is not the cadence
RETURNS_OF_WRITERS = 6  # turns of two: three times each, which no accident makes
SHARE_OF_A_WRITER = 0.2  # of the rows while it writes, the least that a writer has; rows of another unit are rarer
STREAMS_AT_MOST = 64
NEARLY = 3  # cadences: a row or two of a writer may be lost
EXCEPTIONS = 2  # misfits of a habit, or this share of its falls: with more it is none
SHARE_OF_EXCEPTIONS = 0.25
LATE = 3  # rows by which a label may change before or behind the counter,
ROWS_TO_LATE = 8  # and no more than one of so many rows of a lap
ROWS_OF_A_BLOCK = 3  # rows in turns that show whether two processes wrote them at one time
PASSES_AT_LEAST = 3  # falls: fewer show no rhythm


class Falls(Struct, frozen=True, kw_only=True, eq=False):
    """All falls of one counter in one file and their cheapest explanation. Arrays of n rows or m falls."""

    cause: Cause
    at: Ints  # (m,) indices of the rows that fell
    price: float = 0.0
    stream: Ints | None = None  # (n,) whose row each is, for turns and another unit; 0 is the main one
    as_likely: Cause | None = None  # another habit that explains as much, where only names tell the two apart

    @property
    def begins(self) -> Ints:
        """The rows at which a new life begins, where lives are the explanation."""
        return self.at if self.cause == "lives" else self.at[:0]


class Beside(Struct, frozen=True, kw_only=True, eq=False):
    """What else a log shows at each row of a counter. Arrays of n rows."""

    traces: NDArray[np.bool_]  # a header, a start marker, a pause
    timer: NDArray[np.bool_]  # a column of elapsed seconds starts over: of the process, or of the epoch
    state: NDArray[np.bool_]  # a value without noise went back with the counter, or over
    on: NDArray[np.bool_]  # one went on where it fell: of a new process, or of no process at all
    over: NDArray[np.bool_]  # the loss starts over
    label: NDArray[np.float64] | None = None  # the epoch label in force; None without labels
    time: NDArray[np.float64] | None = None  # seconds; None without times
    plays: bool = False  # reinforcement learning, whose loops go over each batch several times


def explain_falls(count: Ints, beside: Beside) -> Falls:
    """The cheapest explanation of the falls of a counter; a repeat is one where the epoch label falls.

    Args:
        count: the counter in written order, shape (n,).
        beside: what else the log shows at the same n rows.
    """
    at = falls_of(count, beside.label)
    if not len(at):
        return Falls(cause="none", at=at)
    cadence = smallest_cadence(count)
    laid = _in_streams(count, cadence)
    marked, over = beside.traces[at], beside.over[at]
    shown = marked | beside.timer[at] | beside.state[at] | over
    bare = int(np.count_nonzero(~(shown | beside.on[at])))
    alike = int(np.count_nonzero(_again(count, at) & ~over[1:]))  # lives of one length are no accident
    alike += abs(int(count[-1] - count[at[-1] - 1])) < cadence and not over[-1]
    returns = MISFIT * laid.returns if laid is not None else 0.0
    told = marked | over
    told_apart = MISFIT * float(np.count_nonzero(told))
    inside = at[~told] if 2 * np.count_nonzero(told) < len(at) else at  # lives that begin between laps have traces
    laps = _laps(count, inside, cadence, beside.label) + returns - (told_apart if len(inside) < len(at) else 0.0)
    apart, back = _times_of_blocks(at, beside.time)
    passes = _passes(count, at, cadence) + MISFIT * back
    habits: list[tuple[Cause, float, Ints | None]] = [
        ("laps", laps, None),
        ("passes", passes - (MISFIT if beside.plays else -MISFIT), None),
    ]
    if laid is not None:
        cause: Cause = "turns" if laid.even else "another unit"
        turns = HABIT + MISFIT * (laid.misfits + (apart if laid.even else 0))
        habits.append((cause, turns, laid.stream))
    found = [
        Falls(cause=cause, at=at, price=price + told_apart, stream=stream)
        for cause, price, stream in habits
        if price + told_apart <= HABIT + max(EXCEPTIONS, SHARE_OF_EXCEPTIONS * len(at))
    ]
    price = LIFE * bare + LIFE_WITH_A_TRACE * (len(at) - bare) + returns + MISFIT * float(alike)
    found.append(Falls(cause="lives", at=at, price=price))
    cheapest = min(found, key=lambda one: one.price)
    if cheapest.cause == "turns" and passes <= cheapest.price - told_apart:
        return replace(cheapest, as_likely="passes")
    if cheapest.cause == "lives" and np.count_nonzero(~shown) > LIVES_WITHOUT_A_TRACE:
        return replace(cheapest, cause="unknown")
    return cheapest


def falls_of(count: Ints, label: NDArray[np.float64] | None) -> Ints:
    """Rows at which a counter falls, or stands still while the epoch label falls."""
    falls = np.diff(count) < 0
    if label is not None:
        falls |= (np.diff(count) == 0) & (np.diff(label) < 0)
    return np.flatnonzero(falls) + 1


def _times_of_blocks(at: Ints, time: NDArray[np.float64] | None) -> tuple[int, int]:
    """Falls between blocks of rows at which time goes on, and at which it goes back: two processes at once do that."""
    if time is None or len(at) < 2 or float(np.median(np.diff(at))) < ROWS_OF_A_BLOCK:
        return 0, 0
    passed = time[at] - time[at - 1]
    return int(np.count_nonzero(passed > 0)), int(np.count_nonzero(passed < 0))


def smallest_cadence(count: Ints) -> int:
    """The smallest difference of two rows that occurs often; 1 when none rises."""
    rises = np.diff(count)
    values, counts = np.unique(rises[rises > 0], return_counts=True)
    return int(values[np.argmax(counts >= OFTEN * counts.max())]) if len(values) else 1


def _laps(count: Ints, at: Ints, cadence: int, label: NDArray[np.float64] | None) -> float:
    """A counter within the epoch: from its end to its beginning, and one label each."""
    begins, ends = count[at], count[at - 1]
    misfits = int(np.count_nonzero(begins > begins.min() + cadence - 1))
    if begins.min() > cadence + 1:
        misfits += len(at)
    end = float(np.median(ends))
    misfits += int(np.count_nonzero(np.abs(ends - end) > cadence - 1))
    price = HABIT
    if abs(float(count[-1]) - end) < cadence:
        price -= MISFIT  # the last lap is as long as the others
    if label is not None:
        late = min(LATE, int(at.min()) // ROWS_TO_LATE)
        near = np.clip(at[:, None] + np.array([-late - 1, late]), 0, len(label) - 1)
        rises = label[near[:, 1]] > label[near[:, 0]]
        inside = max(0, int(np.count_nonzero(np.diff(label) > 0)) - len(at))
        misfits += int(np.count_nonzero(~rises)) + inside
        at_once = bool(np.all(label[at] > label[at - 1]))
        price = LAPS_IN_STEP_WITH_LABELS if at_once else LAPS_WITH_LATE_LABELS
    return price + MISFIT * float(misfits)


def _passes(count: Ints, at: Ints, cadence: int) -> float:
    """Each fall goes to the beginning of its stretch, from its end; or to the stretch behind the one before."""
    following = count[at[1:]] == count[at[:-1] - 1] + cadence
    misfits = np.count_nonzero(~(_again(count, at) | following))
    few = max(0, PASSES_AT_LEAST - len(at))
    return HABIT + MISFIT * float(misfits + few)


def _again(count: Ints, at: Ints) -> NDArray[np.bool_]:
    """Falls from and to where the fall before was, shape (m - 1,)."""
    begins, ends = count[at], count[at - 1]
    again: NDArray[np.bool_] = (begins[1:] == begins[:-1]) & (ends[1:] == ends[:-1])
    return again


class _Streams(Struct, frozen=True, kw_only=True, eq=False):
    stream: Ints  # (n,) numbered by their first rows; 0 is the main one where they are of two units
    returns: int  # runs that go on exactly where an earlier run ended, which was not the last
    misfits: int  # runs that go on nearly there, or nowhere
    even: bool  # each stream has its share of the rows while it was written


def _in_streams(count: Ints, cadence: int) -> _Streams | None:
    """Lay every unbroken run of rows behind the run that it goes on from; None where none goes on.

    A run returns where the counter fell since the run that it goes on from: rows between that only rise, as those
    that close epochs beside a regular cadence, are no other writer's.
    """
    breaks = np.flatnonzero(np.diff(count) != cadence) + 1
    if not len(breaks) or len(breaks) >= RUNS_LOOKED_AT:
        return None
    bounds = [0, *breaks.tolist(), len(count)]
    firsts, lasts = count[bounds[:-1]].tolist(), count[np.array(bounds[1:]) - 1].tolist()
    falls = np.cumsum(np.diff(count, prepend=count[:1]) < 0)[bounds[:-1]].tolist()  # up to each run
    standing: dict[int, list[int]] = {}  # where streams ended -> their numbers, the oldest first
    fallen: dict[int, int] = {}  # stream -> falls up to its last run
    jumped_from: list[int | None] = []  # of each stream, the one from which the count rose to its first row
    of_run: list[int] = []
    returns = near = 0
    for first, last, fell in zip(firsts, lasts, falls, strict=True):
        before = of_run[-1] if of_run else None
        waiting = standing.get(first - cadence) or (standing.get(first - 1) if first == last else None)
        exact = bool(waiting)  # rows that stand alone may count epochs one by one
        for lag in () if exact else range(2, NEARLY + 1):
            waiting = standing.get(first - lag * cadence)
            if waiting:
                break
        if waiting:
            chosen = waiting.pop(0)
            returns += exact and chosen != before and fell > fallen[chosen]
            near += not exact and chosen != before
        elif len(jumped_from) >= STREAMS_AT_MOST:
            return None
        else:
            chosen = len(jumped_from)
            jumped_from.append(before if before is not None and first > lasts[len(of_run) - 1] else None)
        fallen[chosen] = fell
        standing.setdefault(last, []).append(chosen)
        of_run.append(chosen)
    if not returns:
        return None
    owner = _jumps_taken_in(np.array(of_run), jumped_from)
    stream = np.repeat(owner[np.array(of_run)], np.diff(bounds))
    return _told_apart(count, stream, returns, near)


def _jumps_taken_in(of_run: Ints, jumped_from: list[int | None]) -> Ints:
    """The number of each stream, where one that rose from another that was never gone on with is the same."""
    streams = len(jumped_from)
    last_run = np.zeros(streams, dtype=np.int64)
    last_run[of_run] = np.arange(len(of_run))
    first_run = np.zeros(streams, dtype=np.int64)
    first_run[of_run[::-1]] = np.arange(len(of_run))[::-1]
    owner = np.arange(streams)
    for stream, parent in enumerate(jumped_from):
        if parent is not None and last_run[parent] < first_run[stream]:
            owner[stream] = owner[parent]
    return owner


def _told_apart(count: Ints, stream: Ints, returns: int, near: int) -> _Streams | None:
    number, stream, rows = np.unique(stream, return_inverse=True, return_counts=True)
    if len(number) < 2:
        return None
    first = np.array([int(np.argmax(stream == one)) for one in range(len(number))])
    span = len(stream) - np.array([int(np.argmax(stream[::-1] == one)) for one in range(len(number))]) - first
    main = int(np.argmax(rows))
    others = np.delete(np.arange(len(number)), main)
    even = bool(np.all(rows[others] >= SHARE_OF_A_WRITER * span[others])) and returns >= RETURNS_OF_WRITERS
    cadences = {smallest_cadence(count[stream == one]) for one in range(len(number))}
    even = even and len(cadences) == 1  # processes that run one program log as seldom
    order = np.argsort(first) if even else np.concatenate([[main], others])
    misfits = near
    if not even:  # rows that count on as the main ones do are no other unit
        inside = (np.diff(stream) == 0) & (stream[1:] != main)
        misfits += int(np.count_nonzero(inside & (np.diff(count) == smallest_cadence(count[stream == main]))))
    return _Streams(stream=np.argsort(order)[stream], returns=returns, misfits=int(misfits), even=even)
