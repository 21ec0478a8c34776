"""Printed lines as a reading, and whether some lines tell of training.

``parse`` is pure. A line that no pattern knows is passed over: output holds anything. The last line counts only when
it was ended, since its last number may be cut. Rows are line numbers; of a line that a progress bar overwrote
(carriage returns) the last state counts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from analyzer.model import Fact, Marker, Problem, Source
from analyzer.readers import Reading
from analyzer.readers.columns import Dialect
from analyzer.readers.columns.entries import columns_of_entries
from analyzer.readers.columns.reading import interpret
from analyzer.readers.columns.step_axis import names_an_axis
from analyzer.readers.stdout.beginnings import beginnings, heads_in
from analyzer.readers.stdout.behaviour import called_losses
from analyzer.readers.stdout.counters import COUNTERS, FOLD, PROGRESS
from analyzer.readers.stdout.entries import OVERWRITTEN, entries_of
from analyzer.readers.stdout.languages import in_english
from analyzer.readers.stdout.laps import TOTALS, Found, axis_of
from analyzer.readers.stdout.lists import lists_of
from analyzer.readers.stdout.patterns import GENERIC, WALL, Entry
from analyzer.readers.stdout.places import BAR, HEADING
from analyzer.readers.stdout.programs import LINES
from analyzer.readers.stdout.records import without_settings
from analyzer.readers.stdout.restarts import parts_of
from analyzer.readers.stdout.values import is_a_result, of_validation, pair_of
from analyzer.readers.text_file import Lines, decode, lines_of, unpack, unreadable, why_not_text
from analyzer.readers.whole_end import with_a_whole_end

_PLACES = frozenset({"batch", "step", "iter", "iteration", "samples", BAR})
_OF_THE_LINE = ("epoch", "epochs", HEADING, WALL)  # what is known of a line beside its numbers
_OF_A_PLAY = re.compile(r"score|return", re.I)
_NUMBERS = re.compile(r"\d[\d.,:+-]*+(?:e[+-]?\d++)?+")
ROUNDED = "a copy for the terminal, its steps are rounded to three digits; the logger's table has them"
SHAPES_COMPARED = 20  # of the last rows, and the last of each kind: a cut line begins like one of them
SHORTEST_BEGINNING = 8  # signs; fewer begin lines of any kind
LINES_NEEDED = 3  # fewer lines that look like a step of training are chance
EVENLY = 0.8  # of the distances between rows; the rest are lines of evaluations, or lost
LINES_OF_PLACES = 5  # lines that name an epoch and a place in it are of a training, whatever else they call
LINES_OF_A_PROGRAM = 2  # lines of a shape that one program prints


def parse(data: bytes, name: str) -> Reading:
    """Printed lines as a reading; rows are 1-based line numbers."""
    unpacked = unpack(data, name)
    reason = why_not_text(unpacked.data)
    if reason:
        return unreadable(name, "stdout", reason, unpacked.problems)
    lines = lines_of(in_english(decode(with_a_whole_end(unpacked.data))))
    found: list[Found] = []
    declared: dict[str, list[int]] = {}
    odd: list[tuple[int, str]] = []
    for row, pattern, entry in _in_order(entries_of(lines, odd)):
        numbers = {key: value for key, value in entry.items() if key[:1] != "="}
        if "epochs" in numbers:
            declared.setdefault("epochs", []).append(numbers["epochs"])
            declared.setdefault("labels", []).append(numbers.get("epoch", numbers["epochs"]))
        for key in entry.keys() - numbers.keys():
            declared.setdefault(key[1:], []).append(entry[key])
        if set(numbers) - {WALL}:
            found.append((row, pattern, numbers))
    _count_from_one(declared)
    if not found:
        found = list(lists_of(lines.lines if lines.complete else lines.lines[:-1], name))
    if declared.pop("told in thousands", None) and not _rise_evenly(found):
        found = [(row, form, {key: entry[key] for key in entry if key not in COUNTERS}) for row, form, entry in found]
    found = without_settings(found)
    patterns = Counter(pattern for _, pattern, _ in found)
    alone = len(patterns) == 1 and "object" not in patterns  # one dictionary is one of settings
    found = [one for one in found if one[1] not in GENERIC or patterns[one[1]] >= LINES_NEEDED or alone]
    problems = [*unpacked.problems, *_left_out(odd, name), *_cut(lines, found, name)]
    if not found or "rounded" in declared:
        return unreadable(name, "stdout", ROUNDED if found else "no line that tells of training", problems)
    writer = _writer(patterns)
    runs = _by_fold(found, heads_in(lines, found[0][0]))
    source = Source(path=name, format="stdout", line_numbers=True)
    if len(runs) == 1:
        return _reading_of(found, lines, writer, declared, problems, source)
    readings = [_reading_of(own, lines, writer, declared, (), replace(source, view=fold)) for fold, own in runs.items()]
    return Reading(source=replace(source, records=len(found)), problems=tuple(problems), runs=tuple(readings))


def _rise_evenly(found: Sequence[Found]) -> bool:
    """Whether steps that are told in thousands lie as far apart as the others: nothing was lost of them.

    Otherwise, of a step of 1K, only the order of its rows is known.
    """
    counts = [next((float(entry[name]) for name in entry if name in COUNTERS), None) for _, _, entry in found]
    rises = np.diff([count for count in counts if count is not None])
    return len(rises) > 0 and bool((rises > 0).all()) and float(np.mean(rises == np.median(rises))) >= EVENLY


def _count_from_one(declared: dict[str, list[int]]) -> None:
    """Make a number of epochs that is the last label, where labels count from 0, the number of them.

    A headline ``Epoch 0/24`` is printed of 25 epochs as well as of 24: it says nothing until the last.
    """
    labels, heads = declared.pop("labels", []), declared.pop("heads", [])
    epochs = declared.get("epochs", [])
    if not epochs or 0 not in (*labels, *heads):
        return
    if set(epochs) == {max([*labels, *heads])}:
        declared["epochs"] = [epochs[0] + 1]
    elif not labels:
        del declared["epochs"]


class _Writer(Struct, frozen=True, kw_only=True):
    """What the patterns of the lines tell of the program that wrote them."""

    framework: str | None
    elapsed: tuple[str, ...]


def _writer(patterns: Counter[str]) -> _Writer:
    by_name = {line.name: line for line in LINES}
    known = [by_name[one] for one, _ in patterns.most_common() if one in by_name]
    framework = next((line.framework for line in known if line.framework), None) or (
        "keras" if "keras" in patterns else None
    )
    return _Writer(framework=framework, elapsed=tuple(one for line in known for one in line.elapsed))


def _by_fold(found: list[Found], heads: Sequence[int]) -> dict[str, list[Found]]:
    """The lines of each fold of a cross-validation, or of each trial, which is a run of its own; else all of them.

    A fold that comes back after another one, or begins its epochs again, is of the next cross-validation.
    """
    runs: dict[str, list[Found]] = {}
    seen: set[str] = set()
    now, again, label = "", 0, 0
    for row, pattern, entry in found:
        name = entry.pop(FOLD, now)
        epoch = entry.get("epoch", label if name == now else 0)
        if name.startswith(FOLD) and (name in seen if name != now else epoch <= 1 < label - 1):
            seen, again = set(), again + 1
        now, label = name, epoch
        seen.add(name)
        runs.setdefault(f"{name} ({again + 1})" if again and name else name, []).append((row, pattern, entry))
    named = {name: own for name, own in runs.items() if name and len(own) >= LINES_NEEDED}
    if len(named) < 2 or not (all(name.startswith(FOLD) for name in named) or _start_alike(list(named.values()))):
        parts = parts_of(found, heads)
        return {f"run {at}" if len(parts) > 1 else "": part for at, part in enumerate(parts, start=1)}
    return named if len(runs.get("", ())) < LINES_NEEDED else {"": runs[""], **named}


def _start_alike(runs: Sequence[Sequence[Found]]) -> bool:
    """Whether some runs count from the same number: a process that went on counts from where the last one was."""
    names = (*COUNTERS, "epoch")
    counts = ([{name: entry[name] for name in names if name in entry} for _, _, entry in run] for run in runs)
    starts = [next(filter(None, of_run), {}) for of_run in counts]
    return bool(starts[0]) and all(start == starts[0] for start in starts)


def _reading_of(
    found: list[Found],
    lines: Lines,
    writer: _Writer,
    declared: Mapping[str, Sequence[int]],
    problems: Sequence[Problem],
    source: Source,
) -> Reading:
    """The lines of one run as a reading."""
    called_losses([entry for _, _, entry in found])
    found, axis = axis_of(found)
    _without_what_is_never_there([entry for _, _, entry in found])
    declared = dict(declared)
    if axis.max_steps is not None:
        declared.setdefault("max_steps", [axis.max_steps])
    dialect = Dialect(
        framework=writer.framework,
        wall_column=WALL,
        elapsed_columns=writer.elapsed,
        step_columns=(axis.column,) if axis.column else ("num_updates",) if writer.framework == "fairseq" else (),
        counts=axis.counts,
        tags={"samples": "samples_in_epoch"} if any("of" in entry for _, _, entry in found) else {},
    )
    facts = [
        Fact(key=key, value=values[0], found_in=f"{Path(source.path).name}")
        for key, values in declared.items()
        if len(set(values)) == 1 or key in ("dataset_size", "global_batch_size")
    ]
    rows = [row for row, _, _ in found]
    begins = beginnings(lines, rows)
    markers = [Marker(source=0, row=row, kind="header-repeated") for row in begins.repeated]
    markers += [Marker(source=0, row=row, kind="resume-told") for row in begins.loaded if row not in begins.repeated]
    read = interpret(
        columns_of_entries([{k: v for k, v in entry.items() if k not in TOTALS} for _, _, entry in found]),
        np.array(rows, dtype=np.int64),
        markers=markers,
        dialect=dialect,
        problems=problems,
        facts=facts,
        source=source,
    )
    if axis.redraws and read.source.step_axis == "row":
        return replace(read, source=replace(read.source, step_axis="redraw"))
    return read


def _without_what_is_never_there(entries: Sequence[Entry]) -> None:
    """Take away figures of validation that no row has, although those of training are finite: nothing was validated."""
    finite = {name for entry in entries for name, value in entry.items() if isinstance(value, int) or value == value}
    of_training = {name for entry in entries for name, value in entry.items() if value != value}
    never = {name for name in of_training - finite if of_validation(name)}
    if never and not of_training - never:
        for entry in entries:
            for name in never & entry.keys():
                del entry[name]


def _in_order(told: Iterable[tuple[int, str, Entry]]) -> list[tuple[int, str, Entry]]:
    """Lines in their order; what is told of a line by its shape, which counts, replaces what was told without."""
    told = list(told)
    labels = {row: entry for row, pattern, entry in told if pattern == "label"}
    told = [(row, pattern, {**entry, **labels.get(row, {})}) for row, pattern, entry in told if pattern != "label"]
    counted = {row for row, pattern, _ in told if pattern == "shape"}
    if not counted:
        return sorted(told, key=lambda one: one[0])
    above = {row: {key: entry[key] for key in _OF_THE_LINE if key in entry} for row, _, entry in told if row in counted}
    kept = [
        (row, pattern, {**above[row], **entry} if pattern == "shape" else entry)
        for row, pattern, entry in told
        if row not in counted or pattern == "shape"
    ]
    return sorted(kept, key=lambda one: one[0])


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


def tells_of_training(lines: Lines, file_name: str = "") -> bool:
    """Whether some lines count steps or epochs and name a loss, a learning rate or another figure of training, or are
    lists of losses by their name, or that of the file."""
    telling: Counter[bool] = Counter()  # by a program's own pattern, by a generic one
    counted = False
    placed = 0
    unnamed: list[Entry] = []
    for _, pattern, entry in entries_of(lines):
        keys = [key for key in entry if key[:1] != "="]
        placed += "epoch" in entry and not _PLACES.isdisjoint(keys)
        counted = counted or any(names_an_axis(key) or key in (BAR, PROGRESS) for key in keys)
        of_play = "episode" in entry and any(_OF_A_PLAY.search(key) for key in keys)
        telling[pattern not in GENERIC] += of_play or any(map(is_a_result, keys)) or pair_of(keys) is not None
        if telling[True] >= LINES_OF_A_PROGRAM or (telling[False] >= LINES_NEEDED and counted):
            return True
        if placed >= LINES_OF_PLACES:
            return True
        unnamed.append(entry)
    return called_losses(unnamed) or (not unnamed and any(True for _ in lists_of(lines.lines, file_name)))
