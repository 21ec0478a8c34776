"""The fast path of CSV tables: blocks of lines through pyarrow or pandas, odd lines through the careful path.

All paths must give the same columns (``blocks`` tells how). When too much is odd, the careful path reads everything.

A table on disk is never in memory as text: blocks of whole lines are read in order, parsed by a few threads side by
side, and written to their place in one sheet of numbers. The place of a block is known before it is parsed: so many
line ends, so many lines.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np
from msgspec import Struct

from analyzer.model import Ints, Problem
from analyzer.readers import Reading
from analyzer.readers.columns import Column
from analyzer.readers.columns.merge import merge_columns
from analyzer.readers.csv_table import HEAD
from analyzer.readers.csv_table.blocks import Block, read_block
from analyzer.readers.csv_table.cell_bytes import count_of
from analyzer.readers.csv_table.cells import column_of_cells
from analyzer.readers.csv_table.parsers import Irregular, block_bytes
from analyzer.readers.csv_table.rows import collect, read_columns
from analyzer.readers.csv_table.shape import Shape, shape_of
from analyzer.readers.csv_table.sheet import Sheet

MOST_ODD = 0.05  # share of odd lines beyond which nothing is gained
WORKERS = min(os.cpu_count() or 1, 8)  # one thread reads and counts lines for them: more would wait


def read_large(path: Path) -> Reading | None:
    """A table on disk as a reading, or None when the careful path has to read it."""
    with path.open("rb") as file:
        head = file.read(HEAD)
        return _read(head, _blocks_of_file(file), path.stat().st_size, str(path), ())


def parse_large(text: bytes, name: str, problems: Sequence[Problem]) -> Reading | None:
    """A table in memory as a reading, or None when the careful path has to read it."""
    return _read(text[:HEAD], _blocks_of_text(text), len(text), name, problems)


# ---------------------------------------------------------------------------------------------------------------
# blocks of whole lines; only the last may end without a line end


def _blocks_of_file(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    size = block_bytes()
    while block := file.read(size):
        yield block + file.readline()


def _blocks_of_text(text: bytes) -> Iterator[bytes]:
    at, size = 0, block_bytes()
    while at < len(text):
        end = text.find(b"\n", at + size) + 1 or len(text)
        yield text[at:end]
        at = end


# ---------------------------------------------------------------------------------------------------------------
# the table


class _Table(Struct, frozen=True, kw_only=True, eq=False):
    """Columns over the regular lines, and the odd lines."""

    columns: list[Column]
    rows: Ints  # line numbers in the file
    odd_rows: list[int]
    odd: list[str]
    tail: str  # the incomplete line at the end


def _read(head: bytes, blocks: Iterable[bytes], size: int, name: str, problems: Sequence[Problem]) -> Reading | None:
    shape = shape_of(head)
    table = None if shape is None else _table_of(blocks, size, shape)
    return None if shape is None or table is None else _reading(table, shape, name, problems)


def _table_of(blocks: Iterable[bytes], size: int, shape: Shape) -> _Table | None:
    """Parse blocks side by side; the place of each is known before, from the line ends of those in front of it."""
    sheet = Sheet(len(shape.header), 0)
    text = shape.text
    running: deque[tuple[int, Future[Block]]] = deque()
    remarkable: list[tuple[int, Block]] = []  # blocks with text or odd lines, and where they begin
    lines = odd = 0
    tail = b""

    def parse(block: bytes, first: int, count: int, sheet: Sheet, text: frozenset[int]) -> Block:
        found = read_block(block, count, shape, text)
        sheet.write(first, count, found)
        return found.without_numbers()

    def finish_all_but(count: int) -> None:
        nonlocal text, odd
        while len(running) > count:
            first, future = running.popleft()
            found = future.result()
            text |= found.texts_mostly
            odd += len(found.odd)
            if found.text or len(found.odd_at):
                remarkable.append((first, found))

    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            for number, block in enumerate(blocks):
                complete = block.rfind(b"\n") + 1
                block, tail = block[0 if number else shape.body : complete], block[complete:]
                count = count_of("\n", block)
                if not count:
                    continue
                if lines + count > sheet.value.shape[1]:
                    finish_all_but(0)
                    sheet = sheet.grown(lines + count + int(1.05 * count * size / len(block)))
                running.append((lines, pool.submit(parse, block, lines, count, sheet, text)))
                lines += count
                finish_all_but(2 * WORKERS)
                if odd > MOST_ODD * lines + 100:
                    return None
            finish_all_but(0)
        except Irregular:
            return None
        finally:
            pool.shutdown(cancel_futures=True)
    odd_at = np.concatenate([np.empty(0, dtype=np.int64), *(first + found.odd_at for first, found in remarkable)])
    if odd > MOST_ODD * lines + 100 or odd == lines:
        return None
    return _Table(
        columns=[sheet.column(shape.header[index], index, lines, odd_at, remarkable) for index in shape.named],
        rows=np.delete(np.arange(2, lines + 2), odd_at),
        odd_rows=(odd_at + 2).tolist(),
        odd=[line for _, found in remarkable for line in found.odd],
        tail=tail.decode("utf-8", errors="replace"),
    )


def _reading(table: _Table, shape: Shape, name: str, problems: Sequence[Problem]) -> Reading | None:
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
