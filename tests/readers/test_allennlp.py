"""AllenNLP's file for each epoch: together one log, in the order of the epochs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from analyzer.discovery import discover

FILES = Path(__file__).parents[2] / "fixtures" / "formats" / "allennlp"


def test_the_files_of_a_folder_are_one_log(tmp_path: Path) -> None:
    shutil.copytree(FILES, tmp_path / "run")
    for epoch in range(3, 12):
        text = (FILES / "metrics_epoch_0.json").read_text().replace('"epoch": 0', f'"epoch": {epoch}')
        (tmp_path / "run" / f"metrics_epoch_{epoch}.json").write_text(text)
    found = discover([tmp_path])
    (run,) = found.runs
    assert not found.left_alone
    assert (run.sources[0].format, run.sources[0].step_axis) == ("allennlp", "epoch")
    loss = run.views[0].series["training_loss"]
    assert loss.step.tolist() == list(range(12))
    assert loss.value[:3].tolist() == [0.51, 0.46, 0.41]
    assert not any(tag.startswith("best_") for tag in run.views[0].series)


def test_a_cut_file_costs_its_epoch(tmp_path: Path) -> None:
    shutil.copytree(FILES, tmp_path / "run")
    last = tmp_path / "run" / "metrics_epoch_2.json"
    last.write_text(last.read_text()[:90])
    (run,) = discover([tmp_path]).runs
    assert [problem.kind for problem in run.problems] == ["truncated"]
    assert run.views[0].series["training_loss"].step.tolist() == [0, 1]


def test_files_that_were_deleted_part_the_log(tmp_path: Path) -> None:
    shutil.copytree(FILES, tmp_path / "run")
    later = json.loads((FILES / "metrics_epoch_2.json").read_text())
    for epoch in (7, 8):
        (tmp_path / "run" / f"metrics_epoch_{epoch}.json").write_text(json.dumps({**later, "epoch": epoch}))
    steps = {tuple(run.views[0].series["training_loss"].step.tolist()) for run in discover([tmp_path]).runs}
    assert steps in ({(0, 1, 2, 7, 8)}, {(0, 1, 2), (7, 8)})
