"""XGBoost and LightGBM output: real logs, cut anywhere, and text that only looks like it."""

# ruff: noqa: E501

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.readers import Reading, reader_for
from analyzer.readers.boosting import parse, recognises

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "fixtures" / "formats" / "boosting"


def points(reading: Reading, tag: str) -> list[tuple[int, float, int]]:
    series = next(one for one in reading.series if one.tag == tag)
    return list(zip(series.step.tolist(), series.value.tolist(), series.row.tolist(), strict=True))


@pytest.mark.parametrize(("file", "tag", "first"), [
    ("xgboost.log", "eval-logloss", (0, 0.63383, 1)),
    ("lightgbm.log", "valid_1's binary_logloss", (1, 0.631082, 8)),
])  # fmt: skip
def test_real_logs(file: str, tag: str, first: tuple[int, float, int]) -> None:
    path = FOLDER / file
    reader = reader_for(path, path.read_bytes()[:4096])
    assert reader is not None and reader.name == "boosting"
    reading = reader.read(path)
    assert not reading.problems
    assert points(reading, tag)[0] == first
    assert len(points(reading, tag)) == 20


@pytest.mark.parametrize(("rounds", "axis"), [
    ([*range(40), *range(40, 80)], "step"),  # `xgb_model=` or `init_model=`, and the numbering goes on
    ([*range(40), *range(40)], "step"),  # it begins again: the rounds stay as they were printed
])  # fmt: skip
def test_continued_runs_keep_their_numbers(rounds: list[int], axis: str) -> None:
    lines = [f"[{number}]\ttrain-logloss:{0.7 - 0.005 * row:.5f}\n" for row, number in enumerate(rounds)]
    reading = parse("".join(lines).encode(), "train.log")
    (series,) = reading.series
    assert series.step.tolist() == rounds and series.row.tolist() == list(range(1, 81))
    assert reading.source.step_axis == axis


def test_cut_at_every_byte() -> None:
    data = (FOLDER / "xgboost.log").read_bytes()[:400]
    whole = {(one.tag, row): value for one in parse(data + b"\n", "x").series
             for value, row in zip(one.value.tolist(), one.row.tolist(), strict=True)}  # fmt: skip
    for end in range(len(data)):
        for one in parse(data[:end], "x").series:
            for value, row in zip(one.value.tolist(), one.row.tolist(), strict=True):
                assert whole[one.tag, row] == value


@pytest.mark.parametrize("text", ["[1] first item: 3\n[2] second item: 4\n", "[12:00:01]\ta: 1\n[12:00:02]\ta: 2\n", "a\tb\n1\t2\n"])
def test_other_text_is_left_alone(text: str) -> None:
    assert not recognises(Path("notes.txt"), text.encode())


def test_the_page_on_adding_a_reader_shows_this_reader() -> None:
    page = (ROOT / "docs" / "adding-a-reader.md").read_text()
    assert (ROOT / "analyzer" / "readers" / "boosting.py").read_text().strip() in page
