"""The fast path of CSV tables: blocks of lines through pyarrow or pandas, odd lines through the careful path.

All paths must give the same columns (``blocks`` tells how). When too much is odd, the careful path reads everything.

A table on disk is never in memory as text: a few threads count its lines, then each reads blocks of whole lines, parses
them, and writes the numbers to their place in one sheet. So many line ends, so many lines: the place of a block is
known before it is parsed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from msgspec import Struct

from analyzer.model import Ints, Problem
from analyzer.readers import Reading
from analyzer.readers.columns import Column
from analyzer.readers.columns.merge import merge_columns
from analyzer.readers.csv_table.blocks import CellBlock, format_of, read_block
from analyzer.readers.csv_table.cell_bytes import count_of
from analyzer.readers.csv_table.cells import column_of_cells
from analyzer.readers.csv_table.parsers import Irregular, block_bytes, reads_whole_files, whole_file_by_pandas
from analyzer.readers.csv_table.rows import collect, read_columns
from analyzer.readers.csv_table.shape import HEAD, TableShape, shape_of
from analyzer.readers.csv_table.sheet import Sheet
from analyzer.regular_files import opened

MOST_ODD = 0.05  # share of odd lines beyond which nothing is gained
WORKERS = min(os.cpu_count() or 1, 8)  # more would wait for the memory
LARGEST_WHOLE = 1 << 28  # bytes; pandas puts a file together from its parts, and has it twice in memory for a moment

Read = Callable[[int, int], bytes]  # bytes from one place of the table to another


def read_large(path: Path) -> Reading | None:
    """A table on disk as a reading, or None when the careful path has to read it."""

    def read(start: int, end: int) -> bytes:
        with opened(path) as file:  # every thread its own
            file.seek(start)
            return file.read(end - start)

    return _read(read, path.stat().st_size, str(path), (), path)


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


def _places(read: Read, begin: int, size: int, pool: Executor) -> list[_Place]:
    """Blocks of the whole lines behind a place, each with those whose end lies in so many bytes."""
    step = block_bytes()

    def ends(start: int) -> tuple[int, int]:
        block = read(start, min(start + step, size))
        return count_of("\n", block), start + block.rfind(b"\n") + 1

    places: list[_Place] = []
    at, first = begin, 0
    for lines, end in pool.map(ends, range(begin, size, step)):
        if lines:
            places.append(_Place(start=at, end=end, first=first, lines=lines))
            at, first = end, first + lines
    return places


def _looks_regular(block: bytes, lines: int, shape: TableShape) -> bool:
    """Whether no line is seen to be too short or too long, and no cell to hold another word than a number."""
    return (
        not any(one in block for one in (b"\0", b"n", b"N"))  # one byte each: longer words take ten times as long
        and count_of(shape.delimiter, block) == lines * (len(shape.header) - 1)
    )


def _has_empty_cells(lines: bytes, shape: TableShape) -> bool:
    mark = shape.delimiter.encode()
    return any(one in lines for one in (mark + mark, mark + b"\n", mark + b"\r", b"\n" + mark))


# ---------------------------------------------------------------------------------------------------------------
# the table


class _Table(Struct, frozen=True, kw_only=True, eq=False):
    """Columns over the regular lines, and the odd lines."""

    columns: list[Column]
    rows: Ints  # line numbers in the file
    odd_rows: list[int]
    odd: list[str]
    tail: str  # the incomplete line at the end


def _read(read: Read, size: int, name: str, problems: Sequence[Problem], path: Path | None = None) -> Reading | None:
    shape = shape_of(read(0, HEAD))
    if shape is None:
        return None
    with ThreadPoolExecutor(WORKERS) as pool:
        places = _places(read, shape.body, size, pool)
        columns = None
        if path is not None and size <= LARGEST_WHOLE and not shape.text and reads_whole_files():
            columns = _whole_columns(path, read, size, shape, places, pool)
        table = _table_in_blocks(read, size, shape, places, pool) if columns is None else _regular_table(columns)
    return None if table is None else _reading(table, shape, name, problems)


def _whole_columns(
    path: Path, read: Read, size: int, shape: TableShape, places: Sequence[_Place], pool: Executor
) -> list[Column] | None:
    """The columns of a file in which every line is regular and every cell a number; None for any other."""

    def regular(place: _Place) -> bool:
        return _looks_regular(read(place.start, place.end), place.lines, shape)

    if not places or places[-1].end != size or _has_empty_cells(read(shape.body, HEAD), shape):
        return None
    if not all(pool.map(regular, places)):
        return None
    found = whole_file_by_pandas(path, sum(place.lines for place in places), format_of(shape, frozenset()))
    return None if found is None else [Column(name=shape.header[index], value=found[index]) for index in shape.named]


def _regular_table(columns: list[Column]) -> _Table:
    rows = np.arange(2, len(columns[0].value) + 2)
    return _Table(columns=columns, rows=rows, odd_rows=[], odd=[], tail="")


def _table_in_blocks(
    read: Read, size: int, shape: TableShape, places: Sequence[_Place], pool: Executor
) -> _Table | None:
    """Every block has its place in the sheet, and they are parsed side by side."""
    text = set(shape.text)  # columns of text, as far as they are known
    remarkable: list[tuple[int, CellBlock]] = []  # blocks with text or odd lines, and where they begin
    lines = sum(place.lines for place in places)
    odd = 0
    sheet = Sheet(len(shape.header), lines)

    def parse(place: _Place) -> CellBlock:
        found = read_block(read(place.start, place.end), place.lines, shape, frozenset(text))
        sheet.write(place.first, place.lines, found)
        return found.without_numbers()

    try:
        for place, found in zip(places, pool.map(parse, places), strict=True):
            text |= found.texts_mostly
            odd += len(found.odd)
            if found.text or len(found.odd_at):
                remarkable.append((place.first, found))
            if odd > MOST_ODD * (place.first + place.lines) + 100:
                return None
    except Irregular:
        return None
    finally:
        pool.shutdown(cancel_futures=True)
    tail = read(places[-1].end if places else shape.body, size)
    odd_at = np.concatenate([np.empty(0, dtype=np.int64), *(first + found.odd_at for first, found in remarkable)])
    if odd == lines:
        return None
    return _Table(
        columns=[sheet.column(shape.header[index], index, odd_at, remarkable) for index in shape.named],
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
    if not collected.rows:
        return read_columns(collected, table.columns, table.rows, name, problems)
    decimal_comma = shape.delimiter == ";"
    odd = [
        column_of_cells(
            column, collected.at[column], collected.cells[column], len(collected.rows), decimal_comma=decimal_comma
        )
        for column in collected.at
        if column
    ]
    odd_rows = np.array(collected.rows, dtype=np.int64)
    order, columns = merge_columns((table.rows, table.columns), (odd_rows, odd))
    return read_columns(collected, columns, order, name, problems)
