"""Clocks of seconds beside the step: which columns are such, and which falls show that they were set back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from analyzer.clocks.elapsed import named_elapsed, set_back, tells_elapsed_time
from analyzer.model import Floats, Ints, Series

STEPS = np.arange(10, 610, 10)


def series(tag: str, value: Floats, step: Ints = STEPS) -> Series:
    rows = len(value)
    return Series(
        tag=tag,
        step=np.asarray(step[:rows], dtype=np.int64),
        value=np.asarray(value, dtype=np.float64),
        wall_time=np.full(rows, np.nan),
        source=np.zeros(rows, dtype=np.int32),
        row=np.arange(rows),
    )


EVEN: Callable[[], Floats] = lambda: np.arange(60) * 6.5 + 6.5  # noqa: E731


@pytest.mark.parametrize(
    ("tag", "value", "tells"),
    [
        pytest.param("Time", EVEN(), True, id="seconds since the start"),
        pytest.param("Timing/total_sec", EVEN() + np.sin(np.arange(60)), True, id="of uneven steps"),
        pytest.param("Time", np.where(np.arange(60) < 40, EVEN(), EVEN() - 900), True, id="set back below zero"),
        pytest.param("elapsed", EVEN(), True, id="by its role"),
        pytest.param("step_time", 6.5 + np.random.default_rng(0).random(60), False, id="seconds of each step"),
        pytest.param("eta time", EVEN()[::-1], False, id="seconds that are left"),
        pytest.param("time_per_step", EVEN(), False, id="per something"),
        pytest.param("loss", EVEN(), False, id="no name of time"),
        pytest.param("time", EVEN()[:5], False, id="too few rows"),
    ],
)
def test_which_columns_tell_elapsed_time(tag: str, value: Floats, tells: bool) -> None:
    assert tells_elapsed_time(series(tag, value)) == tells


@pytest.mark.parametrize(
    ("value", "at"),
    [
        pytest.param(np.where(np.arange(60) < 40, EVEN(), EVEN() - 200), [40], id="goes on from a place in between"),
        pytest.param(np.concatenate([EVEN()[:40], EVEN()[:20]]), [], id="begins again with its process"),
        pytest.param(np.concatenate([EVEN()[:30], EVEN()[10:40] * 5]), [], id="at another pace"),
        pytest.param(np.tile(EVEN()[5:15], 6), [], id="falls all the time"),
        pytest.param(np.insert(EVEN(), 30, EVEN()[29] + 60), [], id="a line of another phase that was stamped later"),
    ],
)
def test_clocks_that_were_set_back(value: Floats, at: list[int]) -> None:
    falls = np.flatnonzero(np.diff(value) < 0) + 1
    step = np.arange(60) if len(value) == 60 else np.insert(np.arange(60), 30, 29)
    assert set_back(value, step, falls).tolist() == at


DURATIONS = np.random.default_rng(1).normal(3.0, 0.2, 200)
ROWS = [
    ("elapsed", np.cumsum(DURATIONS), True),
    ("seconds", np.floor(np.cumsum(DURATIONS / 30)), True),  # whole seconds, many rows in each
    ("seconds", np.cumsum(DURATIONS) % 60.0, True),  # of each epoch
    ("seconds", DURATIONS, False),  # of each row
    ("seconds", np.round(DURATIONS, 1), False),
    ("loss", np.cumsum(DURATIONS), False),
]


@pytest.mark.parametrize(("tag", "value", "expected"), ROWS)
def test_seconds_of_each_row_are_no_clock(tag: str, value: np.ndarray, expected: bool) -> None:
    assert named_elapsed(series(tag, value, np.arange(len(value)))) is expected
