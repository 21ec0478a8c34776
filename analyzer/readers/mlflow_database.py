"""MLflow's SQLite store (``mlflow.db``), opened read-only: one reading a run.

Timestamps are milliseconds; NaN and infinity are stored as a flag and as the largest float. The primary key holds step,
timestamp and value, so two equal values of one millisecond are one row; anything else that a resume logged is kept.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from analyzer.config.sidecars import facts_from_mapping
from analyzer.model import NO_STEP, Fact, Problem, Series, Source
from analyzer.readers import Reader, Reading
from analyzer.readers.mlflow_files import MetricPoints, with_ordinals
from analyzer.readers.sqlite_file import number_in, read_database, step_in, tables_of, text_in, write_ahead_logs

LARGEST = 1.7e308  # MLflow stores infinity as the largest float


def read(path: Path) -> Reading:
    """Read every run that was not deleted; ``Series.row`` is the row's place in the table, from 0 within the run."""
    source = Source(path=str(path), format="mlflow-database")
    try:
        runs, readings = read_database(path, lambda connection: _readings(connection, source))
    except (sqlite3.Error, OSError) as error:
        message = f"not a database that can be read: {error}"
        return Reading(source=source, problems=(Problem(source=str(path), kind="unreadable", message=message),))
    if not readings:
        reason = f"an MLflow database whose {runs} runs logged no metrics"
        return Reading(source=source, problems=(Problem(source=str(path), kind="unreadable", message=reason),))
    return Reading(source=source, runs=tuple(readings))


def _readings(connection: sqlite3.Connection, source: Source) -> tuple[int, list[Reading]]:
    """How many runs there are, and what those with metrics logged."""
    runs = connection.execute(
        "SELECT run_uuid, runs.name, experiments.name, start_time FROM runs LEFT JOIN experiments"
        " ON runs.experiment_id = experiments.experiment_id"
        " WHERE runs.lifecycle_stage IS NULL OR runs.lifecycle_stage != 'deleted' ORDER BY start_time, run_uuid"
    ).fetchall()
    wanted = {run for run, *_ in runs}
    rows: dict[Any, list[_Row]] = {}
    for run, *row in connection.execute(
        "SELECT run_uuid, key, value, timestamp, step, is_nan FROM metrics ORDER BY rowid"
    ):
        if run in wanted:
            rows.setdefault(run, []).append(tuple(row))
    params: dict[Any, dict[str, Any]] = {}
    for run, key, value in connection.execute("SELECT run_uuid, key, value FROM params ORDER BY rowid"):
        params.setdefault(run, {})[text_in(key)] = value
    found = [
        _reading(source, rows[run], params.get(run, {}), _title(where, name or run), start)
        for run, name, where, start in runs
        if run in rows
    ]
    return len(runs), [one for one in found if one.series]


def _title(experiment: object, run: object) -> str:
    return "/".join(text_in(part) for part in (experiment, run) if part)


_Row = tuple[Any, ...]  # key, value, timestamp, step, is_nan; SQLite lets every cell hold anything


def _reading(source: Source, rows: list[_Row], params: dict[str, Any], title: str, start: object) -> Reading:
    facts: tuple[Fact, ...] = facts_from_mapping(params, "MLflow params") if params else ()
    started = number_in(start)
    own = Source(
        path=source.path,
        format=source.format,
        view=title,
        records=len(rows),
        start_time=started / 1000.0 if started else None,
    )
    at_of: dict[str, list[int]] = {}
    odd: list[int] = []
    for at, (key, value, timestamp, step, _) in enumerate(rows):
        if isinstance(key, str) and (value is None or number_in(value) is not None):
            at_of.setdefault(key, []).append(at)
            if step_in(step) is not None and number_in(timestamp) is not None:
                continue
        odd.append(at)
    points, stepped = with_ordinals([_points(tag, at, rows) for tag, at in at_of.items()])
    series = tuple(
        Series(
            tag=one.tag,
            step=one.step,
            value=one.value,
            wall_time=one.wall_time,
            source=np.zeros(len(one.step), dtype=np.int32),
            row=np.array(at_of[one.tag], dtype=np.int64),
        )
        for one in points
    )
    message = f"{len(odd)} rows of metrics with a cell that holds no number where one belongs: that cell is left out"
    problems = (Problem(source=source.path, kind="row", message=message, row=odd[0]),) if odd else ()
    return Reading(
        source=replace(own, step_axis="step" if stepped else "row"), series=series, facts=facts, problems=problems
    )


def _points(tag: str, at: list[int], rows: list[_Row]) -> MetricPoints:
    values = np.array([np.nan if rows[i][4] or rows[i][1] is None else rows[i][1] for i in at], dtype=np.float64)
    with np.errstate(invalid="ignore"):
        values[np.abs(values) > LARGEST] *= np.inf
    steps = [step_in(rows[i][3]) for i in at]
    times = [number_in(rows[i][2]) for i in at]
    return MetricPoints(
        tag=tag,
        step=np.array([NO_STEP if step is None else step for step in steps], dtype=np.int64),
        value=values,
        wall_time=np.array([np.nan if time is None else time for time in times], dtype=np.float64) / 1000.0,
    )


def _recognises(path: Path, head: bytes) -> bool:
    tables = tables_of(path, head)
    return {"run_uuid", "key", "value", "timestamp", "step"} <= tables.get("metrics", set()) and "runs" in tables


READER = Reader(
    name="mlflow-database",
    title="MLflow database (SQLite)",
    suffixes=(".db", ".sqlite", ".sqlite3"),
    recognises=_recognises,
    read=read,
    also_reads=write_ahead_logs,
    recognised_by="an SQLite file with MLflow's tables `runs` and `metrics`",
    step="what the caller passed as step; the place in the series where nobody passed any",
    epoch="a metric of its own",
    learning_rate="as logged",
    priority=20,
)
