"""Tables that programs print: a line of names, and lines of as many cells somewhere below it.

The columns are set apart by blanks (spaCy, DeePMD-kit), by tabs, or by ``|`` (MATLAB, Turi Create); names may stand on
two lines, and a column may hold lists (DeepXDE). ParlAI prints a new table for every row. A line of names counts when
one of them is a counter and one tells of training.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from analyzer.readers.columns.step_axis import names_an_axis
from analyzer.readers.stdout.patterns import Entry, number_of
from analyzer.readers.stdout.values import pair_of, tells

FEWEST_COLUMNS = 3  # two numbers stand side by side in lines of any kind
MOST_SIGNS = 1_000  # of a line of names
LARGEST_PART = 0.5  # of the cells of a row; where fewer hold numbers it is a line of another kind
_NAMES = re.compile(r"^\s*+(?:[#%]\s*+)?(?:[A-Za-z#(][\w./%()#-]*+(?:\s++|$)){3,}+$")
_CELLS = re.compile(
    r"^\s*+(?:(?:[+-]?[\d.][\d.eE+-]*+(?:%|m?s|m|h|[KMGT]i?B?)?|\d{1,9}(?::\d\d){1,2}|[+-]?nan|[+-]?inf|-|\[[\d.,eE+\s-]{0,400}\])"
    r"(?:\s++|$)){3,}+$",
    re.I,
)
_SIGNS = ("|", "\t", ",")
_NAMES_BY_COMMAS = re.compile(r"^\s*+[A-Za-z#][\w./%()# -]{0,60}(?:,\s?[A-Za-z#][\w./%()# -]{0,60}){2,60}\s*+$")
_NUMBER = re.compile(r"(?<![\w:.])[+-]?(?:\d[\d.]*+(?:e[+-]?\d++)?|\.\d++(?:e[+-]?\d++)?|nan\b|inf\b)(?!\w\d|:)", re.I)
_A_NAME_FIRST = re.compile(r"[\s|]*+[A-Za-z#(]")
_BEGINS_A_NUMBER = re.compile(r"[+-]?\.?\d")
_LISTED = re.compile(r"\[[^\]]{0,400}\]|\S++")
_WIDE = re.compile(r"\s{2,}|\t")
_LABEL = re.compile(r"^\s*+\[[^\]]{0,20}\]\s++")  # xLearn's [  42%      ] in front of every line
_OF_TIME = re.compile(r"(?:date|time|datetime|timestamp)$", re.I)
_SHORT = {"#": "step", "e": "epoch"}  # names of spaCy's training table, spacy/training/loggers.py


class Tables:
    """The last line of names seen, for the lines of numbers below it."""

    def __init__(self) -> None:
        self._names: tuple[tuple[str, ...], ...] = ()  # the ways in which the line of names can be divided
        self._above: tuple[str, ...] = ()  # the cells of the line above, where they may be the first half of names
        self._parted = ""  # by what the columns are set apart: "|", a tab, or blanks

    def entry_of(self, line: str) -> Entry | None:
        """The numbers of a line by the names above it; None where it is no row of a table."""
        line = _LABEL.sub("", line)
        sign = next((sign for sign in _SIGNS if sign in line), None)
        if sign is not None and (sign != "," or self._parted == "," or _NAMES_BY_COMMAS.match(line)):
            return self._parted_by_a_sign(line, sign)
        if len(line) <= MOST_SIGNS and _NAMES.match(line):
            ways = {tuple(_WIDE.split(text)) for text in _uncommented(line)} | {
                tuple(text.split()) for text in _uncommented(line)
            }
            self._begin(sorted(ways), "")
            return None
        if not self._names or self._parted == "|" or not _CELLS.match(line):
            self._above = ()
            return None
        return self._row(_LISTED.findall(line))

    def _parted_by_a_sign(self, line: str, sign: str) -> Entry | None:
        names = len(line) <= MOST_SIGNS and (_NAMES_BY_COMMAS if sign == "," else _A_NAME_FIRST).match(line) is not None
        if not names and self._parted != sign:
            return None
        cells = tuple(cell.strip() for cell in line.strip().strip("|" if sign == "|" else "").split(sign))
        if len(cells) < FEWEST_COLUMNS:
            return None
        if names and any(cells) and not any(_BEGINS_A_NUMBER.match(cell) for cell in cells):
            first = cells[0].lstrip("#% ") or cells[0]  # the sign in front makes the line a comment
            self._begin([(first, *cells[1:])], sign)
            return None
        if self._parted != sign:
            return None
        if line.rstrip()[-1:] == sign and any(len(way) == len(cells) + 1 for way in self._names):
            cells += ("",)  # the last column is empty here
        return self._row(cells)

    def _begin(self, ways: Sequence[tuple[str, ...]], parted: str) -> None:
        """Take a line as names: by itself, or joined to the line above it."""
        ways = [tuple(map(_named, way)) for way in ways]
        joined = [tuple(f"{a} {b}".strip() for a, b in zip(self._above, way, strict=True)) for way in ways if way and (
            len(way) == len(self._above)
        )]  # fmt: skip
        found = tuple(way for way in (*joined, *ways) if _is_of_a_log(way))
        if found or self._parted != parted != ",":
            self._names, self._parted = found, parted
        self._above = max(ways, key=len, default=())

    def _row(self, cells: Sequence[str]) -> Entry | None:
        names = next((way for way in self._names if len(way) == len(cells)), None)
        full = tuple(cell for cell in cells if cell)
        if names is None or any(cell and not name for name, cell in zip(names, cells, strict=True)):  # a tab too many
            named = (tuple(name for name in way if name) for way in self._names)
            names, cells = next((way for way in named if len(way) == len(full)), None), full
        if names is None:  # a reader of lines has taken the time in front
            timeless = (tuple(itertools.dropwhile(_OF_TIME.match, way)) for way in self._names)
            names = next((way for way in timeless if len(way) == len(cells)), None)
        if names is None:
            return None
        entry: Entry = {}
        for name, cell in zip(names, cells, strict=True):
            if cell[:1] == "[":
                listed = [number_of(one.strip()) for one in cell.strip("[]").split(",")]
                entry |= {f"{name}[{at}]": number for at, number in enumerate(listed) if number is not None}
                continue
            found = _NUMBER.search(cell) if cell else None
            number = number_of(found[0]) if found else None
            if number is not None and name:
                entry[name] = number
        return entry if len(entry) >= LARGEST_PART * len(full) and any(map(names_an_axis, entry)) else None


def _uncommented(line: str) -> tuple[str, ...]:
    """A line of names as it is, and without the sign in front that makes it a comment."""
    text = line.strip()
    return (text, text[1:].lstrip()) if text[0] in "#%" else (text,)


def _named(name: str) -> str:
    return _SHORT.get(name.lower(), name)


def _is_of_a_log(names: tuple[str, ...]) -> bool:
    return (
        len(set(filter(None, names))) == sum(map(bool, names)) >= FEWEST_COLUMNS
        and any(map(names_an_axis, names))
        and (any(map(tells, names)) or pair_of(names) is not None)
    )
