"""Nothing was logged for long, and then the run went on.

What it checks
    Pauses between rows inside a session: at least thirty times the usual spacing, at least five minutes, and ten
    times as long as the run's other pauses.

Why it matters
    A hanging data loader, a lost node or a stopped process: time that was paid for. When the step went on counting
    from the same row, the steps in between may have been computed and dropped.

When it is silent
    Pauses that come back (evaluation, checkpoints), that hold rows of other tags (a validation), the first rows of
    a session (compilation), and the pause between two sessions. Where the learning rate leaves its way behind the
    pause, another process went on, and it is a note.

What to do
    Compare with the job's own output at that time. If the process was restarted there, the log does not show it:
    look for rows that the logger refused because their step was too small.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzer.clocks.wall_clock import WallClock
from analyzer.model import Finding, Ints
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import csv_log, falling_loss
from analyzer.timeline import Timeline

SPACINGS = 30.0
SECONDS = 300.0
OTHER_PAUSES = 10.0  # with five, heavy-tailed paces (log-Student, 3 degrees of freedom) gave alarms in 10 % of runs
FIRST_ROWS = 5
STALLS_AT_MOST = 2  # three long pauses are a habit


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    wall = timeline.wall
    if wall is None:
        yield Unchecked(reason="the log has no times; an `elapsed` column or event files would show pauses")
        return
    for at in _stalls(wall):
        if not _others_wrote(timeline, wall, int(at)):
            yield _stalled(timeline, wall, int(at), "note" if _restarted(timeline, wall, int(at)) else "warning")
    sessions = timeline.session_map.slices(wall.series)
    for join in timeline.joins:
        rows = sessions[join.after]
        if join.how_known == "long pause" and join.step == "continued" and 0 < rows.start < rows.stop:
            yield _stalled(timeline, wall, rows.start - 1, "note")


def _stalls(wall: WallClock) -> Ints:
    """Indices of the last rows before a stall."""
    passed = np.diff(wall.time)
    counted = np.zeros(len(passed), dtype=bool)
    counted[wall.inside()] = True
    counted &= np.isfinite(passed)
    begins = np.flatnonzero(np.concatenate([[True], np.diff(wall.session) != 0]))
    early = np.zeros(len(passed), dtype=bool)
    for begin in begins:
        early[begin : begin + FIRST_ROWS] = True
    inside = passed[counted]
    if len(inside) < 20:
        return np.zeros(0, dtype=np.int64)
    usual = float(np.median(inside))
    if usual <= 0:
        return np.zeros(0, dtype=np.int64)
    others = np.sort(inside)[: -STALLS_AT_MOST]
    least = max(SPACINGS * usual, SECONDS, OTHER_PAUSES * float(others[-1]))
    return np.flatnonzero(counted & ~early & (passed >= least))


def _restarted(timeline: Timeline, wall: WallClock, at: int) -> bool:
    """Whether the learning rate leaves its way at the row behind a pause: another process went on."""
    loss = timeline.loss
    if loss is None:
        return False
    low, high = wall.series.step[at], wall.series.step[at + 1]
    return any(low < loss.step(place) <= high for place in loss.learning_rate_moves.tolist() if place < len(loss.rows))


def _others_wrote(timeline: Timeline, wall: WallClock, at: int) -> bool:
    """Whether rows of other tags were written during the pause: an evaluation, a checkpoint."""
    low, high = wall.time[at], wall.time[at + 1]
    margin = 0.05 * (high - low)
    return any(
        bool(np.any((series.wall_time > low + margin) & (series.wall_time < high - margin)))
        for view in timeline.views
        for series in view.series.values()
    )


def _stalled(timeline: Timeline, wall: WallClock, at: int, severity: str) -> Finding:
    seconds = float(wall.time[at + 1] - wall.time[at])
    usual = wall.seconds_per_step * float(max(1, wall.series.step[at + 1] - wall.series.step[at]))
    return Finding(
        severity="warning" if severity == "warning" else "note",
        message=f"nothing was logged for {_long(seconds)} between step {wall.series.step[at]} and step "
        f"{wall.series.step[at + 1]}, which usually takes {_long(usual)}",
        tag=wall.series.tag, first_step=int(wall.series.step[at]), last_step=int(wall.series.step[at + 1]),
        numbers={"seconds": seconds, "usual_seconds": usual},
        evidence=(timeline.row(wall.series, at, "last row before"), timeline.row(wall.series, at + 1, "next row")),
    )


def _long(seconds: float) -> str:
    if seconds >= 5400:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.1f} min" if seconds >= 90 else f"{seconds:.3g} s"


def _rows(pauses: dict[int, float]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    time = 0.0
    for step in range(10, 2001, 10):
        time += 10.0 + pauses.get(step, 0.0)
        rows.append((step, falling_loss(step), round(time, 2)))
    return rows


RULE = Rule(
    code="PRF002",
    name="stall",
    severity="warning",
    check=check,
    help="compare with the job's own output at that time; the process may have hung or been restarted",
    sources=(
        "https://github.com/marin-community/marin/issues/2830",
        "https://github.com/wandb/wandb/issues/5913",
    ),
    bad=(Example(title="a quarter of an hour without a row",
                 files=csv_log(("step", "loss", "elapsed"), lambda: _rows({900: 920.0}))),),
    good=(
        Example(title="an evaluation of seven minutes every 400 steps",
                files=csv_log(("step", "loss", "elapsed"), lambda: _rows(dict.fromkeys(range(400, 2001, 400), 420.0))),
                why="the pause comes back: it is what the loop does there"),
        Example(title="ten minutes of compilation before the second row",
                files=csv_log(("step", "loss", "elapsed"), lambda: _rows({20: 600.0})),
                why="the first rows of a session may wait for a compiler"),
    ),
)
