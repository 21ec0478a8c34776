"""The cheapest explanation of epoch labels: one clock, and the fewest places where the labels leave it.

A path through the bounds is a sequence of pieces; inside a piece one S and one offset make every bound true, and a new
piece begins where the bounds leave no offset. What may begin there has a price: labels that move by whole laps, a
boundary that moves, the clock as it was before, another length from a boundary (or from inside a lap) on; at a join
all of it is cheap. Paths are grown in the order of their cost, so the first that reaches the end is the cheapest.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Container, Iterator, Mapping
from fractions import Fraction
from itertools import count

import numpy as np
from msgspec import Struct

from analyzer.clocks import prices
from analyzer.clocks.epoch_bounds import Bounds, whole_lengths
from analyzer.model import Ints

MOST_LENGTHS = 512
"""Whole S that are tried: labels that leave more open decide nothing about breaks."""
MOST_PATHS = 20_000
"""Paths grown before labels are said to follow no clock."""
PATHS_AT = 8
"""Cheapest paths kept that reach one bound under one S."""
DEAREST_PER_LAP = 0.75
"""Cost over the laps that the labels show: a clock of which not every second lap bears it out is none."""
DEAREST_PER_PLANNED_LAP = 1.5
"""The same for a length that the plan gives: a break in every lap is still one too many in none of them."""
LIMITS = (3.0, 30.0)
"""Least and greatest cost at which the search ends: two breaks inside a session, and what nobody would read."""
CLOSE = 1e-6
"""Steps within which two bounds meet: rounding of S times a label in double precision."""
MEASURED = Fraction(3, 2)
"""Greatest over least S of a stretch of labels that is said to measure a lap."""
DIFFERENT_STEPS = 2
DIFFERENT_SHARE = 0.05
"""A second S differs by at least so many steps and this share: less is a label that changes early or late."""
FEWEST_LAPS = 2
"""Complete epochs that bear out another length from inside a session on; a single one may have lost or gained steps."""

Measured = dict[int, tuple[int, int | None, float] | None]  # what ``measured_from`` found, by bound


class EpochPiece(Struct, frozen=True, kw_only=True):
    """A stretch of bounds under one clock: S, and the offset in [low, high]."""

    bound: int  # index of the first bound
    S: Fraction
    low: float
    high: float
    laps: int = 0  # by how many whole laps the labels moved where it begins
    at_join: bool = False
    another_length: bool = False
    returns: bool = False  # the clock is the one before the last break again
    due: float | None = None  # step from which on rows carry the label before too long


class Path(Struct, frozen=True, kw_only=True):
    """Pieces in written order and what they cost."""

    pieces: tuple[EpochPiece, ...]
    cost: float


class _Any:
    """Holds every length: without a plan none is dearer than another."""

    def __contains__(self, S: object) -> bool:
        return True


class _Stage(Struct, frozen=True, kw_only=True):
    """A path that has come to a bound at which its next piece begins, with the offsets that are left to it there."""

    before: tuple[EpochPiece, ...]
    piece: EpochPiece
    cost: float


def cheapest_paths(
    bounds: Bounds,
    lengths: Mapping[int, int],
    others: tuple[Fraction, ...],
    *,
    laps: int,
    planned: frozenset[Fraction] = frozenset(),
) -> list[Path]:
    """The cheapest paths, one for each S of the first piece that comes as cheap; empty where labels follow no clock.

    Args:
        lengths: whole S worth a try, with the number of laps that measure each.
        others: ratios S worth a try.
        laps: boundaries that the labels show.
        planned: what the plan gives; another length is dearer where it gives any.
    """
    limit = float(np.clip((DEAREST_PER_PLANNED_LAP if planned else DEAREST_PER_LAP) * laps, *LIMITS))
    limit += prices.AT_JOIN * int(np.count_nonzero(np.diff(bounds.session)))
    order = count()
    tried = [Fraction(length) for length in sorted(lengths, key=lambda one: -lengths[one])[:MOST_LENGTHS]]
    start = [EpochPiece(bound=0, S=S, low=-math.inf, high=math.inf) for S in (*tried, *others)]
    known: Container[Fraction] = planned or _Any()
    queue = [
        (cost, 0, next(order), _Stage(before=(), piece=piece, cost=cost))
        for piece in start
        for cost in (0.0 if piece.S in known else prices.UNDECLARED,)
    ]
    heapq.heapify(queue)
    kept: dict[tuple[int, Fraction, Fraction], int] = {}
    measured: Measured = {}
    found: list[Path] = []
    for _ in range(MOST_PATHS):
        if not queue:
            break
        cost, _, _, stage = heapq.heappop(queue)
        if cost > limit + CLOSE:
            break
        piece = stage.piece
        first = stage.before[0].S if stage.before else piece.S
        place = (piece.bound, piece.S, first)
        if kept.get(place, 0) >= PATHS_AT:
            continue
        kept[place] = kept.get(place, 0) + 1
        reach, low, high = _reach(bounds, piece)
        done = EpochPiece(**{**{f: getattr(piece, f) for f in piece.__struct_fields__}, "low": low, "high": high})
        if reach == len(bounds):
            if all(first != path.pieces[0].S for path in found):
                found.append(Path(pieces=(*stage.before, done), cost=cost))
            limit = min(limit, cost)
            continue
        for following, price in _following(bounds, stage.before, done, reach, measured, known):
            grown = _Stage(before=(*stage.before, done), piece=following, cost=cost + price)
            heapq.heappush(queue, (grown.cost, -following.bound, next(order), grown))
    return found


def candidate_lengths(laps: tuple[Ints, Ints], extra: tuple[int, ...] = ()) -> dict[int, int]:
    """Whole S worth a try, each with the number of laps that measure it: inside the most laps or all but one.

    Args:
        laps: what each of some laps says about S: at least, at most; shape (m,) each.
        extra: further S.
    """
    low, high = laps
    at, change = np.unique(np.concatenate([low, high + 1]), return_inverse=True)
    begun, ended = (np.bincount(part, minlength=len(at)) for part in (change[: len(low)], change[len(low) :]))
    depth = np.cumsum(begun - ended)  # laps that measure the lengths from each place on
    found = dict.fromkeys((value for value in extra if value > 0), 0)
    for value in found:
        level = int(np.searchsorted(at, value, side="right")) - 1
        found[value] = int(depth[level]) if level >= 0 else 0
    deepest = int(depth.max(initial=0))
    for level in np.flatnonzero(depth >= max(1, deepest - 1 if deepest > 2 else deepest)).tolist():
        first, behind = int(at[level]), int(at[level + 1])
        found.update(dict.fromkeys(range(max(1, first), min(behind, first + MOST_LENGTHS)), int(depth[level])))
        if len(found) >= MOST_LENGTHS:
            break
    return found


def _reach(bounds: Bounds, piece: EpochPiece) -> tuple[int, float, float]:
    """The first bound that leaves the piece no offset, and the offsets up to it."""
    S, k = float(piece.S), piece.bound
    low = np.maximum.accumulate(np.maximum(bounds.low[k:] - S * bounds.low_label[k:], piece.low))
    high = np.minimum.accumulate(np.minimum(bounds.high[k:] - S * bounds.high_label[k:], piece.high))
    crossed = low > high + CLOSE
    if not crossed.any():
        return len(bounds), float(low[-1]), float(high[-1])
    at = int(np.argmax(crossed))
    return (k + at, float(low[at - 1]), float(high[at - 1])) if at else (k, piece.low, piece.high)


def _following(
    bounds: Bounds,
    before: tuple[EpochPiece, ...],
    piece: EpochPiece,
    reach: int,
    measured: Measured,
    known: Container[Fraction],
) -> Iterator[tuple[EpochPiece, float]]:
    """Pieces that may follow where a piece ends, each with its price."""
    S = float(piece.S)
    own_low = float(bounds.low[reach] - S * bounds.low_label[reach])
    own_high = float(bounds.high[reach] - S * bounds.high_label[reach])
    opening = _last_opening(bounds.session, piece.bound, reach)
    if opening is not None:
        yield EpochPiece(bound=opening, S=piece.S, low=-math.inf, high=math.inf, at_join=True), prices.AT_JOIN
        yield from _another_length(bounds, piece, opening, measured, known, at_join=True)
    if opening == reach:
        return
    due = piece.high + S * float(bounds.low_label[reach]) if own_low > piece.high else None
    laps = (
        math.ceil((own_low - piece.high) / S - CLOSE)
        if due is not None
        else -math.ceil((piece.low - own_high) / S - CLOSE)
    )
    moved = EpochPiece(bound=reach, S=piece.S, low=piece.low + laps * S, high=piece.high + laps * S, laps=laps, due=due)
    if max(moved.low, own_low) <= min(moved.high, own_high) + CLOSE:
        again = any(one.laps == laps and not one.at_join for one in (*before, piece))
        price = prices.AGAIN if again else prices.INSIDE + prices.FURTHER_LAP * (abs(laps) - 1)
        yield moved, price + (prices.AMID if due is None and not _ends_at(bounds, piece, reach) else 0)
    since = -math.inf
    if due is None and bounds.low[reach - 1] > -math.inf and bounds.high_label[reach] >= bounds.low_label[reach - 1]:
        since = float(bounds.low[reach - 1]) - S * float(bounds.high_label[reach])  # the label changes at the boundary
    within = EpochPiece(bound=reach, S=piece.S, low=max(since, piece.low - S), high=piece.high + S, due=due)
    if within.low <= own_high and own_low <= within.high:
        yield within, prices.INSIDE
    if before and before[-1].S == piece.S and not (piece.at_join or piece.laps or piece.returns):
        back = before[-1]
        if max(back.low, own_low) <= min(back.high, own_high) + CLOSE:
            returned = EpochPiece(bound=reach, S=piece.S, low=back.low, high=back.high, returns=True, due=due)
            yield returned, prices.RETURNS
    for k in range(max(piece.bound + 2, reach - 3), reach + 1):
        if k == reach and bounds.start[k] != bounds.start[k - 1]:
            continue  # the boundary at which the length changes is one of both lengths
        yield from _another_length(bounds, piece, k, measured, known, at_join=False)


def _ends_at(bounds: Bounds, piece: EpochPiece, k: int) -> bool:
    """Whether the piece's clock ends an epoch between the row before bound k and the row of bound k."""
    S, label = float(piece.S), float(bounds.low_label[k - 1])
    return piece.low + S * label <= bounds.high[k] and piece.high + S * label >= bounds.low[k - 1]


def _last_opening(session: Ints, begin: int, reach: int) -> int | None:
    opens = np.flatnonzero(np.diff(session[begin : reach + 1]) != 0)
    return begin + int(opens[-1]) + 1 if len(opens) else None


def _another_length(
    bounds: Bounds, piece: EpochPiece, k: int, measured: Measured, known: Container[Fraction], *, at_join: bool
) -> Iterator[tuple[EpochPiece, float]]:
    """The piece that begins at bound k under the S that the labels behind it measure, where they do."""
    at_boundary = not at_join and bounds.start[k] != bounds.start[k - 1]
    if at_boundary and not (math.isfinite(bounds.low[k - 1]) and math.isfinite(bounds.high[k])):
        return
    if k not in measured:
        measured[k] = measured_from(bounds, k, opened=at_boundary)
    found = measured[k]
    again = at_boundary and piece.another_length and not piece.at_join
    if found is None or found[1] is None or found[1] > MEASURED * found[0]:
        return
    if not (at_join or found[2] >= (1 if again else FEWEST_LAPS)):
        return
    S = Fraction(found[0] + found[1], 2) if found[0] != found[1] else Fraction(found[0])
    gap = max(found[0] - piece.S, piece.S - found[1])
    if gap < DIFFERENT_STEPS or gap < DIFFERENT_SHARE * min(piece.S, S):
        return
    S = Fraction(round(S))
    low = float(bounds.low[k - 1]) - float(S) * float(bounds.high_label[k]) if at_boundary else -math.inf
    price = prices.AT_JOIN if at_join else prices.AGAIN if again else prices.ANOTHER_LENGTH
    price += 0 if at_join or at_boundary else prices.MIXED_LAP
    price += 0 if at_join or S in known else prices.UNDECLARED
    yield EpochPiece(bound=k, S=S, low=low, high=math.inf, at_join=at_join, another_length=True), price


def measured_from(bounds: Bounds, k: int, *, opened: bool) -> tuple[int, int | None, float] | None:
    """Whole S of the longest stretch of bounds from k on that one clock explains, and the laps that it shows."""
    part = bounds.part(k)
    if opened:
        part = part.opened(float(bounds.low[k - 1]), float(bounds.high_label[k]), at=int(bounds.start[k]))
    good, bad, width, found = 0, len(part) + 1, 4, None
    while good < min(bad - 1, len(part)):  # widen by doubling, then narrow
        stop = min(len(part), bad - 1, good + width)
        lengths = whole_lengths(part.part(0, stop))
        if lengths is not None:
            begun = part.high_label[:stop][np.isfinite(part.high[:stop])]
            good, width = stop, 2 * width
            found = (*lengths, float(begun[-1] - begun[0]) if len(begun) else 0.0)
        else:
            bad, width = stop, max(1, (stop - good) // 2)
    return found
