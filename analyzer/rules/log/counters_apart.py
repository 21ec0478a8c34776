"""Counters that do not count the run: a step that starts again, counts calls or stands still; a second one apart."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.cadence import usual_cadence
from analyzer.clocks.counters import Paired, Relation, paired, relate
from analyzer.clocks.falls import explain_falls
from analyzer.clocks.rows import rows_of
from analyzer.clocks.traces import beside
from analyzer.clocks.wall_time import at_rows_of
from analyzer.clocks.written_order import sources_of
from analyzer.distinct import distinct
from analyzer.model import NO_STEP, Finding, Ints, Series, View
from analyzer.roles import role_of_tag
from analyzer.rules.epoch.wording import amount
from analyzer.timeline import Timeline

PLAIN = ("step", "global_step", "iteration", "iter")  # the names of the run's own counter
ROWS_THAT_STAND_STILL = 10  # of one tag, with values that differ
JUMPS_LOOKED_AT = 20  # of a step; one that jumps oftener has no one place behind which it counts otherwise
EVENLY = 0.8  # of the rises on either side that are equal
SAWTEETH = 3  # falls of the step to one start in one session
BATCHES_OF_THE_EPOCH = ("mmcv", "mmengine")  # write the batch of the epoch as their step


def counters_apart(timeline: Timeline, main: Series) -> Iterator[Finding]:
    """Findings of severity warning or note, one for each pair of counters at most; ``main`` has the axis' steps."""
    yield from _starts_again(timeline, main)
    yield from _stands_still(timeline, main)
    yield from _goes_on_in_another_unit(timeline, main)
    yield from _two_units_in_one_tag(timeline)
    yield from _second_counter(timeline)
    yield from _second_log(timeline)


def _starts_again(timeline: Timeline, main: Series) -> Iterator[Finding]:
    """The training step starts again and again at one place, in one process: it counts batches of the epoch."""
    usable = np.nonzero(main.step != NO_STEP)[0]
    step = main.step[usable]
    session = timeline.session_map.of(main)[usable]
    falls = np.nonzero((np.diff(step) < 0) & (np.diff(session) == 0))[0] + 1
    frameworks = {timeline.run.sources[int(index)].framework for index in sources_of(main)}
    if len(falls) < SAWTEETH or frameworks & set(BATCHES_OF_THE_EPOCH):
        return
    tables = all(timeline.run.sources[int(index)].format != "tfevents" for index in sources_of(main))
    if tables and not any(frameworks) and timeline.roles.all("epoch"):
        return  # ``Epoch: 0, Step: 9``, and tables with both columns, of no program that promises a global step
    starts, ends = step[falls], step[falls - 1]
    spacing = usual_cadence(step)
    if (
        len(distinct(starts)) > 1
        or int(ends[1:].max() - ends[1:].min()) > spacing
        or int(ends[-1]) - int(starts[0]) < 2
    ):
        return
    first = int(falls[0])
    yield Finding(
        severity="warning",
        message=f"{main.tag}: the step goes back to {int(starts[0])} behind step {int(ends[-1])}, "
        f"{len(falls)} {'times' if len(falls) > 1 else 'time'}, without a new process: it counts "
        "the batches of an epoch, not the run's steps",
        first_step=int(starts[0]),
        last_step=int(ends.max()),
        tag=main.tag,
        numbers={"tags": [main.tag]},
        evidence=(
            timeline.row(main, int(usable[first - 1]), "last row of a lap"),
            timeline.row(main, int(usable[first]), "starts again"),
        ),
    )


def _goes_on_in_another_unit(timeline: Timeline, main: Series) -> Iterator[Finding]:
    """The step jumps to a whole multiple of where it was to go on, and from there rises by as many times as much."""
    usable = np.flatnonzero(main.step != NO_STEP)
    step = main.step[usable]
    spacing = usual_cadence(step)
    for at in np.flatnonzero(np.diff(step) > spacing)[:JUMPS_LOOKED_AT].tolist():
        before, behind = np.diff(step[: at + 1]), np.diff(step[at + 1 :])
        if min(len(before), len(behind)) < ROWS_THAT_STAND_STILL or np.median(before) <= 0:
            continue
        was, now = int(np.median(before)), int(np.median(behind))
        times, rest = divmod(now, was)
        along = times * (int(step[at]) + was)
        evenly = min(float(np.mean(before == was)), float(np.mean(behind == now))) >= EVENLY
        if rest or times < 2 or not evenly or abs(int(step[at + 1]) - along) >= now:
            continue
        yield Finding(
            severity="error",
            message=f"{main.tag} goes on from step {step[at]} at step {step[at + 1]}, about {times} times "
            f"{step[at] + was}, and rises by {now} where it rose by {was}: from there on the step counts {times} for "
            "each one before",
            tag=main.tag, first_step=int(step[at + 1]), last_step=int(step[-1]), numbers={"ratio": times},
            evidence=(
                timeline.row(main, int(usable[at]), "last row before"),
                timeline.row(main, int(usable[at + 1]), "first row in another unit"),
            ),
        )
        return


def _two_units_in_one_tag(timeline: Timeline) -> Iterator[Finding]:
    """Rows among those of a tag that count something else, and go up as evenly."""
    for view, pairs in zip(timeline.run.views, timeline.writers, strict=True):
        for pair in pairs:
            if pair.kind != "units" or not pair.other_counts:
                continue
            series = view.series[pair.tag]
            at = pair.first_other
            yield Finding(
                severity="warning",
                message=f"{pair.rows} rows of {pair.tag} stand over another axis, from step {series.step[at]} behind "
                f"step {series.step[at - 1]} on: two things are written under one name",
                tag=pair.tag, first_step=int(series.step[at]), numbers={"rows": pair.rows, "tags": [pair.tag]},
                evidence=(timeline.row(series, at - 1, "row before it"), timeline.row(series, at, "on another axis")),
            )


def _stands_still(timeline: Timeline, main: Series) -> Iterator[Finding]:
    """A training series all of whose rows have one step; or a column of steps that is the same in all rows."""
    if len(main) < ROWS_THAT_STAND_STILL or len(distinct(main.value)) < 2:
        return
    if timeline.step_axis.unit == "epoch":
        return  # each row is at the last step of its epoch, which is the epoch's length
    told = [(main, main.step[main.step != NO_STEP].astype(np.float64))]
    told += [(series, series.value) for series in timeline.roles.all("step") if series.tag in PLAIN]
    for series, step in told:
        if len(step) < max(ROWS_THAT_STAND_STILL, 0.5 * len(main)) or np.any(step != step[0]):
            continue
        yield Finding(
            severity="warning",
            message=f"all {len(step)} rows of {main.tag} are logged at step {step[0]:.0f}: the step that is given to "
            "the logger is never raised",
            tag=main.tag, first_step=int(step[0]), numbers={"rows": len(step)},
            evidence=(timeline.row(series, 0, "first row"), timeline.row(series, len(series) - 1, "last row")),
        )
        return


def _second_counter(timeline: Timeline) -> Iterator[Finding]:
    """A logged step counter that runs at a whole multiple of the axis, or leaves it at some places."""
    if timeline.step_axis.unit not in ("update", "micro-batch"):
        return
    accumulation = {reading.accumulation for reading in timeline.plan.readings}
    accumulation.add(timeline.declared.get("grad_accumulation"))
    for series in timeline.roles.all("step"):
        usable = np.flatnonzero((series.step != NO_STEP) & np.isfinite(series.value))
        step, value = series.step[usable], series.value[usable]
        found = relate(step, value)
        if found is None or np.any(value != np.round(value)) or not found.ratio.is_integer():
            continue
        if found.breaks:
            if not _within_the_epoch(timeline, series):
                yield _leaves(timeline, series, usable, found)
            return
        if found.ratio < 2 or int(found.ratio) in accumulation:
            continue
        first, last = int(usable[0]), int(usable[-1])
        yield Finding(
            severity="note" if accumulation <= {None, 1} and not timeline.plan.asked_for else "warning",
            message=f"{series.tag} advances {int(found.ratio)} for each step of the axis: it reads {int(value[0])} at "
            f"step {int(step[0])} and {int(value[-1])} at step {int(step[-1])}; it counts calls of the optimizer, or "
            "batches before accumulation",
            tag=series.tag, first_step=int(step[0]), last_step=int(step[-1]), numbers={"ratio": found.ratio},
            evidence=(timeline.row(series, first), timeline.row(series, last)),
        )
        return


def _within_the_epoch(timeline: Timeline, series: Series) -> bool:
    """Whether the column falls as a counter of batches does."""
    if len(np.unique(series.source)) > 1 or np.any(series.value != np.round(series.value)):
        return False
    as_logged = replace(series, step=series.value.astype(np.int64))
    around = beside(timeline.view, timeline.run, as_logged, int(series.source[0]), timeline.training[:1])
    return explain_falls(as_logged.step, around).cause in ("laps", "passes")


def _leaves(timeline: Timeline, series: Series, usable: np.ndarray, found: Relation) -> Finding:
    at, offset = found.breaks[0]
    more = f", and at {len(found.breaks) - 1} more places" if len(found.breaks) > 1 else ""
    before, after = int(usable[at - 1]), int(usable[at])
    return Finding(
        severity="warning",
        message=f"{series.tag} goes from {series.value[before]:.0f} to {series.value[after]:.0f} where step goes from "
        f"{series.step[before]} to {series.step[after]}{more}: they differ by {amount(round(-found.offset, 3))} before "
        f"and by {amount(round(-offset, 3))} behind it; one of them counts log calls, or was not restored",
        tag=series.tag, first_step=int(series.step[after]), last_step=int(series.step[usable[-1]]),
        numbers={"before": found.offset, "after": offset, "places": len(found.breaks)},
        evidence=(timeline.row(series, before, "last row before"), timeline.row(series, after, "first row behind")),
    )


def _second_log(timeline: Timeline) -> Iterator[Finding]:
    """Another log of the run that gives the same losses at other steps."""
    axes = {view.name: {timeline.run.sources[source].step_axis for source in view.sources} for view in timeline.views}
    for view in timeline.views:
        if view.name == timeline.view.name or axes[view.name] | axes[timeline.view.name] != {"step"}:
            continue
        pair = paired(timeline.view, view)
        found = None if pair is None else relate(pair.one.step[pair.at_one], pair.other.step[pair.at_other])
        if pair is None or found is None or found.is_equality or (found.breaks and timeline.joins):
            continue
        if _carries(timeline.view, pair.one, pair.at_one, pair.other.step[pair.at_other]):
            continue
        yield _apart(timeline, pair, found, view.name)
        return


def _carries(view: View, series: Series, at: Ints, steps: Ints) -> bool:
    """Whether a column beside a series has the steps of the other log: one log has both counters."""
    rows = rows_of(series, at)
    columns = (at_rows_of(rows, column) for column in view.series.values() if role_of_tag(column.tag) == "step")
    return any(column is not None and np.array_equal(column, steps) for column in columns)


def _apart(timeline: Timeline, pair: Paired, found: Relation, name: str) -> Finding:
    at = found.breaks[0][0] if found.breaks else 0
    one, other = int(pair.at_one[at]), int(pair.at_other[at])
    how = f"{amount(round(found.ratio, 4))} times the step" if found.ratio != 1 else "the step"
    if found.offset:
        how += f" {'plus' if found.offset > 0 else 'less'} {amount(round(abs(found.offset), 3))}"
    where = f" up to step {pair.one.step[pair.at_one[at - 1]]}, and another number behind it" if found.breaks else ""
    return Finding(
        severity="warning",
        message=f"{name} tells the same {pair.other.tag} as {timeline.view.name} at other steps: {how}{where}; "
        f"{pair.one.value[one]:g} stands at step {pair.one.step[one]} in one and at {pair.other.step[other]} in the "
        "other",
        tag=pair.other.tag, first_step=int(pair.one.step[one]), last_step=int(pair.one.step[-1]),
        numbers={"ratio": found.ratio, "offset": found.offset},
        evidence=(timeline.row(pair.one, one, "in one log"), timeline.row(pair.other, other, "in the other")),
    )
