"""Blocks of whole lines: regular lines through a parser, odd ones apart for the careful path.

What a parser might read in another way than the careful path is kept from it. A column that does not convert is read
from its cells; lines of another width, blank lines, repeated headers, lines with NUL bytes or a stray carriage return
are odd. A block that is still not understood makes the whole table one for the careful path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import reduce

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from analyzer.model import Ints
from analyzer.readers.csv_table.cell_bytes import cell_ends, count_of, places_of, without_quotes
from analyzer.readers.csv_table.number_cells import Numbers, columns_of_numbers
from analyzer.readers.csv_table.shape import TableShape
from analyzer.readers.csv_table.text_cells import Apart, column_apart

_LF = ord("\n")


class CellBlock(Struct, frozen=True, kw_only=True, eq=False):
    """What the lines of a block hold. Rows of ``numbers`` and ``text`` are those of the regular lines only."""

    lines: int
    columns: Sequence[int]  # those of ``numbers``
    numbers: Numbers | None
    text: Mapping[int, Apart]
    odd_at: Ints  # lines of the block
    odd: Sequence[str]

    def without_numbers(self) -> CellBlock:
        """The same once its numbers are in the sheet."""
        text = {index: replace(apart, numbers=None) for index, apart in self.text.items()}
        return replace(self, numbers=None, text=text)

    @property
    def texts_mostly(self) -> frozenset[int]:
        """Columns that hold more text than anything else."""
        return frozenset(index for index, apart in self.text.items() if 2 * len(apart.text_at) > self.lines)


class Irregular(Exception):
    """Lines and cells that only the careful path can tell."""


class _HeadersAmongRows(Exception):
    def __init__(self, rows: Ints) -> None:
        super().__init__(rows)
        self.rows = rows


def read_block(block: bytes, lines: int, shape: TableShape, text: frozenset[int]) -> CellBlock:
    """So many whole lines.

    Args:
        text: columns that are known to hold text.

    Raises:
        Irregular: only the careful path can read the table.
    """
    plain = without_quotes(block, shape.delimiter) if b'"' in block else block
    if plain is None:
        raise Irregular
    none_odd = np.empty(0, dtype=np.int64)
    if b"\0" in plain:
        return _around_odd_lines(plain, none_odd, shape, text)
    try:
        return _regular(plain, lines, shape, text)
    except Irregular:
        return _around_odd_lines(plain, none_odd, shape, text)
    except _HeadersAmongRows as found:
        return _around_odd_lines(plain, found.rows, shape, text)


def _regular(block: bytes, lines: int, shape: TableShape, text: frozenset[int]) -> CellBlock:
    """Lines of which none is odd."""
    if b"\r" in block:
        if (np.frombuffer(block, dtype=np.uint8)[places_of("\r", block) + 1] != _LF).any():
            raise Irregular
        block = block.translate(None, b"\r")
    ends = cell_ends(block, lines, len(shape.header), shape.delimiter)
    if ends is None:
        raise Irregular
    wanted = [index for index in range(len(shape.header)) if index not in text]
    columns, numbers = columns_of_numbers(block, ends, shape.delimiter, wanted)
    if len(columns) < len(wanted) and len(rows := _repeated_headers(block, shape)):
        raise _HeadersAmongRows(rows)
    others = set(range(len(shape.header))).difference(columns)
    apart = {index: column_apart(block, ends, index, decimal_comma=shape.delimiter == ";") for index in sorted(others)}
    # a header has a name in every named column: a row with a number, or with none where one belongs, is no header
    if others.issuperset(shape.named):
        rows = reduce(np.intersect1d, (apart[index].text_at for index in shape.named), np.arange(lines))
        if len(rows):
            raise _HeadersAmongRows(rows)
    nothing = np.empty(0, dtype=np.int64)
    return CellBlock(lines=lines, columns=columns, numbers=numbers, text=apart, odd_at=nothing, odd=())


def _repeated_headers(block: bytes, shape: TableShape) -> Ints:
    """Lines that are the header once more, letter by letter."""
    found = re.finditer(rb"^" + re.escape(shape.header_line.replace(chr(34), "").encode()) + rb"\r?$", block, re.M)
    return np.array([count_of("\n", block[: one.start()]) for one in found], dtype=np.int64)


def _around_odd_lines(block: bytes, known: Ints, shape: TableShape, text: frozenset[int]) -> CellBlock:
    """The regular lines, and the odd ones cut out of them."""
    ends = places_of("\n", block)
    starts = np.concatenate([[0], ends[:-1] + 1])
    odd = _are_odd(block, starts, ends, shape)
    odd[known] = True
    if not odd.any():
        raise Irregular
    if odd.all():
        regular = CellBlock(lines=0, columns=(), numbers=None, text={}, odd_at=known, odd=())
    else:
        kept = b"".join(block[starts[first] : ends[last] + 1] for first, last in _stretches(np.flatnonzero(~odd)))
        try:
            regular = _regular(kept, int(np.count_nonzero(~odd)), shape, text)
        except _HeadersAmongRows as found:
            return _around_odd_lines(block, np.union1d(known, np.flatnonzero(~odd)[found.rows]), shape, text)
    at = np.flatnonzero(odd)
    texts = [block[starts[i] : ends[i]].decode("utf-8", errors="replace").removesuffix("\r") for i in at.tolist()]
    return replace(regular, lines=len(ends), odd_at=at, odd=texts)


def _are_odd(block: bytes, starts: Ints, ends: Ints, shape: TableShape) -> NDArray[np.bool_]:
    """Which lines are of another width, blank, or hold a byte that ends a line or a cell for some parser only."""
    data = np.frombuffer(block, dtype=np.uint8)
    delimiters = places_of(shape.delimiter, block)
    widths = np.searchsorted(delimiters, ends) - np.searchsorted(delimiters, starts) + 1
    odd: NDArray[np.bool_] = (widths != len(shape.header)) | (ends - starts <= 1)
    returns = places_of("\r", block) if count_of("\r", block) else np.empty(0, dtype=np.int64)
    strange = np.concatenate([places_of("\0", block), returns[data[returns + 1] != _LF]])
    odd[np.searchsorted(ends, strange)] = True
    return odd


def _stretches(at: Ints) -> list[tuple[int, int]]:
    """First and last of each run of neighbouring numbers."""
    breaks = np.flatnonzero(np.diff(at) != 1)
    return list(zip(at[np.r_[0, breaks + 1]].tolist(), at[np.r_[breaks, len(at) - 1]].tolist(), strict=True))
