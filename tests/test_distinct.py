"""The distinct values of an array, as ``np.unique`` gives them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.distinct import distinct


@given(st.lists(st.sampled_from([0.0, -0.0, 1.5, -2.0, np.inf, -np.inf, np.nan])))
def test_numbers_as_numpy_sees_them(values: list[float]) -> None:
    np.testing.assert_array_equal(distinct(np.array(values, dtype=np.float64)), np.unique(values))


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3)))
def test_steps_keep_their_type(values: list[int]) -> None:
    steps = np.array(values, dtype=np.int64)
    found = distinct(steps)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, np.unique(steps))


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], []), ([3, 1, 3], [1, 3]), ([[2, 1], [1, 2]], [1, 2]), ([True, False, True], [False, True])],
)
def test_shapes(values: list[object], expected: list[object]) -> None:
    assert distinct(np.array(values)).tolist() == expected


def test_the_array_is_left_as_it_was() -> None:
    values = np.array([2, 1, 2])
    distinct(values)
    assert values.tolist() == [2, 1, 2]
