"""Seconds that printed lines tell without a date."""

from __future__ import annotations

from itertools import pairwise

import pytest

from analyzer.readers.stdout.passed import A_DAY, OF_A_DAY, OF_A_LINE, Clock
from analyzer.readers.stdout.patterns import WALL


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ("Elapsed [0:01:02], Iteration [100/80000]", 62.0),
        ("step 3 | elapsed: 2m 5s | loss 0.3", 125.0),
        ("time elapsed 1h 2m 3s loss 0.1", 3723.0),
        ("train: 40%|####| 40/100 [05:03<21:42, 3.1it/s, loss=0.3]", 303.0),
        ("40%|####| 40/100 [1 day, 1:00:03<2:00:00, 3.1it/s]", A_DAY + 3603.0),
        ("step 5 loss 0.2 time: 0:00:07", 7.0),
        ("step 5 loss 0.2 eta: 0:00:07", None),
        ("step 5 loss 0.2 time remaining: 0:00:07", None),
        ("step 5 loss 0.2 time: 0.332", None),
        ("ratio 3:1:2 step 5", None),
    ],
)
def test_a_stopwatch(line: str, seconds: float | None) -> None:
    assert Clock().at({}, line).get(OF_A_LINE) == seconds


@pytest.mark.parametrize(
    ("lines", "passed"),
    [
        (("12:00:01 | step 1", "12:00:31 | step 2"), [30.0]),
        (("23:59:50 step 1", "00:00:10 step 2"), [20.0]),
        (("18:00:00 step 1", "09:00:00 step 2"), [15 * 3600.0]),
        (("[10:00:02.5] step 1", "[10:00:01.5] step 2"), [-1.0]),  # a line of another process
        (("00:10:00 step 1", "00:00:05 step 2"), [-595.0]),  # a stopwatch that began again
        (("Jul 31 23:59:59 step 1", "Aug  1 00:00:01 step 2"), [2.0]),
        (("07/31 11:59:59 PM step 1", "08/01 12:00:01 AM step 2"), [2.0]),
        (("01/02 10:00:00 step 1", "01/03 10:00:00 step 2"), [A_DAY]),
        (("02/01 10:00:00 step 1", "03/01 10:00:00 step 2"), [A_DAY]),  # the day stands first, by fewest days
        (("I1231 23:59:58.5 12 a.py:3] step 1", "I0101 00:00:00.5 12 a.py:3] step 2"), [2.0]),
        (("[08-16 05:09:19][a] step 1", "[08-16 05:09:49][a] step 2"), [30.0]),
        (("31:00:00 step 1", "32:00:00 step 2"), []),  # no hour of a day
        (("step 1 at 12:00:01", "step 2 at 12:00:31"), []),  # in front, or nowhere
    ],
)
def test_a_time_of_day(lines: tuple[str, ...], passed: list[float]) -> None:
    clock = Clock()
    times = [told[OF_A_DAY] for line in lines if OF_A_DAY in (told := clock.at({}, line))]
    assert [later - former for former, later in pairwise(times)] == passed


def test_a_line_with_a_date_keeps_that() -> None:
    assert Clock().at({WALL: 5.0}, "12:00:01 Elapsed 0:00:03") == {WALL: 5.0}
