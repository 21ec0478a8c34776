"""How precisely a value was written: every logged number is an interval.

A number written with d digits is known to half a unit of its last digit; a TensorBoard scalar is a float32, of a number
that may have been rounded before.
Trailing zeros are not written (``0.10`` reads back as 0.1), so the number of digits is a property of the column:
the wider of "at most D decimals" and "at most S significant digits" holds for every row, whichever of the two
formats the writer used.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from analyzer.distinct import distinct
from analyzer.model import Floats, Series

FLOAT32_HALF_ULP = 2.0**-24
DIGITS_ROUNDED = 6  # a float32 holds six decimal digits whatever they are; one in ten of them needs no more
FEWEST_ROUNDED = 12  # values that need no more than six: one series in 10**12 does so by chance
ROWS_LOOKED_AT = 2000
EXACT_WHOLE = 1e15  # below it no two decimals are one double: what divides back is the shortest representation
EXACT_POWER = 22  # the largest power of ten that a double holds exactly


def half_width(series: Series) -> Floats:
    """Half the width of the interval in which each value lies, shape (n,), in the unit of the values."""
    return width_of(series.value, series)


def width_of(values: Floats, series: Series) -> Floats:
    """Half the width of the interval that values would have, shape (n,), were they written as those of a series are."""
    return width_function(series)(values)


def width_function(series: Series) -> Callable[[Floats], Floats]:
    """``width_of`` for values that come in several parts: the digits of the series are looked at once."""
    finite = series.value[np.isfinite(series.value)]
    if series.written_as == "float32":
        finite = _rounded_before(finite)
    digits = digits_written(finite) if len(finite) else None
    return lambda values: _width(values, series, digits)


def _rounded_before(values: Floats) -> Floats:
    """The decimals that were rounded before they became float32; none where a value has digits of its own."""
    few = distinct(values[:ROWS_LOOKED_AT])[:FEWEST_ROUNDED]
    if len(few) < FEWEST_ROUNDED or not _in_few_digits(few):
        return values[:0]
    some = distinct(values)
    some = some[np.linspace(0, len(some) - 1, min(len(some), 10 * FEWEST_ROUNDED)).astype(np.int64)]
    return np.array([float(str(value)) for value in some.astype(np.float32)]) if _in_few_digits(some) else values[:0]


def _in_few_digits(values: Floats) -> bool:
    """Whether the shortest decimals of some float32 have fewer digits than a float32 tells."""
    shortest = (np.format_float_scientific(value) for value in values.astype(np.float32))
    return all(len(written.partition("e")[0].strip("-").replace(".", "")) <= DIGITS_ROUNDED for written in shortest)


def _width(values: Floats, series: Series, digits: tuple[int, int] | None) -> Floats:
    magnitude = np.abs(values)
    stored = magnitude * FLOAT32_HALF_ULP if series.written_as == "float32" else np.zeros_like(magnitude)
    if digits is None:
        return stored
    decimals, significant = digits
    with np.errstate(divide="ignore", invalid="ignore"):
        exponent = np.where(magnitude > 0, np.floor(np.log10(magnitude)), 0.0)
    by_significant = np.where(magnitude > 0, 0.5 * 10.0 ** (exponent - significant + 1), 0.0)
    return np.maximum(np.maximum(0.5 * 10.0**-decimals, by_significant), stored)


def digits_written(values: Floats) -> tuple[int, int]:
    """Decimals and significant digits of the most precisely written of some finite values.

    Looks at distinct values spread over the column; the shortest representation that reads back is what was written.
    """
    some = np.abs(distinct(values))
    if len(some) > ROWS_LOOKED_AT:
        some = some[np.linspace(0, len(some) - 1, ROWS_LOOKED_AT).astype(np.int64)]
    decimals = significant = 1
    for places in range(EXACT_POWER + 1):  # whole numbers of the unit of that place, divided back, are what was written
        with np.errstate(over="ignore"):
            units = np.rint(some * 10.0**places)
        told = (units < EXACT_WHOLE) & (units / 10.0**places == some)
        if told.any():
            decimals = max(decimals, places)
            significant = max(significant, _digits(units[told]))
            some = some[~told]
        if not len(some):
            return decimals, significant
    for written in map(repr, some.tolist()):
        mantissa, _, exponent = written.partition("e")
        whole, _, fraction = mantissa.partition(".")
        fraction = fraction.rstrip("0")
        decimals = max(decimals, len(fraction) - int(exponent or 0))
        significant = max(significant, len((whole + fraction).strip("0")))
    return decimals, significant


def _digits(units: Floats) -> int:
    """Digits of the longest of some whole numbers, the zeros at its end left out."""
    while ((units > 0) & (units % 10 == 0)).any():
        units = np.where(units % 10, units, units / 10)
    return len(str(int(units.max())))
