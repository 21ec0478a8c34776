"""MLflow's SQLite store (``mlflow.db``), opened read-only: one reading a run.

Timestamps are milliseconds; NaN and infinity are stored as a flag and as the largest float. The primary key holds step,
timestamp and value, so two equal values of one millisecond are one row; anything else that a resume logged is kept.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from analyzer.config.sidecars import facts_from_mapping
from analyzer.model import Fact, Problem, Series, Source
from analyzer.readers import Reader, Reading
from analyzer.readers.mlflow_files import Points, with_ordinals
from analyzer.readers.sqlite_file import opened, tables_of, write_ahead_logs

LARGEST = 1.7e308  # MLflow stores infinity as the largest float


def read(path: Path) -> Reading:
    """Read every run that was not deleted; ``Series.row`` is the row's place in the table, from 0 within the run."""
    source = Source(path=str(path), format="mlflow-database")
    try:
        with opened(path) as connection:
            runs = connection.execute(
                "SELECT run_uuid, runs.name, experiments.name, start_time FROM runs LEFT JOIN experiments"
                " ON runs.experiment_id = experiments.experiment_id"
                " WHERE runs.lifecycle_stage IS NULL OR runs.lifecycle_stage != 'deleted' ORDER BY start_time, run_uuid"
            ).fetchall()
            readings = [_reading(connection, source, *row) for row in runs]
    except sqlite3.Error as error:
        message = f"not a database that can be read: {error}"
        return Reading(source=source, problems=(Problem(source=str(path), kind="unreadable", message=message),))
    readings = [reading for reading in readings if reading.series]
    if not readings:
        reason = f"an MLflow database whose {len(runs)} runs logged no metrics"
        return Reading(source=source, problems=(Problem(source=str(path), kind="unreadable", message=reason),))
    return Reading(source=source, runs=tuple(readings))


def _reading(
    connection: sqlite3.Connection,
    source: Source,
    run: str,
    name: str | None,
    experiment: str | None,
    start: int | None,
) -> Reading:
    rows = connection.execute(
        "SELECT key, value, timestamp, step, is_nan FROM metrics WHERE run_uuid = ? ORDER BY rowid", (run,)
    ).fetchall()
    params = dict(connection.execute("SELECT key, value FROM params WHERE run_uuid = ? ORDER BY rowid", (run,)))
    facts: tuple[Fact, ...] = facts_from_mapping(params, "MLflow params") if params else ()
    title = "/".join(part for part in (experiment, name or run) if part)
    own = Source(
        path=source.path,
        format=source.format,
        view=title,
        records=len(rows),
        start_time=start / 1000.0 if start else None,
    )
    at_of: dict[str, list[int]] = {}
    for at, row in enumerate(rows):
        at_of.setdefault(row[0], []).append(at)
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
    return Reading(source=replace(own, step_axis="step" if stepped else "row"), series=series, facts=facts)


def _points(tag: str, at: list[int], rows: list[tuple[str, float | None, int, int, int]]) -> Points:
    values = np.array([np.nan if rows[i][4] or rows[i][1] is None else rows[i][1] for i in at], dtype=np.float64)
    with np.errstate(invalid="ignore"):
        values[np.abs(values) > LARGEST] *= np.inf
    return Points(
        tag=tag,
        step=np.array([rows[i][3] for i in at], dtype=np.int64),
        value=values,
        wall_time=np.array([rows[i][2] for i in at], dtype=np.float64) / 1000.0,
    )


def _recognises(path: Path, head: bytes) -> bool:
    tables = tables_of(path, head)
    return {"run_uuid", "key", "value", "timestamp", "step"} <= tables.get("metrics", set()) and "runs" in tables


READER = Reader(
    name="mlflow-database",
    title="MLflow database (SQLite)",
    recognises=_recognises,
    read=read,
    also_reads=write_ahead_logs,
    recognised_by="an SQLite file with MLflow's tables `runs` and `metrics`",
    step="what the caller passed as step; the place in the series where nobody passed any",
    epoch="a metric of its own",
    learning_rate="as logged",
    priority=20,
)
