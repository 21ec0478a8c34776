"""Two counters of one run: by which ratio and offset they go together, and where the offset changes."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from analyzer.clocks.rows import training_series
from analyzer.model import NO_STEP, Floats, Ints, Series, View
from analyzer.precision import half_width
from analyzer.roles import role_of_tag

FEWEST_ROWS = 8  # that show a ratio
ALIKE = 0.9  # share of the rows at one ratio, and of rows with equal values in two accounts of one quantity
BREAKS_AT_MOST = 5  # changes of the offset; a counter that leaves another more often counts something else
SHIFTS = (0, 1, -1, 2, -2)  # rows by which the beginning of two accounts may differ
ROUNDINGS = 1.5  # half widths of both values, and half as much again for a value rounded twice


class Relation(Struct, frozen=True, kw_only=True):
    """``other = ratio * one + offset`` in all rows up to the first break, and behind each break by its own offset."""

    ratio: float
    offset: float
    breaks: tuple[tuple[int, float], ...] = ()  # (index of the first row behind, offset from there on)

    @property
    def is_equality(self) -> bool:
        return self.ratio == 1 and self.offset == 0 and not self.breaks


def relate(one: Floats | Ints, other: Floats | Ints) -> Relation | None:
    """How two counters in the same rows go together, shape (n,) each; None where no ratio holds in nearly all rows."""
    if len(one) < FEWEST_ROWS:
        return None
    run, rise = np.diff(np.asarray(one, dtype=np.float64)), np.diff(np.asarray(other, dtype=np.float64))
    forward = (run > 0) & (rise > 0)
    if np.count_nonzero(forward) < ALIKE * len(run):
        return None
    ratio = float(np.median(rise[forward] / run[forward]))
    if np.mean(np.abs(rise - ratio * run) <= 1e-9 * np.abs(rise)) < ALIKE:
        return None
    offset = other - ratio * one
    tolerance = 1e-9 * float(np.abs(other).max()) + 1e-9
    breaks = np.flatnonzero(np.abs(np.diff(offset)) > tolerance) + 1
    if len(breaks) > BREAKS_AT_MOST:
        return None
    return Relation(ratio=ratio, offset=float(offset[0]), breaks=tuple((int(at), float(offset[at])) for at in breaks))


class Paired(Struct, frozen=True, kw_only=True, eq=False):
    """The same quantity in two accounts, row by row: ``one.value[at_one] = other.value[at_other]`` as written."""

    one: Series
    other: Series
    at_one: Ints
    at_other: Ints


def paired(one: View, other: View) -> Paired | None:
    """The training loss of two accounts, by the order of its rows; None unless nearly all values are equal."""
    for first in _losses(one):
        for second in _losses(other):
            for shift in SHIFTS:
                at, theirs = np.arange(max(shift, 0), len(first)), np.arange(max(-shift, 0), len(second))
                rows = min(len(at), len(theirs))
                at, theirs = at[:rows], theirs[:rows]
                short = max(len(first), len(second)) - rows > (1 - ALIKE) * rows
                if rows >= FEWEST_ROWS and not short and np.mean(_equal(first, second, at, theirs)) >= ALIKE:
                    return Paired(one=first, other=second, at_one=at, at_other=theirs)
    return None


def _losses(view: View) -> list[Series]:
    told = [one for one in training_series(view) if role_of_tag(one.tag) in ("loss", "epoch_loss")]
    return [one for one in told if not np.any(one.step == NO_STEP) and np.ptp(one.value) > 0]


def _equal(one: Series, other: Series, at_one: Ints, at_other: Ints) -> np.ndarray:
    a, b = one.value[at_one], other.value[at_other]
    with np.errstate(invalid="ignore"):
        close = np.abs(a - b) <= ROUNDINGS * (half_width(one)[at_one] + half_width(other)[at_other]) + 1e-12 * np.abs(a)
    return close | (np.isnan(a) & np.isnan(b))
