"""Tables of JSON documents under whatever keys: what counts, what the tags are called, and what is no log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analyzer.model import NO_STEP
from analyzer.readers import json_table

STEPS = list(range(1, 31))
LOSS = [round(2.0 / step, 6) for step in STEPS]
TIMES = [f"2021-01-07T06:13:{step:02d}.250307" for step in STEPS]
EPOCHS = range(1, 7)
BATCHES = [{"train_loss": 1.0}, {"train_loss": 0.9}, {"valid_loss": 1.1}]

# a document, the unit and column of its axis, and one point of each of some tags
READ: dict[str, tuple[Any, str, str | None, dict[str, tuple[int, float]]]] = {
    "arrays below phases": (
        {"args": {"name": "x"}, "train": {"step": STEPS, "loss": LOSS},
         "valid": {"step": [10, 20, 30], "loss": [1, 2, 3]}},
        "step", "step", {"train/loss": (2, 1.0), "valid/loss": (20, 2.0)},
    ),
    "sacred": (
        {"training.loss": {"steps": STEPS, "timestamps": TIMES, "values": LOSS},
         "validation.loss": {"steps": [10, 20, 30], "timestamps": TIMES[9::10], "values": [1, 2, 3]}},
        "step", "steps", {"training.loss": (2, 1.0), "validation.loss": (30, 3.0)},
    ),
    "pairs": (
        {"train": {"loss": [[step, loss] for step, loss in zip(STEPS, LOSS, strict=True)]}},
        "step", "step", {"train/loss": (2, 1.0)},
    ),
    "columns of pandas": (
        {"epoch": {str(at): at + 1 for at in range(30)}, "loss": {str(at): LOSS[at] for at in range(30)}},
        "epoch", "epoch", {"loss": (2, 1.0)},
    ),
    "entries keyed by their epoch": (
        {f"epoch_{epoch}": {"train_loss": 1 / epoch, "val": {"acc": 0.5}} for epoch in EPOCHS},
        "epoch", "epoch", {"train_loss": (2, 0.5), "val/acc": (6, 0.5)},
    ),
    "entries below keys, behind a configuration": (
        {"config": {f"{'k' * 40}{at}": at for at in range(150)}, "train": [{"step": s, "loss": 1 / s} for s in STEPS]},
        "step", "step", {"train/loss": (2, 0.5)},
    ),
    "batches inside epochs": (
        [{"batches": BATCHES, "epoch": epoch, "train_loss": 1 / epoch} for epoch in EPOCHS],
        "batch", "batch of the run", {"batches/train_loss": (4, 0.9), "train_loss": (4, 0.5)},
    ),
    "lists without a counter": (
        {"train_losses": LOSS, "val_losses": LOSS, "best_epoch": 3}, "row", None, {"train_losses": (2, 1.0)},
    ),
}  # fmt: skip
NO_LOGS: dict[str, Any] = {
    "rates and milestones of a configuration": {"lr": [0.1, 0.01], "steps": [30, 60, 90]},
    "annotations": {"images": [{"id": 1}], "annotations": [{"bbox": [1, 2, 3, 4], "id": 3}] * 20},
    "a tuner's space": {"runs": [{"lr": 0.1, "layers": 3}, {"lr": 0.01, "layers": 4}]},
    "counts of a data set": {"counts": {"train": [1, 2, 3], "test": [4]}},
}


@pytest.mark.parametrize("name", READ)
def test_read(name: str, tmp_path: Path) -> None:
    document, counts, column, points = READ[name]
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps(document))
    assert json_table.recognises(path, path.read_bytes()[:4096])
    reading = json_table.read(path)
    assert not reading.problems
    assert (reading.source.step_axis, reading.source.step_column) == (counts, column)
    found = {one.tag: dict(zip(one.step.tolist(), one.value.tolist(), strict=False)) for one in reading.series}
    for tag, (step, value) in points.items():
        assert step in found[tag]
        assert value in [v for one in reading.series if one.tag == tag for v in one.value[one.step == step].tolist()]


@pytest.mark.parametrize("name", NO_LOGS)
def test_no_logs(name: str, tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps(NO_LOGS[name]))
    assert not json_table.recognises(path, path.read_bytes()[:4096])


def test_rows_of_tables_side_by_side_are_in_the_order_of_their_steps() -> None:
    document = {"train": {"step": [1, 2, 3, 4], "loss": [4, 3, 2, 1]}, "val": {"step": [2, 4], "loss": [5, 6]}}
    found = {one.tag: one.row.tolist() for one in json_table.parse(json.dumps(document).encode(), "x.json").series}
    assert found == {"train/loss": [0, 1, 3, 4], "val/loss": [2, 5]}


def test_a_list_on_another_axis_has_no_step() -> None:
    document = {"train": {"step": [1, 2, 3], "loss": [3, 2, 1]}, "val_loss": [5, 6]}
    found = {one.tag: one.step.tolist() for one in json_table.parse(json.dumps(document).encode(), "x.json").series}
    assert found == {"train/loss": [1, 2, 3], "val_loss": [NO_STEP, NO_STEP]}


@pytest.mark.parametrize("name", READ)
def test_cut_at_every_byte_no_value_is_invented(name: str) -> None:
    document = READ[name][0]
    if "config" in document:
        document = {**document, "config": {"a": 1}}
    text = json.dumps(document).encode()
    whole = {
        (one.tag.rsplit("/")[-1], value)
        for one in json_table.parse(text, "x.json").series
        for value in one.value.tolist()
    }
    for end in range(len(text) - 1):
        reading = json_table.parse(text[:end], "x.json")
        assert reading.problems
        for one in reading.series:
            assert np.isin(one.step, [NO_STEP, *range(31)]).all()
            tag = one.tag.rsplit("/")[-1]
            assert tag not in ("loss", "train_loss") or all((tag, value) in whole for value in one.value.tolist())
