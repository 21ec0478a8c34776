"""Columns of a table while its blocks are read: numbers in one sheet, texts in pieces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analyzer.model import Floats, Ints
from analyzer.readers.columns import Column
from analyzer.readers.columns.texts import joined
from analyzer.readers.csv_table.blocks import CellBlock


class Sheet:
    """The numbers of all regular lines, columns first; blocks are written to their place."""

    def __init__(self, columns: int, lines: int) -> None:
        self.value: Floats = np.empty((columns, lines))
        self.missing: NDArray[np.bool_] = np.ones((columns, lines), dtype=bool)

    def write(self, first: int, block: CellBlock) -> None:
        """Put the numbers of a block that begins at a line in their place; odd lines hold none."""
        rows = _lines_of_block(block, first) if len(block.odd_at) else slice(first, first + block.lines)
        if block.numbers is not None and len(block.columns) == len(self.value):
            self.value[:, rows], self.missing[:, rows] = block.numbers.value.T, block.numbers.missing.T
        elif block.numbers is not None:
            for place, index in enumerate(block.columns):
                self.value[index, rows] = block.numbers.value[:, place]
                self.missing[index, rows] = block.numbers.missing[:, place]
        for index, apart in block.text.items():
            if apart.numbers is not None:
                self.value[index, rows], self.missing[index, rows] = apart.numbers.value, apart.numbers.missing

    def column(self, name: str, index: int, odd_at: Ints, text: Sequence[tuple[int, CellBlock]]) -> Column:
        """One column over the regular lines."""
        value, missing = self.value[index], self.missing[index]
        texts = [(first, block, block.text[index]) for first, block in text if index in block.text]
        at = [_lines_of_block(block, first)[apart.text_at] for first, block, apart in texts]
        text_at = _without_odd(np.concatenate(at), odd_at) if at else ()
        found = joined([apart.text for _, _, apart in texts if len(apart.text)]) if at else ()
        there = None if not missing.any() else np.flatnonzero(~missing)
        return Column(
            name=name,
            value=value if there is None else value[there],
            at=None if there is None or len(there) == len(value) - len(odd_at) else _without_odd(there, odd_at),
            text_at=text_at,
            text=found,
        )


def _lines_of_block(block: CellBlock, first: int) -> Ints:
    """Lines of the table that the regular lines of a block are."""
    return first + np.delete(np.arange(block.lines), block.odd_at)


def _without_odd(lines: Ints, odd_at: Ints) -> Ints:
    """Line numbers as positions among the regular lines."""
    return lines - np.searchsorted(odd_at, lines) if len(odd_at) else lines
