"""Rows that an epoch's end writes: validations and epoch means, the second witness on where epochs end."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from analyzer.clocks.cadence import distinct_steps
from analyzer.clocks.labels import validation_series
from analyzer.distinct import distinct
from analyzer.model import Ints, Series, View
from analyzer.roles import Roles

FEWEST = 3
"""Closing rows that show a spacing."""


def epoch_means(roles: Roles) -> list[Series]:
    """Series that are written once per epoch, beside a loss that is written more often."""
    losses = roles.all("loss")
    return [series for series in roles.all("epoch_loss") if not any(series is one for one in losses)]


def closing_steps(view: View, roles: Roles) -> list[tuple[str, Ints]]:
    """Steps of validations and epoch means, each series once: (tag, ascending steps)."""
    found = []
    for series in (*epoch_means(roles), *validation_series(view)):
        steps = distinct_steps(series.step)
        if len(steps) >= 2:
            found.append((series.tag, steps))
    return found


def closing_rows_fit(view: View, roles: Roles, S: Fraction) -> bool:
    """Whether a series of closing rows stands at k S - 1 or k S with one constant residue."""
    if S.denominator != 1 or S < 2:
        return False
    length = int(S)
    for _, steps in closing_steps(view, roles):
        residue = distinct(steps % length)
        if len(residue) == 1 and int(residue[0]) in (0, length - 1) and bool(np.all(np.diff(steps) == length)):
            return True
    return False


def closing_lengths(view: View, roles: Roles, *, last_update: bool = False) -> list[int]:
    """Constant spacings S of closing rows that stand at k S - 1 or k S, where three or more show it.

    Args:
        last_update: only rows at k S - 1, the last update of an epoch where updates are counted from 0.
    """
    found = []
    for _, steps in closing_steps(view, roles):
        spacing = np.diff(steps)
        length = int(spacing[0])
        residues = (length - 1,) if last_update else (0, length - 1)
        if len(steps) >= FEWEST and bool(np.all(spacing == length)) and int(steps[0]) % length in residues:
            found.append(length)
    return sorted({length for length in found if length > 1})
