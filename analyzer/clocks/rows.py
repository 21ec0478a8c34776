"""Rows of one file and of one series: where they stand, and which series speak for the training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from analyzer.distinct import distinct
from analyzer.model import NO_STEP, Ints, Row, Series, Source, View
from analyzer.roles import preference, role_of_tag

TRAINING_ROLES = ("loss", "learning_rate", "grad_norm", "samples", "tokens", "epoch_loss")


def training_series(view: View) -> list[Series]:
    """The series that are written at every logged training step, the one that tells sessions best first."""
    order = {role: index for index, role in enumerate(TRAINING_ROLES)}
    roles = [(role_of_tag(tag) or "", series) for tag, series in view.series.items() if len(series)]
    known = [(role, series) for role, series in roles if role in order] or roles
    # A loss of three validation rows must not speak for a training loss of thousands; rows of one step are one.
    told = [1 + int(np.count_nonzero(np.diff(series.step))) for _, series in known]
    longest = max(told, default=0)
    known = [one for one, rows in zip(known, told, strict=True) if 4 * rows >= longest]
    known.sort(key=lambda item: (order.get(item[0], len(order)), *preference(*item)))
    return [series for _, series in known]


def speaking_series(view: View, roles: tuple[str, ...]) -> Series | None:
    """The first training series of some roles; in a log without any, the longest whose values are hardly ever equal.

    Two equal rows of such a series are one row that was written twice; a constant would not show it.
    """
    for series in training_series(view):
        if role_of_tag(series.tag) in roles:
            return series
    others = [one for tag, one in view.series.items() if len(one) and role_of_tag(tag) is None]
    return max((one for one in others if 2 * len(distinct(one.value)) >= len(one)), key=len, default=None)


def rows_of_source(series: Series, source: int) -> slice:
    """The points of one file in a series; files follow one another in written order."""
    number = series.source.dtype.type(source)  # of its own type: a wider one would copy the column
    begin, end = (int(np.searchsorted(series.source, number, side=side)) for side in ("left", "right"))
    return slice(begin, end)


def place_of(series: Series, cut: tuple[int, int]) -> int:
    """The first point of a series at or behind a cut, a source and a row in it."""
    inside = rows_of_source(series, cut[0])
    return inside.start + int(np.searchsorted(series.row[inside], cut[1]))


def rows_of(series: Series, keep: NDArray[np.bool_] | Ints) -> Series:
    """The points of a series for which ``keep`` is true, or that it numbers."""
    return replace(series, step=series.step[keep], value=series.value[keep], wall_time=series.wall_time[keep],
                   source=series.source[keep], row=series.row[keep])


def evidence_row(sources: Sequence[Source], series: Series, index: int, why: str = "") -> Row:
    """Point ``index`` of a series as an evidence row."""
    step, value = int(series.step[index]), float(series.value[index])
    return Row(
        source=sources[int(series.source[index])].path,
        row=int(series.row[index]),
        tag=series.tag,
        step=None if step == NO_STEP else step,
        value=int(value) if value.is_integer() and abs(value) < 1e15 else value,
        why=why,
    )
