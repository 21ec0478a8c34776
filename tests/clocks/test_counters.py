"""How two counters of one run go together, and the same quantity in two accounts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from analyzer.clocks.counters import paired, relate
from analyzer.model import Series, View

STEP = list(range(1, 41))


@pytest.mark.parametrize(
    ("other", "ratio", "offset", "breaks"),
    [
        pytest.param(STEP, 1, 0, (), id="the same"),
        pytest.param([s - 1 for s in STEP], 1, -1, (), id="counted from zero"),
        pytest.param([4 * s for s in STEP], 4, 0, (), id="micro-batches"),
        pytest.param([32 * s + 64 for s in STEP], 32, 64, (), id="samples, some before"),
        pytest.param([*range(1, 31), *range(21, 31)], 1, 0, ((30, -10),), id="back by ten at one place"),
        pytest.param([*range(1, 31), *range(131, 141)], 1, 0, ((30, 100),), id="ahead by a hundred from one place on"),
    ],
)
def test_relation(other: list[int], ratio: float, offset: float, breaks: tuple[tuple[int, float], ...]) -> None:
    found = relate(np.array(STEP), np.array(other))
    assert found is not None
    assert (found.ratio, found.offset, found.breaks) == (ratio, offset, breaks)
    assert found.is_equality == (list(other) == STEP)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param([s % 5 for s in STEP], id="batches of an epoch"),
        pytest.param([7] * 40, id="a constant"),
        pytest.param(np.cumsum(np.random.default_rng(0).integers(1, 9, 40)).tolist(), id="no ratio holds"),
        pytest.param([s + s // 4 for s in STEP], id="one more every fourth row"),
    ],
)
def test_no_relation(other: list[int]) -> None:
    assert relate(np.array(STEP), np.array(other)) is None


def view(name: str, step: Sequence[int], value: np.ndarray, tag: str = "loss") -> View:
    rows = len(step)
    series = Series(tag=tag, step=np.array(step), value=value, wall_time=np.full(rows, np.nan),
                    source=np.zeros(rows, dtype=np.int32), row=np.arange(rows))
    return View(name=name, sources=(0,), series={tag: series})


LOSS = np.round(2 * np.exp(-np.arange(40) / 15) + np.random.default_rng(1).normal(0, 0.05, 40), 6)


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        pytest.param(LOSS, LOSS, True, id="the same numbers"),
        pytest.param(LOSS, LOSS.astype(np.float32).astype(float), True, id="one of them in single precision"),
        pytest.param(LOSS, LOSS[1:], True, id="the other begins a row later"),
        pytest.param(LOSS, LOSS[::-1], False, id="other numbers"),
        pytest.param(LOSS, 4 * LOSS, False, id="another quantity"),
        pytest.param(LOSS, LOSS[:20], False, id="half of the rows"),
        pytest.param(np.full(40, 0.5), np.full(40, 0.5), False, id="a loss that never moves pairs with anything"),
    ],
)
def test_paired_by_values(one: np.ndarray, other: np.ndarray, found: bool) -> None:
    a, b = view("csv", STEP, one), view("events", range(101, 101 + len(other)), other, tag="train/loss")
    pair = paired(a, b)
    assert (pair is not None) == found
    if pair is not None:
        assert np.allclose(pair.one.value[pair.at_one], pair.other.value[pair.at_other])
