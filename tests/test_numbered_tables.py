"""Tables numbered in their names: epochs of one run, or runs of a sweep."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer import read


def write(folder: Path, tables: list[list[float]], names: list[str] | None = None) -> None:
    for at, losses in enumerate(tables):
        rows = "".join(f"{step},{loss:.6f}\n" for step, loss in enumerate(losses))
        (folder / (names[at] if names else f"losses_{at}.csv")).write_text(f"iteration,loss\n{rows}")


def falling(begin: int, rows: int = 40) -> list[float]:
    return [10 / (1 + at / 20) for at in range(begin, begin + rows)]


def test_a_table_for_each_epoch_is_one_run_whose_steps_go_on(tmp_path: Path) -> None:
    write(tmp_path, [falling(0), falling(40), falling(80), falling(120, 15)])
    (run,) = read(tmp_path)
    loss = run.views[0].series["loss"]
    assert loss.step.tolist() == list(range(135))
    assert {source.step_axis for source in run.sources} == {"batch"}


APART: list[tuple[str, list[list[float]], list[str] | None]] = [
    ("a sweep: all begin alike", [falling(0), falling(0), [loss * 1.02 for loss in falling(0)]], None),
    ("two tables", [falling(0), falling(40)], None),
    ("a number is missing", [falling(0), falling(40), falling(80)], ["losses_0.csv", "losses_1.csv", "losses_3.csv"]),
    ("of other lengths", [falling(0), falling(40, 30), falling(70)], None),
    ("longer at the end", [falling(0), falling(40), falling(80, 60)], None),
    ("one that begins again", [falling(0), falling(40), [loss * 1.02 for loss in falling(0)]], None),
]


@pytest.mark.parametrize(("tables", "names"), [row[1:] for row in APART], ids=[row[0] for row in APART])
def test_other_numbered_tables_are_runs(tmp_path: Path, tables: list[list[float]], names: list[str] | None) -> None:
    write(tmp_path, tables, names)
    assert all(source.step_axis != "batch" for run in read(tmp_path) for source in run.sources)
