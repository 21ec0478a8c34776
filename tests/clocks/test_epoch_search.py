"""The search for the cheapest clock: the truth is feasible, and breaks are told with the fewest values."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.clocks.epoch_bounds import (
    Bounds,
    bounds_of_runs,
    feasible_lengths,
    inside_updates,
    label_runs,
    measured_laps,
)
from analyzer.clocks.epoch_clock import EpochClock
from analyzer.clocks.epoch_search import candidate_lengths, cheapest_paths
from analyzer.clocks.labels import rounded_before
from tests.clocks.test_epoch import clock_of


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
    assert found[0] <= length and (found[1] is None or length <= found[1])


@given(batches=st.integers(1, 200), accumulation=st.integers(2, 8), rows=st.integers(20, 400))
def test_a_carried_accumulation_is_a_feasible_ratio(batches: int, accumulation: int, rows: int) -> None:
    length = Fraction(batches, accumulation)  # below 1: several epochs in one update
    step = np.arange(rows, dtype=np.int64)
    begun = np.array([int(Fraction(s) // length) for s in step.tolist()], dtype=np.int64)
    found = feasible_lengths(inside_updates(bounds_for(step, begun), "begins"))
    assert found is not None and found[0] <= length and (found[1] is None or length <= found[1])


def test_one_label_bounds_nothing_from_above() -> None:
    step = np.arange(10, dtype=np.int64)
    found = feasible_lengths(bounds_for(step, np.zeros(10, dtype=np.int64)))
    assert found is not None and found[1] is None


@given(length=st.integers(4, 100), laps=st.integers(6, 12), share=st.floats(0, 0.5))
def test_the_shift_between_two_pieces_is_the_planted_one(length: int, laps: int, share: float) -> None:
    size = max(1, int(share * length))
    step = np.arange(length * laps, dtype=np.int64)
    late = np.where(step > 2 * length, step - size, step)
    label = np.maximum.accumulate(late // length)
    (path, *_) = cheapest_paths(bounds_for(step, label), {length: laps}, (), laps=laps)
    low, high = path.pieces[-1].low - path.pieces[0].high, path.pieces[-1].high - path.pieces[0].low
    assert low <= size <= high


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


def clock_with(folder: Path, lengths: list[int], cadence: int = 1, joins: tuple[int, ...] = ()) -> EpochClock | None:
    """Epochs of these lengths from step 1 on, a row every `cadence` steps, a header again at `joins`."""
    rows = ["step,epoch,loss"]
    for step in range(1, sum(lengths) + 1):
        rows += ["step,epoch,loss"] if step in joins else []
        label = int(np.searchsorted(list(accumulate(lengths)), step, side="left"))
        rows += [f"{step},{label},{0.5 + 2 / (1 + step / 20):.6f}"] if step % cadence == 0 else []
    return clock_of(folder, "\n".join(rows) + "\n")


def told(clock: EpochClock | None) -> list[tuple[str, int]]:
    """The breaks of a clock: kind, and the size in steps or the new length."""
    assert clock is not None
    return [(one.kind, round(one.high if one.kind in ("geometry", "ramp") else one.low)) for one in clock.breaks]


@pytest.mark.parametrize(
    ("lengths", "joins", "found"),
    [
        pytest.param([40] * 8, (), [], id="one length"),
        pytest.param([40, 40, 20], (), [], id="one short epoch at the end"),
        pytest.param([45, 46, 45, 46, 45, 46], (), [], id="laps that alternate"),
        pytest.param([30, 30, 60, 30, 30], (), [("repeat", 30)], id="a label given twice"),
        pytest.param([60, 30, 30, 30], (), [], id="a first epoch twice as long: a batch may have doubled"),
        pytest.param([30, 30, 30, 60], (), [], id="the last label lasts: run length"),
        pytest.param([40, 40, 40, 55, 40, 40, 40], (), [("shift", 15)], id="an epoch that began again"),
        pytest.param([40, 40, 40, 31, 40, 40, 40], (), [("shift", -9)], id="an epoch cut short"),
        pytest.param([40, 40, 37, 43, 40], (), [("shift", -3)], id="one boundary early, then back"),
        pytest.param([40, 40, 31, 20, 20, 20], (), [("geometry", 20)], id="another batch from inside an epoch on"),
        pytest.param([200, 50, 50, 50, 50], (), [("geometry", 50)], id="the first epoch counted in other units"),
        pytest.param([40, 40, 20, 20, 20], (81,), [("geometry", 20)], id="another batch at a resume"),
        pytest.param([40, 40, 40, 20, 20], (101,), [("geometry", 20)], id="at a resume inside an epoch"),
        pytest.param([40, 40, 55, 40, 40], (96,), [("data", 15)], id="data lost at a resume"),
        pytest.param([60, 60, 30, 30, 15, 15], (), [("ramp", 30), ("ramp", 15)], id="halved twice where epochs end"),
        pytest.param([16, 16, 24, 24, 36, 36], (), [("ramp", 24), ("ramp", 36)], id="a batch that shrinks"),
    ],
)
def test_the_cheapest_is_told(
    lengths: list[int], joins: tuple[int, ...], found: list[tuple[str, int]], tmp_path: Path
) -> None:
    assert told(clock_with(tmp_path, lengths, joins=joins)) == found


@pytest.mark.parametrize(
    "lengths",
    [
        pytest.param([31, 44, 37, 52, 29, 48, 35, 41], id="epochs of any length: dynamic batches"),
        pytest.param([60, 30, 20, 15, 12, 10], id="another batch in every epoch"),
        pytest.param([40, 40, 55, 40, 40], id="three equal epochs and one that is longer"),
        pytest.param([36, 36, 42, 42, 42, 34, 34, 32, 32], id="lengths that go up and down"),
        pytest.param([131, 131, 108, 154, 130, 133, 152], id="no clock comes back again and again"),
        pytest.param([21, 21, 21, 11, 8], id="a last epoch that may be the first of another length"),
    ],
)
def test_labels_that_follow_no_clock_have_none(lengths: list[int], tmp_path: Path) -> None:
    assert clock_with(tmp_path, lengths) is None


def test_rows_that_close_epochs_are_bounds(tmp_path: Path) -> None:
    rows = ["step,epoch,loss,val_loss"]
    for step in range(1, 231):
        rows += [f"{step},{(step - 1) // 46},{0.5 + 2 / (1 + step / 20):.6f},"] if step % 10 == 0 else []
        rows += [f"{step},{(step - 1) // 46},,{0.6 + 2 / (1 + step / 20):.6f}"] if step % 46 == 0 else []
    clock = clock_of(tmp_path, "\n".join(rows) + "\n")
    assert clock is not None and (clock.low, clock.high) == (46, 46)


def test_sparse_rows_leave_an_interval(tmp_path: Path) -> None:
    clock = clock_with(tmp_path, [600, 600, 300, 300, 150, 150], cadence=10)
    assert clock is not None and clock.low <= 600 <= (clock.high or 0)
    assert [(one.kind, abs(one.high - length) <= 10) for one, length in zip(clock.breaks, (300, 150), strict=True)] == [
        ("ramp", True)
    ] * 2
