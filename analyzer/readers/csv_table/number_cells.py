"""The parser of the fast path: lines of numbers are a JSON array but for their marks, and msgspec reads those.

What JSON does not know as a number (``1.``, ``+1``, ``nan``, a word) is left to the careful path, with its column.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import DecodeError, Struct
from msgspec.json import Decoder
from numpy.typing import NDArray

from analyzer.distinct import distinct
from analyzer.model import Floats, Ints
from analyzer.readers.csv_table.cell_bytes import starts_and_sizes

_FULL, _WITH_GAPS = Decoder(list[float]), Decoder(list[float | None])
_OF_A_NUMBER = np.isin(np.arange(256), list(b"0123456789+-.eE \n"))


class Numbers(Struct, frozen=True, kw_only=True, eq=False):
    """The cells of some columns of numbers, one or several; ``missing`` tells where there is none, and no value."""

    value: Floats
    missing: NDArray[np.bool_]


def columns_of_numbers(
    block: bytes, ends: Ints, delimiter: str, columns: Sequence[int]
) -> tuple[Sequence[int], Numbers]:
    """Those of the columns in which each cell is empty or a number that JSON knows, shape (lines, columns) of them."""
    found = _numbers(block, ends, delimiter, columns)
    if found is None:
        columns = [index for index in columns if index not in _columns_with_words(block, ends, delimiter)]
        found = _numbers(block, ends, delimiter, columns)
    if found is None:
        columns = [index for index in columns if _numbers(block, ends, delimiter, [index]) is not None]
        found = _numbers(block, ends, delimiter, columns)
    assert found is not None
    return columns, found


def _numbers(block: bytes, ends: Ints, delimiter: str, columns: Sequence[int]) -> Numbers | None:
    """All cells of some columns; None where one is no number."""
    if not len(columns):
        return Numbers(value=np.zeros((len(ends), 0)), missing=np.zeros((len(ends), 0), dtype=np.bool_))
    text = block if len(columns) == ends.shape[1] else _only(block, ends, columns)
    text = text.translate(_as_json(delimiter))[:-1]
    places = ends.ravel()
    gaps = places[0] == 0 or bool((places[1:] - places[:-1] == 1).any()) or b"null" in text
    if gaps:  # twice: a mark may end one gap and begin the next
        text = (b"," + text + b",").replace(b",,", b",null,").replace(b",,", b",null,")[1:-1]
    try:
        value = np.array((_WITH_GAPS if gaps else _FULL).decode(b"[" + text + b"]"), dtype=np.float64)
    except DecodeError:
        return None
    value = value.reshape(len(ends), len(columns))
    return None if np.isinf(value).any() else Numbers(value=value, missing=np.isnan(value))


def _as_json(delimiter: str) -> bytes:
    """What each byte is in the array: a comma is the decimal point beside semicolons, and no number else."""
    comma = {",": ",", ";": "."}.get(delimiter, "x")
    return bytes.maketrans(f",{delimiter}\n".encode(), f"{comma},,".encode())


def _only(block: bytes, ends: Ints, columns: Sequence[int]) -> bytes:
    """The cells of some columns, each with the mark behind it."""
    change = np.zeros(len(block) + 1, dtype=np.int8)  # 1 where cells that are left out begin, -1 behind them
    for index in np.setdiff1d(np.arange(ends.shape[1]), columns).tolist():
        change[starts_and_sizes(block, ends, index)[0]] += 1
        change[ends[:, index] + 1] -= 1
    left_out = np.cumsum(change[:-1], dtype=np.int8)
    return np.frombuffer(block, dtype=np.uint8)[left_out == 0].tobytes()


def _columns_with_words(block: bytes, ends: Ints, delimiter: str) -> frozenset[int]:
    """Columns with a byte that stands in no number."""
    of_a_number = _OF_A_NUMBER.copy()
    of_a_number[list(f"{delimiter},".encode() if delimiter == ";" else delimiter.encode())] = True
    places = np.flatnonzero(~of_a_number[np.frombuffer(block, dtype=np.uint8)])
    return frozenset(distinct(np.searchsorted(ends.ravel(), places) % ends.shape[1]).tolist())
