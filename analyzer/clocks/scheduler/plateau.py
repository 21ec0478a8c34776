"""Schedules that watch a metric: the rate falls by a factor when the metric has not improved for long enough.

The metric stands in the same log, so the scheduler can be run again on it. One call belongs to each of the metric's
rows. "Better" does not depend on patience: a value below the best so far by the threshold (``best * (1 - 1e-4)`` in
torch, ``best - 1e-4`` in Keras). torch reduces on call ``patience + 1`` of those in a row that are no better, Keras on
call ``patience``; after a reduction ``cooldown`` calls are not counted (torch ``ReduceLROnPlateau.step``, Keras
``callbacks/reduce_lr_on_plateau.py``). Several numbers of calls may explain one log: they are told as a set.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from analyzer.clocks.claim import Claim, finite_number
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.scheduler_clock import SchedulerClock
from analyzer.model import NO_STEP, Ints, Series
from analyzer.precision import half_width
from analyzer.timeline import Timeline

Mask = NDArray[np.bool_]
LONGEST_PATIENCE = 120  # calls
MOST_CALLS = 4000  # a metric with more rows than this is one of batches
FEWEST_CALLS = 5
COOLDOWNS = (0, 1, 2, 3, 5)  # tried where none is declared
THRESHOLDS = ((0.0, 1e-4), (1e-4, 0.0), (0.0, 0.0))  # absolute and relative: torch, Keras, none
TOO_SMALL = 1e-8  # torch's eps: a smaller change of the rate is not made
SAME_FACTOR = 1e-3  # relative; printed rates have three digits at least
FEWEST_DROPS = 2  # below it nearly every patience explains a log


class Drops(Struct, frozen=True, kw_only=True, eq=False):
    """A rate that only falls, by one factor."""

    level: Ints  # drops so far at every row, shape (n,)
    factor: float
    ended: bool  # the last level cannot be left: the floor


class Replay(Struct, frozen=True, kw_only=True):
    """One metric, and the numbers of calls in a row without improvement that explain every drop."""

    tag: str
    calls: tuple[int, ...]
    cooldown: int
    sure: bool  # every comparison with the best so far is decided by the written digits


def read_drops(claim: Claim, rows: Observed) -> Drops | None:
    """The levels of a rate that only ever falls by one factor; None for any other."""
    change = np.diff(rows.rate)
    slack = rows.tolerance[1:] + rows.tolerance[:-1]
    if (change > slack).any():
        return None
    places = np.flatnonzero(change < -slack) + 1
    ratios = rows.rate[places] / rows.rate[places - 1]
    known = finite_number(claim.params.get("factor"))
    factor = known if known is not None and 0 < known < 1 else float(ratios.max()) if len(ratios) > 1 else 0.1
    times = np.maximum(np.round(np.log(np.maximum(ratios, 1e-300)) / np.log(factor)), 1.0)
    unsure = SAME_FACTOR + 2 * rows.tolerance[places] / np.maximum(rows.rate[places], 1e-300)
    partial = np.abs(ratios / factor**times - 1) > unsure
    if partial[:-1].any():
        return None
    level = np.zeros(len(rows), dtype=np.int64)
    level[places] = times.astype(np.int64)
    lowest = float(rows.rate[-1])
    floor = claim.min_lr is not None and abs(lowest - claim.min_lr) <= 2 * rows.tolerance[-1]
    stuck = lowest * (1 - factor) <= TOO_SMALL
    return Drops(level=np.cumsum(level), factor=factor, ended=bool(floor or stuck or partial[-1:].any()))


def replays(
    timeline: Timeline, claim: Claim, rows: Observed, drops: Drops, anew: tuple[int, ...] = ()
) -> Iterator[Replay]:
    """Metrics on which a plateau schedule gives these drops.

    Args:
        anew: steps at which the scheduler's own state starts again.
    """
    told = finite_number(claim.params.get("cooldown"))
    cooldowns = COOLDOWNS if told is None else tuple(dict.fromkeys((int(told), max(int(told) - 1, 0))))
    for series in metrics_of(timeline, rows):
        step = series.step
        begins = np.searchsorted(step, np.array(anew, dtype=np.int64))
        flags = [(improved(series, begins, *threshold)) for threshold in THRESHOLDS]
        for side in ("left", "right"):  # the rate is logged before the metric's call at the same step, or after it
            needed = _needed(np.searchsorted(step, rows.step, side=side), drops, len(step))
            if needed is None:
                continue
            for better, sure in flags:
                for cooldown in cooldowns:
                    possible = _possible(better, begins, needed)
                    fits = tuple(k for k in possible if _gives(better, begins, k, cooldown, needed, drops))
                    if fits:
                        yield Replay(tag=series.tag, calls=fits, cooldown=cooldown, sure=sure)


def metrics_of(timeline: Timeline, rows: Observed) -> tuple[Series, ...]:
    """Series that a plateau schedule may have watched: one row for each call, steps ascending, on the rate's axis."""
    found = (*timeline.roles.all("validation_loss"), *timeline.roles.all("epoch_loss"), *timeline.roles.all("loss"))
    return tuple(
        series
        for series in found
        if FEWEST_CALLS <= len(series) <= MOST_CALLS
        and (np.diff(series.step) > 0).all()
        and series.step[0] != NO_STEP
        and series.step[-1] <= rows.step[-1] + np.median(np.diff(series.step)) + 1
    )


def improved(series: Series, begins: Ints, absolute: float, relative: float) -> tuple[Mask, bool]:
    """Which calls are better than the best before, and whether the written digits decide every one of them."""
    better = np.zeros(len(series), dtype=bool)
    margin = np.full(len(series), np.inf)
    for low, high in zip((0, *begins.tolist()), (*begins.tolist(), len(series)), strict=True):
        value = np.where(np.isnan(series.value[low:high]), np.inf, series.value[low:high])
        if not len(value):
            continue
        bound = np.inf
        for place, now in enumerate(value.tolist()):
            if now < bound:
                better[low + place] = True
            margin[low + place] = abs(now - bound)
            if now < bound:
                bound = now - absolute - relative * abs(now)
    return better, bool((margin > 2 * half_width(series)).all())


def _needed(before: Ints, drops: Drops, count: int) -> Ints | None:
    """Drops due after each number of calls, shape (count + 1,), -1 where no row tells; None if rows disagree."""
    needed = np.full(count + 1, -1, dtype=np.int64)
    needed[before] = drops.level
    return needed if (needed[before] == drops.level).all() else None


def _possible(better: Mask, begins: Ints, needed: Ints) -> list[int]:
    """Patiences that make the first drop when it is due: as many calls without improvement as there were then."""
    call, start = np.arange(len(better)), np.isin(np.arange(len(better)), begins)
    bad = call - np.maximum.accumulate(np.where(better, call, np.where(start, call - 1, -1)))
    due = np.flatnonzero(needed > 0)
    if not len(due):
        return [k for k in range(1, min(LONGEST_PATIENCE, len(better)) + 1) if k > bad.max(initial=0)]
    last = int(np.flatnonzero(needed[: due[0]] == 0).max(initial=0))  # calls after which nothing had fallen
    return sorted({int(k) for k in bad[last : due[0]] if bad[:last].max(initial=0) < k <= LONGEST_PATIENCE})


def _gives(better: Mask, begins: Ints, calls: int, cooldown: int, needed: Ints, drops: Drops) -> bool:
    """Whether a scheduler that waits for so many calls makes the drops that are needed."""
    last = int(drops.level[-1])
    starts = set(begins.tolist())
    bad = resting = made = 0
    if needed[0] > 0:
        return False
    for call in range(len(better)):
        if call in starts:
            bad = resting = 0
        bad = 0 if better[call] else bad + 1
        if resting:
            resting, bad = resting - 1, 0
        if bad >= calls:
            made, bad, resting = made + 1, 0, cooldown
        due = needed[call + 1]
        if due >= 0 and (min(made, last) if drops.ended else made) != due:
            return False
    return True


def watching_a_metric(
    timeline: Timeline, claim: Claim, rows: Observed, sample: Observed, main: bool
) -> SchedulerClock | None:
    """A declared plateau schedule, run again on the metrics of the log."""
    if claim.family != "plateau" or not main or (np.diff(rows.step) <= 0).any():
        return None
    drops = read_drops(claim, rows)
    if drops is None:
        return None
    found = list(replays(timeline, claim, rows, drops))
    explained = 1.0 if found or not drops.level[-1] else 0.0
    calls = sorted({number_ for one in found for number_ in one.calls})
    parameters: dict[str, float | tuple[float, ...] | str] = {"gamma": drops.factor}
    if calls and drops.level[-1]:
        parameters["bad_calls"] = tuple(float(one) for one in calls)
        parameters["metric"] = found[0].tag
    return SchedulerClock(
        series=rows.series,
        family="plateau",
        peak_lr=float(rows.rate.max()),
        min_lr=float(rows.rate.min()),
        parameters=parameters,
        aliases=tuple(dict.fromkeys(f"watching {one.tag}" for one in found if one.tag != found[0].tag)),
        explained=explained,
        distinct_steps=rows.step,
    )


def also_on_a_metric(timeline: Timeline, claim: Claim, rows: Observed) -> tuple[str, ...]:
    """Plateau schedules that explain drops which nobody declared."""
    drops = read_drops(claim, rows) if (np.diff(rows.step) > 0).all() else None
    if drops is None or drops.level[-1] < FEWEST_DROPS:
        return ()
    found = replays(timeline, claim, rows, drops)
    told = (f"a plateau schedule after {one.calls[0]} evaluations without improvement of {one.tag}" for one in found)
    return tuple(dict.fromkeys(told))
