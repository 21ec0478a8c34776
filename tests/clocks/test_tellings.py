"""Rows of equal step, against the loop that looks at every row."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analyzer.clocks.tellings import Tellings


@given(st.lists(st.integers(-3, 12), min_size=1, max_size=60), st.data())
def test_latest_and_first_telling(steps: list[int], data: st.DataObject) -> None:
    before = data.draw(st.integers(0, len(steps)))
    rows = np.arange(len(steps))
    tellings = Tellings(np.array(steps, dtype=np.int64))
    latest = [max((row for row in range(before) if steps[row] == step), default=-1) for step in steps]
    assert tellings.latest(rows, before).tolist() == latest
    assert tellings.first(rows).tolist() == [steps.index(step) for step in steps]


@given(st.lists(st.sampled_from([-(2**63), 0, 2**63 - 1]), min_size=1, max_size=8))
def test_steps_of_any_size(steps: list[int]) -> None:
    assert Tellings(np.array(steps)).first(np.arange(len(steps))).tolist() == [steps.index(step) for step in steps]
