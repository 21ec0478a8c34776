"""The fast path for large CSV tables: regular lines through pyarrow, odd ones through the careful path.

Both paths must give the same columns. So everything that pyarrow might read in another way than the careful path is
kept from it: a column that does not convert is taken as text and read cell by cell; lines of another width, blank
lines, repeated headers and NUL bytes are found by counting bytes and read one by one. When too much is odd, or
pyarrow is not installed, the careful path reads everything.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from analyzer.model import Ints, Problem
from analyzer.readers import Reading
from analyzer.readers.columns import Column, merge_columns
from analyzer.readers.csv_table import (
    LINES_SNIFFED,
    MISSING,
    collect,
    column_of_cells,
    looks_like_header,
    number_of,
    read_columns,
    sniff_delimiter,
    split_row,
    unique_names,
)

MOST_ODD = 0.05  # share of odd lines beyond which nothing is gained
_COLUMN_IN_ERROR = re.compile(r"CSV column #(\d+)")


def parse_large(text: bytes, name: str, problems: Sequence[Problem]) -> Reading | None:
    """A table as a reading, or None when the careful path has to read it."""
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        return None
    if b'"' in text or text.startswith((b"\xff\xfe", b"\xfe\xff", b"#")) or (b"(" in text and b"nan(" in text):
        return None
    text = text.removeprefix(b"\xef\xbb\xbf")
    first_end = text.find(b"\n") + 1
    last_end = text.rfind(b"\n") + 1
    if not first_end or last_end <= first_end:
        return None
    ends_with_return = text[first_end - 2 : first_end] == b"\r\n"
    if b"\r" in text and not (ends_with_return and text.count(b"\r") == text.count(b"\r\n")):
        return None
    header_line = text[:first_end].decode("utf-8", errors="replace").rstrip("\r\n")
    sample = text[: 1 << 16].decode("utf-8", errors="replace").splitlines()[:-1]
    delimiter = sniff_delimiter(sample[:LINES_SNIFFED])
    header = unique_names(split_row(header_line, delimiter))
    if (
        delimiter == " "
        or len(header) < 2
        or not header_line.strip()
        or not looks_like_header([one or "x" for one in header])
    ):
        return None
    body = memoryview(text)[first_end:last_end]
    tail = text[last_end:].decode("utf-8", errors="replace")
    parsed = None
    if b"\0" not in text:
        parsed = _parsed(body, header, delimiter, sample[1:])
    if parsed is not None and not _may_hide_headers(parsed, header) and not _may_hide_blank_lines(parsed):
        rows = np.arange(2, len(parsed[0]) + 2)
        return _reading(name, problems, header, delimiter, header_line, parsed[1], rows, [], [], tail)
    odd = _odd_lines(body, header, delimiter)
    if odd is None:
        return None
    numbers, regular, rows, odd_texts = odd
    parsed = _parsed(regular, header, delimiter, sample[1:])
    if parsed is None or len(parsed[0]) != len(rows):
        return None
    return _reading(name, problems, header, delimiter, header_line, parsed[1], rows, numbers, odd_texts, tail)


def _parsed(
    body: Any, header: tuple[str, ...], delimiter: str, sample: Sequence[str]
) -> tuple[range, dict[str, Any]] | None:
    """The columns as pyarrow arrays: float64 where every cell converts, else text; None when lines differ in width."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    indices = [str(index) for index in range(len(header))]
    kinds: dict[str, Any] = {index: pa.float64() for index in indices}
    cells = [split_row(line, delimiter) for line in sample[:50]]
    for index in range(len(header)):
        told = [row[index].strip() for row in cells if len(row) == len(header)]
        if any(cell not in MISSING and number_of(cell) is None and "," not in cell for cell in told):
            kinds[str(index)] = pa.string()
    comma = delimiter == ";" and b"," in bytes(body[: 1 << 20])
    for _ in range(len(header) + 1):
        try:
            table = arrow_csv.read_csv(
                pa.BufferReader(pa.py_buffer(body)),
                read_options=arrow_csv.ReadOptions(column_names=indices, block_size=4 << 20),
                parse_options=arrow_csv.ParseOptions(delimiter=delimiter, quote_char=False, ignore_empty_lines=False),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=kinds,
                    null_values=sorted(MISSING),
                    strings_can_be_null=False,
                    decimal_point="," if comma else ".",
                ),
            )
        except pa.ArrowInvalid as error:
            found = _COLUMN_IN_ERROR.search(str(error))
            if not found or "conversion" not in str(error) or kinds[found[1]] == pa.string():
                return None
            kinds[found[1]] = pa.string()
            continue
        return range(table.num_rows), {name: table.column(index) for index, name in zip(indices, header, strict=True)}
    return None


def _may_hide_headers(parsed: tuple[range, dict[str, Any]], header: tuple[str, ...]) -> bool:
    """Whether a repeated header may hide among the rows: then the first column holds text."""
    import pyarrow as pa

    return bool(parsed[1][header[0]].type == pa.string())


def _may_hide_blank_lines(parsed: tuple[range, dict[str, Any]]) -> bool:
    """A blank line reads as a row of missing cells, text or not."""
    import pyarrow as pa

    return all(column.null_count or column.type == pa.string() for column in parsed[1].values())


def _odd_lines(
    body: memoryview, header: tuple[str, ...], delimiter: str
) -> tuple[list[int], bytes, Ints, list[str]] | None:
    """Numbers and texts of the odd lines, and the bytes and numbers of the regular ones; None when too many are odd."""
    data = np.frombuffer(body, dtype=np.uint8)
    ends = np.flatnonzero(data == 10)
    starts = np.concatenate([[0], ends[:-1] + 1])
    delimiters = np.flatnonzero(data == ord(delimiter))
    counts = np.searchsorted(delimiters, ends) - np.searchsorted(delimiters, starts)
    first = data[starts]
    usual = b"0123456789+-." if not header[0] else b"0123456789+-." + delimiter.encode()
    odd = (counts != len(header) - 1) | (ends - starts <= 1) | ~np.isin(first, np.frombuffer(usual, dtype=np.uint8))
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
    return (at + 2).tolist(), b"".join(pieces), np.flatnonzero(~odd).astype(np.int64) + 2, texts


def _reading(
    name: str,
    problems: Sequence[Problem],
    header: tuple[str, ...],
    delimiter: str,
    header_line: str,
    arrays: dict[str, Any],
    rows: Ints,
    odd_numbers: list[int],
    odd_texts: list[str],
    tail: str,
) -> Reading | None:
    """Regular and odd lines, and the incomplete one at the end, as one table."""
    last_row = int(max(rows[-1] if len(rows) else 1, odd_numbers[-1] if odd_numbers else 1))
    lines = [header_line, *odd_texts, *([tail] if tail else [])]
    numbers = [1, *odd_numbers, *([last_row + 1] if tail else [])]
    table = collect(lines, not tail, delimiter, name, numbers)
    if table.main != header or len(table.headers) > 1:
        return None
    regular = [_column(column, array, len(rows), delimiter) for column, array in arrays.items() if column]
    if not table.rows:
        return read_columns(table, regular, rows, name, problems)
    odd = [
        column_of_cells(column, table.at[column], table.cells[column], len(table.rows), decimal_comma=delimiter == ";")
        for column in table.at
        if column
    ]
    order, columns = merge_columns((rows, regular), (np.array(table.rows, dtype=np.int64), odd))
    return read_columns(table, columns, order, name, problems)


def _column(name: str, array: Any, rows: int, delimiter: str) -> Column:
    """One arrow column: numbers as they are, text cell by cell."""
    import pyarrow as pa

    if array.type == pa.string():
        cells = array.to_pylist()
        held = [index for index, cell in enumerate(cells) if cell]
        return column_of_cells(name, held, [cells[index] for index in held], rows, decimal_comma=delimiter == ";")
    # ChunkedArray.to_numpy imports pandas, which takes longer than the table
    value = np.concatenate([_float_buffer(chunk) for chunk in array.chunks] or [np.empty(0)])
    if array.null_count == 0:
        return Column(name=name, value=value)
    valid = np.concatenate([_valid(chunk) for chunk in array.chunks])
    return Column(name=name, value=value[valid], at=np.flatnonzero(valid))


def _float_buffer(chunk: Any) -> Any:
    return np.frombuffer(chunk.buffers()[1], dtype=np.float64)[chunk.offset : chunk.offset + len(chunk)]


def _valid(chunk: Any) -> Any:
    """Which cells of a chunk hold a value: a bitmap, least significant bit first, or none when all do."""
    if chunk.null_count == 0:
        return np.ones(len(chunk), dtype=bool)
    bits = np.unpackbits(np.frombuffer(chunk.buffers()[0], dtype=np.uint8), bitorder="little")
    return bits[chunk.offset : chunk.offset + len(chunk)].astype(bool)
