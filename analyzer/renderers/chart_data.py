"""Curves of a page in few bytes: points that can be seen, equal arrays once, differences of whole units, deflated.

A curve of a log is mostly regular (steps, rows, epochs, schedules) or noise of a few printed digits. Every array is
written as whole multiples of a unit, each as the difference from the one before, byte plane by byte plane, which is
what deflate packs well. Measured values keep every digit that was printed; float32 values stay float32.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from msgspec import Struct, field
from numpy.typing import ArrayLike, NDArray

from analyzer.distinct import distinct
from analyzer.model import Floats, Ints

DIGITS = 9  # a float32 has no more; printed decimals up to here are kept exactly
DRAWN = 2e5  # units in the span of a computed curve: two hundred to a pixel of a wide screen
ROUNDING = 1e-12  # relative: what a printed decimal loses as a float64, times a power of ten
SMALLEST = 1e-290  # units below have no inverse
REACH = 2**31 - 2  # of a difference in four bytes
MISSING = -(2**31)  # the difference that stands for "not finite" in the packed form

Kind = Literal["decimal", "units", "float32"]


def keep_extremes(values: Floats, limit: int, always: Sequence[int] = ()) -> Ints:
    """Indices of at most about ``limit`` points that look the same when drawn: each bucket's lowest and highest.

    First and last point, points that are not finite where finite ones surround them, and ``always`` are kept.
    """
    count = len(values)
    if count <= limit:
        return np.arange(count, dtype=np.int64)
    buckets = max(1, limit // 2)
    size = -(-count // buckets)
    padded = np.full(buckets * size, np.nan)
    padded[:count] = values
    table = padded.reshape(buckets, size)
    starts = np.arange(buckets) * size
    low = np.where(np.isfinite(table), table, np.inf).argmin(axis=1) + starts
    high = np.where(np.isfinite(table), table, -np.inf).argmax(axis=1) + starts
    odd = np.flatnonzero(~np.isfinite(values))[: limit // 4]
    kept = distinct(np.concatenate([low, high, odd, [0, count - 1], np.asarray(always, dtype=np.int64)]))
    return kept[kept < count].astype(np.int64)


class Packed(Struct, frozen=True, kw_only=True):
    """One array: where its bytes lie in the pool, how many values it has, and how they are read back."""

    kind: Kind
    start: int
    count: int
    unit: float = 1.0  # running sum of the differences / unit ("decimal"), or first + sum * unit ("units")
    first: float = 0.0


class Pool(Struct, kw_only=True):
    """Arrays of one run, each kept once."""

    arrays: list[Packed] = field(default_factory=list)
    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    known: dict[bytes, int] = field(default_factory=dict)

    def add(self, values: ArrayLike, *, computed: bool = False) -> int:
        """Place in the pool of an array of numbers, shape (n,); NaN and infinity are read back as missing.

        Args:
            computed: a curve that only has to look right, not a number that was logged.
        """
        array = np.asarray(values, dtype=np.float64)
        key = (b"c" if computed else b"l") + array.tobytes()
        if key not in self.known:
            kind, data, unit, first = _coded(array, computed)
            self.known[key] = len(self.arrays)
            self.arrays.append(Packed(kind=kind, start=self.size, count=len(array), unit=unit, first=first))
            self.parts.append(data)
            self.size += len(data)
        return self.known[key]

    def text(self) -> str:
        """All bytes, deflated, in base64. The highest level takes three times as long for a page 1.5 % smaller."""
        return base64.b64encode(zlib.compress(b"".join(self.parts), 6)).decode("ascii")

    def described(self) -> list[list[Any]]:
        """What the page's script needs to read the arrays: [kind, start, count, unit, first] each."""
        return [[one.kind, one.start, one.count, one.unit, one.first] for one in self.arrays]


def _coded(array: Floats, computed: bool) -> tuple[Kind, bytes, float, float]:
    finite = array[np.isfinite(array)]
    if computed and len(finite):
        unit = max(float(np.ptp(finite)) / DRAWN, SMALLEST) or 1.0
        return "units", _differences(np.round((array - finite[0]) / unit)), unit, float(finite[0])
    power = _printed_digits(finite)
    if power is not None:
        return "decimal", _differences(np.round(array * 10.0**power)), 10.0**power, 0.0
    return "float32", _planes(array.astype(np.float32).view(np.uint8).reshape(-1, 4)), 1.0, 0.0


def _printed_digits(finite: Floats) -> int | None:
    """Decimals with which every value was printed, when they and their differences fit four bytes."""
    for power in range(DIGITS + 1):
        scaled = finite * 10.0**power
        if len(scaled) and np.abs(scaled).max() > REACH / 2:
            return None
        if (np.abs(scaled - np.round(scaled)) <= ROUNDING * np.abs(scaled)).all():
            return power
    return None


def _differences(units: Floats) -> bytes:
    """Whole units as differences in four bytes each; what is not finite is marked."""
    known = np.isfinite(units)
    filled = np.full(len(units), MISSING, dtype=np.int64)
    filled[known] = np.diff(units[known].astype(np.int64), prepend=0)
    return _planes(filled.astype("<i4").view(np.uint8).reshape(-1, 4))


def _planes(cells: NDArray[np.uint8]) -> bytes:
    """Bytes of values, shape (n, 4), first bytes first: the high bytes of small differences are all alike."""
    return cells.T.tobytes()
