"""The events that a scheduler may count, as axes of one learning-rate series: updates, micro-batches, epochs.

A log counts one thing and the scheduler another. Every way to read one from the other is an axis of its own, with a
place for every row; which one the scheduler ran on is for the rates to say.

========================  =========================================================================================
counts updates            ``step`` (in the log's own counting: the offset between the two is a convention);
                          ``epoch end``, ``epoch start`` (of a row's epoch, in a log of epochs); ``window``,
                          ``window, dropped`` (in a log of micro-batches or samples, with each epoch's last window as
                          one update or none)
counts epochs             ``epoch`` (labels), ``lap`` (steps counted), ``lap of U`` (the same, where only the plan says
                          how many), ``epoch row`` (rows of a log whose labels leave one out)
part of an epoch          ``share``, ``share, next``: a schedule in epochs that moves with every update
counts micro-batches      ``micro-batch``, ``micro-batch, next``
========================  =========================================================================================
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from msgspec import Struct

from analyzer.clocks.cadence import is_rounded_share
from analyzer.distinct import distinct
from analyzer.model import NO_STEP, Floats, Ints, Series
from analyzer.timeline import Timeline

UPDATES = ("step", "epoch end", "epoch start", "window")
EPOCHS = ("epoch", "lap", "epoch row")
PARTS = ("share",)
MICRO = ("micro-batch",)
INSIDE_A_WINDOW = 1.0  # updates: a row of a micro-batch shows the rate before or after the update of its window
MOST_PLANNED = 4  # readings of the plan that are tried where the log shows no epoch
FEWEST_OF_AN_EPOCH, FEWEST_ENDS = 8, 2  # rows; ends of epochs that have to tell the same
MOST_OF_THEM = 0.6  # of the ends: a warmup that ends there, or a break, tells another number
SHARES_OF = (100, 1000, 10_000)  # an epoch's share times these, rounded, is an axis (MAE's and its relatives' events)


class Placed(Struct, frozen=True, kw_only=True, eq=False):
    """Axes by name, shape (n,) each, and how far their places may lie off, in counts of the axis ``of``."""

    axes: dict[str, Floats]
    unsure: float = 0.0
    of: str = "step"


def counts(axis: str) -> str:
    """What an axis counts: "step", "epoch", "share" or "micro-batch"."""
    named = (("step", UPDATES), ("epoch", EPOCHS), ("share", PARTS), ("micro-batch", MICRO))
    exact = next((unit for unit, names in named if axis in names), None)
    return exact or next(unit for unit, names in named if axis.startswith(names))


def axes_of(timeline: Timeline, series: Series, step: Ints, per_step: float) -> Placed:
    """All axes of the rows of a series.

    Args:
        step: on the log's own axis, shape (n,).
        per_step: updates by which that axis moves on with 1, as far as known.
    """
    axis = timeline.step_axis
    at = step.astype(np.float64)
    if (
        axis.unit == "epoch"
        or timeline.run.sources[int(series.source[0])].step_axis == "epoch"
        or series.tag.startswith("epoch_")
        or _logged_by_epoch(timeline, step)
    ):
        return Placed(axes=_of_epochs(timeline, at))
    rounded = _rounded_share(timeline, step)
    if rounded is not None:
        return Placed(axes={"share": (at + 0.5) / rounded}, unsure=0.5 / rounded, of="share")
    axes = {"step": at * per_step}
    labels = timeline.roles.first("epoch")
    by_label = _labels_at(labels, step) if labels is not None else None
    by_count = _laps_counted(timeline, step)
    first = by_label if by_label is not None else by_count
    if first is not None:
        axes["epoch"] = first - (clock.base if (clock := timeline.epoch) is not None and by_label is not None else 0)
    else:
        axes |= _planned_laps(timeline, step) or _epochs_of_any_size(timeline, at)
    if by_label is not None and by_count is not None and (axes["epoch"] != by_count).any():
        axes["lap"] = by_count
    axes |= _shares(timeline, step)
    if axis.unit == "micro-batch" and axis.per_update:
        base = min(float(at.min()), 1.0)
        done = at - base + 1
        axes |= {"micro-batch": at, "step": np.ceil(done / axis.per_update - 1e-9)}
        return Placed(
            axes=axes | _windows(steps_per_epoch(timeline), done, axis.per_update, base),
            unsure=INSIDE_A_WINDOW,
        )
    if axis.unit == "sample" and axis.per_update:
        return Placed(axes=axes | _windows(_samples_per_epoch(timeline), at, axis.per_update, 1.0))
    return Placed(axes=axes | _micro_batches(timeline, axes["step"]))


def with_whole_epochs(axes: dict[str, Floats], rate: Floats, tolerance: Floats) -> dict[str, Floats]:
    """Steps made of places, with the rows behind each epoch's last printed place that the rates tell.

    Where every tenth place is printed an epoch may be nine longer than its last one; a rate that moves smoothly moves
    over its end by as much more as there are steps.
    """
    x, epoch = axes.get("step"), axes.get("epoch")
    if x is None or epoch is None or len(x) < FEWEST_OF_AN_EPOCH:
        return axes
    passed, moved, laps = np.diff(x), np.diff(rate), np.diff(epoch)
    inside = (laps[:-2] == 0) & (laps[2:] == 0) & (laps[1:-1] == 1) & (passed[:-2] > 0) & (passed[2:] > 0)
    at = np.flatnonzero(inside) + 1
    if len(at) < FEWEST_ENDS:
        return axes
    pace = 0.5 * (moved[at - 1] / passed[at - 1] + moved[at + 1] / passed[at + 1])
    known_to = 4 * tolerance[at] / np.maximum(np.abs(pace), 1e-300)  # four rounded rates
    with np.errstate(all="ignore"):
        more = moved[at] / pace - passed[at]
    cadence = float(np.median(passed))
    good = np.isfinite(more) & (known_to < cadence)
    if np.count_nonzero(good) < FEWEST_ENDS:
        return axes
    further = float(np.round(np.median(more[good])))
    together = np.abs(more[good] - further) <= known_to[good] + 0.5
    if not 0 < further < cadence or np.mean(together) < MOST_OF_THEM:
        return axes
    return {**axes, "step": x + further * (epoch - epoch[0])}


def _of_epochs(timeline: Timeline, epoch: Floats) -> dict[str, Floats]:
    axes = {"epoch": epoch}
    if len(epoch) > 2 and (np.diff(epoch) > 0).all() and np.ptp(np.diff(epoch)) > 0:
        axes["epoch row"] = np.arange(len(epoch), dtype=np.float64)  # labels that leave one out
    planned = {reading.steps_per_epoch for reading in timeline.plan.readings if reading.steps_per_epoch}
    if not planned:
        planned = _steps_beside(timeline, epoch)
    if len(planned) == 1:
        per_epoch, base = float(planned.pop()), min(float(epoch.min()), 1.0)
        axes["epoch end"] = (epoch - base + 1) * per_epoch
        axes["epoch start"] = (epoch - base) * per_epoch
    return axes


def _steps_beside(timeline: Timeline, epoch: Floats) -> set[Fraction]:
    """Updates of an epoch where the loss was logged at every one of them, and whole epochs of them at that."""
    loss, laps = timeline.roles.first("loss"), len(distinct(epoch))
    if loss is None or timeline.step_axis.unit != "update" or timeline.step_axis.cadence != 1 or not laps:
        return set()
    each, over = divmod(len(distinct(loss.step)), laps)
    return {Fraction(each)} if each > 1 and over == 0 else set()


def _epochs_of_any_size(timeline: Timeline, at: Floats) -> dict[str, Floats]:
    """Steps as epochs, where the schedule is declared in as many of them and nothing tells how many steps one has."""
    plan, params = timeline.plan, timeline.declared.get("scheduler_params")
    known = timeline.roles.first("epoch") is not None or any(reading.steps_per_epoch for reading in plan.readings)
    end = plan.epochs or (params.get("T_max") if isinstance(params, dict) else None)
    within = isinstance(end, int | float) and at.max() <= end + 1
    return {"epoch": at} if within and not known and timeline.declared.get("scheduler_interval") == "epoch" else {}


def _rounded_share(timeline: Timeline, step: Ints) -> int | None:
    """By what an epoch's share was multiplied before it was rounded to the axis; the declared epochs tell."""
    epochs = timeline.declared.get("epochs")
    if timeline.step_axis.unit != "unknown" or not isinstance(epochs, int | float) or not is_rounded_share(step):
        return None
    return next((size for size in SHARES_OF if epochs - 1 < step.max() / size <= epochs), None)


def steps_per_epoch(timeline: Timeline) -> float | None:
    """Steps of the log's axis in one epoch: observed where the log shows it, else as planned."""
    clock = timeline.epoch
    if clock is not None and clock.exact:
        return float(clock.low)
    planned = {reading.steps_per_epoch for reading in timeline.plan.readings if reading.steps_per_epoch}
    if clock is not None:
        inside = {value for value in planned if clock.admits(value)}
        if len(inside) == 1:
            return float(inside.pop())
    return float(planned.pop()) if len(planned) == 1 else None


def _origin(timeline: Timeline, step: Ints) -> int:
    """Step of the first row of the first epoch, as far as it is known."""
    clock, base = timeline.epoch, timeline.step_axis.base
    if clock is not None and clock.origin is not None and clock.source != "fractions":
        return clock.origin
    return min(int(step.min()), 1) if base is None else base


def _samples_per_epoch(timeline: Timeline) -> float | None:
    """Samples of one epoch: as the log shows them, else as many as the dataset is declared to have."""
    clock, size = timeline.epoch, timeline.plan.dataset_size
    return float(clock.low) if clock is not None and clock.exact else float(size) if size else None


def _windows(per_epoch: float | None, done: Floats, window: float, base: float) -> dict[str, Floats]:
    """Updates in a log of micro-batches or samples, where windows end with the epoch; else they run on over its end.

    Args:
        per_epoch: micro-batches or samples of one epoch.
        done: how many of them are done with each row, shape (n,).
        window: how many of them one update takes.
    """
    if per_epoch is None or per_epoch % window == 0:
        return {}
    lap = np.floor((done - 1) / per_epoch + 1e-9)
    inside = np.ceil((done - lap * per_epoch) / window - 1e-9)
    return {
        name: lap * updates + np.minimum(inside, updates) + base - 1
        for name, updates in (
            ("window", np.ceil(per_epoch / window)),
            ("window, dropped", np.floor(per_epoch / window)),
        )
    }


def _micro_batches(timeline: Timeline, step: Floats) -> dict[str, Floats]:
    """Micro-batches behind every update, before it and after it: the last window of an epoch may be short."""
    per_epoch, axis = steps_per_epoch(timeline), timeline.step_axis
    of_plan = {(r.batches_per_epoch, r.accumulation) for r in timeline.plan.readings if r.accumulation > 1}
    if per_epoch is None or len(of_plan) != 1 or axis.unit != "update":
        return {}
    batches, window = next(iter(of_plan))
    if not batches or batches <= window:
        return {}
    done = step - (min(float(step.min()), 1.0) if axis.base is None else axis.base)
    found = {}
    for name, updates in (("micro-batch", done), ("micro-batch, next", done + 1)):
        lap = np.floor(updates / per_epoch + 1e-9)
        found[name] = lap * batches + np.minimum((updates - lap * per_epoch) * window, batches)
    return found


def _logged_by_epoch(timeline: Timeline, step: Ints) -> bool:
    """One row per epoch, numbered like the epochs, while the loss counts far further: an axis of its own."""
    loss, labels = timeline.roles.first("loss"), timeline.roles.first("epoch")
    if loss is None or labels is None or not len(loss) or not np.isfinite(labels.value).any():
        return False
    laps = float(np.nanmax(labels.value) - np.nanmin(labels.value))
    span = float(step.max() - step.min())
    one_by_one = bool((np.diff(step) == 1).all())
    return one_by_one and abs(span - laps) <= 1 and float(loss.step.max()) >= 2 * (float(step.max()) + 1)


def _laps_counted(timeline: Timeline, step: Ints) -> Floats | None:
    """Epoch of every row, from 0, by counting steps; whatever the labels say."""
    per_epoch = steps_per_epoch(timeline)
    return None if per_epoch is None else np.floor((step - _origin(timeline, step)) / per_epoch + 1e-9)


def _planned_laps(timeline: Timeline, step: Ints) -> dict[str, Floats]:
    """The same for every length of an epoch that the plan admits."""
    if timeline.step_axis.unit != "update":
        return {}
    planned = {float(reading.steps_per_epoch) for reading in timeline.plan.readings if reading.steps_per_epoch}
    origin = _origin(timeline, step)
    return {f"lap of {U:g}": np.floor((step - origin) / U + 1e-9) for U in sorted(planned)[:MOST_PLANNED]}


def _shares(timeline: Timeline, step: Ints) -> dict[str, Floats]:
    """Epochs with their fraction, before and behind every update."""
    per_epoch = steps_per_epoch(timeline)
    if per_epoch is None:
        return {}
    begun = (step - _origin(timeline, step)) / per_epoch
    return {"share": begun, "share, next": begun + 1 / per_epoch}


def _labels_at(labels: Series, at: Ints) -> Floats | None:
    """Epoch of every row, from 0 or 1, by the labels that were written at the same steps."""
    finite = np.isfinite(labels.value) & (labels.step != NO_STEP)
    if finite.sum() < 2:
        return None
    value, step = labels.value[finite], labels.step[finite]
    if not np.all(value == np.round(value)):
        # A fraction is written when the update is done: 1.0 belongs to the last update of the first epoch. Writers
        # that count before the update start at 0.0 exactly.
        value = np.floor(value + 1e-9) if value.min() == 0 else np.ceil(value - 1e-6) - 1
    order = np.lexsort((np.arange(len(step)), step))
    step, value = step[order], value[order]
    place = np.maximum(np.searchsorted(step, at, side="right") - 1, 0)
    if not (step[place] == at).all() or (np.diff(at) < 0).any():
        return None
    return value[place]
