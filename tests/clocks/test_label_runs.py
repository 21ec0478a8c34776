"""Interval stabbing: what is feasible contains the truth, and nothing that the rows exclude."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.clocks.label_runs import (
    UNBOUNDED,
    Bounds,
    bounds_of_runs,
    candidate_lengths,
    feasible_lengths,
    label_runs,
    measured_laps,
    walk,
)
from analyzer.clocks.labels import rounded_before


def bounds_for(step: np.ndarray, label: np.ndarray) -> Bounds:
    return bounds_of_runs(label_runs(step, label, np.zeros(len(step), dtype=np.int64)))


@given(
    length=st.integers(2, 400),
    origin=st.integers(-50, 50),
    first=st.integers(0, 300),
    spacing=st.integers(1, 60),
    rows=st.integers(2, 200),
)
def test_the_true_length_is_always_feasible(length: int, origin: int, first: int, spacing: int, rows: int) -> None:
    step = first + spacing * np.arange(rows, dtype=np.int64)
    found = feasible_lengths(bounds_for(step, (step - origin) // length))
    assert found is not None
    assert found[0] <= length <= found[1]


@given(
    batches=st.integers(5, 200),
    accumulation=st.integers(2, 8),
    rows=st.integers(20, 400),
)
def test_a_carried_accumulation_is_a_feasible_ratio(batches: int, accumulation: int, rows: int) -> None:
    length = Fraction(batches, accumulation)
    step = np.arange(rows, dtype=np.int64)
    begun = np.array([int(Fraction(s) // length) for s in step.tolist()], dtype=np.int64)
    found = feasible_lengths(bounds_for(step, begun), ratio="up")
    assert found is not None and found[0] <= length <= found[1]


@given(length=st.integers(4, 100), laps=st.integers(3, 12))
def test_without_a_break_the_walk_has_one_piece(length: int, laps: int) -> None:
    step = np.arange(length * laps, dtype=np.int64)
    (found,) = walk(bounds_for(step, step // length), [Fraction(length)])
    assert len(found.pieces) == 1 and found.cost == 0.0


@given(length=st.integers(4, 100), laps=st.integers(4, 12), size=st.integers(1, 40))
def test_the_shift_between_two_pieces_is_the_planted_one(length: int, laps: int, size: int) -> None:
    step = np.arange(length * laps, dtype=np.int64)
    late = np.where(step > 2 * length, step - size, step)
    label = np.maximum.accumulate(late // length)
    (found,) = walk(bounds_for(step, label), [Fraction(length)])
    low = found.pieces[-1].low - found.pieces[0].high
    high = found.pieces[-1].high - found.pieces[0].low
    assert low <= size <= high or (len(found.pieces) == 1 and size >= length * (laps - 3))


def test_one_label_bounds_nothing_from_above() -> None:
    step = np.arange(10, dtype=np.int64)
    found = feasible_lengths(bounds_for(step, np.zeros(10, dtype=np.int64)))
    assert found is not None and found[1] == UNBOUNDED


def test_candidates_are_what_most_laps_measure() -> None:
    step = np.arange(1, 200, dtype=np.int64)
    runs = label_runs(step, (step - 1) // 20, np.zeros(len(step), dtype=np.int64))
    found = candidate_lengths(measured_laps(runs), extra=(25,))
    assert set(found) == {20, 25} and found[20] > 0 and found[25] == 0


@pytest.mark.parametrize(
    ("labels", "half"),
    [
        pytest.param(np.round(np.arange(1, 200) / 66, 4), 5e-5, id="four decimals"),
        pytest.param(np.round(np.arange(1, 200) / 66, 2), 5e-3, id="two decimals"),
        pytest.param(np.arange(1, 200) / 66, 0.0, id="not rounded"),
        pytest.param(np.arange(1, 200) / 50, 0.0, id="exact in two decimals"),
    ],
)
def test_rounding_that_float32_hides(labels: np.ndarray, half: float) -> None:
    assert rounded_before(labels.astype(np.float32).astype(np.float64)) == pytest.approx(half)
