"""The level of a loss as it is drawn: a line that leads over no jump."""

from __future__ import annotations

import numpy as np

from analyzer.clocks.loss_baseline import LossBaseline
from analyzer.clocks.loss_blocks import block_medians
from analyzer.model import Floats, Ints


def level_of(baseline: LossBaseline) -> tuple[Floats, Ints]:
    """The loss without its noise, shape (n,), and the parts in which it is one line: none leads over a jump."""
    changes = [shift for shift in (baseline.events.scale, *baseline.events.shifts) if shift is not None]
    jumps = [change.row for shift in changes for change in (shift, shift.back) if change is not None and change.sharp]
    behind = np.searchsorted(np.sort(jumps), np.arange(len(baseline.rows)), side="right")
    judged = baseline.session * (len(jumps) + 1) + behind
    level, part = np.full(len(baseline.level), np.nan), np.zeros(len(baseline.level), dtype=np.int64)
    for number in np.unique(judged):
        here = np.flatnonzero(judged == number)
        length = min(len(here), int(np.clip(len(here) // 20, 3, 25)))
        levels = block_medians(baseline.value[here], length)
        centre = np.arange(len(levels)) * length + (length - 1) / 2
        level[baseline.rows[here]] = np.interp(np.arange(len(here)), centre, levels)
        part[baseline.rows[here]] = number
    return level, part
