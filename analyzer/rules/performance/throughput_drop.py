"""The steps of a session take twice as long from some row on.

What it checks
    Seconds per step in blocks along each session. When all blocks behind a place are at least 1.8 times as slow as
    the median before it, and those before it agree with one another, the pace dropped there.

Why it matters
    A throttled device, a full disk, a leaking data loader or a second job on the machine costs half of the run, and
    no loss curve shows it.

When it is silent
    Single slow rows (evaluation, checkpoints, compilation), a pace that wanders, sessions of fewer than eighty
    rows, runs of more than fifty steps a second, and a batch size or sequence length that was changed at a resume.

What to do
    Look at what else started at that time: device clocks and temperatures, data loading time, other processes, the
    size of the batches.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from analyzer.clocks.wall_clock import WallClock
from analyzer.model import Finding, Floats
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import csv_log, falling_loss
from analyzer.timeline import Timeline

ROWS_NEEDED = 80
BLOCKS = 20
SLOWER = 1.8
STEADY = 1.3  # blocks before the place differ by no more than this from their median
FASTEST_SECONDS = 0.02  # per step; below that the machine's own noise doubles a pace
BLOCKS_EACH_SIDE = 4


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    wall = timeline.wall
    if wall is None:
        yield Unchecked(reason="the log has no times; an `elapsed` column or event files would show the pace")
        return
    long = [rows for rows in timeline.session_map.slices(wall.series) if rows.stop - rows.start >= ROWS_NEEDED]
    if not long:
        yield Unchecked(reason=f"no session of {ROWS_NEEDED} rows")
    for rows in long:
        yield from _drop(timeline, wall, rows)


def _drop(timeline: Timeline, wall: WallClock, rows: slice) -> Iterator[Finding]:
    step, time = wall.series.step[rows], wall.time[rows]
    rise = np.diff(step)
    if np.any(rise <= 0) or not np.isfinite(time).all():
        return
    pace = np.diff(time) / rise
    bounds = np.linspace(0, len(pace), BLOCKS + 1).astype(int)
    blocks = np.array([np.median(pace[begin:end]) for begin, end in pairwise(bounds)])
    place = _change(blocks)
    if place is None:
        return
    before, after = float(np.median(blocks[:place])), float(np.median(blocks[place:]))
    at = rows.start + int(bounds[place])
    yield Finding(
        severity="warning",
        message=f"a step takes {after:.3g} s from about step {wall.series.step[at]} on, {after / before:.1f} times the "
        f"{before:.3g} s before",
        tag=wall.series.tag, first_step=int(wall.series.step[at]), last_step=int(step[-1]),
        numbers={"ratio": after / before, "seconds_per_step": after},
        evidence=(timeline.row(wall.series, rows.start, f"{before:.3g} s a step from here"),
                  timeline.row(wall.series, at, f"{after:.3g} s a step from here")),
    )


def _change(blocks: Floats) -> int | None:
    """First block of a lasting drop of pace; None when there is none."""
    for place in range(BLOCKS_EACH_SIDE, len(blocks) - BLOCKS_EACH_SIDE + 1):
        usual = float(np.median(blocks[:place]))
        if usual < FASTEST_SECONDS:
            return None
        steady = np.all(blocks[:place] <= STEADY * usual) and np.all(blocks[:place] >= usual / STEADY)
        if steady and np.all(blocks[place:] >= SLOWER * usual):
            return place
    return None


def _rows(slow_from: int, factor: float, every: int = 0) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    time = 0.0
    for step in range(1, 401):
        time += 0.5 * factor if step >= slow_from else 0.5
        time += 20.0 if every and step % every == 0 else 0.0
        rows.append((step, falling_loss(step), round(time, 2)))
    return rows


def _slow_for_a_while() -> list[tuple[object, ...]]:
    return [(step, falling_loss(step), 0.5 * step + 0.6 * min(max(step - 200, 0), 40)) for step in range(1, 401)]


RULE = Rule(
    code="PRF001",
    name="throughput-drop",
    severity="warning",
    check=check,
    help="look at what else started at that time: device clocks, data loading, other processes, batch size",
    sources=("https://github.com/marin-community/marin/issues/2830",),
    bad=(Example(title="steps take twice as long from step 200 on",
                 files=csv_log(("step", "loss", "elapsed"), lambda: _rows(200, 2.2))),),
    good=(
        Example(title="an evaluation every fifty steps",
                files=csv_log(("step", "loss", "elapsed"), lambda: _rows(500, 1.0, 50)),
                why="single slow rows do not move a block's median"),
        Example(title="slow for a tenth of the run", files=csv_log(("step", "loss", "elapsed"), _slow_for_a_while),
                why="the pace came back"),
    ),
)
