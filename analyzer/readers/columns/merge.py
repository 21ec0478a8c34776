"""Two tables of one file, each with its row numbers, as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analyzer.model import Ints
from analyzer.readers.columns import Column
from analyzer.readers.columns.texts import at_places, joined


def merge_columns(
    first: tuple[Ints, Sequence[Column]], second: tuple[Ints, Sequence[Column]]
) -> tuple[Ints, list[Column]]:
    """Two tables of one file, each with its row numbers, as one table in the order of the row numbers."""
    rows = np.concatenate([first[0], second[0]])
    order = np.argsort(rows, kind="stable")
    place = np.empty(len(rows), dtype=np.int64)
    place[order] = np.arange(len(rows))
    places = (place[: len(first[0])], place[len(first[0]) :])
    names = dict.fromkeys(one.name for one in (*first[1], *second[1]))
    parts: dict[str, list[tuple[Ints, Column]]] = {name: [] for name in names}
    for where, (numbers, columns) in zip(places, (first, second), strict=True):
        for one in columns:
            parts[one.name].append((where[one.positions(len(numbers))], one))
    merged = []
    for name, found in parts.items():
        at = np.concatenate([where for where, _ in found])
        along = np.argsort(at, kind="stable")
        bases = places if len(found) == 2 else [_base(found[0][1], first, places)]
        text_at, text = _merged_texts([(base, one) for (_, one), base in zip(found, bases, strict=True)])
        merged.append(
            Column(
                name=name,
                value=np.concatenate([one.value for _, one in found])[along],
                at=None if len(at) == len(rows) else at[along],
                text_at=text_at,
                text=text,
            )
        )
    return rows[order], merged


def _merged_texts(found: Sequence[tuple[Ints, Column]]) -> tuple[Sequence[int], Sequence[str]]:
    """Texts of a column in the order of the rows, from where the rows of each of its tables went."""
    held = [(base[np.asarray(one.text_at, dtype=np.int64)], one.text) for base, one in found if len(one.text)]
    if not held:
        return (), ()
    at = np.concatenate([where for where, _ in held])
    order = np.argsort(at, kind="stable")
    return at[order].tolist(), at_places(joined([text for _, text in held]), order)


def _base(column: Column, first: tuple[Ints, Sequence[Column]], places: tuple[Ints, Ints]) -> Ints:
    """Where the rows of the table that a column comes from went."""
    return places[0] if any(one is column for one in first[1]) else places[1]
