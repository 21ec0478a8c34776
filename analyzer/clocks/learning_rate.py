"""What was logged of one learning rate, made ready for the scheduler clock: rows, precision, sessions, axes.

A logger may write several rows at one step (one for each micro-batch): the update used the last of them. Every value
is an interval; its half width is what was written plus what frameworks lose in single precision.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from analyzer.clocks.epochs_of_milestones import with_epochs_of_milestones
from analyzer.clocks.rate_axes import axes_of, with_whole_epochs
from analyzer.distinct import distinct
from analyzer.model import NO_STEP, Floats, Ints, Series
from analyzer.precision import half_width
from analyzer.roles import role_of_tag
from analyzer.timeline import Timeline

# Half a printed unit plus these never gave a false alarm on framework logs: schedulers work in single precision,
# relative to the base rate, and chain their factors.
OF_BASE = 2e-7
OF_VALUE = 3e-7
NOTHING = 5e-7  # a column of zeros tells no digits; rates are seldom written with fewer than six decimals
FEW_LEVELS = 12  # distinct values, each held for some rows, that lie further apart than a smooth schedule's would
APART = 1.5  # their least ratio: neighbours in the last printed digit are nearer
LEVEL_PRECISION = 0.02  # relative
HIGHEST = 1e100  # no rate is; its square is still a number
LONG_GAP = 5  # usual distances between rows, over which the process may have been another's
OWN_COUNTS = ("sample", "token", "environment step", "episode")  # axes whose size in updates nobody may have declared
OTHER_LENGTHS = ("warmup_steps", "warmup_epochs", "warmup_ratio", "epochs", "steps_per_epoch", "scheduler_params")
SAMPLE_ROWS = 320  # rows on which hypotheses are tried before all rows are
FEWEST_MOVES = 5  # of a rate, all at one batch of the windows of an update


class Observed(Struct, frozen=True, kw_only=True, eq=False):
    """The rows of one learning-rate series, in written order, one for each step and session.

    ``axes`` gives, for every row, the places that a scheduler may count by (``analyzer.clocks.rate_axes``). Where a
    place is known to a count or so only, the tolerance holds what the rate moves meanwhile.
    """

    series: Series
    index: Ints  # into the series, shape (n,)
    step: Ints  # the log's own axis
    rate: Floats
    tolerance: Floats
    session: Ints
    joins: Mapping[int, int | None]  # session -> index of the join it began at, None: no join is known there
    axes: Mapping[str, Floats]
    counted: bool = True  # whether the axis "step" goes on with the updates: rows and log calls need not
    sized: bool = True  # and by how many updates is known

    def __len__(self) -> int:
        return len(self.index)

    def rows(self, chosen: NDArray[np.bool_] | Ints | slice) -> Observed:
        """Some of the rows."""
        return replace(
            self,
            index=self.index[chosen],
            step=self.step[chosen],
            rate=self.rate[chosen],
            tolerance=self.tolerance[chosen],
            session=self.session[chosen],
            axes={name: axis[chosen] for name, axis in self.axes.items()},
        )

    def sample(self, wanted: int = SAMPLE_ROWS) -> Observed:
        """A few hundred rows that show every turn: ends of sessions, extremes, and rows spread over the rest."""
        if len(self) <= wanted:
            return self
        count = len(self)
        ends = np.flatnonzero(np.diff(self.session, prepend=-1, append=-1))
        top, low = int(np.argmax(self.rate)), int(np.argmin(self.rate))
        near = np.concatenate([around + np.arange(-2, 3) for around in (top, low, 2, count - 3, *ends[:20])])
        chosen = np.concatenate([near, np.linspace(0, count - 1, wanted).astype(np.int64)])
        return self.rows(distinct(np.clip(chosen, 0, count - 1)))


def observe(timeline: Timeline, series: Series) -> Observed | None:
    """The rows of a series; None when fewer than two can be used."""
    usable = np.abs(series.value) < HIGHEST  # neither NaN nor infinity is
    step = series.step.copy()
    if (step == NO_STEP).all():
        step = np.arange(1, len(series) + 1, dtype=np.int64)
    usable &= step != NO_STEP
    laps = any(one.begins_again == "laps" for one in timeline.accounts if one.view is timeline.view)
    place = np.arange(1, len(series) + 1, dtype=np.int64) if laps else step  # batches of an epoch place no row in a run
    session, joins = _sessions(timeline, series, place)
    tolerance = half_width(series)
    index = np.flatnonzero(usable)
    if len(index) < 2:
        return None
    per_update = timeline.step_axis.per_update if timeline.step_axis.unit == "micro-batch" else None
    begins = _where_it_moves(step[index], series.value[index], tolerance[index], per_update) if per_update else None
    first = min(int(step[index].min()), 1) if begins is None else begins  # of a count from 0, or from 1
    update = np.floor((step[index] - first) / (per_update or 1.0)) + 1
    last_of_step = np.ones(len(index), dtype=bool)
    last_of_step[:-1] = (np.diff(update) != 0) | (np.diff(session[index]) != 0)
    index = index[last_of_step]
    if len(index) < 2:
        return None
    rate = series.value[index]
    if not rate.any() and timeline.run.sources[int(series.source[0])].format != "stdout":
        tolerance = np.minimum(tolerance, NOTHING)
    base = float(np.max(np.abs(rate)))
    kept = Observed(
        series=series,
        index=index,
        step=step[index],
        rate=rate,
        tolerance=tolerance[index] + OF_BASE * base + OF_VALUE * np.abs(rate),
        session=session[index],
        joins=joins,
        axes={},
    )
    kept = replace(kept, tolerance=_of_levels(kept))
    size = _updates_per_step(timeline, kept)
    counted = not laps and (size is not None or timeline.step_axis.unit not in ("row", "call", "place"))
    placed = axes_of(timeline, series, place[index], size or 1.0)
    if timeline.step_axis.unit == "place":
        placed = replace(placed, axes=with_whole_epochs(placed.axes, kept.rate, kept.tolerance))
    axes = with_epochs_of_milestones(timeline, placed.axes, kept.rate, kept.tolerance) if counted else placed.axes
    kept = replace(kept, axes=axes, counted=counted, sized=size is not None or "step" not in placed.axes)
    if begins is not None:
        return replace(kept, axes={**kept.axes, "step": update[last_of_step]})
    if not placed.unsure:
        return kept
    return replace(kept, tolerance=kept.tolerance + placed.unsure * _moved_per_count(kept, placed.of))


def _where_it_moves(step: Ints, rate: Floats, tolerance: Floats, window: float) -> int | None:
    """The batch of every window at which a rate moves: each row then shows the updates before it, exactly."""
    moved = np.abs(np.diff(rate)) > tolerance[1:]
    place = step[1:][moved] % window
    always = len(place) >= FEWEST_MOVES and np.ptp(place) == 0 and (np.diff(step)[moved] == 1).all()
    return int(place[0]) if always else None


def _moved_per_count(rows: Observed, axis: str) -> Floats:
    """How far the rate moves around every row while an axis moves on by 1: a place is an interval as a rate is."""
    moved, passed = np.abs(np.diff(rows.rate)), np.maximum(np.abs(np.diff(rows.axes[axis])), 1e-9)
    per_count = np.where(np.diff(rows.session) == 0, moved / passed, 0.0)
    return np.maximum(np.append(per_count, 0.0), np.insert(per_count, 0, 0.0))


def _of_levels(rows: Observed) -> Floats:
    """A few levels far apart (0.1, 0.01) are taken as written: what is rounded to one digit would have left more."""
    levels = distinct(rows.rate[rows.rate > 0])
    held = len(rows) / (1 + np.count_nonzero(np.diff(rows.rate)))
    few = 1 < len(levels) <= FEW_LEVELS and held >= 2 and bool((levels[1:] / levels[:-1] >= APART).all())
    if rows.series.written_as == "float32" or not few:
        return rows.tolerance
    as_written = np.minimum(rows.tolerance, LEVEL_PRECISION * np.abs(rows.rate) + 1e-12)
    return np.where(rows.rate == 0, rows.tolerance, as_written)  # a zero may be a level below the last decimal


def _updates_per_step(timeline: Timeline, rows: Observed) -> float | None:
    """Updates by which the log's step moves on with 1; None where that is not known."""
    axis = timeline.step_axis
    if axis.per_update is not None:
        return 1 / axis.per_update
    apart, every = np.diff(rows.step), timeline.declared.get("logging_steps")
    even = len(apart) > 0 and apart[0] > 0 and np.ptp(apart) == 0
    if axis.unit in ("sample", "token") and even and isinstance(every, int) and every >= 1:
        return every / float(apart[0])  # rows lie as many updates apart as is declared
    return 1.0 if axis.unit in OWN_COUNTS and _declared_in_its_unit(timeline, rows) else None


def _declared_in_its_unit(timeline: Timeline, rows: Observed) -> bool:
    """Whether the run ends right at the declared ``max_steps``, which then counts what the axis counts.

    Any other length that is declared may be one in updates.
    """
    declared = timeline.declared
    alone = not any(key in declared for key in OTHER_LENGTHS)
    return alone and declared.get("max_steps") == int(rows.step.max())


def _sessions(timeline: Timeline, series: Series, step: Ints) -> tuple[Ints, dict[int, int | None]]:
    """Session of every row, cut also where the step falls; and the join that each begins at, where it does."""
    known = timeline.session_map.of(series)
    starts = np.zeros(len(series), dtype=bool)
    if len(series) > 1:
        forward = np.diff(step)
        usual = float(np.median(forward))
        starts[1:] = (np.diff(known) != 0) | (forward < 0) | ((usual > 0) & (forward >= LONG_GAP * usual))
    own = np.cumsum(starts)
    at_join = {join.after: join.index for join in timeline.joins}
    begins = np.flatnonzero(np.diff(known) != 0) + 1
    return own, {int(own[row]): at_join.get(int(known[row])) for row in begins.tolist()}


def rates_of(timeline: Timeline) -> tuple[Series, ...]:
    """Learning-rate series of the view; of another account of the run where the view has none."""
    found = timeline.roles.all("learning_rate")
    if found:
        return found
    others = (
        series
        for view in timeline.run.views
        for tag, series in view.series.items()
        if role_of_tag(tag) == "learning_rate"
    )
    return tuple(sorted(others, key=len, reverse=True))[:1]
