"""What a mean over an epoch may have been made of, judged by the rows that are logged of each epoch, all or a part.

A mean of n rows of a relative spread v is known to ``v / sqrt(n)``: enough to tell the mean of an epoch from that of
all rows since the start (a meter that nobody resets), and from one divided by the samples instead of the batches.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from analyzer.clocks.epoch_clock import EpochClock
from analyzer.clocks.epoch_means import FEWEST_EPOCHS, ends_of
from analyzer.model import Floats, Ints, Series
from analyzer.precision import half_width

FEWEST_ROWS = 3  # of each epoch, or their spread is unknown
AGREEING, REFUTED = 4.0, 6.0  # standard errors within which a mean is what rows give, and beyond which it is not
MOST = 0.95  # share of the epochs: one may hold a spike between two logged rows
OWN = 0.7  # share of the epochs that their own rows explain: then there is nothing to tell
LEAST_FACTOR = 1.5  # below it another loss term, dropout or the data's order are as likely


class RowsOfEpochs(Struct, frozen=True, kw_only=True, eq=False):
    """Means of epochs beside the rows of each: their means, relative standard errors and numbers, shape (e,) each."""

    means: Series
    rows: Series
    last: Ints
    own: Floats
    error: Floats
    count: Ints

    @property
    def slack(self) -> Floats:
        return half_width(self.means)

    @property
    def by_their_own_rows(self) -> bool:
        return bool(np.mean(self._fit(self.own, self.error)) >= OWN)

    def _fit(self, said: Floats, error: Floats) -> NDArray[np.bool_]:
        return np.asarray(np.abs(self.means.value - said) <= AGREEING * error * np.abs(said) + self.slack)

    def since_start(self) -> tuple[str, NDArray[np.bool_]] | None:
        """What of all rows since the start the means are, in words, and the epochs whose own rows refute them."""
        rows = np.cumsum(self.count)
        mean = np.cumsum(self.own * self.count) / rows
        error = self.error * np.sqrt(self.count / rows)
        far = np.abs(self.means.value - self.own) > REFUTED * self.error * np.abs(self.own) + self.slack
        if far.sum() < FEWEST_EPOCHS - 1 or 2 * far.sum() < len(far):
            return None
        for words, said in (
            ("the mean of all rows since the start, not of its epoch's", mean),
            ("the sum of all rows since the start, divided by the number of one epoch's", mean * rows / self.count),
        ):
            if np.mean(self._fit(said, error)) >= MOST:
                return words, far
        return None

    def is_times(self, factor: float) -> bool:
        """Whether every mean is so many times what its rows give, and no mean of them."""
        if abs(np.log(factor)) < max(np.log(LEAST_FACTOR), REFUTED * float(self.error.max())):
            return False
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.log(self.means.value / self.own) - np.log(factor)
        within = np.abs(ratio) <= AGREEING * self.error + self.slack / np.abs(self.own * factor)
        rounded = float(np.mean(self.slack / np.abs(self.own * factor)))
        together = float(np.sqrt(np.mean(self.error**2) / len(ratio))) + rounded
        return bool(np.mean(within) >= MOST and abs(float(np.median(ratio))) <= AGREEING * together)

    def sums_over(self, clock: EpochClock | None, factor: float) -> bool:
        """Whether a factor is the number of an epoch's steps: a sum over it is a convention."""
        low, high = (clock.low, clock.high) if clock is not None else (None, None)
        epoch = low is not None and high is not None and low <= factor <= high
        return epoch or factor == float(np.median(self.count))


def laps_of(rows: Series, means: Series, clock: EpochClock | None) -> Iterator[RowsOfEpochs]:
    """The ways in which some rows of a loss can be those of the epochs whose means are logged."""
    if len(means) < FEWEST_EPOCHS or not (np.isfinite(rows.value).all() and np.isfinite(means.value).all()):
        return
    for ends in ends_of(rows, means, clock):
        count = np.diff(ends, prepend=0)
        if count.min() < FEWEST_ROWS:
            continue
        starts = ends - count
        own = np.add.reduceat(rows.value[: ends[-1]], starts) / count
        square = np.add.reduceat(rows.value[: ends[-1]] ** 2, starts) / count - own**2
        if np.any(own <= 0):
            continue
        spread = np.sqrt(np.mean(np.maximum(square, 0) / own**2 * count / (count - 1)))
        yield RowsOfEpochs(means=means, rows=rows, last=ends - 1, own=own, error=spread / np.sqrt(count), count=count)
