"""Lines that count without a counter's word, as entries: ``Train loss 0 3.32``, ``[1 | 16.52] loss=3.37``,
``   1 train loss:  2.27``, ``(1000/40000) average loss: 1.03``, ``0 24 0.6931``, ``786M tokens | loss 3.2``.

What counts is learnt from the lines of one template (``templates``). What has no name is a figure by its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from msgspec import Struct

from analyzer.readers.stdout.behaviour import UNNAMED as UNNAMED_FIGURE
from analyzer.readers.stdout.behaviour import called_losses
from analyzer.readers.stdout.counters import COUNTERS, PLACES, UNNAMED, Entry
from analyzer.readers.stdout.general import OF_TRAINING, PHASE, phase_of_a_line, prefixed
from analyzer.readers.stdout.patterns import WALL
from analyzer.readers.stdout.places import HEADING
from analyzer.readers.stdout.templates import (
    A_PHASE,
    FEWEST_ROWS,
    MARK,
    NO_WORDS,
    NUMBER,
    Counted,
    counted_by,
    label_beside,
    number_in,
    template_of,
)
from analyzer.readers.stdout.values import of_validation, tells, values_of
from analyzer.roles import MEASURED, role_of_tag

MOST_SHAPES = 400  # of a file; a log has a few, prose as many as lines
MOST_NUMBERS = 60  # of a line
_NO_FIGURES = COUNTERS | PLACES | {WALL}


class Uncounted(Struct, frozen=True, kw_only=True):
    """A line that says nothing of where in the run it was written but for its epoch."""

    row: int
    text: str  # without the epoch
    above: Entry  # what is known of it beside its numbers: its epoch, the one that stands above it
    rank: int = 0
    told: bool = False  # whether what it says is known, but for where in the epoch it was written
    place: float | None = None  # in an epoch without a label; its numbers are told


def rows_of_shapes(lines: Sequence[Uncounted]) -> Iterator[tuple[int, str, Entry]]:
    """Line number, "shape" and what a line says, for lines of a template that counts without a word."""
    shapes: dict[tuple[str, int, bool], list[Uncounted]] = {}
    for line in lines:
        key = template_of(line.text), line.rank, line.place is not None
        if key in shapes or len(shapes) < MOST_SHAPES:
            shapes.setdefault(key, []).append(line)
    yield from _in_epochs(list(_rows_of_shapes(shapes)))


def _rows_of_shapes(shapes: Mapping[tuple[str, int, bool], Sequence[Uncounted]]) -> Iterator[tuple[int, str, Entry]]:
    counts: set[str] = set()  # of the shapes with many rows; one of few may count by the same
    for (shape, _, placed), told in sorted(shapes.items(), key=lambda one: -len(one[1])):
        if not 1 <= shape.count(MARK) <= MOST_NUMBERS or (len(told) < FEWEST_ROWS and not counts):
            continue
        cells = [NUMBER.findall(line.text) for line in told]
        if placed:
            yield from _labels(shape, cells, told)
            continue
        labelled = _each_with_its_count(told)
        counted = counted_by(shape, cells, counts, labelled=labelled) if shape.count(MARK) > 1 else None
        if counted is not None:
            rows = list(_entries(told, counted))
            if len(told) >= FEWEST_ROWS and rows:
                counts |= {cell[counted.place] for cell in cells}
            yield from rows
        elif labelled and not any(line.told for line in told):
            yield from _figures(told)


def _labels(shape: str, cells: Sequence[Sequence[str]], told: Sequence[Uncounted]) -> Iterator[tuple[int, str, Entry]]:
    """The epoch of lines that tell a place alone, where a number of theirs goes up as the place begins again."""
    label = label_beside(shape, cells, [line.place or 0.0 for line in told])
    if label is not None:
        for line, cell in zip(told, cells, strict=True):
            yield line.row, "label", {"epoch": int(number_in(cell[label]))}


def _each_with_its_count(told: Sequence[Uncounted]) -> bool:
    """Whether each line tells a count of its own."""
    names = ("epoch", "batch", *sorted({name for line in told for name in COUNTERS & line.above.keys()}))
    counts = {tuple(line.above.get(name) for name in names) for line in told}
    return len(counts) == len(told) and not any({None} == set(count) for count in counts)


def _figures(told: Sequence[Uncounted]) -> Iterator[tuple[int, str, Entry]]:
    """What lines say that have a counter, and names that nobody knows, or none: figures of which one is a loss."""
    rows: list[Entry] = []
    for line in told:
        values = values_of(line.text, sure=True)
        if not values:
            numbers = enumerate(NUMBER.findall(line.text), start=1)
            values = {f"{UNNAMED_FIGURE}{at}": number_in(one) for at, one in numbers}
        rows.append({**line.above, **values})
    if not any(line.rank for line in told) and called_losses(rows):
        yield from ((line.row, "shape", entry) for line, entry in zip(told, rows, strict=True))


def _entries(told: Sequence[Uncounted], counted: Counted) -> Iterator[tuple[int, str, Entry]]:
    """What lines say beside what they count."""
    unnamed = all(NO_WORDS.fullmatch(line.text) or A_PHASE.fullmatch(NUMBER.sub("", line.text)) for line in told)
    rows: list[tuple[Uncounted, Entry, Entry]] = []
    for line in told:
        numbers = list(NUMBER.finditer(line.text))
        counters = _counters(counted, [one[0] for one in numbers])
        first = counted.place if counted.label is None else counted.label
        last = counted.place + counted.total
        sign = " | " if counted.apart else " "
        values = values_of(f"{line.text[: numbers[first].start()]}{sign}{line.text[numbers[last].end() :]}")
        if unnamed:
            figures = numbers[:first] + numbers[last + 1 :]
            values = {f"{UNNAMED_FIGURE}{at}": number_in(one[0]) for at, one in enumerate(figures, start=1)}
        if values:
            rows.append((line, {**line.above, **counters}, values))
    telling = [row for row in rows if any(tells(tag) and role_of_tag(tag) not in MEASURED for tag in row[2])]
    if not telling and called_losses([{**counters, **values} for _, counters, values in rows]):
        telling = rows
    rows = [(line, counters, _of_its_phase(line.text, counted.place, values)) for line, counters, values in telling]
    for line, counters, values in rows:
        prefix = f"rank{line.rank}/" if line.rank else ""
        yield line.row, "shape", {**counters, **{f"{prefix}{tag}": value for tag, value in values.items()}}


def _counters(counted: Counted, written: Sequence[str]) -> Entry:
    """What a line counts, by the names that the grammar's counters have."""
    place = int(number_in(written[counted.place]))
    total = int(number_in(written[counted.place + 1])) if counted.total else 0
    if counted.label is not None:
        return {"epoch": int(written[counted.label]), "batch": place, **({"batches": total} if total else {})}
    return {counted.name: place, **({"total": total, UNNAMED: 1} if total else {})}


def _of_its_phase(text: str, place: int, values: dict[str, float]) -> dict[str, float]:
    """The values of a line with the phase other than training that it names, or that stands in front of its count."""
    phase = phase_of_a_line(text)
    if phase is None:
        head = text[: list(NUMBER.finditer(text))[place].start()]
        found = PHASE.search(head)
        phase = found[1] if found and not OF_TRAINING.search(head) else None
    return values if phase is None else prefixed(values, phase)


def _in_epochs(rows: Sequence[tuple[int, str, Entry]]) -> Iterator[tuple[int, str, Entry]]:
    """Rows by their epoch, where what they count goes up by one and has figures of training and of validation."""
    of_phase: dict[bool, list[int]] = {True: [], False: []}
    for _, _, entry in rows:
        for phase in {of_validation(name) for name in entry.keys() - _NO_FIGURES} if "step" in entry else ():
            of_phase[phase].append(entry["step"])
    labelled = any("epoch" in entry or HEADING in entry for _, _, entry in rows)
    trained, validated = sorted(set(of_phase[False])), set(of_phase[True])
    if labelled or not trained or set(np.diff(trained)) != {1} or set(trained) != validated:
        yield from rows
        return
    called = {"step": "epoch", "total": "epochs"}
    for row, pattern, entry in rows:
        yield row, pattern, {called.get(name, name): value for name, value in entry.items()}
