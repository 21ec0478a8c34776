"""Sessions: the lives of the process that wrote a run, and the joins between them.

Every view is cut where the log shows that a new life begins: a new event file, a repeated header, a step that falls
back, a session marker, an elapsed time that starts again. One life shows in one view and not in another (event files
keep both branches of a replay, ``trainer_state.json`` only the last), so joins found in any view are projected onto
all of them before they are judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from analyzer.clocks.cadence import usual_cadence
from analyzer.clocks.rows import evidence_row, rows_of, training_series
from analyzer.clocks.session_cuts import habit_of_falls, marks_of
from analyzer.clocks.session_map import Cut, Join, LivesOfView, Session, SessionMap, StepChange
from analyzer.clocks.tellings import copies_of
from analyzer.clocks.witnesses import step_went_back, witnesses_at
from analyzer.clocks.writers import without_repeated_rows
from analyzer.distinct import distinct
from analyzer.model import NO_STEP, Ints, Run, Series, View
from analyzer.timeline import Timeline

OTHER_RUN = ("fresh", "unknown")  # what stands before and behind such a join is not read as one run
PRECEDENCE: tuple[StepChange, ...] = ("reset", "replayed", "skipped", "fresh", "unknown", "continued")
"""What one view shows and another may overlook, first."""


def account_of(view: View, run: Run) -> LivesOfView:
    """Cut one view into lives, and leave out second copies of rows and the lives of other runs."""
    account = _lives_of(view, run)
    return replace(account, copies=tuple(copies_of(account)), training=tuple(training_series(account.view)))


def _lives_of(view: View, run: Run) -> LivesOfView:
    whole, view = view, without_repeated_rows(_with_steps(view))
    training = training_series(view)
    habit = habit_of_falls(view, run, training)
    joins = _joins_of_view(view, run, training, in_epoch=habit == "laps")
    others = tuple(join for join in joins if join.step in OTHER_RUN)
    if not others:
        return LivesOfView(view=view, whole=whole, joins=joins, begins_again=habit)
    runs = SessionMap(sessions=_no_sessions(len(others) + 1),
                      starts=_starts(view, [(join.cut, number) for number, join in enumerate(others, 1)]))
    rows = np.diff(runs.bounds(training[0]))
    longest = len(rows) - 1 - int(np.argmax(rows[::-1]))  # the last of equals: what a user would call the run
    series = {tag: rows_of(one, runs.of(one) == longest) for tag, one in view.series.items()}
    kept = replace(view, series={tag: one for tag, one in series.items() if len(one)})
    joins = _joins_of_view(kept, run, training_series(kept))
    return LivesOfView(view=kept, whole=whole, joins=joins, other_runs=others)


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
    found = {account.view.name: account.joins for account in timeline.accounts}
    main = timeline.view
    joins = _merged(found, main)
    starts: list[tuple[int, int, int]] = []
    cuts: tuple[Cut, ...] = ()
    for account in timeline.accounts:
        view = account.view
        own = _projected(account.training, joins, found[view.name])
        starts += _starts(view, own)
        if view.name == main.name:
            cuts = tuple(cut for cut, _ in own)
    concurrent = tuple(
        (pair.kept, pair.other) for pairs in timeline.writers for pair in pairs if pair.kind == "processes"
    )
    session_map = SessionMap(sessions=_no_sessions(len(joins) + 1), joins=joins, cuts=cuts,
                             concurrent=concurrent, starts=tuple(sorted(starts)))
    return replace(session_map, sessions=_described(session_map, main, timeline.training[:1], run))


def _no_sessions(count: int) -> tuple[Session, ...]:
    return tuple(Session(index=index, start=(0, 0), first_step=0, last_step=0, sources=()) for index in range(count))


# --- what happened at a join ---------------------------------------------------------------------------------------


def _joins_of_view(view: View, run: Run, references: Sequence[Series], *, in_epoch: bool = False) -> tuple[Join, ...]:
    """The joins that one view shows, each classified from this view alone.

    ``in_epoch``: the step is a place in the epoch, and falls without anything being reset.
    """
    if not references or references[0].step[0] == NO_STEP:
        return ()
    marks = marks_of(view, run, references)
    if not marks:
        return ()
    starts = _starts(view, [(mark.cut, number) for number, mark in enumerate(marks, 1)])
    whole = SessionMap(sessions=_no_sessions(len(marks) + 1), starts=starts)
    joins = []
    main = references[0]
    parts = {series.tag: whole.bounds(series) for series in view.series.values() if len(series)}
    bounds = parts[main.tag]
    for number, mark in enumerate(marks):
        begin, cut, end = int(bounds[number]), int(bounds[number + 1]), int(bounds[number + 2])
        if not cut or cut == end:
            continue
        if begin == cut:  # nothing of this series in the life before: compare with the last that has some
            begin = int(bounds[: number + 1][bounds[: number + 1] < cut][-1])
        join = _classified(view, run, references, (begin, cut, end), parts, number)
        if in_epoch and join.first_step_after <= join.last_step_before:
            join = replace(join, step="continued")
        joins.append(replace(join, how_known=mark.how_known, marked=mark.marked, view=view.name, cut=mark.cut))
    return tuple(joins)


def _classified(
    view: View,
    run: Run,
    references: Sequence[Series],
    place: tuple[int, int, int],
    parts: Mapping[str, Ints],
    number: int,
) -> Join:
    main = references[0]
    begin, cut, end = place
    before, after = main.step[begin:cut], main.step[cut:end]
    last, first = int(before[-1]), int(after[0])
    # A process that logs more seldom than the one before has its first row a longer cadence later.
    cadence = max(usual_cadence(before), usual_cadence(after))
    overlap = int(np.count_nonzero(after <= last))
    jump = 0 if last < first < last + 2 * cadence else first - (last + cadence)
    witnesses = witnesses_at(view, references, parts, number)
    change: StepChange = "continued"
    if jump > 0:
        change = "skipped"
    elif first <= last:
        change = step_went_back(first, last, int(main.step[:cut].min()), cadence, witnesses)
    wall = float(main.wall_time[cut] - main.wall_time[cut - 1])
    rows = [evidence_row(run.sources, main, cut - 1, "last row before"),
            evidence_row(run.sources, main, cut, "first row after")]
    return Join(index=number, before=number, after=number + 1, last_step_before=last, first_step_after=first,
                overlap=overlap, step_jump=jump, step=change, wall_gap=wall, evidence=tuple(rows), cadence=cadence,
                tag=main.tag, witnesses=witnesses)


# --- all views together --------------------------------------------------------------------------------------------


def _merged(found: Mapping[str, Sequence[Join]], main: View) -> tuple[Join, ...]:
    """The joins of all views in order: one that several views show is told by the view that shows most of it."""
    merged = list(found[main.name])
    for name, joins in found.items():
        if name == main.name:
            continue
        at = 0
        for join in joins:
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
    return tuple(replace(join, index=n, before=n, after=n + 1) for n, join in enumerate(merged))


def _same_place(one: Join, other: Join) -> bool:
    slack = max(one.cadence, other.cadence)
    return abs(one.first_step_after - other.first_step_after) <= slack


def _projected(
    references: Sequence[Series], joins: Sequence[Join], own: Sequence[Join]
) -> list[tuple[Cut, int]]:
    """Where each session begins in a view: at its own cut, or where its main series reaches that step."""
    cuts: list[tuple[Cut, int]] = []
    used = 0
    for join in joins:
        match = next((n for n in range(used, len(own)) if _same_place(own[n], join)), None)
        if match is not None:
            cuts.append((own[match].cut, join.after))
            used = match + 1
            continue
        if not references or join.step in ("reset", *OTHER_RUN):
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
            cuts.append(((int(main.source[at]), int(main.row[at])), join.after))
    return cuts


def _starts(view: View, cuts: Sequence[tuple[Cut, int]]) -> tuple[tuple[int, int, int], ...]:
    """(source, row, session) for every source of a view and every cut."""
    inside: dict[int, list[tuple[int, int]]] = {}
    for (source, row), session in cuts:
        inside.setdefault(source, []).append((row, session))
    starts: list[tuple[int, int, int]] = []
    earlier = 0  # the last session that began in a file before
    for source in view.sources:
        starts.append((source, -1, earlier))
        starts += [(source, row, session) for row, session in inside.get(source, ())]
        earlier = max([earlier, *(session for _, session in inside.get(source, ()))])
    return tuple(sorted(starts))


def _described(
    session_map: SessionMap, main: View, references: Sequence[Series], run: Run
) -> tuple[Session, ...]:
    """Steps, sources and times of every session."""
    everything = [series for series in main.series.values() if len(series)]
    described: list[Session] = []
    slices = {one.tag: session_map.slices(one) for one in everything}
    for session in session_map.sessions:
        rows = {tag: places[session.index] for tag, places in slices.items()}
        steps = [series.step[rows[series.tag]] for series in references]
        if not any(len(step) for step in steps):
            steps = [series.step[rows[series.tag]] for series in everything]
        steps = [step[step != NO_STEP] for step in steps]
        steps = [step for step in steps if len(step)]
        walls = [series.wall_time[rows[series.tag]] for series in everything]
        first = min((float(np.fmin.reduce(wall, initial=np.inf)) for wall in walls), default=np.inf)
        last = max((float(np.fmax.reduce(wall, initial=-np.inf)) for wall in walls), default=-np.inf)
        sources = sorted(set().union(*(_distinct(series.source[rows[series.tag]]) for series in everything)))
        start = (main.sources[0] if main.sources else 0, 0)
        if 0 < session.index <= len(session_map.cuts):
            start = session_map.cuts[session.index - 1]
        described.append(replace(
            session, start=start,
            first_step=min((int(step[0]) for step in steps), default=0),
            last_step=max((int(step[-1]) for step in steps), default=0),
            sources=tuple(run.sources[n].path for n in sources),
            wall_first=first if np.isfinite(first) else float("nan"),
            wall_last=last if np.isfinite(last) else float("nan"),
        ))
    return tuple(described)


def _distinct(sources: NDArray[np.int32]) -> set[int]:
    """Which sources there are; nearly always one."""
    if not len(sources):
        return set()
    least, most = int(sources.min()), int(sources.max())
    return {least} if least == most else set(distinct(sources).tolist())
