"""Tables of one file, one below the other, as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analyzer.readers.columns import Column
from analyzer.readers.columns.texts import joined

Table = tuple[int, Sequence[Column]]  # rows, columns


def stacked(tables: Sequence[Table]) -> list[Column]:
    """Columns over the rows of all tables, in order of first appearance."""
    parts: dict[str, list[tuple[int, int, Column]]] = {}
    rows = 0
    for count, columns in tables:
        for column in columns:
            parts.setdefault(column.name, []).append((rows, count, column))
        rows += count
    return [_stacked(name, found, rows) for name, found in parts.items()]


def _stacked(name: str, parts: Sequence[tuple[int, int, Column]], rows: int) -> Column:
    texts = [(first, one) for first, _, one in parts if len(one.text)]
    full = all(one.at is None for _, _, one in parts) and sum(count for _, count, _ in parts) == rows
    return Column(
        name=name,
        value=np.concatenate([one.value for _, _, one in parts]),
        at=None if full else np.concatenate([first + one.positions(count) for first, count, one in parts]),
        text_at=np.concatenate([first + np.asarray(one.text_at, dtype=np.int64) for first, one in texts])
        if texts
        else (),
        text=joined([one.text for _, one in texts]) if texts else (),
    )
