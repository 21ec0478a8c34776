"""Runs on equal footing: the same metric after the same updates, samples, tokens, epochs or time.

A step of a run with batch 16 is not a step of a run with batch 2048. Every axis is reconstructed from the clocks of
each run; a run whose clocks cannot give an axis says why and is left out of that axis, never guessed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from msgspec import Struct

from analyzer.clocks.label_in_force import label_in_force
from analyzer.distinct import distinct
from analyzer.model import NO_STEP, Floats, Series
from analyzer.timeline import Timeline

Axis = Literal["updates", "samples", "tokens", "epochs", "time"]
AXES: tuple[Axis, ...] = ("updates", "samples", "tokens", "epochs", "time")
SHARE_AVERAGED = 0.05  # of the budget: a value is the median of the rows in this last part of it
POINTS = 5  # of the budget at which values are compared
FACTOR_APART = 2.0  # between two losses, at both ends: no accumulation is by less, and no noise does it twice
FEWEST_ROWS_OF_AN_END = 5


class Curve(Struct, frozen=True, kw_only=True, eq=False):
    """One metric of one run over one axis: the rows that the run was built on, replayed branches left out."""

    run: str
    tag: str
    x: Floats
    y: Floats

    @property
    def reach(self) -> float:
        return float(self.x[-1])


class Standing(Struct, frozen=True, kw_only=True):
    """A run's values at the compared places of an axis; NaN where it has no row."""

    run: str
    tag: str
    values: tuple[float, ...]


class Comparison(Struct, frozen=True, kw_only=True):
    """One axis: the places compared up to what all runs reached, the runs best first, and who is left out and why."""

    axis: Axis
    places: tuple[float, ...]
    standings: tuple[Standing, ...]
    reaches: Mapping[str, float]  # run -> how far it went
    left_out: Mapping[str, str]  # run -> reason


def compare_runs(
    timelines: Iterable[Timeline],
    *,
    axes: Sequence[Axis] = AXES,
    tag: str | None = None,
    higher_is_better: bool | None = None,
) -> list[Comparison]:
    """Compare one metric of several runs over each axis.

    Args:
        tag: the metric; the training loss of each run when not given.
        higher_is_better: order of the runs; by the tag's name when not given.
    """
    named = list(timelines)
    return [_compared(named, axis, tag, higher_is_better) for axis in axes]


def _compared(timelines: list[Timeline], axis: Axis, tag: str | None, higher: bool | None) -> Comparison:
    curves: list[Curve] = []
    left_out: dict[str, str] = {}
    for timeline in timelines:
        found = curve_of(timeline, axis, tag)
        if isinstance(found, str):
            left_out[timeline.run.name] = found
        else:
            curves.append(found)
    if not curves:
        return Comparison(axis=axis, places=(), standings=(), reaches={}, left_out=left_out)
    budget = min(curve.reach for curve in curves)
    places = tuple(budget * (i + 1) / POINTS for i in range(POINTS))
    standings = [Standing(run=c.run, tag=c.tag, values=tuple(value_at(c, place) for place in places)) for c in curves]
    descending = higher if higher is not None else sounds_better_when_high(curves[0].tag)
    standings.sort(key=lambda one: _rank(one.values[-1], descending))
    reaches = {curve.run: curve.reach for curve in curves}
    return Comparison(axis=axis, places=places, standings=tuple(standings), reaches=reaches, left_out=left_out)


def comparison_frame(comparisons: Iterable[Comparison]) -> Any:
    """Comparisons as a pandas DataFrame: axis, place, run, tag, value; the best run of an axis first."""
    import pandas as pd

    lines = [
        {"axis": one.axis, "place": place, "run": standing.run, "tag": standing.tag, "value": value}
        for one in comparisons
        for standing in one.standings
        for place, value in zip(one.places, standing.values, strict=True)
    ]
    return pd.DataFrame(lines, columns=["axis", "place", "run", "tag", "value"])


def _rank(value: float, descending: bool) -> tuple[bool, float]:
    return math.isnan(value), -value if descending else value


def sounds_better_when_high(tag: str) -> bool:
    """Whether a metric of this name is better when it is higher."""
    name = tag.lower()
    return any(word in name for word in ("acc", "f1", "auc", "map", "bleu", "rouge", "reward", "precision", "recall"))


def value_at(curve: Curve, place: float) -> float:
    """Median of the rows in the last part of a budget, else the last row within it; NaN before the first row."""
    last = int(np.searchsorted(curve.x, place * (1 + 1e-9), side="right"))
    first = int(np.searchsorted(curve.x, place * (1 - SHARE_AVERAGED), side="left"))
    if not last:
        return math.nan
    rows = curve.y[min(first, last - 1) : last]
    finite = rows[np.isfinite(rows)]
    return float(np.median(finite)) if len(finite) else math.nan


def curve_of(timeline: Timeline, axis: Axis, tag: str | None = None) -> Curve | str:
    """A run's metric over an axis, or why there is none."""
    series = timeline.roles.first("loss") if tag is None else timeline.view.series.get(tag)
    if series is None or not len(series):
        return f"the log has no {tag or 'training loss'}"
    x = positions(timeline, series, axis)
    if isinstance(x, str):
        return x
    kept = rows_built_on(timeline, series) & np.isfinite(x)
    x, y = x[kept], series.value[kept]
    order = np.argsort(x, kind="stable")
    if not len(order) or x[order[-1]] <= 0:
        return f"no row of {series.tag} has a place in {axis}"
    return Curve(run=timeline.run.name, tag=series.tag, x=x[order], y=y[order])


def rows_built_on(timeline: Timeline, series: Series) -> np.ndarray:
    """Which rows lie on the branch that the run went on with: a replay overrules what was logged before it."""
    session = timeline.session_map.of(series)
    kept = np.ones(len(series), dtype=bool)
    for join in timeline.joins:
        if join.step == "replayed":
            kept &= ~((session <= join.before) & (series.step >= join.first_step_after))
    return kept


def positions(timeline: Timeline, series: Series, axis: Axis) -> Floats | str:
    """Where every row of a series stands on an axis, counted from the run's beginning; or why that cannot be told."""
    if axis == "time":
        return _seconds(timeline, series)
    if axis == "epochs":
        return _epochs(timeline, series)
    updates = _updates(timeline, series)
    if axis == "updates":
        return updates
    role, each = (
        ("samples", timeline.plan.samples_per_update)
        if axis == "samples"
        else ("tokens", timeline.plan.tokens_per_update)
    )
    if timeline.step_axis.unit == axis.removesuffix("s"):
        return series.step.astype(np.float64)
    counter = timeline.roles.first(role)
    if counter is not None and len(counter) > 1:
        return _read_off(timeline, counter, series)
    if each and not isinstance(updates, str):
        return updates * each
    needed = (
        "batch_size (and grad_accumulation, world_size)" if axis == "samples" else "tokens_per_step or sequence_length"
    )
    return f"no {role} counter in the log; declare {needed}, where runs differ each in its own analyzer.toml"


def _updates(timeline: Timeline, series: Series) -> Floats | str:
    axis = timeline.step_axis
    if axis.per_update is None or axis.unit not in ("update", "micro-batch"):
        return f"its steps count {axis.unit}s, not updates"
    base = axis.base if axis.base is not None else 1
    steps = np.where(series.step == NO_STEP, np.nan, series.step.astype(np.float64))
    done = (steps - base + 1) / axis.per_update
    session = timeline.session_map.of(series)
    for join in timeline.joins:
        if join.step == "reset":  # the counter began anew, the updates did not
            done[session >= join.after] += (join.last_step_before - join.first_step_after + 1) / axis.per_update
    return done


def _epochs(timeline: Timeline, series: Series) -> Floats | str:
    source = timeline.run.sources[int(series.source[0])]
    if source.step_axis == "epoch":
        return series.step.astype(np.float64) - float(series.step.min()) + 1
    clock = timeline.epoch
    if clock is not None and clock.exact and not clock.breaks and clock.origin is not None:
        done = series.step.astype(np.float64) - clock.origin + (clock.source != "fractions")
        return done / float(clock.low)
    labels = label_in_force(timeline, series)
    if labels is None:
        return "the log has no epochs; declare steps_per_epoch, or dataset_size and batch_size"
    whole = bool(np.all(labels[np.isfinite(labels)] % 1 == 0))
    first = timeline.roles.all("epoch")[0].value
    return labels - float(np.nanmin(first)) + 1 if whole else labels


def _seconds(timeline: Timeline, series: Series) -> Floats | str:
    """Seconds of work: pauses between two lives of the process do not count."""
    if not np.isfinite(series.wall_time).any():
        elapsed = timeline.roles.first("elapsed")
        return _read_off(timeline, elapsed, series) if elapsed is not None else "the log has no times"
    session = timeline.session_map.of(series)
    seconds = np.full(len(series), np.nan)
    before = 0.0
    for index in distinct(session):
        here = session == index
        own = timeline.sessions[index].wall_first if index < len(timeline.sessions) else math.nan
        start = own if math.isfinite(own) else float(np.nanmin(series.wall_time[here]))
        seconds[here] = series.wall_time[here] - start + before
        before = float(np.nanmax(seconds[here]))
    return seconds


def _read_off(timeline: Timeline, counter: Series, series: Series) -> Floats:
    """A counter's value at the steps of another series, session by session, along straight lines between its rows."""
    out = np.full(len(series), np.nan)
    counter_session, session = timeline.session_map.of(counter), timeline.session_map.of(series)
    for index in distinct(session):
        mine, theirs = session == index, counter_session == index
        if theirs.any():
            order = np.argsort(counter.step[theirs], kind="stable")
            steps, values = counter.step[theirs][order], counter.value[theirs][order]
            out[mine] = np.interp(series.step[mine], steps, values, left=np.nan, right=np.nan)
    return out


def heights_apart(timelines: Iterable[Timeline]) -> str | None:
    """A line when two training losses lie a factor apart from beginning to end: then they are not the same quantity."""
    spans: dict[str, tuple[float, float]] = {}
    for timeline in timelines:
        loss = timeline.roles.first("loss")
        finite = loss.value[np.isfinite(loss.value)] if loss is not None else np.zeros(0)
        rows = max(FEWEST_ROWS_OF_AN_END, int(len(finite) * SHARE_AVERAGED))
        if len(finite) >= 2 * rows and (finite > 0).all():
            spans[timeline.run.name] = float(np.median(finite[:rows])), float(np.median(finite[-rows:]))
    if len(spans) < 2:
        return None
    low, high = min(spans, key=lambda run: spans[run][0]), max(spans, key=lambda run: spans[run][0])
    ratios = [spans[high][end] / spans[low][end] for end in (0, 1)]
    if min(ratios) < FACTOR_APART:
        return None
    return (
        f"the loss of {high} is {ratios[0]:.3g} times that of {low} at the beginning ({spans[high][0]:.4g} and "
        f"{spans[low][0]:.4g}) and {ratios[1]:.3g} times at the end: they are not the same quantity, or one is summed "
        "or divided over the accumulation steps"
    )
