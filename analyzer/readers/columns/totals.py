"""Cells that hold a place and how many there are: ``"global_step/max_steps": "1/615"``."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from analyzer.readers.columns import Column

_PLACE_OF_ALL = re.compile(r"\s{0,8}(\d{1,15})\s?/\s?\d{1,15}\s{0,8}")


def without_totals(columns: Sequence[Column]) -> list[Column]:
    """The columns, where every cell is a place and a total as their places, named by what stands before the slash."""
    names = {column.name for column in columns}
    return [_places(column, names) for column in columns]


def _places(column: Column, names: set[str]) -> Column:
    if len(column.value) or not len(column.text) or _PLACE_OF_ALL.fullmatch(column.text[0]) is None:
        return column
    found = [_PLACE_OF_ALL.fullmatch(cell) for cell in column.text]
    if None in found:
        return column
    name = column.name.partition("/")[0]
    return replace(
        column,
        name=name if name and name not in names else column.name,
        value=np.array([float(one[1]) for one in found if one is not None]),
        at=np.asarray(column.text_at, dtype=np.int64),
        text_at=(),
        text=(),
    )
