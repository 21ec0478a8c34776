"""The wall clock: where the times come from, the pace of each session, time that runs backwards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analyzer.clocks.wall_time import unit_of
from tests.clocks.made_runs import Loop, follow_on, timeline_of, write_events


def test_pace_of_each_session_without_the_pause_between_them(tmp_path: Path) -> None:
    slow, fast = Loop(seconds=2.0), Loop(seconds=0.5)
    first = slow.points(0, 150)
    write_events(tmp_path, first)
    write_events(tmp_path, fast.points(150, 400, begin=first[-1][3] + 3600), pid=101)
    wall = timeline_of(tmp_path).wall
    assert wall is not None
    assert wall.pace == pytest.approx((2.0, 0.5), rel=1e-6)
    assert len(wall.inside()) == 398


@pytest.mark.parametrize(("column", "seconds", "since"), [
    pytest.param("elapsed", [0.5 * n for n in range(1, 61)], "start", id="seconds since the start"),
    pytest.param("timestamp", [1.7e9 + 0.5 * n for n in range(1, 61)], "1970", id="seconds since 1970"),
    pytest.param("timestamp", [1.7e12 + 500.0 * n for n in range(1, 61)], "1970", id="milliseconds since 1970"),
])
def test_times_of_a_table(column: str, seconds: list[float], since: str, tmp_path: Path) -> None:
    rows = [f"{step},{1 / step:.6f},{time!r}" for step, time in enumerate(seconds, start=1)]
    (tmp_path / "log.csv").write_text(f"step,loss,{column}\n" + "\n".join(rows) + "\n")
    wall = timeline_of(tmp_path).wall
    assert wall is not None
    assert wall.since == since
    assert wall.seconds_per_step == pytest.approx(0.5)


def test_no_times_no_clock(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("step,loss\n" + "".join(f"{step},{1 / step:.6f}\n" for step in range(1, 30)))
    assert timeline_of(tmp_path).wall is None


@pytest.mark.parametrize(
    ("value", "unit"), [(1.7e9, "s"), (1.7e12, "ms"), (1.7e15, "us"), (300.0, None), (np.nan, None)]
)
def test_unit_by_size(value: float, unit: str | None) -> None:
    assert unit_of(np.array([value])) == unit


def test_sessions_know_their_times(tmp_path: Path) -> None:
    for number, points in enumerate(follow_on(Loop(), [(0, 150), (150, 400)])):
        write_events(tmp_path, points, pid=100 + number)
    first, second = timeline_of(tmp_path).sessions
    assert first.wall_last < second.wall_first
    assert (first.first_step, first.last_step, second.first_step, second.last_step) == (1, 150, 151, 400)


GAPS = {  # seconds between the rows of two lives, 26 rows of 60 s apart: whether they prove that these were not trained
    600.0: True,
    1400.0: True,
    1700.0: False,
    86_400.0: False,
}


@pytest.mark.parametrize("gap", GAPS)
def test_a_pause_too_short_for_the_missing_rows_proves_that_they_were_not_trained(gap: float, tmp_path: Path) -> None:
    first = [(10 * n, 1.7e9 + 60 * n) for n in range(1, 65)]
    second = [(10 * n + 900, first[-1][1] + gap + 60 * n) for n in range(60)]
    for name, rows in (("a.csv", first), ("b.csv", second)):
        lines = [f"{step},{1 + 5 / step},{1e-3 * (1 - step / 1500)},{wall}" for step, wall in rows]
        (tmp_path / name).write_text("\n".join(["step,loss,lr,timestamp", *lines]) + "\n")
    (jump,) = timeline_of(tmp_path).step_jumps
    assert (jump.verdict == "counter jumped") == GAPS[gap]
