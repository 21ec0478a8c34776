"""Where a learning rate changes inside epochs: what one step of its scheduler is."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from analyzer.clocks.label_in_force import label_in_force
from analyzer.model import Ints, Series
from analyzer.timeline import Timeline

MOSTLY = 0.5  # of the pairs of rows inside epochs: a row on the wrong side of a boundary, or a warmup, is a few


class WithinEpochs(Struct, frozen=True, kw_only=True, eq=False):
    """Neighbouring rows of one epoch and session at rising steps: how many, and at which of them the rate changes."""

    changes: Ints  # index of the second row of each pair whose rates differ
    pairs: int
    moves: bool  # whether the rate changes anywhere

    @property
    def mostly(self) -> bool:
        return len(self.changes) > MOSTLY * self.pairs

    @property
    def in_words(self) -> str:
        return f"the rate changes at {len(self.changes)} of {self.pairs} rows inside an epoch"


def within_epochs(timeline: Timeline, rate: Series) -> WithinEpochs | None:
    """What a rate does inside epochs; None where the log has no epochs to hold it against."""
    labels = label_in_force(timeline, rate)
    if labels is None:
        return None
    session = timeline.session_map.of(rate)
    inside = (np.diff(np.floor(labels)) == 0) & (np.diff(session) == 0) & (np.diff(rate.step) > 0)
    changes = np.diff(rate.value) != 0
    return WithinEpochs(
        changes=np.flatnonzero(changes & inside) + 1, pairs=int(inside.sum()), moves=bool(changes.any())
    )
