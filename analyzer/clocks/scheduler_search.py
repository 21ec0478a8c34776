"""The search order of the scheduler clock, from "as declared" to "one row beside it"."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from analyzer.clocks.declared_schedule import ENDS, USUAL_FLOORS, Candidate, Claim, Extras, candidates
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.schedule_fit import Fit, agrees, identified, identify, line_through, named
from analyzer.clocks.scheduler import Deviation, SchedulerClock
from analyzer.clocks.schedules import Schedule
from analyzer.model import Floats, Row

if TYPE_CHECKING:
    from analyzer.timeline import Timeline

Search = Callable[["Timeline", Claim, Observed, Observed, bool], SchedulerClock | None]

OFFSETS = (0, -1, 1)  # rate used or next, steps counted from 0 or 1
NEVER = 1e12  # an end beyond any log
LATE = -2  # steps counted from 1, and a scheduler that lags one update: DeepSpeed's warmup schedules
ESTIMATED = 1.5  # half widths, where a factor or the warmup's start was itself read off the log
OTHER_PEAK = 1e-3  # relative; printed rates have three digits at least
CONVENTION = 1.5  # steps by which horizon and warmup may differ and still be a convention
COMMON_SPANS = ("T-W", "T", "whole", "T-W-1")  # tried when the scheduler runs at another rate
COMMON_FORMS = ("p/W", "(p+1)/W", "log")
FEWEST_PAST_END = 3  # rows; one row at the very end is a logger's habit
FEWEST_DISTINCT = 4  # values neither floor nor peak, without which a rate is not claimed


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
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


def read_clock(timeline: Timeline, claim: Claim, rows: Observed, *, main: bool) -> SchedulerClock:
    """The clock of one series."""
    sample = rows.sample()
    found = as_declared(claim, sample, rows, main=main)
    if found is not None:
        return sound(timeline, claim, rows, found, main=main)
    from analyzer.clocks import scheduler_changes as changes

    rows = rows.sharpened()
    sample = rows.sample()

    searches: tuple[Search, ...] = (
        changes.by_sessions,
        at_another_rate,
        frozen,
        changes.single_rows,
        by_a_whole_epoch,
        with_own_parameters,
        changes.at_every_epoch,
        changes.inside_a_session,
    )
    if claim.family is None:
        searches = (with_own_parameters, changes.by_sessions, changes.inside_a_session)
    for search in searches:
        clock = search(timeline, claim, rows, sample, main)
        if clock is not None:
            return clock
    above = tuple(above_the_peak(timeline, claim, rows, sample)) if main else ()
    return SchedulerClock(
        series=rows.series, family="unknown", peak_lr=float(rows.rate.max()), min_lr=float(rows.rate.min()), deviations=above
    )


def above_the_peak(timeline: Timeline, claim: Claim, rows: Observed, sample: Observed) -> Iterator[Deviation]:
    """Rates that no schedule explains, some of them above the declared peak."""
    if claim.family not in ("linear", "cosine", "polynomial", "step", "exponential") or not claim.base_lr:
        return
    if claim.min_lr is not None and claim.min_lr >= claim.base_lr:
        return
    top = int(np.argmax(rows.rate))
    reference = best_reference(claim, sample, main=True)
    if rows.rate[top] <= claim.base_lr * (1 + OTHER_PEAK) + 2 * rows.tolerance[top] or reference is None:
        return
    if np.count_nonzero(matches(reference, rows)) < 2:
        return
    first, evidence = evidence_against(timeline, rows, reference)
    yield Deviation(
        kind="peak", step=int(rows.step[first]), last_step=int(rows.step[-1]), evidence=evidence,
        what=f"the rates follow no {claim.name} schedule and rise to {rows.rate[top]:.6g} at {rows.step[top]}, "
        f"above the declared peak {claim.base_lr:.6g}",
        numbers={"observed": float(rows.rate[top]), "declared": claim.base_lr},
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------- as declared


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
    held = len(rows) > 3 and abs(rows.rate[-1] - lowest) <= rows.tolerance[low] and abs(rows.rate[-3] - lowest) <= rows.tolerance[low]
    return Extras(lowest=lowest, lowest_is_floor=held or abs(lowest - chosen) <= rows.tolerance[low], warmup_starts=starts, furthest=float(max(a.max() for a in rows.axes.values())), totals=totals)


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
    return tuple(axis for axis in axes if len(rows) >= 2 * len(np.unique(rows.axes[axis])))


def peaks_of(claim: Claim, rows: Observed, main: bool) -> list[float]:
    top = float(rows.rate.max())
    if top <= 0:
        return _given(claim.base_lr) and [claim.base_lr or 0.0] or [1.0]
    if claim.base_lr is None:
        return [top]
    return [claim.base_lr] if main and abs(top - claim.base_lr) < 1e-9 * top else [claim.base_lr, top]


def as_declared(claim: Claim, sample: Observed, rows: Observed, *, main: bool) -> Known | None:
    """The first declared schedule that passes through every row."""
    if claim.family is None or claim.family == "plateau":
        return None
    totals = own_totals(claim, sample)
    extras = extras_of(sample, totals)
    few = sample.rows(np.unique(np.linspace(0, len(sample) - 1, 12).astype(np.int64)))
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
    fit = identify(axis, rows.rate, rows.tolerance, families=falls, peaks=_given(claim.base_lr), floors=_given(claim.min_lr))
    found = [] if fit is None or not math.isfinite(fit.end) else [float(round(fit.end)) + k for k in (0, -1, 1)]
    if claim.family == "wsd":
        found.append(NEVER)
    return (*found, float(axis[-1]), float(axis[-1]) + 1)


def _given(*values: float | None) -> tuple[float, ...]:
    return tuple(value for value in values if value is not None)


def sound(timeline: Timeline, claim: Claim, rows: Observed, known: Known, *, main: bool) -> SchedulerClock:
    """The clock of a run that follows its declaration; a phase other than the framework's is a note."""
    deviations = [*other_peak(timeline, claim, rows, known, main)]
    if not deviations and main:
        deviations = [*first_value_twice(timeline, rows, known)] or [*phase_note(timeline, rows, known)]
    if main and known.axis == "step":
        end = known.schedule.total if known.schedule.span != "T" else known.schedule.total + known.schedule.warmup
        deviations += overrun(timeline, rows, end / known.rate - known.offset, known.schedule.floor, planned=own_plan(timeline))
    return clock_of(rows, known, deviations=tuple(deviations))


def first_value_twice(timeline: Timeline, rows: Observed, known: Known) -> Iterator[Deviation]:
    """A counter of -1 at the first row: the first rate is used twice, and everything is one late."""
    p = known.rate * (rows.axes[known.axis] + known.offset)
    if p[0] >= 0 or len(rows) < 3 or abs(rows.rate[1] - rows.rate[0]) > rows.tolerance[0]:
        return
    on_time = known.at(rows.axes[known.axis] - p[0])
    wrong = np.flatnonzero(np.abs(on_time - rows.rate) > rows.tolerance)
    if not len(wrong):
        return
    unit = known.unit
    yield Deviation(
        kind="lag" if unit == "epoch" else "phase", step=int(rows.step[wrong[0]]), last_step=int(rows.step[-1]), size=-1.0,
        what=f"the scheduler is one {unit} late from the start: {rows.rate[0]:.6g} is used twice, at {rows.step[0]} and {rows.step[1]}",
        numbers={"steps": -1},
        evidence=tuple(row_of(timeline, rows, k, f"should be {on_time[k]:.6g}") for k in dict.fromkeys((int(wrong[0]), int(wrong[-1])))),
        severity="error" if unit == "epoch" else "note",
    )  # fmt: skip


def by_a_whole_epoch(timeline: Timeline, claim: Claim, rows: Observed, sample: Observed, main: bool) -> SchedulerClock | None:
    """A schedule in epochs that runs one epoch late, or early, from the first row on."""
    phased = counted_laps(sample)
    if not main or claim.family is None or "step" not in rows.axes or rows.axes["step"][0] > 1 + np.median(np.diff(rows.step)):
        return None
    for axis in phased:
        for candidate in candidates(claim, peaks_of(claim, rows, main)[0], extras_of(sample)):
            for offset in (-1, 1) if candidate.unit == "epoch" and rows.axes[axis][0] == 0 else ():
                known = Known(schedule=candidate.schedule, axis=axis, unit="epoch", offset=offset)
                if not matches(known, sample).all() or not matches(known, rows).all():
                    continue
                on_time = replace(known, offset=0)
                wrong = np.flatnonzero(~matches(on_time, rows))
                given = on_time.on(rows)
                if len(wrong) < 3:
                    continue
                late = offset < 0
                what = f"the scheduler is one epoch {'late' if late else 'early'}: {rows.rate[wrong[0]]:.6g} at step {rows.step[wrong[0]]} instead of {given[wrong[0]]:.6g}"
                deviation = Deviation(
                    kind="lag" if late else "lead", step=int(rows.step[wrong[0]]), last_step=int(rows.step[-1]), size=float(offset),
                    what=what, numbers={"epochs": offset}, severity="error" if late else "warning",
                    evidence=tuple(row_of(timeline, rows, int(k), f"should be {given[k]:.6g}") for k in dict.fromkeys((wrong[0], wrong[-1]))),
                )  # fmt: skip
                return clock_of(rows, known, deviations=(deviation,))
    return None


def other_peak(timeline: Timeline, claim: Claim, rows: Observed, known: Known, main: bool) -> Iterator[Deviation]:
    """The declared schedule at another height."""
    from analyzer.clocks.scheduler import rates_of

    height, declared = known.schedule.peak * known.scale, claim.base_lr
    if not main or not declared or height <= 0 or abs(height / declared - 1) < OTHER_PEAK:
        return
    if any(abs(float(np.nanmax(series.value)) / declared - 1) < OTHER_PEAK for series in rates_of(timeline) if len(series)):
        return
    moving = np.flatnonzero(np.abs(rows.rate * declared / height - rows.rate) > rows.tolerance)
    place = int(moving[0]) if len(moving) else 0
    top = int(np.argmax(rows.rate))
    evidence = (
        row_of(timeline, rows, place, f"should be {rows.rate[place] * declared / height:.6g}"),
        row_of(timeline, rows, top, f"highest; {declared:.6g} is declared"),
    )
    yield Deviation(
        kind="peak", step=int(rows.step[place]), last_step=int(rows.step[-1]), evidence=evidence,
        what=f"the rate peaks at {height:.6g}, {declared:.6g} is declared ({height / declared:.4g} times)",
        numbers={"observed": height, "declared": declared},
    )  # fmt: skip


def own_plan(timeline: Timeline) -> tuple[int, ...]:
    """Totals of the plan itself, without a scheduler's own parameters."""
    return timeline.plan.total_steps


def overrun(timeline: Timeline, rows: Observed, end: float, floor: float, *, planned: tuple[int, ...]) -> Iterator[Deviation]:
    """Rows past the end of a schedule whose rate rises again, or is zero."""
    x, y = rows.axes["step"], rows.rate
    after = np.flatnonzero(x > end + CONVENTION)
    if not math.isfinite(end) or len(after) < FEWEST_PAST_END or any(abs(end - total) <= CONVENTION for total in planned):
        return
    risen = after[y[after] > floor + 4 * rows.tolerance[after] + 1e-9]
    if len(risen) >= FEWEST_PAST_END:
        place, top = int(risen[0]), int(risen[np.argmax(y[risen])])
        what = f"the schedule ends at {end:.6g}, and the rate rises again to {y[top]:.6g} at step {rows.step[top]}"
        evidence = (row_of(timeline, rows, place, "rises again"), row_of(timeline, rows, top, "the highest after the end"))
    elif floor == 0 and (np.abs(y[after]) <= rows.tolerance[after]).all():
        place = int(after[0])
        what = f"the rate is 0 from step {rows.step[place]} to the end ({len(after)} of {len(rows)} rows): the schedule was over at {end:.6g}"
        evidence = (row_of(timeline, rows, place, "zero"), row_of(timeline, rows, len(rows) - 1, "still zero"))
    else:
        return
    yield Deviation(kind="overrun", step=int(rows.step[place]), last_step=int(rows.step[-1]), what=what, evidence=evidence,
                    numbers={"end": end, "rows_after": len(after)}, severity="error" if planned else "warning")  # fmt: skip


def phase_note(timeline: Timeline, rows: Observed, known: Known) -> Iterator[Deviation]:
    """Logged one step ahead, by a writer that is not known for it."""
    if known.axis != "step" or known.unit != "step" or int(rows.step[0]) != 1 or known.offset != 0:
        return
    source = timeline.run.sources[int(rows.series.source[0])]
    if (source.framework or "") in ("deepspeed", "megatron", "composer") or rows.series.tag in ("learning-rate", "Train/Samples/lr"):
        return
    used = replace(known, offset=-1)
    head = rows.rows(slice(0, 400))
    wrong = np.flatnonzero(~matches(used, head))
    if not len(wrong):
        return
    first = int(wrong[0])
    given = float(used.on(head)[first])
    yield Deviation(
        kind="phase",
        step=int(rows.step[first]),
        size=1.0,
        what=f"every rate is that of the next update: step {rows.step[first]} logs {rows.rate[first]:.6g}, "
        f"the schedule gives update {rows.step[first]} {given:.6g}",
        evidence=(row_of(timeline, rows, first, f"used at this step: {given:.6g}"),),
        severity="note",
    )


def clock_of(rows: Observed, known: Known, *, deviations: tuple[Deviation, ...] = (), explained: float = 1.0) -> SchedulerClock:
    """A clock from a schedule on an axis."""
    schedule = known.schedule
    per = 1.0 / known.rate
    finite = math.isfinite(schedule.total)
    width = schedule.warmup * per
    return SchedulerClock(
        series=rows.series,
        family=schedule.family,
        peak_lr=schedule.peak * known.scale,
        min_lr=schedule.floor * known.scale,
        warmup_steps=(width, width) if schedule.warmup > 0 else None,
        total_steps=(schedule.total * per, schedule.total * per) if finite else None,
        parameters=_parameters(schedule),
        rate=known.rate,
        offset=int(known.offset),
        unit=known.unit,
        convention=f"warmup {schedule.warmup_form}, decay over {schedule.span}" if finite or schedule.warmup else "",
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


def clock_of_fit(rows: Observed, fit: Fit, *, deviations: tuple[Deviation, ...] = (), axis: str = "step") -> SchedulerClock:
    """A clock from a schedule that was read off the log."""
    rise = fit.rise
    x = rows.axes[axis]
    family, parameters = named(fit)
    return SchedulerClock(
        series=rows.series,
        family=family,
        peak_lr=fit.peak,
        min_lr=fit.floor,
        warmup_steps=(rise.end, rise.end) if rise is not None else None,
        total_steps=(fit.end, fit.end) if math.isfinite(fit.end) else None,
        parameters=parameters,
        unit="epoch" if axis == "epoch" else "step",
        position=_spread(rows, x),
        expected=_spread(rows, fit(x)),
        explained=1.0,
        deviations=deviations,
        distinct_steps=rows.step,
    )


# ------------------------------------------------------------------------------------- the reference: what should be


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
        if good.any():
            scored.append((-prefix, -int(good.sum()), number, known))
    return [known for *_, known in heapq.nsmallest(wanted, scored, key=lambda one: one[:3])]


def evidence_against(timeline: Timeline, rows: Observed, known: Known | None, count: int = 3) -> tuple[int, tuple[Row, ...]]:
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


# ----------------------------------------------------------------------------------------------- at another rate


def named_rates(claim: Claim) -> list[tuple[float, str]]:
    """Factors by which a scheduler is commonly stepped too often or too seldom, and their cause."""
    world, accumulation = claim.world, claim.accumulation
    found: list[tuple[float, str]] = []
    if world > 1:
        found += [(world, f"once per process ({world} processes)"), (1 / world, f"sized for {world} processes, stepped once")]
    if accumulation > 1:
        found += [
            (accumulation, f"per micro-batch ({accumulation} per update)"),
            (1 / accumulation, f"sized in micro-batches ({accumulation} per update), stepped once per update"),
        ]
    if world > 1 and accumulation > 1:
        both = world * accumulation
        found += [(both, f"per micro-batch and process ({both} per update)"), (1 / both, f"sized for {both} steps per update")]
    found += [(2.0, "twice per update"), (0.5, "every second update"), (4.0, "four times per update"), (0.25, "every fourth update")]
    found += [(8.0, "eight times per update"), (3.0, "three times per update"), (0.125, "every eighth update"), (1 / 3, "every third update")]
    return list({round(rate, 9): (rate, why) for rate, why in reversed(found)}.values())[::-1]


def at_another_rate(timeline: Timeline, claim: Claim, rows: Observed, sample: Observed, main: bool) -> SchedulerClock | None:
    """The declared schedule, stepped k times per update or in the other unit."""
    if claim.family in (None, "plateau", "constant") and not (claim.family == "constant" and claim.warmup_declared):
        return None
    drops = np.count_nonzero(np.abs(np.diff(rows.rate)) > 2 * rows.tolerance[1:])
    if distinct_inner_values(rows) < FEWEST_DISTINCT and not (claim.family == "step" and drops >= 2):
        return None
    extras = extras_of(sample)
    extras = replace(extras, furthest=extras.furthest * max(rate for rate, _ in named_rates(claim)))
    peak = peaks_of(claim, rows, main)[0]
    both = list(candidates(claim, peak, extras)) + (
        list(candidates(replace(claim, unit=None), peak, extras)) if claim.unit else []
    )
    both = [one for one in both if one.schedule.span in COMMON_SPANS and one.schedule.warmup_form in COMMON_FORMS]
    few = sample.rows(np.unique(np.linspace(0, len(sample) - 1, 12).astype(np.int64)))
    for known, why in _other_rates(claim, sample, both):
        if matches(known, few).all() and matches(known, sample).all() and matches(known, rows).all():
            reference = best_reference(claim, sample, main)
            first, evidence = evidence_against(timeline, rows, reference)
            per_epoch = known.unit != ("epoch" if known.axis == "epoch" else "step")
            k = known.rate
            what = f"the scheduler is stepped {why}"
            deviation = Deviation(
                kind="rate",
                step=int(rows.step[first]),
                last_step=int(rows.step[-1]),
                size=k,
                what=what,
                numbers={"rate": k, "cause": why} if not per_epoch else {"cause": why},
                evidence=evidence,
            )
            return clock_of(rows, known, deviations=(deviation,))
    return None


def _other_rates(claim: Claim, rows: Observed, both: list[Candidate]) -> Iterator[tuple[Known, str]]:
    declared_unit = claim.unit
    for candidate in both:
        open_unit = declared_unit is None and claim.family in ("step", "exponential")
        if candidate.unit == "step" and "epoch" in rows.axes and declared_unit != "epoch" and "step" in rows.axes and not open_unit:
            for offset in OFFSETS:
                yield (
                    Known(schedule=candidate.schedule, axis="epoch", unit="step", offset=offset),
                    "once per epoch, though it is declared in steps",
                )
        if candidate.unit == "epoch" and "step" in rows.axes and declared_unit != "step":
            for offset in OFFSETS:
                yield (
                    Known(schedule=candidate.schedule, axis="step", unit="epoch", offset=offset),
                    "once per update, though it is declared in epochs",
                )
    for rate, why in named_rates(claim):
        for candidate in both:
            if candidate.unit != "step" or (declared_unit is not None and declared_unit != "step"):
                continue
            for axis in axes_for("step", rows):
                for offset in OFFSETS:
                    yield Known(schedule=candidate.schedule, axis=axis, unit="step", rate=rate, offset=offset), why
                if rate < 1:
                    for offset in range(-1, min(round(1 / rate), 9)):
                        yield (
                            Known(schedule=candidate.schedule, axis=axis, unit="step", rate=rate, offset=offset, stepped=True),
                            why,
                        )


def distinct_inner_values(rows: Observed) -> int:
    """Distinct rates that are neither the highest nor the lowest."""
    values = np.unique(rows.rate)
    if len(values) < 3:
        return 0
    slack = float(rows.tolerance.max())
    inner = values[(values > values[0] + slack) & (values < values[-1] - slack)]
    return int(1 + np.count_nonzero(np.diff(inner) > slack)) if len(inner) else 0


# ------------------------------------------------------------------------------------------- with its own parameters


def with_own_parameters(timeline: Timeline, claim: Claim, rows: Observed, sample: Observed, main: bool) -> SchedulerClock | None:
    """One schedule through the whole run, read off the log: compare its horizon, warmup, height with the declaration."""
    if claim.family == "constant" and not claim.warmup_declared:
        return None
    if (np.diff(rows.step) <= 0).any():
        if not same_where_replayed(rows):
            return None
        rows = rows.rows(np.sort(np.unique(rows.step, return_index=True)[1]))
        sample = rows.sample()
        if (np.diff(rows.step) <= 0).any():
            return None
    for axis in ("step", "epoch"):
        if axis not in rows.axes or len(np.unique(rows.axes[axis])) < 4:
            continue
        fit = whole_fit(claim, rows, sample, axis)
        if fit is not None:
            reference = best_reference(claim, sample, main) if claim.family else None
            if reference is not None and stands_still(claim, rows, fit, axis, reference):
                return None
            deviations = tuple(compared(timeline, claim, rows, fit, axis, reference, main))
            if not deviations and axis == "step" and main:
                deviations = tuple(overrun(timeline, rows, fit.end, fit.floor, planned=own_plan(timeline)))
            return clock_of_fit(rows, fit, deviations=deviations, axis=axis)
    return None


def same_where_replayed(rows: Observed) -> bool:
    """Whether every step that was logged twice has the same rate both times."""
    order = np.argsort(rows.step, kind="stable")
    step, rate, slack = rows.step[order], rows.rate[order], rows.tolerance[order]
    twice = np.diff(step) == 0
    return bool((np.abs(np.diff(rate))[twice] <= 2 * slack[1:][twice]).all())


def whole_fit(claim: Claim, rows: Observed, sample: Observed, axis: str) -> Fit | None:
    """The declared family first, then any."""
    wanted: tuple[tuple[str, ...] | None, ...] = ((claim.family,), None) if claim.family else (None,)
    if axis == "epoch":
        sample = one_row_each(rows, axis).sample()
    for families in wanted:
        for fit in identified(
            sample.axes[axis],
            sample.rate,
            sample.tolerance,
            families=families,
            peaks=_given(claim.base_lr),
            floors=_given(claim.min_lr),
        ):
            if agrees(fit, rows.axes[axis], rows.rate, rows.tolerance).all() and not only_at_joins(rows, fit):
                return fit
    if claim.family in (None, "step"):  # drops are placed by every row, not by some of them
        fit = identify(rows.axes[axis], rows.rate, rows.tolerance, families=("step",))
        if fit is not None and agrees(fit, rows.axes[axis], rows.rate, rows.tolerance).all():
            return fit
    return None


def only_at_joins(rows: Observed, fit: Fit) -> bool:
    """Restarts that all sit where a session begins are the resumes', not the schedule's."""
    if fit.family != "warm-restarts":
        return False
    jumps = np.flatnonzero(np.diff(rows.rate) > 0.3 * np.ptp(rows.rate)) + 1
    return bool(len(jumps) and (rows.session[jumps] != rows.session[jumps - 1]).all())


def stands_still(claim: Claim, rows: Observed, fit: Fit, axis: str, reference: Known) -> bool:
    """A floor that nobody declares, met while the declared schedule explains every row before it."""
    if fit.floor <= 0 or (claim.min_lr is not None and abs(fit.floor - claim.min_lr) <= 1e-3 * fit.floor):
        return False
    moving = np.flatnonzero(np.abs(rows.rate - rows.rate[-1]) > 4 * rows.tolerance)
    before = slice(0, int(moving[-1]) + 1 if len(moving) else 0)
    return bool(len(moving) >= 8 and matches(reference, rows.rows(before)).all())


def one_row_each(rows: Observed, axis: str) -> Observed:
    """The last row of every value of an axis: an axis that stands still says nothing twice."""
    x = rows.axes[axis]
    return rows.rows(np.flatnonzero(np.append(np.diff(x) != 0, True)))


def compared(
    timeline: Timeline, claim: Claim, rows: Observed, fit: Fit, axis: str, reference: Known | None, main: bool
) -> Iterator[Deviation]:
    """What a schedule read off the log has different from the declared one: the first cause only."""
    if claim.family is None or claim.family == "plateau" or not main:
        return
    first, evidence = evidence_against(timeline, rows, reference)
    step, last = int(rows.step[first]), int(rows.step[-1])
    stable = claim.family == "wsd" and fit.family in ("linear", "cosine", "polynomial")
    if fit.family != claim.family and not stable:
        if fit.family == "constant" and fit.rise is None:
            return
        if {fit.family, claim.family} == {"step", "exponential"}:
            return
        if claim.family in ("constant", "linear", "cosine", "exponential", "polynomial", "inverse-sqrt") and reference is not None:
            yield Deviation(
                kind="family", step=step, last_step=last, evidence=evidence,
                what=f"the rates follow a {fit.family} schedule, {claim.name} is declared",
                numbers={"observed": fit.family, "declared": claim.family},
            )  # fmt: skip
        return
    if claim.base_lr and height_is_seen(rows, fit, axis, claim.base_lr) and abs(fit.peak / claim.base_lr - 1) > OTHER_PEAK:
        yield Deviation(
            kind="peak", step=step, last_step=last, evidence=evidence,
            what=f"the rate peaks at {fit.peak:.6g}, {claim.base_lr:.6g} is declared ({fit.peak / claim.base_lr:.4g} times)",
            numbers={"observed": fit.peak, "declared": claim.base_lr},
        )  # fmt: skip
        return
    yield from lengths_compared(claim, rows, fit, axis, step, last, evidence)


def height_is_seen(rows: Observed, fit: Fit, axis: str, declared: float) -> bool:
    """Whether the log shows the top itself: a plateau, every step around it, or a rate above the declared one."""
    if fit.family not in ("constant", "exponential", "step", "inverse-time", "inverse-sqrt") and fit.rise is None:
        return False
    x, top = rows.axes[axis], int(np.argmax(rows.rate))
    if rows.rate[top] > declared * (1 + OTHER_PEAK):
        return True
    level = np.count_nonzero(np.abs(rows.rate - rows.rate[top]) <= 2 * rows.tolerance)
    around = x[max(top - 1, 0) : top + 2]
    return bool(level >= 3 or (len(around) > 1 and np.diff(around).max() <= 1))


def never_at_peak(rows: Observed, fit: Fit, axis: str, declared: float) -> bool:
    """Every step around the top is logged, and the top is below the declared peak."""
    x, top = rows.axes[axis], int(np.argmax(rows.rate))
    if fit.rise is None or fit.rise.form != "line" or not 0 < top < len(rows) - 1:
        return False
    every_step = x[top] - x[top - 1] == 1 and x[top + 1] - x[top] == 1
    return bool(every_step and rows.rate[top] < declared * (1 - 20 * OTHER_PEAK))


def warmup_is_seen(rows: Observed, fit: Fit, axis: str, declared: tuple[float, ...]) -> bool:
    """Enough rows on the rise to know its line; or, without a rise, rows where the declared warmup should be."""
    if fit.rise is not None:
        return fit.rise.rows >= 3
    return bool(np.count_nonzero(rows.axes[axis] < max(declared, default=0.0) - 1) >= 2)


def also_admitted(claim: Claim, rows: Observed, axis: str) -> tuple[float, ...]:
    """Totals that excuse a horizon: the length that the run really has, where the plan is off; ``max_steps`` as written.

    A run that ends as planned admits no other total.
    """
    x = rows.axes[axis]
    last = float(x[-1])
    if axis != "step" or any(abs(last - total) <= CONVENTION for total in claim.totals):
        return ()
    cadence = float(np.median(np.diff(x))) if len(x) > 1 else 1.0
    ends = np.arange(last, last + min(cadence, 200) + 1) if cadence > 1 else np.array([last])
    return (*ends.tolist(), *_given(claim.max_steps))


def lengths_compared(claim: Claim, rows: Observed, fit: Fit, axis: str, step: int, last: int, evidence: tuple[Row, ...]) -> Iterator[Deviation]:
    """Horizon, warmup or both by one factor."""
    per = "epochs" if axis == "epoch" else "steps"
    totals = (claim.totals if axis == "step" else _given(claim.epochs)) + also_admitted(claim, rows, axis)
    shown = fit.rise is not None and fit.rise.form in ("line", "held line") and abs(fit.rise.zero) <= 2.1
    zero = fit.rise.zero if fit.rise is not None and shown else 0.0  # the phase, where the rise starts from zero
    fit = replace(fit, end=fit.end - zero)
    width = fit.rise.end - zero if fit.rise is not None else 0.0
    widths = claim.warmups if axis == "step" else _given(claim.warmup_epochs) or (0.0,)
    end_known = math.isfinite(fit.end) and bool(claim.totals if axis == "step" else claim.epochs)
    slack = CONVENTION if shown else CONVENTION + 1  # where no rise shows the phase, one more step is open
    end_ok = not end_known or any(abs(fit.end - total) <= slack for total in totals)
    if end_known and fit.family == "linear" and claim.min_lr is None and fit.floor == 0 and math.isfinite(fit.start):
        floors = [fit.end - share * (fit.end - fit.start) for share in USUAL_FLOORS]
        end_ok = end_ok or any(abs(end - total) <= slack for end in floors for total in totals)
    if end_known and claim.family == "cosine" and fit.end > 0:
        end_ok = end_ok or any(abs(fit.end - total - w) <= slack for total in totals for w in widths)
    planned = claim.totals if axis == "step" else _given(claim.epochs)
    near = min(planned, key=lambda total: abs(fit.end - total)) if end_known else math.nan
    peak_known = claim.base_lr is not None or height_is_seen(rows, fit, axis, fit.peak)
    warm_ok = not peak_known or not warmup_is_seen(rows, fit, axis, widths) or any(abs(width - w) <= CONVENTION for w in widths)
    if not warm_ok and not end_ok and widths and max(widths) > 0:
        k_end, k_warm = near / fit.end, max(widths) / max(width, 1e-9)
        if abs(k_end / k_warm - 1) < 0.05:
            yield Deviation(
                kind="rate", step=step, last_step=last, size=k_warm, evidence=evidence,
                what=f"the scheduler advances {k_warm:.4g} times per update: warmup ends at {width:.6g} of {max(widths):.6g}, "
                f"the decay at {fit.end:.6g} of {near:.6g}",
                numbers={"rate": k_warm, "warmup": width, "total": fit.end, "declared_total": near},
            )  # fmt: skip
            return
    if not end_ok:
        tail = "" if warm_ok else f"; its warmup ends at {width:.6g}, {max(widths):.6g} is declared"
        yield Deviation(
            kind="horizon", step=step, last_step=last, evidence=evidence,
            what=f"the schedule was built for {fit.end:.6g} {per}, {near:.6g} are planned (ratio {fit.end / near:.4g}){tail}",
            numbers={"schedule_steps": fit.end, "planned_steps": near, "ratio": fit.end / near},
        )  # fmt: skip
        return
    if warm_ok and claim.base_lr and never_at_peak(rows, fit, axis, claim.base_lr):
        top = int(np.argmax(rows.rate))
        yield Deviation(
            kind="warmup", step=int(rows.step[top]), last_step=last, evidence=evidence,
            what=f"the declared peak {claim.base_lr:.6g} is never reached: {rows.rate[top]:.6g} at step {rows.step[top]} is the "
            f"highest, where a warmup of {fit.peak / fit.rise.slope if fit.rise else 0:.4g} steps gives way to the decay",
            numbers={"highest": float(rows.rate[top]), "declared": claim.base_lr},
        )  # fmt: skip
        return
    if warm_ok and end_known and 0.4 < abs(fit.end - near) <= CONVENTION and not any(abs(fit.end - t) < 0.4 for t in totals):
        yield Deviation(
            kind="horizon", step=step, last_step=last, evidence=evidence, severity="note",
            what=f"the schedule ends at {fit.end:.6g}, {near:.6g} {per} are planned: one off, no convention that is known here",
            numbers={"schedule_steps": fit.end, "planned_steps": near},
        )  # fmt: skip
        return
    if not warm_ok:
        declared = max(widths)
        yield Deviation(
            kind="warmup", step=step, last_step=last, evidence=evidence,
            what=f"the warmup lasts {width:.6g} {per}, {declared:.6g} are declared",
            numbers={"warmup": width, "declared": declared},
        )  # fmt: skip


def frozen(timeline: Timeline, claim: Claim, rows: Observed, sample: Observed, main: bool) -> SchedulerClock | None:
    """One value from the first row to the last, although a schedule is declared that would have moved it."""
    if claim.family in (None, "constant", "plateau") or np.ptp(rows.rate) > 2 * rows.tolerance.max():
        return None
    level = float(np.median(rows.rate))
    reference = best_reference(claim, sample, main)
    missed = np.count_nonzero(~matches(reference, rows)) if reference is not None else len(rows)
    fit = identify(rows.axes[next(iter(rows.axes))][:2], np.full(2, level), np.full(2, 1.0))
    if fit is None or missed < max(3, 0.2 * len(rows)) or not main:
        return None if fit is None else clock_of_fit(rows, replace(fit, peak=level), axis=next(iter(rows.axes)))
    first, evidence = evidence_against(timeline, rows, reference)
    height = "" if not claim.base_lr or abs(level / claim.base_lr - 1) < 1e-3 else f" (declared peak {claim.base_lr:.6g})"
    deviation = Deviation(
        kind="frozen", step=int(rows.step[first]), last_step=int(rows.step[-1]), evidence=evidence,
        what=f"the rate is {level:.6g} in all {len(rows)} rows{height}, though {claim.name} is declared",
        numbers={"level": level, "rows": len(rows)},
    )  # fmt: skip
    return clock_of_fit(rows, replace(fit, peak=level), deviations=(deviation,), axis=next(iter(rows.axes)))
