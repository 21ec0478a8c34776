"""How much data a step takes, read off a count of samples, tokens or environment steps beside the step.

A count of the whole run rises by one batch per update: exactly, in every row. Where the rise per step is one number up
to some row and another behind it, the batch changed there, with or without a label of epochs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from analyzer.model import NO_STEP, Series
from analyzer.roles import role_of_tag

PLAYED = re.compile(r"(?:env(?:ironment)?[_ ]?(?:steps?|interact(?:ion)?s?)|timesteps|interactions|frames)$", re.I)
FEWEST_ROWS = 8
"""Rows on each side that rise by one number per step: fewer may be epochs of a few rows each, or a warmup."""
FEWEST_STEADY = 3
"""Rises of one size: two may be equal by chance, or both be told of one epoch."""
ODD_ROWS = 2
"""Rises at the change that belong to neither: rows on both sides of it, and of a join."""
CLOSE = 1e-9


class RateChange(Struct, frozen=True, kw_only=True, eq=False):
    """Data per step before and from a row of a count on."""

    series: Series
    before: float
    after: float
    last: int  # index of the last row of the first rate
    first: int  # index of the first row of the second


def counts_of_data(all_series: Sequence[Series]) -> list[Series]:
    """The columns that count data: samples, tokens, steps of an environment."""
    return [one for one in all_series if role_of_tag(one.tag) in ("samples", "tokens") or PLAYED.search(one.tag)]


def steady_rate(series: Series, within: float) -> float | None:
    """The data of one step where every one takes as much, up to a difference `within`; None where they do not."""
    usable = (series.step != NO_STEP) & np.isfinite(series.value)
    run, rise = np.diff(series.step[usable]), np.diff(series.value[usable])
    if len(run) < FEWEST_STEADY or run.min() <= 0:
        return None
    rate = float(rise.sum() / run.sum())
    return rate if rate > 0 and np.abs(rise - rate * run).max() <= within else None


def rate_change(series: Series) -> RateChange | None:
    """The one place at which the data per step change for good; None where they do not, or more than once."""
    usable = np.flatnonzero((series.step != NO_STEP) & np.isfinite(series.value))
    step, value = series.step[usable], series.value[usable]
    if len(step) < 2 * FEWEST_ROWS:
        return None
    run, rise = np.diff(step), np.diff(value)
    rate = np.divide(rise, run, out=np.full(len(run), np.nan), where=run > 0)
    before, after = float(np.median(rate[:FEWEST_ROWS])), float(np.median(rate[-FEWEST_ROWS:]))
    if not (before > 0 and after > 0) or abs(before - after) <= CLOSE * before:
        return None
    of_first, of_second = (np.abs(rate - one) <= CLOSE * one for one in (before, after))
    last = int(np.argmin(of_first)) if not of_first.all() else len(rate)
    first = len(rate) - int(np.argmin(of_second[::-1])) if not of_second.all() else 0
    if last < FEWEST_ROWS or len(rate) - first < FEWEST_ROWS or not 0 <= first - last <= ODD_ROWS:
        return None
    return RateChange(
        series=series,
        before=before,
        after=after,
        last=int(usable[last]),
        first=int(usable[min(first + 1, len(step) - 1)]),
    )
