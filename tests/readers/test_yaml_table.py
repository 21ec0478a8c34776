"""YAML histories: the same log as its JSON, cut ones, and configurations that are none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from analyzer.readers import json_table, reader_for, yaml_table

ROWS = [{"epoch": 1 + n // 5, "step": 50 * (n + 1), "lr": 1e-4, "loss": round(3 / (n + 1), 5)} for n in range(40)]
HEAD = "run: cifar_wrn\nseed: 3\nhistory:\n"


def record(row: dict[str, float]) -> str:
    epoch, *others = (f"{key}: {value}" for key, value in row.items())
    return f"- {epoch}\n" + "".join(f"  {line}\n" for line in others)


WHOLE = HEAD + "".join(map(record, ROWS))


def test_records_are_those_of_the_same_json() -> None:
    written = yaml_table.parse(WHOLE.encode(), "history.yaml")
    as_json = json_table.parse(json.dumps({"run": "cifar_wrn", "seed": 3, "history": ROWS}).encode(), "history.json")
    assert [one.tag for one in written.series] == [one.tag for one in as_json.series]
    for one, other in zip(written.series, as_json.series, strict=True):
        np.testing.assert_array_equal(one.step, other.step)
        np.testing.assert_array_equal(one.value, other.value)
    assert (written.source.format, written.source.step_column) == ("yaml", "step")


def test_a_record_a_line_is_that_of_the_same_list() -> None:
    lines = "".join("{" + ", ".join(f"{key}: {value}" for key, value in row.items()) + "}\n" for row in ROWS)
    written, listed = (yaml_table.parse(text.encode(), "trace.yaml") for text in (lines, WHOLE))
    for one, other in zip(written.series, listed.series, strict=True):
        assert one.tag == other.tag and one.step.tolist() == other.step.tolist()
        np.testing.assert_array_equal(one.value, other.value)


@pytest.mark.parametrize("cut", [len(WHOLE) - 3, len(WHOLE) - 1, WHOLE.rindex("step:") + 4])
def test_a_cut_record_is_named(cut: int) -> None:
    reading = yaml_table.parse(WHOLE[:cut].encode(), "history.yaml")
    assert [problem.kind for problem in reading.problems] == ["truncated"]
    loss = next(one for one in reading.series if one.tag == "loss")
    assert len(loss) == 39


RECOGNISED = [
    ("history.yaml", WHOLE, True),
    ("history.yml", "loss: [2.5, 2.25, 2.125]\nval_loss: [2.6, 2.5, 2.4]\n", True),
    ("trace.yaml", "{avg_loss: 7.4, epoch: 1, type: x}\n{avg_loss: 6.4, epoch: 2, type: x}\n", True),
    ("settings.yaml", "{lr: 0.1, epochs: 30, loss: mse}\n", False),
    ("model.yaml", "model:\n  layers: 3\noptimizer:\n  lr: 0.1\n  milestones: [30, 60, 90]\n", False),
    ("data.yaml", "train: images/train\nval: images/val\nnc: 3\nnames: [a, b, c]\n", False),
    ("losses.yaml", "loss: cross_entropy\nloss_weights: [1, 2]\nepochs: 30\n", False),
    ("broken.yaml", "loss: [2.5,\n  - x: {\n", False),
    ("history.json", WHOLE, False),
]


@pytest.mark.parametrize(("name", "text", "expected"), RECOGNISED, ids=[one[0] for one in RECOGNISED])
def test_recognises(name: str, text: str, expected: bool) -> None:
    found = reader_for(Path(name), text.encode()[:4096])
    assert (found is not None and found.name == "yaml") == expected


NULLS = [
    # title, lists, NaN rows of the loss
    ("from a row on, beside an accuracy", {"loss": [2.0, 1.5, None, None], "accuracy": [0.1, 0.2, 0.1, 0.1]}, [2, 3]),
    ("once", {"loss": [2.0, None, 1.5, 1.4], "lr": [0.1, 0.1, 0.1, 0.1]}, [1]),
    ("every other row is of validation", {"loss": [2.0, None, 1.5, None], "eval_loss": [None, 2.1, None, 1.6]}, []),
    ("a column that never has one", {"loss": [None, None], "accuracy": [0.1, 0.2], "val_loss": [2.0, 1.9]}, []),
    ("nothing else is measured", {"epoch": [1, 2, 3, 4], "loss": [2.0, 1.5, None, None]}, []),
]  # fmt: skip


@pytest.mark.parametrize(("lists", "lost"), [one[1:] for one in NULLS], ids=[str(one[0]) for one in NULLS])
def test_a_null_that_stands_for_nan(lists: dict[str, list[float | None]], lost: list[int]) -> None:
    pandas = {key: {str(at): value for at, value in enumerate(values)} for key, values in lists.items()}
    for document in (lists, pandas):
        reading = json_table.parse(json.dumps(document).encode(), "history.json")
        losses = [one for one in reading.series if one.tag == "loss"]
        assert [row for one in losses for row in one.row[np.isnan(one.value)].tolist()] == lost
