"""A database gives what was committed to it, whatever lies beside it, and is left as it was."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analyzer.model import NO_STEP
from analyzer.readers import mlflow_database
from analyzer.readers.sqlite_file import MAGIC, TIMES, read_database, tables_of

COMMITTED = 300


def killed(folder: Path, mode: str) -> Path:
    """A database whose writer was killed in the middle of a transaction, or before it moved its log into the file."""
    source = folder / "writing.db"
    path = folder / "killed" / "mlflow.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(source, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute("CREATE TABLE numbers (n INTEGER, padding TEXT)")
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO numbers VALUES (?, ?)", [(n, "x" * 500) for n in range(COMMITTED)])
        connection.execute("COMMIT")
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN")
        connection.execute("UPDATE numbers SET n = -1, padding = padding || 'y'")
        connection.executemany("INSERT INTO numbers VALUES (?, ?)", [(-2, "x" * 500) for _ in range(COMMITTED)])
        for name in ("", "-journal", "-wal"):
            if Path(f"{source}{name}").exists():
                shutil.copyfile(f"{source}{name}", f"{path}{name}")
    assert Path(f"{path}-journal").exists() or Path(f"{path}-wal").exists()
    return path


def numbers(connection: sqlite3.Connection) -> list[int]:
    return [row[0] for row in connection.execute("SELECT n FROM numbers ORDER BY rowid")]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_what_was_committed_is_read_and_nothing_is_touched(tmp_path: Path, mode: str) -> None:
    path = killed(tmp_path, mode)
    before = contents(path.parent)
    assert read_database(path, numbers) == list(range(COMMITTED))
    assert contents(path.parent) == before


def plain(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE numbers (n)")
        connection.execute("INSERT INTO numbers VALUES (1)")
        connection.commit()
    return path


@pytest.mark.parametrize("changes", [1, TIMES - 1])
def test_a_database_that_changes_meanwhile_is_read_again(tmp_path: Path, changes: int) -> None:
    path = plain(tmp_path / "x.db")
    calls = []

    def work(connection: sqlite3.Connection) -> list[int]:
        found = numbers(connection)
        calls.append(found)
        if len(calls) <= changes:
            with closing(sqlite3.connect(path)) as other:
                other.execute("INSERT INTO numbers VALUES (2)")
                other.commit()
            os.utime(path, ns=(len(calls), len(calls)))
            if len(calls) == 1:
                raise sqlite3.DatabaseError("database disk image is malformed")
        return found

    assert read_database(path, work) == [1] + [2] * changes


def test_one_that_changes_all_the_time_is_named(tmp_path: Path) -> None:
    path = plain(tmp_path / "x.db")
    calls = iter(range(1, 100))
    with pytest.raises(sqlite3.OperationalError, match="another process writes to it"):
        read_database(path, lambda connection: os.utime(path, ns=(number := next(calls), number)))


def test_a_pipe_beside_it_is_not_opened(tmp_path: Path) -> None:
    path = plain(tmp_path / "x.db")
    os.mkfifo(f"{path}-wal")
    with pytest.raises(OSError, match="never opened"):
        read_database(path, numbers)


ROWS: list[tuple[Any, ...]] = [
    ("loss", 0.5, 1_700_000_000_000, 1, 0),
    ("loss", "low", 1_700_000_001_000, 2, 0),
    ("loss", 0.4, "yesterday", 3, 0),
    ("loss", 0.3, 1_700_000_003_000, "four", 0),
    (b"\xff", 0.2, 1_700_000_004_000, 5, 0),
    ("loss", None, 1_700_000_005_000, 6, 1),
    ("loss", b"\x01", 1_700_000_006_000, 7, 0),
    ("loss", 0.1, 1_700_000_007_000, 8, 0),
]  # fmt: skip


def test_a_cell_of_another_kind_costs_itself(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE experiments (experiment_id, name); CREATE TABLE params (run_uuid, key, value);"
            "CREATE TABLE runs (run_uuid, name, experiment_id, start_time, lifecycle_stage);"
            "CREATE TABLE metrics (run_uuid, key, value, timestamp, step, is_nan);"
            "INSERT INTO runs VALUES ('r', x'ff', 1, 'once', 'active')"
        )
        connection.executemany("INSERT INTO metrics VALUES ('r', ?, ?, ?, ?, ?)", ROWS)
        connection.commit()
    (run,) = mlflow_database.read(path).runs
    (loss,) = run.series
    assert loss.step.tolist() == [1, 3, NO_STEP, 6, 8]
    np.testing.assert_array_equal(loss.value, [0.5, 0.4, 0.3, np.nan, 0.1])
    assert np.isnan(loss.wall_time).tolist() == [False, True, False, False, False]
    assert [problem.message[:18] for problem in run.problems] == ["5 rows of metrics "]


def test_text_that_is_no_utf8_costs_itself(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE numbers (n, name TEXT)")
        connection.execute("INSERT INTO numbers VALUES (1, CAST(x'6cff' AS TEXT)), (2, 'loss')")
        connection.commit()
    rows = read_database(path, lambda connection: connection.execute("SELECT * FROM numbers").fetchall())
    assert rows == [(1, "l\ufffd"), (2, "loss")]


def test_a_damaged_schema_is_no_exception(tmp_path: Path) -> None:
    path = plain(tmp_path / "x.db")
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE numbers (n)", b"CREATE T\xcdBLE n\xffmbers (("))
    assert tables_of(path, MAGIC) == {}
    with pytest.raises(sqlite3.Error):
        read_database(path, numbers)


ENDLESS = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c"
COMPUTED = {
    "a view without an end": f"CREATE VIEW numbers AS {ENDLESS}",
    "columns of megabytes made of nothing": "CREATE TABLE rows (x); INSERT INTO rows VALUES (1);"
    "ALTER TABLE rows ADD COLUMN n AS (hex(zeroblob(900000000)));CREATE VIEW numbers AS SELECT n FROM rows",
}


@pytest.mark.parametrize("schema", COMPUTED.values(), ids=COMPUTED)
def test_what_a_file_computes_is_stopped(tmp_path: Path, schema: str) -> None:
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(schema)
    with pytest.raises(sqlite3.Error):
        read_database(path, lambda connection: sum(1 for _ in connection.execute("SELECT n FROM numbers")))


def test_a_table_whose_name_is_damaged_is_left_out(tmp_path: Path) -> None:
    path = plain(tmp_path / "x.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE others (n)")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET name = 5 WHERE name = 'others'")
        connection.commit()
    assert set(tables_of(path, MAGIC)) <= {"numbers"}
