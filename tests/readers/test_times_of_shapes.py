"""Lines that count without a word keep the time in front of them."""

from __future__ import annotations

import numpy as np
import pytest

from analyzer.readers.stdout import parse


def lines(stamp: str) -> bytes:
    rows = [
        f"{stamp.format(m=19 + n // 10, s=6 * (n % 10))}{5 * n:7d} - {66 + n % 3}.41 sent/s"
        f" - MLM-en: {9.28 / (1 + n / 9):.4f} - - model LR: {1e-4 / n:.4e}"
        for n in range(1, 40)
    ]
    return "\n".join([*rows, ""]).encode()


@pytest.mark.parametrize(
    "stamp",
    [
        "INFO - 12/15/24 11:{m:02d}:{s:02d} - 0:00:05 - ",
        "2024-12-15 11:{m:02d}:{s:02d},000 - ",
        "[11:{m:02d}:{s:02d}] ",
    ],
)
def test_a_time_in_front_of_a_line_without_words(stamp: str) -> None:
    reading = parse(lines(stamp), "train.log")
    loss = next(one for one in reading.series if "MLM" in one.tag)
    clock = next((one for one in reading.series if one.tag == "wall clock"), None)
    passed = np.diff(loss.wall_time) if clock is None else np.diff(clock.value)
    assert len(loss) == 39 and passed.tolist() == [6.0] * 38


def test_lines_without_a_time_have_none() -> None:
    reading = parse(lines(""), "train.log")
    assert not any(np.isfinite(one.wall_time).any() or one.tag == "wall clock" for one in reading.series)
