"""Trackio's local store: a real project, early and odd tables, and values that JSON has no words for."""

from __future__ import annotations

import math
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from analyzer.discovery import discover

REAL = Path(__file__).parents[2] / "fixtures" / "same_run" / "trackio" / "same-run.db"


def project(path: Path, rows: list[tuple[object, ...]]) -> Path:
    """A project as early versions wrote it, without run ids."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE metrics (id INTEGER PRIMARY KEY, timestamp TEXT, run_name TEXT, step INTEGER, metrics TEXT);"
            "CREATE TABLE configs (id INTEGER PRIMARY KEY, run_name TEXT, config TEXT, created_at TEXT);"
            """INSERT INTO configs (run_name, config) VALUES ('a', '{"lr": 0.1, "_Username": "x"}');"""
        )
        connection.executemany("INSERT INTO metrics (timestamp, run_name, step, metrics) VALUES (?, ?, ?, ?)", rows)
        connection.commit()
    return path


def test_every_row_of_a_real_project(tmp_path: Path) -> None:
    shutil.copy(REAL, tmp_path / "same-run.db")
    (run,) = discover([tmp_path]).runs
    assert run.views[0].series["loss"].step.tolist() == list(range(1, 121))
    assert [path.name for path in tmp_path.iterdir()] == ["same-run.db"]


def test_runs_of_a_project_are_told_apart(tmp_path: Path) -> None:
    rows: list[tuple[object, ...]] = [
        (f"2026-01-01T00:00:{step:02d}+00:00", name, step, f'{{"loss": {1 / (step + 1)}}}')
        for step in range(9)
        for name in ("a", "b")
    ]
    first, second = discover([project(tmp_path / "p.db", rows)]).runs
    assert (first.name, second.name) == ("p.db/a", "p.db/b")
    assert len(first.views[0].series["loss"]) == 9
    assert [(fact.key, fact.value) for fact in first.facts] == [("base_lr", 0.1)]
    assert second.facts == ()


def test_quoted_infinity_and_broken_rows(tmp_path: Path) -> None:
    texts = ['{"loss": 1.0}', '{"loss": "NaN"}', '{"loss": "-Infinity"}', "{", '{"loss": 0.5}']
    rows: list[tuple[object, ...]] = [("2026-01-01T00:00:00", "a", step, text) for step, text in enumerate(texts)]
    (run,) = discover([project(tmp_path / "p.db", rows)]).runs
    loss = run.views[0].series["loss"]
    assert loss.step.tolist() == [0, 1, 2, 4]
    assert math.isnan(loss.value[1]) and loss.value[2] == -math.inf
    assert [problem.kind for problem in run.problems] == ["row"]


def test_an_empty_project_and_another_database(tmp_path: Path) -> None:
    project(tmp_path / "p.db", [])
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE pictures (id INTEGER)")
    found = discover([tmp_path])
    assert not found.runs
    assert ["without a logged row" in problem.message for problem in found.unreadable] == [True]


@pytest.mark.parametrize("keep", [0, 16, 100, 5000, 50_000])
def test_a_cut_database_costs_only_itself(tmp_path: Path, keep: int) -> None:
    (tmp_path / "p.db").write_bytes(REAL.read_bytes()[:keep])
    (tmp_path / "log.csv").write_text("step,loss\n" + "".join(f"{step},0.5\n" for step in range(1, 9)))
    found = discover([tmp_path])
    assert any(run.sources[0].format == "csv" for run in found.runs)
