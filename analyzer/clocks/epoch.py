"""The epoch clock: which steps per epoch, origin and base make all epoch labels true at once."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from analyzer.model import Row

if TYPE_CHECKING:
    from analyzer.timeline import Timeline


@dataclass(frozen=True, kw_only=True)
class Break:
    """A place where the labels leave the clock: how far (in steps, as an interval), where, and the rows that show it."""

    kind: Literal["shift", "skip", "repeat", "geometry", "data", "origin"]
    step: int  # first step at which the label is wrong
    low: float  # shift in steps, at least
    high: float  # at most
    join: int | None = None  # index of the join it sits at
    evidence: tuple[Row, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EpochClock:
    """Epoch label e at step s obeys e = base + floor((s - origin) / S), or without the floor for fractional labels."""

    source: Literal["labels", "fractions", "validation rows", "batch counter", "declared"]
    low: Fraction  # steps per epoch, at least
    high: Fraction  # at most
    origin: int | None  # step of the log's axis at which epoch `base` begins
    base: int  # label of the first epoch
    breaks: tuple[Break, ...] = ()
    laps: tuple[tuple[int, Fraction], ...] = ()  # (first step, steps per epoch) per stretch, where S changes
    too_sparse: bool = False

    @property
    def exact(self) -> bool:
        return self.low == self.high


def read_epoch_clock(timeline: Timeline) -> EpochClock | None:
    """Reconstruct the epoch clock from labels, fractions, validation rows or counters; None when the log has none."""
    return None
