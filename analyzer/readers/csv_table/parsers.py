"""The two parsers of the fast path, pyarrow and pandas, made to say the same of a block of lines.

Each takes whole lines, all of which must be as wide as the table, and gives numbers for the columns of numbers and
strings for the columns of text. What the careful path would read in another way is an error here, never a guess.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.model import Floats
from analyzer.readers.csv_table.cells import MISSING

_IN_CACHE = 1 << 18  # bytes looked at together: what is made of them on the way never leaves the cache
_COLUMN_IN_ERROR = re.compile(r"CSV column #(\d+)")


@dataclass(frozen=True, kw_only=True)
class Format:
    """How the lines of a table are to be read."""

    columns: int
    delimiter: str
    decimal_comma: bool
    text: frozenset[int]  # columns whose cells are strings


@dataclass(frozen=True, kw_only=True, eq=False)
class Numbers:
    """The cells of a column of numbers; ``missing`` tells where there is none, and no value either."""

    value: Floats
    missing: NDArray[np.bool_] | None  # None where every cell holds one


@dataclass(frozen=True, kw_only=True, eq=False)
class Cells:
    """The cells of a block, by index of the column."""

    numbers: Mapping[int, Sequence[Numbers]]  # in pieces, one after the other
    text: Mapping[int, Sequence[str]]


class HoldsText(Exception):
    """A column of numbers has a cell that is no number."""

    def __init__(self, column: int) -> None:
        super().__init__(column)
        self.column = column


class Irregular(Exception):
    """The parser does not see the lines and cells that the careful path would see."""


def parse_block(block: bytes, lines: int, format: Format) -> Cells:
    """Cells of so many whole lines.

    Raises:
        HoldsText: a column of numbers holds something else; read again with that column as text.
        Irregular: lines differ in width, or hold what only the careful path can read.
    """
    # ``nan(...)`` is a number to pyarrow only; NUL ends a cell for pandas
    if b'"' in block or b"\0" in block or (b"(" in block and b"nan(" in block.lower()):
        raise Irregular
    return chosen_parser()(block, lines, format)


def count_of(character: str, block: bytes) -> int:
    """How often an ASCII character occurs; ``bytes.count`` takes six times as long where it does so often."""
    data = np.frombuffer(block, dtype=np.uint8)
    return sum(
        int(np.count_nonzero(data[at : at + _IN_CACHE] == ord(character))) for at in range(0, len(data), _IN_CACHE)
    )


def chosen_parser() -> Callable[[bytes, int, Format], Cells]:
    """The parser that is installed and takes less time to import."""
    return by_pyarrow if importlib.util.find_spec("pyarrow") is not None else by_pandas


# ---------------------------------------------------------------------------------------------------------------
# pyarrow


def by_pyarrow(block: bytes, lines: int, format: Format) -> Cells:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    names = [str(index) for index in range(format.columns)]
    kinds = {name: pa.string() if index in format.text else pa.float64() for index, name in enumerate(names)}
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(pa.py_buffer(block)),
            read_options=arrow_csv.ReadOptions(column_names=names, block_size=len(block) + 1, use_threads=False),
            parse_options=arrow_csv.ParseOptions(
                delimiter=format.delimiter, quote_char=False, ignore_empty_lines=False
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=kinds,
                null_values=sorted(MISSING),
                strings_can_be_null=False,
                decimal_point="," if format.decimal_comma else ".",
            ),
        )
    except pa.ArrowInvalid as error:
        found = _COLUMN_IN_ERROR.search(str(error))
        if not found or "conversion" not in str(error) or int(found[1]) in format.text:
            raise Irregular from error
        raise HoldsText(int(found[1])) from error
    if table.num_rows != lines:  # to pyarrow, a carriage return alone ends a line
        raise Irregular
    columns = [table.column(name) for name in names]
    return Cells(
        numbers={
            index: [_numbers_of_chunk(chunk) for chunk in column.chunks]
            for index, column in enumerate(columns)
            if index not in format.text
        },
        text={index: columns[index].to_pylist() for index in format.text},
    )


def _numbers_of_chunk(chunk: Any) -> Numbers:
    """A view of the numbers: ``ChunkedArray.to_numpy`` would import pandas, which takes longer than the table."""
    here = slice(chunk.offset, chunk.offset + len(chunk))
    value = np.frombuffer(chunk.buffers()[1], dtype=np.float64)[here]
    if not chunk.null_count:
        return Numbers(value=value, missing=None)
    valid = np.unpackbits(np.frombuffer(chunk.buffers()[0], dtype=np.uint8), bitorder="little")[here]
    return Numbers(value=value, missing=valid == 0)


# ---------------------------------------------------------------------------------------------------------------
# pandas


def by_pandas(block: bytes, lines: int, format: Format) -> Cells:
    # pandas fills short lines up, and raises on long ones: with no line too long, the count tells that none is short
    if count_of(format.delimiter, block) != lines * (format.columns - 1):
        raise Irregular
    numbers = [index for index in range(format.columns) if index not in format.text]
    try:
        frame = _frame(block, format, numbers)
    except (ValueError, OverflowError) as error:
        raise _first_that_holds_text(block, format, numbers) from error
    if len(frame) != lines or frame.index.nlevels != 1 or frame.index[0] != 0 or frame.index[-1] != lines - 1:
        raise Irregular
    found = {}
    for index in numbers:
        value = frame[index].to_numpy()
        missing = np.isnan(value)
        if missing.any():
            missing[missing] = _are_missing(block, format, index, np.flatnonzero(missing))
        found[index] = [Numbers(value=value, missing=missing if missing.any() else None)]
    return Cells(numbers=found, text={index: frame[index].fillna("").tolist() for index in format.text})


def _frame(block: bytes, format: Format, numbers: Sequence[int], only: Sequence[int] | None = None) -> Any:
    import pandas as pd

    options: dict[str, Any] = {
        "header": None,
        "names": range(format.columns),
        "usecols": only,
        "dtype": {index: np.float64 if index in numbers else str for index in range(format.columns)},
        "sep": format.delimiter,
        "decimal": "," if format.decimal_comma else ".",
        "quoting": csv.QUOTE_NONE,
        "na_values": sorted(MISSING),
        "keep_default_na": False,
        "skip_blank_lines": False,
        "encoding_errors": "replace",
    }
    if int(pd.__version__.split(".")[0]) < 3:
        options["float_precision"] = "round_trip"  # what later versions always do
    return pd.read_csv(io.BytesIO(block), **options)


def _first_that_holds_text(block: bytes, format: Format, numbers: Sequence[int]) -> HoldsText | Irregular:
    """Which column of numbers pandas could not convert: it does not say."""
    for index in numbers:
        try:
            _frame(block, format, [index], only=[index])
        except (ValueError, OverflowError):
            try:
                _frame(block, format, [], only=[index])
            except ValueError:
                return Irregular()
            return HoldsText(index)
    return Irregular()


def _are_missing(block: bytes, format: Format, index: int, at: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which of the cells that pandas gives as NaN do not say so."""
    if b"nan" not in block.lower():
        return np.ones(len(at), dtype=bool)
    cells = _frame(block, format, [], only=[index])[index].fillna("").to_numpy()[at]
    return np.fromiter((cell.strip().lstrip("+-").lower() != "nan" for cell in cells), dtype=bool, count=len(at))
