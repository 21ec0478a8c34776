"""The noun of the wall clock: when each row was written, and how long a step takes."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from analyzer.model import Floats, Ints, Series


class WallClock(Struct, frozen=True, kw_only=True, eq=False):
    """Pace of the run, where the log carries times. ``time`` and ``step`` are those of ``series``, in written order."""

    first: float  # seconds since 1970, or since the start of the process
    last: float
    seconds_per_step: float  # median over the rows inside sessions
    series: Series  # the training series whose rows were timed
    time: Floats  # seconds, shape (n,)
    session: Ints  # shape (n,)
    since: str = "1970"  # "1970" or "start"
    unit: str = "s"  # unit in which the log wrote its times
    told_by: str = "record times"  # or the name of a column
    pace: tuple[float, ...] = ()  # median seconds per step of each session, NaN where it has too few rows

    def inside(self) -> Ints:
        """Indices i of rows whose successor i + 1 lies in the same session, shape (m,)."""
        return np.flatnonzero(self.session[1:] == self.session[:-1])
