"""Printed lines to entries: single lines by their pattern, and the few shapes that span several lines."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence

from analyzer.readers.stdout.below import LinesBelow
from analyzer.readers.stdout.blocks import OpenBlock
from analyzer.readers.stdout.counters import (
    COUNTERS,
    FOLD,
    PLACES,
    PROGRESS,
    bar_of,
    counters_of,
    fold_of,
    may_hold_a_bar,
)
from analyzer.readers.stdout.counting import PLACES_AND_TOTALS
from analyzer.readers.stdout.general import entry_of, may_tell, phase_of_a_bar, phase_of_a_line, rank_of, without_logger
from analyzer.readers.stdout.passed import Clock
from analyzer.readers.stdout.patterns import (
    ASSIGNED,
    GENERIC,
    Entry,
    pairs_of,
)
from analyzer.readers.stdout.places import BAR, BARS, HEADING
from analyzer.readers.stdout.programs import BELOW_AN_EPOCH, Patterns, begins_as_known
from analyzer.readers.stdout.records import (
    BOX_EDGE,
    BOX_SIGNS,
    OPENING,
    SIGNS_OF_A_DICTIONARY,
    Records,
    box_at,
    of_named_dictionaries,
    olmo_at,
    two_phases_at,
)
from analyzer.readers.stdout.shapes import Uncounted, rows_of_shapes
from analyzer.readers.stdout.spelled import as_spelled, in_digits
from analyzer.readers.stdout.stamps import (
    PART_OF_A_STAMP,
    STAMP,
    at_the_time,
    behind_the_stamp,
    stamp_of,
    without_stamp,
)
from analyzer.readers.stdout.tables import Tables
from analyzer.readers.stdout.terminal import ANSI, shown, states_of
from analyzer.readers.stdout.values import values_of
from analyzer.readers.text_file import Lines
from analyzer.written_numbers import MOST_DIGITS, holds_a_number_beyond_a_double

OVERWRITTEN = "with NUL bytes, which the file system left where a write was not finished"
LONGEST_LINE = 10_000  # characters; nothing that people read is longer
LONGEST_NAME_OF_A_PHASE = 60  # characters, with the signs around it
_NUMERIC = re.compile(r"\d|\bnan\b|\binf", re.I)
_KERAS_EPOCH = re.compile(r"^\s*+Epoch (\d{1,15})/(\d{1,15})\s*+$")
_KERAS_BAR = re.compile(r"^\s*+(\d{1,15})/(\d{1,15}) (?:\[[=>.\s]++\]|[━\s]++|-) ?.*?(?:s|step|-)\b")
# torch's schedulers with ``verbose``: once as they are made, and at each step of theirs
_ADJUSTED = re.compile(r"Adjusting learning rate of group 0 to (\d{1,3}(?:\.\d{1,10})?(?:e[+-]\d{1,3})?)\.?$")
# allennlp/training/util.py and tensorboard_writer.py: a figure a line, its value in training and in validation
_TWO_PHASES = re.compile(r"(?:^|\s)Training \|\s{1,9}Validation\s*+$")
_OLMO = re.compile(r"\[step=(\d{1,15})(?:/(\d+))?(?:,epoch=(\d+)(?:/\d+)?)?\]\s*+$")


def entries_of(lines: Lines, odd: list[tuple[int, str]] | None = None) -> Iterator[tuple[int, str, Entry]]:
    """Line number, name of the pattern and numbers of every line, or block of lines, that a pattern knows.

    Keys that begin with ``=`` are declarations. Lines that begin as one that counts and are left out for their length
    go to ``odd``, each with the reason.
    """
    complete = lines.lines if lines.complete else lines.lines[:-1]
    for row, form, entry in _entries_of([in_digits(line) for line in complete], odd):
        yield row, form, as_spelled(entry)


def _entries_of(complete: Sequence[str], odd: list[tuple[int, str]] | None) -> Iterator[tuple[int, str, Entry]]:
    patterns = Patterns()
    keras_epoch: int | None = None
    block = OpenBlock()
    fold: str | None = None
    tables = Tables()
    uncounted: list[Uncounted] = []
    rates: deque[float] = deque()  # told without a counter, each for the next row that has one
    records = Records(complete)
    clock = Clock()
    times: dict[int, Entry] = {}  # by the number of the line, of those that count without a word
    below = LinesBelow()
    dictionary: tuple[str, Entry] = ("", {})  # the last one that was printed over several lines, and what counted it
    alone: Entry = {}  # the counters of a line that tells nothing else, which count for a dictionary below it
    alone_at = -2
    index = -1
    while (index := index + 1) < len(complete):
        line = shown(complete[index])
        if (len(line) > MOST_DIGITS or "\0" in line) and (reason := _left_out(line)):
            if odd is not None and (len(line) <= LONGEST_LINE or _counts(line[:LONGEST_LINE])):
                odd.append((index + 1, reason))
            continue
        if "\0" in line:
            if odd is not None:
                odd.append((index + 1, OVERWRITTEN))
            line = line[line.rindex("\0") + 1 :]  # what stands behind them, and has a counter of its own, is whole
            told = entry_of(line) if counters_of(line)[0] else None
            if told is not None:
                yield index + 1, "general", told
            continue
        begun = STAMP.match(line)
        row = tables.entry_of(behind_the_stamp(line, begun) if begun else line)
        if row:
            yield index + 1, "table", at_the_time(row, begun)
            continue
        begins, form = index, ""
        if line[-1:] in OPENING and (record := records.record_at(index, line)) is not None:
            index = record.end - 1
            if record.entry is not None:
                yield begins + 1, record.form, record.entry
                continue
            if record.form and (record.text, alone) == dictionary:
                continue  # another handler's copy
            dictionary = (record.text, alone)
            if record.form and begins == alone_at + 1 and not counters_of(record.text)[0]:
                yield begins + 1, record.form, {**alone, **values_of(record.text)}
                continue
            line, form = record.text, record.form
        if not _NUMERIC.search(line):
            if line and len(line) <= LONGEST_NAME_OF_A_PHASE:
                block.see_phase(line)
            if BOX_EDGE.match(line.translate(BOX_SIGNS)):
                end, entry = box_at(complete, index + 1)
                if entry:
                    yield index + 2, "box", entry
                    index = end - 1
            continue
        head = _KERAS_EPOCH.match(line) if "poch" in line else None
        if head:
            keras_epoch = int(head[1])
            block.open({"epoch": keras_epoch})
            yield index + 1, "keras", {"=epochs": int(head[2]), "=heads": keras_epoch}
            continue
        if keras_epoch is not None and (bar := _KERAS_BAR.match(line)):
            values = pairs_of(ASSIGNED, line[bar.end() - 1 :], {})
            if values and bar[1] == bar[2]:  # else a state of it
                yield index + 1, "keras", {"epoch": keras_epoch, **values, "=steps_per_epoch": int(bar[2])}
            continue
        if block.counters and line.rstrip().endswith("Validation") and _TWO_PHASES.search(line):
            end, values = two_phases_at(complete, index + 1)
            if values:
                label = {"epoch": block.counters["epoch"]} if "epoch" in block.counters else {}
                yield index + 2, "allennlp", {**label, **values}  # its total is the number of the last epoch
                index = end - 1
            continue
        opened = _OLMO.search(line) if "[step=" in line else None
        if opened:
            end, values = olmo_at(complete, index + 1)
            if values:
                label = {"epoch": int(opened[3])} if opened[3] else {}
                yield index + 1, "olmo", {"step": int(opened[1]), **label, **values}
                index = end - 1
            continue
        if "\r" in complete[index]:
            yield from _earlier_states(complete[index], index + 1, block.heading, clock)
        painted = None
        if may_hold_a_bar(line):
            painted = bar_of(line) if not phase_of_a_bar(line) else None
        rank, line = rank_of(line)
        named, line = fold_of(line)
        if named is not None and named != fold:
            fold, block = named, OpenBlock()
        stamp = stamp_of(line)
        text = without_stamp(line, stamp) if stamp else PART_OF_A_STAMP.sub("", line)
        if text[:9] == "Adjusting" and (adjusted := _ADJUSTED.match(text)) is not None:
            rates.append(float(adjusted[1]))
            continue
        name, told = _told(patterns, block, text)
        name = form or name
        if painted is not None:
            told = {**(told or {}), BAR: painted[0], BARS: painted[1]}
        if told is not None and _has_a_place(told):
            dictionary = ("", {})
        elif told is None or name in GENERIC:
            text = without_logger(text)
            counters, rest = counters_of(SIGNS_OF_A_DICTIONARY.sub("", text) if "': " in text else text)
            if told is None and not COUNTERS.isdisjoint(counters):
                alone, alone_at = counters, index
            if fold is not None:
                counters = {FOLD: fold, **counters}
            above = counters if counters or block.heading is None else {HEADING: block.heading}
            known = told is not None
            times[begins + 1] = clock.at(at_the_time({}, stamp), line)
            uncounted.append(Uncounted(row=begins + 1, text=rest, above=above, rank=rank or 0, told=known))
            if not (known or rank or counters.keys() - {FOLD}) and block.is_open:
                below.see(begins + 1, rest, {**({} if fold is None else {FOLD: fold}), **block.counters})
        if told is not None and name in GENERIC and "epoch" not in told and (place := _place_below_a_total(told)):
            rest = counters_of(text)[1]
            uncounted.append(Uncounted(row=begins + 1, text=rest, above={}, rank=rank or 0, place=place[0]))
        if told is None:
            continue
        if rates and ("epoch" in told or _has_a_place(told)):
            told.setdefault("lr", rates.popleft())
        if rank:
            told = {key if _of_all_ranks(key) else f"rank{rank}/{key}": value for key, value in told.items()}
        if fold is not None:
            told[FOLD] = fold
        if block.counters:
            below.count({**({} if fold is None else {FOLD: fold}), **block.counters})
        yield begins + 1, name, clock.at(at_the_time(told, stamp), line)
    yield from below.rows()
    for at, shape, entry in rows_of_shapes(uncounted):
        yield at, shape, {**times.get(at, {}), **entry}


def _earlier_states(raw: str, row: int, heading: object, clock: Clock) -> Iterator[tuple[int, str, Entry]]:
    """What the states said that a line painted over: numbers at a place of their own, in the phase of training.

    Of a place that was painted several times the last state counts.
    """
    states = [state for state in states_of(raw) if len(state) <= LONGEST_LINE]
    told = [entry_of(ANSI.sub("", state)) for state in states]
    places = [bar_of(state) or _place_of(entry) for state, entry in zip(states, told, strict=True)]
    for at, (state, entry) in enumerate(zip(states[:-1], told, strict=False)):
        place = places[at]
        if place is None or entry is None or place == places[at + 1] or phase_of_a_line(state) or _not_begun(entry):
            continue
        bar = bar_of(state)
        if heading is not None and "epoch" not in entry:
            entry[HEADING] = heading
        yield row, "general", clock.at(entry if bar is None else {**entry, BAR: bar[0], BARS: bar[1]}, state)


def _not_begun(entry: Entry) -> bool:
    """Whether a bar was painted before its first batch: its place is 0, and so is every figure."""
    return _has_a_place(entry) and not any(value for key, value in entry.items() if key not in ("epoch", "epochs"))


def _place_of(entry: Entry | None) -> tuple[object, ...] | None:
    """The counters of a line."""
    if entry is None or not (_has_a_place(entry) or PROGRESS in entry or "epoch" in entry):
        return None
    return tuple(sorted((key, entry[key]) for key in entry if key in COUNTERS or key in PLACES))


def _has_a_place(entry: Entry) -> bool:
    """Whether a line says where in the run it was written, by more than an epoch."""
    return not COUNTERS.isdisjoint(entry) or "batch" in entry or "samples" in entry or BAR in entry


def _place_below_a_total(told: Entry) -> tuple[float] | None:
    """The place of a line that tells how many there are: it may be one of each epoch."""
    found = (told.get(place) for place, total in PLACES_AND_TOTALS if total in told)
    return next(((place,) for place in found if isinstance(place, int | float)), None)


def _counts(text: str) -> bool:
    """Whether a line counts something, whatever else it says."""
    return begins_as_known(text) or bool(counters_of(text)[0])


def _told(patterns: Patterns, block: OpenBlock, text: str) -> tuple[str, Entry | None]:
    """What a line says by a program's own pattern, by the general grammar, or below a counter that stands alone."""
    found = patterns.first_match(text)
    if found is not None:
        block.counted = True
        if found[0] in BELOW_AN_EPOCH and block.heading is not None:
            found[1][HEADING] = block.heading
        return found
    if not may_tell(text):
        return "block", block.entry_of(text) if block.is_open and not counters_of(text)[0] else None
    text = without_logger(text)
    if "': " in text:  # a dictionary of figures that no pattern knows
        text = SIGNS_OF_A_DICTIONARY.sub("", of_named_dictionaries(text))
    entry = entry_of(text)
    if entry is None:
        return "block", block.entry_of(text)
    block.counted = True
    counters = {key: value for key, value in entry.items() if key in COUNTERS or key in PLACES}
    if "epoch" not in counters and block.heading is not None:
        entry[HEADING] = block.heading
        block.open({"epoch": block.heading, **counters})
    elif counters:
        block.open(counters, alone=False)  # what the next lines say without a counter belongs to this one
    return "general", entry


def _of_all_ranks(key: str) -> bool:
    return key[:1] == "=" or key in COUNTERS or key in PLACES or key in (BAR, BARS, HEADING)


def _left_out(line: str) -> str:
    """Why a line is not looked into, "" for all but the strangest."""
    if "\0" in line:  # what a crash left: a number beside them may be half of one
        return "overwritten by NUL bytes"
    if len(line) > LONGEST_LINE:
        return f"longer than {LONGEST_LINE:,} characters"
    return f"with a number of more than {MOST_DIGITS} digits" if holds_a_number_beyond_a_double(line) else ""
