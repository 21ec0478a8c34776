"""Tables that an export wrote newest first, as Comet's does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from analyzer.readers.columns import Column
from analyzer.readers.columns.step_axis import names_an_axis, whole_steps
from analyzer.readers.columns.texts import PackedText
from analyzer.readers.columns.wall_time import names_a_time

FEWEST_ROWS = 8  # that show an order


def is_newest_first(columns: Sequence[Column], rows: int) -> bool:
    """Whether the times and a counter of a table never rise, and fall: nobody logs that way."""
    times = [one for one in columns if names_a_time(one.name) and len(one.value) == rows]
    counts = [one for one in columns if names_an_axis(one.name) and len(one.value) == rows]
    if rows < FEWEST_ROWS or not times or not counts:
        return False
    return any(_falls(one) for one in times) and any(whole_steps(one.value).all() and _falls(one) for one in counts)


def _falls(column: Column) -> bool:
    """Whether values never rise, and fall, shape (rows,)."""
    return bool(np.all(column.value[1:] <= column.value[:-1]) and column.value[-1] < column.value[0])


def reversed_rows(column: Column, rows: int) -> Column:
    """A column over the same rows in the other order."""
    text = column.text
    return replace(
        column,
        value=column.value[::-1],
        at=None if column.at is None else (rows - 1 - column.at)[::-1],
        text_at=(rows - 1 - np.asarray(column.text_at, dtype=np.int64))[::-1] if len(column.text_at) else (),
        text=PackedText(cells=text.cells[::-1]) if isinstance(text, PackedText) else list(text)[::-1],
    )
