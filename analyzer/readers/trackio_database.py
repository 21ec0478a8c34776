"""Trackio's local store: one SQLite file a project, opened read-only; one reading a run.

A row is one call of ``log``: a step, an ISO timestamp and the metrics as JSON. Steps count calls unless the caller
passed one, as in W&B.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np

from analyzer.config.sidecars import facts_from_mapping
from analyzer.model import Fact, Problem, Source
from analyzer.readers import Reader, Reading
from analyzer.readers.columns import Dialect
from analyzer.readers.columns.entries import columns_of_entries
from analyzer.readers.columns.reading import interpret
from analyzer.readers.json_lines import flat_entry
from analyzer.readers.sqlite_file import MAGIC, number_in, read_database, tables_of, text_in, write_ahead_logs
from analyzer.written_numbers import loads_json

DIALECT = Dialect(framework="trackio", wall_column="_timestamp")


def read(path: Path) -> Reading:
    """Read every run of a project; ``Series.row`` is the row's id in the table."""
    source = Source(path=str(path), format="trackio", framework="trackio")
    columns = tables_of(path, MAGIC)
    run_column = "run_id" if "run_id" in columns.get("metrics", set()) else "run_name"

    def work(connection: sqlite3.Connection) -> tuple[list[Any], list[Reading], dict[str, tuple[Fact, ...]]]:
        runs = connection.execute(
            f"SELECT {run_column}, MAX(run_name), MIN(id) FROM metrics GROUP BY {run_column} ORDER BY MIN(id)"
        ).fetchall()
        rows: dict[Any, list[Any]] = {}
        for run, *row in connection.execute(
            f"SELECT {run_column}, id, step, timestamp, metrics FROM metrics ORDER BY id"
        ):
            rows.setdefault(run, []).append(row)
        readings = [_reading(rows.get(run, []), source, text_in(name)) for run, name, _ in runs]
        return runs, readings, _configs(connection, columns.get("configs", set()), run_column)

    try:
        runs, readings, configs = read_database(path, work)
    except (sqlite3.Error, OSError) as error:
        message = f"not a database that can be read: {error}"
        return Reading(source=source, problems=(Problem(source=str(path), kind="unreadable", message=message),))
    if not readings:
        reason = "a Trackio project without a logged row"
        return Reading(source=source, problems=(Problem(source=str(path), kind="unreadable", message=reason),))
    facts = [configs.get(run, ()) for run, _, _ in runs]
    return Reading(
        source=source,
        runs=tuple(
            Reading(source=one.source, series=one.series, problems=one.problems, facts=found)
            for one, found in zip(readings, facts, strict=True)
        ),
    )


def _reading(rows: list[Any], source: Source, name: str) -> Reading:
    entries: list[dict[str, Any]] = []
    numbers: list[int] = []
    problems: list[Problem] = []
    for number, step, moment, text in rows:
        try:
            metrics = loads_json(text_in(text))
        except (ValueError, RecursionError):
            problems.append(Problem(source=source.path, kind="row", message="metrics that are no JSON", row=number))
            continue
        if isinstance(metrics, dict):
            entries.append({"_step": number_in(step), "_timestamp": moment, **flat_entry(metrics)})
            numbers.append(number)
    own = Source(path=source.path, format=source.format, framework=source.framework, view=name)
    return interpret(
        columns_of_entries(entries),
        np.array(numbers, dtype=np.int64),
        source=own,
        dialect=DIALECT,
        problems=problems,
        judge=False,
    )


def _configs(connection: sqlite3.Connection, columns: set[str], run_column: str) -> dict[str, tuple[Fact, ...]]:
    if not {run_column, "config"} <= columns:
        return {}
    found = {}
    for run, text in connection.execute(f"SELECT {run_column}, config FROM configs"):
        try:
            config = loads_json(text_in(text))
        except (ValueError, RecursionError):
            continue
        if isinstance(config, dict):
            public = {key: value for key, value in config.items() if not key.startswith("_")}
            found[run] = facts_from_mapping(public, "Trackio config")
    return found


def _recognises(path: Path, head: bytes) -> bool:
    return {"timestamp", "run_name", "step", "metrics"} <= tables_of(path, head).get("metrics", set())


READER = Reader(
    name="trackio",
    title="Trackio projects (SQLite)",
    suffixes=(".db",),
    recognises=_recognises,
    read=read,
    also_reads=write_ahead_logs,
    recognised_by="an SQLite file with Trackio's table `metrics`",
    step="`global_step`, `iter` or the like where logged, else what was passed as step, which counts calls by default",
    epoch="as logged",
    learning_rate="as logged",
    priority=20,
)
