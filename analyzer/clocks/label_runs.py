"""Which steps per epoch make epoch labels true: interval stabbing over bounds on one offset.

Label e holds from boundary(e) to before boundary(e + 1); boundary(k) = d + k S for one offset d. So every row (s, e)
confines d to [s + 1 - S (e + 1), s - S e]. For a given S the intervals are walked in written order and intersected;
where the intersection is empty a new piece begins, and the shift between two pieces is an interval as well. The greedy
walk gives the fewest pieces. Without a break the feasible (d, S) are a convex polygon: its ends are found exactly.

The first run of a log has no beginning and the last no end: a label that lags there stretches the first lap, and one
that lasts a few steps too long at the end is a matter of the run's length.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from analyzer.model import Ints

MOST_CANDIDATES = 4096
"""Whole numbers tried as steps per epoch where the labels admit more: a log that sparse decides nothing."""
INSIDE = 1.5
"""Cost of a break inside a session, where one at a join costs 1: joins are where clocks break."""
MOST_BREAKS = 2000
"""Cost of the best S at which a walk is given up: labels that break so often follow no clock."""
FEWEST_BREAKS = 50
"""The same for MOST_CANDIDATES: labels that leave that many S open are soon seen to follow none."""
FREE = 2**58
"""A bound that does not bind, in scaled steps."""
UNBOUNDED = 2**31
"""Steps per epoch of a log that shows no second lap."""
FINE = 1024
"""Parts of a step in which fractional bounds are kept."""

Laps = tuple[Ints, Ints]  # what each of some laps says about S: at least, at most; shape (m,) each


class LabelRuns(Struct, frozen=True, kw_only=True, eq=False):
    """Runs of one label within a session; arrays of shape (r,)."""

    label: Ints
    first: Ints  # step of the first row
    last: Ints  # step of the last row
    start: NDArray[np.int64]  # position of the first row among the labels
    stop: NDArray[np.int64]  # one past the last
    session: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.label)


class Bounds(Struct, frozen=True, kw_only=True, eq=False):
    """What rows say about the offset: low - S low_label <= d <= high - S high_label; arrays of shape (n,).

    ``low`` and ``high`` are in parts of a step, ``scale`` parts to the step. ``position`` is the row among the labels
    at which the bound stands; where the bound is the end of a run, ``start`` is the run's first row.
    """

    low: Ints
    low_label: Ints
    high: Ints
    high_label: Ints
    session: NDArray[np.int64]
    start: NDArray[np.int64]
    position: NDArray[np.int64]
    scale: int = 1

    def __len__(self) -> int:
        return len(self.low)

    def part(self, low: int, high: int) -> Bounds:
        """Bounds low to high - 1."""
        cut = slice(low, high)
        return Bounds(
            low=self.low[cut],
            low_label=self.low_label[cut],
            high=self.high[cut],
            high_label=self.high_label[cut],
            session=self.session[cut],
            start=self.start[cut],
            position=self.position[cut],
            scale=self.scale,
        )

    def opened(self, low: int, label: int, *, high: int = FREE, at: int) -> Bounds:
        """The same with one bound more at the front: epoch `label` begins from `low` to `high`, shown by row `at`."""

        def front(values: NDArray[np.int64], value: int) -> NDArray[np.int64]:
            return np.concatenate([[value], values]).astype(np.int64)

        return Bounds(
            low=front(self.low, low),
            low_label=front(self.low_label, label),
            high=front(self.high, high),
            high_label=front(self.high_label, label if high < FREE else 0),
            session=front(self.session, int(self.session[0])),
            start=front(self.start, at),
            position=front(self.position, at),
            scale=self.scale,
        )


class Piece(Struct, frozen=True, kw_only=True):
    """A stretch of bounds under one clock: offset d in [low, high] parts of a step."""

    bound: int  # index of the first bound
    low: int
    high: int
    at_join: bool = False
    due: int | None = None  # step from which on the rows of this run carry the old label too long


class Walk(Struct, frozen=True, kw_only=True):
    """The labels under one S: its pieces, in written order."""

    steps_per_epoch: Fraction
    pieces: tuple[Piece, ...]
    cost: float = 0.0


def label_runs(step: Ints, label: Ints, session: NDArray[np.int64]) -> LabelRuns:
    """Group labels in written order into runs of one label in one session."""
    change = np.nonzero((np.diff(label) != 0) | (np.diff(session) != 0))[0] + 1
    start = np.concatenate([[0], change]).astype(np.int64)
    stop = np.concatenate([change, [len(label)]]).astype(np.int64)
    return LabelRuns(
        label=label[start], first=step[start], last=step[stop - 1], start=start, stop=stop, session=session[start]
    )


def bounds_of_runs(runs: LabelRuns) -> Bounds:
    """Two bounds for each run, of its first and its last row; the first run has no beginning, the last no end."""
    r = len(runs)
    step = np.stack([runs.first, runs.last], axis=1).reshape(-1)
    label = np.repeat(runs.label, 2)
    low, high = step + 1, step.copy()
    low_label, high_label = label + 1, label.copy()
    high[:2], high_label[:2] = FREE, 0
    low[2 * r - 2 :], low_label[2 * r - 2 :] = -FREE, 0
    return Bounds(
        low=low,
        low_label=low_label,
        high=high,
        high_label=high_label,
        session=np.repeat(runs.session, 2),
        start=np.repeat(runs.start, 2),
        position=np.stack([runs.start, runs.stop - 1], axis=1).reshape(-1),
    )


def feasible_lengths(bounds: Bounds, *, ratio: Literal["", "up", "down"] = "") -> tuple[Fraction, Fraction] | None:
    """All S for which one offset makes every bound true, as [low, high]; None when there is no such S.

    Args:
        ratio: S need not be whole: a boundary may lie inside an update, and the label changes with the next one ("up":
            an update belongs to the epoch in which it begins) or with this one ("down": in which it ends).

    The upper end is UNBOUNDED steps where nothing bounds S from above.
    """
    scale = bounds.scale
    below = bounds.low > -FREE
    above = bounds.high < FREE
    a, a_label = bounds.low[below], bounds.low_label[below]
    b, b_label = bounds.high[above], bounds.high_label[above]
    if ratio and scale == 1:
        a, b, scale = a * FINE, b * FINE, FINE
        if ratio == "up":
            a = a - FINE + 1
        else:
            b = b + FINE - 1
    low, high = Fraction(scale, 2), Fraction(UNBOUNDED * scale)
    if not len(a) or not len(b):
        return low / scale, high / scale
    for _ in range(4 * len(bounds) + 64):
        moved = False
        for S in (low, high):
            i = int(np.argmax(a - float(S) * a_label))
            j = int(np.argmin(b - float(S) * b_label))
            gap = (int(b[j]) - S * int(b_label[j])) - (int(a[i]) - S * int(a_label[i]))
            if gap >= 0:
                continue
            laps = int(a_label[i]) - int(b_label[j])
            if laps == 0:
                return None
            bound = Fraction(int(a[i]) - int(b[j]), laps)
            if laps > 0 and bound > low:
                low, moved = bound, True
            elif laps < 0 and bound < high:
                high, moved = bound, True
            else:
                return None
            if low > high:
                return None
        if not moved:
            return low / scale, high / scale
    return None


def candidate_lengths(laps: Laps, extra: tuple[int, ...] = ()) -> dict[int, int]:
    """Whole S worth a walk, ascending, each with the number of laps that measure it.

    Those inside the most laps (or all but one of them), and ``extra``.
    """
    low, high = laps
    at, change = np.unique(np.concatenate([low, high + 1]), return_inverse=True)
    begun, ended = (np.bincount(part, minlength=len(at)) for part in (change[: len(low)], change[len(low) :]))
    depth = np.cumsum(begun - ended)  # laps that measure the lengths from each place on
    found = {value: 0 for value in extra if value > 0}
    for value in found:
        level = int(np.searchsorted(at, value, side="right")) - 1
        found[value] = int(depth[level]) if level >= 0 else 0
    deepest = int(depth.max(initial=0))
    levels = np.flatnonzero(depth >= max(1, deepest - 1 if deepest > 2 else deepest))
    enough = MOST_CANDIDATES + len(found)  # levels rise, and only the smallest lengths are kept
    for level in levels.tolist():
        first, behind = int(at[level]), int(at[level + 1])
        found.update(dict.fromkeys(range(max(1, first), min(behind, first + MOST_CANDIDATES)), int(depth[level])))
        if len(found) >= enough:
            break
    return dict(sorted(found.items())[:MOST_CANDIDATES])


def measured_laps(runs: LabelRuns) -> Laps:
    """What each lap with both ends inside one session says about S."""
    label, session = runs.label, runs.session
    low = runs.last[1:-1] - runs.first[1:-1] + 1
    high = runs.first[2:] - runs.last[:-2] - 1
    inside = (session[:-2] == session[1:-1]) & (session[1:-1] == session[2:])
    measured = inside & (label[:-2] < label[1:-1]) & (label[1:-1] < label[2:]) & (low > 0) & (low <= high)
    if not measured.any() and len(runs) > 1 and session[0] == session[1] and runs.first[1] > runs.first[0]:
        return runs.last[:1] - runs.first[:1] + 1, runs.first[1:2] - runs.first[:1]
    return low[measured], high[measured]


def _boundary_since(bounds: Bounds, k: int, S: int) -> int:
    """The least offset that puts the boundary into the run of bound k behind the last row of the run before."""
    before, label = int(bounds.low[k - 1]), int(bounds.high_label[k])
    seen = bounds.scale == 1 and bounds.start[k] != bounds.start[k - 1] and bounds.high[k] < FREE
    return before - S * label if seen and before > -FREE and label >= int(bounds.low_label[k - 1]) else -FREE


def walk(bounds: Bounds, lengths: Sequence[Fraction]) -> list[Walk]:
    """The pieces of the labels under each S, with the fewest breaks that labels can have.

    A label may change inside a lap: then it moves by whole laps. A shift that is none is the shift of a boundary, which
    lies where the label changes. The answer is empty where every S breaks too often.
    """
    moved = _walk(bounds, lengths, seen_boundaries=False)
    if bounds.scale != 1 or all(_moves_by_laps(one) for one in moved):
        return moved
    shifted = {one.steps_per_epoch: one for one in _walk(bounds, lengths, seen_boundaries=True)}
    return [one if _moves_by_laps(one) else shifted.get(one.steps_per_epoch, one) for one in moved]


def _moves_by_laps(found: Walk) -> bool:
    """Whether every break of a walk inside a session can be a whole number of laps."""
    S = float(found.steps_per_epoch)
    shifts = [(b.low - a.high, b.high - a.low) for a, b in pairwise(found.pieces) if not b.at_join and b.due is None]
    return all(whole_laps(low, high, S) for low, high in shifts)


def whole_laps(low: float, high: float, S: float) -> int:
    """The number of whole laps in a shift, the nearest to its middle; 0 when none lies inside."""
    if min(abs(low), abs(high)) > S and low * high > 0:
        return math.trunc(min((low, high), key=abs) / S)  # more than a lap: several changes in one
    nearest = round((low + high) / 2 / S)
    if nearest and low <= nearest * S <= high:
        return nearest
    inward = math.ceil(low / S) if low > 0 else math.floor(high / S)  # the smallest whole shift in the interval
    return inward if inward and low <= inward * S <= high else 0


def _walk(bounds: Bounds, lengths: Sequence[Fraction], *, seen_boundaries: bool) -> list[Walk]:
    """One greedy walk for all candidates at once.

    On an empty intersection the new piece begins at the join that opened the session, if all of the session fits.
    """
    m, n = len(lengths), len(bounds)
    if not m or not n:
        return []
    S = np.array([round(length * bounds.scale) for length in lengths], dtype=np.int64)
    low, high = np.full(m, -FREE, dtype=np.int64), np.full(m, FREE, dtype=np.int64)
    session_low, session_high = low.copy(), high.copy()
    began_before = np.zeros(m, dtype=bool)  # the current piece began before this session
    cost = np.zeros(m)
    enough = max(FEWEST_BREAKS, min(MOST_BREAKS, MOST_CANDIDATES * FEWEST_BREAKS / m))
    begun: list[list[tuple[int, bool, int | None]]] = [[(0, False, None)] for _ in range(m)]
    closed: list[list[tuple[int, int]]] = [[] for _ in range(m)]
    opened = 0  # the bound that opened the session
    for k in range(n):
        if k and bounds.session[k] != bounds.session[k - 1]:
            opened = k
            began_before[:] = True
            session_low[:], session_high[:] = -FREE, FREE
        new_low = (
            bounds.low[k] - S * bounds.low_label[k] if bounds.low[k] > -FREE else np.full(m, -FREE, dtype=np.int64)
        )
        new_high = (
            bounds.high[k] - S * bounds.high_label[k] if bounds.high[k] < FREE else np.full(m, FREE, dtype=np.int64)
        )
        both_low, both_high = np.maximum(low, new_low), np.minimum(high, new_high)
        own_low, own_high = np.maximum(session_low, new_low), np.minimum(session_high, new_high)
        for c in np.nonzero(both_low > both_high)[0].tolist():
            closed[c].append((int(low[c]), int(high[c])))
            if began_before[c] and own_low[c] <= own_high[c]:
                begun[c].append((opened, True, None))
                both_low[c], both_high[c] = own_low[c], own_high[c]
                cost[c] += 1.0
            else:
                late = new_low[c] > high[c] and high[c] < FREE
                due = -(-(int(high[c]) + int(S[c]) * int(bounds.low_label[k])) // bounds.scale) if late else None
                begun[c].append((k, k == opened and k > 0, due))
                since = _boundary_since(bounds, k, int(S[c])) if seen_boundaries and k != opened else -FREE
                both_low[c], both_high[c] = max(int(new_low[c]), since), new_high[c]
                cost[c] += 1.0 if k == opened and k > 0 else INSIDE
            own_low[c], own_high[c] = both_low[c], both_high[c]
            began_before[c] = False
        low, high, session_low, session_high = both_low, both_high, own_low, own_high
        if k % 32 == 0 and cost.min() > enough:
            return []
    return [
        Walk(
            steps_per_epoch=lengths[c],
            pieces=tuple(
                Piece(bound=bound, low=piece_low, high=piece_high, at_join=at_join, due=due)
                for (bound, at_join, due), (piece_low, piece_high) in zip(
                    begun[c], [*closed[c], (int(low[c]), int(high[c]))], strict=True
                )
            ),
            cost=float(cost[c]),
        )
        for c in range(m)
    ]
