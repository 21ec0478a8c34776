"""Columns of numbers to series: which column is the step axis, which is the clock on the wall, what is no log at all.

Tables (CSV), JSON entries and parsed output lines all arrive as ``Column``s over the rows of one file. Nothing is
sorted, dropped or repaired: a row without a step keeps ``NO_STEP``, and what cannot be read is a problem.
``reading.interpret`` makes a ``Reading`` of them; ``entries.columns_of_entries`` makes columns of dictionaries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from msgspec import Struct, field

from analyzer.model import Floats, Ints

Counts = Literal[
    "step", "batch", "micro-batch", "place", "samples", "tokens", "environment", "epoch", "episode", "row", "call"
]


class Column(Struct, frozen=True, kw_only=True, eq=False):
    """The cells of one name. ``at`` are row positions (0-based) in rising order; None means every row."""

    name: str
    value: Floats
    at: Ints | None = None
    text_at: Sequence[int] | Ints = ()  # positions of cells that hold something else than a number
    text: Sequence[str] = ()

    def positions(self, rows: int) -> Ints:
        return np.arange(rows, dtype=np.int64) if self.at is None else self.at


class Dialect(Struct, frozen=True, kw_only=True):
    """What is known about a file because its writer is known."""

    framework: str | None = None
    step_columns: tuple[str, ...] = ()  # names to prefer as the axis, over the general order
    counts: Counts | None = None  # what the axis counts, where that is not what its name says
    a_row: Counts = "row"  # what a row is, where no column counts
    wall_column: str | None = None
    elapsed_columns: tuple[str, ...] = ()  # times that are never absolute
    exported: bool = False  # an export that a viewer samples: told by the gaps between its steps
    tags: Mapping[str, str] = field(default_factory=dict)  # column name -> tag
    scaled: Mapping[str, float] = field(default_factory=dict)  # column of a count in thousands -> how many each is
    facts: Mapping[str, str] = field(default_factory=dict)  # column name -> key of a declared fact (a constant column)
    ignored: tuple[str, ...] = ()


class ColumnAxis(Struct, frozen=True, kw_only=True):
    """The column that the steps come from."""

    column: str | None
    counts: Counts
