"""The two parsers of the fast path, pyarrow and pandas, made to say the same of a block of lines.

Each takes whole lines, all of which must be as wide as the table, and gives the numbers of the columns of numbers.
What the careful path would read in another way is an error here, never a guess.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from analyzer.model import Floats, Ints
from analyzer.readers.columns.texts import PackedText, few_labels
from analyzer.readers.csv_table.cell_bytes import cell_ends, count_of, packed, starts_and_sizes
from analyzer.readers.csv_table.cells import MISSING, number_of

_NAN = ("nan", "NaN", "NAN", "-nan", "-NaN", "+nan")  # numbers, but pandas reads them as such a hundred times slower
_MOST_MARKS = 32  # ways to write "no number" that one block mixes
_COLUMN_IN_ERROR = re.compile(r"CSV column #(\d+)")


class Format(Struct, frozen=True, kw_only=True):
    """How the lines of a table are to be read."""

    columns: int
    delimiter: str
    decimal_comma: bool
    text: frozenset[int]  # columns that are left out

    @property
    def numbers(self) -> list[int]:
        return [index for index in range(self.columns) if index not in self.text]


class Numbers(Struct, frozen=True, kw_only=True, eq=False):
    """The cells of a column of numbers; ``missing`` tells where there is none, and no value either."""

    value: Floats
    missing: NDArray[np.bool_] | None  # None where every cell holds one


Columns = Mapping[int, Sequence[Numbers]]  # by index of the column; in pieces, one after the other


class HoldsText(Exception):
    """A column of numbers has a cell that is no number."""

    def __init__(self, column: int) -> None:
        super().__init__(column)
        self.column = column


class Irregular(Exception):
    """The parser does not see the lines and cells that the careful path would see."""


def block_bytes() -> int:
    """Bytes of a block: a call of pandas takes a millisecond or two, one of pyarrow a tenth of that."""
    return 1 << 21 if chosen_parser() is by_pyarrow else 1 << 22


def chosen_parser() -> Callable[[bytes, int, Format], Columns]:
    """The parser that is installed and takes less time to import."""
    return by_pyarrow if importlib.util.find_spec("pyarrow") is not None else by_pandas


# ---------------------------------------------------------------------------------------------------------------
# pyarrow


def by_pyarrow(block: bytes, lines: int, format: Format) -> Columns:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    names = [str(index) for index in range(format.columns)]
    wanted = [names[index] for index in format.numbers]
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(pa.py_buffer(block)),
            read_options=arrow_csv.ReadOptions(column_names=names, block_size=len(block) + 1, use_threads=False),
            parse_options=arrow_csv.ParseOptions(
                delimiter=format.delimiter, quote_char=False, ignore_empty_lines=False
            ),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=wanted,
                column_types=dict.fromkeys(wanted, pa.float64()),
                null_values=sorted(MISSING),
                strings_can_be_null=False,
                decimal_point="," if format.decimal_comma else ".",
            ),
        )
    except pa.ArrowInvalid as error:
        found = _COLUMN_IN_ERROR.search(str(error))
        if not found or "conversion" not in str(error):
            raise Irregular from error
        raise HoldsText(int(found[1])) from error
    if table.num_rows != lines:  # to pyarrow, a carriage return alone ends a line
        raise Irregular
    columns = {
        index: [_numbers_of_chunk(chunk) for chunk in table.column(names[index]).chunks] for index in format.numbers
    }
    _refuse_infinite(columns)
    return columns


def _refuse_infinite(found: Columns) -> None:
    """Leave infinite numbers to the careful path: to the parsers, ``1e400`` is one as well."""
    for index, parts in found.items():
        if any(np.isinf(part.value).any() for part in parts):
            raise HoldsText(index)


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


def by_pandas(block: bytes, lines: int, format: Format) -> Columns:
    # pandas fills short lines up, and raises on long ones: with no line too long, the count tells that none is short
    if count_of(format.delimiter, block) != lines * (format.columns - 1):
        raise Irregular
    try:
        frame = _frame(block, format, format.numbers if format.text else None)
    except (ValueError, OverflowError) as error:
        raise _first_that_holds_text(block, format) from error
    if len(frame) != lines or frame.index.nlevels != 1 or frame.index[0] != 0 or frame.index[-1] != lines - 1:
        raise Irregular
    found = {}
    ends: Ints | None = None
    for index in format.numbers:
        value = frame[index].to_numpy()
        missing = np.isnan(value)
        if missing.any() and b"n" in block.lower():
            ends = cell_ends(block, lines, format.columns, format.delimiter) if ends is None else ends
            if ends is None:
                raise Irregular
            missing[missing] = _name_no_number(block, ends, index, np.flatnonzero(missing))
        found[index] = [Numbers(value=value, missing=missing if missing.any() else None)]
    _refuse_infinite(found)
    return found


def reads_whole_files() -> bool:
    """Whether pandas is at hand, and reads a file on disk by several threads: faster than in blocks."""
    if chosen_parser() is not by_pandas and "pandas" not in sys.modules:
        return False
    import pandas as pd

    major, minor = (int(part) for part in pd.__version__.split(".")[:2])
    return (major, minor) >= (3, 1)


def whole_file_by_pandas(path: Path, lines: int, format: Format) -> dict[int, Floats] | None:
    """The columns of a file of regular lines behind a header; None where a cell is not a number, or lines are not seen
    as they were counted."""
    try:
        frame = _frame(path, format, None, skiprows=1)
    except (ValueError, OverflowError):
        return None
    if len(frame) != lines or frame.index.nlevels != 1:
        return None
    columns = {index: frame[index].to_numpy() for index in format.numbers}
    return columns if all(np.isfinite(value).all() for value in columns.values()) else None


def _frame(
    source: bytes | Path, format: Format, only: Sequence[int] | None, kind: Any = np.float64, skiprows: int = 0
) -> Any:
    import pandas as pd

    options: dict[str, Any] = {
        "header": None,
        "names": range(format.columns),
        "usecols": only,
        "skiprows": skiprows,
        "compression": None,
        "dtype": kind,
        "sep": format.delimiter,
        "decimal": "," if format.decimal_comma else ".",
        "quoting": csv.QUOTE_NONE,
        "na_values": [*sorted(MISSING), *_NAN],
        "keep_default_na": False,
        "skip_blank_lines": False,
        "encoding_errors": "replace",
    }
    if int(pd.__version__.split(".")[0]) < 3:
        options["float_precision"] = "round_trip"  # what later versions always do
    return pd.read_csv(io.BytesIO(source) if isinstance(source, bytes) else source, **options)


def _first_that_holds_text(block: bytes, format: Format) -> HoldsText | Irregular:
    """Which column of numbers pandas could not convert: it does not say."""
    for index in format.numbers:
        try:
            _frame(block, format, [index])
        except (ValueError, OverflowError):
            try:
                _frame(block, format, [index], str)
            except ValueError:
                return Irregular()
            return HoldsText(index)
    return Irregular()


def _name_no_number(block: bytes, ends: Ints, index: int, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which of the cells that pandas gives as NaN do not say so."""
    starts, sizes = starts_and_sizes(block, ends, index)
    cells = packed(block, starts[rows], sizes[rows])
    labels = None if cells is None else few_labels(PackedText(cells=cells), _MOST_MARKS)
    if labels is None:
        raise Irregular
    return np.array([number_of(label) is None for label in labels[0]], dtype=bool)[labels[1]]
