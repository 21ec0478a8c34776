"""JSON documents that hold a whole log: a list of entries, or an object of lists (a Keras ``History`` dumped).

``parse`` is pure. Of a document that was cut, what was completely written is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from analyzer.model import Problem, Source
from analyzer.readers import Reader, Reading
from analyzer.readers.columns import Column, Dialect
from analyzer.readers.columns.entries import columns_of_entries
from analyzer.readers.columns.reading import interpret
from analyzer.readers.columns.stack import Table
from analyzer.readers.csv_table.dialects import dialect_of as dialect_of_table
from analyzer.readers.json_lines import TELLING_ROLES, dialect_of, first_keys, tells_of_training
from analyzer.readers.json_objects import table_of_list
from analyzer.readers.text_file import (
    decode,
    plain_head,
    plain_name,
    plain_suffix,
    unpack,
    unreadable,
    utf8,
    why_not_text,
)
from analyzer.roles import role_of_tag
from analyzer.written_numbers import JSON_DECODER, loads_json

_LIST = re.compile(rb"[ \t\r\n]*\[")
_SPACE = re.compile(r"[\s,]*")
_KEY = re.compile(r'\s*+,?\s*+"((?:[^"\\]++|\\.)*+)"\s*+:\s*+')
_LIST_OF_NUMBERS = re.compile(r'"([^"\\]{1,120})"\s*:\s*\[\s*(?:-?\d|NaN|null|-?Infinity)')
# an object whose first value that is no scalar is a list of numbers, at its top or under a usual key
_OBJECT_OF_LISTS = re.compile(
    r'\{\s*(?:"(?:history|metrics|logs?|params)"\s*:\s*\{\s*)?(?:"[^"]*"\s*:\s*(?:"[^"]*"|[-\w.+]+)\s*,\s*)*'
    r'"[^"]+"\s*:\s*\[\s*(?:-?\d|NaN|null|-?Infinity)'
)
_EXPORT = re.compile(r"\[\s*\[\s*\d{9,10}(?:\.\d+)?\s*,\s*\d+\s*,\s*(?:-?\d|\"?-?NaN|\"?-?Inf|null)")
_KEYS_OF_TRANSFORMERS = frozenset({"epoch", "step", "learning_rate", "loss"})
_ENTRY_LISTS = ("log_history", "history", "logs", "log", "metrics", "records", "entries", "data", "results")
_ENTRY = re.compile(r'"([^"\\]{1,120})"\s*:')


def parse(data: bytes, name: str) -> Reading:
    """The bytes of a document as a reading; rows are 0-based indices of the entries."""
    unpacked = unpack(data, name)
    reason = why_not_text(unpacked.data)
    if reason:
        return unreadable(name, "json", reason, unpacked.problems)
    plain = _plain_list(utf8(unpacked.data))
    if plain is not None:
        count, columns = plain
        return interpret(
            columns,
            np.arange(count),
            dialect=_dialect_of_entries(first_keys(columns)),
            problems=unpacked.problems,
            source=Source(path=name, format="json"),
        )
    text = decode(unpacked.data)
    problems = list(unpacked.problems)
    try:
        document = loads_json(text)
    except (ValueError, RecursionError) as error:
        document = salvage(text)
        at = int(getattr(error, "pos", len(text)))
        cut = at >= len(text.rstrip()) or not text.rstrip().endswith(("]", "}"))
        message = (
            "the file ends inside its document" if cut else f"no valid JSON near line {text.count(chr(10), 0, at) + 1}"
        )
        problems.append(
            Problem(
                source=name,
                kind="truncated" if cut else "corrupt",
                message=f"{message}: the complete values before that are read",
            )
        )
    if is_export(document):
        return _read_export(document, name, problems)
    entries = entries_in(document)
    if entries is not None:
        return _read_entries(entries, name, problems)
    return _read_lists(document, name, problems)


def _plain_list(data: bytes) -> Table | None:
    """A document that is a list of objects, in pieces; None for any other."""
    opened = _LIST.match(data)
    if opened is None:
        return None
    try:
        count, columns, end = table_of_list(data, opened.end())
    except (ValueError, RecursionError):
        return None
    return (count, columns) if count and data[end:].rstrip(b" \t\r\n") == b"]" else None


def entries_in(document: Any) -> Sequence[Any] | None:
    """The list of entries of a document, at its top or under a usual key; None when it has none."""
    if isinstance(document, list):
        return document
    if isinstance(document, dict):
        for key in _ENTRY_LISTS:
            value = document.get(key)
            if isinstance(value, list) and value and isinstance(value[0], dict):
                return value
    return None


def is_export(document: Any) -> bool:
    """Whether a document is a list of (wall time, step, value), as TensorBoard's JSON download is."""
    return (
        isinstance(document, list)
        and bool(document)
        and all(isinstance(row, list) and len(row) == 3 for row in document[:20])
    )


def _read_export(document: list[Any], name: str, problems: list[Problem]) -> Reading:
    """TensorBoard's download of one tag, whose name is in the file's name only."""
    header = ("Wall time", "Step", "Value")
    entries = [dict(zip(header, row, strict=False)) if isinstance(row, list) else row for row in document]
    dialect = dialect_of_table(header, plain_name(Path(name)))
    return _read_entries(entries, name, problems, dialect)


def salvage(text: str) -> Any:
    """What was completely written of a list of entries or of an object of lists."""
    at = _SPACE.match(text).end()  # type: ignore[union-attr]
    if text[at : at + 1] == "[":
        return _complete_items(text, at + 1)
    found: dict[str, Any] = {}
    if text[at : at + 1] != "{":
        return found
    at += 1
    while key := _KEY.match(text, at):
        at = key.end()
        try:
            found[key[1]], at = _whole_value(text, at)
        except (ValueError, RecursionError):
            if text[at : at + 1] == "[":
                found[key[1]] = _complete_items(text, at + 1)
            break
    return found


def _whole_value(text: str, at: int) -> tuple[Any, int]:
    """A value with its end mark behind it: a number at the very end of the text, or ``3`` of ``3.``, may be cut."""
    value, end = JSON_DECODER.raw_decode(text, at)
    if text[end : end + 1] not in tuple(",]} \t\r\n") and not isinstance(value, dict | list | str):
        raise ValueError("cut")
    return value, end


def _complete_items(text: str, at: int) -> list[Any]:
    items: list[Any] = []
    while True:
        at = _SPACE.match(text, at).end()  # type: ignore[union-attr]
        try:
            value, at = _whole_value(text, at)
        except (ValueError, RecursionError):
            return items
        items.append(value)


def _read_entries(
    entries: Sequence[Any], name: str, problems: list[Problem], dialect: Dialect | None = None
) -> Reading:
    odd = [index for index, entry in enumerate(entries) if not isinstance(entry, dict)]
    if odd:
        message = f"{len(odd)} entries are no objects, first {str(entries[odd[0]])[:40]!r}: left out"
        problems.append(Problem(source=name, kind="row", row=odd[0], message=message))
    rows = np.array([index for index, entry in enumerate(entries) if isinstance(entry, dict)], dtype=np.int64)
    kept = [entry for entry in entries if isinstance(entry, dict)]
    if not kept:
        return unreadable(name, "json", "no complete entry: nothing can be read", problems)
    columns = columns_of_entries(kept)
    return interpret(
        columns,
        rows,
        dialect=dialect or _dialect_of_entries(first_keys(columns)),
        problems=problems,
        source=Source(path=name, format="json"),
    )


def _dialect_of_entries(keys: frozenset[str]) -> Dialect:
    if "main/loss" in keys:
        return Dialect(framework="chainer", step_columns=("iteration",), elapsed_columns=("elapsed_time",))
    if keys >= _KEYS_OF_TRANSFORMERS:
        return Dialect(framework="transformers", step_columns=("step",))
    return dialect_of(keys)


def _read_lists(document: Any, name: str, problems: list[Problem]) -> Reading:
    """An object of lists: lists of one length are one table."""
    lists = dict(_lists_in(document))
    by_length: dict[int, dict[str, list[Any]]] = {}
    for key, values in lists.items():
        by_length.setdefault(len(values), {})[key] = values
    readings: list[Reading] = []
    for length, table in sorted(by_length.items(), key=lambda item: -len(item[1])):
        columns = [_column(key, values) for key, values in table.items()]
        keras = "loss" in table and all(
            key == "loss" or f"val_{key}" in table or key.startswith("val_") or key in ("lr", "learning_rate")
            for key in table
        )
        dialect = Dialect(framework="keras", counts="epoch") if keras and len(table) > 1 else Dialect()
        readings.append(
            interpret(
                columns,
                np.arange(length, dtype=np.int64),
                dialect=dialect,
                problems=problems if not readings else (),
                source=Source(path=name, format="json"),
                judge=len(by_length) == 1,
            )
        )
    if not any(one.series or one.problems for one in readings):
        return unreadable(name, "json", "not a training log: no list of entries and no lists of numbers", problems)
    first = readings[0]
    if first.source.framework == "keras" and first.source.step_column is None:
        first = _counted_in_epochs(first)
    tables = (first, *readings[1:])
    return replace(
        first,
        series=tuple(series for table in tables for series in table.series),
        problems=tuple(problem for table in tables for problem in table.problems),
    )


def _counted_in_epochs(reading: Reading) -> Reading:
    """Keras appends to its History at the end of every epoch and counts epochs from 0."""
    series = tuple(replace(one, step=one.row.copy()) for one in reading.series)
    return replace(reading, source=replace(reading.source, step_axis="epoch"), series=series)


def _lists_in(document: Any, prefix: str = "", depth: int = 0) -> list[tuple[str, list[Any]]]:
    """Lists of numbers under any key, two levels deep."""
    if not isinstance(document, Mapping) or depth > 2:
        return []
    found: list[tuple[str, list[Any]]] = []
    for key, value in document.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            inner = "" if depth == 0 and str(key) in ("history", "metrics", "log", "logs", "params") else f"{name}/"
            found += _lists_in(value, inner, depth + 1)
        elif isinstance(value, list) and value and any(type(one) in (int, float) for one in value):
            found.append((name, value))
    return found


def _column(key: str, values: list[Any]) -> Column:
    return columns_of_entries([{key: None if isinstance(value, dict | list) else value} for value in values])[0]


def read(path: Path) -> Reading:
    """Read one document from disk."""
    return parse(path.read_bytes(), str(path))


def recognises(path: Path, head: bytes) -> bool:
    """A list of entries with the keys of a log, or an object with a list of numbers under such a key."""
    if plain_suffix(path) not in (".json", "") and path.name != "log":
        return False
    start = plain_head(head).lstrip(b"\xef\xbb\xbf \t\r\n")
    if start[:1] not in (b"[", b"{") or why_not_text(start):
        return False
    text = decode(start)
    if _EXPORT.match(text):
        return True
    if re.match(r"\[\s*\{", text) or re.match(rf'\{{\s*"(?:{"|".join(_ENTRY_LISTS)})"\s*:\s*\[\s*\{{', text):
        first = text.split("}", 1)[0]
        return tells_of_training(_ENTRY.findall(first))
    if not _OBJECT_OF_LISTS.match(text):
        return False
    return any(role_of_tag(key) in TELLING_ROLES for key in _LIST_OF_NUMBERS.findall(text))


READER = Reader(
    name="json",
    title="JSON documents",
    recognises=recognises,
    read=read,
    parse=parse,
    recognised_by="a `.json` list of entries, TensorBoard's JSON download, or an object of lists of numbers (a Keras "
    "`History` dumped), with the keys of a log",
    step="as in JSON lines; an object of lists without a step is counted in epochs (Keras) or rows",
    epoch="the key `epoch`; a Keras History counts epochs from 0",
    learning_rate="as logged",
    priority=-8,
)
