"""Timestamps of one written form, a million at once: ``2024-01-31 12:00:00.5``, also with ``T``, a comma, and ``Z``.

A stamp is four words of eight bytes. Its exclusive or with a form (another stamp, with ``0`` for every digit) leaves
the digits as numbers and nothing else, if it has that form; a sum with carries into the highest bits shows whether.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from analyzer.model import Floats, Ints

_IN_CACHE = 1 << 13  # stamps looked at together: what is made of them on the way never leaves the cache
_WIDTH = 32  # bytes of four words; the longest form has 27
_MOST_FORMS = 16  # a fraction has seven lengths
_FORM = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,6})?Z?", re.A)
FIRST_YEAR, LAST_YEAR = 1971, 2199  # in which a count of microseconds is a whole number to a float
_DAYS: Ints = (
    np.arange((FIRST_YEAR - 1970) * 12, (LAST_YEAR + 1 - 1970) * 12 + 1, dtype="datetime64[M]")
    .astype("datetime64[D]")
    .astype(np.int64)
)  # since 1970, of the first of each month
_HIGHEST_BITS = np.uint64(0x8080808080808080)

_Words = NDArray[np.uint64]
_Flags = NDArray[np.bool_]


def seconds_of_stamps(cells: NDArray[np.bytes_]) -> Floats:
    """Seconds since 1970 (UTC) of each cell, NaN where it has another form, or is no moment of the calendar."""
    return np.concatenate(
        [np.empty(0), *(_seconds(cells[at : at + _IN_CACHE]) for at in range(0, len(cells), _IN_CACHE))]
    )


def _seconds(cells: NDArray[np.bytes_]) -> Floats:
    seconds = np.full(len(cells), np.nan)
    words = np.ascontiguousarray(cells.astype(f"S{_WIDTH}").view("<u8").reshape(len(cells), -1).T)
    left = np.char.str_len(cells) <= _WIDTH if cells.itemsize > _WIDTH else np.ones(len(cells), dtype=bool)
    for _ in range(_MOST_FORMS):
        at = int(np.argmax(left))
        if not left[at]:
            break
        left[at] = False
        stamp = cells[at].decode("ascii")
        if _FORM.fullmatch(stamp):
            value, fits = _of_form(words, re.sub(r"\d", "0", stamp).encode())
            seconds[fits] = value[fits]
            left &= ~fits
    return seconds


def _of_form(words: _Words, form: bytes) -> tuple[Floats, _Flags]:
    """Seconds of stamps, shape (4 words, stamps), and which of them have this form and a place in the calendar."""
    padded = form.ljust(_WIDTH, b"\0")
    digits = words ^ _column(padded)
    most = _column(bytes(0x7F - 9 if byte == ord("0") else 0x7F for byte in padded))
    wrong = ((digits + most) | digits) & _HIGHEST_BITS
    fits = (wrong[0] | wrong[1] | wrong[2] | wrong[3]) == 0
    pairs = digits * np.uint64(10) + (digits >> np.uint64(8))  # of each byte and the next one
    year = _byte(pairs[0], 0) * 100 + _byte(pairs[0], 2)
    month, day, hour, minute, second = (
        _byte(pairs[word], place) for word, place in ((0, 5), (1, 0), (1, 3), (1, 6), (2, 1))
    )
    micro = _byte(pairs[2], 4) * 10_000 + _byte(pairs[2], 6) * 100 + _byte(pairs[3], 0)
    fits &= (year >= FIRST_YEAR) & (year <= LAST_YEAR) & (month >= 1) & (month <= 12)
    fits &= (hour < 24) & (minute < 60) & (second < 60) & (day >= 1)
    months = np.where(fits, (year - FIRST_YEAR) * 12 + month - 1, 0)
    days = _DAYS[months] + day - 1
    fits &= days < _DAYS[months + 1]
    whole = days * 86_400 + hour * 3_600 + minute * 60 + second
    return (whole * 1_000_000 + micro) / 1e6, fits


def _column(form: bytes) -> _Words:
    return np.frombuffer(form, dtype="<u8").astype(np.uint64)[:, np.newaxis]


def _byte(word: _Words, place: int) -> Ints:
    return ((word >> np.uint64(8 * place)) & np.uint64(0xFF)).astype(np.int64)
