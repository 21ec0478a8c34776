"""A schedule tied to an axis of the log: hypotheses from a declaration, and which rows they pass through."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from analyzer.clocks.declared_schedule import Claim
from analyzer.clocks.declared_shapes import ENDS, Extras, candidates
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.schedule_fit import Fit, Rise, identify, line_through, named
from analyzer.clocks.scheduler import Deviation, SchedulerClock
from analyzer.clocks.scheduler.aliases import other_fits, other_rate
from analyzer.clocks.schedules import Schedule
from analyzer.distinct import distinct
from analyzer.model import Floats, Row

if TYPE_CHECKING:
    from analyzer.timeline import Timeline

Search = Callable[["Timeline", Claim, Observed, Observed, bool], SchedulerClock | None]
OFFSETS = (0, -1, 1)  # rate used or next, steps counted from 0 or 1
NEVER = 1e12  # an end beyond any log
LATE = -2  # steps counted from 1, and a scheduler that lags one update: DeepSpeed's warmup schedules
ZERO_KNOWN_TO = 0.25  # steps; between two counts there is one
WHOLE_WITHIN = 0.05  # steps
FEWEST_FOLLOWED = 3  # rows in a row, before which a reference is taken by how plain it is
ESTIMATED = 1.5  # half widths, where a factor or the warmup's start was itself read off the log


class Known(Struct, frozen=True, kw_only=True, eq=False):
    """A schedule tied to an axis of the log: what it gives at every row."""

    schedule: Schedule
    axis: str
    unit: str
    rate: float = 1.0
    offset: float = 0.0
    stepped: bool = False  # the counter moves in whole numbers although rate is a fraction
    scale: float = 1.0

    def at(self, x: Floats) -> Floats:
        p = self.rate * (x + self.offset)
        if self.stepped:
            p = np.floor(p + 1e-9)
        return self.scale * self.schedule(p)

    def on(self, rows: Observed) -> Floats:
        return self.at(rows.axes[self.axis])


def axes_for(unit: str, rows: Observed) -> list[str]:
    """Axes of the log that a schedule with this unit may run on."""
    wanted = ("step", "epoch end", "epoch start") if unit == "step" else ("epoch", "lap")
    return [axis for axis in wanted if axis in rows.axes]


def extras_of(rows: Observed, totals: tuple[float, ...] = ()) -> Extras:
    """What only the log can tell a declaration."""
    axis = rows.axes.get("step", next(iter(rows.axes.values())))
    starts: tuple[float, ...] = ()
    top = int(np.argmax(rows.rate))
    if top >= 2:
        line = line_through(axis[:top], rows.rate[:top], rows.tolerance[:top])
        if line is not None and line[0] > 0:
            starts = tuple(line[1] - line[0] * offset for offset in OFFSETS)
    low = top + int(np.argmin(rows.rate[top:]))
    lowest = float(rows.rate[low])
    chosen = float(f"{lowest:.1e}")
    held = (
        len(rows) > 3
        and abs(rows.rate[-1] - lowest) <= rows.tolerance[low]
        and abs(rows.rate[-3] - lowest) <= rows.tolerance[low]
    )
    return Extras(
        lowest=lowest,
        lowest_is_floor=held or abs(lowest - chosen) <= rows.tolerance[low],
        warmup_starts=starts,
        furthest=float(max(a.max() for a in rows.axes.values())),
        totals=totals,
    )


def hypotheses(
    claim: Claim, rows: Observed, peak: float, extras: Extras, offsets: tuple[float, ...] = OFFSETS
) -> Iterator[Known]:
    """Every declared schedule on every axis that its unit allows."""
    known_phase = counted_laps(rows)
    for candidate in candidates(claim, peak, extras):
        for axis in axes_for(candidate.unit, rows):
            wide = axis == "step" or (axis == "epoch" and rows.axes[axis][0] >= 1)
            for offset in (0,) if axis in known_phase else (*offsets, LATE) if wide else offsets:
                yield Known(schedule=candidate.schedule, axis=axis, unit=candidate.unit, offset=offset)


def counted_laps(rows: Observed) -> tuple[str, ...]:
    """Epoch axes with several rows per epoch: there the first of them tells the epoch's rate, and no phase is open."""
    axes = [axis for axis in ("epoch", "lap") if axis in rows.axes and "step" in rows.axes]
    return tuple(axis for axis in axes if len(rows) >= 2 * len(distinct(rows.axes[axis])))


def peaks_of(claim: Claim, rows: Observed, main: bool) -> list[float]:
    top = float(rows.rate.max())
    if top <= 0:
        return (stated(claim.base_lr) and [claim.base_lr or 0.0]) or [1.0]
    if claim.base_lr is None:
        return [top]
    return [claim.base_lr] if main and abs(top - claim.base_lr) < 1e-9 * top else [claim.base_lr, top]


def as_declared(claim: Claim, sample: Observed, rows: Observed, *, main: bool) -> Known | None:
    """The first declared schedule that passes through every row."""
    if claim.family is None or claim.family == "plateau":
        return None
    totals = own_totals(claim, sample)
    extras = extras_of(sample, totals)
    few = sample.rows(distinct(np.linspace(0, len(sample) - 1, 12).astype(np.int64)))
    strict = main and claim.base_lr is not None
    for guess in (extras, replace(extras, usual_floors=True)):
        for peak in peaks_of(claim, rows, main):
            for known in hypotheses(claim, sample, peak, guess):
                if strict and not matches(known, few).all():
                    continue
                fitted = scaled(known, sample, allowed=not strict)
                if fitted is not None and matches(fitted, rows).all():
                    return fitted
        if claim.min_lr is not None or claim.family not in ENDS:
            break
    return None


def scaled(known: Known, rows: Observed, *, allowed: bool) -> Known | None:
    """The schedule if it passes through the rows; with a factor of its own for further parameter groups."""
    value = known.on(rows)
    if matches(known, rows).all():
        return known
    if not allowed:
        return None
    top = int(np.argmax(value))
    if value[top] <= 0:
        return None
    factor = float(rows.rate[top] / value[top])
    slack = rows.tolerance + rows.tolerance[top] * value / value[top]
    return replace(known, scale=factor) if (np.abs(factor * value - rows.rate) <= slack).all() else None


def matches(known: Known, rows: Observed) -> np.ndarray:
    """Which rows the schedule passes through."""
    estimated = known.scale != 1.0 or (isinstance(known.schedule, Schedule) and known.schedule.warmup_start > 0)
    slack = ESTIMATED * rows.tolerance if estimated else rows.tolerance
    result: np.ndarray = np.abs(known.on(rows) - rows.rate) <= slack
    return result


def own_totals(claim: Claim, rows: Observed) -> tuple[float, ...]:
    """Ends read off the log, for a schedule whose length nobody declares."""
    if claim.totals or claim.family not in ("linear", "cosine", "polynomial", "one-cycle", "wsd", "restarts"):
        return ()
    axis = rows.axes.get("step")
    if axis is None:
        return ()
    falls = ("linear", "cosine", "1-sqrt") if claim.family == "wsd" else (claim.family,)
    fit = identify(
        axis, rows.rate, rows.tolerance, families=falls, peaks=stated(claim.base_lr), floors=stated(claim.min_lr)
    )
    found = [] if fit is None or not math.isfinite(fit.end) else [float(round(fit.end)) + k for k in (0, -1, 1)]
    if claim.family == "wsd":
        found.append(NEVER)
    return (*found, float(axis[-1]), float(axis[-1]) + 1)


def stated(*values: float | None) -> tuple[float, ...]:
    return tuple(value for value in values if value is not None)


def clock_of(
    rows: Observed, known: Known, *, deviations: tuple[Deviation, ...] = (), explained: float = 1.0
) -> SchedulerClock:
    """A clock from a schedule on an axis."""
    schedule = known.schedule
    finite = math.isfinite(schedule.total)
    return SchedulerClock(
        series=rows.series,
        family=schedule.family,
        peak_lr=schedule.peak * known.scale,
        min_lr=schedule.floor * known.scale,
        warmup_steps=(schedule.warmup, schedule.warmup) if schedule.warmup > 0 else None,
        total_steps=(schedule.total, schedule.total) if finite else None,
        parameters=_parameters(schedule),
        rate=known.rate,
        offset=int(known.offset),
        unit=known.unit,
        convention=f"warmup {schedule.warmup_form}, decay over {schedule.span}" if finite or schedule.warmup else "",
        aliases=tuple(filter(None, [other_rate(schedule, known.rate)])),
        position=_spread(rows, known.rate * (rows.axes[known.axis] + known.offset)),
        expected=_spread(rows, known.on(rows)),
        explained=explained,
        deviations=deviations,
        distinct_steps=rows.step,
    )


def _parameters(schedule: Schedule) -> dict[str, float | tuple[float, ...]]:
    blank = Schedule(family=schedule.family, peak=schedule.peak)
    names = ("power", "cycles", "cycle_mult", "gamma", "step_size", "milestones", "timescale", "decay_steps")
    return {name: getattr(schedule, name) for name in names if getattr(schedule, name) != getattr(blank, name)}


def _spread(rows: Observed, values: Floats) -> Floats:
    """Values of the rows, put where the series has its points; NaN elsewhere."""
    out = np.full(len(rows.series), np.nan)
    out[rows.index] = values
    return out


def row_of(timeline: Timeline, rows: Observed, place: int, why: str) -> Row:
    return timeline.row(rows.series, int(rows.index[place]), why)


def clock_of_fit(
    rows: Observed, fit: Fit, *, deviations: tuple[Deviation, ...] = (), axis: str = "step"
) -> SchedulerClock:
    """A clock from a schedule that was read off the log."""
    rise = fit.rise
    x = rows.axes[axis]
    family, parameters = named(fit)
    unsure = end_known_to(rows, fit, x)
    late, early = counting_from(rise, x)
    return SchedulerClock(
        series=rows.series,
        family=family,
        peak_lr=fit.peak,
        min_lr=fit.floor,
        warmup_steps=(whole(rise.end - late), whole(rise.end - early)) if rise is not None else None,
        total_steps=(whole(fit.end - unsure - late), whole(fit.end + unsure - early))
        if math.isfinite(fit.end)
        else None,
        parameters=parameters,
        aliases=tuple(other_fits(rows, fit, x)),
        unit="epoch" if axis == "epoch" else "step",
        position=_spread(rows, x),
        expected=_spread(rows, fit(x)),
        explained=1.0,
        deviations=deviations,
        distinct_steps=rows.step,
    )


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


def best_reference(claim: Claim, sample: Observed, main: bool) -> Known | None:
    """The declared schedule that follows the log longest: the one to compare with."""
    return next(iter(best_references(claim, sample, main, wanted=1)), None)


def best_references(claim: Claim, sample: Observed, main: bool, *, wanted: int) -> list[Known]:
    """The declared schedules that follow the log longest, the best first."""
    scored: list[tuple[int, int, int, Known]] = []
    peak, extras = peaks_of(claim, sample, main)[0], extras_of(sample, own_totals(claim, sample))
    guesses = [extras]
    if claim.min_lr is None and claim.family in ENDS:
        guesses.append(replace(extras, usual_floors=True))
    for number, known in enumerate(known for guess in guesses for known in hypotheses(claim, sample, peak, guess)):
        good = matches(known, sample)
        prefix = int(np.argmin(good)) if not good.all() else len(good)
        if prefix < FEWEST_FOLLOWED and known.axis != axes_for(known.unit, sample)[0]:
            continue
        if good.any() or number == 0:
            scored.append((-prefix, -int(good.sum()) if prefix >= FEWEST_FOLLOWED else 0, number, known))
    if wanted == 1:
        return [known for *_, known in heapq.nsmallest(1, scored, key=lambda one: one[:3])]
    by_form: dict[str, Known] = {}
    by_span: dict[tuple[str, bool], Known] = {}  # all the same to a log that leaves the schedule during the warmup
    for *_, known in sorted(scored, key=lambda one: (one[0], one[2])):  # of equals the commonest convention
        by_form.setdefault(known.schedule.warmup_form, known)
        by_span.setdefault((known.schedule.span, known.schedule.floor > 0), known)
    best = [known for *_, known in heapq.nsmallest(wanted, scored, key=lambda one: one[:3])]
    in_turn = (*best[:2], *by_form.values(), *by_span.values(), *best[2:])
    return list({id(known): known for known in in_turn}.values())[:wanted]


def evidence_against(
    timeline: Timeline, rows: Observed, known: Known | None, count: int = 3
) -> tuple[int, tuple[Row, ...]]:
    """First row that leaves a schedule, and a few rows with what they should be."""
    if known is None:
        return 0, (row_of(timeline, rows, 0, "first row"),)
    value = known.on(rows)
    wrong = np.flatnonzero(~matches(known, rows))
    if not len(wrong):
        return 0, ()
    far = int(wrong[int(np.argmax(np.abs(value[wrong] - rows.rate[wrong])))])
    places = list(dict.fromkeys([int(wrong[0]), far, int(wrong[-1])]))[:count]
    return int(wrong[0]), tuple(row_of(timeline, rows, place, f"should be {value[place]:.6g}") for place in places)


def distinct_inner_values(rows: Observed) -> int:
    """Distinct rates that are neither the highest nor the lowest."""
    values = distinct(rows.rate)
    if len(values) < 3:
        return 0
    slack = float(rows.tolerance.max())
    inner = values[(values > values[0] + slack) & (values < values[-1] - slack)]
    return int(1 + np.count_nonzero(np.diff(inner) > slack)) if len(inner) else 0


def session_spans(rows: Observed) -> list[tuple[int, int]]:
    """First and last row (exclusive) of every session."""
    starts = np.flatnonzero(np.diff(rows.session, prepend=-1))
    return list(zip(starts.tolist(), [*starts[1:].tolist(), len(rows)], strict=True))
