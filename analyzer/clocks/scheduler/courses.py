"""A course of rates that nobody declared, put together again where it is broken.

A schedule that is left for a stretch, multiplied from one row on, or begun again shows where: there the rate moves much
further between two rows than around them. Each way to undo such a break (leave the stretch out, divide by a factor that
people choose, move the counter back) gives a course without it; what is read off that course is the schedule before and
behind the break at once, and needs no guess from its beginning alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.schedule_fit.fit import thinned
from analyzer.distinct import distinct
from analyzer.model import Floats, Ints

FEWEST_ROWS = 12  # of a course; fewer show no pace to leave
LONGER = 3.0  # times the pace of the rows around: a smooth curve's neighbouring steps differ by less
AROUND = 3  # steps before and behind that tell the pace
MOST_BREAKS = 6  # that are undone in pairs; a schedule of more levels than that is its own
MOST_TRIED = 8  # courses that are handed on, those with the fewest breaks left first
FEWEST_OVER = 4  # rows that two lives have in common, where a counter goes back
CHOSEN = (10.0, 2.0, 5.0, 4.0, 3.0, 8.0, 100.0, 20.0, 16.0, 32.0)  # factors people choose, and their inverses
NEAR_A_FACTOR = 0.05  # relative; so far the pace between two rows leaves it open
LONGEST = 2000  # rows that are put together, spread evenly, and so many on either side of a break
BESIDE = 12
SHORT = 2  # rows that are off by themselves
SHIFTS = 4000  # counters at which a second life is laid over the first


class RateCourse(Struct, frozen=True, kw_only=True, eq=False):
    """Rows of one axis, its places ascending; every array has shape (n,)."""

    x: Floats
    y: Floats
    tolerance: Floats

    def __len__(self) -> int:
        return len(self.x)

    def only(self, kept: NDArray[np.bool_] | Ints | slice) -> RateCourse:
        """Some of the rows."""
        return RateCourse(x=self.x[kept], y=self.y[kept], tolerance=self.tolerance[kept])

    def beside(self, other: RateCourse) -> RateCourse:
        """Both courses as one; where both have a place, its first row."""
        x = np.concatenate([self.x, other.x])
        first = np.sort(np.unique(x, return_index=True)[1])
        order = first[np.argsort(x[first], kind="stable")]
        y, tolerance = np.concatenate([self.y, other.y]), np.concatenate([self.tolerance, other.tolerance])
        return RateCourse(x=x[order], y=y[order], tolerance=tolerance[order])


def course_of(rows: Observed, axis: str) -> tuple[RateCourse, Ints]:
    """The rows of an axis, one for each place in a life, and those at which a life begins."""
    x, session = rows.axes[axis], rows.session
    last = np.append((np.diff(x) != 0) | (np.diff(session) != 0), True)
    kept = np.flatnonzero(last)
    begins = np.flatnonzero(np.diff(session[kept])) + 1
    return RateCourse(x=x[kept], y=rows.rate[kept], tolerance=rows.tolerance[kept]), begins


def breaks_of(course: RateCourse) -> Ints:
    """Rows that lie much further from the row before than the rows around them do, the clearest first."""
    x, y, tolerance = course.x, course.y, course.tolerance
    if len(x) < FEWEST_ROWS:
        return np.zeros(0, dtype=np.int64)
    passed = np.maximum(np.diff(x), 1e-9)
    moved = np.abs(np.diff(y))
    pace = np.pad(moved / passed, AROUND, mode="reflect")
    around = np.lib.stride_tricks.sliding_window_view(pace, 2 * AROUND + 1)
    usual = np.median(np.delete(around, AROUND, axis=1), axis=1) * passed
    clear = moved - (tolerance[1:] + tolerance[:-1]) - LONGER * usual
    found = np.flatnonzero(clear > 0)
    return found[np.argsort(-clear[found], kind="stable")] + 1


def put_together(course: RateCourse, begins: Ints) -> Iterator[RateCourse]:
    """Courses with one break less or more, those with the fewest left first.

    Args:
        begins: rows at which a life of the process begins, shape (k,).
    """
    found = breaks_of(course)
    if not len(found) or len(found) > 4 * MOST_BREAKS:
        found = found[:0]
    places = distinct(np.concatenate([found[:MOST_BREAKS], begins[:MOST_BREAKS]]))
    if len(course) > LONGEST:
        near = (places[:, None] + np.arange(-BESIDE, BESIDE + 1)).ravel()
        evenly = np.linspace(0, len(course) - 1, LONGEST).astype(np.int64)
        kept = distinct(np.clip(np.concatenate([near, evenly]), 0, len(course) - 1))
        course, places = course.only(kept), np.searchsorted(kept, places)
    tried = [one for one in _undone(course, places.tolist()) if len(one) >= FEWEST_ROWS]
    left = [len(breaks_of(one)) for one in tried]
    order = sorted(range(len(tried)), key=lambda k: (left[k], -len(tried[k])))
    yield from (tried[k] for k in order[:MOST_TRIED] if left[k] < max(len(places), 1))


def _undone(course: RateCourse, places: list[int]) -> Iterator[RateCourse]:
    rows = np.arange(len(course))
    ends = [*places, len(course)]
    short = np.zeros(len(course), dtype=bool)
    for first, after in zip(places, ends[1:], strict=True):
        short[first:after] |= after - first <= SHORT
    if short.any():
        yield course.only(~short)
    for number, first in enumerate(places):
        for after in ends[number + 1 :]:
            yield course.only((rows < first) | (rows >= after))
    for place in places:
        head, tail = course.only(slice(0, place)), course.only(slice(place, None))
        yield from (
            head.beside(RateCourse(x=tail.x, y=tail.y / factor, tolerance=tail.tolerance / factor))
            for factor in _factors(head, tail)
        )
        up = int(np.argmin(np.append(np.diff(tail.y) > 0, False)))  # a warmup, which may lead back to the course
        if up >= FEWEST_OVER:
            yield head.beside(tail.only(slice(up, None)))
        moved = _laid_over(head, tail)
        if moved is not None:
            yield head.beside(RateCourse(x=tail.x + moved, y=tail.y, tolerance=tail.tolerance))


def _factors(head: RateCourse, tail: RateCourse) -> Iterator[float]:
    """Factors that people choose by which the rate may have jumped between two rows."""
    if len(head) < 3 or tail.y[0] <= 0:
        return
    going = float(np.median(np.diff(head.y[-1 - AROUND :]) / np.maximum(np.diff(head.x[-1 - AROUND :]), 1e-9)))
    due = float(head.y[-1]) + going * float(tail.x[0] - head.x[-1])
    for factor in (*CHOSEN, *(1 / one for one in CHOSEN)):
        open_by = NEAR_A_FACTOR + float(tail.tolerance[0] / tail.y[0])
        if due > 0 and abs(float(tail.y[0]) / due / factor - 1) <= open_by:
            yield factor


def _laid_over(head: RateCourse, tail: RateCourse) -> float | None:
    """By how much the counter moved back, where the rows behind lie on the rows before; None where they do not."""
    if len(head) < FEWEST_OVER or len(tail) < FEWEST_OVER:
        return None
    back = float(tail.x[0] - head.x[0])
    if back <= 0:
        return None
    behind = tail.only(thinned(len(tail)))
    shifts = -distinct(np.round(np.linspace(1.0, back, SHIFTS)))
    at = behind.x[None, :] + shifts[:, None]
    beyond = at > head.x[-1]
    miss = np.abs(np.interp(at, head.x, head.y) - behind.y) / behind.tolerance
    miss[beyond] = 0.0
    common = (~beyond).sum(axis=1)
    level = np.where(common >= FEWEST_OVER, miss.sum(axis=1) / np.maximum(common, 1), np.inf)
    best = int(np.argmin(level))
    return float(shifts[best]) if np.isfinite(level[best]) else None
