"""W&B run files: a real one whole, cut anywhere, and with bytes overwritten."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.discovery import discover
from analyzer.readers.wandb_run import HEADER_BYTES, parse

(REAL,) = (Path(__file__).parents[2] / "fixtures" / "same_run" / "wandb-offline").rglob("*.wandb")
DATA = REAL.read_bytes()


def test_every_row_of_a_real_file() -> None:
    reading = parse(DATA, "run.wandb")
    series = {one.tag: one for one in reading.series}
    assert series["loss"].step.tolist() == list(range(1, 121))
    assert np.isfinite(series["loss"].wall_time).all()
    assert reading.source.step_column == "global_step"
    assert reading.source.start_time is not None
    assert not reading.problems


def test_a_file_is_recognised_by_its_first_bytes(tmp_path: Path) -> None:
    shutil.copy(REAL, tmp_path / "run-x.wandb")
    (run,) = discover([tmp_path]).runs
    assert run.sources[0].format == "wandb-run"


def test_two_lives_with_one_run_id_are_one_run(tmp_path: Path) -> None:
    for stamp in ("20260101_000000", "20260102_000000"):
        folder = tmp_path / "wandb" / f"run-{stamp}-abc123"
        folder.mkdir(parents=True)
        shutil.copy(REAL, folder / "run-abc123.wandb")
    other = tmp_path / "wandb" / "run-20260103_000000-zzz999"
    other.mkdir()
    shutil.copy(REAL, other / "run-zzz999.wandb")
    runs = discover([tmp_path]).runs
    assert [len(run.sources) for run in runs] == [2, 1]


def test_a_run_that_logged_nothing_says_so() -> None:
    (problem,) = parse(DATA[: HEADER_BYTES + 200], "run.wandb").problems[-1:]
    assert problem.kind == "unreadable" and "no history" in problem.message


@settings(max_examples=60, deadline=None)
@given(st.integers(min_value=4, max_value=len(DATA)))
def test_a_cut_file_gives_the_rows_before_the_cut(length: int) -> None:
    whole = {one.tag: one for one in parse(DATA, "run.wandb").series}
    reading = parse(DATA[:length], "run.wandb")
    for series in reading.series:
        known = whole[series.tag].value.tolist()
        assert series.value.tolist() == known[: len(series)] or len(series) < 3


@settings(max_examples=60, deadline=None)
@given(st.integers(min_value=HEADER_BYTES, max_value=len(DATA) - 1), st.binary(min_size=1, max_size=9))
def test_overwritten_bytes_never_become_numbers(at: int, garbage: bytes) -> None:
    damaged = DATA[:at] + garbage + DATA[at + len(garbage) :]
    whole = {one.tag: set(one.value.tolist()) for one in parse(DATA, "run.wandb").series}
    reading = parse(damaged, "run.wandb")
    for series in reading.series:
        assert set(series.value.tolist()) <= whole[series.tag] | {float(number) for number in range(121)}
    if damaged != DATA:
        assert reading.problems


@pytest.mark.parametrize("data", [b":W&B", b":W&B\xe1\xbe\x00", b":W&B" + bytes(100_000), b":W&B" + b"\xff" * 70_000])
def test_nothing_and_garbage_end_in_one_line(data: bytes) -> None:
    assert parse(data, "run.wandb").problems[-1].kind == "unreadable"
