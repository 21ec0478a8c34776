"""JSON lines: one object a line, as detectron2, mmengine, LLaMA-Factory, DETR, Composer and people write them.

``parse`` is pure. A line that cannot be read costs that line; an object is complete when its last brace is there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from msgspec import Struct

from analyzer.model import Problem, Source
from analyzer.readers import Reader, Reading
from analyzer.readers.columns import Dialect
from analyzer.readers.columns.entries import columns_of_entries, flatten
from analyzer.readers.columns.reading import interpret
from analyzer.readers.columns.stack import Table, stacked
from analyzer.readers.columns.step_axis import names_an_axis
from analyzer.readers.correcting import CannotRepair, Correction
from analyzer.readers.json_dialects import dialect_of, first_keys
from analyzer.readers.json_objects import Objects
from analyzer.readers.json_pieces import pieces_of_lines
from analyzer.readers.text_file import (
    decode,
    lines_of,
    plain_head,
    plain_suffix,
    unpack,
    unreadable,
    utf8,
    why_not_text,
    written_lines,
)
from analyzer.regular_files import content_of
from analyzer.roles import role_of_tag
from analyzer.written_numbers import JSON_DECODER, loads_json

_TIMES_LOOKED_THROUGH = 4  # a half-written line has few places where an object may begin, and most fail at once
_Odd = dict[str, list[tuple[int, str]]]  # what is wrong -> line numbers, and how each line begins
TELLING_ROLES = ("loss", "validation_loss", "epoch_loss", "learning_rate")
_COMPOSER = re.compile(r"\[[\w ]+\](?:\[(?P<unit>step|batch|epoch)=(?P<step>[0-9]{1,15})\])?:?\s*+(?=\{)")
_KEY = re.compile(r'"([^"\\]{1,120})"\s*:')


def parse(data: bytes, name: str) -> Reading:
    """The bytes of a JSON lines file as a reading; rows are 1-based line numbers."""
    unpacked = unpack(data, name)
    reason = why_not_text(unpacked.data)
    if reason:
        return unreadable(name, "json-lines", reason, unpacked.problems)
    text = utf8(unpacked.data)
    if b"\n" not in text:
        text = text.replace(b"\r", b"\n")
    objects = Objects()
    tables: list[Table] = []
    rows = [np.empty(0, dtype=np.int64)]
    odd: _Odd = {}
    composer = False
    last = 0  # line read so far
    for piece in pieces_of_lines(text):
        try:
            table = objects.of_lines(piece)
            rows.append(np.arange(last + 1, last + 1 + table[0]))
            last += table[0]
        except (ValueError, RecursionError):
            lines = piece.decode("utf-8", errors="replace").replace("\r\n", "\n").removesuffix("\r").split("\n")
            careful = _line_by_line(lines, last + 1, odd)
            table = len(careful.entries), columns_of_entries(careful.entries)
            rows.append(np.array(careful.rows, dtype=np.int64))
            composer |= careful.composer
            last += len(lines)
        tables.append(table)
    problems = [*unpacked.problems, *_problems(odd, name, cut=0 if text.endswith(b"\n") else last)]
    if not any(count for count, _ in tables):
        return unreadable(name, "json-lines", "no line is a complete JSON object", problems)
    columns = stacked(tables)
    return interpret(
        columns,
        np.concatenate(rows),
        dialect=Dialect(framework="composer", step_columns=("step",)) if composer else dialect_of(first_keys(columns)),
        problems=problems,
        source=Source(path=name, format="json-lines", line_numbers=True),
    )


class _Lines(Struct, frozen=True, kw_only=True, eq=False):
    """What was read line by line."""

    entries: list[Mapping[str, Any]]
    rows: list[int]  # line number of each entry
    composer: bool  # whether Composer's logger wrote the lines


def _line_by_line(lines: Sequence[str], first: int, odd: _Odd) -> _Lines:
    """Lines of which some are no objects: what is wrong is added to ``odd``."""
    entries: list[Mapping[str, Any]] = []
    rows: list[int] = []
    composer = False
    for number, line in enumerate(lines, start=first):
        text = line.strip()
        if not text:
            continue
        found = _COMPOSER.match(text)
        if found:
            composer = True
            text = text[found.end() :]
        entry, what = _entry_of_line(text)
        if what:
            odd.setdefault(what, []).append((number, line[:40]))
        if entry is None:
            continue
        if found and found["step"] and found["unit"] not in entry:
            entry = {"step" if found["unit"] != "epoch" else "epoch": int(found["step"]), **entry}
        entries.append(entry)
        rows.append(number)
    return _Lines(entries=entries, rows=rows, composer=composer)


def flat_entry(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """An entry without nesting; most have none."""
    for value in entry.values():
        if type(value) is dict or type(value) is list:
            return flatten(entry)
    return entry


def _entry_of_line(text: str) -> tuple[Mapping[str, Any] | None, str]:
    """The object of a line, and what is wrong with the line."""
    if "\0" in text:
        return None, "nul"
    try:
        entry = loads_json(text)
    except (ValueError, RecursionError):
        entry = _object_after_garbage(text)
        if entry is None and not any(sign in text for sign in _SIGNS_OF_A_RECORD):
            return None, "text"
        return entry, "invalid" if entry is None else "half"
    return (entry, "") if isinstance(entry, dict) else (None, "no object")


def _object_after_garbage(text: str) -> Mapping[str, Any] | None:
    """A half-written line that the next process wrote on: its own object is complete and has its own step."""
    at = text.find('{"', 1)
    left = _TIMES_LOOKED_THROUGH * len(text)
    while at > 0 and left > 0:
        try:
            entry, end = JSON_DECODER.raw_decode(text, at)
        except json.JSONDecodeError as error:
            end, entry = error.pos, None
        except (ValueError, RecursionError):
            return None
        left -= end - at
        if isinstance(entry, dict) and end == len(text) and any(names_an_axis(key) for key in entry):
            return entry
        at = text.find('{"', at + 1)
    return None


_SIGNS_OF_A_RECORD = '{}[]":,'  # one of them is in every part of an object but a number
_MESSAGES = {
    "text": "{lines} of text between the objects, first {first!r}: left out",
    "invalid": "{lines} that {are} no valid JSON, first {first!r}: what is not complete is left out",
    "half": "{lines} with half an object before a whole one, first {first!r}: that write is lost",
    "no object": "{lines} that {are} JSON but no object, first {first!r}: left out",
    "nul": "{lines} overwritten by NUL bytes, lost: the file system did not finish a write",
}


def _problems(odd: _Odd, name: str, cut: int) -> list[Problem]:
    """What was wrong with the lines. ``cut``: the number of the last line where nothing ended it, else 0."""
    found = []
    for what, places in odd.items():
        here = [one for one in places if what != "invalid" or one[0] != cut]
        if not here:
            continue
        row, first = here[0][0] if what != "text" else None, here[0][1]  # text is no row that was lost
        count = len(here)
        message = _MESSAGES[what].format(
            lines=f"{count} line{'s' if count > 1 else ''}", are="are" if count > 1 else "is", first=first
        )
        kind: Literal["corrupt", "row"] = "corrupt" if what in ("nul", "half") else "row"
        found.append(Problem(source=name, kind=kind, row=row, message=message))
    if any(row == cut for row, _ in odd.get("invalid", ())):
        message = f"the file ends inside line {cut}: that object is left out"
        found.append(Problem(source=name, kind="truncated", row=cut, message=message))
    return found


def read(path: Path) -> Reading:
    """Read one file from disk."""
    return parse(content_of(path), str(path))


def tells_of_training(keys: Sequence[str]) -> bool:
    """Whether keys of entries are those of a log: a step or an epoch, a loss or a learning rate."""
    return any(names_an_axis(key) or role_of_tag(key) in TELLING_ROLES for key in keys)


def recognises(path: Path, head: bytes) -> bool:
    """Lines that begin with an object whose keys are those of a log."""
    suffix = plain_suffix(path)
    if suffix not in (".json", ".jsonl", ".ndjson", ".txt", ".log", ".out", ""):
        return False
    start = plain_head(head)
    if not start.strip() or why_not_text(start):
        return suffix in (".jsonl", ".ndjson")
    lines = [line.strip() for line in lines_of(decode(start)).lines if line.strip()]
    if not lines:  # a byte order mark is all there is
        return False
    first = lines[0][_composer_prefix(lines[0]) :]
    if not first.startswith("{"):
        return False
    longer_than_the_head = len(lines) == 1 and len(head) >= 4096
    if suffix not in (".jsonl", ".ndjson") and not longer_than_the_head:
        follow = [line for line in lines[1:3] if line[_composer_prefix(line) :].startswith("{")]
        if not first.endswith("}") or (len(lines) > 1 and not follow):
            return False
        if len(lines) == 1 and not _is_an_entry(first):
            return False
    if longer_than_the_head and suffix == ".json":
        return (
            bool(re.match(r'\{"[^"]+": ?[-\d."]', first))
            and "\n" not in decode(start)
            and path.name != "config.json"
            and any(names_an_axis(key) for key in _KEY.findall(first))
        )
    return tells_of_training([key for line in lines[:20] for key in _KEY.findall(line)])


def _composer_prefix(line: str) -> int:
    found = _COMPOSER.match(line)
    return found.end() if found else 0


def _is_an_entry(line: str) -> bool:
    """A single line is a log of one row only if it holds a whole step."""
    try:
        entry = loads_json(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(entry, dict) and any(
        names_an_axis(key) and isinstance(value, int) and role_of_tag(key) != "epoch" for key, value in entry.items()
    )


def rewritten(correction: Correction, content: bytes) -> bytes:
    """The lines with entries cut and steps shifted."""
    kept: list[bytes] = []
    for number, line in enumerate(written_lines(content), start=1):
        if number in correction.cut:
            continue
        kept.append(_shifted_entry(line, correction, number) if number in correction.shift else line)
    return b"".join(kept)


def _shifted_entry(line: bytes, correction: Correction, number: int) -> bytes:
    """A line with another step: in its place where that can be told from the text alone, else written anew."""
    text = line.decode("utf-8-sig", "surrogateescape")
    entry = json.loads(text)
    column = correction.source.step_column
    if column not in entry:
        raise CannotRepair(f"line {number} has no {column!r}")
    entry[column] += correction.shift[number]
    mark = re.compile(rf"({re.escape(json.dumps(column))}\s*:\s*)-?[0-9]++(?=\s*[,}}])")
    again, times = mark.subn(rf"\g<1>{entry[column]}", text)
    if times != 1 or repr(json.loads(again)) != repr(entry):  # NaN equals nothing
        ending = text[len(text.rstrip("\r\n")) :]
        again = json.dumps(entry) + ending
    return again.encode("utf-8", "surrogateescape")


READER = Reader(
    name="json-lines",
    title="JSON lines",
    suffixes=(".jsonl", ".ndjson", ".json"),
    recognises=recognises,
    read=read,
    parse=parse,
    recognised_by="lines that are JSON objects with a step, an epoch, a loss or a learning rate (`.jsonl`, `.json`, "
    "`.txt`, `.log`, also `.gz`, `.zst`); Composer's `[BATCH][step=2]: {...}`",
    step="`iteration` of detectron2 (0-based), `step` of mmengine (1-based; validation rows carry the epoch), "
    "`current_steps` of LLaMA-Factory, `timesteps_total` of RLlib (samples), `global_step`, `step`, `iter`, ... of "
    "others",
    epoch="the key `epoch`; DETR logs have nothing else to count by",
    learning_rate="detectron2 and mmengine: the rate that the update used",
    rewrite=rewritten,
    priority=-5,
)
