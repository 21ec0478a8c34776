"""Counters with their total in one cell: ``"global_step/max_steps": "5/615"``, or ``3/50`` in a column ``epoch``."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from analyzer.model import Fact
from analyzer.readers.columns import Column
from analyzer.readers.columns.step_axis import names_a_place, names_an_axis
from analyzer.roles import role_of_tag

_OF_A_TOTAL = re.compile(r"\s{0,3}([0-9]{1,15})\s{0,3}/\s{0,3}([0-9]{1,15})\s{0,3}")


def with_totals_apart(columns: Sequence[Column], found_in: str) -> tuple[list[Column], list[Fact]]:
    """The columns with their counters as numbers, and what the totals declare; one total has to hold for every cell."""
    facts: list[Fact] = []
    parted: list[Column] = []
    for column in columns:
        name = next((part for part in (column.name, column.name.partition("/")[0]) if names_an_axis(part)), None)
        if name is None or len(column.value) or not len(column.text):
            parted.append(column)
            continue
        cells = [_OF_A_TOTAL.fullmatch(text) for text in column.text]
        counts = [(int(cell[1]), int(cell[2])) for cell in cells if cell is not None]
        totals = {total for _, total in counts}
        if len(counts) < len(cells) or len(totals) > 1 or any(at > total for at, total in counts):
            parted.append(column)
            continue
        at = np.asarray(column.text_at, dtype=np.int64)
        value = np.array([at for at, _ in counts], dtype=np.float64)
        parted.append(replace(column, name=name, value=value, at=at, text_at=(), text=()))
        key = "epochs" if role_of_tag(name) == "epoch" else None if names_a_place(name) else "max_steps"
        if key is not None:
            facts.append(Fact(key=key, value=totals.pop(), found_in=found_in))
    return parted, facts
