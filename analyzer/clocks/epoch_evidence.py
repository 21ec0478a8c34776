"""Whether enough epochs bear out a clock with breaks: without a plan, epochs of any length leave such labels too."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np

from analyzer.clocks.epoch_explanation import EpochExplanation, Planned
from analyzer.clocks.epoch_search import DIFFERENT_STEPS

LAPS_A_BREAK = 2
LAPS_A_SHIFT = 3
"""Epochs of the clock's own length for each break inside a session: a break and an epoch fit any two boundaries, and a
shift fits every length, whole laps or two lengths only some."""
LAPS_A_LONG_SHIFT = 4
"""The same where a boundary moves by more than a label that is early or late does."""
RETURN_LAPS = 2
"""Epochs that a clock spans which returns: from the end before the break to the one behind it."""
MOST_SHIFTS = 3
"""Boundaries off by some steps, each for itself, without a plan: with more of them the epochs vary in length."""
ANCHORED_FIRST = 2
"""The last bound of the first epoch in a log that shows its beginning."""


def borne_out(found: EpochExplanation, planned: Planned) -> bool:
    """Whether the epochs that have the clock's length outnumber its free values, or the plan gives the length."""
    inside = [k for k, piece in enumerate(found.pieces) if k and not (piece.at_join or piece.returns)]
    pieces = [found.pieces[k] for k in inside]
    lengths = [found.pieces[0].S, *(piece.S for piece in pieces if piece.another_length)]
    if len(lengths) > 2 and (len(lengths) <= len(pieces) or not one_way_only(lengths)):
        return False  # epochs that vary in length: beside two such changes no label is proved to be left out
    if planned.lengths and planned.knows(found.low, found.high):
        return True
    laps = sum(laps_of(found, k) for k in range(len(found.pieces)))
    laps += RETURN_LAPS * sum(piece.returns for piece in found.pieces)
    shifted = [k for k in inside if not (found.pieces[k].laps or found.pieces[k].another_length)]
    if any(_size_of_shift(found, k) > DIFFERENT_STEPS for k in shifted):
        goes_on = shifted[-1] < len(found.pieces) - 1 or laps_of(found, shifted[-1]) > 0
        if not goes_on or laps < LAPS_A_LONG_SHIFT * len(shifted):
            return False
    if found.anchored and any(piece.laps > 0 and piece.bound <= ANCHORED_FIRST for piece in pieces):
        return False  # a first epoch of twice the length: a batch that doubled behind it leaves the same
    needed = LAPS_A_SHIFT * len(shifted) + LAPS_A_BREAK * (len(inside) - len(shifted))
    return len(shifted) <= MOST_SHIFTS and laps >= needed


def one_way_only(lengths: Sequence[Fraction]) -> bool:
    """Whether lengths only grow, or only shrink."""
    return all(a > b for a, b in pairwise(lengths)) or all(a < b for a, b in pairwise(lengths))


def _size_of_shift(found: EpochExplanation, number: int) -> float:
    """Steps by which a piece's clock lies off the one before it, at most."""
    before, after = found.pieces[number - 1], found.pieces[number]
    sizes = [abs(after.low - before.high), abs(after.high - before.low)]
    return max((size for size in sizes if math.isfinite(size)), default=0.0)


def laps_of(found: EpochExplanation, number: int) -> float:
    """Complete epochs of a piece, as far as the labels show their ends."""
    bounds, pieces = found.bounds, found.pieces
    stop = pieces[number + 1].bound if number + 1 < len(pieces) else len(bounds)
    shared = stop < len(bounds) and pieces[number + 1].another_length and bounds.start[stop] != bounds.start[stop - 1]
    chosen = slice(pieces[number].bound, stop + bool(shared))  # the boundary at which the length changes is one of both
    highs = bounds.high_label[chosen][np.isfinite(bounds.high[chosen])]
    return float(highs[-1] - highs[0]) if len(highs) else 0.0
