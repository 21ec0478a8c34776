"""A document that was parsed (JSON, YAML) as a reading: a list of entries, or lists of numbers under whatever keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from analyzer.model import NO_STEP, Floats, Ints, Problem, Series, Source
from analyzer.readers import Reading
from analyzer.readers.columns import Column, Dialect
from analyzer.readers.columns.entries import column_of_values, columns_of_entries
from analyzer.readers.columns.reading import interpret
from analyzer.readers.columns.step_axis import names_an_axis
from analyzer.readers.columns.wall_time import names_a_time
from analyzer.readers.csv_table.dialects import dialect_of as dialect_of_table
from analyzer.readers.json_dialects import ENTRIES_SEEN, dialect_of_entries, first_keys
from analyzer.readers.json_tables import LOSSES, Table, prefix_of, tables_in
from analyzer.readers.text_file import plain_name, unreadable
from analyzer.roles import role_of_tag

NAN = float("nan")
MOST_TABLES = 2_000  # of one document; sacred has one for each metric


def read_document(document: Any, source: Source, problems: Sequence[Problem], *, cut: bool = False) -> Reading:
    """A whole document as a reading; rows are 0-based indices of the entries.

    Args:
        source: what is known of the file.
        cut: whether its end is missing.
    """
    if is_export(document):
        return _read_export(document, source, list(problems))
    return _read_tables(_logs_among(tables_in(document, cut=cut)), source, list(problems), cut)


def is_export(document: Any) -> bool:
    """Whether a document is a list of (wall time, step, value), as TensorBoard's JSON download is."""
    return (
        isinstance(document, list)
        and bool(document)
        and all(isinstance(row, list) and len(row) == 3 for row in document[:20])
    )


def _read_export(document: list[Any], source: Source, problems: list[Problem]) -> Reading:
    """TensorBoard's download of one tag, whose name is in the file's name only."""
    header = ("Wall time", "Step", "Value")
    entries = [dict(zip(header, row, strict=False)) if isinstance(row, list) else row for row in document]
    dialect = dialect_of_table(header, plain_name(Path(source.path)))
    return _read_entries(Table(path=(), entries=entries), source, problems, dialect=dialect)


def _read_entries(
    table: Table, source: Source, problems: list[Problem], cut: bool = False, dialect: Dialect | None = None
) -> Reading:
    entries = table.entries
    odd = [index for index, entry in enumerate(entries) if not isinstance(entry, dict)]
    if odd:
        message = f"{len(odd)} entries are no objects, first {str(entries[odd[0]])[:40]!r}: left out"
        problems.append(Problem(source=source.path, kind="row", row=odd[0], message=message))
    rows = np.array([index for index, entry in enumerate(entries) if isinstance(entry, dict)], dtype=np.int64)
    kept = [entry for entry in entries if isinstance(entry, dict)]
    if not kept:
        return unreadable(source.path, source.format, "no complete entry: nothing can be read", problems)
    columns = columns_of_entries(kept)
    if table.counter:
        dialect = Dialect(step_columns=(table.counter,), counts="batch")
    reading = interpret(
        columns,
        rows,
        dialect=dialect or dialect_of_entries(first_keys(columns)),
        problems=problems,
        source=source,
        incomplete=len(kept) - 1 if cut else None,
    )
    return _prefixed(reading, prefix_of(table))


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


def _read_tables(tables: Sequence[Table], source: Source, problems: list[Problem], cut: bool) -> Reading:
    """All tables of a document; its axis is the first one's, and a series on another axis has no step on this one."""
    if len(tables) > MOST_TABLES:
        message = f"{len(tables):,} tables in one document, as no log has: the first {MOST_TABLES:,} are read"
        problems.append(Problem(source=source.path, kind="row", message=message))
        tables = tables[:MOST_TABLES]
    if len(tables) == 1 and tables[0].entries:
        return _read_entries(tables[0], source, problems, cut)
    readings = [
        _read_entries(one, source, [], cut) if one.entries else _read_lists(one, source, judge=len(tables) == 1)
        for one in tables
    ]
    readings = [one for one in readings if one.series]
    if not readings:
        reason = "not a training log: no list of entries and no lists of numbers"
        return unreadable(source.path, source.format, reason, problems)
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


def _read_lists(table: Table, source: Source, *, judge: bool) -> Reading:
    """Lists of one length; a Keras History where their names say so."""
    columns = [_column(key, values) for key, values in _with_nan(table.lists).items()]
    keras = "loss" in table.lists and all(
        key == "loss" or f"val_{key}" in table.lists or key.startswith("val_") or key in ("lr", "learning_rate")
        for key in table.lists
    )
    reading = interpret(
        columns,
        np.arange(table.length, dtype=np.int64),
        dialect=Dialect(framework="keras", counts="epoch") if keras and len(columns) > 1 else Dialect(),
        source=source,
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




def _with_nan(lists: Mapping[str, Sequence[Any]]) -> Mapping[str, Sequence[Any]]:
    """Lists in which a null that stands for NaN is one, as pandas and JavaScript write it.

    A loss of training that has no number in a row in which another measure that never lacks one has its own was not
    finite there; that of validation, which may not have been taken, only where the one of training was not.
    """
    lacking = {key for key, values in lists.items() if None in values}
    whole = [key for key in lists.keys() - lacking if not names_an_axis(key) and not names_a_time(key)]
    of_training = [key for key in lacking if role_of_tag(key) in ("loss", "epoch_loss")]
    lost = {row for key in of_training for row, value in enumerate(lists[key]) if value is None}
    if not whole or not lost or any(len(lost) == len(lists[key]) for key in of_training):
        return lists
    return {
        key: [NAN if value is None and row in lost else value for row, value in enumerate(values)]
        if key in lacking and role_of_tag(key) in LOSSES
        else values
        for key, values in lists.items()
    }
