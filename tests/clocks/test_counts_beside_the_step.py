"""Counts of data beside the step: what shows that a batch changed, and what only looks so."""

from __future__ import annotations

import numpy as np
import pytest

from analyzer.clocks.data_rate import counts_of_data, rate_change
from analyzer.model import Floats
from tests.clocks.test_elapsed import STEPS, series


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
