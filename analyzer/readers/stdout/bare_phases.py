"""``Ep 1 (Step 20): Train 11.522 | Val 11.780``: figures of two phases that no line calls a loss.

A pair that falls in training is one of losses. What rises, or goes nowhere, keeps the names that were printed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from analyzer.roles import role_of_tag

Entry = dict[str, Any]
FEWEST_ROWS = 4  # of both figures; of fewer no course can be told
LOSSES = ("loss", "validation_loss", "epoch_loss")
LONGEST = len("validation")
FALLS_TO = 0.9  # of the first quarter, the last quarter's median: what moves less may be anything
_OF_TRAINING = re.compile(r"tr(?:ain(?:ing)?)?", re.I)
_OF_VALIDATION = re.compile(r"va(?:l(?:id(?:ation)?)?)?|dev|test|eval", re.I)


def pair_of(names: Iterable[str]) -> tuple[str, str] | None:
    """The names of a figure of training and one of validation that are nothing but the name of their phase."""
    short = [name for name in names if len(name) <= LONGEST]
    train = [name for name in short if _OF_TRAINING.fullmatch(name)]
    other = [name for name in short if _OF_VALIDATION.fullmatch(name)]
    return (train[0], other[0]) if len(train) == 1 and len(other) == 1 else None


def called_losses(entries: Sequence[Entry]) -> None:
    """Call the figures of two phases losses where training's falls and nothing else is called a loss."""
    names = {name for entry in entries for name in entry}
    pair = pair_of(names)
    if pair is None or any(role_of_tag(name) in LOSSES for name in names):
        return
    of_train, of_other = pair
    rows = [entry for entry in entries if of_train in entry and of_other in entry]
    if len(rows) < FEWEST_ROWS:
        return
    train = np.array([float(entry[of_train]) for entry in rows])
    quarter = max(1, len(train) // 4)
    first, last = np.median(train[:quarter]), np.median(train[-quarter:])
    if not (train > 0).all() or not last < FALLS_TO * first:
        return
    for entry in rows:
        entry["train loss"] = entry.pop(of_train)
        entry["val loss"] = entry.pop(of_other)
