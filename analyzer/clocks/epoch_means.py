"""One loss told twice: the rows behind each epoch's mean, and the constant factor between the two.

A program adds up the losses of an epoch and divides by a count. Where every row is in the log, both can be read off:
``mean_e = F * (x_1 + ... + x_(n-1) + w x_n) / (n - 1 + w)`` with the weight w of a smaller last batch, for all epochs.
F is 1 where the count is that of the rows. Two accounts of the loss are the case n = 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from msgspec import Struct

from analyzer.clocks.epoch_clock import EpochClock
from analyzer.config.declared import Declared
from analyzer.distinct import distinct
from analyzer.model import NO_STEP, Floats, Ints, Series
from analyzer.precision import half_width

RELATIVE = 2e-6  # of the mean: float32 sums of some hundred batches
FEWEST_EPOCHS = 4  # two numbers are read off them; the others are the proof
COMPLETE = 0.7  # share of the means whose rows are all there
VARIED = 20.0  # times what is allowed by which the means must differ, or a constant would fit them
SHARP = 0.005  # relative width to which the factor is known in each epoch
LARGEST = 100_000  # factor; beyond it no float32 tells whole numbers apart
ANY_MEAN = {"train", "training", "avg", "average", "mean", "per", "log", "running"} | {
    word + plural
    for word, ending in (("epoch", "s"), ("batch", "es"), ("step", "s"), ("iter", "s"), ("iteration", "s"))
    for plural in ("", ending)
}
DECLARED = ("grad_accumulation", "world_size", "batch_size", "global_batch_size", "logging_steps")
WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")


class Groups(Struct, frozen=True, kw_only=True, eq=False):
    """Means whose n rows are all in the log: places of the means (e,), and of their rows (e, n)."""

    means: Series
    rows: Series
    at: Ints
    inside: Ints

    @property
    def allowed(self) -> Floats:
        """By how much a mean may miss what its rows give, shape (e,)."""
        value = self.means.value[self.at]
        width = float(np.median(half_width(self.rows)))
        return RELATIVE * np.abs(value) + half_width(self.means)[self.at] + width


class Factor(Struct, frozen=True, kw_only=True, eq=False):
    """``times / over`` lies between each mean and the (weighted) mean of its rows (e,): one of them is 1, or ``times``
    is the number of the rows, whose sum was divided by another count."""

    times: int
    over: int
    mean: Floats

    @property
    def size(self) -> int:
        return max(self.times, self.over)

    @property
    def words(self) -> str:
        if min(self.times, self.over) > 1:
            return f"{self.times}/{self.over} of"
        return f"1/{self.over} of" if self.over > 1 else f"{self.times} times"

    @property
    def inverse(self) -> str:
        if min(self.times, self.over) > 1:
            return f"{self.over}/{self.times} of"
        return f"{self.over} times" if self.over > 1 else f"1/{self.times} of"


def one_measure(first: str, second: str) -> bool:
    """Whether two tags name one loss but for what they say of its mean: ``loss_train``, ``train/loss_batch``."""
    words = [sorted({word.lower() for word in WORDS.findall(tag)} - ANY_MEAN) for tag in (first, second)]
    return words[0] == words[1]


def ends_of(rows: Series, means: Series, clock: EpochClock | None) -> Iterator[Ints]:
    """How many rows lie before each mean: by steps of one axis, by their order in one file, so many to each."""
    if len(means) < 2 or len(rows) <= len(means) or np.any(np.diff(rows.step) <= 0) or rows.step[0] == NO_STEP:
        return
    yield np.searchsorted(rows.step, means.step, side="right")
    if len(distinct(rows.source)) == 1 and np.array_equal(distinct(rows.source), distinct(means.source)):
        yield np.searchsorted(rows.row, means.row, side="right")
    exact = clock is not None and clock.low == clock.high and clock.low.denominator == 1
    each, rest = divmod(len(rows), len(means))
    length = int(clock.low) if clock is not None and exact else each
    if exact and np.median(np.diff(rows.step)) > 1:
        yield np.searchsorted(rows.step, length * (np.arange(len(means)) + 1), side="right")
    elif exact or not rest:
        yield np.minimum(length * (np.arange(len(means)) + 1), len(rows))


def groups_of(rows: Series, means: Series, clock: EpochClock | None) -> Iterator[Groups]:
    """The ways in which the rows of means can all be in the log."""
    for ends in ends_of(rows, means, clock):
        yield from _complete(rows, means, ends)


def _complete(rows: Series, means: Series, ends: Ints) -> Iterator[Groups]:
    held = np.diff(ends, prepend=0)
    n = int(np.median(held))
    at = np.flatnonzero(held == n)
    if n >= 2 and len(at) >= max(2, COMPLETE * (len(means) - 1)):
        yield Groups(means=means, rows=rows, at=at, inside=ends[at][:, None] - n + np.arange(n))


def same_rows(one: Series, other: Series) -> Groups | None:
    """Each row of a loss as the mean of the one row that another account has at its step."""
    if np.any(np.diff(one.step) <= 0) or np.any(np.diff(other.step) <= 0):
        return None
    _, at_one, at_other = np.intersect1d(one.step, other.step, assume_unique=True, return_indices=True)
    if len(at_one) < COMPLETE * max(len(one), len(other)):
        return None
    return Groups(means=one, rows=other, at=at_one, inside=at_other[:, None])


def constant_factor(groups: Groups) -> Factor | None:
    """The whole number, one over it, or another divisor than that of the rows, between all means and their rows.

    None where it is 1, or a sum.

    A factor of as many as there are rows, or more, is a sum over batches, samples or tokens and a convention.
    """
    mean = groups.means.value[groups.at]
    rows = groups.rows.value[groups.inside]
    if len(mean) < FEWEST_EPOCHS or not (np.isfinite(mean).all() and np.isfinite(rows).all()):
        return None
    n = rows.shape[1]
    for weight in dict.fromkeys((1.0, _weight_of_last(rows, mean) if n > 1 else 1.0)):
        plain = (rows[:, :-1].sum(axis=1) + weight * rows[:, -1]) / (n - 1 + weight)
        factor = _whole(mean, plain, groups.allowed)
        if factor is not None:
            times, over = factor
            return None if n > 1 and times >= n - 1 + weight else Factor(times=times, over=over, mean=plain)
    other = _whole(mean, rows.sum(axis=1), groups.allowed)
    if n == 1 or other is None or other[1] in (1, n):
        return None
    return Factor(times=n, over=other[1], mean=rows.mean(axis=1))


def _weight_of_last(rows: Floats, mean: Floats) -> float:
    """The weight of the last row beside the others that fits best; 1 where none does."""
    parts = np.stack([rows[:, :-1].sum(axis=1), rows[:, -1]], axis=1)
    (others, last), *_ = np.linalg.lstsq(parts, mean, rcond=None)
    weight = last / others if others else 1.0
    return float(weight) if 0 < weight < 1 else 1.0


def _whole(mean: Floats, plain: Floats, allowed: Floats) -> tuple[int, int] | None:
    """The whole factor, or one over it, that all epochs agree on and that no rounding leaves open."""
    if np.any(plain == 0) or np.any(mean == 0) or np.ptp(mean) < VARIED * float(np.median(allowed)):
        return None
    about = float(np.median(mean / plain))
    over = abs(about) < 1
    whole = round(1 / about) if over else round(about)
    if not 2 <= whole <= LARGEST:
        return None
    said = plain / whole if over else plain * whole
    slack = allowed * (1 if over else whole)
    if np.any(np.abs(mean - said) > slack) or float(np.median(slack / np.abs(said))) > min(SHARP, 0.1 / whole):
        return None
    return (1, whole) if over else (whole, 1)


def declared_factors(declared: Declared) -> Iterator[tuple[str, int]]:
    """The declared numbers that a mean may have been multiplied with or divided by, with their names."""
    for key in DECLARED:
        size = declared.get(key)
        if size and size > 1 and float(size).is_integer():
            yield key, int(size)


def named_by_declaration(factor: int, declared: Declared) -> str | None:
    """The declared number that a factor is, where one is."""
    return next((key for key, size in declared_factors(declared) if size == factor), None)
