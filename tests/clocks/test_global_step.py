"""What the step axis counts, and how many updates a log shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analyzer.clocks.cadence import is_rounded_share, may_be_a_rounded_share, usual_cadence
from analyzer.clocks.run_end import updates_done
from analyzer.config.declared import checked_fact, merge
from analyzer.discovery import discover
from analyzer.reconstruction import reconstruct
from analyzer.timeline import Timeline


def timeline_of(folder: Path, header: str, rows: list[str], **facts: Any) -> Timeline:
    (folder / "log.csv").write_text("\n".join([header, *rows]) + "\n")
    (run,) = discover([folder]).runs
    own = [checked_fact(key, value, "--declare") for key, value in facts.items()]
    return reconstruct(run, merge(own, run.facts))


def losses(steps: range | list[int]) -> list[str]:
    return [f"{step},{0.5 + 1 / (step + 1):.6f}" for step in steps]


@pytest.mark.parametrize(
    ("steps", "facts", "base"),
    [
        pytest.param(range(1, 50), {}, 1, id="every step from 1"),
        pytest.param(range(50), {}, 0, id="every step from 0"),
        pytest.param([1, *range(10, 101, 10)], {}, 1, id="1, then multiples of ten"),
        pytest.param([0, *range(9, 100, 10)], {}, 0, id="0, then one below multiples of ten"),
        pytest.param(range(10, 101, 10), {}, None, id="multiples of ten fit both"),
        pytest.param(range(10, 101, 10), {"max_steps": 100}, 1, id="the last row is the planned end"),
        pytest.param(range(0, 101, 10), {"max_steps": 100}, None, id="a row at 0 and one at the planned end"),
        pytest.param(range(7, 100, 10), {"max_steps": 98}, None, id="one below the planned end proves nothing"),
    ],
)
def test_base(steps: range | list[int], facts: dict[str, Any], base: int | None, tmp_path: Path) -> None:
    assert timeline_of(tmp_path, "step,loss", losses(steps), **facts).step_axis.base == base


def test_lightning_counts_from_zero(tmp_path: Path) -> None:
    rows = [f"{step},{0.5 + 1 / step:.6f},0.1" for step in range(49, 500, 50)]
    axis = timeline_of(tmp_path, "step,train_loss,lr-SGD", rows).step_axis
    assert axis.base == 0 and axis.cadence == 50


def test_a_table_with_those_columns_that_counts_every_step_from_one(tmp_path: Path) -> None:
    rows = [f"{(step - 1) // 20},{step},{0.5 + 1 / step:.6f}" for step in range(1, 101)]
    (tmp_path / "metrics.csv").write_text("epoch,step,train_loss\n" + "\n".join(rows) + "\n")
    (run,) = discover([tmp_path]).runs
    assert reconstruct(run, merge([], run.facts)).step_axis.base == 1


def test_examples_as_step(tmp_path: Path) -> None:
    timeline = timeline_of(
        tmp_path, "step,loss", losses(range(24, 4321, 24)), dataset_size=720, batch_size=24, epochs=6, drop_last=False
    )
    assert timeline.step_axis.unit == "sample" and timeline.step_axis.per_update == 24
    done = updates_done(timeline)
    assert done is not None and done.high == 180


@pytest.mark.parametrize(
    ("steps", "low", "high"),
    [
        pytest.param(range(1, 101), 100, 100, id="every step"),
        pytest.param([1, *range(10, 101, 10)], 100, 109, id="nine more may follow"),
        pytest.param([100], 100, None, id="one row says nothing of what follows"),
    ],
)
def test_updates_done(steps: list[int], low: int, high: int | None, tmp_path: Path) -> None:
    done = updates_done(timeline_of(tmp_path, "step,loss", losses(steps)))
    assert done is not None and done.low == low and (done.high is None if high is None else (done.high or 0) >= high)


def test_usual_cadence_is_the_most_frequent() -> None:
    import numpy as np

    assert usual_cadence(np.array([1, 10, 20, 30, 37, 40, 50])) == 10
    assert usual_cadence(np.array([5])) == 1
    assert usual_cadence(np.array([0, 10**12, 2 * 10**12, 3])) == 10**12


@pytest.mark.parametrize(
    ("name", "steps", "expected"),
    [
        ("thousandths of an epoch", np.floor(np.arange(1, 120) * 250 / 3), True),
        ("percents of the run", np.floor(np.arange(1, 61) * 1.64), False),  # they rise by 1 and 2: any count may
        ("every 83 updates", np.arange(1, 120) * 83, False),
        ("the end of every epoch too", np.ravel([[e * 95 + k for k in (30, 60, 90, 95)] for e in range(20)]), False),
        ("two sizes in no order", np.cumsum(np.random.default_rng(1).choice([9, 10], 120)), False),
        ("another cadence half way", np.concatenate([np.arange(1, 60) * 9, 531 + np.arange(1, 60) * 10]), False),
        ("the first batch too", np.ravel([e * 106 + np.array([1, *range(5, 106, 5)]) for e in range(7)]), False),
        ("too few rows to tell", np.floor(np.arange(1, 20) * 250 / 3), False),
    ],
)  # fmt: skip
def test_rounded_shares_are_no_counts(name: str, steps: np.ndarray, expected: bool) -> None:
    assert is_rounded_share(steps.astype(np.int64)) is expected, name


@pytest.mark.parametrize(
    ("name", "steps", "expected"),
    [
        ("a few thousandths of an epoch", np.floor(np.arange(1, 20) * 250 / 3), True),
        ("a few shares of play, one rise larger", np.floor(np.arange(1, 11) * 78.125), True),
        ("so many that they can be told", np.floor(np.arange(1, 60) * 250 / 3), False),
        ("every 83 updates", np.arange(1, 20) * 83, False),
        ("every update and every other", np.floor(np.arange(1, 20) * 1.5), False),
        ("two sizes in no order", np.cumsum([9, 10, 10, 10, 10, 9, 9, 9, 9, 10]), False),
        ("the last batch too", np.ravel([[e * 95 + k for k in (30, 60, 90, 95)] for e in range(5)]), False),
        ("a step that falls back", np.array([10, 19, 29, 10, 19, 29]), False),
        ("one rise", np.array([10, 19]), False),
    ],
)  # fmt: skip
def test_few_rows_may_be_rounded_shares(name: str, steps: np.ndarray, expected: bool) -> None:
    assert may_be_a_rounded_share(steps.astype(np.int64)) is expected, name
