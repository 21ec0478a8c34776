"""Labels as bounds on one epoch clock: interval stabbing in two unknowns, steps per epoch S and offset d.

Epoch k begins at d + k S. A row (s, e) with a whole label says d + e S <= s and s + 1 <= d + (e + 1) S; a fraction says
the same of the place inside the epoch, within its precision. Inside a session only the first and the last row of a run
of one label bind. The first run of a log has no beginning and the last no end: a label that lags there stretches the
first lap, and one that lasts a few steps too long at the end is a matter of the run's length.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

import numpy as np
from msgspec import Struct

from analyzer.model import Floats, Ints

INSIDE_UPDATE = 1 - 2.0**-10
"""Of an update, by which a boundary may lie before or behind the row that shows it, where S is a ratio."""
SMALLEST = Fraction(1, 1024)
"""Steps per epoch: more epochs in one update are no clock of the run."""
BEYOND = Fraction(2**40)
"""A probe for whether S is bounded from above; no answer holds it."""


FEWEST_CLOSED = 3
"""Ends of epochs at each of which a row stands, before such rows are taken to close epochs."""


class LabelRuns(Struct, frozen=True, kw_only=True, eq=False):
    """Runs of one label within a session; arrays of shape (r,)."""

    label: Ints
    first: Ints  # step of the first row
    last: Ints  # step of the last row
    start: Ints  # position of the first row among the labels
    stop: Ints  # one past the last
    session: Ints

    def __len__(self) -> int:
        return len(self.label)


class Bounds(Struct, frozen=True, kw_only=True, eq=False):
    """What rows say about the offset: low - S low_label <= d <= high - S high_label; arrays of shape (n,).

    Bounds that do not bind are infinite, with label 0. ``position`` is the row among the labels at which the bound
    stands, ``start`` the first row of its run.
    """

    low: Floats
    low_label: Floats
    high: Floats
    high_label: Floats
    session: Ints
    start: Ints
    position: Ints

    def __len__(self) -> int:
        return len(self.low)

    def part(self, low: int, high: int | None = None) -> Bounds:
        """Bounds low to high - 1."""
        return Bounds(**{name: getattr(self, name)[low:high] for name in self.__struct_fields__})

    def opened(self, low: float, label: float, *, high: float = np.inf, at: int) -> Bounds:
        """The same with one bound more at the front: epoch `label` begins from `low` to `high`, shown by row `at`."""
        first = {
            "low": low,
            "low_label": label,
            "high": high,
            "high_label": label if high < np.inf else 0,
            "session": self.session[0],
            "start": at,
            "position": at,
        }
        return Bounds(
            **{
                name: np.append(np.array([value], getattr(self, name).dtype), getattr(self, name))
                for name, value in first.items()
            }
        )

    def lows(self, S: float) -> Floats:
        return self.low - S * self.low_label

    def highs(self, S: float) -> Floats:
        return self.high - S * self.high_label


def label_runs(step: Ints, label: Ints, session: Ints) -> LabelRuns:
    """Group labels in written order into runs of one label in one session."""
    change = np.flatnonzero((np.diff(label) != 0) | (np.diff(session) != 0)) + 1
    start = np.append(0, change).astype(np.int64)
    stop = np.append(change, len(label)).astype(np.int64)
    return LabelRuns(
        label=label[start], first=step[start], last=step[stop - 1], start=start, stop=stop, session=session[start]
    )


def bounds_of_runs(
    runs: LabelRuns, closings: Sequence[tuple[str, Ints]] = (), *, places: int | None = None
) -> Bounds:
    """Two bounds for each run: its first row (2 k) says that the epoch had begun, its last (2 k + 1) that it lasts.

    Args:
        closings: steps of rows that may close epochs, by tag. Those of a tag do where one of them stands between any
            two runs and none elsewhere: then the next epoch begins at that step, or at the one behind it.
        places: of an epoch, where rows tell theirs (``step 451/460``).
    """
    r = len(runs)
    high, low = np.full(2 * r, np.inf), np.full(2 * r, -np.inf)
    high_label, low_label = np.zeros(2 * r), np.zeros(2 * r)
    high[2::2], high_label[2::2] = runs.first[1:], runs.label[1:]
    if r and runs.stop[-1] - runs.start[-1] == 1:
        high[-2] += 1  # a label in the last row only may count the epochs that are done
    shared = (runs.first[1:] == runs.last[:-1]) & (runs.session[1:] == runs.session[:-1])  # a step of both
    low[1:-1:2], low_label[1:-1:2] = runs.last[:-1] + ~shared, runs.label[:-1] + 1
    for _, steps in closings if r > 1 and not np.any(runs.session) and np.all(np.diff(runs.label) == 1) else ():
        first, behind = np.searchsorted(steps, runs.last[:-1]), np.searchsorted(steps, runs.first[1:], side="right")
        inside = int(behind[-1] - first[0])
        if np.all(behind - first == 1) and inside == r - 1 and first[0] == 0 and r > FEWEST_CLOSED:
            closing = steps[first]
            if places and np.array_equal(closing, runs.last[:-1]) and np.any(closing % places):
                continue  # the step of the row above, which a row without one of its own was given
            low[1:-1:2] = np.maximum(low[1:-1:2], closing)
            high[2::2] = np.minimum(high[2::2], np.maximum(closing + 1, low[1:-1:2]))
    return Bounds(
        low=low,
        low_label=low_label,
        high=high,
        high_label=high_label,
        session=np.repeat(runs.session, 2),
        start=np.repeat(runs.start, 2),
        position=np.stack([runs.start, runs.stop - 1], axis=1).reshape(-1),
    )


def inside_updates(bounds: Bounds, way: Literal["begins", "ends"]) -> Bounds:
    """Bounds for boundaries inside updates, which belong to the epoch in which they begin or in which they end."""
    low, high = bounds.low.copy(), bounds.high.copy()
    if way == "begins":
        low -= INSIDE_UPDATE
    else:
        high += INSIDE_UPDATE
    fields = {name: getattr(bounds, name) for name in bounds.__struct_fields__}
    return Bounds(**{**fields, "low": low, "high": high})


def feasible_lengths(bounds: Bounds) -> tuple[Fraction, Fraction | None] | None:
    """All S for which one offset makes every bound true, as (low, high); None when there is no such S.

    ``high`` is None where nothing bounds S from above. Exact: cutting planes over rational numbers.
    """
    below, above = np.isfinite(bounds.low), np.isfinite(bounds.high)
    a, a_label = bounds.low[below], bounds.low_label[below]
    b, b_label = bounds.high[above], bounds.high_label[above]
    low: Fraction = SMALLEST
    high: Fraction | None = None
    if not len(a) or not len(b):
        return low, high
    for _ in range(4 * len(bounds) + 64):
        moved = False
        for end in ("low", "high"):
            S = low if end == "low" else high if high is not None else BEYOND
            i, j = int(np.argmax(a - float(S) * a_label)), int(np.argmin(b - float(S) * b_label))
            first, second = Fraction(float(a[i])), Fraction(float(b[j]))
            laps = Fraction(float(a_label[i])) - Fraction(float(b_label[j]))
            if second - first + S * laps >= 0:
                continue
            if laps == 0:
                return None
            bound = (first - second) / laps
            if laps > 0 and bound > low:
                low, moved = bound, True
            elif laps < 0 and (high is None or bound < high):
                high, moved = bound, True
            else:
                return None
            if high is not None and low > high:
                return None
        if not moved:
            return low, high
    return None


def whole_lengths(bounds: Bounds) -> tuple[int, int | None] | None:
    """The whole S of ``feasible_lengths``, least and most."""
    found = feasible_lengths(bounds)
    if found is None:
        return None
    low, high = -(-found[0].numerator // found[0].denominator), found[1]
    most = None if high is None else high.numerator // high.denominator
    return None if most is not None and low > most else (max(1, low), most)


def measured_laps(runs: LabelRuns) -> tuple[Ints, Ints]:
    """What each lap with both ends inside one session says about S: at least, at most; shape (m,) each."""
    label, session = runs.label, runs.session
    low = runs.last[1:-1] - runs.first[1:-1] + 1
    high = runs.first[2:] - runs.last[:-2] - 1
    inside = (session[:-2] == session[1:-1]) & (session[1:-1] == session[2:])
    measured = inside & (label[:-2] < label[1:-1]) & (label[1:-1] < label[2:]) & (low > 0) & (low <= high)
    if not measured.any() and len(runs) > 1 and session[0] == session[1] and runs.first[1] > runs.first[0]:
        return runs.last[:1] - runs.first[:1] + 1, runs.first[1:2] - runs.first[:1]
    return low[measured], high[measured]
