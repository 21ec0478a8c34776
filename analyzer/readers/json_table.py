"""JSON documents that hold a whole log: a list of entries, or lists of numbers under whatever keys.

``parse`` is pure. Of a document that was cut, what was completely written is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from analyzer.model import NO_STEP, Floats, Ints, Problem, Series, Source
from analyzer.readers import Reader, Reading
from analyzer.readers.columns import Column, Dialect
from analyzer.readers.columns.entries import column_of_values, columns_of_entries
from analyzer.readers.columns.reading import interpret
from analyzer.readers.columns.step_axis import names_an_axis
from analyzer.readers.csv_table.dialects import dialect_of as dialect_of_table
from analyzer.readers.json_dialects import ENTRIES_SEEN, dialect_of, first_keys
from analyzer.readers.json_objects import table_of_list
from analyzer.readers.json_salvage import salvage
from analyzer.readers.json_tables import Table, prefix_of, tables_in, tells_of_training
from analyzer.readers.text_file import (
    compressed,
    decode,
    plain_head,
    plain_name,
    plain_suffix,
    unpack,
    unreadable,
    utf8,
    why_not_text,
)
from analyzer.regular_files import content_of, opened
from analyzer.roles import role_of_tag
from analyzer.written_numbers import loads_json

_LIST = re.compile(rb"[ \t\r\n]*\[")
HEAD_BYTES = 4096  # that a reader is shown
MOST_TABLES = 2_000  # of one document; sacred has one for each metric
BYTES_LOOKED_AT = 1 << 17  # of a document named as a log: some begin with their configuration
_INNER_ENTRIES = re.compile(rb'"\s*:\s*\[\s*\{')
_NAMED_AS_A_LOG = re.compile(r"histor|metric|(?<![a-z])logs?(?![a-z])|result|stats|train|loss|curve", re.I)
_EXPORT = re.compile(r"\[\s*\[\s*\d{9,10}(?:\.\d+)?\s*,\s*\d+\s*,\s*(?:-?\d|\"?-?NaN|\"?-?Inf|null)")
_KEYS_OF_TRANSFORMERS = frozenset({"epoch", "step", "learning_rate", "loss"})


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
    cut = False
    try:
        document = loads_json(text)
    except (ValueError, RecursionError) as error:
        at = int(getattr(error, "pos", len(text)))
        document = salvage(text, at if at < len(text.rstrip()) else len(text))
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
    return _read_tables(_logs_among(tables_in(document, cut=cut)), name, problems, cut)


def _plain_list(data: bytes) -> tuple[int, Sequence[Column]] | None:
    """A document that is a list of objects, in pieces; None for any other."""
    begun = _LIST.match(data)
    if begun is None or _INNER_ENTRIES.search(data, 0, HEAD_BYTES):
        return None
    try:
        count, columns, end = table_of_list(data, begun.end())
    except (ValueError, RecursionError):
        return None
    return (count, columns) if count and data[end:].rstrip(b" \t\r\n") == b"]" else None


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
    return _read_entries(Table(path=(), entries=entries), name, problems, dialect=dialect)


def _read_entries(
    table: Table, name: str, problems: list[Problem], cut: bool = False, dialect: Dialect | None = None
) -> Reading:
    entries = table.entries
    odd = [index for index, entry in enumerate(entries) if not isinstance(entry, dict)]
    if odd:
        message = f"{len(odd)} entries are no objects, first {str(entries[odd[0]])[:40]!r}: left out"
        problems.append(Problem(source=name, kind="row", row=odd[0], message=message))
    rows = np.array([index for index, entry in enumerate(entries) if isinstance(entry, dict)], dtype=np.int64)
    kept = [entry for entry in entries if isinstance(entry, dict)]
    if not kept:
        return unreadable(name, "json", "no complete entry: nothing can be read", problems)
    columns = columns_of_entries(kept)
    if table.counter:
        dialect = Dialect(step_columns=(table.counter,), counts="batch")
    reading = interpret(
        columns,
        rows,
        dialect=dialect or _dialect_of_entries(first_keys(columns)),
        problems=problems,
        source=Source(path=name, format="json"),
        incomplete=len(kept) - 1 if cut else None,
    )
    return _prefixed(reading, prefix_of(table))


def _dialect_of_entries(keys: frozenset[str]) -> Dialect:
    if "main/loss" in keys:
        return Dialect(framework="chainer", step_columns=("iteration",), elapsed_columns=("elapsed_time",))
    if keys >= _KEYS_OF_TRANSFORMERS:
        return Dialect(framework="transformers", step_columns=("step",))
    return dialect_of(keys)


def _logs_among(tables: Sequence[Table]) -> list[Table]:
    """The tables that count something or tell of training, the longest with a counter first; all where none does."""
    keys = {id(table): _keys_of(table) for table in tables}
    counting = {at for at, found in keys.items() if any(map(names_an_axis, found))}
    telling = [one for one in tables if id(one) in counting or any(role_of_tag(key) for key in keys[id(one)])]
    return sorted(telling or tables, key=lambda one: (id(one) not in counting, not _trains(one), -one.length))


def _keys_of(table: Table) -> list[str]:
    if table.lists:
        return [*table.lists, *(prefix_of(table) + key for key in table.lists)]
    return [key for one in table.entries[:ENTRIES_SEEN] if isinstance(one, Mapping) for key in one]


def _trains(table: Table) -> bool:
    """Whether a table may be that of training: its keys do not say that it is of another phase."""
    return "validation_loss" not in {role_of_tag(f"{prefix_of(table)}loss"), *map(role_of_tag, table.lists)}


def _read_tables(tables: Sequence[Table], name: str, problems: list[Problem], cut: bool) -> Reading:
    """All tables of a document; its axis is the first one's, and a series on another axis has no step on this one."""
    if len(tables) > MOST_TABLES:
        message = f"{len(tables):,} tables in one document, as no log has: the first {MOST_TABLES:,} are read"
        problems.append(Problem(source=name, kind="row", message=message))
        tables = tables[:MOST_TABLES]
    if len(tables) == 1 and tables[0].entries:
        return _read_entries(tables[0], name, problems, cut)
    readings = [
        _read_entries(one, name, [], cut) if one.entries else _read_lists(one, name, judge=len(tables) == 1)
        for one in tables
    ]
    readings = [one for one in readings if one.series]
    if not readings:
        return unreadable(name, "json", "not a training log: no list of entries and no lists of numbers", problems)
    first = readings[0]
    series: dict[str, Series] = {}
    for reading, row in zip(readings, _rows_as_written(readings), strict=True):
        for one in reading.series:
            if reading.source.step_axis != first.source.step_axis:
                one = replace(one, step=np.full(len(one), NO_STEP))
            series.setdefault(one.tag, replace(one, row=row[one.row]) if row is not None else one)
    return replace(
        first,
        source=replace(
            first.source, framework=next((r.source.framework for r in readings if r.source.framework), None)
        ),
        series=tuple(series.values()),
        problems=(*problems, *(problem for one in readings for problem in one.problems)),
    )


def _rows_as_written(readings: Sequence[Reading]) -> list[Ints | None]:
    """For each table the place of its rows among those of all: by time, or by a step that never falls.

    Tables stand one behind the other in a document, and were written side by side. Where neither tells how, those that
    count are numbered as they stand; rows without a counter are known by their index alone.
    """
    if len(readings) == 1 or any(one.source.step_axis == "row" for one in readings):
        return [None] * len(readings)
    longest = [max(reading.series, key=len) for reading in readings]
    size = [int(max(one.row.max(initial=0) for one in reading.series)) + 1 for reading in readings]
    keys: list[Floats] = [np.full(rows, np.inf) for rows in size]
    timed = all(np.isfinite(one.wall_time).all() for one in longest)
    if timed or all((np.diff(one.step) >= 0).all() and (one.step != NO_STEP).all() for one in longest):
        for key, one in zip(keys, longest, strict=True):
            key[one.row] = one.wall_time if timed else one.step
    order = np.argsort(np.concatenate(keys), kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return list(np.split(place, np.cumsum(size)[:-1]))


def _read_lists(table: Table, name: str, *, judge: bool) -> Reading:
    """Lists of one length; a Keras History where their names say so."""
    columns = [_column(key, values) for key, values in table.lists.items()]
    keras = "loss" in table.lists and all(
        key == "loss" or f"val_{key}" in table.lists or key.startswith("val_") or key in ("lr", "learning_rate")
        for key in table.lists
    )
    reading = interpret(
        columns,
        np.arange(table.length, dtype=np.int64),
        dialect=Dialect(framework="keras", counts="epoch") if keras and len(columns) > 1 else Dialect(),
        source=Source(path=name, format="json"),
        judge=judge,
    )
    if reading.source.framework == "keras" and reading.source.step_column is None:
        reading = _counted_in_epochs(reading)
    return _prefixed(reading, prefix_of(table))


def _prefixed(reading: Reading, prefix: str) -> Reading:
    if not prefix:
        return reading
    return replace(reading, series=tuple(replace(one, tag=prefix + one.tag) for one in reading.series))


def _counted_in_epochs(reading: Reading) -> Reading:
    """Keras appends to its History at the end of every epoch and counts epochs from 0."""
    series = tuple(replace(one, step=one.row.copy()) for one in reading.series)
    return replace(reading, source=replace(reading.source, step_axis="epoch"), series=series)


def _column(key: str, values: Sequence[Any]) -> Column:
    cells = [None if isinstance(value, dict | list) else value for value in values]
    return column_of_values(key, np.arange(len(cells)), cells, len(cells))


def read(path: Path) -> Reading:
    """Read one document from disk."""
    return parse(content_of(path), str(path))


def recognises(path: Path, head: bytes) -> bool:
    """A list of entries with the keys of a log, or an object with a list of numbers under such a key."""
    if plain_suffix(path) not in (".json", "") and path.name != "log":
        return False
    start = plain_head(head).lstrip(b"\xef\xbb\xbf \t\r\n")
    if start[:1] not in (b"[", b"{") or why_not_text(start):
        return False
    text = decode(start)
    if _EXPORT.match(text) or tells_of_training(text):
        return True
    if len(head) < HEAD_BYTES or not _NAMED_AS_A_LOG.search(path.name):
        return False
    try:
        with opened(path) as stream:
            more = stream.read(BYTES_LOOKED_AT)
    except OSError:
        return False
    return tells_of_training(decode(unpack(more, "", most=BYTES_LOOKED_AT).data if compressed(more) else more))


READER = Reader(
    name="json",
    title="JSON documents",
    suffixes=(".json",),
    recognises=recognises,
    read=read,
    parse=parse,
    recognised_by="a `.json` list of entries, TensorBoard's JSON download, or an object of lists of numbers (Keras's "
    "`History`), with the keys of a log",
    step="as in JSON lines; an object of lists without a step is counted in epochs (Keras) or rows",
    epoch="the key `epoch`; a Keras History counts epochs from 0",
    learning_rate="as logged",
    priority=-8,
)
