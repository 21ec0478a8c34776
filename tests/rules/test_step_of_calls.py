"""Two tags that take turns on the steps: log calls are counted, unless another counter says that it is batches."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import analyzer


@pytest.mark.parametrize(
    ("batches", "found"),
    [
        (None, True),
        (1.0, False),  # the step is the batch: both tags are logged every second one
        (0.5, True),  # half the step: a batch for every two calls
    ],
)
def test_a_second_counter_decides(batches: float | None, found: bool, tmp_path: Path) -> None:
    lines = []
    for step in range(0, 160, 2):
        beside = {} if batches is None else {"time/batch": int(batches * step)}
        lines.append({"step": step, **beside, "loss": round(2 / (1 + step / 50), 4)})
        lines.append({"step": step + 1, "lr": round(1e-3 * (1 - step / 400), 9)})
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    report = analyzer.check(tmp_path, select=["LOG006"])
    assert bool(report.runs[0].findings) is found
