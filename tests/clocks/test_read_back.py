"""The scheduler's counter read back from the learning rate: what the figure of its position shows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.clocks.scheduler.read_back import read_back
from analyzer.clocks.scheduler_clock import SchedulerClock
from analyzer.clocks.schedules import Schedule
from analyzer.model import Floats, Series

STEP = np.arange(0, 600, dtype=np.float64)
COSINE = Schedule(family="cosine", peak=1e-3, warmup=50, total=600)
WAVES = Schedule(family="warm-restarts", peak=1e-3, step_size=40.0)
LINEAR = Schedule(family="linear", peak=1e-3, total=600)


def _clock(schedule: Schedule, counter: Floats, due: Floats = STEP) -> SchedulerClock:
    rate = schedule(counter).astype(np.float32).astype(np.float64)
    count = len(rate)
    series = Series(
        tag="lr", step=due.astype(np.int64), value=rate, wall_time=np.arange(count, dtype=np.float64),
        source=np.zeros(count, dtype=np.int32), row=np.arange(count), written_as="float32",
    )  # fmt: skip
    return SchedulerClock(series=series, family=schedule.family, peak_lr=1e-3, position=due, expected=schedule(due))


def _stood(first: int, last: int) -> Floats:
    return STEP - np.clip(STEP - first, 0, last - first)


CASES = {
    "sound": (COSINE, STEP),
    "sound, in waves": (WAVES, STEP),
    "stands still for 60 updates": (COSINE, _stood(200, 260)),
    "falls behind in the warmup": (COSINE, _stood(10, 30)),
    "starts again with its warmup": (COSINE, np.where(STEP < 300, STEP, STEP - 300)),
    "starts again without one": (LINEAR, np.where(STEP < 300, STEP, STEP - 300)),
    "is called twice from an update on": (LINEAR, np.where(STEP < 200, STEP, np.minimum(2 * STEP - 200, 598))),
    "leaps ahead": (LINEAR, np.where(STEP < 200, STEP, np.minimum(STEP + 100, 599))),
}


@pytest.mark.parametrize("name", CASES)
def test_the_counter_is_where_the_rates_put_it(name: str) -> None:
    schedule, counter = CASES[name]
    found = read_back(_clock(schedule, counter))
    assert found is not None
    assert np.abs(found - counter).max() <= 1.0  # a turn's two sides lie within a count


@pytest.mark.parametrize(
    "clock",
    [
        _clock(Schedule(family="constant", peak=1e-3), STEP),
        SchedulerClock(series=_clock(COSINE, STEP).series, family="unknown", peak_lr=1e-3),
        _clock(LINEAR, np.random.default_rng(0).permutation(STEP)),
    ],
    ids=["a rate that never moves", "no schedule", "rates that are no counter's"],
)
def test_where_no_counter_can_be_told_nothing_is(clock: SchedulerClock) -> None:
    assert read_back(clock) is None


@given(st.integers(2, 500), st.integers(0, 90), st.sampled_from([COSINE, LINEAR]))
def test_any_lag_is_read_back(at: int, lag: int, schedule: Schedule) -> None:
    counter = _stood(at, at + lag)
    found = read_back(_clock(schedule, counter))
    assert found is not None
    away = np.abs(schedule(found) - schedule(counter))
    assert (away <= 1e-6 * 1e-3 + 1e-5 * schedule(counter)).all() or np.abs(found - counter).max() <= 1.0
