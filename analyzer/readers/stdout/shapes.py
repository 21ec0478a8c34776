"""Counters without a word for them: what lines of one shape count, told by how their numbers behave.

``Train loss 0 3.32``, ``[1 | 16.52] loss=3.37``, ``   1 train loss:  2.27``, ``(1000/40000) average loss: 1.03``. Lines
that differ in their digits only have one shape. A place of it is a counter where it holds whole numbers that go up from
row to row by one distance, and stands where a counter does: first in its line, before a constant total, or between a
name and the number that the name belongs to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
from msgspec import Struct

from analyzer.model import Floats
from analyzer.readers.stdout.counters import UNNAMED, Entry
from analyzer.readers.stdout.general import phase_of_a_line, prefixed
from analyzer.readers.stdout.laps import HEADING
from analyzer.readers.stdout.values import of_validation, tells, values_of

FEWEST_ROWS = 6  # of a shape; what fewer rows count by is chance
RISING = 0.9  # share of the rows behind which the count is higher
AT_ONE_DISTANCE = 0.8  # share of the rises that are equal, as a cadence of logging has them
MOST_SHAPES = 400  # of a file; a log has a few, prose as many as lines
MOST_NUMBERS = 60  # of a line
_NUMBER = re.compile(r"(?<![\w.])[+-]?\d++(?:\.\d*+)?(?:[eE][+-]?\d++)?(?![\w]*[A-Za-z_]\d)")
_BLANKS = re.compile(r"[ \t]++")
_WHOLE = re.compile(r"\d{1,15}")
_SLASH = re.compile(r"\s?/\s?")
_OPENED = re.compile(r"[\s\[(#|>*-]*+")
_A_VALUE_NEXT = re.compile(r"[\s:=]{1,8}")
_WORDS_AT_THE_END = re.compile(r"[A-Za-z][\w /-]{0,40}$")


class Uncounted(Struct, frozen=True, kw_only=True):
    """A line that says nothing of where in the run it was written but for its epoch."""

    row: int
    text: str  # without the epoch
    above: Entry  # what is known of it beside its numbers: its epoch, the one that stands above it
    rank: int = 0


def rows_of_shapes(lines: Sequence[Uncounted]) -> Iterator[tuple[int, str, Entry]]:
    """Line number, "shape" and what a line says, for lines of a shape that counts without a word."""
    shapes: dict[tuple[str, int], list[Uncounted]] = {}
    for line in lines:
        key = _BLANKS.sub(" ", _NUMBER.sub("\0", line.text)), line.rank
        if key in shapes or len(shapes) < MOST_SHAPES:
            shapes.setdefault(key, []).append(line)
    counts: set[str] = set()  # of the shapes with many rows; one of few may count by the same
    for (shape, _), told in sorted(shapes.items(), key=lambda one: -len(one[1])):
        if not 2 <= shape.count("\0") <= MOST_NUMBERS or (len(told) < FEWEST_ROWS and not counts):
            continue
        cells = [_NUMBER.findall(line.text) for line in told]
        place = _counting_place(shape, cells, counts)
        if place is not None:
            rows = list(_entries(told, place, total=_has_a_total(shape, place)))
            if len(told) >= FEWEST_ROWS and rows:
                counts |= {cell[place] for cell in cells}
            yield from rows


def _counting_place(shape: str, cells: Sequence[Sequence[str]], counts: set[str]) -> int | None:
    """Which number of a shape counts; None where none does. Where rows are few, all must be counts of other shapes."""
    between = shape.split("\0")
    for place in range(len(between) - 2):
        if not _may_count(between, place):
            continue
        written = [cell[place] for cell in cells]
        if not all(map(_WHOLE.fullmatch, written)):
            continue
        if _has_a_total(shape, place) and len({cell[place + 1] for cell in cells}) > 1:
            continue
        if counts.issuperset(written) if len(cells) < FEWEST_ROWS else _goes_up(np.array(written, dtype=np.float64)):
            return place
    return None


def _may_count(between: Sequence[str], place: int) -> bool:
    """Whether a counter may stand at a place: first, behind a ``#``, before a total, between a name and its number."""
    before, after = between[place], between[place + 1]
    if _SLASH.fullmatch(after):
        return not before.endswith("/")
    if before.endswith("#"):
        return True
    if place == 0 and _OPENED.fullmatch(before):
        return not after[:1].isalpha() and after[:1] not in ("/", ".", ":", "-")
    name = _WORDS_AT_THE_END.search(before.rstrip())
    return name is not None and tells(name[0].strip()) and _A_VALUE_NEXT.fullmatch(after) is not None


def _has_a_total(shape: str, place: int) -> bool:
    return _SLASH.fullmatch(shape.split("\0")[place + 1]) is not None


def _goes_up(count: Floats) -> bool:
    """Whether whole numbers rise from row to row by one distance, but for a few that begin again."""
    rise = np.diff(count)
    up = rise[rise > 0]
    if len(up) < RISING * len(rise) or not len(up):
        return False
    return float(np.mean(up == np.median(up))) >= AT_ONE_DISTANCE


def _entries(told: Sequence[Uncounted], place: int, *, total: bool) -> Iterator[tuple[int, str, Entry]]:
    """What lines say beside the count at a place. Where each has a figure of validation, it counts epochs."""
    rows: list[tuple[Uncounted, Entry, Entry]] = []
    for line in told:
        numbers = list(_NUMBER.finditer(line.text))
        found = numbers[place]
        of = numbers[place + 1] if total else found
        values = values_of(f"{line.text[: found.start()]} {line.text[of.end() :]}")
        phase = phase_of_a_line(line.text)
        values = values if phase is None else prefixed(values, phase)
        if any(map(tells, values)):
            count = {"step": int(found[0]), **({"total": int(of[0]), UNNAMED: 1} if total else {})}
            rows.append((line, {**line.above, **count}, values))
    labelled = any("epoch" in counters or HEADING in counters for _, counters, _ in rows)
    if not labelled and all(len(set(map(of_validation, values))) == 2 for _, _, values in rows):
        rows = [(line, _in_epochs(counters), values) for line, counters, values in rows]
    for line, counters, values in rows:
        prefix = f"rank{line.rank}/" if line.rank else ""
        yield line.row, "shape", {**counters, **{f"{prefix}{name}": value for name, value in values.items()}}


def _in_epochs(counters: Entry) -> Entry:
    return {{"step": "epoch", "total": "epochs"}.get(name, name): value for name, value in counters.items()}
