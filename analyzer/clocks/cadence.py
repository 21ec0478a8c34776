"""How far logged steps lie apart."""

from __future__ import annotations

import numpy as np

from analyzer.distinct import distinct
from analyzer.model import NO_STEP, Ints

FEWEST_RISES = 30  # of two sizes at random, none of 2,000 simulated logs stood in the one even order
FEWEST_OF_EACH = 3  # of both sizes in one run: a first row of each epoch that comes a step early is one in many
ONE_ROUNDING = 1.2  # whole numbers cut from a straight line lie within 1 of it; the fitted line adds a little
MOST, LEAST = 0.8, 0.05  # shares of the rises: nearly all are n or n + 1, and both are there
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


def is_rounded_share(steps: Ints) -> bool:
    """Whether steps are a share of something, rounded to whole numbers, and no count: they rise by n and n + 1 in turn.

    Rows at even distances of 83.33 thousandths of an epoch stand at 83, 166, 250, 333: what is counted rises evenly, or
    by whatever passes between two rows, but not by two neighbouring sizes in the one order that rounding gives.
    """
    rises = np.diff(steps)
    forward = rises[rises > 0]
    if len(forward) < FEWEST_RISES:
        return False
    low = int(np.median(forward))
    low -= int(np.count_nonzero(rises == low - 1) > np.count_nonzero(rises == low + 1))
    near = (rises == low) | (rises == low + 1)
    upper = np.count_nonzero(rises == low + 1) / len(forward)
    if low < 2 or np.count_nonzero(near) < MOST * len(forward) or not LEAST < upper < 1 - LEAST:
        return False
    edges = np.flatnonzero(np.diff(np.concatenate(([0], near.view(np.int8), [0]))))
    begins, ends = edges[::2], edges[1::2]
    longest = int(np.argmax(ends - begins))
    run = rises[begins[longest] : ends[longest]]
    if min(np.count_nonzero(run == low), np.count_nonzero(run == low + 1)) < FEWEST_OF_EACH:
        return False
    place = np.arange(len(run) + 1.0)
    steps_of_run = np.concatenate(([0.0], np.cumsum(run)))
    beside = steps_of_run - np.polyval(np.polyfit(place, steps_of_run, 1), place)
    return len(run) >= FEWEST_RISES // 2 and float(np.ptp(beside)) <= ONE_ROUNDING


def may_be_a_rounded_share(steps: Ints) -> bool:
    """Whether steps rise by two neighbouring sizes on one line, too few times to tell a count from a rounded share."""
    rises = np.diff(steps)
    if not 2 <= len(rises) < FEWEST_RISES or int(rises.min()) < 2 or int(np.ptp(rises)) != 1:
        return False
    place = np.arange(len(steps))
    return float(np.ptp(steps - np.polyval(np.polyfit(place, steps, 1), place))) <= ONE_ROUNDING
