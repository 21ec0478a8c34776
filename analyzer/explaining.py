"""What the readers make of one file: who took it, which columns became what, and what was passed over."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from analyzer.config.files import settings_for
from analyzer.config.own_lines import lines_for, unmatched
from analyzer.model import Fact, Problem, Source
from analyzer.readers import Reading, own_lines, reader_for
from analyzer.readers.stdout.general import may_tell
from analyzer.readers.text_file import decode, lines_of, unpack, why_not_text
from analyzer.regular_files import content_of, opened
from analyzer.roles import role_of_tag

HEAD_BYTES = 4096  # that a reader recognises a file by
LARGEST = 64 << 20  # bytes of a text whose lines are gone through one by one
LINES_OF_A_KIND = 3  # shown
_NUMBERS = re.compile(r"\d[\d.,:eE+-]*+")
_BLANKS = re.compile(r"\s++")


class ExplainedColumn(Struct, frozen=True, kw_only=True):
    """A series of the file, and the part that it plays by its name."""

    tag: str
    points: int
    role: str | None
    first: str  # its first point: line or row, step, value


class Kind(Struct, frozen=True, kw_only=True):
    """Lines that differ only in their numbers, of which nothing was read."""

    count: int
    lines: tuple[tuple[int, str], ...]  # number and text of the first of them


class Explained(Struct, frozen=True, kw_only=True):
    """What the readers make of one file. ``reader`` is None where none knows it."""

    reader: str | None
    sources: tuple[Source, ...] = ()
    columns: tuple[ExplainedColumn, ...] = ()
    facts: tuple[Fact, ...] = ()
    problems: tuple[Problem, ...] = ()
    own_lines: str = ""  # that the configuration's expressions match none of its lines
    passed_over: tuple[Kind, ...] = ()  # of a text that is read line by line; the most frequent first


def explain(path: Path) -> Explained:
    """Read one file and tell what became of it.

    Raises:
        OSError: when it cannot be opened.
        BadConfig: when the configuration beside or above it cannot be followed.
    """
    with opened(path) as stream:
        head = stream.read(HEAD_BYTES)
    configured = settings_for(path.parent).lines
    lines = lines_for(configured, path.name)
    if own_lines.takes(path, head, lines):
        return _explained(path, own_lines.NAME, own_lines.read(path, lines), by_line=True)
    own = unmatched(configured, path.name)
    reader = reader_for(path, head)
    if reader is None:
        return Explained(reader=None, own_lines=own, passed_over=_kinds(path, set()))
    reading = reader.read(path)
    return replace(_explained(path, reader.name, reading, by_line=reading.source.format == "stdout"), own_lines=own)


def _explained(path: Path, reader: str, reading: Reading, *, by_line: bool) -> Explained:
    readings = [reading, *reading.runs]
    rows = {int(row) for one in readings for series in one.series for row in series.row.tolist()} if by_line else set()
    return Explained(
        reader=reader,
        sources=tuple(one.source for one in readings),
        columns=tuple(column for one in readings for column in _columns(one)),
        facts=tuple(fact for one in readings for fact in one.facts),
        problems=tuple(problem for one in readings for problem in one.problems),
        passed_over=_kinds(path, rows) if by_line else (),
    )


def _columns(reading: Reading) -> Iterable[ExplainedColumn]:
    place = "line" if reading.source.line_numbers else "row"
    for series in reading.series:
        if len(series):
            first = f"{place} {series.row[0]}, step {series.step[0]}, value {series.value[0]:.9g}"
            yield ExplainedColumn(tag=series.tag, points=len(series), role=role_of_tag(series.tag), first=first)


def _kinds(path: Path, taken: set[int]) -> tuple[Kind, ...]:
    """Lines of a text that were passed over, by kind; those with a word of training first."""
    if path.stat().st_size > LARGEST:
        return ()
    data = unpack(content_of(path), str(path)).data
    if why_not_text(data):
        return ()
    kinds: dict[str, list[tuple[int, str]]] = {}
    for number, line in enumerate(lines_of(decode(data)).lines, start=1):
        text = line.strip()
        if text and number not in taken:
            kinds.setdefault(_BLANKS.sub(" ", _NUMBERS.sub("0", text[:400])), []).append((number, text))
    ordered = sorted(kinds.values(), key=lambda lines: (not may_tell(lines[0][1]), -len(lines), lines[0][0]))
    return tuple(Kind(count=len(lines), lines=tuple(lines[:LINES_OF_A_KIND])) for lines in ordered)
