"""What is known of the epochs of a run: the clock, and the places where labels leave it."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

from msgspec import Struct

from analyzer.clocks.fractions import Slope
from analyzer.clocks.labels import Labels
from analyzer.model import Row

BreakKind = Literal["shift", "skip", "repeat", "geometry", "ramp", "data", "origin", "counter", "label"]
"""What left the clock: the boundary for good, the label by whole laps, the length, the data, the origin, the counter;
"label" is a fraction that is back in line later."""


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
