"""How far logged steps lie apart."""

from __future__ import annotations

import numpy as np

from analyzer.distinct import distinct
from analyzer.model import NO_STEP, Ints

MANY_SPACINGS = 1_000_000  # counted in a table up to this difference of the largest and the smallest


def usual_cadence(step: Ints) -> int:
    """The most frequent forward difference of two logged steps; 1 when there is none."""
    forward = np.diff(step)
    forward = forward[forward > 0]
    if not len(forward):
        return 1
    least, most = int(forward.min()), int(forward.max())
    if most - least < MANY_SPACINGS:
        return least + int(np.argmax(np.bincount(forward - least)))
    spacing, count = np.unique(forward, return_counts=True)
    return int(spacing[np.argmax(count)])


def distinct_steps(steps: Ints) -> Ints:
    """The logged steps once each, ascending; a log that only goes forward is one already."""
    steps = steps[steps != NO_STEP]
    return steps if bool(np.all(np.diff(steps) > 0)) else distinct(steps)
