"""Timestamps of one written form, a million at once: ``2024-01-31 12:00:00.5``, also with ``T``, a comma, and ``Z``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analyzer.model import Floats, Ints

_IN_CACHE = 1 << 12  # stamps looked at together: what is made of them on the way never leaves the cache
_WHOLE = 19  # characters of a stamp without a fraction
_DIGITS = 6  # of a microsecond
_YEARS = (1971, 2200)  # in which a count of microseconds is a whole number to a float

_Bytes = NDArray[np.uint8]
_Flags = NDArray[np.bool_]


def seconds_of_stamps(cells: NDArray[np.bytes_]) -> Floats:
    """Seconds since 1970 (UTC) of each cell, NaN where it has another form, or is no moment of the calendar."""
    seconds = np.full(len(cells), np.nan)
    for first in range(0, len(cells), _IN_CACHE):
        some = cells[first : first + _IN_CACHE]
        byte = some.view(np.uint8).reshape(len(some), -1)
        sizes = np.char.str_len(some)
        sizes -= byte[np.arange(len(some)), np.maximum(sizes - 1, 0)] == ord("Z")
        for size in np.flatnonzero(np.bincount(sizes)).tolist():
            if size == _WHOLE or _WHOLE + 1 < size <= _WHOLE + 1 + _DIGITS:
                at = np.flatnonzero(sizes == size)
                # what is a column of the cells is a row here: bytes side by side are worked on together
                seconds[first + at] = _seconds(np.ascontiguousarray(byte[at, :size].T))
    return seconds


def _seconds(byte: _Bytes) -> Floats:
    """Stamps of one length, shape (characters, stamps)."""
    year, right = _number(byte[0:4])
    right &= (year >= _YEARS[0]) & (year < _YEARS[1])
    parts = []
    for at in (5, 8, 11, 14, 17):
        part, fine = _number(byte[at : at + 2])
        parts.append(part)
        right &= fine
    month, day, hour, minute, second = parts
    micro, fine = _number(byte[_WHOLE + 1 :])
    for at, marks in ((4, "-"), (7, "-"), (10, "T "), (13, ":"), (16, ":"), (_WHOLE, ".,")):
        if at < len(byte):
            fine &= _is(byte[at], marks)
    right &= fine & (month >= 1) & (month <= 12) & (hour < 24) & (minute < 60) & (second < 60)
    months = (np.where(right, year, _YEARS[0]) - 1970) * 12 + np.where(right, month, 1) - 1
    first, after = _day_of_month(months), _day_of_month(months + 1)
    right &= (day >= 1) & (day <= after - first)
    whole = (first + day - 1) * 86_400 + hour * 3_600 + minute * 60 + second
    micro *= 10 ** (_DIGITS - max(len(byte) - _WHOLE - 1, 0))
    return np.where(right, (whole * 1_000_000 + micro) / 1e6, np.nan)


def _number(digits: _Bytes) -> tuple[Ints, _Flags]:
    """A number of some digits, and where they all are digits."""
    value = np.zeros(digits.shape[1], dtype=np.int64)
    fine = np.ones(digits.shape[1], dtype=bool)
    for row in digits:
        digit = row - np.uint8(ord("0"))
        fine &= digit < 10
        value = value * 10 + digit
    return value, fine


def _is(row: _Bytes, characters: str) -> _Flags:
    found = row == ord(characters[0])
    for character in characters[1:]:
        found |= row == ord(character)
    return found


def _day_of_month(months: Ints) -> Ints:
    """Days since 1970 of the first of a month that many months after January 1970."""
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
