"""What stands beside a counter in one file: traces of a new process, and values that went back, on or over with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from analyzer.clocks.elapsed import named_elapsed
from analyzer.clocks.falls import Beside, falls_of
from analyzer.clocks.rows import rows_of_source
from analyzer.clocks.session_map import Sign, Witness
from analyzer.clocks.witnesses import exact_witness, loss_witness
from analyzer.model import Floats, Ints, Run, Series, View
from analyzer.roles import role_of_tag

GAP_IN_SPACINGS = 100.0  # a pause a hundred times the usual spacing of rows is a process that was not running
GAP_SECONDS = 60.0  # and no shorter than a minute: the first rows of a fast toy run are microseconds apart
PAUSES_AT_MOST = 100  # in one file; pauses that come more often, or before each hundredth row, are the run's habit
FEWEST_PAUSED = 8  # rows that show what is usual
MOST_EPOCHS = 0.8  # share of the epochs at whose start a stopwatch of the epoch starts: a resumed one may be short
FALLS_COMPARED = 100  # in one file, each with all rows before it
Judge = Callable[[Ints, Floats, Ints, Floats], Witness]
TIMER: Sign = "elapsed time starts again"
EXACT_ROLES = ("learning_rate", "epoch", "samples", "tokens")
PLAYED = re.compile(r"reward|episode|(?:^|[/_])return(?:$|[/_])|(?:policy|value|(?:^|[/_])(?:pg|vf|v))_loss", re.I)


def beside(view: View, run: Run, series: Series, source: int, references: Sequence[Series]) -> Beside:
    """What the log shows at the rows of a series in one file; ``references`` say whether the loss starts over."""
    mine = rows_of_source(series, source)
    count, row = series.step[mine], series.row[mine]
    if (np.diff(count) > 0).all():  # nothing to explain; a log may have a hundred thousand tags
        none = np.zeros(len(count), dtype=np.bool_)
        return Beside(traces=none, timer=none, state=none, on=none, over=none)
    label = _labels_at(view, row, source)
    at = falls_of(count, label)
    traces, timer, state, on, over = (np.zeros(len(count), dtype=np.bool_) for _ in range(5))
    if len(at):
        starts = starts_in(view, run, source)
        for said, timed in ((traces, False), (timer, True)):
            rows = np.array(sorted(row for row, why in starts.items() if (why == TIMER) == timed), dtype=np.int64)
            said[at] = np.searchsorted(rows, row[at], side="right") > np.searchsorted(rows, row[at - 1], side="right")
        exact = [one for tag, one in view.series.items() if role_of_tag(tag) in EXACT_ROLES and one is not series]
        for other in (*exact, *references):
            judge, answers = loss_witness, {"starts over": over}
            if role_of_tag(other.tag) in EXACT_ROLES:
                judge, answers = exact_witness, {"goes back": state, "starts over": state, "goes on": on}
            _compare(other, source, count, row, at[:FALLS_COMPARED], judge, answers)
    return Beside(traces=traces, timer=timer, state=state, on=on, over=over, label=label,
                  time=series.wall_time[mine] if np.isfinite(series.wall_time[mine]).all() else None,
                  plays=any(PLAYED.search(tag) for tag in view.series))


def starts_in(view: View, run: Run, source: int) -> dict[int, Sign]:
    """Rows of a file before which the log shows that a process started, and how it shows it."""
    words: Mapping[str, Sign] = {
        "header-repeated": "header repeated",
        "resume-told": "a line tells of a resume",
        "session-start": "session marker",
    }
    found: dict[int, Sign] = {}
    if run.sources[source].format != "tfevents" and view.series:  # each writer of those opens a file of its own
        longest = max(view.series.values(), key=lambda one: len(one.step[rows_of_source(one, source)]))
        found |= dict.fromkeys(_long_pauses(longest, source), "long pause")
    for series in view.series.values():
        if named_elapsed(series):
            restarts = _elapsed_restarts(series, source)
            if not _at_every_epoch(view, series, source, restarts):
                found |= dict.fromkeys(restarts, TIMER)
    return found | {m.row: words[m.kind] for m in run.markers if m.source == source and m.kind in words}


def _labels_at(view: View, row: Ints, source: int) -> Floats | None:
    """The whole epoch label in force at rows of a file; None without labels."""
    for tag, series in view.series.items():
        if role_of_tag(tag) != "epoch":
            continue
        mine = rows_of_source(series, source)
        value = series.value[mine]
        if len(value) < 2 or not np.isfinite(value).all():
            continue
        at = np.searchsorted(series.row[mine], row, side="right") - 1
        if np.array_equal(value[np.maximum(at, 0)], row):
            continue
        return np.floor(value[np.maximum(at, 0)])
    return None


def _compare(
    other: Series, source: int, count: Ints, row: Ints, at: Ints, judge: Judge, said: Mapping[str, NDArray[np.bool_]]
) -> None:
    """Mark the falls at which a column says what became of it: state that is restored, or a loss that starts over."""
    mine = rows_of_source(other, source)
    step, value = other.step[mine], other.value[mine]
    if not len(step) or np.array_equal(value, step):
        return  # the axis itself, no second clock
    places = np.searchsorted(other.row[mine], row[at])
    for fall, place in zip(at.tolist(), places.tolist(), strict=True):
        if place < 2 or place == len(step) or step[place] != count[fall]:
            continue
        answer = judge(step[:place], value[:place], step[place:], value[place:])
        if answer in said:
            said[answer][fall] = True


def _elapsed_restarts(series: Series, source: int) -> list[int]:
    """Rows at which a column of elapsed seconds starts again near its beginning."""
    mine = rows_of_source(series, source)
    known = np.isfinite(series.value[mine])
    value, row = series.value[mine][known], series.row[mine][known]
    if len(value) < 3:
        return []
    falls = np.flatnonzero(np.diff(value) < 0) + 1
    spacing = float(np.median(np.abs(np.diff(value))))
    begin = max(float(value[0]), 0.0) * 2 + 20 * spacing
    falls = falls[(value[falls] >= 0) & (value[falls] <= begin) & (value[falls] < 0.5 * value[falls - 1])]
    return [int(at) for at in row[falls]] if len(falls) <= PAUSES_AT_MOST else []


def _at_every_epoch(view: View, series: Series, source: int, restarts: Sequence[int]) -> bool:
    """Whether a column of seconds starts again where the epoch's label changes, as a rule: a stopwatch of the epoch."""
    row = series.row[rows_of_source(series, source)]
    label = _labels_at(view, row, source)
    changes = row[1:][np.diff(label) != 0] if label is not None else row[:0]
    return bool(len(changes)) and bool(np.isin(changes, restarts).mean() >= MOST_EPOCHS)


def _long_pauses(series: Series, source: int) -> list[int]:
    """Rows before which nothing was written for a hundred spacings, where that is not the habit of the run."""
    mine = rows_of_source(series, source)
    wall = series.wall_time[mine]
    if len(wall) < FEWEST_PAUSED or not np.isfinite(wall).all():
        return []
    gaps = np.diff(wall)
    usual = float(np.median(gaps))
    if usual <= 0:  # stamps of whole seconds: several rows have the same
        usual = float(np.mean(np.sort(gaps)[: len(gaps) - max(1, len(gaps) // 100)]))
    if usual <= 0:
        return []
    long = np.flatnonzero(gaps > max(GAP_IN_SPACINGS * usual, GAP_SECONDS)) + 1
    if len(long) > min(PAUSES_AT_MOST, max(3, len(wall) // 100)):
        return []
    return [int(at) for at in series.row[mine][long]]
