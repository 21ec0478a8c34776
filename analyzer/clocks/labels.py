"""Epoch labels as they stand in the log: which rows carry them, and who wrote them.

A label belongs to the training rows or to the rows of a validation: loggers number the two apart, and a validation
row's label speaks about the lap that it closes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from analyzer.clocks.epoch_clock import Labels
from analyzer.clocks.session_map import SessionMap
from analyzer.clocks.written_order import counts_its_own_axis
from analyzer.model import NO_STEP, Floats, Ints, Series, View
from analyzer.precision import half_width
from analyzer.roles import Roles
from analyzer.timeline import Timeline

VALIDATION_EPOCH = re.compile(r"^(?:val|valid|validation|eval|test)[/_]epoch(?:_idx|_num)?$", re.I)
TRAINING = re.compile(r"^train(?:ing)?[/_. -]", re.I)
FRACTION_BY_ANOTHER_NAME = re.compile(r"^(?:train[/_])?updates?$", re.I)
"""fairseq's ``update`` is the epoch plus the share of its batches that are done."""
MADE_OF_LABELS = ("step of the run", "place in the epoch")  # as readers name the columns that they derive
FAR = np.iinfo(np.int64).max // 4
EXACT = 4e-13
"""Relative rounding of a fraction computed in double precision and written in full."""
OF_EACH_LABEL = ("index", "step", "value", "half", "session")
FEWEST_ROUNDED = 8  # steps between labels, before a rounding is believed
MOST_DECIMALS = (1, 2, 3, 4)


def read_labels(timeline: Timeline) -> tuple[Labels, ...]:
    """Every account of epochs in the view, those of the training rows first."""
    found: list[Labels] = []
    for tag, series in timeline.view.series.items():
        if VALIDATION_EPOCH.match(tag):
            found += _labels(timeline.session_map, series, np.ones(len(series), dtype=bool))
    for series in timeline.roles.all("epoch"):
        if VALIDATION_EPOCH.match(series.tag) or counts_its_own_axis(series, timeline.roles.first("loss")):
            continue
        found += _by_kind(timeline, _labels(timeline.session_map, series, rows_of_validation(timeline, series)))
    for tag, series in timeline.view.series.items():
        if FRACTION_BY_ANOTHER_NAME.match(tag) and _counts_epochs(series):
            found += _labels(timeline.session_map, series, np.zeros(len(series), dtype=bool))
    return tuple(sorted(found, key=lambda one: (one.rows_of != "training", -len(one))))


def _by_kind(timeline: Timeline, found: list[Labels]) -> Iterator[Labels]:
    """Labels of validations apart from those of an epoch's mean, which another part of the loop writes."""
    for labels in found:
        means = np.zeros(len(labels), dtype=bool)
        if labels.rows_of == "validation":
            told = [*timeline.roles.all("validation_loss"), *validation_series(timeline.view)]
            near, of_mean = (_nearest(labels.series, one) for one in (told, _true_epoch_means(timeline.roles)))
            means = (of_mean < near)[labels.index]
        for chosen in (~means, means):
            if chosen.any():
                yield replace(labels, **{name: getattr(labels, name)[chosen] for name in OF_EACH_LABEL})


def validation_labels_elsewhere(timeline: Timeline) -> tuple[Labels, ...]:
    """Epochs of validations that only another account of the run tells."""
    found: list[Labels] = []
    for view in timeline.views:
        if view.name == timeline.view.name:
            continue
        for tag, series in view.series.items():
            if VALIDATION_EPOCH.match(tag):
                found += _labels(timeline.session_map, series, np.ones(len(series), dtype=bool))
    return tuple(found)


def _counts_epochs(series: Series) -> bool:
    """Whether a column named like a counter is a fractional epoch: fairseq's ``update`` is epoch + batch / batches."""
    value, step = series.value, series.step
    usable = np.isfinite(value) & (step != NO_STEP)
    if np.count_nonzero(usable) < 3:
        return False
    value, step = value[usable], step[usable]
    return bool(np.any(value != np.round(value)) and value.min() >= 0 and value.max() < 0.5 * max(1, int(step.max())))


def relabelled_steps(labels: Labels, before: int, after: int) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Steps that two sessions labelled differently: (positions before, positions after, steps logged twice)."""
    mine, theirs = np.flatnonzero(labels.session == before), np.flatnonzero(labels.session == after)
    steps, first, second = np.intersect1d(labels.step[mine], labels.step[theirs], return_indices=True)
    first, second = mine[first], theirs[second]
    differ = np.abs(labels.value[first] - labels.value[second]) > labels.half[first] + labels.half[second]
    return first[differ], second[differ], len(steps)


def made_of_labels(timeline: Timeline) -> bool:
    """Whether the step of the training rows was made of a label and a place: it falls where the label does."""
    axes = {timeline.run.sources[index].step_axis for index in timeline.view.sources}
    place = timeline.roles.first("epoch") is not None and bool(axes & {"batch", "place", "samples"})
    return place and timeline.step_axis.column in MADE_OF_LABELS


def rows_of_validation(timeline: Timeline, series: Series) -> NDArray[np.bool_]:
    """Which points of a series were written with a validation or an epoch's mean, not with a training row; shape (n,).

    A text row is shared; in an event file the records of one call are neighbours, and carry the same step. A row of a
    step that has its training row elsewhere, in a log whose training rows tell their labels, is another part's.
    """
    roles = timeline.roles
    of_validation = validation_series(timeline.view)  # the rate of a validation row among them
    of_training = [*roles.all("loss"), *roles.all("learning_rate"), *roles.all("grad_norm")]
    of_training = of_training or [one for tag, one in timeline.view.series.items() if TRAINING.match(tag)]
    training = _nearest(series, [one for one in of_training if one not in of_validation])
    other = _nearest(series, [*roles.all("validation_loss"), *of_validation, *_true_epoch_means(timeline.roles)])
    elsewhere = (training > 0) & (training < FAR) & bool(np.any(training == 0))
    return (other < training) | elsewhere


def validation_series(view: View) -> list[Series]:
    """Series that only a validation writes."""
    pattern = re.compile(r"^(?:val|valid|validation|eval|test)(?:uation)?[/_. -]", re.I)
    return [series for tag, series in view.series.items() if pattern.match(tag) and not VALIDATION_EPOCH.match(tag)]


def _true_epoch_means(roles: Roles) -> list[Series]:
    main = roles.all("loss")
    return [series for series in roles.all("epoch_loss") if series not in main]


def _nearest(series: Series, others: Sequence[Series]) -> NDArray[np.int64]:
    """Rows between each point of a series and the nearest point of others at the same step; FAR where there is none."""
    nearest = np.full(len(series), FAR, dtype=np.int64)
    for other in others:
        if not len(other):
            continue
        if (
            len(other) == len(series)
            and np.array_equal(other.row, series.row)
            and np.array_equal(other.step, series.step)
        ):
            return np.zeros(len(series), dtype=np.int64)  # columns of one table
        stride = int(max(series.row.max(), other.row.max())) + 1
        mine = series.source.astype(np.int64) * stride + series.row
        theirs = other.source.astype(np.int64) * stride + other.row
        ordered = bool(np.all(np.diff(theirs) >= 0))
        order = np.arange(len(theirs)) if ordered else np.argsort(theirs, kind="stable")
        after = np.searchsorted(theirs[order], mine)
        for side in (after - 1, after, after + 1):
            inside = (side >= 0) & (side < len(order))
            at = order[np.clip(side, 0, len(order) - 1)]
            same = inside & (other.step[at] == series.step) & (other.source[at] == series.source)
            nearest = np.where(same, np.minimum(nearest, np.abs(other.row[at] - series.row)), nearest)
    return nearest


def rounded_before(value: Floats) -> float:
    """Half a unit of the decimal that labels were rounded to before they became float32; 0 where none shows.

    The Trainer rounds its epoch to two decimals in some versions, and event files hold float32: the rounding is
    visible where every label is a number of few decimals and steps of one size come out unequal.
    """
    finite = value[np.isfinite(value)]
    steps = np.diff(finite)
    steps = steps[(steps > 0) & (steps < 0.5)]
    if len(steps) < FEWEST_ROUNDED or np.ptp(steps) < 1e-6 * np.abs(finite).max():
        return 0.0
    for decimals in MOST_DECIMALS:
        if np.array_equal(np.round(finite, decimals).astype(np.float32), finite.astype(np.float32)):
            return float(0.5 * 10.0**-decimals)
    return 0.0


def _steps_in_written_order(series: Series, validation: NDArray[np.bool_]) -> Ints:
    """Steps of all points; a validation row that was written without one stands at the row before it."""
    lacking = (series.step == NO_STEP) & validation
    if not lacking.any():
        return series.step
    before = np.maximum.accumulate(np.where(series.step != NO_STEP, np.arange(len(series)), -1))
    known = lacking & (before >= 0) & (series.source[before] == series.source)
    return np.where(known, series.step[before], series.step)


def _labels(session_map: SessionMap, series: Series, validation: NDArray[np.bool_]) -> list[Labels]:
    step = _steps_in_written_order(series, validation)
    usable = np.isfinite(series.value) & (step != NO_STEP)
    if not usable.any():
        return []
    whole = bool(np.all(series.value[usable] == np.round(series.value[usable])))
    half = np.zeros(len(series)) if whole else half_width(series) + EXACT * np.maximum(1.0, np.abs(series.value))
    if not whole and series.written_as == "float32":
        half = half + rounded_before(series.value)
    session = session_map.of(series)
    groups: tuple[tuple[Literal["training", "validation"], NDArray[np.bool_]], ...] = (
        ("training", usable & ~validation),
        ("validation", usable & validation),
    )
    if VALIDATION_EPOCH.match(series.tag):
        groups = (("validation", usable),)
    return [
        Labels(
            series=series,
            kind="integer" if whole else "fraction",
            rows_of=rows_of,
            index=(index := np.nonzero(chosen)[0]),
            step=step[index],
            value=series.value[index],
            half=half[index],
            session=session[index],
        )
        for rows_of, chosen in groups
        if chosen.any()
    ]
