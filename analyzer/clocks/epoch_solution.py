"""From bounds on the offset to one clock: the steps per epoch, and the fewest places where the labels leave them.

Tried in this order, each only where the one before fails: one whole S from the known origin; one whole S from another
origin (the labels change early or late everywhere); one ratio S, whose laps alternate; one S with breaks, joins first;
two S, where a second one spares breaks. A free second S explains everything, so it must earn its place.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from analyzer.clocks.fractions import Slope
from analyzer.clocks.label_runs import FREE, INSIDE, Bounds, Piece, Walk, feasible_lengths, walk

LAST_BOUNDARIES = 3
"""Boundaries that a ratio must pass through: two can be hit by choosing offset and slope."""
MEASURED = Fraction(3, 2)
"""Greatest over least S of a part of the labels that is said to measure a lap."""
FEW_LENGTHS = 256
"""Whole S that are tried on both sides of a change."""
MOST_WALKS = 40_000
"""Bounds walked, over all places of a change inside a session: beyond it only joins are tried."""
GEOMETRY_STEPS = 2
GEOMETRY_SHARE = 0.05
"""A second S differs by at least so many steps and this share: less is a label that changes early or late."""


ALTERNATING = 0.6
"""Cost of laps that alternate in length: accumulation carried over the epoch's end, packing. With UNPLANNED it is more
than one break inside a session, unless the ratio is the plan's own batches / accumulation."""
ELSEWHERE = 1.25
"""Cost of labels that change early or late at every boundary; a break at a join costs 1, one inside a session 1.5."""
UNPLANNED = 1.0
"""Added where the plan names other steps per epoch: the plan would be wrong as well."""
LARGEST_DENOMINATOR = 8
"""Of steps per epoch in a run without a plan; a ratio is batches / accumulation."""


class Planned(Struct, frozen=True, kw_only=True):
    """What the plan says about steps per epoch, on the log's own axis."""

    lengths: tuple[Fraction, ...] = ()
    confirmed: tuple[Fraction, ...] = ()  # those that rows at the epochs' ends, or the run's end, bear out
    divided: tuple[Fraction, ...] = ()  # batches / accumulation of every reading, whatever becomes of the remainder
    largest_denominator: int = LARGEST_DENOMINATOR  # of a ratio that the accumulation can give

    def strangeness(self, found: Solution) -> float:
        """The cost of steps per epoch that the plan does not know."""
        known = not self.lengths or any(found.low <= S <= found.high for S in self.lengths)
        return 0.0 if known else UNPLANNED


class Solution(Struct, frozen=True, kw_only=True):
    """The clock that explains the labels best. With an anchor, bound 0 of ``bounds`` is the origin."""

    low: Fraction  # steps per epoch, at least
    high: Fraction  # at most
    walk: Walk  # pieces under one S within [low, high]
    bounds: Bounds
    anchored: bool = False
    shifted_origin: bool = False  # the labels are sound, but not from where the log begins
    ratios: tuple[Fraction, Fraction] | None = None  # S of laps that may alternate in length
    change: int | None = None  # index of the bound from which on another S holds
    after: Solution | None = None  # the clock from there on


def solve(
    bounds: Bounds,
    lengths: Mapping[int, int],
    *,
    anchor: tuple[int, int, int] | None,
    slope: Slope | None,
    planned: Planned,
    crossings: int,
) -> Solution | None:
    """The best explanation of the bounds; None when there is nothing to explain.

    Args:
        lengths: whole steps per epoch worth a try, each with the number of laps that measure it.
        anchor: (lowest, highest, label) first step of the first epoch, where the log shows its beginning.
        crossings: boundaries that the labels show.
    """
    if not len(bounds):
        return None
    rooted = bounds
    if anchor is not None:
        lowest, highest, label = anchor
        rooted = bounds.opened(lowest * bounds.scale, label, high=highest * bounds.scale, at=0)
    ratios = _ratios(rooted, slope, planned)
    found = _explained(bounds, rooted, lengths, anchor is not None, slope, planned, crossings, ratios)
    return None if found is None else replace(found, ratios=ratios)


def _ratios(bounds: Bounds, slope: Slope | None, planned: Planned) -> tuple[Fraction, Fraction] | None:
    """S of laps that may alternate in length; of the two ways to label a divided update, the one the plan confirms."""
    if slope is not None:  # accumulation carried over: laps are what the slope says
        whole = feasible_lengths(bounds)
        if whole is None:
            return None
        low, high = max(whole[0], Fraction(slope.low)), min(whole[1], Fraction(slope.high))
        return (low, high) if low <= high else None
    ways = [feasible_lengths(bounds, ratio="up"), feasible_lengths(bounds, ratio="down")]
    found = [way for way in ways if way is not None]
    ratios = [S for S in planned.lengths if S.denominator > 1]
    confirmed = [way for way in found if any(way[0] <= S <= way[1] for S in ratios)]
    return next(iter([*confirmed, *found]), None)


def _explained(
    bounds: Bounds,
    rooted: Bounds,
    lengths: Mapping[int, int],
    anchored: bool,
    slope: Slope | None,
    planned: Planned,
    crossings: int,
    ratios: tuple[Fraction, Fraction] | None,
) -> Solution | None:
    sound = _sound(rooted, slope, planned.lengths)
    if (
        slope is None
        and ratios is not None
        and not (sound is not None and any(sound.low <= S <= sound.high for S in planned.lengths))
    ):
        ratio = next((S for S in planned.lengths if S.denominator > 1 and ratios[0] <= S <= ratios[1]), None)
        if ratio is not None:
            return Solution(
                low=ratios[0], high=ratios[1], walk=_single(rooted, ratio), bounds=rooted, anchored=anchored
            )
    elsewhere = _sound(bounds, slope, planned.lengths) if anchored else None
    trusted = [S for S in planned.confirmed if elsewhere is not None and elsewhere.low <= S <= elsewhere.high]
    if not planned.lengths and elsewhere is not None and elsewhere.low < elsewhere.high:
        trusted = []  # a spacing of validations alone picks no length out of several
    if sound is not None and (not trusted or any(sound.low <= S <= sound.high for S in trusted)):
        return replace(sound, anchored=anchored)
    if trusted and elsewhere is not None:  # other witnesses vouch for S, so the boundaries are off
        S = trusted[0]
        return replace(elsewhere, low=S, high=S, walk=_single(bounds, S), shifted_origin=True)
    if elsewhere is not None and not planned.lengths and crossings < LAST_BOUNDARIES:
        return elsewhere  # two boundaries and no plan: early labels and alternating laps look alike
    choices: list[tuple[float, Solution]] = []
    if slope is None and ratios is not None and crossings >= LAST_BOUNDARIES:
        ratio = _simplest(*ratios)
        if 1 < ratio.denominator <= planned.largest_denominator:
            alternating = Solution(
                low=ratios[0], high=ratios[1], walk=_single(rooted, ratio), bounds=rooted, anchored=anchored
            )
            known = any(S.denominator > 1 and ratios[0] <= S <= ratios[1] for S in planned.divided)
            choices.append((ALTERNATING + (0.0 if known else planned.strangeness(alternating)), alternating))
    if elsewhere is not None and crossings >= 2:
        choices.append((ELSEWHERE + planned.strangeness(elsewhere), replace(elsewhere, shifted_origin=True)))
    if not choices or min(choices, key=lambda one: one[0])[0] > 1.0:
        broken = _broken(rooted, lengths, slope, planned.lengths)
        if broken is not None:
            changed = _two_lengths(rooted, lengths, slope, planned.lengths, broken.walk.cost)
            cost = broken.walk.cost + planned.strangeness(broken) if changed is None else 1.0
            choices.append((cost, replace(changed or broken, anchored=anchored)))
    return min(choices, key=lambda one: one[0])[1] if choices else None


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
        if not near:
            low, high = max(low, Fraction(slope.low)), min(high, Fraction(slope.high))
            if low <= high:
                inside = [S for S in preferred if low <= S <= high]
                return Solution(
                    low=low, high=high, walk=_single(bounds, (inside or [_simplest(low, high)])[0]), bounds=bounds
                )
            low, high = whole
        if near and last - first > 1:
            first, last = min(near), max(near)
        if first > last:
            return Solution(low=low, high=high, walk=_single(bounds, (low + high) / 2), bounds=bounds)
    if first > last:
        return None
    inside = [S for S in preferred if first <= S <= last and S.denominator == 1]
    chosen = inside[0] if inside else Fraction(min(max(round((low + high) / 2), first), last))
    return Solution(low=Fraction(first), high=Fraction(last), walk=_single(bounds, chosen), bounds=bounds)


def _simplest(low: Fraction, high: Fraction) -> Fraction:
    """The fraction of smallest denominator in [low, high]."""
    for denominator in (1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 64, 128):
        numerator = math.ceil(low * denominator)
        if numerator <= high * denominator:
            return Fraction(numerator, denominator)
    return (low + high) / 2


def _single(bounds: Bounds, S: Fraction) -> Walk:
    """The one piece under an S that is known to be feasible."""
    scaled = round(S * bounds.scale)
    below, above = bounds.low > -FREE, bounds.high < FREE
    low = int((bounds.low[below] - scaled * bounds.low_label[below]).max(initial=-FREE))
    high = int((bounds.high[above] - scaled * bounds.high_label[above]).min(initial=FREE))
    if low > high:  # a ratio, rounded to parts of a step
        low = high = (low + high) // 2
    return Walk(steps_per_epoch=S, pieces=(Piece(bound=0, low=low, high=high),))


def _broken(
    bounds: Bounds, lengths: Mapping[int, int], slope: Slope | None, preferred: tuple[Fraction, ...]
) -> Solution | None:
    tried = [Fraction(length) for length in lengths]
    if slope is not None and slope.ratio not in tried:
        tried.append(slope.ratio)
    walks = walk(bounds, tried)
    if not walks:
        return None
    least = min(one.cost for one in walks)
    best = [one for one in walks if one.cost == least]
    chosen = next((one for one in best if one.steps_per_epoch in preferred), None)
    chosen = chosen or max(best, key=lambda one: (lengths.get(int(one.steps_per_epoch), 0), -one.steps_per_epoch))
    low = high = chosen.steps_per_epoch
    values = {one.steps_per_epoch for one in best}
    while low - 1 in values:
        low -= 1
    while high + 1 in values:
        high += 1
    return Solution(low=low, high=high, walk=chosen, bounds=bounds)


def _two_lengths(
    bounds: Bounds, lengths: Mapping[int, int], slope: Slope | None, preferred: tuple[Fraction, ...], cost: float
) -> Solution | None:
    """A change of S at a join, or a lasting one inside a session, where it spares breaks."""
    if len(lengths) > FEW_LENGTHS:
        return None  # laps so loosely measured show no second length
    opens = np.nonzero(np.diff(bounds.session) != 0)[0] + 1
    places = {int(k): 1.0 for k in opens}
    starts = np.nonzero(np.diff(bounds.start) != 0)[0] + 1
    if len(starts) * len(bounds) <= MOST_WALKS:
        for k in starts.tolist():
            places.setdefault(int(k), INSIDE)
    found: list[tuple[float, int, Solution, Solution]] = []
    for k, price in sorted(places.items()):
        broken = lengths if price != INSIDE else {}  # inside a session both parts have to be sound
        before = _part(bounds.part(0, k), broken, slope, preferred)
        after = None if before is None else _part(_from_boundary(bounds, k), broken, slope, ())
        if before is None or after is None:
            continue
        if not _differ(before, after) or price + before.walk.cost + after.walk.cost > cost - 0.25:
            continue
        found.append((price + before.walk.cost + after.walk.cost, k, before, after))
    if not found:
        return None
    _, k, before, after = min(found, key=lambda one: (one[0], one[1]))
    return replace(before, change=k, after=after, bounds=bounds)


def _from_boundary(bounds: Bounds, k: int) -> Bounds:
    """Bounds from k on; inside a session the epoch begins behind the last row of the label before."""
    part = bounds.part(k, len(bounds))
    before, label = int(bounds.low[k - 1]), int(bounds.high_label[k])
    if bounds.scale != 1 or bounds.session[k - 1] != bounds.session[k] or before <= -FREE or bounds.high[k] >= FREE:
        return part
    return part.opened(before, label, at=int(part.start[0]))


def _part(
    bounds: Bounds, lengths: Mapping[int, int], slope: Slope | None, preferred: tuple[Fraction, ...]
) -> Solution | None:
    """A clock for part of the labels, if they measure a lap: a sound one, or one that breaks under ``lengths``."""
    found = _sound(bounds, slope, preferred) or (_broken(bounds, lengths, slope, preferred) if lengths else None)
    if found is None or found.high <= MEASURED * found.low:
        return found
    inside = next((S for S in preferred if found.low <= S <= found.high), None)  # one lap, cut by the join: the plan's
    return None if inside is None else replace(found, low=inside, high=inside, walk=_single(bounds, inside))


def _differ(before: Solution, after: Solution) -> bool:
    gap = max(after.low - before.high, before.low - after.high)
    smaller = min(before.low, after.low)
    return gap >= GEOMETRY_STEPS and gap >= GEOMETRY_SHARE * smaller
