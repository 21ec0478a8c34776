"""JSON lines: one object a line, as detectron2, mmengine, LLaMA-Factory, DETR, Composer and people write them.

``parse`` is pure. A line that cannot be read costs that line; an object is complete when its last brace is there.
"""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analyzer.model import Ints, Problem, Source
from analyzer.readers import Reader, Reading
from analyzer.readers.columns import Column, Dialect
from analyzer.readers.columns.entries import columns_of_entries, flatten
from analyzer.readers.columns.reading import interpret
from analyzer.readers.columns.stack import Table, stacked
from analyzer.readers.columns.step_axis import names_an_axis
from analyzer.readers.json_pieces import LONG, objects_of_lines, pieces_of_lines
from analyzer.readers.text_file import (
    Lines,
    decode,
    lines_of,
    plain_head,
    plain_suffix,
    unpack,
    unreadable,
    why_not_text,
)
from analyzer.roles import role_of_tag

ENTRIES_SEEN = 200  # whose keys tell the writer
TELLING_ROLES = ("loss", "validation_loss", "epoch_loss", "learning_rate")
_COMPOSER = re.compile(r"\[[\w ]+\](?:\[(?P<unit>step|batch|epoch)=(?P<step>\d+)\])?:?\s*(?=\{)")
_KEY = re.compile(r'"([^"\\]{1,120})"\s*:')
_DECODER = json.JSONDecoder()
_STEPS_OF_FAIRSEQ = ("num_updates", "train_num_updates")

# keys that the entries of a writer have together -> what is known of it; the first that fits
_DIALECTS: tuple[tuple[frozenset[str], Dialect], ...] = (
    (
        frozenset({"iteration", "data_time", "eta_seconds"}),
        Dialect(framework="detectron2", step_columns=("iteration",), elapsed_columns=("time", "data_time")),
    ),
    (
        frozenset({"current_steps", "total_steps"}),
        Dialect(
            framework="llama-factory",
            step_columns=("current_steps",),
            elapsed_columns=("elapsed_time",),
            facts={"total_steps": "max_steps"},
        ),
    ),
    (
        frozenset({"iter", "step", "data_time"}),
        Dialect(framework="mmengine", step_columns=("step",), elapsed_columns=("time", "data_time")),
    ),
    (frozenset({"mode", "iter", "epoch"}), Dialect(framework="mmcv", elapsed_columns=("time", "data_time"))),
    (
        frozenset({"time/total_timesteps"}),
        Dialect(framework="stable-baselines3", step_columns=("time/total_timesteps",), counts="samples"),
    ),
    (
        frozenset({"train_lr", "train_loss", "epoch", "n_parameters"}),
        Dialect(framework="detr", ignored=("n_parameters",)),
    ),
    (
        frozenset({"_step", "_runtime"}),
        Dialect(framework="wandb", wall_column="_timestamp", elapsed_columns=("_runtime",), exported=True),
    ),
    (
        frozenset({"num_updates", "wall"}),
        Dialect(framework="fairseq", step_columns=_STEPS_OF_FAIRSEQ, elapsed_columns=("wall", "train_wall")),
    ),
)


def dialect_of(keys: frozenset[str]) -> Dialect:
    """What is known of the writer of entries with these keys."""
    return next((dialect for known, dialect in _DIALECTS if known <= keys), Dialect())


def parse(data: bytes, name: str) -> Reading:
    """The bytes of a JSON lines file as a reading; rows are 1-based line numbers."""
    unpacked = unpack(data, name)
    reason = why_not_text(unpacked.data)
    if reason:
        return unreadable(name, "json-lines", reason, unpacked.problems)
    long = _long_table(unpacked.data) if len(unpacked.data) > LONG else None
    if long is not None:
        first, columns, rows = long
        return _reading(name, first, columns, np.arange(1, rows + 1), unpacked.problems)
    entries, numbers, problems, composer = entries_of(lines_of(decode(unpacked.data)), name)
    problems = [*unpacked.problems, *problems]
    if not entries:
        return unreadable(name, "json-lines", "no line is a complete JSON object", problems)
    rows_of_entries = np.array(numbers, dtype=np.int64)
    return _reading(name, entries, columns_of_entries(entries), rows_of_entries, problems, composer=composer)


def _reading(
    name: str,
    entries: Sequence[Mapping[str, Any]],
    columns: Sequence[Column],
    rows: Ints,
    problems: Sequence[Problem],
    *,
    composer: bool = False,
) -> Reading:
    keys = frozenset(key for entry in entries[:ENTRIES_SEEN] for key in flat_entry(entry))
    return interpret(
        columns,
        rows,
        dialect=Dialect(framework="composer", step_columns=("step",)) if composer else dialect_of(keys),
        problems=problems,
        source=Source(path=name, format="json-lines", line_numbers=True),
    )


def _long_table(data: bytes) -> tuple[list[Mapping[str, Any]], list[Column], int] | None:
    """The first entries, all columns, and how many lines there are; None where one is no object in UTF-8."""
    first: list[Mapping[str, Any]] = []
    tables: list[Table] = []
    for lines in pieces_of_lines(data.removeprefix(BOM_UTF8)):
        try:
            entries = objects_of_lines(lines)
        except (ValueError, RecursionError):
            return None
        if not {dict}.issuperset(map(type, entries)):
            return None
        first += entries[: ENTRIES_SEEN - len(first)]
        tables.append((len(entries), columns_of_entries(entries)))
    return first, stacked(tables), sum(count for count, _ in tables)


def entries_of(lines: Lines, name: str) -> tuple[list[Mapping[str, Any]], list[int], list[Problem], bool]:
    """The flat entries, their line numbers, what could not be read, and whether Composer's logger wrote the lines."""
    at_once = _all_at_once(lines.lines)
    if at_once is not None:
        return at_once, list(range(1, len(at_once) + 1)), [], False
    entries: list[Mapping[str, Any]] = []
    rows: list[int] = []
    odd: dict[str, list[tuple[int, str]]] = {}
    composer = False
    for number, line in enumerate(lines.lines, start=1):
        text = line.strip()
        if not text:
            continue
        found = _COMPOSER.match(text)
        if found:
            composer = True
            text = text[found.end() :]
        entry, what = _entry_of_line(text)
        if what:
            last = number == len(lines.lines) and not lines.complete
            odd.setdefault("cut" if last and what == "invalid" else what, []).append((number, line[:40]))
        if entry is None:
            continue
        if found and found["step"] and found["unit"] not in entry:
            entry = {"step" if found["unit"] != "epoch" else "epoch": int(found["step"]), **entry}
        entries.append(entry)
        rows.append(number)
    return entries, rows, _problems(odd, name), composer


def _all_at_once(lines: Sequence[str]) -> list[Mapping[str, Any]] | None:
    """Every line an object: one call of the parser is several times faster than one a line. Else None."""
    if not lines or lines[0][:1] != "{" or "" in lines:
        return None
    if not all(line[0] == "{" and line.rstrip()[-1] == "}" for line in lines):
        return None
    try:
        entries = json.loads("[" + ",".join(lines) + "]")
    except (ValueError, RecursionError):
        return None
    if len(entries) != len(lines) or not all(type(entry) is dict for entry in entries):
        return None
    return entries


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
        entry = json.loads(text)
    except (ValueError, RecursionError):
        return _object_after_garbage(text), "invalid"
    return (entry, "") if isinstance(entry, dict) else (None, "no object")


def _object_after_garbage(text: str) -> Mapping[str, Any] | None:
    """A half-written line that the next process wrote on: its own object is complete and has its own step."""
    at = text.find('{"', 1)
    while at > 0:
        try:
            entry, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            end, entry = 0, None
        if isinstance(entry, dict) and end == len(text) and any(names_an_axis(key) for key in entry):
            return entry
        at = text.find('{"', at + 1)
    return None


_MESSAGES = {
    "invalid": "{lines} that {are} no valid JSON, first {first!r}: what is not complete is left out",
    "no object": "{lines} that {are} JSON but no object, first {first!r}: left out",
    "nul": "{lines} overwritten by NUL bytes, lost: the file system did not finish a write",
}


def _problems(odd: Mapping[str, list[tuple[int, str]]], name: str) -> list[Problem]:
    found = []
    for what, places in odd.items():
        row, first = places[0]
        if what == "cut":
            message = f"the file ends inside line {row}: that object is left out"
            found.append(Problem(source=name, kind="truncated", row=row, message=message))
            continue
        count = len(places)
        message = _MESSAGES[what].format(
            lines=f"{count} line{'s' if count > 1 else ''}", are="are" if count > 1 else "is", first=first
        )
        found.append(Problem(source=name, kind="row" if what != "nul" else "corrupt", row=row, message=message))
    return found


def read(path: Path) -> Reading:
    """Read one file from disk."""
    return parse(path.read_bytes(), str(path))


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
        entry = json.loads(line)
    except ValueError:
        return False
    return isinstance(entry, dict) and any(
        names_an_axis(key) and isinstance(value, int) and role_of_tag(key) != "epoch" for key, value in entry.items()
    )


READER = Reader(
    name="json-lines",
    title="JSON lines",
    recognises=recognises,
    read=read,
    parse=parse,
    recognised_by="lines that are JSON objects with a step, an epoch, a loss or a learning rate (`.jsonl`, `.json`, "
    "`.txt`, `.log`, also `.gz`, `.zst`); Composer's `[BATCH][step=2]: {...}`",
    step="`iteration` of detectron2 (0-based), `step` of mmengine (1-based; validation rows carry the epoch), "
    "`current_steps` of LLaMA-Factory, `global_step`, `step`, `iter`, ... of others",
    epoch="the key `epoch`; DETR logs have nothing else to count by",
    learning_rate="detectron2 and mmengine: the rate that the update used",
    priority=-5,
)
