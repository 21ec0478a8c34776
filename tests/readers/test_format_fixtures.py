"""Every log in fixtures/formats is read as its writer meant it; every number of a table is the one that pandas reads."""

# ruff: noqa: E501

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from analyzer.model import NO_STEP
from analyzer.readers import Reading, reader_for

FORMATS = Path(__file__).parents[2] / "fixtures" / "formats"

# file, reader, framework, axis column, what it counts, rows, and one point: tag, step, value, row
READ = [
    ("keras-csvlogger/log.csv", "csv", "keras", "epoch", "epoch", 6, ("val_loss", 0, 9.498, 2)),
    ("improved-diffusion/progress.csv", "csv", "improved-diffusion", "step", "step", 6, ("loss", 0, 13.7628, 2)),
    ("wandb-history/baseline_0z5e2sya_history.csv", "csv", "wandb", "iter", "step", 79, ("train/step_loss", 0, 4.2649, 3)),
    ("wandb-chart-export/logs.csv", "csv", "wandb", "Step", "step", 199, ("lm_loss", 4, 12.1718, 2)),
    ("stable-baselines3/progress.csv", "csv", "stable-baselines3", "time/total_timesteps", "samples", 40, ("time/iterations", 128, 1, 2)),
    ("stable-baselines3/progress.json", "json-lines", "stable-baselines3", "time/total_timesteps", "samples", 40,
     ("time/iterations", 128, 1, 1)),
    ("timm/summary.csv", "csv", "timm", "epoch", "epoch", 30, ("epoch", 29, 29, 31)),
    ("fastai/history.csv", "csv", "fastai", "epoch", "epoch", 12, ("epoch", 11, 11, 13)),
    ("detr/log.txt", "json-lines", "detr", "epoch", "epoch", 26, ("train_loss", 0, 5.8834, 1)),
    ("nanogpt/output.log", "stdout", "nanogpt", "iter", "step", 107, ("loss", 10, 9.3704, 5)),
    ("modded-nanogpt/76ee9a40.txt", "stdout", "modded-nanogpt", "step", "step", None, ("val_loss", 0, 10.8258, 49)),
    ("llm.c/f66d43d7.log", "stdout", "llm.c", "step", "step", 300, ("train_loss", 1, 10.814, 3)),
    ("mlperf/result_0.txt", "stdout", "mlperf", "epoch", "epoch", 6, ("eval_accuracy", 1, 22.25, 88)),
    ("written/deepspeed/Train_Samples_lr.csv", "csv", "deepspeed", "step", "samples", 40, ("Train/Samples/lr", 32, 0.000975, 2)),
    ("written/ultralytics/results.csv", "csv", "ultralytics", "epoch", "epoch", 5, ("lr/pg0", 1, 0.001, 2)),
    ("written/llama-factory/trainer_log.jsonl", "json-lines", "llama-factory", "current_steps", "step", 8, ("lr", 5, 0.0009, 1)),
    ("written/composer/logs.txt", "json-lines", "composer", "step", "step", 80, ("lr-DecoupledSGDW/group0", 1, 0.001, 2)),
    ("written/torchtune/log_1700000000.txt", "stdout", None, "step", "step", 40, ("lr", 1, 0.001, 1)),
    ("written/fairseq/train.log", "stdout", "fairseq", "num_updates", "step", 10, ("lr", 4, 0.000925, 1)),
    ("written/megatron/stdout.log", "stdout", "megatron", "iteration", "step", 40, ("learning-rate", 1, 0.000975, 2)),
    ("written/keras/stdout.txt", "stdout", "keras", "epoch", "epoch", 5, ("epoch", 1, 1, 2)),
    ("written/keras/history.json", "json", "keras", None, "epoch", 5, ("loss", 0, 1.6141, 0)),
    ("written/chainer/log", "json", "chainer", "iteration", "step", 5, ("epoch", 8, 1, 0)),
    ("written/ray/progress.csv", "csv", "ray", "timesteps_total", "samples", 20, ("training_iteration", 4000, 1, 2)),
    ("written/ray/result.json", "json-lines", "ray", "timesteps_total", "samples", 20, ("training_iteration", 4000, 1, 1)),
    ("written/dvclive/plots/metrics/train/lr.tsv", "csv", "dvclive", "step", "call", 20, ("lr", 0, 0.001, 2)),
    ("written/tensorboard-download/run-train-tag-loss.csv", "csv", "tensorboard", "Step", "step", 40, ("loss", 1, 2.52, 2)),
    ("written/tensorboard-download/run-train-tag-loss.json", "json", "tensorboard", "Step", "step", 40, ("loss", 1, 2.52, 0)),
]  # fmt: skip
NOT_READ = [
    ("improved-diffusion/log.txt", "rounded to three digits"),
    ("result-tables/benchmark_results.csv", "table of results"),
    ("result-tables/summary.csv", "table of results"),
]


def read(file: str) -> tuple[str, Reading]:
    path = FORMATS / file
    reader = reader_for(path, path.read_bytes()[:4096])
    assert reader is not None
    return reader.name, reader.read(path)


@pytest.mark.parametrize(("file", "reader", "framework", "column", "counts", "rows", "point"), READ, ids=[one[0] for one in READ])
def test_read(
    file: str, reader: str, framework: str | None, column: str | None, counts: str, rows: int | None,
    point: tuple[str, int, float, int],
) -> None:  # fmt: skip
    name, reading = read(file)
    assert not reading.problems
    source = reading.source
    assert (name, source.format, source.framework, source.step_column, source.step_axis) == (reader, reader, framework, column, counts)
    assert rows is None or source.records == rows
    tag, step, value, row = point
    series = next(one for one in reading.series if one.tag == tag)
    at = series.row.tolist().index(row)
    assert series.step[at] == step
    assert series.value[at] == pytest.approx(value, rel=2e-3)


@pytest.mark.parametrize(("file", "reason"), NOT_READ)
def test_not_read(file: str, reason: str) -> None:
    _, reading = read(file)
    assert not reading.series
    assert reason in reading.problems[-1].message


def test_runs_of_an_export_are_told_apart() -> None:
    _, reading = read("written/mlflow-export/metrics.csv")
    assert [(run.source.view, len(run.series[0])) for run in reading.runs] == [("a1b2", 40), ("c3d4", 40)]


@pytest.mark.parametrize("file", [one[0] for one in READ if one[1] == "csv" and "deepspeed" not in one[0]])
def test_tables_hold_what_pandas_reads(file: str) -> None:
    import pandas as pd

    frame = pd.read_csv(FORMATS / file, dtype=str, sep="\t" if file.endswith(".tsv") else ",")  # as text: some versions round the last digit of a number
    frame.columns = [str(name).strip() for name in frame.columns]
    _, reading = read(file)
    for series in reading.series:
        column = next(name for name in frame.columns if name == series.tag or (name == "Value" and series.tag == "loss")
                      or name.endswith(f" - {series.tag}"))  # fmt: skip
        told = frame[column].dropna()
        if told.str.contains(":").any():  # times of the day or of an epoch, which pandas leaves as text
            continue
        np.testing.assert_array_equal(series.value, told.to_numpy(dtype=float))
        np.testing.assert_array_equal(series.row, told.index.to_numpy() + 2)
        if reading.source.step_column:
            steps = frame[reading.source.step_column].loc[told.index]
            np.testing.assert_array_equal(series.step[series.step != NO_STEP], steps.dropna().to_numpy(dtype=float))


def test_written_fixtures_are_fresh(tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "scripts" / "make_format_fixtures.py"
    spec = importlib.util.spec_from_file_location("make_format_fixtures", script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main(tmp_path)
    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        assert path.read_bytes() == (FORMATS / "written" / path.relative_to(tmp_path)).read_bytes(), path.name
