"""The nouns of the loss: its level and noise at every row, and what happens to it."""

from __future__ import annotations

from typing import Literal

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from analyzer.clocks.loss_spikes import Spike
from analyzer.model import Floats, Ints, Series

JoinKind = Literal["level", "offset", "transient", "row", "divided", "fresh"]


class JoinChange(Struct, frozen=True, kw_only=True):
    """The loss moves at a join. Positions are those of ``LossBaseline.rows``."""

    join: int | None  # index in Timeline.joins; None where the loss alone shows that a session began
    position: int  # first row behind the join
    last: int  # last row before the loss is back, or the end
    kind: JoinKind
    before: float  # loss that was reached (at the same step where rows can be paired)
    after: float
    units: float
    pairs: tuple[tuple[int, int], ...] = ()  # (earlier position, later position) of the same step
    recovered: bool = False


class LevelShift(Struct, frozen=True, kw_only=True):
    """From ``row`` to ``last`` the curve is ``ratio`` times what it was before."""

    row: int
    last: int
    lasting: bool  # to the end of the run
    ratio: float
    error: float  # relative standard error of the ratio
    sharp: bool  # the whole of it lies between two rows, as far as the noise tells
    steady: bool  # the ratio is that of twenty rows as well, where there are so many
    units: float
    p_value: float
    noise_before: float  # of single rows, in logs
    noise_after: float
    noise_apart: float  # size of the log of their ratio, as far as chance does not explain it
    back: LevelShift | None = None  # the change that takes it back

    @property
    def factor(self) -> int:
        """Nearest integer of the ratio or of its inverse."""
        return max(2, round(self.ratio if self.ratio > 1 else 1 / self.ratio))

    @property
    def down(self) -> bool:
        return self.ratio < 1


class Divergence(Struct, frozen=True, kw_only=True):
    """The level leaves that of its lowest stretch at ``onset`` and never returns to it."""

    onset: int  # row
    lowest_row: int
    lowest: float
    final: float
    units: float
    p_value: float


class LossEvents(Struct, frozen=True, kw_only=True):
    """Positions are those of ``LossBaseline.rows``."""

    joins: tuple[JoinChange, ...] = ()
    spikes: tuple[Spike, ...] = ()
    divergence: Divergence | None = None
    scale: LevelShift | None = None
    shifts: tuple[LevelShift, ...] = ()  # that last, and are none of the others


class LossBaseline(Struct, frozen=True, kw_only=True, eq=False):
    """Level and noise of the main training loss at every row, shape (n,), NaN where the loss is not finite.

    ``rows`` (m,) are the rows of the series that are judged, ``value`` (m,) the loss there, ``session`` (m,) the life
    that wrote them. ``joins`` are positions in ``rows`` at which a session begins, with the index of the join.
    ``unfit`` says why statistics do not apply to this loss, where they do not.
    """

    series: Series
    level: Floats
    scale: Floats
    rows: Ints
    value: Floats
    session: Ints
    joins: tuple[tuple[int, int], ...] = ()
    burn_in: int = 0  # position in `rows`
    starts: NDArray[np.bool_] | None = None  # of the rows (m,): those that an epoch begins with; None without labels
    floor: float = 0.0  # smallest scale that counts
    log_floor: Floats = field(default_factory=lambda: np.zeros(0))  # that of the log-loss, shape (m,)
    learning_rate_moves: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))  # positions in `rows`
    unfit: str = ""
    running_mean: bool = False  # `value` holds the batch losses behind a logged running mean
    events: LossEvents = LossEvents()  # what happens to the loss, each place under one name

    def step(self, position: int) -> int:
        """Step of the row at a position of the judged curve."""
        return int(self.series.step[self.rows[position]])
