"""Where the scheduler's counter stood at every row, read back from the learning rate.

A rate alone leaves one range of counters a stretch (a warmup and a decay pass the same height). Among them stands the
one from which the counter moves on with the log: the next rows decide, then how near it is to where it was due.
"""

from __future__ import annotations

import numpy as np

from analyzer.clocks.learning_rate import OF_VALUE
from analyzer.clocks.scheduler.counters import CounterTable, inverted, tabled
from analyzer.clocks.scheduler_clock import SchedulerClock
from analyzer.model import Floats
from analyzer.precision import half_width

AHEAD = 8  # rows by which a stretch is chosen; a counter that leaps by more in one may have left its stretch
MOST_CHOICES = 200  # beyond, the rates are no counter's: nothing is told
FINEST = 100_000  # parts of the schedule that are looked at


def read_back(clock: SchedulerClock) -> Floats | None:
    """The counter at every row, shape (rows,), in the scheduler's own unit.

    NaN where the part of the schedule that the log covers does not reach the row's rate. None where no counter can be
    told: without a schedule, with a rate that never moves, or where the rates are no counter's.
    """
    position, expected = clock.position, clock.expected
    if position is None or expected is None:
        return None
    known = np.flatnonzero(np.isfinite(position) & np.isfinite(expected) & np.isfinite(clock.series.value))
    if len(known) < 3 or not np.ptp(expected[known]):
        return None
    due, first = np.unique(position[known], return_index=True)
    rates, part = expected[known][first], max(1.0, float(np.ptp(due)) / FINEST)
    table = tabled(lambda x: np.interp(x * part + due[0], due, rates), np.ptp(due) / part)
    if table is None:
        return None
    rate = clock.series.value[known]
    width = half_width(clock.series)[known] + OF_VALUE * np.abs(rate)
    reached = (rate + width >= table.rate.min()) & (rate - width <= table.rate.max())
    line = (position[known][reached] - due[0]) / part
    place = _followed(table, (rate - width)[reached], (rate + width)[reached], line)
    if place is None:
        return None
    found = np.full(len(clock.series), np.nan)
    found[known[reached]] = place * part + due[0]
    return found


def _followed(table: CounterTable, low: Floats, high: Floats, line: Floats) -> Floats | None:
    """The counter through rates in [low, high], beside where it is due; None where it changes its stretch too often."""
    place, row, lag, choices = np.full(len(low), np.nan), 0, 0.0, 0
    counters = table.first + np.arange(len(table.rate))
    while row < len(low):
        rates = np.interp(line[row:] + lag, counters, table.rate)
        wrong = (rates < low[row:]) | (rates > high[row:])
        goes_on = int(np.argmax(wrong)) if wrong.any() else len(wrong)
        place[row : row + goes_on] = line[row : row + goes_on] + lag
        row += goes_on
        if row == len(low):
            break
        choices += 1
        if choices > MOST_CHOICES:
            return None
        ahead = slice(row, row + AHEAD)
        stretch, begins = _chosen(table, low[ahead], high[ahead], line[ahead] + lag)
        first, last = inverted(table, stretch, low[row:], high[row:], whole=False)
        running = np.maximum.accumulate(np.maximum(first, begins))
        course = np.clip(line[row:] - line[row] + begins, running, last)
        gained = np.diff(course - line[row:], prepend=begins - line[row])
        left = (running > last) | (gained > AHEAD * (np.diff(line[row:], prepend=line[row]) + 1))
        good = max(1, int(np.argmax(left)) if left.any() else len(left))
        place[row : row + good] = course[:good]
        row, lag = row + good, float(course[good - 1] - line[row + good - 1])
    return place


def _chosen(table: CounterTable, low: Floats, high: Floats, line: Floats) -> tuple[int, float]:
    """The stretch on which the counter moves as the line does through the rows ahead, and where it begins there."""
    best = (np.inf, np.inf, 0, float(line[0]))
    for stretch in range(len(table.starts)):
        first, last = inverted(table, stretch, low, high, whole=False)
        if first[0] > last[0]:
            continue
        begins = float(np.clip(line[0], first[0], last[0]))
        course = np.clip(line - line[0] + begins, first, last)
        course = course[: int(np.argmax(first > last))] if (first > last).any() else course
        strayed = np.abs(np.diff(course) - np.diff(line[: len(course)])).sum() + (line[-1] - line[len(course) - 1])
        best = min(best, (np.rint(strayed), abs(begins - float(line[0])), stretch, begins))
    return best[2], best[3]
