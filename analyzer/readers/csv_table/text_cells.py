"""Columns of a block that hold text: which of their cells are numbers, missing, or text.

The careful path decides cell by cell (``cells.column_of_cells``). A cell is spared that only where its first bytes
cannot begin a number or a mark for a missing one, and where few distinct cells make up the column.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from analyzer.model import Ints
from analyzer.readers.columns.texts import PackedText, at_places, few_labels, joined
from analyzer.readers.csv_table.cell_bytes import packed, starts_and_sizes
from analyzer.readers.csv_table.cells import MISSING, column_of_cells, number_of
from analyzer.readers.csv_table.number_cells import Numbers

_MOST_LABELS = 16
# what may begin a number (also ``,5``, ``inf``, ``nan``, ``tensor(``) or a mark for a missing one: see ``cells``
_MAY_BE_NO_TEXT = frozenset(b"0123456789+-.,iInNt" + b"".join(mark[:1].encode() for mark in MISSING))
_BEGINS_TEXT = np.array([32 < byte < 127 and byte not in _MAY_BE_NO_TEXT for byte in range(256)])
_IS_SPACE = np.array([byte < 128 and chr(byte).isspace() for byte in range(256)])


class Apart(Struct, frozen=True, kw_only=True, eq=False):
    """The cells of one column, numbers and texts apart."""

    numbers: Numbers | None  # None where no cell holds one
    text_at: Ints  # rows of the block
    text: Sequence[str]


def column_apart(block: bytes, ends: Ints, index: int, *, decimal_comma: bool) -> Apart:
    """The cells of a column by what they hold."""
    starts, sizes = starts_and_sizes(block, ends, index)
    cells = packed(block, starts, sizes)
    if cells is None:
        spans = zip(starts.tolist(), (starts + sizes).tolist(), strict=True)
        strings = [block[start:end].decode("utf-8", errors="replace") for start, end in spans]
        return _one_by_one(strings, np.flatnonzero(sizes), decimal_comma=decimal_comma)
    text = PackedText(cells=cells)
    labels = few_labels(text, _MOST_LABELS)
    if labels is not None:
        return _by_label(*labels, decimal_comma=decimal_comma)
    sure = _surely_text(cells, sizes)
    sure_at = np.flatnonzero(sure)
    rest = _one_by_one(text, np.flatnonzero(~sure & (sizes > 0)), decimal_comma=decimal_comma)
    if not len(rest.text_at):
        return Apart(numbers=rest.numbers, text_at=sure_at, text=at_places(text, sure_at))
    at = np.concatenate([sure_at, rest.text_at])
    order = np.argsort(at, kind="stable")
    both = joined([at_places(text, sure_at), _packed_again(rest.text)])
    return Apart(numbers=rest.numbers, text_at=at[order], text=at_places(both, order))


def _by_label(labels: list[str], code: NDArray[np.intp], *, decimal_comma: bool) -> Apart:
    """A column of few distinct cells: each of those is looked at once."""
    numbers = [number_of(label, decimal_comma=decimal_comma) for label in labels]
    texts = [label.strip() for label in labels]
    is_text = [number is None and text not in MISSING for number, text in zip(numbers, texts, strict=True)]
    at = np.flatnonzero(np.array(is_text, dtype=bool)[code])
    value = np.array([np.nan if number is None else number for number in numbers])
    missing = np.array([number is None for number in numbers], dtype=bool)
    return Apart(
        numbers=None if missing.all() else Numbers(value=value[code], missing=missing[code]),
        text_at=at,
        text=at_places(_packed_again(texts), code[at]),
    )


def _packed_again(texts: Sequence[str]) -> PackedText:
    return PackedText(cells=np.array([text.encode("ascii") for text in texts], dtype=np.bytes_))


def _surely_text(cells: NDArray[np.bytes_], sizes: Ints) -> NDArray[np.bool_]:
    """Which cells are text by their first bytes alone, and have nothing to strip."""
    byte = cells.view(np.uint8).reshape(len(cells), -1)
    sure: NDArray[np.bool_] = _BEGINS_TEXT[byte[:, 0]]
    if byte.shape[1] > 4:  # the year of a date
        date = (byte[:, 4] == ord("-")) | (byte[:, 4] == ord("/"))
        for place in range(4):
            date &= byte[:, place] - np.uint8(ord("0")) < 10
        sure = sure | date
    return sure & ~_IS_SPACE[byte.ravel()[np.arange(0, byte.size, byte.shape[1]) + np.maximum(sizes - 1, 0)]]


def _one_by_one(cells: Sequence[str], at: Ints, *, decimal_comma: bool) -> Apart:
    """Some cells of a column; the others are missing, or known to be text."""
    rows = len(cells)
    column = column_of_cells("", at.tolist(), at_places(cells, at), rows, decimal_comma=decimal_comma)
    value, missing = np.full(rows, np.nan), np.ones(rows, dtype=bool)
    held = column.positions(rows)
    value[held], missing[held] = column.value, False
    return Apart(
        numbers=Numbers(value=value, missing=missing) if len(held) else None,
        text_at=np.asarray(column.text_at, dtype=np.int64),
        text=column.text,
    )
