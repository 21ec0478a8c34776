"""Notebooks: each training of a cell is a run, one that goes on is its next life, and nothing else tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from analyzer.readers import Reading, notebook


def printed(*lines: str) -> dict[str, Any]:
    return {"name": "stdout", "output_type": "stream", "text": [f"{line}\n" for line in lines]}


def shown(html: str) -> dict[str, Any]:
    data = {"text/html": html.splitlines(keepends=True), "text/plain": ["<IPython>"]}
    return {"output_type": "display_data", "data": data}


def cell(*outputs: dict[str, Any]) -> dict[str, Any]:
    return {"cell_type": "code", "source": ["train()"], "outputs": list(outputs)}


def epochs(first: int, last: int, start: float = 3.0) -> list[str]:
    return [f"Epoch {n}/{last} | train loss {start / n:.4f} | val loss {start / n + 0.1:.4f} | lr 0.001" for n in range(first, last + 1)]  # noqa: E501


def steps(first: int, last: int, by: int = 100) -> list[str]:
    return [f"step {n} | loss {300 / n:.4f} | lr 0.001" for n in range(first, last + 1, by)]


def epochs_and_steps(first: int, last: int) -> list[str]:
    return [f"Epoch {1 + (n - first) // 1000}, Step: {n}, loss: {300 / n:.4f}" for n in range(first, last + 1, 100)]


def returned(*lines: str) -> dict[str, Any]:
    return {"output_type": "execute_result", "data": {"text/plain": [f"{line}\n" for line in lines]}}


def of_the_trainer(*names: str) -> str:
    def row(cells: list[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{one}</{tag}>" for one in cells) + "</tr>\n"

    body = "".join(row([str(500 * n), f"{3 / n:.6f}"], "td") for n in range(1, 7))
    return f'<progress value="9"></progress>\n<table border="1">\n{row(list(names), "th")}{body}</table>\n'


TOLD = [
    # title, cells, of each run: view, tag, rows, first and last step, lives that begin later
    ("one cell", [cell(printed(*epochs(1, 8)))], [("", "train loss", 8, 1, 8, 0)]),
    ("two cells that begin anew", [cell(printed(*epochs(1, 8))), cell(printed(*epochs(1, 6)))],
     [("cell 1", "train loss", 8, 1, 8, 0), ("cell 2", "train loss", 6, 1, 6, 0)]),
    ("a cell that goes on", [cell(printed(*epochs(1, 8))), cell(printed("nothing")), cell(printed(*epochs(9, 12)))],
     [("", "train loss", 12, 1, 12, 1)]),
    ("a fit that is called three times in one cell", [cell(printed(*epochs(1, 5), *epochs(1, 5), *epochs(1, 5)))],
     [("cell 1", "train loss", 5, 1, 5, 0), ("cell 1 (2)", "train loss", 5, 1, 5, 0),
      ("cell 1 (3)", "train loss", 5, 1, 5, 0)]),
    ("a cell that resumes inside what another trained",
     [cell(printed(*steps(100, 3000))), cell(printed(*steps(2100, 5000)))],
     [("", "loss", 60, 100, 5000, 1)]),
    ("a cell that goes on and counts its own epochs",
     [cell(printed(*epochs_and_steps(100, 3000))), cell(printed(*epochs_and_steps(3100, 5000)))],
     [("cell 1", "loss", 30, 100, 3000, 0), ("cell 2", "loss", 20, 3100, 5000, 0)]),
    ("a cell that prints at another cadence", [cell(printed(*steps(100, 3000))), cell(printed(*steps(500, 5000, 500)))],
     [("cell 1", "loss", 30, 100, 3000, 0), ("cell 2", "loss", 10, 500, 5000, 0)]),
    ("what a cell returns behind what it printed", [cell(printed(*epochs(1, 8)), returned(*epochs(1, 8)))],
     [("", "train loss", 8, 1, 8, 0)]),
    ("what a cell returns", [cell(returned(*epochs(1, 8)))], [("", "train loss", 8, 1, 8, 0)]),
    ("the table of the Trainer", [cell(shown(of_the_trainer("Step", "Training Loss")))],
     [("", "Training Loss", 6, 500, 3000, 0)]),
    ("a frame of pandas", [cell(shown(of_the_trainer("", "loss")))], []),
    ("a result", [cell(printed("Test Loss: 0.0629"))], []),
    ("prose", [cell(printed("step one: load the data", "loss of generality"))], []),
]  # fmt: skip


def read(cells: list[dict[str, Any]], indent: int | None = 1) -> Reading:
    return notebook.parse(json.dumps({"cells": cells, "nbformat": 4}, indent=indent).encode(), "train.ipynb")


@pytest.mark.parametrize("indent", [1, None])
@pytest.mark.parametrize(("cells", "expected"), [one[1:] for one in TOLD], ids=[str(one[0]) for one in TOLD])
def test_trainings(cells: list[dict[str, Any]], expected: list[tuple[Any, ...]], indent: int | None) -> None:
    reading = read(cells, indent)
    runs = [one for one in (reading.runs or (reading,)) if one.series]
    found = []
    for run in runs:
        loss = next(one for one in run.series if "oss" in one.tag)
        begun = sum(marker.kind == "header-repeated" for marker in run.markers)
        found.append((run.source.view, loss.tag, len(loss), int(loss.step[0]), int(loss.step[-1]), begun))
    assert found == expected
    assert expected or reading.problems


def test_rows_are_lines_of_the_file() -> None:
    cells = [cell(printed("hello")), cell(printed("start", *epochs(1, 8)))]
    text = json.dumps({"cells": cells, "nbformat": 4}, indent=1)
    loss = next(one for one in notebook.parse(text.encode(), "train.ipynb").series if one.tag == "train loss")
    for row, value in zip(loss.row.tolist(), loss.value.tolist(), strict=True):
        assert f"train loss {value:.4f}" in text.split("\n")[row - 1]


@pytest.mark.parametrize("text", ["{", '{"cells": 3}', '{"cells": [{"outputs": 3}]}', "[]", '{"cells": [3]}'])
def test_no_notebook_is_named(text: str) -> None:
    reading = notebook.parse(text.encode(), "train.ipynb")
    assert not reading.series
    assert reading.problems


def test_only_notebooks_that_may_tell_are_opened(tmp_path: Path) -> None:
    told = {"train": [cell(printed(*epochs(1, 8)))], "code": [cell()], "plain": [cell(printed("ok"))]}
    for name, cells in told.items():
        (tmp_path / f"{name}.ipynb").write_text(json.dumps({"cells": cells, "nbformat": 4}, indent=1))
    found = {path.stem: notebook.recognises(path, path.read_bytes()[:4096]) for path in tmp_path.iterdir()}
    assert found == {"train": True, "code": False, "plain": False}
