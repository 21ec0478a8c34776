"""Columns of seconds since a start, told by what they hold: they rise in nearly every row, as time does."""

from __future__ import annotations

import re

import numpy as np

from analyzer.model import Floats, Ints, Series
from analyzer.roles import role_of_tag

NAMES_A_TIME = re.compile(
    r"(?:^|[/_ .-])(?:time|secs?|seconds|minutes|hours|elapsed|duration|runtime|wall|clock)(?:[/_ .-]|$)", re.I
)
PER_SOMETHING = re.compile(r"per[/_ .-]|/s(?:ec)?$|\beta\b|remaining|left", re.I)
FEWEST = 8  # rows that show how a column goes
RISING = 0.95  # share of the rows; a duration of each row rises in half of them
OFTEN_FALLING = 0.2  # share of changes; a clock of each epoch falls once in five rows or more, a duration in half
MANY_ROWS = 8.0  # usual rises that a column comes beyond: a clock, not a duration that creeps up
FALLS_AT_MOST = 3  # a clock that falls more often is one of each epoch, or of each call
NEAR_THE_START = 3.0  # usual rises: no further from zero, it began again with its process
SAME_PACE = (0.5, 2.0)  # of the usual rise behind a fall to that before it


def named_elapsed(series: Series) -> bool:
    """Whether a column that is named as seconds from a start goes on as they do: seconds of each row fall in half."""
    if role_of_tag(series.tag) != "elapsed" and series.tag.lower() != "_runtime":
        return False
    value = series.value[np.isfinite(series.value)]
    changes = np.diff(value)[np.diff(value) != 0]
    return len(changes) < FEWEST or float(np.mean(changes < 0)) <= OFTEN_FALLING


def tells_elapsed_time(series: Series) -> bool:
    """Whether a column counts seconds from a start: by its role, or by a name of time and the way it rises."""
    if named_elapsed(series):
        return True
    if not NAMES_A_TIME.search(series.tag) or PER_SOMETHING.search(series.tag):
        return False
    value = series.value[np.isfinite(series.value)]
    if len(value) < FEWEST or value[0] < 0:
        return False
    rises = np.diff(value)
    usual = float(np.median(rises))
    return bool(usual > 0 and np.mean(rises > 0) >= RISING and value.max() > MANY_ROWS * usual)


def set_back(value: Floats, step: Ints, falls: Ints) -> Ints:
    """Those falls of a clock behind which it goes on at its pace from a place that is no start of its own.

    Args:
        value: the column, finite, shape (n,).
        step: the step of each row, shape (n,).
        falls: rows that lie below the one before, shape (m,).
    """
    falls = np.array([at for at in falls.tolist() if not _behind_rows_ahead(value, step, at)], dtype=np.int64)
    if not 0 < len(falls) <= FALLS_AT_MOST:
        return falls[:0]
    rises = np.diff(value)
    kept = []
    for at in falls.tolist():
        before, behind = rises[max(0, at - FEWEST - 1) : at - 1], rises[at : at + FEWEST]
        if not len(before) or not len(behind):
            continue
        usual, pace = float(np.median(before)), float(np.median(behind))
        if usual > 0 and SAME_PACE[0] <= pace / usual <= SAME_PACE[1] and value[at] > NEAR_THE_START * usual:
            kept.append(at)
    return np.array(kept, dtype=np.int64)


def _behind_rows_ahead(value: Floats, step: Ints, at: int) -> bool:
    """Whether the rows before a fall are ahead of a clock that goes on at its pace without them.

    An evaluation whose line was stamped when it had ended stands before lines that training wrote meanwhile. A clock
    that was set back misses more than half of the way from the last row that is not ahead.
    """
    before = np.flatnonzero(value[:at] <= value[at])
    steps = np.diff(step[:at]) > 0
    if not len(before) or not steps.any():
        return False
    usual = float(np.median(np.diff(value[:at])[steps] / np.diff(step[:at])[steps]))
    last = int(before[-1])
    passed, made = float(value[at] - value[last]), int(step[at] - step[last])
    return usual > 0 and made > 0 and SAME_PACE[0] < passed / (usual * made) < SAME_PACE[1]
