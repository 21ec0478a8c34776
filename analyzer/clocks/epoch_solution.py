"""From bounds on the offset to one clock: the steps per epoch, and the fewest places where the labels leave them.

Tried in this order, each only where the one before fails: one whole S from the known origin; one whole S from another
origin (the labels change early or late everywhere); one ratio S, whose laps alternate; one S with breaks, joins first;
two S, where a second one spares breaks. A free second S explains everything, so it must earn its place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from analyzer.clocks.fractions import Slope
from analyzer.clocks.label_runs import FREE, INSIDE, Bounds, Walk, feasible_lengths, walk

LAST_BOUNDARIES = 3
"""Boundaries that a ratio must pass through: two can be hit by choosing offset and slope."""
GEOMETRY_STEPS = 2
GEOMETRY_SHARE = 0.05
"""A second S differs by at least so many steps and this share: less is a label that changes early or late."""


@dataclass(frozen=True, kw_only=True)
class Solution:
    """The clock that explains the labels best. With an anchor, bound 0 of ``bounds`` is the origin."""

    low: Fraction  # steps per epoch, at least
    high: Fraction  # at most
    walk: Walk  # pieces under one S within [low, high]
    bounds: Bounds
    anchored: bool = False
    shifted_origin: bool = False  # the labels are sound, but not from where the log begins
    change: int | None = None  # index of the bound from which on another S holds
    after: Solution | None = None  # the clock from there on


def solve(
    bounds: Bounds,
    lengths: list[int],
    *,
    anchor: tuple[int, int, int] | None,
    slope: Slope | None,
    preferred: tuple[Fraction, ...],
    crossings: int,
    run_fits: tuple[Fraction, ...] = (),
) -> Solution | None:
    """The best explanation of the bounds; None when there is nothing to explain.

    Args:
        lengths: whole steps per epoch worth a try.
        anchor: (lowest, highest, label) first step of the first epoch, where the log shows its beginning.
        preferred: steps per epoch of the plan; they win among equals.
        crossings: boundaries that the labels show.
        run_fits: those of ``preferred`` whose run length is the log's own.
    """
    if not len(bounds):
        return None
    rooted = _anchored(bounds, anchor) if anchor is not None else bounds
    sound = _sound(rooted, slope, preferred)
    elsewhere = _sound(bounds, slope, preferred) if anchor is not None else None
    trusted = [S for S in run_fits if elsewhere is not None and elsewhere.low <= S <= elsewhere.high]
    if sound is not None and (not trusted or any(sound.low <= S <= sound.high for S in trusted)):
        return replace(sound, anchored=anchor is not None)
    if sound is not None and elsewhere is not None:  # the run's length vouches for S, so the boundaries are off
        return replace(
            elsewhere, low=trusted[0], high=trusted[0], walk=_single(bounds, trusted[0]), shifted_origin=True
        )
    if elsewhere is not None and crossings >= 2:
        return replace(elsewhere, shifted_origin=True)
    broken = _broken(rooted, lengths, slope, preferred)
    if (
        bounds.scale == 1
        and crossings >= LAST_BOUNDARIES
        and not (broken is not None and broken.walk.steps_per_epoch in run_fits and broken.walk.cost <= INSIDE)
    ):
        ratio = feasible_lengths(rooted, ratio=True)
        if ratio is not None:
            middle = _simplest(*ratio)
            return Solution(
                low=ratio[0], high=ratio[1], walk=_single(rooted, middle), bounds=rooted, anchored=anchor is not None
            )
    if broken is None:
        return None
    changed = _two_lengths(rooted, lengths, slope, preferred, broken.walk.cost)
    return replace(changed or broken, anchored=anchor is not None)


def _anchored(bounds: Bounds, anchor: tuple[int, int, int]) -> Bounds:
    lowest, highest, label = anchor

    def front(values: np.ndarray, value: int) -> np.ndarray:
        return np.concatenate([[value], values]).astype(np.int64)

    return Bounds(
        low=front(bounds.low, lowest * bounds.scale),
        low_label=front(bounds.low_label, label),
        high=front(bounds.high, highest * bounds.scale),
        high_label=front(bounds.high_label, label),
        session=front(bounds.session, int(bounds.session[0])),
        start=front(bounds.start, 0),
        position=front(bounds.position, 0),
        scale=bounds.scale,
    )


def _sound(bounds: Bounds, slope: Slope | None, preferred: tuple[Fraction, ...]) -> Solution | None:
    """One S for everything, without a break: a whole one, or for fractions a ratio."""
    whole = feasible_lengths(bounds)
    if whole is None:
        return None
    low, high = whole
    first, last = math.ceil(low), math.floor(high)
    if slope is not None:
        least, most = max(first, math.floor(slope.low - 1) + 1), min(last, math.ceil(slope.high + 1) - 1)
        near = (least, most) if least <= most else ()
        if not near and (ratio := _ratio_between(slope, low, high)) is not None:
            return Solution(low=ratio, high=ratio, walk=_single(bounds, ratio), bounds=bounds)
        if near and last - first > 1:
            first, last = min(near), max(near)
        if first > last:
            return Solution(low=low, high=high, walk=_single(bounds, (low + high) / 2), bounds=bounds)
    if first > last:
        return None
    inside = [S for S in preferred if first <= S <= last and S.denominator == 1]
    chosen = inside[0] if inside else Fraction(min(max(round((low + high) / 2), first), last))
    return Solution(low=Fraction(first), high=Fraction(last), walk=_single(bounds, chosen), bounds=bounds)


def _ratio_between(slope: Slope, low: Fraction, high: Fraction) -> Fraction | None:
    if low <= slope.ratio <= high:
        return slope.ratio
    least, most = max(low, Fraction(slope.low)), min(high, Fraction(slope.high))
    return _simplest(least, most) if least <= most else None


def _simplest(low: Fraction, high: Fraction) -> Fraction:
    """The fraction of smallest denominator in [low, high]."""
    for denominator in (1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 64, 128):
        numerator = math.ceil(low * denominator)
        if numerator <= high * denominator:
            return Fraction(numerator, denominator)
    return (low + high) / 2


def _single(bounds: Bounds, S: Fraction) -> Walk:
    """The walk under an S known to be feasible; rounding to parts of a step may still cut it."""
    found = walk(bounds, [S])[0]
    return found if len(found.pieces) == 1 else replace(found, pieces=found.pieces[:1], cost=0.0)


def _broken(
    bounds: Bounds, lengths: list[int], slope: Slope | None, preferred: tuple[Fraction, ...]
) -> Solution | None:
    tried = [Fraction(length) for length in lengths]
    if slope is not None and slope.ratio not in tried:
        tried.append(slope.ratio)
    walks = walk(bounds, tried)
    if not walks:
        return None
    least = min(one.cost for one in walks)
    best = [one for one in walks if one.cost == least]
    chosen = next((one for one in best if one.steps_per_epoch in preferred), best[len(best) // 2])
    values = [one.steps_per_epoch for one in best]
    return Solution(low=min(values), high=max(values), walk=chosen, bounds=bounds)


def _two_lengths(
    bounds: Bounds, lengths: list[int], slope: Slope | None, preferred: tuple[Fraction, ...], cost: float
) -> Solution | None:
    """A change of S at a join, or a lasting one inside a session, where it spares breaks."""
    opens = np.nonzero(np.diff(bounds.session) != 0)[0] + 1
    places = {int(k): 1.0 for k in opens}
    starts = np.nonzero(np.diff(bounds.start) != 0)[0] + 1
    if len(starts) <= 200:
        for k in starts.tolist():
            places.setdefault(int(k), INSIDE)
    found: list[tuple[float, int, Solution, Solution]] = []
    for k, price in sorted(places.items()):
        before = _part(bounds.part(0, k), lengths, slope, preferred)
        after = _part(bounds.part(k, len(bounds)), lengths, slope, ())
        if before is None or after is None:
            continue
        if not _differ(before, after) or price + before.walk.cost + after.walk.cost > cost - 0.25:
            continue
        if price == INSIDE and (before.walk.cost or after.walk.cost):
            continue
        found.append((price + before.walk.cost + after.walk.cost, k, before, after))
    if not found:
        return None
    _, k, before, after = min(found, key=lambda one: (one[0], one[1]))
    return replace(before, change=k, after=after, bounds=bounds)


def _part(bounds: Bounds, lengths: list[int], slope: Slope | None, preferred: tuple[Fraction, ...]) -> Solution | None:
    """A clock for part of the labels, if they measure a lap."""
    labels = bounds.low_label[bounds.low > -FREE]
    if len(np.unique(labels)) < 3 and slope is None:
        return None
    return _sound(bounds, slope, preferred) or _broken(bounds, lengths, slope, preferred)


def _differ(before: Solution, after: Solution) -> bool:
    gap = max(after.low - before.high, before.low - after.high)
    smaller = min(before.low, after.low)
    return gap >= GEOMETRY_STEPS and gap >= GEOMETRY_SHARE * smaller
