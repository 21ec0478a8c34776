"""A schedule of any shape that begins again: later rows give what the first rows gave, at the same distances.

No family is needed: the first life is the schedule, as far as it went. Each later rate has to lie between the two that
the first life has around the same place.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from analyzer.clocks.learning_rate import Observed
from analyzer.distinct import distinct
from analyzer.model import Floats, Ints

FEWEST_ROWS = 4  # that repeat the beginning
FEWEST_LEVELS = 3  # different rates among them; two, each held, where a schedule has levels
NEAR_THE_BEGINNING = 0.05  # of the first life: further on it did not begin again but went back
FAR_BACK = 0.5  # of the way that the rate has gone so far
NO_PERIOD = 1.2  # first lives that the second goes on for: a cycle would have begun a third time
HELD_AROUND = 3  # times as long as the stretch between them, that a level is held on either side
MOST_FALLS = 8  # of the rate that are tried


class BegunAgain(Struct, frozen=True, kw_only=True):
    """Where a rate begins again, and where its counter stood then."""

    place: int  # of the rows
    position: float  # on the axis, from the first row


def begun_again(rows: Observed, axis: str = "step") -> BegunAgain | None:
    """The one place where the rate leaves its course and repeats its beginning; None where there is none.

    Inside a session it has to be shown to be no cycle. Several such places are cycles, or many resumes.
    """
    x, y = rows.axes.get(axis), rows.rate
    if x is None or len(x) < 3 * FEWEST_ROWS or (np.diff(x) <= 0).any():
        return None
    moved = np.abs(np.diff(y))
    turns = np.flatnonzero((np.diff(y) != 0) & (moved > rows.tolerance[1:] + rows.tolerance[:-1])) + 1
    found: list[BegunAgain] = []
    back = _near_the_first(rows, turns[turns >= FEWEST_ROWS])
    for at in sorted(back[np.argsort(-moved[back - 1], kind="stable")][:MOST_FALLS].tolist()):
        start = _repeats(rows, x, at)
        same_course = found and at - found[-1].place <= max(2, int(NEAR_THE_BEGINNING * at))
        if start is not None and not same_course:
            found.append(BegunAgain(place=at, position=start))
    if len(found) != 1:
        return None
    place = found[0].place
    joined = rows.session[place] != rows.session[place - 1] and int(rows.session[place]) in rows.joins
    ended = x[-1] - x[place] > NO_PERIOD * (x[place] - x[0])
    return found[0] if joined or ended else None


def back_where_it_began(rows: Observed) -> int | None:
    """The one row from which on the rate is at its first value, or its highest, again, however it goes on from there.

    A resume; or a rate that had only fallen, by levels that it held. One that moves as far elsewhere, too, is one of
    cycles.
    """
    y, moved = rows.rate, np.diff(rows.rate)
    found: list[int] = []
    for at in (np.flatnonzero(np.abs(moved) > FAR_BACK * np.ptp(y)) + 1).tolist():
        before, play = y[:at], 2 * rows.tolerance[at]
        far = abs(moved[at - 1]) > FAR_BACK * np.ptp(before)
        known = min(abs(y[at] - before[0]), abs(y[at] - before.max())) <= play
        enough = at >= 3 * FEWEST_ROWS and len(y) - at >= FEWEST_ROWS
        joined = rows.session[at] != rows.session[at - 1] and int(rows.session[at]) in rows.joins
        if far and known and enough and (joined or _fell_by_levels(before)):
            found.append(at)
    if len(found) != 1:
        return None
    elsewhere = np.delete(moved, found[0] - 1)
    size = moved[found[0] - 1]
    return None if (elsewhere * np.sign(size) >= abs(size)).any() else found[0]


def excursion(rows: Observed) -> tuple[int, int] | None:
    """The one stretch in which the rate stands on another level than the long one around it: first row, one after.

    A rate that leaves its level twice is one of cycles; one that is 0 in between was logged while nothing was trained.
    """
    y = rows.rate
    edges = np.flatnonzero(np.abs(np.diff(y)) > rows.tolerance[1:] + rows.tolerance[:-1]) + 1
    held = np.diff(np.concatenate([[0], edges, [len(y)]]))  # rows of each level
    first, after = edges[:-1], edges[1:]
    same = np.abs(y[after] - y[first - 1]) <= rows.tolerance[after] + rows.tolerance[first - 1]
    around = np.minimum(held[:-2], held[2:]) >= HELD_AROUND * held[1:-1]
    found = np.flatnonzero(same & around & (y[first] > 0) & (held[1:-1] >= 2))
    return (int(first[found[0]]), int(after[found[0]])) if len(found) == 1 else None


def _fell_by_levels(rate: Floats) -> bool:
    """Whether a rate only fell, over three levels or more that it held."""
    levels = len(distinct(rate))
    return levels >= FEWEST_LEVELS and FEWEST_ROWS * levels <= len(rate) and bool((np.diff(rate) <= 0).all())


def _near_the_first(rows: Observed, turns: Ints) -> Ints:
    """Those rows that have a rate of the first rows again."""
    few = np.maximum(2, (NEAR_THE_BEGINNING * turns).astype(np.int64))
    low, high = np.minimum.accumulate(rows.rate)[few], np.maximum.accumulate(rows.rate)[few]
    here, play = rows.rate[turns], rows.tolerance[turns]
    return turns[(low - play <= here) & (here <= high + play)]


def _repeats(rows: Observed, x: Floats, at: int) -> float | None:
    """The distance from the first row at which rows from ``at`` on repeat it; None where they do not."""
    y, tolerance = rows.rate, rows.tolerance
    for start in _starts(rows, x, at).tolist():
        place = x[at:] - x[at] + x[start]
        place = place[place <= x[at - 1]]
        again, play = y[at : at + len(place)], tolerance[at : at + len(place)]
        low, high = _around(x[:at], y[:at], place)
        if ((again < low - play) | (again > high + play)).any():
            continue
        levels = len(distinct(again))
        held = len(again) >= 2 * FEWEST_ROWS and levels >= 2
        if len(again) >= FEWEST_ROWS and (levels >= FEWEST_LEVELS or held):
            return float(x[start] - x[0])
    return None


def _starts(rows: Observed, x: Floats, at: int) -> Ints:
    """Rows near the first at which the course behind ``at`` may begin, by a few of its rows.

    The first rows of a level look alike: where it ends tells them apart.
    """
    y, behind = rows.rate, len(x) - at
    starts = np.arange(max(2, int(NEAR_THE_BEGINNING * at)) + 1)
    leaves = int(np.argmax(y[at:] != y[at]))  # 0: never
    doubled = 2 ** np.arange(behind.bit_length()) - 1
    for probe in sorted({*doubled[doubled < behind].tolist(), max(leaves - 1, 0), leaves}):
        row = at + probe
        place = x[row] - x[at] + x[starts]
        low, high = _around(x[:at], y[:at], place)
        within = (y[row] >= low - rows.tolerance[row]) & (y[row] <= high + rows.tolerance[row])
        starts = starts[within | (place > x[at - 1])]
    return starts


def _around(x: Floats, y: Floats, place: Floats) -> tuple[Floats, Floats]:
    """The lowest and highest rate of the first life around places, with a row of play: few resumes meet a row."""
    right = np.searchsorted(x, place)
    left = np.maximum(right - 1, 0)
    near = np.stack([y[left], y[np.minimum(left + 1, len(x) - 1)], y[np.minimum(right + 1, len(x) - 1)]])
    return near.min(axis=0), near.max(axis=0)
