"""Whether two accounts tell of one run: their measured numbers agree, differ, or cannot be compared.

What was measured (losses, accuracies, norms, times) differs between any two runs; what was planned (learning rates,
epochs, counters) is the same in all runs of a sweep and proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from analyzer.distinct import distinct
from analyzer.joining.accounts import Account, split_of
from analyzer.model import NO_STEP, Floats, Series
from analyzer.precision import width_function
from analyzer.roles import MEASURED, preference, role_of_tag

SHARED_POINTS = 3  # fewer equal numbers that differ among themselves are chance
SAME_VALUES = 0.5  # share of equal numbers from which two accounts tell of one run
STRANGERS = 2  # measures of one name without common numbers: one alone may be smoothed in one account
FEWEST_OF_STRANGERS, CHANCE = 8, 0.1  # numbers of such a measure, and the share of them that may be equal by chance
ABOVE_CHANCE = 2.0  # as many times more than numbers of other rows do
ROUNDING = 1.5  # half widths of both values, and half as much again for a value rounded twice
BESIDE = (-9.0, -5.0, 4.0, 7.0)  # in widths: where a number lies that was not logged
ROWS_LOOKED_AT = 4000  # of a series, spread over it
ARRAYS = ("step", "value", "wall_time", "source", "row")
TAGS_LOOKED_AT = 12  # pairs of tags; the plain losses come first
BASES = (0, 1, -1)  # one logger may count updates from 0 where the other counts from 1
LOSSES = ("loss", "epoch_loss", "validation_loss")
MAIN_SPLITS = {"", "tr"}  # as `split_of` tells them
PLANNED = ("learning_rate", "epoch", "step", "samples", "tokens", "batch_in_epoch", "clip")


class Compared(Struct, frozen=True, kw_only=True):
    """What a comparison of two accounts gave, and on which tags."""

    verdict: Literal["agree", "differ", "unknown"]
    tags: tuple[str, str] | None = None
    equal: int = 0
    of: int = 0
    ratio: float = 1.0  # of the other's numbers to the one's


def compared(one: Account, other: Account) -> Compared:
    """Whether two accounts tell of one run.

    One tag whose numbers agree is enough. They differ where a training or validation loss that both log, or a measure
    that both call the same, has other numbers at the same steps, and no tag agrees.
    """
    differs: Compared | None = None
    strangers: list[Compared] = []
    comparable = _unit(one) == _unit(other)
    one_split = {split_of(one), split_of(other)} <= MAIN_SPLITS or split_of(one) == split_of(other)
    for a, b in _pairs(_long_series(one), _long_series(other)):
        width = _width_of_both(a, b)
        found = _looked_up(a, b, width)
        if found.verdict == "agree":
            return found
        if one_split and _same_measure(a, b) and _of_strangers(found, a, b):
            strangers.append(found)
        if not comparable:
            continue
        found = _at_equal_steps(a, b, width)
        if found.verdict == "agree":
            return found
        if found.verdict == "differ" and differs is None and one_split and (_same_loss(a, b) or _same_measure(a, b)):
            differs = found
    if differs is None and len(strangers) >= STRANGERS:
        return replace(strangers[0], verdict="differ")
    return differs or Compared(verdict="unknown")


def _of_strangers(found: Compared, one: Series, other: Series) -> bool:
    """Whether hardly a number of one measure stands in the other account, which tells it about as often."""
    short, long = sorted((len(one), len(other)))
    return found.of >= FEWEST_OF_STRANGERS and found.equal <= CHANCE * found.of and long <= 2 * short


def _same_loss(one: Series, other: Series) -> bool:
    """Whether two tags name the same loss: both the plain one, or of one name; a part of it has numbers of its own."""
    role = role_of_tag(one.tag)
    if role not in LOSSES or role != role_of_tag(other.tag):
        return False
    plain = preference(role, one)[0] == preference(role, other)[0] == 0
    return plain or _plain(one.tag) == _plain(other.tag)


def _same_measure(one: Series, other: Series) -> bool:
    """Whether two tags are one measure by their name; speeds and times depend on who takes them."""
    return one.tag == other.tag and role_of_tag(one.tag) not in (*LOSSES, *MEASURED)


def _unit(account: Account) -> str:
    return account.pieces[0].reading.source.step_axis


def _long_series(account: Account) -> dict[str, Series]:
    """The longest part of every measured tag of an account."""
    found: dict[str, Series] = {}
    for piece in account.pieces:
        for series in piece.series:
            tag = account.prefixes.get(piece.path, "") + series.tag
            if len(series) and role_of_tag(tag) not in PLANNED and len(series) > len(found.get(tag, ())):
                found[tag] = series
    return found


def _pairs(one: dict[str, Series], other: dict[str, Series]) -> Iterator[tuple[Series, Series]]:
    """Pairs of tags that may be one quantity: losses by their role, the rest by its name; the likeliest first."""
    mine, theirs = _losses(one), _losses(other)
    pairs = [(a, b) for a in mine[:3] for b in theirs[:3]]
    by_name = {_plain(tag): tag for tag in other if tag not in theirs}
    pairs += [(tag, by_name[_plain(tag)]) for tag in one if tag not in mine and _plain(tag) in by_name]
    pairs.sort(key=lambda pair: _plain(pair[0]) != _plain(pair[1]))
    yield from ((one[a], other[b]) for a, b in pairs[:TAGS_LOOKED_AT])


def _losses(series: dict[str, Series]) -> list[str]:
    return sorted((t for t in series if role_of_tag(t) in LOSSES), key=lambda tag: preference("loss", series[tag]))


def _plain(tag: str) -> str:
    return tag.lower().replace("\\", "/").replace("-", "_").replace(" ", "_")


Width = Callable[[Floats], Floats]


def _width_of_both(one: Series, other: Series) -> Width:
    """How far apart two values may be written that are one: a function of the value."""
    some = [replace(s, **{name: getattr(s, name)[:: 1 + len(s) // ROWS_LOOKED_AT] for name in ARRAYS})
            for s in (one, other)]
    one_width, other_width = map(width_function, some)
    return lambda values: ROUNDING * (one_width(values) + other_width(values)) + 1e-12 * np.abs(values)


def _looked_up(one: Series, other: Series, width: Width) -> Compared:
    """Whether the numbers of the shorter series stand anywhere in the longer one, more often than numbers beside them.

    Asks nothing of the steps: one logger may count epochs where the other counts updates.
    """
    short, long = (one, other) if len(one) <= len(other) else (other, one)
    values = distinct(short.value[np.isfinite(short.value) & (short.value != 0)])
    there = np.sort(long.value[np.isfinite(long.value)])
    if len(values) < SHARED_POINTS or not len(there):
        return Compared(verdict="unknown")
    values = values[:: 1 + len(values) // ROWS_LOOKED_AT]
    wide = width(values)
    equal = _stand_in(there, values, wide)
    by_chance = float(np.mean([_stand_in(there, values + k * wide, wide) for k in BESIDE]))
    agree = equal >= max(SHARED_POINTS, SAME_VALUES * len(values), ABOVE_CHANCE * by_chance)
    return Compared(verdict="agree" if agree else "unknown", tags=(one.tag, other.tag), equal=equal, of=len(values))


def _stand_in(there: Floats, values: Floats, width: Floats) -> int:
    first, behind = np.searchsorted(there, values - width), np.searchsorted(there, values + width, side="right")
    return int(np.count_nonzero(first < behind))


def _at_equal_steps(one: Series, other: Series, width: Width) -> Compared:
    """The numbers at the steps that both have, with the base that suits best."""
    some = np.arange(len(one))[:: 1 + len(one) // ROWS_LOOKED_AT]
    some = some[one.step[some] != NO_STEP]
    order = np.argsort(other.step, kind="stable")
    along = other.step[order]
    best = Compared(verdict="unknown")
    for base in BASES:
        place = np.minimum(np.searchsorted(along, one.step[some] + base), len(along) - 1)
        both = along[place] == one.step[some] + base
        found = _row_by_row(one.value[some[both]], other.value[order[place[both]]], width)
        if found.equal * best.of > best.equal * found.of or (not best.of and found.of):
            best = replace(found, tags=(one.tag, other.tag))
    return best


def _row_by_row(mine: Floats, theirs: Floats, width: Width) -> Compared:
    """Rows side by side: equal, or equal up to one ratio (a loss divided by the accumulation in one account only)."""
    finite = np.isfinite(mine) & np.isfinite(theirs)
    of = int(np.count_nonzero(np.isfinite(mine) | np.isfinite(theirs)))  # not finite in both tells nothing
    if of < SHARED_POINTS:
        return Compared(verdict="unknown")
    mine, theirs = mine[finite], theirs[finite]
    ratios = theirs[mine != 0] / mine[mine != 0]
    found = Compared(verdict="differ", of=of)
    for ratio in (1.0, float(np.median(ratios)) if len(ratios) else 0.0):
        scaled, wide = mine * ratio, width(mine) * max(1.0, abs(ratio)) + width(theirs)
        close = np.abs(scaled - theirs) <= wide
        equal = int(np.count_nonzero(close))
        if equal < SAME_VALUES * of or not ratio:
            found = found if found.equal else replace(found, equal=equal)
            continue
        by_chance = min(np.count_nonzero(np.abs(scaled - np.roll(theirs, by)) <= wide) for by in (1, 2, 5))
        sure = len(distinct(mine[close])) >= SHARED_POINTS and equal >= ABOVE_CHANCE * by_chance
        return Compared(verdict="agree" if sure else "unknown", equal=equal, of=of, ratio=ratio)
    return found


def told(accounts: Sequence[str], found: Compared) -> str:
    """Why two accounts are, or are not, one run: a line for people."""
    one, other = accounts
    if found.tags is None:
        return f"{one} and {other} share no measured number: taken for one run by their place"
    tag = found.tags[0] if found.tags[0] == found.tags[1] else f"{found.tags[0]} and {found.tags[1]}"
    if found.verdict == "agree" and found.ratio != 1:
        return f"{one} tells the numbers of {other} by one ratio ({tag}: 1 to {found.ratio:.6g}): one run seen twice"
    if found.verdict == "agree":
        return f"{one} tells the same numbers as {other} ({tag}: {found.equal} of {found.of} equal): one run seen twice"
    return f"{one} has other numbers than {other} ({tag}: {found.equal} of {found.of} equal): runs of their own"
