"""Where runs differ before their metric does: what is declared of them, and the first row at which each clock parts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from msgspec import Struct

from analyzer.comparison import rows_built_on
from analyzer.config.keys import KEYS
from analyzer.model import NO_STEP, Row, Series
from analyzer.precision import half_width
from analyzer.timeline import Timeline

ROLES = ("epoch", "learning_rate", "loss")  # what is compared row by row, causes before what they cause


class Parting(Struct, frozen=True, kw_only=True):
    """The first step that two runs log with different values, or that none is."""

    role: str
    runs: tuple[str, str]
    same: int  # steps that both log alike before that
    step: int | None  # None: every step that both log is alike
    rows: tuple[Row, ...] = ()  # one of each run


def configuration_differences(timelines: Sequence[Timeline]) -> dict[str, dict[str, Any]]:
    """Declared keys whose value is not the same in every run: key -> run -> value, None where nothing is declared."""
    values = {
        key: {one.run.name: one.declared.get(key) for one in timelines}
        for key in KEYS
        if any(key in one.declared for one in timelines)
    }
    return {key: of_runs for key, of_runs in values.items() if len({repr(v) for v in of_runs.values()}) > 1}


def partings(timelines: Sequence[Timeline]) -> list[Parting]:
    """For each run and the one named before it: where epoch, learning rate and loss first differ at one step."""
    return [
        found
        for one, other in pairwise(timelines)
        if one.step_axis.unit == other.step_axis.unit
        for role in ROLES
        if (found := _parting(role, one, other)) is not None
    ]


def _parting(role: str, one: Timeline, other: Timeline) -> Parting | None:
    first, second = one.roles.first(role), other.roles.first(role)
    if first is None or second is None:
        return None
    rows, others = _last_rows(one, first), _last_rows(other, second)
    _, at, at_other = np.intersect1d(first.step[rows], second.step[others], assume_unique=True, return_indices=True)
    rows, others = rows[at], others[at_other]
    if not len(rows):
        return None
    allowed = half_width(first)[rows] + half_width(second)[others]
    a, b = first.value[rows], second.value[others]
    apart = np.flatnonzero((np.abs(a - b) > allowed * (1 + 1e-9)) | (np.isnan(a) != np.isnan(b)))
    runs = one.run.name, other.run.name
    if not len(apart):
        return Parting(role=role, runs=runs, same=len(rows), step=None)
    place = int(apart[0])
    return Parting(
        role=role,
        runs=runs,
        same=place,
        step=int(first.step[rows[place]]),
        rows=(one.row(first, int(rows[place])), other.row(second, int(others[place]))),
    )


def _last_rows(timeline: Timeline, series: Series) -> np.ndarray:
    """Index of the last row of each step on the branch that the run went on with, by step."""
    kept = np.flatnonzero(rows_built_on(timeline, series) & (series.step != NO_STEP))
    _, last = np.unique(series.step[kept][::-1], return_index=True)
    return kept[len(kept) - 1 - last]
