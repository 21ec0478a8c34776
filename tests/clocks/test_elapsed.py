"""Which columns named as elapsed seconds count them from a start."""

from __future__ import annotations

import numpy as np
import pytest

from analyzer.clocks.elapsed import named_elapsed
from tests.clocks.test_counts_beside_the_step import series

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
