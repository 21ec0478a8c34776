"""Printed lines as the project's own ``[[line]]`` expressions read them: what no reader knows, and nothing else.

``parse`` is pure. The first expression that matches a line reads it. Rows are line numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analyzer.config.own_lines import COUNTERS, SECONDS, TIME, OwnLine, pattern_of
from analyzer.model import Problem, Source
from analyzer.readers import Reader, Reading
from analyzer.readers.columns import Dialect
from analyzer.readers.columns.entries import columns_of_entries
from analyzer.readers.columns.reading import interpret
from analyzer.readers.columns.step_axis import LARGEST_STEP
from analyzer.readers.columns.wall_time import seconds_of_stamp
from analyzer.readers.text_file import compressed, decode, lines_of, unpack, unreadable, why_not_text
from analyzer.readers.whole_end import with_a_whole_end
from analyzer.regular_files import content_of, opened
from analyzer.written_numbers import number_written

NAME = "own-lines"
WALL = "timestamp"
LONGEST_LINE = 10_000  # characters; nothing that people read is longer
BYTES_LOOKED_AT = 1 << 19  # of a file whose first lines match nothing: some programs print their own source first


def takes(path: Path, head: bytes, lines: Sequence[OwnLine]) -> bool:
    """Whether one of the expressions matches a line near the beginning of a file."""
    if not lines:
        return False
    if len(head) >= 4096:
        with opened(path) as stream:
            head = stream.read(BYTES_LOOKED_AT)
    text = unpack(head, "", most=BYTES_LOOKED_AT).data if compressed(head) else head
    if not text or why_not_text(text):
        return False
    patterns = [pattern_of(line.match) for line in lines]
    every = lines_of(decode(text)).lines
    return any(pattern.search(line) for line in every if len(line) <= LONGEST_LINE for pattern in patterns)


def parse(data: bytes, name: str, lines: Sequence[OwnLine]) -> Reading:
    """Printed lines as a reading; a last line without its end counts where its last number is whole."""
    unpacked = unpack(data, name)
    reason = why_not_text(unpacked.data)
    if reason:
        return unreadable(name, NAME, reason, unpacked.problems)
    text = lines_of(decode(with_a_whole_end(unpacked.data)))
    complete = text.lines if text.complete else text.lines[:-1]
    own = [(pattern_of(line.match), dict(line.units), dict(line.tags)) for line in lines]
    entries: list[dict[str, float]] = []
    rows: list[int] = []
    odd: list[tuple[int, str, str]] = []
    for row, line in enumerate(complete, start=1):
        shown = line.rsplit("\r", 1)[-1].rstrip()
        for pattern, units, tags in own if len(shown) <= LONGEST_LINE else ():
            if found := pattern.search(shown):
                entries.append(_entry(found.groupdict(), units, tags, row, odd))
                rows.append(row)
                break
    problems = list(unpacked.problems)
    if odd:
        row, group, said = odd[0]
        message = f"{len(odd)} groups of a [[line]] that hold no number, first {said[:40]!r} of {group!r}: left out"
        problems.append(Problem(source=name, kind="row", row=row, message=message))
    if not text.complete and any(pattern.search(text.lines[-1]) for pattern, _, _ in own):
        message = f"the output ends inside line {len(text.lines)}: that line is left out"
        problems.append(Problem(source=name, kind="truncated", row=len(text.lines), message=message))
    if not entries:
        return unreadable(name, NAME, "no line that a [[line]] of the configuration matches", problems)
    columns = {tags.get(group, group): unit for _, units, tags in own for group, unit in units.items()}
    axis = next((tag for tag, unit in columns.items() if unit in COUNTERS), None)
    return interpret(
        columns_of_entries(entries),
        np.array(rows, dtype=np.int64),
        dialect=Dialect(
            step_columns=(axis,) if axis else (),
            counts=COUNTERS[columns[axis]] if axis else None,  # type: ignore[arg-type]
            wall_column=WALL,
            elapsed_columns=tuple(tag for tag, unit in columns.items() if unit in SECONDS),
        ),
        problems=problems,
        source=Source(path=name, format=NAME, line_numbers=True),
        judge=False,
    )


def _entry(
    groups: dict[str, Any], units: dict[str, str], tags: dict[str, str], row: int, odd: list[tuple[int, str, str]]
) -> dict[str, float]:
    """The numbers of a line under their tags; a group that holds none is noted in ``odd``."""
    entry: dict[str, float] = {}
    for group, said in groups.items():
        if said is None:
            continue
        unit = units.get(group, "")
        text = said.strip()
        number = seconds_of_stamp(text) if unit == TIME else None
        if number is None:
            number = number_written(text.replace(",", "") if unit in COUNTERS else text)
        if number is None:
            odd.append((row, group, text))
            continue
        number *= SECONDS.get(unit, 1.0)
        whole = unit in COUNTERS and number.is_integer() and abs(number) < LARGEST_STEP
        entry[WALL if unit == TIME else tags.get(group, group)] = int(number) if whole else number
    return entry


def read(path: Path, lines: Sequence[OwnLine] = ()) -> Reading:
    """Read the output in one file."""
    return parse(content_of(path), str(path), lines)


READER = Reader(
    name=NAME,
    title="Lines of one's own",
    recognises=lambda path, head: False,  # by `takes`, with the configuration that lies beside or above the file
    read=read,
    recognised_by="text with a line that a `[[line]]` of `analyzer.toml` matches; no other reader is asked then",
    step="the first group whose unit is a counter: `update`, `batch`, `sample`, `token`, `epoch`, `call`",
    epoch="a group of that name or unit",
    learning_rate="as printed",
    priority=100,
)
