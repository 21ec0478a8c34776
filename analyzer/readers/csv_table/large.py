"""The fast path for large CSV tables: regular lines through pyarrow, odd ones through the careful path.

Both paths must give the same columns. So everything that pyarrow might read in another way than the careful path is
kept from it: a column that does not convert is taken as text and read cell by cell; lines of another width, blank
lines, repeated headers and NUL bytes are found by counting bytes and read one by one. When too much is odd, or
pyarrow is not installed, the careful path reads everything.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analyzer.model import Ints, Problem
from analyzer.readers import Reading
from analyzer.readers.columns import Column, merge_columns
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
from analyzer.readers.csv_table.rows import collect, read_columns

MOST_ODD = 0.05  # share of odd lines beyond which nothing is gained
_IN_CACHE = 1 << 18  # bytes looked at together: what is made of them on the way never leaves the cache
_COLUMN_IN_ERROR = re.compile(r"CSV column #(\d+)")


def parse_large(text: bytes, name: str, problems: Sequence[Problem]) -> Reading | None:
    """A table as a reading, or None when the careful path has to read it."""
    if b'"' in text or text.startswith((b"\xff\xfe", b"\xfe\xff", b"#")) or (b"(" in text and b"nan(" in text):
        return None
    text = text.removeprefix(b"\xef\xbb\xbf")
    first_end = text.find(b"\n") + 1
    last_end = text.rfind(b"\n") + 1
    if not first_end or last_end <= first_end:
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
    with_arrow = importlib.util.find_spec("pyarrow") is not None
    if with_arrow and b"\0" not in text:
        parsed = _by_pyarrow(body, header, delimiter, sample[1:])
        if parsed is not None and not parsed.may_hide_lines and parsed.rows == _line_feeds(body):
            rows = np.arange(2, parsed.rows + 2)
            return _reading(name, problems, header, delimiter, header_line, parsed.columns, rows, [], [], tail)
    odd = _odd_lines(body, header, delimiter)
    if odd is None:
        return None
    numbers, regular, rows, odd_texts = odd
    parsed = (_by_pyarrow if with_arrow else _by_pandas)(regular, header, delimiter, sample[1:])
    if parsed is None or parsed.rows != len(rows):
        return None
    return _reading(name, problems, header, delimiter, header_line, parsed.columns, rows, numbers, odd_texts, tail)


def _line_feeds(body: memoryview) -> int:
    """How many lines the careful path would see: to pyarrow, a carriage return alone ends a line as well."""
    data = np.frombuffer(body, dtype=np.uint8)
    return sum(int(np.count_nonzero(data[at : at + _IN_CACHE] == 10)) for at in range(0, len(data), _IN_CACHE))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Parsed:
    rows: int
    columns: list[Column]
    may_hide_lines: bool = False  # a repeated header or a blank line may be among the rows


def _text_columns(header: tuple[str, ...], delimiter: str, sample: Sequence[str]) -> set[int]:
    """Columns that hold text in the first lines."""
    cells = [row for row in (split_row(line, delimiter) for line in sample[:50]) if len(row) == len(header)]
    return {
        index
        for index in range(len(header))
        if any(
            cell not in MISSING and number_of(cell) is None and "," not in cell
            for cell in (row[index].strip() for row in cells)
        )
    }


def _by_pyarrow(body: Any, header: tuple[str, ...], delimiter: str, sample: Sequence[str]) -> _Parsed | None:
    """Columns by pyarrow: numbers where every cell converts, else cell by cell; None when lines differ in width."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    indices = [str(index) for index in range(len(header))]
    text = _text_columns(header, delimiter, sample)
    kinds = {str(index): pa.string() if index in text else pa.float64() for index in range(len(header))}
    comma = delimiter == ";" and b"," in bytes(body[: 1 << 20])
    for _ in range(len(header) + 1):
        try:
            table = arrow_csv.read_csv(
                pa.BufferReader(pa.py_buffer(body)),
                read_options=arrow_csv.ReadOptions(column_names=indices, block_size=1 << 20),
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
        arrays = [table.column(index) for index in indices]
        texts = [array.type == pa.string() for array in arrays]
        blank = all(is_text or array.null_count for is_text, array in zip(texts, arrays, strict=True))
        columns = [
            _column(name, array, table.num_rows, delimiter) for name, array in zip(header, arrays, strict=True) if name
        ]
        return _Parsed(rows=table.num_rows, columns=columns, may_hide_lines=texts[0] or blank)
    return None


def _by_pandas(body: Any, header: tuple[str, ...], delimiter: str, sample: Sequence[str]) -> _Parsed | None:
    """Columns by pandas, of lines that all have one width; None where NaN could not be told from a missing cell."""
    if any(spelling in body for spelling in (b"nan", b"NaN", b"NAN", b"Nan")):
        return None
    import pandas as pd

    text = _text_columns(header, delimiter, sample)
    exact: dict[str, Any] = {} if int(pd.__version__.split(".")[0]) >= 3 else {"float_precision": "round_trip"}
    try:
        frame = pd.read_csv(
            io.BytesIO(body), header=None, names=range(len(header)), sep=delimiter, quoting=csv.QUOTE_NONE,
            index_col=False,
            dtype={index: str if index in text else np.float64 for index in range(len(header))},
            engine="c",
            na_values=sorted(MISSING), keep_default_na=False, skip_blank_lines=False, encoding_errors="replace",
            decimal="," if delimiter == ";" and b"," in bytes(body[: 1 << 20]) else ".", **exact,
        )  # fmt: skip
    except (ValueError, OverflowError):
        return None
    columns = []
    for index, name in enumerate(header):
        if name and index in text:
            cells = frame[index].fillna("").tolist()
            held = [at for at, cell in enumerate(cells) if cell]
            columns.append(
                column_of_cells(name, held, [cells[at] for at in held], len(frame), decimal_comma=delimiter == ";")
            )
        elif name:
            value = frame[index].to_numpy()
            there = np.flatnonzero(~np.isnan(value))
            whole = len(there) == len(value)
            columns.append(Column(name=name, value=value if whole else value[there], at=None if whole else there))
    return _Parsed(rows=len(frame), columns=columns)


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
    regular: list[Column],
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
