"""The reconstruction of a run in full: files, roles, clocks, joins, declared facts, readings of the plan."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from analyzer.declared_status import facts_status
from analyzer.renderers import Look
from analyzer.renderers.escaping import visible
from analyzer.renderers.json_report import plain, timeline_json
from analyzer.renderers.lines import labelled, paint, width_of
from analyzer.renderers.wording import duration, interval, parameter, place_of, reconstruction, rounded
from analyzer.spelling import counted

FILES_SHOWN = 20
TAGS_SHOWN = 12  # that play no role
READINGS_SHOWN = 6


def as_json(timeline: Any) -> Any:
    """The reconstruction as JSON values: that of the report, and the roles beside it."""
    roles = [
        {"role": role, "tag": one.tag, "points": len(one), "why": timeline.roles.why.get(one.tag, "")}
        for role, found in timeline.roles.series.items()
        for one in found
    ]
    facts = {key: {"value": fact.value, "from": fact.found_in} for key, fact in timeline.declared.facts.items()}
    return plain({"name": timeline.run.name, "timeline": timeline_json(timeline), "roles": roles, "declared": facts})


def as_text(timeline: Any, look: Look) -> str:
    return "\n".join(_lines(timeline, look)) + "\n"


def _lines(timeline: Any, look: Look) -> Iterator[str]:
    name = visible(timeline.run.name)
    yield paint(f"── {name} " + "─" * max(3, look.width - width_of(name) - 4), "title", look)
    for title, part in (
        ("read", _files(timeline, look)),
        ("taken for", _roles(timeline)),
        ("clocks", iter(reconstruction(timeline))),
        ("step axis", _axis(timeline)),
        ("sessions", _sessions(timeline)),
        ("epoch clock", _epoch(timeline)),
        ("scheduler", _schedulers(timeline)),
        ("declared", _declared(timeline)),
        ("plan", _plan(timeline)),
    ):
        entries = list(part)
        if entries:
            yield paint(title, "title", look)
            indent = min(max(width_of(label) for label, _ in entries) + 6, max(18, look.width // 3))
            for label, text in entries:
                yield from labelled(label, text, look, indent=max(indent, width_of(label) + 5))


def _files(timeline: Any, look: Look) -> Iterator[tuple[str, str]]:
    run = timeline.run
    shown = run.sources if look.verbose else run.sources[:FILES_SHOWN]
    for source in shown:
        kind = source.format + (f", {visible(source.framework)}" if source.framework else "")
        sampled = ", a sampled export" if source.sampled else ""
        yield kind, f"{visible(source.path)}: {counted(source.records, 'record')}{sampled}"
        if look.verbose:
            alone = "the only log of this run" if len(run.sources) == 1 else "the first log of this run"
            yield "", f"given to {visible(run.name)}: {visible(source.why or alone)}"
    if len(run.sources) > len(shown):
        yield "", f"and {len(run.sources) - len(shown)} more files (-v names them)"
    if len(run.views) > 1:
        yield "clocks from", f"{visible(timeline.view.name)}, which tells most of {len(run.views)} accounts of this run"
    for note in run.notes:
        yield "note", visible(note)
    for problem in run.problems if look.verbose else run.problems[:10]:
        where = f":{problem.row}" if problem.row is not None else ""
        yield problem.kind, f"{visible(problem.source)}{where}: {visible(problem.message)}"


def _roles(timeline: Any) -> Iterator[tuple[str, str]]:
    roles, view = timeline.roles, timeline.view
    taken = set()
    for role, found in roles.series.items():
        for index, series in enumerate(found[:4]):
            taken.add(series.tag)
            why = roles.why.get(series.tag, "")
            also = "" if index == 0 else " (besides)"
            yield (
                role.replace("_", " "),
                f"{visible(series.tag)}{also}: {counted(len(series), 'point')}{f', {visible(why)}' if why else ''}",
            )
        taken.update(series.tag for series in found)
        if len(found) > 4:
            yield "", f"and {len(found) - 4} more"
    rest = [visible(tag) for tag in view.series if tag not in taken]
    if rest:
        shown = ", ".join(rest[:TAGS_SHOWN]) + (f" and {len(rest) - TAGS_SHOWN} more" if len(rest) > TAGS_SHOWN else "")
        yield "no role", shown


def _axis(timeline: Any) -> Iterator[tuple[str, str]]:
    axis = timeline.step_axis
    columns = {source.step_column for source in timeline.run.sources if source.step_column}
    if columns:
        yield "column", ", ".join(visible(column) for column in sorted(columns))
    base = "" if axis.base is None else f", the first update is {axis.base}"
    known = "of unknown size" if axis.per_update is None else f"{rounded(axis.per_update)} an update"
    ratio = "" if axis.per_update == 1 else f", {known}"
    unit = "unknown" if axis.unit == "unknown" else f"{axis.unit}s"
    yield "counts", f"{unit}{base}{ratio}{f': {visible(axis.why)}' if axis.why else ''}"
    yield "cadence", f"every {axis.cadence} steps" if axis.cadence > 1 else "every step"


def _sessions(timeline: Any) -> Iterator[tuple[str, str]]:
    for session in timeline.sessions[:20]:
        lasted = session.wall_last - session.wall_first
        time = f", {duration(lasted)}" if math.isfinite(lasted) else ""
        yield f"session {session.index + 1}", f"steps {session.first_step} to {session.last_step}{time}"
    for join in timeline.joins[:20]:
        gap = f", after {duration(join.wall_gap)}" if math.isfinite(join.wall_gap) else ""
        overlap = f", {counted(join.overlap, 'step')} logged twice" if join.overlap else ""
        where = f" at {place_of(timeline.run, join.evidence[-1])}" if join.evidence else ""  # its first row
        known = f" (known by: {visible(join.how_known)}{where})" if join.how_known else ""
        yield (
            f"join {join.index + 1}",
            f"{join.step}: {join.last_step_before} then {join.first_step_after}{overlap}{gap}{known}",
        )


def _epoch(timeline: Any) -> Iterator[tuple[str, str]]:
    epoch = timeline.epoch
    if epoch is None:
        yield "unknown", _no_epoch_clock(timeline)
        return
    certainty = "exact" if epoch.exact else "as an interval"
    yield "steps", f"{interval(epoch.low, epoch.high)} per epoch, {certainty}, from {epoch.source}"
    yield "begins", f"epoch {epoch.base}" + ("" if epoch.origin is None else f" at step {epoch.origin}")
    for broken in epoch.breaks[:10]:
        where = f" at {place_of(timeline.run, broken.evidence[0])}" if broken.evidence else ""
        yield broken.kind, f"at step {broken.step}, by {interval(broken.low, broken.high)} steps{where}"
    for first, steps in epoch.laps if len(epoch.laps) > 1 else ():
        yield "lap", f"{rounded(steps)} steps per epoch from step {first}"


def _no_epoch_clock(timeline: Any) -> str:
    """Why no epoch clock is known."""
    declare = "declare steps_per_epoch, or dataset_size and batch_size"
    if timeline.step_axis.unit == "epoch":
        return f"the rows are epochs, and nothing tells how many steps one has; {declare}"
    labels = timeline.roles.first("epoch")
    if labels is not None:
        return f"the values of {visible(labels.tag)} do not tell how many steps an epoch has; {declare}"
    return f"the log has no epochs; {declare}"


def _schedulers(timeline: Any) -> Iterator[tuple[str, str]]:
    if not timeline.schedulers:
        yield "unknown", "no learning rate in the log; --role learning_rate=TAG names one that was not recognised"
    for (_, text), clock in zip(
        (pair for pair in reconstruction(timeline) if pair[0] == "schedule"), timeline.schedulers, strict=False
    ):
        yield "schedule", text
        phase = f"{rounded(clock.rate)} a step, phase {clock.offset:+d}"
        yield "counter", phase + (f" ({visible(clock.convention)})" if clock.convention else "")
        if clock.parameters:
            yield (
                "parameters",
                ", ".join(f"{visible(key)} {parameter(value)}" for key, value in clock.parameters.items()),
            )
        for alias in clock.aliases[:3]:
            yield "or", visible(alias)
        for deviation in clock.deviations[:10]:
            size = f", by {rounded(deviation.size)} positions" if deviation.size else ""
            yield deviation.kind, f"at step {deviation.step}{size}"


def _declared(timeline: Any) -> Iterator[tuple[str, str]]:
    status = facts_status(timeline, ())
    for key, fact in timeline.declared.facts.items():
        yield key, f"{visible(plain(fact.value))}  ({visible(fact.found_in)})"
        yield "", f"{status[key].status}: {visible(status[key].reason)}"
    for fact, reason in timeline.declared.unusable:
        yield visible(fact.key), f"{visible(plain(fact.value))}  ({visible(fact.found_in)}) is not used: {reason}"


def _plan(timeline: Any) -> Iterator[tuple[str, str]]:
    readings = timeline.plan.readings
    for reading in readings[:READINGS_SHOWN]:
        yield from plan_line(reading)
    if len(readings) > READINGS_SHOWN:
        yield "", f"and {len(readings) - READINGS_SHOWN} more readings; `analyzer plan` lists them"


def plan_line(reading: Any) -> Iterator[tuple[str, str]]:
    """One reading of the plan: its convention and its numbers."""
    numbers = (
        ("batches per epoch", reading.batches_per_epoch),
        ("steps per epoch", reading.steps_per_epoch),
        ("steps in all", reading.total_steps),
        ("warmup", reading.warmup_steps),
    )
    yield (
        "reading",
        f"{visible(reading.convention)}: "
        + ", ".join(
            f"{rounded(value)} {label}" if label != "warmup" else f"warmup {rounded(value)}"
            for label, value in numbers
            if value is not None
        ),
    )
