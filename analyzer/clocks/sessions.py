"""Sessions: the lives of the process that wrote a run, and the joins between them.

Every view is cut where the log shows that a new life begins: a new event file, a repeated header, a step that falls
back, a session marker, an elapsed time that starts again. One life shows in one view and not in another (event files
keep both branches of a replay, ``trainer_state.json`` only the last), so joins found in any view are projected onto
all of them before they are judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from analyzer.clocks.writers import rows_of, rows_of_source, training_series, without_repeated_rows
from analyzer.model import NO_STEP, Floats, Ints, Row, Run, Series, View
from analyzer.roles import role_of_tag

if TYPE_CHECKING:
    from analyzer.timeline import Timeline

Cut = tuple[int, int]  # (source, row): this row and all after it, in source order, belong to the next session
StepChange = Literal["continued", "replayed", "reset", "skipped", "fresh"]
Witness = Literal["goes on", "goes back", "starts over", "unknown"]

GAP_IN_SPACINGS = 100.0  # a pause a hundred times the usual spacing of rows is a process that was not running
GAP_SECONDS = 60.0  # and no shorter than a minute: the first rows of a fast toy run are microseconds apart
LAPS_OF_A_BATCH_COUNTER = 2  # so many equal laps in a row: the counter restarts with each epoch, the process does not
LIVES_AT_MOST = 100  # in one file; a step that falls more often counts something else
ROWS_REMEMBERED = 200_000  # of the lives before a join, for comparing equal steps
GOES_ON = 0.35  # position of the second life's first loss: 0 is the end of the first life, 1 its start
STARTS_OVER = 0.65
LOSS_ROWS = 5  # rows whose median is a level at the edge of a session
PAIRS_NEEDED = 8  # rows of equal step that both lives told
PAIR_ERRORS = 6.0  # standard errors of their mean difference; neighbouring losses are not independent
PRECEDENCE: tuple[StepChange, ...] = ("reset", "replayed", "skipped", "fresh", "continued")  # what a view may overlook


@dataclass(frozen=True, kw_only=True)
class Session:
    """One life of the process."""

    index: int
    start: Cut
    first_step: int
    last_step: int
    sources: tuple[str, ...]
    wall_first: float = float("nan")
    wall_last: float = float("nan")


@dataclass(frozen=True, kw_only=True)
class Join:
    """Where one session ends and the next begins. Steps are on the log's own axis.

    ``overlap`` counts the rows of the second session at steps that the first had reached; ``step_jump`` is the first
    step after minus the step that an unbroken log would have had there (0: seamless; negative: replayed or reset;
    positive: jumped).
    """

    index: int
    before: int  # index of the session that ended
    after: int
    last_step_before: int
    first_step_after: int
    overlap: int = 0
    step_jump: int = 0
    step: StepChange = "continued"
    wall_gap: float = float("nan")  # seconds
    how_known: str = ""  # "new event file", "header repeated in row 812", "step falls back", ...
    evidence: tuple[Row, ...] = ()
    cut: Cut = (0, 0)  # first row of the second session, in the view that shows the join best
    cadence: int = 1  # usual difference of two steps of the series that the join was read from
    view: str = ""  # the view that shows it best
    tag: str | None = None  # the series that it was read from
    marked: bool = False  # a session marker declares from which step on rows are written anew
    witnesses: Mapping[str, Witness] = field(default_factory=dict)  # what loss, learning rate and epoch did there


@dataclass(frozen=True, kw_only=True, eq=False)
class SessionMap:
    """Sessions in the order of their starts, the joins between them, and where each view was cut."""

    sessions: tuple[Session, ...]
    joins: tuple[Join, ...] = ()
    cuts: tuple[Cut, ...] = ()  # of the view that the clocks are read from; one fewer than sessions, ascending
    concurrent: tuple[tuple[int, ...], ...] = ()  # groups of source indices that two processes wrote at once
    starts: tuple[tuple[int, int, int], ...] = ()  # (source, row, session) for every source of every view, ascending

    def of(self, series: Series) -> NDArray[np.int64]:
        """Session index of every point of a series of any view of the run, shape (n,)."""
        if len(self.sessions) < 2 or not self.starts:
            return np.zeros(len(series), dtype=np.int64)
        keys = np.array([_key(source, row) for source, row, _ in self.starts], dtype=np.int64)
        session = np.array([session for _, _, session in self.starts], dtype=np.int64)
        at = np.searchsorted(keys, (series.source.astype(np.int64) << 40) + series.row, side="right") - 1
        return session[np.maximum(at, 0)]


def _key(source: int, row: int) -> int:
    return (source << 40) + row


@dataclass(frozen=True, kw_only=True)
class _Mark:
    """A place in one view where a new life begins."""

    cut: Cut
    how_known: str
    marked: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Account:
    """One view, its joins, and where another run begins in the same place: every clock and the loss start over."""

    view: View  # of one run's rows, each once: the longest run that the view holds
    whole: View  # of all rows
    joins: tuple[tuple[Join, Cut], ...]
    other_runs: tuple[Join, ...] = ()  # indices of these joins count the sessions of the whole view


def account_of(view: View, run: Run) -> Account:
    """Cut one view into lives, and leave out second copies of rows and the lives of other runs."""
    whole, view = view, without_repeated_rows(_with_steps(view))
    joins = _joins_of_view(view, run)
    others = tuple(join for join, _ in joins if join.step == "fresh")
    if not others:
        return Account(view=view, whole=whole, joins=tuple(joins))
    begins = [cut for join, cut in joins if join.step == "fresh"]
    runs = SessionMap(sessions=_no_sessions(len(begins) + 1),
                      starts=_starts(view, [(cut, number + 1) for number, cut in enumerate(begins)]))
    rows = np.diff(_bounds(runs, training_series(view)[0]))
    longest = len(rows) - 1 - int(np.argmax(rows[::-1]))  # the last of equals: what a user would call the run
    series = {tag: rows_of(one, runs.of(one) == longest) for tag, one in view.series.items()}
    kept = replace(view, series={tag: one for tag, one in series.items() if len(one)})
    return Account(view=kept, whole=whole, joins=tuple(_joins_of_view(kept, run)), other_runs=others)


def _with_steps(view: View) -> View:
    """The view without single rows that were logged without a step (a prediction after training)."""
    without = {tag: one.step == NO_STEP for tag, one in view.series.items()}
    if not any(rows.any() and not rows.all() for rows in without.values()):
        return view
    series = {tag: one if without[tag].all() else rows_of(one, ~without[tag]) for tag, one in view.series.items()}
    return replace(view, series=series)


def find_sessions(timeline: Timeline) -> SessionMap:
    """Cut every view into lives, put the joins of all views together and classify each."""
    run = timeline.run
    found = {account.view.name: list(account.joins) for account in timeline.accounts}
    main = timeline.view
    joins = _merged(found, main)
    starts: list[tuple[int, int, int]] = []
    cuts: tuple[Cut, ...] = ()
    for view in timeline.views:
        own = _projected(view, joins, found[view.name])
        starts += _starts(view, own)
        if view.name == main.name:
            cuts = tuple(cut for cut, _ in own)
    concurrent = tuple(
        (pair.kept, pair.other) for pairs in timeline.writers for pair in pairs if pair.kind == "processes"
    )
    session_map = SessionMap(sessions=_no_sessions(len(joins) + 1), joins=tuple(join for join, _ in joins), cuts=cuts,
                             concurrent=concurrent, starts=tuple(sorted(starts)))
    return replace(session_map, sessions=_described(session_map, main, run))


def _no_sessions(count: int) -> tuple[Session, ...]:
    return tuple(Session(index=index, start=(0, 0), first_step=0, last_step=0, sources=()) for index in range(count))


# --- where a view is cut -------------------------------------------------------------------------------------------


def _marks(view: View, run: Run) -> list[_Mark]:
    """All places of a view where a new life begins, in written order."""
    marks = _new_files(view, run)
    starts = {mark.cut[0] for mark in marks}
    references = training_series(view)
    for source in view.sources:
        inside = _inside_a_file(view, run, source, references)
        if source in starts:
            first = _first_row(view, source)
            marked = [mark for mark in inside if mark.marked and mark.cut[1] <= first]
            if marked:
                marks = [replace(mark, marked=True) if mark.cut[0] == source else mark for mark in marks]
            inside = [mark for mark in inside if mark.cut[1] > first]
        marks += inside
    order = {source: index for index, source in enumerate(view.sources)}
    marks.sort(key=lambda mark: (order[mark.cut[0]], mark.cut[1]))
    return _near_ones_joined(marks, references)


def _near_ones_joined(marks: list[_Mark], references: Sequence[Series]) -> list[_Mark]:
    """Marks without a training row between them are one place."""
    kept: list[_Mark] = []
    for mark in marks:
        if kept and kept[-1].cut[0] == mark.cut[0] and references:
            between = (kept[-1].cut[1], mark.cut[1])
            parts = (series.row[rows_of_source(series, mark.cut[0])] for series in references)
            if not any(int(np.subtract(*np.searchsorted(rows, between[::-1]))) for rows in parts):
                kept[-1] = replace(kept[-1], marked=kept[-1].marked or mark.marked)
                continue
        kept.append(mark)
    return kept


def _new_files(view: View, run: Run) -> list[_Mark]:
    """Files whose writer started when the one before had ended; siblings that wrote side by side are one life."""
    marks: list[_Mark] = []
    seen: set[str] = set()
    life_ends = -np.inf
    for source in view.sources:
        rows = {tag: rows_of_source(series, source) for tag, series in view.series.items()}
        tags = {tag for tag, mine in rows.items() if mine.stop > mine.start}
        if not tags:
            continue  # a header only: a life that trained nothing
        times = np.concatenate([view.series[tag].wall_time[rows[tag]] for tag in tags])
        times = times[np.isfinite(times)]
        begins = float(times.min()) if len(times) else np.nan
        shared = {tag for tag in tags & seen if tag != "hp_metric"}
        side_by_side = begins < life_ends and not _continues(view, source, shared)
        if seen and shared and not side_by_side:
            first = _first_row(view, source)
            kind = "new event file" if run.sources[source].format == "tfevents" else "new file"
            marks.append(_Mark(cut=(source, first), how_known=kind))
            life_ends = float(times.max()) if len(times) else -np.inf
        elif len(times):
            life_ends = max(life_ends, float(times.max()))
        seen |= tags
    return marks


def _first_row(view: View, source: int) -> int:
    parts = (series.row[rows_of_source(series, source)] for series in view.series.values())
    return min((int(rows[0]) for rows in parts if len(rows)), default=0)


def _continues(view: View, source: int, shared: set[str]) -> bool:
    """Whether a file's steps begin behind all that came before, in every shared tag (clocks of hosts differ)."""
    if not shared:
        return False
    for tag in shared:
        series = view.series[tag]
        here = rows_of_source(series, source)
        if here.start and series.step[here].min() <= series.step[: here.start].max():
            return False
    return True


def _inside_a_file(view: View, run: Run, source: int, references: Sequence[Series]) -> list[_Mark]:
    words = {"header-repeated": "header repeated", "session-start": "session marker"}
    marks = [
        _Mark(cut=(source, marker.row), how_known=words[marker.kind], marked=marker.kind == "session-start")
        for marker in run.markers
        if marker.source == source and marker.kind != "file-start"
    ]
    marks += [_Mark(cut=(source, row), how_known="step falls back") for row in falls_of_the_step(references, source)]
    for tag, series in view.series.items():
        if role_of_tag(tag) == "elapsed":
            restarts = _elapsed_restarts(series, source)
            marks += [_Mark(cut=(source, row), how_known="elapsed time starts again") for row in restarts]
        elif role_of_tag(tag) == "epoch":
            backwards = _epoch_falls_at_a_step_told_twice(series, source)
            if backwards and run.sources[source].format != "tfevents":  # a validation may number from another base
                training = [one.row[rows_of_source(one, source)] for one in references]
                backwards = [row for row in backwards if any(bool(np.any(rows == row)) for rows in training)]
            marks += [_Mark(cut=(source, row), how_known="epoch falls back") for row in backwards]
    if run.sources[source].format != "tfevents" and references:
        marks += [_Mark(cut=(source, row), how_known="long pause") for row in _long_pauses(references[0], source)]
    return marks


def falls_of_the_step(references: Sequence[Series], source: int) -> list[int]:
    """Rows of one file at which the step falls back in most of the series that count training steps.

    A falling series says that the new life begins behind its last row before the fall and no later than the row that
    fell; the rows of a place that several series agree on are the intersection. A counter that restarts with every
    epoch is no life.
    """
    intervals: list[tuple[int, int]] = []
    voters = 0
    for series in references:
        mine = rows_of_source(series, source)
        step, row = series.step[mine], series.row[mine]
        if len(step) < 2 or step[0] == NO_STEP:
            continue
        voters += 1
        falls = np.flatnonzero(np.diff(step) < 0) + 1
        if len(falls) > LIVES_AT_MOST:
            continue  # this axis counts something else
        falls = falls[_not_laps(step, falls)]
        intervals += [(int(row[at - 1]), int(row[at])) for at in falls]
    places: list[list[tuple[int, int]]] = []
    for interval in sorted(intervals, key=lambda one: one[1]):
        if places and interval[0] < places[-1][0][1]:
            places[-1].append(interval)
        else:
            places.append([interval])
    return [place[0][1] for place in places if 2 * len(place) >= voters]


def _not_laps(step: Ints, falls: Ints) -> NDArray[np.bool_]:
    """Which falls are no laps of a counter that restarts with each epoch."""
    if len(falls) <= LAPS_OF_A_BATCH_COUNTER:
        return np.ones(len(falls), dtype=np.bool_)
    begins = np.concatenate([[0], falls])
    first, last = step[begins], step[np.concatenate([falls - 1, [len(step) - 1]])]
    laps = np.count_nonzero((first[1:-1] == np.median(first[1:])) & (last[1:-1] == np.median(last[1:-1])))
    if laps >= LAPS_OF_A_BATCH_COUNTER and laps >= 0.8 * (len(first) - 2):
        return np.zeros(len(falls), dtype=np.bool_)
    return np.ones(len(falls), dtype=np.bool_)


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
    return [int(at) for at in row[falls]] if len(falls) <= LIVES_AT_MOST else []


def _epoch_falls_at_a_step_told_twice(series: Series, source: int) -> list[int]:
    """Rows that repeat the step of the row before under an earlier epoch: two processes disagree about it."""
    mine = rows_of_source(series, source)
    step, value, row = series.step[mine], series.value[mine], series.row[mine]
    if len(step) < 3 or step[0] == NO_STEP:
        return []
    falls = np.flatnonzero((value[1:] < value[:-1]) & (step[1:] == step[:-1])) + 1
    return [int(at) for at in row[falls]] if len(falls) <= min(LIVES_AT_MOST, max(1, len(step) // 100)) else []


def _long_pauses(series: Series, source: int) -> list[int]:
    """Rows before which nothing was written for a hundred spacings, where that is not the habit of the run."""
    mine = rows_of_source(series, source)
    wall = series.wall_time[mine]
    if len(wall) < 20 or not np.isfinite(wall).all():
        return []
    gaps = np.diff(wall)
    usual = float(np.median(gaps))
    if usual <= 0:
        return []
    long = np.flatnonzero(gaps > max(GAP_IN_SPACINGS * usual, GAP_SECONDS)) + 1
    if len(long) > min(LIVES_AT_MOST, max(3, len(wall) // 100)):
        return []
    return [int(at) for at in series.row[mine][long]]


# --- what happened at a join ---------------------------------------------------------------------------------------


def _joins_of_view(view: View, run: Run) -> list[tuple[Join, Cut]]:
    """The joins that one view shows, each classified from this view alone."""
    references = training_series(view)
    if not references or references[0].step[0] == NO_STEP:
        return []
    marks = _marks(view, run)
    if not marks:
        return []
    starts = _starts(view, [(mark.cut, n + 1) for n, mark in enumerate(marks)])
    whole = SessionMap(sessions=_no_sessions(len(marks) + 1), starts=starts)
    joins: list[tuple[Join, Cut]] = []
    main = references[0]
    parts = {series.tag: _bounds(whole, series) for series in view.series.values() if len(series)}
    bounds = parts[main.tag]
    for number, mark in enumerate(marks):
        begin, cut, end = int(bounds[number]), int(bounds[number + 1]), int(bounds[number + 2])
        if not cut or cut == end:
            continue
        if begin == cut:  # nothing of this series in the life before: compare with the last that has some
            begin = int(bounds[: number + 1][bounds[: number + 1] < cut][-1])
        join = _classified(view, run, main, (begin, cut, end), parts, number)
        join = replace(join, how_known=mark.how_known, marked=mark.marked, view=view.name, cut=mark.cut)
        joins.append((join, mark.cut))
    return joins


def _bounds(whole: SessionMap, series: Series) -> Ints:
    """Where each session begins in a series, and the end: points of session n are bounds[n] up to bounds[n + 1]."""
    return np.searchsorted(whole.of(series), np.arange(len(whole.sessions) + 1))


def _classified(
    view: View, run: Run, main: Series, place: tuple[int, int, int], parts: Mapping[str, Ints], number: int
) -> Join:
    begin, cut, end = place
    before, after = main.step[begin:cut], main.step[cut:end]
    last, first = int(before[-1]), int(after[0])
    # A process that logs more seldom than the one before has its first row a longer cadence later.
    cadence = max(usual_cadence(before), usual_cadence(after))
    overlap = int(np.count_nonzero(after <= last))
    jump = 0 if last < first < last + 2 * cadence else first - (last + cadence)
    witnesses = _witnesses(view, parts, number)
    change: StepChange = "continued"
    if jump > 0:
        change = "skipped"
    elif first <= last:
        change = _back(first, last, int(main.step[:cut].min()), cadence, witnesses)
    wall = float(main.wall_time[cut] - main.wall_time[cut - 1])
    rows = [_row(run, main, cut - 1, "last row before"), _row(run, main, cut, "first row after")]
    return Join(index=number, before=number, after=number + 1, last_step_before=last, first_step_after=first,
                overlap=overlap, step_jump=jump, step=change, wall_gap=wall, evidence=tuple(rows), cadence=cadence,
                tag=main.tag, witnesses=witnesses)


def _back(first: int, last: int, start: int, cadence: int, witnesses: Mapping[str, Witness]) -> StepChange:
    """Replay, reset or another run, for a step that goes back.

    A counter is reset when a state goes on: learning rate, epoch or (at the very start, where it differs most) loss.
    """
    exact = {said for role, said in witnesses.items() if role != "loss"}
    at_start = first < start + max(cadence, 1)
    if not at_start:
        if "goes on" in exact:
            return "replayed" if "goes back" in exact else "reset"
        return "reset" if witnesses.get("loss") == "goes on" else "replayed"
    if "goes on" in exact or witnesses.get("loss") == "goes on":
        return "reset"
    return "fresh"


def usual_cadence(step: Ints) -> int:
    """The most frequent rise of the step."""
    rises = np.diff(step)
    rises = rises[rises > 0]
    if not len(rises):
        return 1
    values, counts = np.unique(rises, return_counts=True)
    return int(values[np.argmax(counts)])


def _witnesses(view: View, parts: Mapping[str, Ints], number: int) -> dict[str, Witness]:
    """What loss, learning rate and epoch did at the end of session ``number``."""
    found: dict[str, Witness] = {}
    epochs = [series for tag, series in view.series.items() if role_of_tag(tag) == "epoch" and len(series)]
    for series in [*training_series(view), *epochs]:
        role = (role_of_tag(series.tag) or "").replace("epoch_loss", "loss")
        if role not in ("loss", "learning_rate", "epoch") or role in found:
            continue
        cut, end = int(parts[series.tag][number + 1]), int(parts[series.tag][number + 2])
        if cut < 2 or cut == end or series.step[0] == NO_STEP:
            continue
        if role == "epoch" and np.array_equal(series.value, series.step):
            continue  # the axis itself, no second clock
        begin = max(0, cut - ROWS_REMEMBERED)
        judge = _loss_witness if role == "loss" else _exact_witness
        before, after = slice(begin, cut), slice(cut, end)
        found[role] = judge(series.step[before], series.value[before], series.step[after], series.value[after])
    return found


def _loss_witness(step: Ints, before: Floats, step_after: Ints, after: Floats) -> Witness:
    """Where the second life's first loss lies between the first life's start and end.

    When the step goes back into the middle of the first life, the losses of equal steps are compared in pairs instead:
    a replay tells them again, a state that goes on lies below them by as much as the loss fell in between.
    """
    finite, finite_after = np.isfinite(before), np.isfinite(after)
    step, before, step_after, after = step[finite], before[finite], step_after[finite_after], after[finite_after]
    if len(before) < 2 or not len(after):
        return "unknown"
    if step[0] + usual_cadence(step) <= step_after[0] <= step[-1]:
        return _loss_in_the_middle(step, before, step_after, after)
    rows = max(1, min(LOSS_ROWS, len(before) // 4, len(after) // 4))
    last_rows = max(rows, min(LOSS_ROWS, len(before) // 2))
    begin, end = float(np.median(before[:rows])), float(np.median(before[-last_rows:]))
    noise = 1.4826 * float(np.median(np.abs(np.diff(before[len(before) // 2 :])))) if len(before) > 5 else 0.0
    if abs(begin - end) <= max(3 * noise / np.sqrt(rows), 1e-12 * abs(begin)):
        return "unknown"
    position = (float(np.median(after[:rows])) - end) / (begin - end)
    if position <= GOES_ON:
        return "goes on"
    return "starts over" if position >= STARTS_OVER else "unknown"


def _loss_in_the_middle(step: Ints, before: Floats, step_after: Ints, after: Floats) -> Witness:
    # A step told by several lives counts as the last of them told it; steps of another phase lie between two rows.
    told_at, index = np.unique(step[::-1], return_index=True)
    inside = step_after <= told_at[-1]
    again = after[inside]
    if len(again) < PAIRS_NEEDED:
        return "unknown"
    told = np.interp(step_after[inside], told_at, before[::-1][index])
    difference = again - told
    error = float(np.std(difference)) / np.sqrt(len(difference)) + 1e-12 * float(np.abs(told).max())
    rows = min(LOSS_ROWS, len(told) // 2)
    fell = float(np.median(told[:rows]) - np.median(told[-rows:]))
    moved = float(np.median(told[:rows]) - np.median(again[:rows]))
    if float(np.mean(difference)) < -PAIR_ERRORS * error and fell > 0 and moved > 0.5 * fell:
        return "goes on"
    return "goes back" if abs(float(np.mean(difference))) < error * 3 and fell > PAIR_ERRORS * error else "unknown"


def _exact_witness(step: Ints, before: Floats, step_after: Ints, after: Floats) -> Witness:
    """Whether a noise-free value goes on from the end of the first life, or is what the first life had at this step."""
    known = np.isfinite(before)
    step, before = step[known], before[known]
    if len(before) < 2 or not np.isfinite(after[0]):
        return "unknown"
    end, value = float(before[-1]), float(after[0])
    at = np.flatnonzero(step <= step_after[0])
    there = float(before[at[-1]]) if len(at) else float(before[0])
    usual = float(np.median(np.abs(np.diff(before[-20:])))) if len(before) > 2 else 0.0
    if abs(there - end) <= 4 * usual or there == end:
        return "unknown"  # both would be the same
    if abs(value - end) <= 2 * usual + 1e-9 * abs(end):
        return "goes on"
    if abs(value - there) <= 2 * usual + 1e-9 * abs(there):
        return "starts over" if not len(at) or at[-1] <= 1 else "goes back"
    return "unknown"


def _row(run: Run, series: Series, index: int, why: str) -> Row:
    step, value = int(series.step[index]), float(series.value[index])
    return Row(source=run.sources[int(series.source[index])].path, row=int(series.row[index]), tag=series.tag,
               step=None if step == NO_STEP else step, value=value, why=why)


# --- all views together --------------------------------------------------------------------------------------------


def _merged(found: Mapping[str, list[tuple[Join, Cut]]], main: View) -> list[tuple[Join, int]]:
    """The joins of all views in order: one that several views show is told by the view that shows most of it."""
    merged: list[Join] = [join for join, _ in found[main.name]]
    for name, joins in found.items():
        if name == main.name:
            continue
        at = 0
        for join, _ in joins:
            same = next((n for n in range(at, len(merged)) if _same_place(merged[n], join)), None)
            if same is not None:
                if PRECEDENCE.index(join.step) < PRECEDENCE.index(merged[same].step):
                    merged[same] = join
                at = same + 1
                continue
            later = (n for n in range(at, len(merged)) if merged[n].first_step_after > join.first_step_after)
            place = next(later, len(merged))
            merged.insert(place, join)
            at = place + 1
    return [(replace(join, index=n, before=n, after=n + 1), n + 1) for n, join in enumerate(merged)]


def _same_place(one: Join, other: Join) -> bool:
    slack = max(one.cadence, other.cadence)
    return abs(one.first_step_after - other.first_step_after) <= slack


def _projected(view: View, joins: Sequence[tuple[Join, int]], own: Sequence[tuple[Join, Cut]]) -> list[tuple[Cut, int]]:
    """Where each session begins in a view: at its own cut, or where its main series reaches that step."""
    references = training_series(view)
    cuts: list[tuple[Cut, int]] = []
    used = 0
    for join, session in joins:
        match = next((n for n in range(used, len(own)) if _same_place(own[n][0], join)), None)
        if match is not None:
            cuts.append((own[match][1], session))
            used = match + 1
            continue
        if not references or join.step in ("reset", "fresh"):
            continue  # this view shows one side of the join only
        main = references[0]
        reached = main.step >= join.first_step_after
        if join.step == "replayed":
            # One replayed step shows as a step told twice: the second telling is the new life's.
            twice = np.concatenate([[False], np.diff(main.step) == 0]) & (main.step == join.first_step_after)
            reached = twice if twice.any() else reached
        if cuts:
            (source, row), _ = cuts[-1]
            reached &= (main.source > source) | ((main.source == source) & (main.row > row))
        if reached.any():
            at = int(np.argmax(reached))
            cuts.append(((int(main.source[at]), int(main.row[at])), session))
    return cuts


def _starts(view: View, cuts: Sequence[tuple[Cut, int]]) -> tuple[tuple[int, int, int], ...]:
    """(source, row, session) for every source of a view and every cut."""
    order = {source: index for index, source in enumerate(view.sources)}
    starts: list[tuple[int, int, int]] = []
    for source in view.sources:
        earlier = [session for cut, session in cuts if order[cut[0]] < order[source]]
        starts.append((source, -1, max(earlier, default=0)))
        starts += [(source, cut[1], session) for cut, session in cuts if cut[0] == source]
    return tuple(sorted(starts))


def _described(session_map: SessionMap, main: View, run: Run) -> tuple[Session, ...]:
    """Steps, sources and times of every session."""
    references = training_series(main)[:1]
    everything = [series for series in main.series.values() if len(series)]
    described: list[Session] = []
    indices = {series.tag: session_map.of(series) for series in everything}
    for session in session_map.sessions:
        steps = [series.step[indices[series.tag] == session.index] for series in references]
        if not any(len(step) for step in steps):
            steps = [series.step[indices[series.tag] == session.index] for series in everything]
        steps = [step[step != NO_STEP] for step in steps]
        steps = [step for step in steps if len(step)]
        walls = [series.wall_time[indices[series.tag] == session.index] for series in everything]
        times = np.concatenate([wall[np.isfinite(wall)] for wall in walls]) if walls else np.zeros(0)
        inside = [np.unique(series.source[indices[series.tag] == session.index]) for series in everything]
        sources = sorted({int(n) for found in inside for n in found})
        start = (main.sources[0] if main.sources else 0, 0)
        if 0 < session.index <= len(session_map.cuts):
            start = session_map.cuts[session.index - 1]
        described.append(replace(
            session, start=start,
            first_step=min((int(step[0]) for step in steps), default=0),
            last_step=max((int(step[-1]) for step in steps), default=0),
            sources=tuple(run.sources[n].path for n in sources),
            wall_first=float(times.min()) if len(times) else float("nan"),
            wall_last=float(times.max()) if len(times) else float("nan"),
        ))
    return tuple(described)
