"""Epoch lengths that change by stretches, and everything that only looks like it."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import pytest

from analyzer.clocks.label_runs import label_runs
from analyzer.clocks.ramps import Stretch, ramp_of


def stretches_of(
    lengths: list[int], *, cadence: int = 1, joins: tuple[int, ...] = (), first_label: int = 0, beginning: bool = True
) -> tuple[Stretch, ...] | None:
    """Epochs of these lengths from step 1 on, a row every `cadence` steps, sessions that open at `joins`."""
    step = np.arange(1, sum(lengths) + 1)
    label = np.searchsorted(list(accumulate(lengths)), step, side="left") + first_label
    session = np.searchsorted(joins, step, side="right") if joins else np.zeros(len(step), dtype=np.int64)
    kept = (step % cadence == 0) | (cadence == 1)
    runs = label_runs(step[kept], label[kept], session[kept].astype(np.int64))
    return ramp_of(runs, step[kept], (1, 1) if beginning else None)


@pytest.mark.parametrize(
    ("lengths", "found"),
    [
        pytest.param([60, 60, 30, 30, 15, 15], [60, 30, 15], id="halved twice"),
        pytest.param([40] * 5 + [20] * 5, [40, 20], id="halved once"),
        pytest.param([16, 16, 24, 24, 36, 36], [16, 24, 36], id="a batch that shrinks"),
        pytest.param([60, 30, 20, 15, 12, 10], [60, 30, 20, 15, 12], id="another batch in every epoch"),
        pytest.param([60, 60, 30, 30, 15, 7], [60, 30, 15], id="ended inside an epoch"),
    ],
)
def test_stretches(lengths: list[int], found: list[int]) -> None:
    ramp = stretches_of(lengths)
    assert ramp is not None
    assert [int(one.length) for one in ramp] == found
    first = stretches_of(lengths, beginning=False, first_label=3)
    assert first is not None and [one.step for one in first] == [one.step for one in ramp]


def test_sparse_rows_leave_an_interval() -> None:
    ramp = stretches_of([600, 600, 300, 300, 150, 150], cadence=10)
    assert ramp is not None and len(ramp) == 3
    for one, length in zip(ramp, (600, 300, 150), strict=True):
        assert one.low <= length <= one.high


@pytest.mark.parametrize(
    ("lengths", "joins"),
    [
        pytest.param([40] * 8, (), id="one length"),
        pytest.param([30, 30, 60, 30, 30], (), id="a label given twice"),
        pytest.param([60, 30, 30, 30], (), id="the first label given twice"),
        pytest.param([30, 30, 30, 60], (), id="the last label given twice"),
        pytest.param([40, 40, 55, 40, 40], (), id="an epoch that began again"),
        pytest.param([40, 40, 55, 30], (), id="an epoch that began again, near the end"),
        pytest.param([40, 40, 31, 20, 20], (), id="another batch from inside an epoch on"),
        pytest.param([40, 40, 20, 20, 20], (81,), id="another batch at a resume"),
        pytest.param([40, 40, 40, 20, 20], (101,), id="a resume inside the last long epoch"),
        pytest.param([45, 46, 45, 46, 45, 46], (), id="laps that alternate"),
        pytest.param([40, 40, 39, 39, 38, 38], (), id="a step less than the ones before"),
        pytest.param([40, 40, 20], (), id="one short epoch at the end"),
    ],
)
def test_what_is_no_ramp(lengths: list[int], joins: tuple[int, ...]) -> None:
    assert stretches_of(lengths, joins=joins) is None


def test_a_resume_elsewhere_does_not_hide_a_ramp() -> None:
    ramp = stretches_of([60, 60, 30, 30, 15, 15], joins=(20,))
    assert ramp is not None and [int(one.length) for one in ramp] == [60, 30, 15]
