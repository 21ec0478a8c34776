"""A line pattern: how a line of a program is recognised, and what its numbers are called.

What they are tried on is untrusted, so each takes time in proportion to the line: what repeats without a bound is
possessive (``\\s*+``) wherever it could be split in more than one way, a pattern that is searched for begins with what
no repeat of its own can hold, and what must stand somewhere behind is looked for once (``LinePattern.behind``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from analyzer.readers.columns.step_axis import LARGEST_STEP, names_an_axis
from analyzer.written_numbers import DECIMAL, number_written

GENERIC = ("general", "block", "json", "table", "shape", "object", "record", "columns", "dictionary", "list")
# what a line of source code or of prose may match by chance
WALL = "timestamp"

Entry = dict[str, Any]
NUMBER = rf"(?:{DECIMAL}|[+-]?(?:nan|inf|NaN|Inf|infinity|Infinity)\b)"
_END = r"(?!\d|\.\d|[eE][+-]?\d|:\d|,\d{3}\b)"  # a number ends where no more of it follows; a duration is none
_WORD = r"[A-Za-z][\w@/.%^-]*+"
# no number, or a word spelled like one: number of nan iterations: 0
_NO_NUMBER = r"(?!(?i:nan|inf|infinity|none)\b(?![ ][A-Za-z]\w*+:))"
_NAME = rf"{_WORD}(?:[ ]{_NO_NUMBER}[A-Za-z@(][\w@/.)-]*+){{0,3}}"
# A word that no number follows is passed over whole: the second alternative, whose groups are empty.
ASSIGNED = re.compile(rf"(?<![\w./])(?:({_NAME})\s*+[:=]\s*+\[?({NUMBER}){_END}|{_WORD})")  # loss: 0.5, Val Loss=0.5
SPOKEN = re.compile(rf"(?<![\w./])(?:({_NAME})[ \t:=]++({NUMBER}){_END}|{_WORD})")  # loss 0.5, Loss 6.9e+00 (7.0e+00)
PLACE = re.compile(r"\[?(\d{1,15})\s?/\s?(\d{1,15})\]?")
_QUOTED_PLACE = re.compile(rf"'([\w/]{{1,80}})': '{PLACE.pattern}'")
QUOTED = re.compile(rf"['\"]([^'\"]+)['\"]:\s*+['\"]?({NUMBER})['\"]?\s*+[,}}]")  # {'loss': 0.5, 'lr': '1e-05'}
_NO_TAGS = {
    "eta",
    "time",
    "data",
    "epoch",
    "step",
    "iter",
    "iteration",
    "info",
    "rank",
    "pid",
    "gpu",
    "memory",
    "max mem",
    "mem",
}


class LinePattern(Struct, frozen=True, kw_only=True):
    """A line pattern: how it is recognised, and what its numbers are called."""

    name: str
    starts: re.Pattern[str]  # named groups become numbers of the row; ``total`` and ``epochs`` are declared
    pairs: re.Pattern[str] | None = ASSIGNED  # name and number pairs behind it
    framework: str | None = None
    renamed: Mapping[str, str] = None  # type: ignore[assignment]  # names as printed -> tags
    elapsed: tuple[str, ...] = ()
    behind: str = ""  # what must stand somewhere behind
    entry: Callable[[re.Match[str], str], Entry | None] | None = None  # lines that need more than pairs


def entry_by(pattern: LinePattern, found: re.Match[str], text: str) -> Entry | None:
    """The numbers of a line: its counters, and the pairs behind them."""
    entry: Entry = {}
    phase = ""
    for name, value in found.groupdict().items():
        if value is None:
            continue
        if name == "phase":
            phase = "" if value == "train" else f"{value}/"
            continue
        number = number_of(value.replace(",", ""))
        if number is None:
            return None
        if name in ("total", "epochs"):
            if not isinstance(number, int):
                return None
            entry["=max_steps" if name == "total" else "=epochs"] = number
        else:
            entry[(pattern.renamed or {}).get(name, name)] = number
    if pattern.pairs is None:
        return entry
    values = pairs_of(pattern.pairs, text[found.end() :], pattern.renamed or {})
    if not values:
        return None
    return {**entry, **{f"{phase}{name}": value for name, value in values.items() if name not in entry}}


def pairs_of(pattern: re.Pattern[str], text: str, renamed: Mapping[str, str]) -> Entry:
    """Names and numbers of a line; a printed dictionary says what each number is, so none of its names is left out."""
    values: Entry = {}
    quoted = pattern is QUOTED
    for name, written in pattern.findall(text):
        name = renamed.get(name, name.strip())
        if not name or name in values or (not quoted and name.lower() in _NO_TAGS):
            continue
        number = number_of(written)
        if number is not None:
            values[name] = number if quoted else float(number)
    for name, *place in _QUOTED_PLACE.findall(text) if quoted else ():
        values |= place_of(name, *place)
    return values


def place_of(name: str, place: str, total: str) -> Entry:
    """A counter with its total, as ``230/235`` or ``[230/235]`` behind its name; nothing behind another name."""
    of = {"epoch": "epochs", "batch": "batches"}.get(name, "total")
    return {name: int(place), of: int(total)} if names_an_axis(name) else {}


def number_of(text: str) -> int | float | None:
    """The number that a text is; None for any other, and for one that no double holds."""
    value = number_written(text)
    if value is None:
        return None
    return (
        int(value)
        if value.is_integer() and abs(value) < LARGEST_STEP and "." not in text and "e" not in text.lower()
        else value
    )
