"""The long table holds every point, as written, and reads back."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from analyzer import read
from analyzer.cli import main

RUNS = Path(__file__).resolve().parents[2] / "fixtures" / "runs"
EXACTLY = dict.fromkeys(("epoch", "wall_time", "value"), lambda cell: float(cell or "nan"))  # pandas rounds in places
COLUMNS = ["run", "view", "tag", "step", "epoch", "wall_time", "value", "session", "source", "row"]


def export(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["export", *(str(argument) for argument in arguments)])


@pytest.fixture(params=["csv", "parquet"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> pd.DataFrame:
    target = tmp_path / f"out.{request.param}"
    result = export(RUNS / "transformers-resumed", "-o", target)
    assert result.exit_code == 0, result.output
    return pd.read_csv(target, converters=EXACTLY) if request.param == "csv" else pd.read_parquet(target)


def test_every_point_of_every_view_is_there_bit_for_bit(table: pd.DataFrame) -> None:
    assert list(table.columns) == COLUMNS
    (run,) = read(RUNS / "transformers-resumed")
    for view in run.views:
        for tag, series in view.series.items():
            rows = table[(table["view"] == view.name) & (table["tag"] == tag)]
            np.testing.assert_array_equal(rows["value"].to_numpy(), series.value)
            np.testing.assert_array_equal(rows["row"].to_numpy(), series.row)
    assert len(table) == sum(len(series) for view in run.views for series in view.series.values())


def test_the_sessions_of_a_resumed_run(table: pd.DataFrame) -> None:
    loss = table[table["tag"] == "train/loss"].set_index("step")["session"]
    assert loss[100] == 1 and loss[101] == 2 and set(loss) == {1, 2}


def test_the_epoch_in_force_is_the_label_last_logged(table: pd.DataFrame) -> None:
    loss = table[table["tag"] == "train/loss"].set_index("step")
    labels = table[table["tag"] == "train/epoch"].drop_duplicates("step").set_index("step")
    for step in (1, 40, 99):
        assert loss.loc[step, "epoch"] == labels.loc[step, "value"]


def test_missing_numbers_are_empty_and_hostile_names_survive(tmp_path: Path) -> None:
    name = 'loss, "x"\t=1+1'
    with (tmp_path / "log.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["step", "loss", name], *([i, 1 / (i + 1), i] for i in range(20))])
    result = export(tmp_path / "log.csv")
    assert result.exit_code == 0
    rows = list(csv.DictReader(result.stdout.splitlines()))
    assert {row["tag"] for row in rows} == {"loss", 'loss, "x"\\t=1+1'}
    assert {row["epoch"] for row in rows} == {""} and {row["wall_time"] for row in rows} == {""}


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+loss", "'+loss"),
        ("-loss", "'-loss"),
        ("@lr", "'@lr"),
        ("::error::x", "'::error::x"),
        ("a\x1b[31mb\u202ec\x9b", r"a\x1b[31mb\u202ec\x9b"),
        ("a=1", "a=1"),
    ],
)
def test_no_cell_is_a_formula_a_command_or_a_control(name: str, cell: str, tmp_path: Path) -> None:
    rows = "".join(f'{{"step": {i}, {json.dumps(name)}: {1 / (i + 1)}}}\n' for i in range(20))
    (tmp_path / "log.jsonl").write_text(rows)
    export(tmp_path / "log.jsonl", "-o", tmp_path / "x.csv")
    found = list(csv.DictReader((tmp_path / "x.csv").open(encoding="utf-8")))
    assert {row["tag"] for row in found} == {cell}


def test_what_cannot_be_exported_is_said(tmp_path: Path) -> None:
    assert "must end in" in export(RUNS / "keras-resumed", "-o", tmp_path / "x.xlsx").output
    result = export(tmp_path / "gone", "-o", tmp_path / "x.csv")
    assert result.exit_code == 2 and not (tmp_path / "x.csv").exists()
