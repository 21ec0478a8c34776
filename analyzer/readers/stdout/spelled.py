"""``nan`` and ``inf`` in printed lines: numbers that are spelled as words.

Every pattern of a line knows digits. So that none takes such a word for a name, a phase or the end of a list, digits
that no measurement has stand in its place while the line is read.
"""

from __future__ import annotations

import math
import re

from analyzer.readers.stdout.patterns import Entry

_STAND_INS = {"n": "1.0e-280", "i": "1.0e-250"}  # so far apart that no unit (ms, %, thousands) makes one of the other
_SMALLEST = 1e-200  # what is logged is larger, or 0
_BETWEEN = 1e-265
_WORD = r"(?:nan|inf(?:inity)?)\b"
# train: nan, | nan 0.31, loss=-inf, [nan, 0.2], 1.21 nan nan; what stands in quotes is a text, and read as one
_SPELLED = re.compile(rf"(?<![\w.'\"+-])(?P<sign>[+-]?)(?P<word>{_WORD})(?!\s{{0,8}}[:=]|-|\.\w|/[a-z]|\(\w+\))", re.I)
# number of nan iterations: 0, inf in the gradients; but loss: nan lr: 0.1
_A_WORD_NEXT = re.compile(rf"\s{{1,8}}(?!{_WORD})[a-z]", re.I)
_A_NAME_NEXT = re.compile(r"\s{1,8}[a-z][\w/.-]{0,60}(?:\s{0,8}[:=]|\s{1,8}[+-]?[\d.])", re.I)


def in_digits(line: str) -> str:
    """A line in which digits stand for every number that is spelled."""
    return _SPELLED.sub(_stand_in, line)


def _stand_in(found: re.Match[str]) -> str:
    line, end = found.string, found.end()
    if _A_WORD_NEXT.match(line, end):
        assigned = line[max(0, found.start() - 9) : found.start()].rstrip()[-1:] in (":", "=")
        if not assigned or not _A_NAME_NEXT.match(line, end):
            return found[0]
    return found["sign"] + _STAND_INS[found["word"][0].lower()]


def as_spelled(entry: Entry) -> Entry:
    """An entry with the numbers that its line spelled."""
    return {name: _spelled(value) if type(value) is float else value for name, value in entry.items()}


def _spelled(value: float) -> float:
    size = abs(value)
    if not 0.0 < size < _SMALLEST:
        return value
    return math.nan if size < _BETWEEN else math.copysign(math.inf, value)
