"""Places where the step counter runs ahead of the rows: were rows lost, or did the counter jump?

Every other clock is a witness. When rows are lost, the epoch, the samples seen, the learning rate and the wall time
have moved on by as much as the step; when the counter jumped, they have moved by one row.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from analyzer.clocks.cadence import usual_cadence
from analyzer.clocks.rows import place_of, rows_of, rows_of_source
from analyzer.clocks.step_axis import StepJump, Verdict
from analyzer.clocks.wall_time import times_of
from analyzer.distinct import distinct
from analyzer.model import NO_STEP, Floats, Ints, Row, Series, View
from analyzer.precision import width_of
from analyzer.roles import OF_A_DAY, role_of_tag
from analyzer.timeline import Timeline

RARE = 0.05  # more long steps than this share of the rows: the cadence is not regular, nothing can be missing from it
UNEVEN = 0.05  # of a cadence: rows every four thousand examples, in whole batches of 64, are as regular as rows can be
BY_TIME = 0.2  # of a cadence: rows written once in so many seconds hold as many steps as pass then
CERTAIN = 3  # such rows that one stretch must have taken: a slow callback may delay a row by another
NEARLY_ALL = 0.9  # of the rises, where they are not equal
NEAR = 0.3  # a witness speaks when what it moved is within 30 % of one of the two expectations
ROWS_FOR_A_SLOPE = 12
ROWS_EACH_SIDE = 4  # a smooth schedule is straight over so few rows
ROWS_OF_A_PACE = 25  # on each side of a gap
OFTEN = 3  # as many equal long steps inside sessions are a habit of the loop
GAPS_JUDGED = 200
OF_THE_FILE = ("row", "redraw")  # axes that other rows move on as well


class _Column(Struct, frozen=True, kw_only=True, eq=False):
    """A column that has its own account of how far the run had come, in its finite rows."""

    series: Series
    changes: Ints | None  # rows at which an integer epoch label rises; None for a column that moves in every row


def regular_cadence(step: Ints, session: Ints) -> tuple[int, Ints] | None:
    """Cadence of a series and the indices i of rows after which it makes a rare long step; None when it has no cadence.

    A long step that follows or precedes an equal one is a change of the cadence, not a gap.
    """
    if len(step) < 6:
        return None
    rises = np.diff(step)
    inside = (session[1:] == session[:-1]) & (rises > 0)
    if np.count_nonzero(inside) < 5:
        return None
    cadence = usual_cadence(step)
    near = np.abs(rises - cadence) <= UNEVEN * cadence
    equal, alike = np.count_nonzero(inside & (rises == cadence)), np.count_nonzero(inside & near)
    if equal < 0.7 * np.count_nonzero(inside) and alike < NEARLY_ALL * np.count_nonzero(inside):
        cadence = int(np.median(rises[inside]))
        near = np.abs(rises - cadence) <= BY_TIME * cadence
        if cadence < 1 / BY_TIME or np.count_nonzero(inside & near) < (1 - RARE) * np.count_nonzero(inside):
            return None
        long = inside & (rises >= CERTAIN * cadence)
    else:
        long = inside & (rises >= (2 - UNEVEN) * cadence) & ~near
    if RARE * len(rises) < 1:
        long[-1] = False  # of few rows only the next tells whether the cadence goes on or is another from here
    same = np.zeros(len(rises), dtype=bool)
    same[1:] |= rises[1:] == rises[:-1]
    same[:-1] |= rises[:-1] == rises[1:]
    gaps = np.flatnonzero(long & ~same)
    if np.count_nonzero(long) > max(2, RARE * len(rises)):
        return cadence, gaps[:0]
    if len(gaps) >= 3 and _a_habit(step[gaps], rises[gaps], cadence):
        return cadence, gaps[:0]
    return cadence, gaps


def _a_habit(at: Ints, size: Ints, cadence: int) -> bool:
    """Long steps at equal distances: the loop logs that way (restarts its cadence at each epoch, say)."""
    apart = np.diff(at)
    return bool(np.ptp(apart) <= 2 * cadence or (np.ptp(size) == 0 and len(at) >= 5))


def find_step_jumps(timeline: Timeline) -> tuple[StepJump, ...]:
    """Long steps of the main training series, inside sessions and at joins, each with its verdict."""
    references = [series for series in timeline.training if series.step[0] != NO_STEP]
    if not references or timeline.step_axis.unit in OF_THE_FILE:
        return ()
    main = references[0]
    session = timeline.session_map.of(main)
    found = regular_cadence(main.step, session)
    columns = _witnesses(timeline.view)
    jumps: list[StepJump] = []
    if found is not None:
        cadence, gaps = found
        gaps = gaps[:GAPS_JUDGED]
        written = _others_go_on(references[1:], main, gaps)
        jumps += [_judged(timeline, main, at, cadence, None, columns) for at in gaps[~written].tolist()]
    sessions = timeline.session_map.slices(main)
    rises = np.diff(main.step)
    inside = rises[np.diff(session) == 0]
    for join in timeline.joins:
        rows = sessions[join.after]
        if join.step == "skipped" and 0 < rows.start < rows.stop:
            if np.count_nonzero(inside == rises[rows.start - 1]) >= OFTEN:
                continue  # as long as the loop's own long steps, at each epoch, say
            jumps.append(_judged(timeline, main, rows.start - 1, join.cadence, join.index, columns))
    return tuple(sorted(jumps, key=lambda jump: jump.at))


def _others_go_on(others: list[Series], main: Series, gaps: Ints) -> NDArray[np.bool_]:
    """Whether another training series has rows inside each gap: then the row is there and only its loss is not."""
    low, high = main.step[gaps], main.step[gaps + 1]
    go_on = np.zeros(len(gaps), dtype=np.bool_)
    for source in distinct(main.source[gaps]):
        here = np.flatnonzero(main.source[gaps] == source)
        for series in others:
            step = np.sort(series.step[rows_of_source(series, source)])
            go_on[here] |= np.searchsorted(step, low[here], side="right") < np.searchsorted(step, high[here])
    return go_on


def _witnesses(view: View) -> list[_Column]:
    """The columns that can say whether rows are missing."""
    columns = []
    for tag, column in view.series.items():
        role = role_of_tag(tag)
        if role not in ("epoch", "samples", "tokens", "learning_rate"):
            continue
        series = rows_of(column, np.isfinite(column.value))
        if np.array_equal(series.value, series.step):
            continue  # the axis itself
        labels = role == "epoch" and not np.any(series.value != np.floor(series.value))
        changes = np.flatnonzero(np.diff(series.value) > 0) + 1 if labels else None
        columns.append(_Column(series=series, changes=changes))
    return columns


def _judged(
    timeline: Timeline, main: Series, at: int, cadence: int, join: int | None, columns: list[_Column]
) -> StepJump:
    last, following = int(main.step[at]), int(main.step[at + 1])
    verdict: Verdict = "unknown"
    because = ""
    rows = [timeline.row(main, at, "last row before"), timeline.row(main, at + 1, "next row")]
    for found, reason, row in _testimony(timeline, main, at, cadence, join, columns):
        if verdict == "unknown" or (found == "counter jumped" and verdict != found):
            verdict, because = found, reason
            rows = [*rows[:2], *row]
    return StepJump(series=main, at=at, last_step=last, next_step=following, cadence=cadence, join=join,
                    verdict=verdict, because=because, evidence=tuple(rows))


def _testimony(
    timeline: Timeline, main: Series, at: int, cadence: int, join: int | None, columns: list[_Column]
) -> list[tuple[Verdict, str, tuple[Row, ...]]]:
    said: list[tuple[Verdict, str, tuple[Row, ...]]] = []
    last, following = int(main.step[at]), int(main.step[at + 1])
    steps = (following - last) / cadence
    clock = times_of(main, timeline.view.series) if join is not None else None
    goes_on = clock is not None and (clock[1] == "1970" or clock[3] == OF_A_DAY)  # else it may begin with its process
    if clock is not None and goes_on and (why := _no_time_for(clock[0], at, steps)):
        said.append(("counter jumped", why, ()))
    for column in columns:
        if column.changes is None:
            verdict = _by_slope(column.series, main, at, steps)
        else:
            verdict = _by_laps(column.series, column.changes, main, at, cadence)
        if verdict != "unknown":
            said.append((verdict, f"{column.series.tag} {_moved(verdict)}", ()))
    if not said and join is None and np.isfinite(main.wall_time).all():  # exact witnesses outrank pace
        verdict = _wall_verdict(main.wall_time, at, steps)
        if verdict != "unknown":
            said.append((verdict, f"the wall clock {_moved(verdict)}", ()))
    return said


def _moved(verdict: Verdict) -> str:
    return "moves on by a single row's worth" if verdict == "counter jumped" else "has moved on by as much as the step"


def _by_slope(series: Series, main: Series, at: int, steps: float) -> Verdict:
    """Whether a smooth column moved by one row or by the whole gap, from its slope on both sides."""
    begin = place_of(series, (int(main.source[at]), int(main.row[at]) + 1))
    for rows in (ROWS_FOR_A_SLOPE, len(series)):  # nearly always one of the next
        after = np.flatnonzero(series.step[begin : begin + rows] > main.step[at])
        if len(after):
            break
    if not len(after) or begin + after[0] == 0:
        return "unknown"
    begin += int(after[0])
    if series.step[begin] < main.step[at + 1]:
        return "unknown"  # it has a row in between, as the closing row of an epoch is one
    window = slice(max(0, begin - ROWS_OF_A_PACE), begin + ROWS_OF_A_PACE)
    step, value = series.step[window], series.value[window]
    fresh = np.concatenate([[True], np.diff(step) > 0]) | (np.diff(step, prepend=step[0]) < 0)
    where = begin - window.start
    kept = np.flatnonzero(fresh)
    place = int(np.searchsorted(kept, where))
    verdict = _slope_verdict(value[kept], place - 1, steps)
    if verdict != "unknown":
        return verdict
    return _rounded_slope(value[kept], float(width_of(value, series).max()), place - 1, steps)


def _slope_verdict(value: np.ndarray, at: int, steps: float) -> Verdict:
    begin, end = max(0, at - ROWS_FOR_A_SLOPE), at + 1 + ROWS_FOR_A_SLOPE
    moved = np.diff(value[begin : end + 1])
    place = at - begin
    if place < 0 or place >= len(moved):
        return "unknown"
    before, after = moved[max(0, place - ROWS_EACH_SIDE) : place], moved[place + 1 : place + 1 + ROWS_EACH_SIDE]
    near = np.concatenate([before, after])
    usual = float(np.median(near)) if len(near) >= 4 else 0.0
    if usual == 0 or float(np.median(np.abs(near - usual))) > 0.25 * abs(usual):
        return "unknown"
    ratio = float(moved[place]) / usual
    if abs(ratio - 1) <= NEAR * min(1.0, steps - 1):
        return "counter jumped"
    return "rows missing" if abs(ratio - steps) <= NEAR * steps else "unknown"


def _rounded_slope(value: Floats, width: float, at: int, steps: float) -> Verdict:
    """The same of a column whose digits show no single row's move, by the slopes that the rows of both sides admit.

    A column that moves by more than its last digit at once goes down by stairs, which nobody can extrapolate.
    """
    sides = (value[: at + 1], value[at + 1 :])
    if any(len(side) <= ROWS_EACH_SIDE or np.abs(np.diff(side)).max() > 2.5 * width for side in sides):
        return "unknown"
    moved = [float(side[-1] - side[0]) / (len(side) - 1) for side in sides]
    slack = [2 * width / (len(side) - 1) for side in sides]
    low, high = min(np.subtract(moved, slack)), max(np.add(moved, slack))
    if low <= 0 <= high:
        return "unknown"
    passed = float(value[at + 1] - value[at])
    of_one, of_all = (low * n - 2 * width <= passed <= high * n + 2 * width for n in (1.0, steps))
    if of_one == of_all:
        return "unknown"
    return "counter jumped" if of_one else "rows missing"


def _no_time_for(wall: Floats, at: int, steps: float) -> str:
    """Why so many rows cannot have been trained between two: no time for them, at the pace of the fastest near them.

    What moves on with the counter, as a learning rate does, says nothing against it: both are of the checkpoint.
    """
    passed, others = _paces(wall, at)
    if len(others) < ROWS_FOR_A_SLOPE or not others.min() > 0 or not 0 <= passed < (steps - 1) * others.min():
        return ""
    return f"the {passed:.0f} s between them are less than {steps:.0f} rows take at {others.min():.3g} s each"


def _paces(wall: Floats, at: int) -> tuple[float, Floats]:
    """Seconds of the gap behind row ``at``, and of the rows near it on both sides."""
    passed, place = np.diff(wall[max(0, at - ROWS_OF_A_PACE) : at + 2 + ROWS_OF_A_PACE]), min(at, ROWS_OF_A_PACE)
    return float(passed[place]), np.delete(passed, place)


def _wall_verdict(wall: Floats, at: int, steps: float) -> Verdict:
    """Whether the gap took as long as its steps would; paces are noisy, so it must also be longer than all near it."""
    passed, others = _paces(wall, at)
    if len(others) < ROWS_FOR_A_SLOPE:
        return "unknown"
    usual, longest = float(np.median(others)), float(others.max())
    if usual <= 0:
        return "unknown"
    if steps * float(others.min()) > longest:  # so many rows take longer than any one does
        return "counter jumped" if passed <= longest else "rows missing"
    if steps < 3:
        return "unknown"
    if passed > max(longest, 0.6 * steps * usual):
        return "rows missing"
    return "counter jumped" if passed < min(2.5, 0.4 * steps) * usual else "unknown"


def _by_laps(series: Series, changes: Ints, main: Series, at: int, cadence: int) -> Verdict:
    """Whether the laps of an integer epoch label fit the steps with or without the jump."""
    low, high = int(main.step[at]), int(main.step[at + 1])
    jump = high - low - cadence
    if len(series) and 0 <= series.step[0] <= cadence:
        changes = np.concatenate([[0], changes])  # the log starts with the run: its first row begins a lap
    begin = series.step[changes]
    label = series.value[changes]
    before, after = np.flatnonzero(begin <= low), np.flatnonzero(begin > high)
    if not len(before) or not len(after):
        return "unknown"
    laps = [np.diff(begin[part]) / np.diff(label[part]) for part in (before, after) if len(part) > 1]
    if not laps:
        return "unknown"
    length = float(np.median(np.concatenate(laps)))
    first, last = before[-1], after[0]
    expected = (label[last] - label[first]) * length
    steps = float(begin[last] - begin[first])
    slack = 2.0 * cadence if cadence > 1 else 0.5
    as_missing, as_jump = abs(steps - expected), abs(steps - jump - expected)
    if as_missing <= slack < as_jump:
        return "rows missing"
    return "counter jumped" if as_jump <= slack < as_missing else "unknown"
