"""The cheapest of all ways in which labels can be true: one clock, another origin, a ratio, or a clock with breaks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

from msgspec import Struct
from msgspec.structs import replace

from analyzer.clocks import prices
from analyzer.clocks.epoch_bounds import Bounds, feasible_lengths, inside_updates, whole_lengths
from analyzer.clocks.epoch_clock import Slope
from analyzer.clocks.epoch_search import EpochPiece, Path, cheapest_paths

LAST_BOUNDARIES = 3
"""Boundaries that a ratio must pass through: two can be hit by choosing offset and slope."""
LARGEST_DENOMINATOR = 8
"""Of steps per epoch in a run without a plan; a ratio is batches / accumulation."""
SIMPLE = (1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 64, 128)


class Planned(Struct, frozen=True, kw_only=True):
    """What the plan says about steps per epoch, on the log's own axis."""

    lengths: tuple[Fraction, ...] = ()
    confirmed: tuple[Fraction, ...] = ()  # those that rows at the epochs' ends, or the run's end, bear out
    divided: tuple[Fraction, ...] = ()  # batches / accumulation of every reading, whatever becomes of the remainder
    batches: tuple[Fraction, ...] = ()  # per epoch: the length where a loop counts them
    largest_denominator: int = LARGEST_DENOMINATOR  # of a ratio that the accumulation can give

    @property
    def known(self) -> frozenset[Fraction]:
        """Lengths that the plan gives, in updates or in batches; empty without a plan."""
        return frozenset((*self.lengths, *self.batches)) if self.lengths else frozenset()

    def knows(self, low: Fraction, high: Fraction | None) -> bool:
        """Whether the plan gives an S in the interval, or none at all."""
        return not self.lengths or any(_holds(low, high, S) for S in self.lengths)


class EpochExplanation(Struct, frozen=True, kw_only=True):
    """What makes the labels true. With an anchor, bound 0 of ``bounds`` is the origin."""

    low: Fraction  # steps per epoch of the first piece, at least
    high: Fraction | None  # at most; None where nothing bounds them
    pieces: tuple[EpochPiece, ...]
    bounds: Bounds
    cost: float = 0.0
    anchored: bool = False
    elsewhere: bool = False  # the labels are sound, but not from where the log begins
    ratios: tuple[Fraction, Fraction | None] | None = None  # S of laps that may alternate in length


def explain(
    bounds: Bounds,
    lengths: Mapping[int, int],
    *,
    anchor: tuple[int, int, int] | None,
    slope: Slope | None,
    planned: Planned,
    crossings: int,
) -> EpochExplanation | None:
    """The cheapest explanation of the bounds; None where labels follow no clock.

    Args:
        lengths: whole steps per epoch worth a try, each with the number of laps that measure it.
        anchor: (lowest, highest, label) first step of the first epoch, where the log shows its beginning.
        crossings: boundaries that the labels show.
    """
    if not len(bounds):
        return None
    rooted = bounds if anchor is None else bounds.opened(anchor[0], anchor[2], high=anchor[1], at=0)
    ratios = _ratios(rooted, slope, planned)
    choices = [_priced(one, planned) for one in _of_one_piece(bounds, rooted, slope, planned, ratios, crossings)]
    if not choices or min(one.cost for one in choices) > prices.AT_JOIN:
        choices += [_against(one, planned) for one in _of_pieces(rooted, lengths, slope, planned, crossings)]
    if not choices:
        return None
    best = min(choices, key=lambda one: (one.cost, len(one.pieces)))
    return replace(best, ratios=ratios, anchored=anchor is not None and best.bounds is not bounds)


def _priced(found: EpochExplanation, planned: Planned) -> EpochExplanation:
    """With what it costs that the plan, or other witnesses, say otherwise."""
    known = planned.knows(found.low, found.high)
    return _against(replace(found, cost=found.cost + (0 if known else prices.UNDECLARED)), planned)


def _against(found: EpochExplanation, planned: Planned) -> EpochExplanation:
    lengths = {piece.S for piece in found.pieces}
    borne_out = any(_holds(found.low, found.high, S) or S in lengths for S in planned.confirmed)
    against = bool(planned.confirmed) and not borne_out
    return replace(found, cost=found.cost + (prices.AGAINST_WITNESS if against else 0))


def _of_one_piece(
    bounds: Bounds,
    rooted: Bounds,
    slope: Slope | None,
    planned: Planned,
    ratios: tuple[Fraction, Fraction | None] | None,
    crossings: int,
) -> list[EpochExplanation]:
    """One clock from the known origin, one from elsewhere, one of laps that alternate."""
    found = []
    whole = _sound(rooted, slope, planned)
    if whole is not None:
        found.append(whole)
    if rooted is not bounds:
        elsewhere = _sound(bounds, slope, planned)
        enough = crossings >= 2 or elsewhere is None or bool(planned.confirmed)
        if elsewhere is not None and (enough or (not planned.lengths and crossings < LAST_BOUNDARIES)):
            settled = planned.lengths or elsewhere.low == elsewhere.high
            trusted = [S for S in planned.confirmed if settled and _holds(elsewhere.low, elsewhere.high, S)]
            if trusted:
                elsewhere = _narrowed(elsewhere, trusted[0])
            # two boundaries and no plan: early labels and alternating laps look alike
            early = crossings >= LAST_BOUNDARIES or bool(planned.lengths or trusted)
            price = _price_elsewhere(elsewhere, rooted) if early else 0.0
            if early and not planned.lengths and price >= prices.INSIDE:
                early = False  # a first epoch of several lengths: a batch that grew behind it leaves the same
            found.append(replace(elsewhere, elsewhere=early, cost=price))
    if slope is None and ratios is not None:
        own = [S for S in planned.lengths if S.denominator > 1 and _holds(*ratios, S)]
        divided = [S for S in planned.divided if S.denominator > 1 and _holds(*ratios, S)]
        simple = _simplest(*ratios)
        if own:
            found.append(_single(rooted, own[0], *ratios))
        elif (
            whole is None
            and crossings >= LAST_BOUNDARIES
            and simple is not None
            and 1 < simple.denominator <= planned.largest_denominator
        ):
            one = _single(rooted, simple, *ratios)
            cost = prices.ALTERNATING - (prices.UNDECLARED if divided and planned.lengths else 0)
            found.append(replace(one, cost=cost))
    return found


def _price_elsewhere(found: EpochExplanation, rooted: Bounds) -> float:
    """A few steps early or late everywhere, or a first label that lasts for several epochs."""
    S, piece = float(found.pieces[0].S), found.pieces[0]
    origin = float(rooted.high[0] - S * rooted.high_label[0])
    low, high = sorted((abs(piece.low - origin), abs(piece.high - origin)))
    laps = round(low / S)
    if laps and low <= laps * S + 1 and laps * S - 1 <= high:
        return prices.INSIDE + prices.FURTHER_LAP * (laps - 1)
    return prices.ELSEWHERE if low < S else prices.ELSEWHERE + prices.INSIDE


def _of_pieces(
    bounds: Bounds, lengths: Mapping[int, int], slope: Slope | None, planned: Planned, crossings: int
) -> list[EpochExplanation]:
    """Clocks with breaks: of those that come as cheap, the plan's, or the one that most laps measure."""
    others = () if slope is None or slope.ratio.denominator == 1 else (slope.ratio,)
    paths = cheapest_paths(bounds, lengths, others, laps=crossings, planned=planned.known)
    if not paths:
        return []
    values = {path.pieces[0].S for path in paths}

    def rank(path: Path) -> tuple[bool, bool, int, int, Fraction]:
        S = path.pieces[0].S
        moved = [piece for piece in path.pieces[1:] if not (piece.at_join or piece.another_length or piece.returns)]
        free = sum(not piece.laps for piece in moved)  # a boundary moves by any number of steps, a label by whole laps
        borne_out = S in planned.confirmed
        return S not in planned.lengths, not borne_out, free, -lengths.get(int(S), 0) if S.denominator == 1 else 0, S

    best = min(paths, key=rank)
    low = high = best.pieces[0].S
    while low - 1 in values and low not in planned.confirmed:
        low -= 1
    while high + 1 in values and high not in planned.confirmed:
        high += 1
    return [replace(_along(best, bounds), low=low, high=high)]


def _along(path: Path, bounds: Bounds) -> EpochExplanation:
    S = path.pieces[0].S
    return EpochExplanation(low=S, high=S, pieces=path.pieces, bounds=bounds, cost=path.cost)


def _sound(bounds: Bounds, slope: Slope | None, planned: Planned) -> EpochExplanation | None:
    """One S for everything, without a break: a whole one, or for fractions a ratio."""
    exact = feasible_lengths(bounds)
    if exact is None:
        return None
    whole = whole_lengths(bounds)
    if slope is not None:
        return _with_slope(bounds, slope, planned, exact, whole)
    if whole is None:
        return None
    low, high = whole
    inside = [S for S in planned.lengths if S.denominator == 1 and _holds(Fraction(low), exact[1], S)]
    chosen = inside[0] if inside else Fraction(low if high is None else round((low + high) / 2))
    return _single(bounds, chosen, Fraction(low), None if high is None else Fraction(high))


def _with_slope(
    bounds: Bounds,
    slope: Slope,
    planned: Planned,
    exact: tuple[Fraction, Fraction | None],
    whole: tuple[int, int | None] | None,
) -> EpochExplanation | None:
    """Laps of a fractional label: whole, within a step of the slope, or the ratio that the slope is."""
    low, high = exact
    near = math.floor(slope.low - 1) + 1, math.ceil(slope.high + 1) - 1
    if whole is not None:
        least, most = max(whole[0], near[0]), near[1] if whole[1] is None else min(whole[1], near[1])
        if least <= most:
            inside = [S for S in planned.lengths if S.denominator == 1 and least <= S <= most]
            chosen = inside[0] if inside else Fraction(min(max(round(slope.middle), least), most))
            return _single(bounds, chosen, Fraction(least), Fraction(most))
    low = max(low, Fraction(slope.low))
    high = Fraction(slope.high) if high is None else min(high, Fraction(slope.high))
    if low <= high:
        inside = [S for S in planned.lengths if low <= S <= high]
        return _single(bounds, inside[0] if inside else _simplest(low, high) or (low + high) / 2, low, high)
    if whole is None or whole[1] is None:
        return None
    return _single(bounds, Fraction(round((whole[0] + whole[1]) / 2)), Fraction(whole[0]), Fraction(whole[1]))


def _ratios(bounds: Bounds, slope: Slope | None, planned: Planned) -> tuple[Fraction, Fraction | None] | None:
    """S of laps that may alternate in length; of the two ways to label a divided update, the one the plan confirms."""
    if slope is not None:  # accumulation carried over: laps are what the slope says
        whole = feasible_lengths(bounds)
        if whole is None:
            return None
        low, high = max(whole[0], Fraction(slope.low)), Fraction(slope.high)
        high = high if whole[1] is None else min(high, whole[1])
        return (low, high) if low <= high else None
    ways = [feasible_lengths(inside_updates(bounds, "begins")), feasible_lengths(inside_updates(bounds, "ends"))]
    found = [way for way in ways if way is not None]
    ratios = [S for S in planned.lengths if S.denominator > 1]
    confirmed = [way for way in found if any(_holds(*way, S) for S in ratios)]
    return next(iter([*confirmed, *found]), None)


def _narrowed(found: EpochExplanation, S: Fraction) -> EpochExplanation:
    return _single(found.bounds, S, S, S)


def _single(bounds: Bounds, S: Fraction, low: Fraction, high: Fraction | None) -> EpochExplanation:
    """The one piece under an S that is known to be feasible."""
    least, most = float(bounds.lows(float(S)).max()), float(bounds.highs(float(S)).min())
    if least > most:  # a ratio, whose boundaries lie inside updates
        least = most = (least + most) / 2
    return EpochExplanation(low=low, high=high, pieces=(EpochPiece(bound=0, S=S, low=least, high=most),), bounds=bounds)


def _simplest(low: Fraction, high: Fraction | None) -> Fraction | None:
    """The fraction of smallest denominator in [low, high]; None where no simple one is."""
    if high is None:
        return Fraction(math.ceil(low))
    for denominator in SIMPLE:
        numerator = math.ceil(low * denominator)
        if numerator <= high * denominator:
            return Fraction(numerator, denominator)
    return None


def _holds(low: Fraction, high: Fraction | None, S: Fraction) -> bool:
    return low <= S and (high is None or high >= S)
