"""The course of rates that nobody declared, and where it is broken.

A schedule that is left for a stretch, multiplied from one row on, or begun again shows where: there the rate moves much
further between two rows than around them.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from analyzer.clocks.learning_rate import Observed
from analyzer.model import Floats, Ints

FEWEST_ROWS = 12  # of a course; fewer show no pace to leave
LONGER = 3.0  # times the pace of the rows around: a smooth curve's neighbouring steps differ by less
AROUND = 3  # steps before and behind that tell the pace


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
