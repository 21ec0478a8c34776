"""Rows that tell the same step: looked up for many rows of a series at once, however often a run was resumed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

import numpy as np

from analyzer.clocks.rows import place_of
from analyzer.clocks.session_map import Copies, LivesOfView
from analyzer.clocks.wall_time import times_of
from analyzer.model import Ints


class Tellings:
    """The rows of each step. ``step`` has shape (n,), in written order."""

    def __init__(self, step: Ints) -> None:
        self.rows = len(step)
        self.number = np.unique(step, return_inverse=True)[1].astype(np.int64)  # of the step of each row
        self.places = np.sort(self.number * self.rows + np.arange(self.rows))  # by step, then by row

    def latest(self, rows: Ints, before: int) -> Ints:
        """The last row ahead of ``before`` with the step of each of ``rows``, -1 where there is none."""
        at = np.searchsorted(self.places, self.number[rows] * self.rows + before) - 1
        number, row = np.divmod(self.places[np.maximum(at, 0)], self.rows)
        return np.where((at >= 0) & (number == self.number[rows]), row, -1)

    def first(self, rows: Ints) -> Ints:
        """The first row of all with the step of each of ``rows``."""
        return self.places[np.searchsorted(self.places, self.number[rows] * self.rows)] % self.rows


def copies_of(account: LivesOfView) -> Iterator[Copies]:
    """Joins of a view at which rows were copied, not trained again."""
    lives = [
        (account.view, account.joins),
        (account.whole, account.other_runs),
    ]
    for view, joins in lives:
        tellings: dict[str, Tellings] = {}
        for join, following in zip_longest(joins, joins[1:]):
            if join.tag is None or join.step not in ("replayed", "fresh", "unknown"):
                continue
            series = view.series[join.tag]
            if series.tag not in tellings:
                tellings[series.tag] = Tellings(series.step)
            begin = place_of(series, join.cut)
            end = place_of(series, following.cut) if following else len(series)
            second = np.arange(begin, end)
            first = tellings[series.tag].first(second)
            first, second = first[first < begin], second[first < begin]
            if len(first) < 2 or not np.array_equal(series.value[first], series.value[second]):
                continue
            times = times_of(series, view.series)
            if times is not None and np.array_equal(times[0][first], times[0][second]):
                yield Copies(join=join, series=series, first=first, second=second)
