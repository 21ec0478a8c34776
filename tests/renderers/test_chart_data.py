"""What the page's script reads back from the packed curves is what was logged."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.renderers.chart_data import DRAWN, MISSING, Pool


def unpacked(pool: Pool) -> list[list[float | None]]:
    """The arrays as the script of the page decodes them."""
    data = zlib.decompress(base64.b64decode(pool.text()))
    return [array_of(data, *one) for one in pool.described()]


def array_of(data: bytes, kind: str, start: int, count: int, unit: float, first: float) -> list[Any]:
    cells = np.frombuffer(data[start : start + 4 * count], dtype=np.uint8).reshape(4, count).T.copy()
    if kind == "float32":
        return [float(v) if np.isfinite(v) else None for v in cells.view("<f4").ravel()]
    values: list[Any] = []
    total = 0
    for step in cells.view("<i4").ravel().tolist():
        total += 0 if step == MISSING else step
        values.append(None if step == MISSING else (total / unit if kind == "decimal" else first + total * unit))
    return values


@pytest.mark.parametrize(
    "logged",
    [
        [1, 2, 3, 500, 499],
        [0.693147, 0.6931, 1e-06, -3.5],
        [5e-05, 4.95e-05, 0.0],
        [float(np.float32(0.1)), float(np.float32(1 / 3)), float(np.float32(2e-30))],
        [1e30, -1e-30],
        [float("nan"), 1.5, float("inf"), 2.5],
        [float("nan")] * 3,
        [2_000_000_000, 1],
        [1_700_000_000.123, 1_700_000_000.456],
        [],
        [7.0],
    ],
    ids=str,
)
def test_logged_values_come_back(logged: list[float]) -> None:
    pool = Pool()
    pool.add(logged)
    (back,) = unpacked(pool)
    for told, value in zip(back, logged, strict=True):
        if not np.isfinite(value):
            assert told is None
        else:
            assert told == pytest.approx(value, rel=1.2e-7, abs=1e-37)


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1), st.integers(0, 6))
def test_printed_decimals_come_back_exactly(units: list[int], digits: int) -> None:
    logged = [unit / 10**digits for unit in units]
    pool = Pool()
    pool.add(logged)
    assert unpacked(pool) == [logged]


@given(st.lists(st.floats(-1e6, 1e6), min_size=2))
def test_computed_curves_are_right_to_less_than_can_be_seen(values: list[float]) -> None:
    pool = Pool()
    pool.add(values, computed=True)
    (back,) = unpacked(pool)
    span = max(values) - min(values)
    assert np.allclose(np.array(back, dtype=float), values, atol=span / DRAWN + 1e-9, rtol=0)


def test_equal_arrays_are_kept_once() -> None:
    pool = Pool()
    steps = np.arange(1000)
    assert pool.add(steps) == pool.add(steps.copy()) and len(pool.arrays) == 1
    assert pool.add(steps, computed=True) == 1


def test_regular_arrays_cost_next_to_nothing() -> None:
    pool = Pool()
    for array in (np.arange(1, 100_001), np.arange(100_000) // 391, np.full(100_000, 3e-4)):
        pool.add(array)
    assert len(pool.text()) < 6000
