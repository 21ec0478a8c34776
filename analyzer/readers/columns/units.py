"""Columns whose header tells a unit (``LR [1e-4]``, ``Elapsed [h:m:s]``, ``Time (ms)``), in plain units and names.

Times become seconds and scaled numbers plain ones, so that a declared rate can be held against a logged one. A text of
hours, minutes and seconds is a number of seconds wherever its column is named as a time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from analyzer.model import Floats
from analyzer.readers.columns import Column
from analyzer.readers.columns.wall_time import tells_the_day_time

_UNIT = re.compile(r"(?P<name>.*?\S)\s*+(?:\[(?P<square>[^\[\]]{1,12})\]|\((?P<round>[^()]{1,12})\))")
_SECONDS = {
    "ns": 1e-9, "us": 1e-6, "ms": 1e-3, "msec": 1e-3, "s": 1.0, "sec": 1.0, "secs": 1.0, "seconds": 1.0, "min": 60.0,
    "mins": 60.0, "minutes": 60.0, "h": 3600.0, "hr": 3600.0, "hrs": 3600.0, "hours": 3600.0,
}  # fmt: skip
_PLAIN = {
    "-", "1", "#", "nats", "nat", "bits", "steps", "step", "updates", "iterations", "iter", "epochs", "epoch",
    "samples", "tokens", "frames", "h:m:s", "hh:mm:ss", "h:mm:ss", "m:s", "mm:ss",
}  # fmt: skip
_SPEED = re.compile(r"[a-z]{1,9}/s(?:ec)?")
_POWER = re.compile(r"(?:x\s?|\*\s?|×\s?)?(?:1e|10\^)(?P<power>[-+]?\d{1,2})")
_THOUSANDS = {"k": 1e3, "m": 1e6}  # of a count
_COUNTED = re.compile(r"(?:samples|tokens|steps|frames|images)(?:[ _]seen)?$", re.I)
DIGITS = 15  # of a double; what a scaled decimal has beyond them is noise, as long as it is
ULPS = 2  # of the product: a half for the number read, for the factor and for the product itself, and one for rounding
SMALLEST = 1e-8  # up to 22 digits behind the point: ten to their power is a double
_CLOCK = re.compile(r"(?m)^(?:(\d{1,6}) days?,? )?(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2}(?:[.,]\d{1,9})?)$")
_OF_TIME = re.compile(r"(?:^|[/_ .-])(?:time|elapsed|duration|runtime|wall|clock)(?:[/_ .-]|$)", re.I)
_LEFT = re.compile(r"eta\b|remaining|left", re.I)


def in_plain_units(columns: Sequence[Column]) -> list[Column]:
    """The columns under their names without units, in plain ones; a name that would stand twice is left as it is."""
    names = {column.name for column in columns}
    plain = []
    for column in columns:
        name, times = _named(column.name)
        if name != column.name and name not in names:
            names.add(name)
            column = replace(column, name=name, value=column.value if times == 1 else _scaled(column.value, times))
        plain.append(_seconds_of_clock(column))
    return plain


def _named(name: str) -> tuple[str, float]:
    """A column's name without its unit, and what one of that unit is in plain ones."""
    found = _UNIT.fullmatch(name) if name[-1:] in ("]", ")") else None
    if found is None:
        return name, 1.0
    unit = (found["square"] or found["round"]).strip().lower()
    power = _POWER.fullmatch(unit)
    if power is not None:
        return found["name"], 10.0 ** int(power["power"])
    if unit in _THOUSANDS and _COUNTED.search(found["name"]):
        return found["name"], _THOUSANDS[unit]
    if unit == "1" and name[len(found["name"])] != " ":
        return name, 1.0  # the second of a list
    if unit in _PLAIN or _SPEED.fullmatch(unit):
        return found["name"], 1.0
    return (found["name"], _SECONDS[unit]) if unit in _SECONDS else (name, 1.0)


def _scaled(value: Floats, times: float) -> Floats:
    """Numbers times a factor, each without the noise of a product in the last digits of a double.

    Each by its own size: beside a row of 1e19 the others are not rounded away.
    """
    product = value * times if times > 1 else value / round(1 / times)  # 1e-3 is no double, 1000 is one
    size = np.abs(product)
    known = np.isfinite(size) & (size >= SMALLEST)
    behind_the_point = np.full(len(size), -1)
    behind_the_point[known] = DIGITS - 1 - np.floor(np.log10(size[known])).astype(np.int64)
    for digits in np.unique(behind_the_point[behind_the_point >= 0]).tolist():
        of_it = behind_the_point == digits
        rounded = np.round(product[of_it], digits)
        noise = np.abs(rounded - product[of_it]) <= ULPS * np.spacing(size[of_it])
        product[of_it] = np.where(noise, rounded, product[of_it])
    return product


def _seconds_of_clock(column: Column) -> Column:
    """A column of ``1:02:03`` under a name of time as seconds; times that are left are no clock, and
    those of a day are one on the wall."""
    if len(column.value) or not len(column.text) or not _OF_TIME.search(column.name) or _LEFT.search(column.name):
        return column
    parts = _CLOCK.findall("\n".join(column.text))
    if len(parts) != len(column.text) or tells_the_day_time(column):
        return column
    of_each = np.array([part.replace(",", ".") or "0" for cell in parts for part in cell], dtype=np.float64)
    seconds = of_each.reshape(-1, 4) @ np.array([86400.0, 3600.0, 60.0, 1.0])
    return replace(column, value=seconds, at=np.asarray(column.text_at, dtype=np.int64), text_at=(), text=())
