"""What the points of a chart can be drawn against: steps, time, epochs, samples, tokens."""

from __future__ import annotations

import numpy as np

from analyzer.comparison import AXES, positions
from analyzer.model import NO_STEP, Floats, RunReport, Series
from analyzer.timeline import Timeline

TIME_UNITS = (("seconds", 1.0), ("minutes", 60.0), ("hours", 3600.0), ("days", 86400.0))
STRAIGHT = 0.01  # share of its range that a logged counter may lie off a line to be drawn as an axis


def axes_of(series: Series, report: RunReport) -> dict[str, Floats]:
    """The points of a series by step and, where known, by time since the run's first record."""
    known = series.step != NO_STEP
    axes = {"step": np.where(known, series.step, np.arange(len(series))).astype(np.float64)}
    if np.isfinite(series.wall_time).any():
        started, _, seconds = times_of(report)
        axes["time"] = (series.wall_time - started) / seconds
    return axes


def times_of(report: RunReport) -> tuple[float, str, float]:
    """First record of the run, and the unit that its length is read in: name, seconds."""
    series = report.timeline.roles.first("loss") or next(iter(report.timeline.view.series.values()), None)
    times = series.wall_time[np.isfinite(series.wall_time)] if series is not None else np.empty(0)
    if not len(times):
        return 0.0, *TIME_UNITS[0]
    first, last = float(times.min()), float(times.max())
    name, seconds = [unit for unit in TIME_UNITS if last - first >= 2 * unit[1] or unit is TIME_UNITS[0]][-1]
    return first, name, seconds


def scales_of(report: RunReport) -> dict[str, tuple[float, float]]:
    """Other units of the step axis: unit -> (slope, intercept), for x = slope * step + intercept."""
    timeline = report.timeline
    axis, clock, plan = timeline.step_axis, timeline.epoch, timeline.plan
    scales: dict[str, tuple[float, float]] = {}
    if axis.unit == "epoch":
        return scales
    if clock is not None and clock.low > 0:
        origin = clock.origin if clock.origin is not None else (axis.base or 0)
        steps = clock.middle
        scales["epoch"] = (1 / steps, -origin / steps)
    if axis.unit != "update" or not axis.per_update:
        return scales
    before_first = 1.0 - (1 if axis.base is None else axis.base)
    for unit, amount in (("samples", plan.samples_per_update), ("tokens", plan.tokens_per_update)):
        if amount:
            slope = amount / axis.per_update
            scales[unit] = (slope, slope * before_first)
        elif (logged := _logged_scale(timeline, unit)) is not None:
            scales[unit] = logged
    return scales


def _logged_scale(timeline: Timeline, unit: str) -> tuple[float, float] | None:
    """The straight line of a logged counter of samples or tokens over steps; None where it is none."""
    for series in timeline.roles.all(unit):
        kept = (series.step != NO_STEP) & np.isfinite(series.value)
        step, value = series.step[kept], series.value[kept]
        if len(step) < 2 or step[-1] <= step[0] or value[-1] <= value[0]:
            continue
        slope = float((value[-1] - value[0]) / (step[-1] - step[0]))
        start = float(value[0] - slope * step[0])
        if np.abs(slope * step + start - value).max() <= STRAIGHT * (value[-1] - value[0]):
            return slope, start
    return None


def common_axes(one: RunReport, main: Series | None) -> tuple[dict[str, tuple[float, float]], dict[str, str]]:
    """Axes that runs share (unit -> slope, intercept over the step), and why the others are not known."""
    axis = one.timeline.step_axis
    scales = scales_of(one)
    if axis.unit in ("update", "micro-batch"):
        base = 1 if axis.base is None else axis.base
        scales["updates"] = (1 / axis.per_update, (1 - base) / axis.per_update)
    elif axis.unit == "epoch" and main is not None and len(main):
        scales["epoch"] = (1.0, 1.0 - float(main.step.min()))
    elif axis.unit in ("sample", "token"):
        scales[f"{axis.unit}s"] = (1.0, 0.0)
    without: dict[str, str] = {}
    for unit in AXES:
        key = "epoch" if unit == "epochs" else unit
        if key != "time" and key not in scales and main is not None:
            reason = positions(one.timeline, main, unit)
            without[key] = reason if isinstance(reason, str) else f"its {unit} are no straight line over its steps"
    return scales, without
