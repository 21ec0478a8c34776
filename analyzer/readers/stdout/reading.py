"""Printed lines as a reading, and whether some lines tell of training.

``parse`` is pure. A line that no pattern knows is passed over: output holds anything. The last line counts only when
it was ended, since its last number may be cut. Rows are line numbers; of a line that a progress bar overwrote
(carriage returns) the last state counts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from analyzer.model import Fact, Marker, Problem, Source
from analyzer.readers import Reading
from analyzer.readers.columns import Dialect
from analyzer.readers.columns.entries import columns_of_entries
from analyzer.readers.columns.reading import interpret
from analyzer.readers.columns.step_axis import names_an_axis
from analyzer.readers.json_lines import TELLING_ROLES
from analyzer.readers.stdout.beginnings import beginnings
from analyzer.readers.stdout.entries import OVERWRITTEN, entries_of
from analyzer.readers.stdout.laps import TOTALS, axis_of
from analyzer.readers.stdout.patterns import GENERIC, WALL, Entry
from analyzer.readers.stdout.places import BAR
from analyzer.readers.stdout.programs import LINES
from analyzer.readers.text_file import Lines, decode, lines_of, unpack, unreadable, why_not_text
from analyzer.readers.whole_end import with_a_whole_end
from analyzer.roles import role_of_tag

_PLACES = frozenset({"batch", "step", "iter", "iteration", "samples", BAR})
_NUMBERS = re.compile(r"\d[\d.,:+-]*+(?:e[+-]?\d++)?+")
SHAPES_COMPARED = 20  # of the last rows, and the last of each kind: a cut line begins like one of them
SHORTEST_BEGINNING = 8  # signs; fewer begin lines of any kind
LINES_NEEDED = 3  # fewer lines that look like a step of training are chance
LINES_OF_PLACES = 5  # lines that name an epoch and a place in it are of a training, whatever else they call
LINES_OF_A_PROGRAM = 2  # lines of a shape that one program prints


def parse(data: bytes, name: str) -> Reading:
    """Printed lines as a reading; rows are 1-based line numbers."""
    unpacked = unpack(data, name)
    reason = why_not_text(unpacked.data)
    if reason:
        return unreadable(name, "stdout", reason, unpacked.problems)
    lines = lines_of(decode(with_a_whole_end(unpacked.data)))
    found: list[tuple[int, str, Entry]] = []
    declared: dict[str, list[int]] = {}
    odd: list[tuple[int, str]] = []
    for row, pattern, entry in entries_of(lines, odd):
        numbers = {key: value for key, value in entry.items() if key[:1] != "="}
        if "epochs" in numbers:
            declared.setdefault("epochs", []).append(numbers["epochs"])
        for key in entry.keys() - numbers.keys():
            declared.setdefault(key[1:], []).append(entry[key])
        if set(numbers) - {WALL}:
            found.append((row, pattern, numbers))
    patterns = Counter(pattern for _, pattern, _ in found)
    found = [one for one in found if one[1] not in GENERIC or patterns[one[1]] >= LINES_NEEDED or len(patterns) == 1]
    found, axis = axis_of(found)
    if axis.max_steps is not None:
        declared.setdefault("max_steps", []).append(axis.max_steps)
    rows = [row for row, _, _ in found]
    entries = [{key: value for key, value in entry.items() if key not in TOTALS} for _, _, entry in found]
    problems = [*unpacked.problems, *_left_out(odd, name), *_cut(lines, found, name)]
    if not entries:
        return unreadable(name, "stdout", "no line that tells of training", problems)
    if "rounded" in declared:
        reason = "a copy for the terminal, its steps are rounded to three digits; the logger's table has them"
        return unreadable(name, "stdout", reason, problems)
    by_name = {line.name: line for line in LINES}
    known = [by_name[one] for one, _ in patterns.most_common() if one in by_name]
    framework = next((line.framework for line in known if line.framework), None) or (
        "keras" if "keras" in patterns else None
    )
    dialect = Dialect(
        framework=framework,
        wall_column=WALL,
        elapsed_columns=tuple(one for line in known for one in line.elapsed),
        step_columns=(axis.column,) if axis.column else ("num_updates",) if framework == "fairseq" else (),
        counts=axis.counts,
        tags={"samples": "samples_in_epoch"} if axis.counts == "samples" else {},
    )
    facts = [
        Fact(key=key, value=values[0], found_in=f"{Path(name).name}")
        for key, values in declared.items()
        if len(set(values)) == 1 or key in ("dataset_size", "global_batch_size")
    ]
    begins = beginnings(lines, rows)
    markers = [Marker(source=0, row=row, kind="header-repeated") for row in begins.repeated]
    markers += [Marker(source=0, row=row, kind="resume-told") for row in begins.loaded if row not in begins.repeated]
    read = interpret(
        columns_of_entries(entries),
        np.array(rows, dtype=np.int64),
        markers=markers,
        dialect=dialect,
        problems=problems,
        facts=facts,
        source=Source(path=name, format="stdout", line_numbers=True),
    )
    if axis.redraws and read.source.step_axis == "row":
        return replace(read, source=replace(read.source, step_axis="redraw"))
    return read


def _left_out(odd: Sequence[tuple[int, str]], name: str) -> list[Problem]:
    """One problem for each reason for which lines were left out, at the first of them."""
    first: dict[str, int] = {}
    for row, reason in odd:
        first.setdefault(reason, row)
    count = Counter(reason for _, reason in odd)
    return [
        Problem(
            source=name,
            kind="corrupt" if reason == OVERWRITTEN and row > 1 else "row",
            row=row,
            message=f"{count[reason]} line{'s' if count[reason] > 1 else ''} {reason}, first line {row}: left out",
        )
        for reason, row in first.items()
    ]


def _cut(lines: Lines, found: Sequence[tuple[int, str, Entry]], name: str) -> list[Problem]:
    """The end of the output is named only where it is in the middle of a line that would have counted."""
    if lines.complete or not lines.lines or not found:
        return []
    ended = Lines(lines=lines.lines[-1:], complete=True)
    row = len(lines.lines)
    begun = _shape(lines.lines[-1]).rstrip("#")
    of_each_kind = {frozenset(entry): one for one, _, entry in found}.values()
    rows = (*(one for one, _, _ in found[-SHAPES_COMPARED:]), *of_each_kind)
    before = (_shape(lines.lines[one - 1]) for one in rows if one < row)
    alike = len(begun) >= SHORTEST_BEGINNING and any(shape.startswith(begun) for shape in before)
    if not alike and not any(True for _ in entries_of(ended)):
        return []
    return [
        Problem(
            source=name, kind="truncated", row=row, message=f"the output ends inside line {row}: that line is left out"
        )
    ]


def _shape(line: str) -> str:
    """A line with a sign for every number: what lines of one kind have in common."""
    return _NUMBERS.sub("#", line)


def tells_of_training(lines: Lines) -> bool:
    """Whether some lines count steps or epochs and name a loss, a learning rate or another figure of training."""
    telling: Counter[bool] = Counter()  # by a program's own pattern, by a generic one
    counted = False
    placed = 0
    for _, pattern, entry in entries_of(lines):
        keys = [key for key in entry if key[:1] != "="]
        placed += "epoch" in entry and not _PLACES.isdisjoint(keys)
        counted = counted or any(names_an_axis(key) or key == BAR for key in keys)
        telling[pattern not in GENERIC] += any(
            role_of_tag(key) in TELLING_ROLES or "acc" in key.lower() for key in keys
        )
        if telling[True] >= LINES_OF_A_PROGRAM or (telling[False] >= LINES_NEEDED and counted):
            return True
        if placed >= LINES_OF_PLACES:
            return True
    return False
