"""Two accounts of one run, row by row: which rows one has and the other lacks, and where they say different things."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from analyzer.clocks.rows import training_series
from analyzer.distinct import distinct
from analyzer.model import NO_STEP, Floats, Ints, Series, View
from analyzer.precision import half_width
from analyzer.roles import role_of_tag

COMMON_STEPS = 20  # fewer common steps do not show that two series tell the same quantity
AGREEING = 0.9  # share of the common steps with equal values; below it they are two quantities of one name
COVERING = 0.8  # share of one account's steps that the other has; below it they log at different cadences
ROUNDING = 1.5  # half widths of both values, and half as much again for a value rounded twice


class PairedViews(Struct, frozen=True, kw_only=True, eq=False):
    """The same quantity in two views. ``differs`` holds pairs of indices, shape (m, 2); the others are steps."""

    one: Series
    other: Series
    one_view: str
    other_view: str
    common: int
    differs: Ints
    only_in_one: Ints  # steps between the other's first and last that the other lacks
    only_in_other: Ints


def comparisons(view: View, views: tuple[View, ...]) -> tuple[PairedViews, ...]:
    """The view that the clocks are read from against each other view, on one training series."""
    found = []
    for other in views:
        if other.name != view.name:
            compared = _compared(view, other)
            if compared is not None:
                found.append(compared)
    return tuple(found)


def _compared(main: View, view: View) -> PairedViews | None:
    for one in training_series(main):
        if role_of_tag(one.tag) not in ("loss", "epoch_loss") or one.step[0] == NO_STEP:
            continue
        for other in training_series(view):
            if _plain(other.tag) == _plain(one.tag) and other.step[0] != NO_STEP:
                return _side_by_side(one, other, main.name, view.name)
    return None


def _plain(tag: str) -> str:
    return tag.lower().replace("\\", "/").rsplit("/", 1)[-1]


def _side_by_side(one: Series, other: Series, one_view: str, other_view: str) -> PairedViews | None:
    common, at_one, at_other = np.intersect1d(one.step, other.step, return_indices=True)
    if len(common) < COMMON_STEPS:
        return None
    off = ~_equal(one, other, at_one, at_other)
    told_twice = np.isin(common, _repeated(one.step)) | np.isin(common, _repeated(other.step))
    off &= ~told_twice  # each account keeps another telling of a replayed step
    if np.count_nonzero(off) > (1 - AGREEING) * len(common):
        return None
    return PairedViews(
        one=one, other=other, one_view=one_view, other_view=other_view, common=len(common),
        differs=np.stack([at_one[off], at_other[off]], axis=1),
        only_in_one=_lacking(one.step, other.step), only_in_other=_lacking(other.step, one.step),
    )


def _equal(one: Series, other: Series, at_one: Ints, at_other: Ints) -> np.ndarray:
    a, b = one.value[at_one], other.value[at_other]
    width: Floats = half_width(one)[at_one] + half_width(other)[at_other]
    with np.errstate(invalid="ignore"):
        close = np.abs(a - b) <= ROUNDING * width + 1e-12 * np.abs(a)
    return close | (np.isnan(a) & np.isnan(b)) | (a == b)


def _repeated(step: Ints) -> Ints:
    values, counts = np.unique(step, return_counts=True)
    return values[counts > 1]


def _lacking(step: Ints, other: Ints) -> Ints:
    """Steps of the first that the second lacks inside its own range; none where they log at different cadences."""
    inside = distinct(step[(step >= other.min()) & (step <= other.max())])
    missing = inside[~np.isin(inside, other)]
    return missing if len(missing) <= (1 - COVERING) * len(inside) else missing[:0]
