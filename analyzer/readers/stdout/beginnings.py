"""Where printed output says that its process began again: its first lines stand there a second time, or it tells of a
checkpoint that it loads.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Sequence

from msgspec import Struct

from analyzer.readers.text_file import Lines

HEAD = 20  # lines before the first record: what a process prints when it starts
WORDS = 2  # of letters, in a line of the head that says anything
BEGINNINGS_AT_MOST = 5  # in one file; what is printed more often is printed by a running process
MOST_OF_A_HEAD = 0.5  # of its lines: one that comes alone is an event that happened early as well
RECORDS_BETWEEN = 3  # of two beginnings
_NUMBERS = re.compile(r"\d[\d.,:+-]*+")
_WORD = re.compile(r"[A-Za-z]{3,}")
_RECURRING = re.compile(  # said by a running process, each time anew
    r"epoch|valid|eval|test|sav(?:e|ing)|overflow|skip|warn|error|nan\b|\bscale", re.I
)
_LOADS = re.compile(
    r"\b(?:resum|restor|load|reload|continu)(?:e|es|ed|ing|s)?\b.*"
    r"\b(?:checkpoint|ckpt|snapshot|weights|state|model|training|iteration|step|from)\b",
    re.I,
)
_NO_RESUME = re.compile(
    r"\b(?:best|pretrained|teacher|data|dataset|test|eval\w*|valid\w*|cannot|fail\w*|no|not)\b", re.I
)


class Beginnings(Struct, frozen=True, kw_only=True):
    """Line numbers of the first records behind each place where a process began again, by what shows it."""

    repeated: tuple[int, ...] = ()  # the lines that stand above the first record stand there again
    loaded: tuple[int, ...] = ()  # a line tells that a checkpoint was loaded


def beginnings(lines: Lines, rows: Sequence[int]) -> Beginnings:
    """Places behind the first record where lines of the head stand again or a resume is told.

    Lines at equal distances are a habit of one process, and so are many of them.

    Args:
        rows: 1-based line numbers of the records, ascending.
    """
    if not rows:
        return Beginnings()
    records = set(rows)
    parts, shapes = _head_of(lines, rows[0])
    repeated: list[tuple[int, str]] = []
    loaded: list[int] = []
    for number, line in enumerate(lines.lines[rows[0] :], start=rows[0] + 1):
        if number in records:
            continue
        if any(part in line for part in parts) and (shape := _shape(line)) in shapes:
            repeated.append((number, shape))
        elif _LOADS.search(line) and not _NO_RESUME.search(line):
            loaded.append(number)
    again: dict[int, set[str]] = {}  # by the records before them
    for number, shape in repeated:
        again.setdefault(bisect.bisect_right(rows, number), set()).add(shape)
    most = [at for at, found in again.items() if len(found) >= MOST_OF_A_HEAD * len(shapes)]
    told = {bisect.bisect_right(rows, number) for number in loaded}
    return Beginnings(repeated=_places(most, rows), loaded=_places(sorted(told), rows))


def heads_in(lines: Lines, first: int) -> list[int]:
    """Numbers of the lines, behind the first record, that stand above it as well: a process may begin at each."""
    parts, shapes = _head_of(lines, first)
    return [
        number
        for number, line in enumerate(lines.lines[first:], start=first + 1)
        if any(part in line for part in parts) and _shape(line) in shapes
    ]


def _head_of(lines: Lines, first: int) -> tuple[set[str], set[str]]:
    """Of the lines above the first record that say anything: their longest parts without a number, and their shapes."""
    head = [line for line in lines.lines[: first - 1][:HEAD] if _says(line)]
    return {max(_NUMBERS.split(line), key=len) for line in head}, {_shape(line) for line in head}


def _says(line: str) -> bool:
    return len(_WORD.findall(line)) >= WORDS and not _RECURRING.search(line)


def _shape(line: str) -> str:
    """A line with a sign for every number: banners differ in times and process numbers."""
    return _NUMBERS.sub("#", line).strip()


def _places(before: Sequence[int], rows: Sequence[int]) -> tuple[int, ...]:
    """The first record behind each place, given by the number of records before it; none where they are a habit."""
    behind = [at for at in before if at < len(rows)]
    between = [after - before for before, after in zip([0, *behind], [*behind, len(rows)], strict=True)]
    if not behind or len(behind) > BEGINNINGS_AT_MOST or min(between) < RECORDS_BETWEEN:
        return ()
    inner = between if len(behind) == 1 else between[:-1]
    if max(inner) - min(inner) <= 1:
        return ()
    return tuple(rows[at] for at in behind)
