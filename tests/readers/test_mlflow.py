"""MLflow's two stores: every kind of line, every value, and what is no run."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from analyzer.discovery import discover
from analyzer.model import NO_STEP, Run, Series
from analyzer.readers.mlflow_files import parse

FIXTURES = Path(__file__).parents[2] / "fixtures" / "same_run"
META = "artifact_uri: x\nexperiment_id: '0'\nrun_id: abc\nrun_name: tiny\n"


def store(folder: Path, metrics: dict[str, str], params: dict[str, str] | None = None) -> Path:
    run = folder / "mlruns" / "0" / "abc"
    for kind, files in (("metrics", metrics), ("params", params or {})):
        for key, text in files.items():
            path = run / kind / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    (run / "meta.yaml").write_text(META)
    return folder


def only_run(path: Path) -> Run:
    (run,) = discover([path]).runs
    return run


def series(run: Run, tag: str) -> Series:
    return run.views[0].series[tag]


@pytest.mark.parametrize(
    ("line", "step", "value"),
    [
        ("1691583777183 0.5", NO_STEP, 0.5),
        ("1691583777183 0.5 7", 7, 0.5),
        ("1691583777183 0.5 7 dataset 4589a755", 7, 0.5),
        ("1691583777183 nan 7", 7, math.nan),
        ("1691583777183 -inf 7", 7, -math.inf),
        ("1691583777183 1e-05 -1", -1, 1e-5),
    ],
)
def test_lines_of_two_three_and_five_fields(line: str, step: int, value: float) -> None:
    points, problems = parse(line + "\n", "loss", "metrics/loss")
    assert points.step.tolist() == [step]
    assert np.array_equal(points.value, [value], equal_nan=True)
    assert points.wall_time.tolist() == [1691583777.183]
    assert not problems


@pytest.mark.parametrize("text", ["1691583777183 0.5 7\n169158377", "1691583777183 0.5 7\n1691583778000 0.25 8"])
def test_a_cut_last_line_is_no_value(text: str) -> None:
    points, (problem,) = parse(text, "loss", "metrics/loss")
    assert points.step.tolist() == [7]
    assert problem.kind == "truncated" and problem.row == 2


def test_a_line_that_is_none_is_named() -> None:
    points, (problem,) = parse("1691583777183 0.5 7\nhello\n1691583777184 0.4 8\n", "loss", "metrics/loss")
    assert points.step.tolist() == [7, 8]
    assert problem.kind == "row" and problem.row == 2


def test_a_run_with_nested_names_and_parameters(tmp_path: Path) -> None:
    lines = "".join(f"{1691583777000 + 10 * step} {1 / step} {step}\n" for step in range(1, 9))
    run = only_run(store(tmp_path, {"train/loss": lines, "lr": lines}, {"learning_rate": "0.001", "max_steps": "8"}))
    assert run.name == "mlruns/0/abc"
    assert series(run, "train/loss").step.tolist() == list(range(1, 9))
    assert {("base_lr", 0.001), ("max_steps", 8)} <= {(fact.key, fact.value) for fact in run.facts}


def test_a_run_that_does_not_name_its_experiment(tmp_path: Path) -> None:
    folder = store(tmp_path, {"loss": "".join(f"{1000 * step} 1.0 {step}\n" for step in range(1, 7))})
    (folder / "mlruns" / "0" / "abc" / "meta.yaml").write_text("artifact_uri: x\nrun_id: abc\n")
    assert series(only_run(folder), "loss").step.tolist() == list(range(1, 7))


def test_rows_are_calls_so_that_all_metrics_share_them(tmp_path: Path) -> None:
    every = "".join(f"{1000 * step} 1.0 {step}\n" for step in range(1, 7))
    second = "".join(f"{1000 * step} 1.0 {step}\n" for step in (2, 4, 6))
    run = only_run(store(tmp_path, {"loss": every, "val_loss": second}))
    assert series(run, "loss").row.tolist() == [0, 1, 2, 3, 4, 5]
    assert series(run, "val_loss").row.tolist() == [1, 3, 5]


def test_what_a_resume_logged_twice_is_there_twice_in_written_order(tmp_path: Path) -> None:
    steps = [1, 2, 3, 4, 3, 4, 5]
    lines = "".join(f"{1000 * at} {1 / (at + 1)} {step}\n" for at, step in enumerate(steps, start=1))
    assert series(only_run(store(tmp_path, {"loss": lines})), "loss").step.tolist() == steps


def test_without_any_step_the_place_counts(tmp_path: Path) -> None:
    run = only_run(store(tmp_path, {"loss": "".join(f"{1000 * at} 0.5 0\n" for at in range(1, 5))}))
    assert series(run, "loss").step.tolist() == [1, 2, 3, 4]
    assert run.sources[0].step_axis == "row"


def test_single_values_at_step_0_keep_it(tmp_path: Path) -> None:
    run = only_run(store(tmp_path, {"r2": "1691583777183 0.5 0\n"}))
    assert series(run, "r2").step.tolist() == [0]


def test_a_run_without_metrics_is_named(tmp_path: Path) -> None:
    (problem,) = discover([store(tmp_path, {}, {"depth": "3"})]).unreadable
    assert "no metrics" in problem.message


def test_metrics_and_artifacts_are_no_runs_of_their_own(tmp_path: Path) -> None:
    store(tmp_path, {"loss": "1691583777183 0.5 1\n"})
    artifact = tmp_path / "mlruns" / "0" / "abc" / "artifacts" / "log.csv"
    artifact.parent.mkdir()
    artifact.write_text("step,loss\n" + "".join(f"{step},0.5\n" for step in range(1, 9)))
    run = only_run(tmp_path)
    assert len(run.views) == 2


def database(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE experiments (experiment_id INTEGER, name TEXT);"
            "CREATE TABLE runs"
            " (run_uuid TEXT, name TEXT, experiment_id INTEGER, start_time INTEGER, lifecycle_stage TEXT);"
            "CREATE TABLE metrics"
            " (key TEXT, value FLOAT, timestamp INTEGER, run_uuid TEXT, step INTEGER, is_nan BOOLEAN);"
            "CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT);"
            "INSERT INTO experiments VALUES (0, 'Default');"
            "INSERT INTO runs VALUES ('a', 'first', 0, 1000, 'active'), ('b', 'second', 0, 2000, 'active'),"
            " ('c', 'gone', 0, 3000, 'deleted'), ('d', 'silent', 0, 4000, 'active');"
            "INSERT INTO params VALUES ('lr', '0.1', 'a');"
        )
        for run in "abc":
            connection.executemany(
                "INSERT INTO metrics VALUES ('loss', ?, ?, ?, ?, ?)",
                [(1.0 / step, 1000 * step, run, step, 0) for step in range(1, 6)]
                + [(0.0, 7000, run, 7, 1), (1.7976931348623157e308, 8000, run, 8, 0)],
            )
        connection.commit()
    return path


def test_a_database_holds_its_runs(tmp_path: Path) -> None:
    runs = discover([database(tmp_path / "mlflow.db")]).runs
    assert [run.name for run in runs] == ["mlflow.db/Default/first", "mlflow.db/Default/second"]
    loss = series(runs[0], "loss")
    assert loss.step.tolist() == [1, 2, 3, 4, 5, 7, 8]
    assert math.isnan(loss.value[5]) and math.isinf(loss.value[6])
    assert [(fact.key, fact.value) for fact in runs[0].facts] == [("base_lr", 0.1)]


def test_a_database_is_left_as_it_was(tmp_path: Path) -> None:
    path = database(tmp_path / "mlflow.db")
    before = path.read_bytes()
    discover([path])
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["mlflow.db"]


@pytest.mark.parametrize("keep", [16, 100, 4096, 9000])
def test_a_cut_database_is_named_or_read(tmp_path: Path, keep: int) -> None:
    path = database(tmp_path / "mlflow.db")
    path.write_bytes(path.read_bytes()[:keep])
    found = discover([path])
    assert found.unreadable or found.runs


def test_both_stores_tell_the_same_run() -> None:
    files, rows = only_run(FIXTURES / "mlflow-files"), only_run(FIXTURES / "mlflow-database")
    for tag in ("loss", "lr", "epoch"):
        one, two = series(files, tag), series(rows, tag)
        assert one.step.tolist() == two.step.tolist()
        assert one.value.tolist() == two.value.tolist()
