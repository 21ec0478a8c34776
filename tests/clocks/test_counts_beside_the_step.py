"""Counts of data and clocks of seconds beside the step: what shows that they changed, and what only looks so."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from analyzer.clocks.data_rate import counts_of_data, rate_change
from analyzer.clocks.elapsed import set_back, tells_elapsed_time
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


def seen(*rates: tuple[int, float]) -> Floats:
    """A count at each logged step, by (from step, per step)."""
    every = np.zeros(int(STEPS[-1]) + 1)
    for first, rate in rates:
        every[first + 1 :] = rate
    return np.cumsum(every)[STEPS]


@pytest.mark.parametrize(
    ("value", "rates"),
    [
        pytest.param(seen((0, 64), (300, 32)), (64, 32), id="half the batch"),
        pytest.param(seen((0, 64), (305, 128)), (64, 128), id="twice, between two rows"),
        pytest.param(seen((0, 64)), None, id="one batch throughout"),
        pytest.param(seen((0, 64), (200, 96), (400, 128)), None, id="a ramp"),
        pytest.param(seen((0, 64), (570, 32)), None, id="three rows at the end"),
        pytest.param(seen(*((s, 64.0 if s % 50 else 30.0) for s in range(600))), None, id="small last batches"),
        pytest.param(np.cumsum(np.random.default_rng(0).integers(900, 1100, 60)), None, id="tokens without padding"),
        pytest.param(np.concatenate([seen((0, 64))[:30], seen((0, 64))[:30]]), None, id="a count that begins again"),
    ],
)
def test_data_per_step(value: Floats, rates: tuple[float, float] | None) -> None:
    found = rate_change(series("samples_seen", value))
    assert (None if found is None else (found.before, found.after)) == rates


@pytest.mark.parametrize(
    ("tag", "counts"),
    [("consumed_samples", True), ("total_tokens", True), ("TotalEnvInteracts", True), ("time/total_timesteps", True),
     ("tokens_per_second", False), ("loss", False), ("env_reward", False)],
)  # fmt: skip
def test_which_columns_count_data(tag: str, counts: bool) -> None:
    assert bool(counts_of_data([series(tag, seen((0, 1)))])) == counts


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
    ],
)
def test_clocks_that_were_set_back(value: Floats, at: list[int]) -> None:
    falls = np.flatnonzero(np.diff(value) < 0) + 1
    assert set_back(value, falls).tolist() == at
