"""Tables whose columns are set apart by blanks: a line of names, and lines of as many numbers somewhere below it.

spaCy prints one, DeePMD-kit writes one as a file, ParlAI prints a new one for every row. A line of names counts when
one of them is a counter and one tells of training.
"""

from __future__ import annotations

import re

from analyzer.readers.columns.step_axis import names_an_axis
from analyzer.readers.stdout.general import tells
from analyzer.readers.stdout.patterns import Entry, number_of

FEWEST_COLUMNS = 3  # two numbers stand side by side in lines of any kind
_NAMES = re.compile(r"^\s*+(?:[#%]\s*+)?(?:[A-Za-z#][\w./%()#-]*+(?:\s++|$)){3,}+$")
_CELLS = re.compile(r"^\s*+(?:(?:[+-]?[\d.][\d.eE+-]*+%?|[+-]?nan|[+-]?inf|-)(?:\s++|$)){3,}+$", re.I)
_WIDE = re.compile(r"\s{2,}|\t")
_SHORT = {"#": "step", "e": "epoch"}  # names of spaCy's training table, spacy/training/loggers.py


class Tables:
    """The last line of names seen, for the lines of numbers below it."""

    def __init__(self) -> None:
        self._names: tuple[tuple[str, ...], ...] = ()  # the ways in which the line of names can be divided

    def entry_of(self, line: str) -> Entry | None:
        """The numbers of a line by the names above it; None where it is no row of a table."""
        if _NAMES.match(line):
            ways = {tuple(_WIDE.split(text)) for text in _uncommented(line)} | {
                tuple(text.split()) for text in _uncommented(line)
            }
            self._names = tuple(way for way in (tuple(map(_named, way)) for way in sorted(ways)) if _is_of_a_log(way))
            return None
        if not self._names or not _CELLS.match(line):
            return None
        cells = line.split()
        names = next((way for way in self._names if len(way) == len(cells)), None)
        if names is None:
            return None
        numbers = zip(names, map(number_of, (cell.rstrip("%") for cell in cells)), strict=True)
        return {name: number for name, number in numbers if number is not None}


def _uncommented(line: str) -> tuple[str, ...]:
    """A line of names as it is, and without the sign in front that makes it a comment."""
    text = line.strip()
    return (text, text[1:].lstrip()) if text[0] in "#%" else (text,)


def _named(name: str) -> str:
    return _SHORT.get(name.lower(), name)


def _is_of_a_log(names: tuple[str, ...]) -> bool:
    return (
        len(set(names)) == len(names) >= FEWEST_COLUMNS and any(map(names_an_axis, names)) and any(map(tells, names))
    )
