"""Why a counter falls: the explanations and what they are told apart by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from analyzer.clocks.falls import Beside, Falls, explain_falls


def explained(
    count: Sequence[int],
    *,
    traces: Sequence[int] = (),
    timer: Sequence[int] = (),
    state: Sequence[int] = (),
    on: Sequence[int] = (),
    over: Sequence[int] = (),
    label: Sequence[int] | None = None,
    plays: bool = False,
) -> Falls:
    def at(rows: Sequence[int]) -> np.ndarray:
        flags = np.zeros(len(count), dtype=np.bool_)
        flags[list(rows)] = True
        return flags

    labels = None if label is None else np.array(label, dtype=np.float64)
    around = Beside(
        traces=at(traces), timer=at(timer), state=at(state), on=at(on), over=at(over), label=labels, plays=plays
    )
    return explain_falls(np.array(count, dtype=np.int64), around)


def lives(count: int, rows: int, back: int) -> list[int]:
    return [step for life in range(count) for step in range(life * (rows - back) + 1, life * (rows - back) + rows + 1)]


def in_turns(block: int, writers: int, until: int = 101) -> list[int]:
    return [step for begin in range(1, until, block) for _ in range(writers) for step in range(begin, begin + block)]


def with_closing_rows(last: int, epoch: int = 234) -> list[int]:
    """Every tenth step, and the last of every epoch."""
    return sorted({*range(10, last + 1, 10), *range(epoch, last + 1, epoch)})


LAP = list(range(1, 61))
BOTH = [step for row in range(60) for step in (500 + 10 * row, 1010 + 10 * row)]
REQUEUED = [*range(10, 1010, 10), *BOTH, *range(1100, 1500, 10)]
MARKED = range(60, 300, 60)


@pytest.mark.parametrize(
    ("count", "beside", "cause"),
    [
        pytest.param(range(50), {}, "none", id="it only rises"),
        pytest.param([1, 1, 2, 2, 3, 3], {}, "none", id="a row per micro-batch"),
        # lives
        pytest.param([*LAP, *range(41, 121)], {}, "lives", id="a replay"),
        pytest.param([*LAP, *range(1, 91)], {}, "lives", id="back to the beginning, and further than before"),
        pytest.param([*range(40), *range(30, 60), *range(50, 80)], {}, "lives", id="two replays"),
        pytest.param(LAP * 2, {"label": [i // 20 for i in range(120)]}, "lives", id="labels change inside the lap"),
        pytest.param(LAP * 5, {"traces": MARKED}, "lives", id="equal lengths, each under a header of its own"),
        pytest.param(LAP * 5, {"over": MARKED}, "lives", id="equal lengths, each with a new loss"),
        pytest.param(lives(300, 40, 10), {"state": range(12_000)}, "lives", id="300 replays that the rate confirms"),
        pytest.param([*range(1, 101), *range(81, 91), *range(101, 200)], {"traces": [100, 110]}, "lives",
                     id="a short life between two"),
        pytest.param([1, 2, 3, 3, 4], {"label": [0, 0, 1, 0, 0]}, "lives", id="told again under an earlier epoch"),
        pytest.param([*with_closing_rows(9360), *with_closing_rows(1500)], {"traces": [967]}, "lives",
                     id="rows that close epochs beside a regular cadence, and one new life"),
        # laps
        pytest.param(LAP * 5, {}, "laps", id="five laps"),
        pytest.param(LAP * 2, {}, "laps", id="two whole laps"),
        pytest.param([*LAP * 2, *range(1, 20)], {}, "laps", id="the last lap is cut"),
        pytest.param([*LAP, *range(1, 20)], {"label": [0] * 60 + [1] * 19}, "laps", id="one fall, and the label rises"),
        pytest.param(LAP * 2, {"label": [0] * 62 + [1] * 58}, "laps", id="the label is two rows late"),
        pytest.param(LAP * 4, {"timer": [60, 120, 180]}, "laps", id="seconds of the epoch start over, too"),
        pytest.param([*LAP * 2, *range(1, 31), *LAP * 2],
                     {"label": [0] * 60 + [1] * 60 + [2] * 90 + [3] * 60, "traces": [150]}, "laps",
                     id="an epoch begun again by a new process"),
        pytest.param([1 + 7 * i % 60 for i in range(90)], {"label": [7 * i // 60 for i in range(90)]}, "laps",
                     id="every seventh update, by its batch"),
        # passes, turns, units
        pytest.param(in_turns(8, 3), {"plays": True}, "passes", id="three passes over each batch"),
        pytest.param(in_turns(10, 2), {}, "turns", id="two writers in turns"),
        pytest.param(in_turns(10, 4), {}, "turns", id="four writers in turns"),
        pytest.param([10 * step for step in in_turns(5, 2)], {}, "turns", id="every ten steps"),
        pytest.param(REQUEUED, {}, "turns", id="a job that was started again while it ran"),
        pytest.param([x for j, x in enumerate(REQUEUED) if j % 17], {}, "turns", id="and some rows are lost"),
        pytest.param([*range(1, 100), 25600, *range(100, 200), 51200, *range(200, 300)], {}, "another unit",
                     id="samples among updates"),
        pytest.param([*range(1, 100), 1, *range(100, 200), 2, *range(200, 300), 3], {}, "another unit",
                     id="epochs among updates"),
        pytest.param([*range(1, 100), 0, *range(100, 200)], {}, "another unit", id="one row without a step of its own"),
        # nothing
        pytest.param(lives(93, 40, 10), {}, "unknown", id="93 falls and no trace of a process"),
        pytest.param([*range(45), *range(43), *range(3, 27), *range(46)], {"on": [45, 88, 112]}, "unknown",
                     id="uneven places, the rate goes on at three falls"),
        pytest.param(np.argsort(np.arange(400) + 8 * np.random.default_rng(2).random(400)), {}, "unknown",
                     id="rows out of order"),
    ],
)
def test_the_cheapest_explanation(count: Sequence[int], beside: dict[str, object], cause: str) -> None:
    found = explained(list(count), **beside)  # type: ignore[arg-type]
    assert found.cause == cause
    assert len(found.begins) == (len(found.at) if cause == "lives" else 0)


@pytest.mark.parametrize(
    ("count", "rows"),
    [
        pytest.param(in_turns(10, 2), [100, 100], id="two writers"),
        pytest.param(in_turns(10, 4), [100] * 4, id="four writers"),
        pytest.param(REQUEUED, [160, 100], id="one started later"),
        pytest.param([*range(1, 100), 0, *range(100, 200)], [199, 1], id="one row of another unit"),
    ],
)
def test_streams_hold_one_count_each(count: list[int], rows: list[int]) -> None:
    stream = explained(count).stream
    assert stream is not None
    assert np.bincount(stream).tolist() == rows
    for one in range(len(rows)):
        assert np.all(np.diff(np.array(count)[stream == one]) > 0)
