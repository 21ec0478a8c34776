"""Columns of a table while its blocks are read: numbers in one sheet, texts in pieces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analyzer.model import Floats, Ints
from analyzer.readers.columns import Column
from analyzer.readers.columns.texts import joined
from analyzer.readers.csv_table.blocks import CellBlock
from analyzer.readers.csv_table.parsers import Numbers


class Sheet:
    """The numbers of all regular lines, columns first; blocks are written to it side by side."""

    def __init__(self, columns: int, lines: int) -> None:
        self.value: Floats = np.empty((columns, lines))
        self.missing: NDArray[np.bool_] = np.zeros((columns, lines), dtype=bool)

    def write(self, first: int, lines: int, block: CellBlock) -> None:
        """Put the numbers of so many lines in their place; odd lines hold none."""
        regular = np.delete(np.arange(lines), block.odd_at) if len(block.odd_at) else None
        for index in range(len(self.value)):
            value, missing = self.value[index, first : first + lines], self.missing[index, first : first + lines]
            parts = block.numbers.get(index) or _numbers_of_text(block, index)
            if not parts or regular is not None:
                missing[:] = True
            if parts and regular is not None:
                value[regular] = np.concatenate([part.value for part in parts])
                missing[regular] = np.concatenate([_missing(part) for part in parts])
                continue
            at = 0
            for part in parts:
                value[at : at + len(part.value)] = part.value
                if part.missing is not None:
                    missing[at : at + len(part.value)] = part.missing
                at += len(part.value)

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


def _numbers_of_text(block: CellBlock, index: int) -> Sequence[Numbers]:
    apart = block.text.get(index)
    return () if apart is None or apart.numbers is None else (apart.numbers,)


def _missing(part: Numbers) -> NDArray[np.bool_]:
    return np.zeros(len(part.value), dtype=bool) if part.missing is None else part.missing


def _lines_of_block(block: CellBlock, first: int) -> Ints:
    """Lines of the table that the regular lines of a block are."""
    return first + np.delete(np.arange(block.lines), block.odd_at)


def _without_odd(lines: Ints, odd_at: Ints) -> Ints:
    """Line numbers as positions among the regular lines."""
    return lines - np.searchsorted(odd_at, lines) if len(odd_at) else lines
