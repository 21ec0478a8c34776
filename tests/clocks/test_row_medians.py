"""Medians by a sorting network are medians, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analyzer.clocks import row_medians as module
from analyzer.clocks.row_medians import WIDEST, row_medians


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 6, 7, 8, 12, 20, 33, 40, WIDEST, WIDEST + 1, 60])
@pytest.mark.parametrize("rows", [0, 1, 5, 4096, 5000])
def test_medians_of_rows(width: int, rows: int) -> None:
    table = np.random.default_rng(width).normal(size=(rows, width))
    np.testing.assert_array_equal(row_medians(table), np.median(table, axis=1) if rows else np.empty(0))


@given(st.integers(1, 9).flatmap(lambda width: arrays(np.float64, (7, width), elements=st.floats(-1e9, 1e9))))
def test_any_rows(table: np.ndarray) -> None:
    np.testing.assert_array_equal(row_medians(table), np.median(table, axis=1))


def test_tables_side_by_side_and_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROWS", 3)
    windows = np.lib.stride_tricks.sliding_window_view(np.random.default_rng(0).normal(size=50), 7)
    expected = np.median(np.delete(windows, 3, axis=1), axis=1)
    np.testing.assert_array_equal(row_medians(windows[:, :3], windows[:, 4:]), expected)
