"""The loss baseline: local level and scale of the training loss, on which spikes and level changes are judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analyzer.model import Floats, Series

if TYPE_CHECKING:
    from analyzer.timeline import Timeline


@dataclass(frozen=True, kw_only=True, eq=False)
class LossBaseline:
    """Level and noise of the main training loss at every row, shape (n,)."""

    series: Series
    level: Floats
    scale: Floats


def read_loss_baseline(timeline: Timeline) -> LossBaseline | None:
    """Level and scale of the main training loss; None when there is none or it is too short."""
    return None
