"""The fast path of CSV tables: regular lines in blocks, through pyarrow or pandas; odd ones through the careful path.

All paths must give the same columns. So everything that a parser might read in another way than the careful path is
kept from it: a column that does not convert is taken as text and read cell by cell; lines of another width, blank
lines, repeated headers and NUL bytes are found by counting bytes and read one by one. When too much is odd, the
careful path reads everything.

A table on disk that pyarrow can take is never in memory as text: blocks of whole lines are read in order, parsed by a
few threads side by side, and written to their place in one sheet of numbers. The place of a block is known before it
is parsed: so many line ends, so many rows.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from analyzer.model import Floats, Ints, Problem
from analyzer.readers import Reading
from analyzer.readers.columns import Column
from analyzer.readers.columns.merge import merge_columns
from analyzer.readers.csv_table.cells import (
    LINES_SNIFFED,
    MISSING,
    column_of_cells,
    looks_like_header,
    number_of,
    sniff_delimiter,
    split_row,
    unique_names,
)
from analyzer.readers.csv_table.parsers import Cells, Format, HoldsText, Irregular, Numbers, count_of, parse_block
from analyzer.readers.csv_table.rows import collect, read_columns

HEAD = 1 << 16  # bytes that tell the shape of the table
BLOCK = 1 << 21  # bytes parsed together
MOST_ODD = 0.05  # share of odd lines beyond which nothing is gained
WORKERS = min(os.cpu_count() or 1, 8)  # one thread reads and counts lines for them: more would wait


def read_large(path: Path) -> Reading | None:
    """A regular table on disk as a reading, or None when its text has to be looked at as a whole."""
    with path.open("rb") as file:
        head = file.read(HEAD)
        return _read_regular(head, lambda: _blocks_of_file(file), path.stat().st_size, str(path), ())


def parse_large(text: bytes, name: str, problems: Sequence[Problem]) -> Reading | None:
    """A table in memory as a reading, or None when the careful path has to read it."""
    reading = _read_regular(text[:HEAD], lambda: _blocks_of_text(text), len(text), name, problems)
    return reading or _read_around_odd_lines(text, name, problems)


# ---------------------------------------------------------------------------------------------------------------
# the shape of the table, from its first lines


@dataclass(frozen=True, kw_only=True)
class _Shape:
    header_line: str
    header: tuple[str, ...]
    delimiter: str
    text: frozenset[int]  # columns that hold text in the first lines
    decimal_comma: bool
    body: int  # byte at which the first row begins


def _shape_of(head: bytes) -> _Shape | None:
    """What the first lines say, or None when they are no plain table: only the careful path knows comments, quotes."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"#")):
        return None
    first_end = head.find(b"\n") + 1
    header_line = head[:first_end].decode("utf-8-sig", errors="replace").rstrip("\r\n")
    sample = head.decode("utf-8-sig", errors="replace").splitlines()[:-1]
    delimiter = sniff_delimiter(sample[:LINES_SNIFFED])
    header = unique_names(split_row(header_line, delimiter))
    if (
        delimiter == " "
        or len(header) < 2
        or not header_line.strip()
        or not looks_like_header([one or "x" for one in header])
    ):
        return None
    return _Shape(
        header_line=header_line,
        header=header,
        delimiter=delimiter,
        text=_text_columns(header, delimiter, sample[1:51]),
        decimal_comma=delimiter == ";" and b"," in head[first_end:],
        body=first_end,
    )


def _text_columns(header: tuple[str, ...], delimiter: str, sample: Sequence[str]) -> frozenset[int]:
    cells = [row for row in (split_row(line, delimiter) for line in sample) if len(row) == len(header)]
    return frozenset(
        index
        for index in range(len(header))
        if any(
            cell not in MISSING and number_of(cell) is None and "," not in cell
            for cell in (row[index].strip() for row in cells)
        )
    )


# ---------------------------------------------------------------------------------------------------------------
# blocks of whole lines; only the last may end without a line end


def _blocks_of_file(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while block := file.read(BLOCK):
        yield block + file.readline()


def _blocks_of_text(text: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(text):
        end = text.find(b"\n", at + BLOCK) + 1 or len(text)
        yield text[at:end]
        at = end


# ---------------------------------------------------------------------------------------------------------------
# regular tables: every line as wide as the header


class _Sheet:
    """The numbers of all rows, columns first; blocks are written to it side by side."""

    def __init__(self, columns: int, rows: int) -> None:
        self.value: Floats = np.empty((columns, rows))
        self.missing: NDArray[np.bool_] = np.zeros((columns, rows), dtype=bool)

    def grown(self, rows: int) -> _Sheet:
        """A sheet with room for more rows."""
        larger = _Sheet(len(self.value), rows)
        larger.value[:, : self.value.shape[1]] = self.value
        larger.missing[:, : self.missing.shape[1]] = self.missing
        return larger

    def write(self, index: int, first: int, parts: Sequence[Numbers]) -> None:
        """Put cells of one column from row ``first`` on."""
        for part in parts:
            rows = slice(first, first + len(part.value))
            self.value[index, rows] = part.value
            if part.missing is not None:
                self.missing[index, rows] = part.missing
            first = rows.stop

    def column(self, name: str, index: int, rows: int) -> Column:
        value, missing = self.value[index, :rows], self.missing[index, :rows]
        if not missing.any():
            return Column(name=name, value=value)
        there = np.flatnonzero(~missing)
        return Column(name=name, value=value[there], at=there)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Regular:
    """What a table without odd lines holds."""

    columns: list[Column]
    rows: int
    text: frozenset[int]  # columns that hold text
    tail: str  # the incomplete line at the end


def _read_regular(
    head: bytes, blocks: Callable[[], Iterable[bytes]], size: int, name: str, problems: Sequence[Problem]
) -> Reading | None:
    """A table without an odd line as a reading; None when it may have one."""
    shape = _shape_of(head)
    if shape is None or 0 in shape.text:
        return None
    table = _regular_table(blocks, size, shape)
    # where text is in front, or no column is full, a repeated header or a blank line could be among the rows
    if table is None or 0 in table.text or not any(one.at is None for one in table.columns):
        return None
    rows = np.arange(2, table.rows + 2)
    return _reading(name, problems, shape, table.columns, rows, [], [], table.tail)


def _regular_table(blocks: Callable[[], Iterable[bytes]], size: int, shape: _Shape) -> _Regular | None:
    """All columns; one with a cell that is no number is taken as text, and the table read again."""
    text = shape.text
    while True:
        try:
            return _sheet_of(blocks(), size, shape, text)
        except HoldsText as found:
            text |= {found.column}
        except Irregular:
            return None


def _sheet_of(blocks: Iterable[bytes], size: int, shape: _Shape, text: frozenset[int]) -> _Regular:
    """Parse blocks side by side; the place of each is known before, from the line ends of those in front of it."""
    format = Format(columns=len(shape.header), delimiter=shape.delimiter, decimal_comma=shape.decimal_comma, text=text)
    sheet = _Sheet(len(shape.header), 0)
    cells: dict[int, list[str]] = {index: [] for index in text}
    running: deque[Future[Cells]] = deque()
    rows = 0
    tail = b""

    def parse(block: bytes, first: int, lines: int, sheet: _Sheet) -> Cells:
        found = parse_block(block, lines, format)
        for index, parts in found.numbers.items():
            sheet.write(index, first, parts)
        return found

    def finish_all_but(count: int) -> None:
        while len(running) > count:
            for index, part in running.popleft().result().text.items():
                cells[index] += part

    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            for number, block in enumerate(blocks):
                complete = block.rfind(b"\n") + 1
                block, tail = block[0 if number else shape.body : complete], block[complete:]
                lines = count_of("\n", block)
                if not lines:
                    continue
                if rows + lines > sheet.value.shape[1]:
                    finish_all_but(0)
                    sheet = sheet.grown(rows + lines + int(1.05 * lines * size / len(block)))
                running.append(pool.submit(parse, block, rows, lines, sheet))
                finish_all_but(2 * WORKERS)
                rows += lines
            finish_all_but(0)
        finally:
            pool.shutdown(cancel_futures=True)
    columns = [
        _text_column(name, cells[index], shape) if index in text else sheet.column(name, index, rows)
        for index, name in enumerate(shape.header)
        if name
    ]
    return _Regular(columns=columns, rows=rows, text=text, tail=tail.decode("utf-8", errors="replace"))


def _text_column(name: str, cells: Sequence[str], shape: _Shape) -> Column:
    held = [index for index, cell in enumerate(cells) if cell]
    found = [cells[index] for index in held]
    return column_of_cells(name, held, found, len(cells), decimal_comma=shape.delimiter == ";")


# ---------------------------------------------------------------------------------------------------------------
# tables with odd lines


def _read_around_odd_lines(text: bytes, name: str, problems: Sequence[Problem]) -> Reading | None:
    """A table whose odd lines are cut out and read one by one; None when too many are odd."""
    shape = _shape_of(text[:HEAD])
    last_end = text.rfind(b"\n") + 1
    if shape is None or last_end <= shape.body or b'"' in text:
        return None
    odd = _odd_lines(memoryview(text)[shape.body : last_end], shape)
    if odd is None:
        return None
    regular = odd.regular
    table = _regular_table(lambda: _blocks_of_text(regular), len(regular), replace(shape, body=0))
    if table is None or table.rows != len(odd.regular_rows):
        return None
    tail = text[last_end:].decode("utf-8", errors="replace")
    return _reading(name, problems, shape, table.columns, odd.regular_rows, odd.rows, odd.lines, tail)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Odd:
    """Lines apart: odd ones as text, regular ones as bytes, each with their line numbers."""

    rows: list[int]
    lines: list[str]
    regular_rows: Ints
    regular: bytes


def _odd_lines(body: memoryview, shape: _Shape) -> _Odd | None:
    """Odd and regular lines apart; None when too many are odd."""
    data = np.frombuffer(body, dtype=np.uint8)
    ends = np.flatnonzero(data == 10)
    starts = np.concatenate([[0], ends[:-1] + 1])
    delimiters = np.flatnonzero(data == ord(shape.delimiter))
    counts = np.searchsorted(delimiters, ends) - np.searchsorted(delimiters, starts)
    first = data[starts]
    usual = b"0123456789+-." + (shape.delimiter.encode() if shape.header[0] else b"")
    odd = (
        (counts != len(shape.header) - 1) | (ends - starts <= 1) | ~np.isin(first, np.frombuffer(usual, dtype=np.uint8))
    )
    zeros = np.flatnonzero(data == 0)
    if len(zeros):
        odd[np.unique(np.searchsorted(ends, zeros))] = True
    if np.count_nonzero(odd) > MOST_ODD * len(ends) + 100:
        return None
    at = np.flatnonzero(odd)
    texts = [bytes(body[starts[i] : ends[i]]).decode("utf-8", errors="replace").rstrip("\r") for i in at]
    pieces: list[Any] = []
    begin = 0
    for index in at.tolist():
        pieces.append(body[begin : starts[index]])
        begin = int(ends[index]) + 1
    pieces.append(body[begin:])
    return _Odd(
        rows=(at + 2).tolist(),
        lines=texts,
        regular_rows=np.flatnonzero(~odd).astype(np.int64) + 2,
        regular=b"".join(pieces),
    )


def _reading(
    name: str,
    problems: Sequence[Problem],
    shape: _Shape,
    regular: list[Column],
    rows: Ints,
    odd_rows: list[int],
    odd_lines: list[str],
    tail: str,
) -> Reading | None:
    """Regular and odd lines, and the incomplete one at the end, as one table."""
    last_row = int(max(rows[-1] if len(rows) else 1, odd_rows[-1] if odd_rows else 1))
    lines = [shape.header_line, *odd_lines, *([tail] if tail else [])]
    numbers = [1, *odd_rows, *([last_row + 1] if tail else [])]
    table = collect(lines, not tail, shape.delimiter, name, numbers)
    if table.main != shape.header or len(table.headers) > 1:
        return None
    if not table.rows:
        return read_columns(table, regular, rows, name, problems)
    decimal_comma = shape.delimiter == ";"
    odd = [
        column_of_cells(column, table.at[column], table.cells[column], len(table.rows), decimal_comma=decimal_comma)
        for column in table.at
        if column
    ]
    order, columns = merge_columns((rows, regular), (np.array(table.rows, dtype=np.int64), odd))
    return read_columns(table, columns, order, name, problems)
