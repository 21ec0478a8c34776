"""Places inside the epoch to steps, where no line tells how many places an epoch has.

Label and place order the rows of a run. Two rows of one epoch lie as far apart as their places say; from the last row
of an epoch to the first of the next it is taken to be a cadence, where that makes all epochs equally long. So the steps
count places: rows that are told twice or missing, and labels that are given twice or left out, show in them. No length
of an epoch follows from them, unless every place is there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from analyzer.distinct import distinct
from analyzer.model import Floats, Ints
from analyzer.readers.columns import Column, ColumnAxis
from analyzer.readers.columns.step_axis import names_a_place, whole_steps
from analyzer.roles import role_of_tag

PLACE = "place in the epoch"  # the derived column
FEWEST_ROWS = 6
ODD_AT_MOST = 3  # places where rows go back, or labels do not follow one another,
ODD_SHARE = 0.5  # and no more of them than one for two ends of epochs that are as they should be
LONG_PAUSE = 0.5  # of the time that an epoch takes: a process may have trained one, or begun again


class Places(Struct, frozen=True, kw_only=True, eq=False):
    """The derived steps of rows, and the places of one epoch that they were made with."""

    column: Column
    length: int
    whole: bool  # every place of an epoch has a row: the length is what they count


def may_be_a_place(axis: ColumnAxis, columns: Sequence[Column]) -> bool:
    """Whether a table has no counter of its own, or one that is named as a place in the epoch and falls."""
    if axis.column is None or not names_a_place(axis.column):
        return axis.counts == "row"
    value = next(one.value for one in columns if one.name == axis.column)
    return bool(np.any(value[1:] < value[:-1]))


def places_of(columns: Sequence[Column], rows: int, wall: Floats) -> Places | None:
    """The steps of a table with an epoch and a place in it; None where it has not both, or they make no clock."""
    named = (one for one in columns if len(one.value) and role_of_tag(one.name) == "epoch")
    labels = max(named, key=lambda one: len(one.value), default=None)
    for column in columns if labels is not None else ():
        if labels is None or not len(column.value) or not names_a_place(column.name):
            continue
        at = np.intersect1d(column.positions(rows), labels.positions(rows), assume_unique=True)
        place, epoch = (one.value[np.searchsorted(one.positions(rows), at)] for one in (column, labels))
        if len(at) < FEWEST_ROWS or not (whole_steps(place).all() and whole_steps(epoch).all()) or place.min() < 0:
            continue
        made = laps_of_rows(epoch.astype(np.int64), place.astype(np.int64), wall[at])
        if made is None:
            continue
        lap, length, whole = made
        lap = lap - (0 if (lap == 0).any() else 1)  # labels that never are 0 begin with 1
        step = lap * length + place.astype(np.int64)
        label = np.full(rows, np.nan)
        label[labels.positions(rows)] = labels.value
        closing, ends = _closing_rows(step, lap, at, label, (lap + 1) * length - (place.min() == 0))
        positions = np.concatenate([at, closing])
        order = np.argsort(positions, kind="stable")
        every = np.concatenate([step, ends])[order].astype(np.float64)
        derived = Column(name=PLACE, value=every, at=positions[order])
        return Places(column=derived, length=length, whole=whole)
    return None


def laps_of_rows(epoch: Ints, place: Ints, wall: Floats, total: int | None = None) -> tuple[Ints, int, bool] | None:
    """The lap of each row, the places of one, and whether all of them have rows; None where the place is none.

    Where the label moves by another number than one although the place goes on into the next epoch, the laps are
    counted and the label is left to be judged; where the place does not go on, the label says where the row belongs.

    Args:
        epoch, place: whole numbers of the rows in written order, shape (n,).
        wall: seconds of each row, NaN where they are not known.
        total: places of an epoch, where the rows say so.
    """
    laps, rises = np.diff(epoch), np.diff(place)
    falls = rises < 0
    inside = (laps == 0) & (rises >= 0)  # a row may be told twice
    runs = np.count_nonzero(inside & (rises > 0))
    if not falls.any() or not runs or np.count_nonzero(inside) < np.count_nonzero(falls) or not (laps > 0).any():
        return None
    if not total and np.count_nonzero(falls) == 1 and not (laps[falls] > 0).any():
        return None  # a step that falls once inside an epoch was lost at a resume
    cadence = _usual(rises[inside & (rises > 0)])
    length = total or _usual(cadence - rises[falls])
    begins = place[1:] <= _usual(place[1:][falls])
    goes_on = falls & (rises + length == cadence)
    if total:  # whose last place has a row as well, or none
        goes_on = falls & (place[:-1] + cadence > total) & begins
    if place.max() > length:
        return None
    whole = cadence == 1 and len(distinct(place)) == length
    turns = int(np.count_nonzero(falls))
    if np.array_equal(goes_on, falls) and not np.any(rises[laps > 0] == 0) and _one_label_each(laps, turns):
        return epoch[0] + np.concatenate([[0], np.cumsum(falls)]), length, whole
    ends = goes_on & (laps == 1)
    odd = ~inside & ~ends
    if np.count_nonzero(odd) > min(ODD_AT_MOST, max(1, int(ODD_SHARE * np.count_nonzero(ends)))):
        return None
    if np.any(odd & falls & (laps == 1) & begins):
        return None  # an epoch that ends before its end: it was shorter, or rows are missing
    turned = laps.copy()
    pause = _pause(wall, length * _pace(place, wall, inside), np.maximum(np.abs(laps - 1), 1))
    turned[odd & goes_on & (laps >= 0) & ~pause] = 1
    return epoch[0] + np.concatenate([[0], np.cumsum(turned)]), length, whole and not odd.any()


def _one_label_each(laps: Ints, turns: int) -> bool:
    """Whether labels rise by one as often as places begin again, wherever they do: some steps early or late."""
    return bool(np.all((laps == 0) | (laps == 1)) and abs(int(np.sum(laps)) - turns) <= 1)


def _usual(value: Ints) -> int:
    found, count = np.unique(value, return_counts=True)
    return int(found[np.argmax(count)])


def _pace(place: Ints, wall: Floats, inside: NDArray[np.bool_]) -> float:
    """Usual seconds of one place; NaN without times."""
    passed = np.diff(wall)[inside] / np.maximum(np.diff(place)[inside], 1)
    passed = passed[np.isfinite(passed)]
    return float(np.median(passed)) if len(passed) else float("nan")


def _pause(wall: Floats, of_an_epoch: float, epochs: Ints) -> NDArray[np.bool_]:
    """Between which rows so much time passed that the epochs in question may have been trained, shape (n - 1,)."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.diff(wall) > LONG_PAUSE * of_an_epoch * epochs)


def _closing_rows(step: Ints, lap: Ints, at: Ints, label: Floats, ends: Ints) -> tuple[Ints, Ints]:
    """Rows without a place that stand between two epochs, and the last step of the first or the first of the second.

    Those inside an epoch are of another phase: a validation on the way has no place of its own.

    Args:
        step, lap, at, ends: of the rows with a place, their positions and the last step of its epoch, shape (n,).
        label: of all rows, NaN where they have none, shape (rows,).
    """
    every = np.arange(len(label))
    before = np.maximum(np.searchsorted(at, every, side="right") - 1, 0)
    behind = np.minimum(before + 1, len(at) - 1)
    last = (before == len(at) - 1) & (ends[-1] - step[-1] == np.min(ends - step))  # behind an epoch that was finished
    closing = np.flatnonzero((at[before] < every) & ((lap[behind] != lap[before]) | last))
    first, second = before[closing], behind[closing]
    opens = (label[closing] == label[at[second]]) & (first != second)
    return closing, np.where(opens, step[second], ends[first])
