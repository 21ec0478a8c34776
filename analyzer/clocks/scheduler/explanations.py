"""An explanation of one learning-rate series: its clock, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from msgspec import Struct

from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.schedule_fit import Fit, Rise, named
from analyzer.clocks.scheduler.tied import Tied
from analyzer.clocks.scheduler_clock import Deviation, SchedulerClock
from analyzer.clocks.schedules import Schedule, ending
from analyzer.model import Floats

ZERO_KNOWN_TO = 0.25  # steps; between two counts there is one
WHOLE_WITHIN = 0.05  # steps
SAME_RATE = 1e-6  # relative: in the seven digits of a float32
ENDED = 2  # rows further, at which a decay that has come to its end would be met


class Explanation(Struct, frozen=True, kw_only=True, eq=False):
    """What the rows mean at a price; nothing cheaper passes through them."""

    price: float
    clock: SchedulerClock


def clock_of(
    rows: Observed, tied: Tied, deviations: tuple[Deviation, ...] = (), *, explained: float = 1.0
) -> SchedulerClock:
    """A clock from a schedule on an axis."""
    schedule = tied.schedule
    if isinstance(schedule, Fit):
        return clock_of_fit(rows, schedule, deviations, axis=tied.axis, explained=explained)
    finite = math.isfinite(schedule.total)
    return SchedulerClock(
        series=rows.series,
        family=schedule.family,
        peak_lr=schedule.peak,
        min_lr=schedule.floor,
        warmup_steps=(schedule.warmup, schedule.warmup) if schedule.warmup > 0 else None,
        total_steps=(schedule.total, schedule.total) if finite else None,
        parameters=_parameters(schedule),
        rate=tied.rate,
        offset=int(tied.offset),
        unit=tied.unit,
        convention=f"warmup {schedule.warmup_form}, decay over {schedule.span}" if finite or schedule.warmup else "",
        aliases=tuple(filter(None, [other_rate(schedule, tied.rate)])),
        position=_spread(rows, tied.counter(rows.axes[tied.axis])),
        expected=_spread(rows, tied.on(rows)),
        explained=explained,
        deviations=deviations,
        distinct_steps=rows.step,
    )


def clock_of_fit(
    rows: Observed, fit: Fit, deviations: tuple[Deviation, ...] = (), *, axis: str = "step", explained: float = 1.0
) -> SchedulerClock:
    """A clock from a schedule that was read off the log."""
    rise, x = fit.rise, rows.axes[axis]
    family, parameters = named(fit)
    unsure = end_known_to(rows, fit, x)
    late, early = counting_from(rise, x)
    return SchedulerClock(
        series=rows.series,
        family=family,
        peak_lr=fit.peak,
        min_lr=fit.floor if math.isfinite(fit.end) or stands_on(rows, fit.floor) else 0.0,
        warmup_steps=(whole(rise.end - late), whole(rise.end - early)) if rise is not None else None,
        total_steps=(whole(fit.end - unsure - late), whole(fit.end + unsure - early))
        if math.isfinite(fit.end)
        else None,
        parameters=parameters,
        aliases=tuple(_other_fits(rows, fit, x)),
        unit="epoch" if axis == "epoch" else "step",
        position=_spread(rows, x),
        expected=_spread(rows, fit(x)),
        explained=explained,
        deviations=deviations,
        distinct_steps=rows.step,
    )


def stands_on(rows: Observed, floor: float) -> bool:
    """Whether two rows hold a floor: the last row of a decay without an end is only the lowest so far."""
    return int((rows.rate <= floor * (1 + SAME_RATE)).sum()) > 1


def other_rate(schedule: Schedule | Fit, rate: float) -> str | None:
    """k steps per update over T are one step per update over T / k, where no warmup shows the length as well."""
    if rate == 1.0 or not isinstance(schedule, Schedule) or schedule.warmup > 0 or schedule.family not in ending():
        return None
    if not math.isfinite(schedule.total):
        return None
    return f"stepped once per update, built for {schedule.total / rate:.6g} steps"


def _other_fits(rows: Observed, fit: Fit, x: Floats) -> Iterator[str]:
    """A straight fall that the log does not follow to its end: to zero later, or to a floor at the last row."""
    if fit.family == "linear" and math.isfinite(fit.end) and x[-1] + ENDED * (x[-1] - x[-2]) < fit.end:
        yield f"linear to a floor of {rows.rate[-1]:.4g} at {x[-1]:.6g}"


def _parameters(schedule: Schedule) -> dict[str, float | tuple[float, ...]]:
    blank = Schedule(family=schedule.family, peak=schedule.peak)
    names = ("power", "cycles", "cycle_mult", "gamma", "step_size", "milestones", "timescale", "decay_steps")
    return {name: getattr(schedule, name) for name in names if getattr(schedule, name) != getattr(blank, name)}


def _spread(rows: Observed, values: Floats) -> Floats:
    """Values of the rows, put where the series has its points; NaN elsewhere."""
    out = np.full(len(rows.series), np.nan)
    out[rows.index] = values
    return out


def whole(steps: float) -> float:
    """A length that was read off rounded rates: the whole number that it means, else as it is."""
    return float(round(steps)) if abs(steps - round(steps)) <= WHOLE_WITHIN else steps


def counting_from(rise: Rise | None, x: Floats) -> tuple[float, float]:
    """Latest and earliest place on the axis at which the scheduler's counter may have been 0.

    A warmup line tells: it leaves zero there. Otherwise a log whose first row is 1 either counts updates from 1 or
    logs the next update's rate.
    """
    if rise is not None and rise.form == "line" and min(abs(rise.zero), abs(rise.zero - 1)) < ZERO_KNOWN_TO:
        return round(rise.zero), round(rise.zero)
    return (1.0, 0.0) if x[0] == 1 else (0.0, 0.0)


def end_known_to(rows: Observed, fit: Fit, x: Floats) -> float:
    """Steps by which the end of a linear or cosine decay may be off; below half a step it is a whole number: 0."""
    off = end_unsure_by(rows, fit, x)
    return 0.0 if off < 0.5 else off


def end_unsure_by(rows: Observed, fit: Fit, x: Floats) -> float:
    """Steps by which the end of a linear or cosine decay may be off: as good as the best row."""
    if fit.family not in ("linear", "cosine") or not math.isfinite(fit.end) or not math.isfinite(fit.start):
        return 0.0
    width = max(fit.end - fit.start, 1e-9)
    done = (x - fit.start) / width
    falling = (done > 0) & (done < 1)
    if not falling.any():
        return 0.0
    done, height = done[falling], fit.peak - fit.floor
    slant = 0.5 * np.pi * np.sin(np.pi * done) if fit.family == "cosine" else np.ones_like(done)
    per_step = height * slant * done / width  # change of the rate at a row, for one step that the end is later
    return float(np.min(rows.tolerance[falling] / np.maximum(per_step, 1e-300)))
