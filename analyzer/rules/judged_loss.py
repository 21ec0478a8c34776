"""The one question that every rule on the course of the loss opens with: is there a loss that statistics apply to."""

from __future__ import annotations

from analyzer.clocks.loss import LossBaseline
from analyzer.rules import Unchecked
from analyzer.timeline import Timeline


def judged_loss(timeline: Timeline, *, fewest_rows: int = 0) -> LossBaseline | Unchecked:
    """The loss with its level and noise, or why there is none to judge."""
    loss = timeline.loss
    if loss is None:
        return Unchecked(reason="no training loss in the log")
    if loss.unfit:
        return Unchecked(reason=loss.unfit)
    if len(loss.value) < fewest_rows:
        return Unchecked(reason=f"fewer than {fewest_rows} rows of the loss")
    return loss
