"""The fast path of CSV tables: lines of numbers by blocks, odd lines through the careful path.

Both paths must give the same columns (``blocks`` tells how). When too much is odd, the careful path reads everything.

A table on disk is never in memory as text: its lines are counted, then blocks of whole lines are read, and their
numbers written to their place in one sheet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct

from analyzer.model import Ints, Problem
from analyzer.readers import Reading
from analyzer.readers.bounds import worth_reading
from analyzer.readers.columns import Column
from analyzer.readers.columns.merge import merge_columns
from analyzer.readers.csv_table.blocks import CellBlock, Irregular, read_block
from analyzer.readers.csv_table.cell_bytes import count_of
from analyzer.readers.csv_table.cells import column_of_cells
from analyzer.readers.csv_table.rows import collect, read_columns
from analyzer.readers.csv_table.shape import HEAD, TableShape, shape_of
from analyzer.readers.csv_table.sheet import Sheet
from analyzer.regular_files import opened

MOST_ODD = 0.05  # share of odd lines beyond which nothing is gained
BLOCK = 1 << 20  # bytes parsed at a time: what is made of them on the way is small

Read = Callable[[int, int], bytes]  # bytes from one place of the table to another


def read_large(path: Path) -> Reading | None:
    """A table on disk as a reading, or None when the careful path has to read it."""

    def read(start: int, end: int) -> bytes:
        file.seek(start)
        return file.read(end - start)

    with opened(path) as file:
        return _read(read, path.stat().st_size, str(path), ())


def parse_large(text: bytes, name: str, problems: Sequence[Problem]) -> Reading | None:
    """A table in memory as a reading, or None when the careful path has to read it."""
    return _read(lambda start, end: text[start:end], len(text), name, problems)


# ---------------------------------------------------------------------------------------------------------------
# blocks of whole lines


class _Place(Struct, frozen=True, kw_only=True):
    """Where a block of whole lines is."""

    start: int  # bytes
    end: int
    first: int  # lines in front of it
    lines: int


def _places(read: Read, begin: int, size: int) -> list[_Place]:
    """Blocks of the whole lines behind a place, each with those whose end lies in so many bytes."""
    places: list[_Place] = []
    at, first = begin, 0
    for start in range(begin, size, BLOCK):
        block = read(start, min(start + BLOCK, size))
        if lines := count_of("\n", block):
            end = start + block.rfind(b"\n") + 1
            places.append(_Place(start=at, end=end, first=first, lines=lines))
            at, first = end, first + lines
    return places


# ---------------------------------------------------------------------------------------------------------------
# the table


class _Table(Struct, frozen=True, kw_only=True, eq=False):
    """Columns over the regular lines, and the odd lines."""

    columns: list[Column]
    rows: Ints  # line numbers in the file
    odd_rows: list[int]
    odd: list[str]
    tail: str  # the incomplete line at the end


def _read(read: Read, size: int, name: str, problems: Sequence[Problem]) -> Reading | None:
    shape = shape_of(read(0, HEAD))
    if shape is None:
        return None
    table = _table_in_blocks(read, size, shape, _places(read, shape.body, size))
    return None if table is None else _reading(table, shape, name, problems)


def _table_in_blocks(read: Read, size: int, shape: TableShape, places: Sequence[_Place]) -> _Table | None:
    """Every block has its place in the sheet."""
    text = set(shape.text)  # columns of text, as far as they are known
    remarkable: list[tuple[int, CellBlock]] = []  # blocks with text or odd lines, and where they begin
    lines = sum(place.lines for place in places)
    odd = 0
    sheet = Sheet(len(shape.header), lines)
    for place in places:
        try:
            found = read_block(read(place.start, place.end), place.lines, shape, frozenset(text))
        except Irregular:
            return None
        sheet.write(place.first, found)
        text |= found.texts_mostly
        odd += len(found.odd)
        if found.text or len(found.odd_at):
            remarkable.append((place.first, found.without_numbers()))
        if odd > MOST_ODD * (place.first + place.lines) + 100:
            return None
    tail = read(places[-1].end if places else shape.body, size)
    odd_at = np.concatenate([np.empty(0, dtype=np.int64), *(first + found.odd_at for first, found in remarkable)])
    if odd == lines:
        return None
    kept = [shape.named[at] for at in worth_reading([shape.header[index] for index in shape.named])]
    return _Table(
        columns=[sheet.column(shape.header[index], index, odd_at, remarkable) for index in kept],
        rows=np.delete(np.arange(2, lines + 2), odd_at),
        odd_rows=(odd_at + 2).tolist(),
        odd=[line for _, found in remarkable for line in found.odd],
        tail=tail.decode("utf-8", errors="replace"),
    )


def _reading(table: _Table, shape: TableShape, name: str, problems: Sequence[Problem]) -> Reading | None:
    """Regular and odd lines, and the incomplete one at the end, as one table."""
    last_row = max(int(table.rows[-1]), *table.odd_rows[-1:], 1)
    lines = [shape.header_line, *table.odd, *([table.tail] if table.tail else [])]
    numbers = [1, *table.odd_rows, *([last_row + 1] if table.tail else [])]
    collected = collect(lines, not table.tail, shape.delimiter, name, numbers)
    if collected.main != shape.header or len(collected.headers) > 1:
        return None
    kept = {column.name for column in table.columns}
    left = len(shape.named) - len(kept)
    if not collected.rows:
        return read_columns(collected, table.columns, table.rows, name, problems, left_aside=left)
    decimal_comma = shape.delimiter == ";"
    odd = [
        column_of_cells(
            column, collected.at[column], collected.cells[column], len(collected.rows), decimal_comma=decimal_comma
        )
        for column in collected.at
        if column in kept
    ]
    odd_rows = np.array(collected.rows, dtype=np.int64)
    order, columns = merge_columns((table.rows, table.columns), (odd_rows, odd))
    return read_columns(collected, columns, order, name, problems, left_aside=left)
