"""What is known of the epochs of a run: the clock, and the places where labels leave it."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from analyzer.model import Floats, Ints, Row, Series

LARGEST_DENOMINATOR = 512
"""A slope is L / G: the accumulation of real runs is below this."""

BreakKind = Literal["shift", "skip", "repeat", "geometry", "ramp", "data", "origin", "counter", "label"]
"""What left the clock: the boundary for good, the label by whole laps, the length, the data, the origin, the counter;
"label" is a fraction that is back in line later."""


class Labels(Struct, frozen=True, kw_only=True, eq=False):
    """Epoch labels of one kind of row, in written order; arrays of shape (n,)."""

    series: Series
    kind: Literal["integer", "fraction"]
    rows_of: Literal["training", "validation"]
    index: NDArray[np.int64]  # position of each label in its series
    step: Ints
    value: Floats
    half: Floats  # half the width of the interval of each value
    session: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.step)


class Slope(Struct, frozen=True, kw_only=True):
    """Updates per unit of the label, in [low, high]."""

    low: float
    high: float

    @property
    def middle(self) -> float:
        return (self.low + self.high) / 2

    @property
    def width(self) -> float:
        return self.high - self.low

    def admits(self, value: Fraction | float) -> bool:
        return self.low <= float(value) <= self.high

    @property
    def ratio(self) -> Fraction:
        """The simplest fraction in the interval."""
        middle = Fraction(self.middle)
        for denominator in (1, 2, 4, 8, 16, 32, 64, LARGEST_DENOMINATOR):
            near = middle.limit_denominator(denominator)
            if self.admits(near):
                return near
        return middle.limit_denominator(10**6)


class Break(Struct, frozen=True, kw_only=True):
    """A place where the labels leave the clock: how far (in steps, as an interval), where, and the rows that show it.

    Positive: the label changes late, negative: early.
    """

    kind: BreakKind
    step: int  # first step at which the label is wrong
    low: float  # shift in steps, at least
    high: float  # at most
    join: int | None = None  # index of the join it sits at
    evidence: tuple[Row, ...] = ()
    position: int = 0  # row among the labels at which it shows
    laps: int = 0  # whole laps, for a skip or a repeat
    until: int | None = None  # first step from which on the labels are those of the clock before, where they return


class EpochClock(Struct, frozen=True, kw_only=True, eq=False):
    """Epoch label e at step s obeys e = base + floor((s - origin) / S), or without the floor for fractional labels."""

    source: Literal["labels", "fractions", "validation rows", "batch counter", "declared"]
    low: Fraction  # steps per epoch, at least
    high: Fraction | None  # at most; None: the log shows no second boundary
    origin: int | None  # step of the log's axis at which epoch `base` begins
    base: int  # label of the first epoch
    breaks: tuple[Break, ...] = ()
    laps: tuple[tuple[int, Fraction], ...] = ()  # (first step, steps per epoch) per stretch, where S changes
    too_sparse: bool = False
    rows_apart: bool = False  # rows are further apart than half an epoch: boundaries are not seen
    tag: str = ""
    labels: Labels | None = None
    slope: Slope | None = None  # updates per unit of a fractional label
    ratios: tuple[Fraction, Fraction | None] | None = None  # the same for laps that may alternate in length
    crossings: int = 0  # boundaries that the labels show
    others: tuple[EpochClock, ...] = ()  # other accounts of epochs in the same view
    validations: tuple[Labels, ...] = ()  # labels of validation rows

    @property
    def middle(self) -> float:
        """Steps per epoch, as one number: the least where nothing bounds them."""
        return float(self.low if self.high is None else (self.low + self.high) / 2)

    @property
    def exact(self) -> bool:
        return self.low == self.high

    def admits(self, steps_per_epoch: Fraction | float) -> bool:
        """Whether the labels can be true with this many steps per epoch."""
        if self.low <= steps_per_epoch and (self.high is None or steps_per_epoch <= self.high):
            return True
        if self.ratios is None or float(steps_per_epoch).is_integer():
            return False
        low, high = self.ratios
        return low <= steps_per_epoch and (high is None or steps_per_epoch <= high)

    @property
    def accounts(self) -> tuple[EpochClock, ...]:
        """This clock and the other accounts."""
        return (self, *self.others)
