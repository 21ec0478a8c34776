"""What the figures of a report show: lines, marks and sessions, independent of how they are drawn.

Both the interactive page and the matplotlib figures draw these. Every point keeps its file and row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.loss_spikes import ROW_UNITS
from analyzer.clocks.scheduler.read_back import read_back
from analyzer.clocks.scheduler.reference import declared_rates
from analyzer.model import Finding, Floats, RunReport, Series
from analyzer.renderers.chart_axes import axes_of, times_of
from analyzer.renderers.chart_nouns import Chart, Line, Mark
from analyzer.renderers.loss_level import level_of

WIDEST_LAP = 1.25  # longest over shortest steps per epoch that a line is drawn for: beyond, it would say nothing
DECADES = 50  # highest over lowest value of a curve from which its axis is logarithmic
ROWS_MARKED = 6  # of one finding on one chart
BAND = (ROW_UNITS, -ROW_UNITS)  # noise units from the level within which no row is asked whether it is a spike


def charts_of(report: RunReport) -> tuple[Chart, ...]:
    """Every chart that this run's log allows, the loss first."""
    makers = (_loss, _epoch, _schedule, _position, _gradient, _sessions)
    return tuple(chart for maker in makers if (chart := maker(report)) is not None)


def line_of(report: RunReport, series: Series, name: str | None = None, y: Floats | None = None, **kind: Any) -> Line:
    observed = y is None
    kind.setdefault("tag", series.tag if observed else "")
    return Line(
        name=name or series.tag,
        x=axes_of(series, report),
        y=series.value if y is None else y,
        session=report.timeline.session_map.of(series),
        source=series.source.astype(np.int64) if observed else None,
        row=series.row if observed else None,
        **kind,
    )


def _chart(report: RunReport, *, key: str, lines: Sequence[Line], families: tuple[str, ...], **words: Any) -> Chart:
    marks = tuple(
        mark for finding in report.findings if finding.code.startswith(families) for mark in _marks(finding, lines)
    )
    return Chart(
        key=key,
        lines=tuple(lines),
        marks=marks,
        joins=tuple(float(join.first_step_after) for join in report.timeline.joins),
        timed=all("time" in line.x for line in lines),
        time_unit=times_of(report)[1],
        counted_in="epoch" if report.timeline.step_axis.unit == "epoch" else "step",
        **words,
    )


def _marks(finding: Finding, lines: Sequence[Line]) -> list[Mark]:
    """Where a finding is seen: its evidence rows on the curve that they were read from, else the place it begins."""
    own = next((line for line in lines if line.tag and line.tag == finding.tag), None)
    places: dict[float, float | None] = {}
    for row in finding.evidence if own is not None else ():
        if row.tag == finding.tag and row.step is not None and len(places) < ROWS_MARKED:
            as_logged = own is not None and own.row is not None and isinstance(row.value, (int, float))
            places[float(row.step)] = float(row.value) if as_logged else _height(own, row.step)
    if finding.first_step is not None and not places:
        places[float(finding.first_step)] = _height(own or lines[0], finding.first_step)
    return [
        Mark(
            step=step,
            y=height if height is not None and np.isfinite(height) else None,
            code=finding.code,
            severity=finding.severity,
            text=finding.message,
        )
        for step, height in places.items()
    ]


def _height(line: Line | None, step: float) -> float | None:
    if line is None or not len(line.y):
        return None
    return float(line.y[int(np.abs(line.x["step"] - step).argmin())])


def _loss(report: RunReport) -> Chart | None:
    roles = report.timeline.roles
    main = roles.first("loss")
    if main is None:
        return None
    lines = [line_of(report, main)]
    baseline = report.timeline.loss
    if baseline is not None and baseline.series is main and len(baseline.level) == len(main):
        level, part = level_of(baseline)
        drawn = [("level without noise", level, "level")]
        drawn += [(f"level {sign:+.0f} noise units", level + sign * baseline.scale, "band") for sign in BAND]
        lines += [replace(line_of(report, main, name=name, y=y, style=of), session=part) for name, y, of in drawn]
    others = [one for one in roles.all("validation_loss") if _in_the_unit_of(main, one)]
    lines += [line_of(report, series) for series in others[:2]]
    return _chart(
        report,
        key="loss",
        lines=lines,
        families=("LOS", "RES", "GRD", "EPO007"),
        title="Loss",
        y_label="loss",
        log_y=_spans_decades(main),
        reading="Raw values as logged and their noise; marks are findings, vertical lines are resumes.",
    )


def _in_the_unit_of(main: Series, other: Series) -> bool:
    """Whether a series can count what the main one counts: it does not go on for more than two rows beyond its end.

    Keras writes a loss over iterations beside one over epochs; on one axis the epochs would be a line at its left.
    """
    if not len(main) or not len(other):
        return False
    gaps = np.diff(np.sort(np.concatenate([main.step, main.step[:1] - 1])))
    apart = max(int(np.max(gaps, initial=1)), int(np.max(np.diff(main.step), initial=1)))
    longest = int(main.step.max() - main.step.min()) + 2 * apart
    return int(other.step.max()) - int(main.step.max()) <= longest


def _spans_decades(series: Series) -> bool:
    finite = series.value[np.isfinite(series.value)]
    return bool(len(finite) and finite.min() > 0 and finite.max() / finite.min() > DECADES)


def _epoch(report: RunReport) -> Chart | None:
    timeline = report.timeline
    labels = timeline.roles.first("epoch")
    if labels is None or timeline.step_axis.unit == "epoch":
        return None
    lines = [line_of(report, labels, stepped=True)]
    clock = timeline.epoch
    known = clock is not None and clock.origin is not None and not clock.too_sparse and clock.low > 0
    if clock is not None and known and clock.high is not None and clock.high <= WIDEST_LAP * clock.low:
        ideal = clock.base + (labels.step - clock.origin) / clock.middle
        lines.append(
            line_of(report, labels, name="expected epoch", y=np.asarray(ideal, dtype=np.float64), style="expected")
        )
    return _chart(
        report,
        key="epoch",
        lines=lines,
        families=("EPO", "RES"),
        title="Epoch against step",
        y_label="epoch",
        reading="A sound log climbs one lap per steps-per-epoch: labels lie on or just below the expected epoch.",
    )


def _schedule(report: RunReport) -> Chart | None:
    timeline = report.timeline
    lines: list[Line] = []
    for clock in timeline.schedulers[:4]:
        lines.append(line_of(report, clock.series))
        if clock.expected is not None:
            name = f"{clock.family}, identified" if len(timeline.schedulers) == 1 else f"{clock.series.tag}, identified"
            lines.append(line_of(report, clock.series, name=name, y=clock.expected, style="expected"))
    lines += _declared(report)
    if not lines:
        rates = timeline.roles.all("learning_rate")
        lines = [line_of(report, series) for series in rates[:4]]
    if not lines:
        return None
    return _chart(
        report,
        key="schedule",
        lines=lines,
        families=("SCH", "RES006"),
        title="Learning rate",
        y_label="learning rate",
        reading="Observed values, the schedule that explains most of them, and the declared one where it is another.",
    )


def _declared(report: RunReport) -> list[Line]:
    """The schedule that is declared, where the first learning rate is not simply that."""
    clock = report.timeline.schedulers[0] if report.timeline.schedulers else None
    if clock is None or not clock.deviations:
        return []
    found = declared_rates(report.timeline, clock.series)
    if found is None:
        return []
    index, rates = found
    name = "declared" if len(report.timeline.schedulers) == 1 else f"{clock.series.tag}, declared"
    x = {axis: values[index] for axis, values in axes_of(clock.series, report).items()}
    session = report.timeline.session_map.of(clock.series)[index]
    return [Line(name=name, x=x, y=rates, session=session, style="declared")]


def _position(report: RunReport) -> Chart | None:
    clock = report.timeline.schedulers[0] if report.timeline.schedulers else None
    position = None if clock is None else read_back(clock)
    if clock is None or position is None or np.isfinite(position).sum() < 3:
        return None
    lines = [line_of(report, clock.series, name="scheduler's own counter", y=position, tag=clock.series.tag)]
    if clock.unit == "step":
        first = int(np.flatnonzero(np.isfinite(position))[0])
        sound = lines[0].x["step"] - lines[0].x["step"][first] + position[first]
        lines.append(line_of(report, clock.series, name="one step per update", y=sound, style="expected"))
    return _chart(
        report,
        key="position",
        lines=lines,
        families=("SCH", "RES006"),
        title="Scheduler position against step",
        y_label="scheduler steps",
        reading="Read back from the learning rate. A sound scheduler keeps to the line of one step per update.",
    )


def _gradient(report: RunReport) -> Chart | None:
    norm = report.timeline.roles.first("grad_norm")
    if norm is None:
        return None
    return _chart(
        report,
        key="gradient",
        lines=[line_of(report, norm)],
        families=("GRD",),
        title="Gradient norm",
        y_label="gradient norm",
        log_y=_spans_decades(norm),
        reading="As logged, usually before clipping.",
    )


def _sessions(report: RunReport) -> Chart | None:
    """Step against wall time, a line a session."""
    series = report.timeline.roles.first("loss")
    if series is None or np.isfinite(series.wall_time).sum() < 2:
        return None
    session = report.timeline.session_map.of(series)
    axes, unit = axes_of(series, report), times_of(report)[1]
    lines = [
        Line(
            name=f"session {number + 1}",
            x={name: values[here] for name, values in axes.items()},
            y=axes["step"][here],
            source=series.source[here].astype(np.int64),
            row=series.row[here],
        )
        for number in range(int(session.max()) + 1)
        if (here := session == number).any()
    ]
    return Chart(
        key="sessions",
        marks=tuple(_marks_on_time(report, series, axes)),
        title="Steps on wall time",
        y_label="step",
        lines=tuple(lines),
        timed=True,
        time_unit=unit,
        by_time=True,
        reading=f"Steps against {unit} since the first record; each life of the process is a line.",
    )


def _marks_on_time(report: RunReport, series: Series, axes: Mapping[str, Floats]) -> Iterator[Mark]:
    """Where findings about time begin: at the row behind a pause, at the first row of a slower stretch."""
    for finding in report.findings:
        if not finding.code.startswith(("PRF", "LOG005")) or finding.first_step is None:
            continue
        at = int(np.abs(axes["step"] - finding.first_step).argmin())
        time = float(axes["time"][at])
        if np.isfinite(time):
            yield Mark(
                step=float(finding.first_step),
                time=time,
                y=float(axes["step"][at]),
                code=finding.code,
                severity=finding.severity,
                text=finding.message,
            )
