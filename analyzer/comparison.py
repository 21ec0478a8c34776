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
from msgspec.structs import replace

from analyzer.clocks.label_in_force import label_in_force
from analyzer.distinct import distinct
from analyzer.model import NO_STEP, Floats, Series
from analyzer.timeline import Timeline

Axis = Literal["updates", "samples", "tokens", "epochs", "time"]
AXES: tuple[Axis, ...] = ("updates", "samples", "tokens", "epochs", "time")
SHARE_AVERAGED = 0.05  # of the budget: a value is the median of the rows in this last part of it
POINTS = 5  # of the budget at which values are compared


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
    rows: tuple[int, ...] = ()  # of which each value is the median


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
    standings = [
        Standing(
            run=c.run,
            tag=c.tag,
            values=tuple(value_at(c, place) for place in places),
            rows=tuple(len(rows_at(c, place)) for place in places),
        )
        for c in curves
    ]
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
    """Median of ``rows_at`` a place; NaN before the first row."""
    rows = rows_at(curve, place)
    return float(np.median(rows)) if len(rows) else math.nan


def rows_at(curve: Curve, place: float) -> Floats:
    """The finite values in the last part of a budget, else that of the last row within it; none before the first."""
    last = int(np.searchsorted(curve.x, place * (1 + 1e-9), side="right"))
    first = int(np.searchsorted(curve.x, place * (1 - SHARE_AVERAGED), side="left"))
    rows = curve.y[min(first, max(last - 1, 0)) : last]
    return rows[np.isfinite(rows)]


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
    done = (steps_made(timeline, series) - base + 1) / axis.per_update
    session = timeline.session_map.of(series)
    for join in timeline.joins:
        if join.step == "reset":  # the counter began anew, the updates did not
            done[session >= join.after] += (join.last_step_before - join.first_step_after + 1) / axis.per_update
    return done


def steps_made(timeline: Timeline, series: Series) -> Floats:
    """Steps of a series without those that its counter jumped over and nobody made, shape (n,); NaN without a step."""
    steps = np.where(series.step == NO_STEP, np.nan, series.step.astype(np.float64))
    made, session = steps.copy(), timeline.session_map.of(series)
    for jump in timeline.step_jumps:
        if jump.verdict == "counter jumped":
            behind = steps >= jump.next_step if jump.join is None else session >= timeline.joins[jump.join].after
            made[behind] -= jump.size
    return made


def _epochs(timeline: Timeline, series: Series) -> Floats | str:
    source = timeline.run.sources[int(series.source[0])]
    if source.step_axis == "epoch":
        return series.step.astype(np.float64) - float(series.step.min()) + 1
    clock = timeline.epoch
    if clock is not None and epochs_count_steps(timeline):
        done = steps_made(timeline, series) - (clock.origin or 0) + (clock.source != "fractions")
        return done / float(clock.low)
    labels = label_in_force(timeline, series)
    if labels is None:
        return "the log has no epochs; declare steps_per_epoch, or dataset_size and batch_size"
    if not np.all(labels[np.isfinite(labels)] % 1 == 0):
        return labels
    epochs = labels - float(np.nanmin(timeline.roles.first("epoch").value)) + 1  # type: ignore[union-attr]
    first, rows = _first_of_its_epoch(timeline.session_map.of(series), labels, series.step)
    if rows.max(initial=0) < 2:
        return epochs  # a row an epoch is written at its end
    if clock is None or clock.high is None or clock.low <= 0:
        return "several rows of an epoch, and nothing tells how many steps it has: declare steps_per_epoch"
    inside = (series.step - first + timeline.step_axis.cadence) / clock.middle
    return epochs - 1 + np.minimum(inside, 1.0)


def epochs_count_steps(timeline: Timeline) -> bool:
    """Whether epochs are counted from the steps, by a clock that the labels keep to, and not read off the labels."""
    clock = timeline.epoch
    return clock is not None and clock.exact and not clock.breaks and clock.origin is not None


def _first_of_its_epoch(session: np.ndarray, labels: Floats, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At every row the first step of its epoch in its session, and how many rows that epoch has there, shapes (n,)."""
    keys = np.stack([session.astype(np.float64), np.nan_to_num(labels, nan=-1.0)])
    _, group, rows = np.unique(keys, axis=1, return_inverse=True, return_counts=True)
    first = np.full(len(rows), np.iinfo(np.int64).max)
    np.minimum.at(first, group.ravel(), step)
    return first[group.ravel()], rows[group.ravel()]


def _seconds(timeline: Timeline, series: Series) -> Floats | str:
    """Seconds of work: pauses between two lives of the process do not count."""
    if np.isfinite(series.wall_time).any():
        return _worked(timeline, series)
    elapsed = timeline.roles.first("elapsed")
    if elapsed is not None:
        return _read_off(timeline, elapsed, series)
    others = [one for view in timeline.views for one in view.series.values() if np.isfinite(one.wall_time).any()]
    if not others:
        return "the log has no times"
    timed = max(others, key=lambda one: (one.tag == series.tag, len(one)))  # an account beside it that has times
    steps_agree = len(np.intersect1d(timed.step, series.step)) > 1
    return (
        _read_off(timeline, replace(timed, value=_worked(timeline, timed)), series)
        if steps_agree
        else "its rows have no times, and the account beside it that has some counts other steps"
    )


def _worked(timeline: Timeline, series: Series) -> Floats:
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
