"""``analyzer formats --explain``: what became of one file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from analyzer.cli import main
from analyzer.cli.formats import expression_for


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["formats", *arguments])


def test_a_log_is_explained_with_what_was_passed_over(tmp_path: Path) -> None:
    lines = [f"Epoch [1/3], Step [{i}/600], Loss: {9 / i:.4f}\nsaved weights {i}" for i in range(100, 601, 100)]
    path = tmp_path / "train.log"
    path.write_text("loading data\n" + "\n".join(lines) + "\nno log\n")
    told = run("--explain", str(path)).stdout
    assert "read as stdout" in told
    assert "6 rows, steps count batch from column step of the run" in told
    assert "Loss: 6 points, taken for loss (first: line 2, step 100, value 0.09)" in told
    assert "declares epochs = 3" in told
    assert "6 lines such as\n    3: saved weights 100\n    5: saved weights 200\n    7: saved weights 300" in told
    found = json.loads(run("--explain", str(path), "--format", "json").stdout)
    assert [kind["count"] for kind in found["passed_over"]] == [6, 1, 1]


def test_a_file_that_nobody_knows_and_one_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("one\ntwo\n")
    assert "no reader knows this file" in run("--explain", str(path)).stdout
    gone = run("--explain", str(tmp_path / "gone.log"))
    assert gone.exit_code == 2
    assert "no such file" in gone.output


def test_lines_that_nobody_knows_get_an_expression_that_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "run.txt"
    path.write_text("".join(f"it no {at} => obj {9 / at:.3f} (gap {at}.5e-3)\n" for at in range(10, 50, 10)))
    told = run("--explain", str(path)).stdout
    match = told.split("match = ", 1)[1].strip()
    for letter, name in (("a", "step"), ("b", "loss"), ("c", "gap")):
        match = match.replace(f"(?P<{letter}>", f"(?P<{name}>")
    pytest.importorskip("re2", reason="lines of one's own are matched by an extra")
    (tmp_path / "analyzer.toml").write_text(f"[[line]]\nmatch = {match}\n")
    told = run("--explain", str(path)).stdout
    assert "loss: 4 points, taken for loss (first: line 1, step 10, value 0.9)" in told
    assert "gap: 4 points" in told


@pytest.mark.parametrize("line", ["saved weights", "it's 3", "a tab\tbetween 1 and 2"])
def test_a_line_without_numbers_or_with_signs_that_toml_has_none_for_gets_none(line: str) -> None:
    assert expression_for(line) == ""
