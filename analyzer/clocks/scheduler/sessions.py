"""How every life of the process follows one schedule, and what its counter does at the joins."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from analyzer.clocks.declared_schedule import Claim
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.schedule_fit import Fit, agrees, identify
from analyzer.clocks.scheduler import Deviation, SchedulerClock
from analyzer.clocks.scheduler.changes import CLEARLY, counted, moves, own_shifts
from analyzer.clocks.scheduler.known import (
    Known,
    best_reference,
    clock_of,
    clock_of_fit,
    distinct_inner_values,
    evidence_against,
    extras_of,
    hypotheses,
    matches,
    peaks_of,
    row_of,
    session_spans,
    stated,
)
from analyzer.clocks.scheduler.parameters import with_own_parameters
from analyzer.clocks.scheduler.rate import named_rates
from analyzer.clocks.schedules import Schedule

if TYPE_CHECKING:
    from analyzer.timeline import Timeline

MOST_SESSIONS = 40


class Life(Struct, frozen=True, kw_only=True):
    """How one session follows a schedule."""

    how: Literal["counter", "frozen", "own", "scaled"]
    first: int  # its first row
    last: int
    shift: float = 0.0  # counter = rate * (x + shift)
    total: float = np.inf  # its own end
    level: float = 0.0


def by_sessions(
    timeline: Timeline, claim: Claim, rows: Observed, sample: Observed, main: bool
) -> SchedulerClock | None:
    """The same schedule in every session, each with a counter of its own; or frozen, scaled, rebuilt in some."""
    spans = session_spans(rows)
    if len(spans) < 2 or len(spans) > MOST_SESSIONS:
        return None
    for known in first_life_schedules(claim, rows, sample, spans[0], main):
        lives = list(lives_of(known, claim, rows, spans))
        if claim.family is None and any(life.how in ("own", "scaled") for life in lives):
            return None  # what nobody declared may only not have been seen before the join
        if claim.family is None and not moves(known.at, rows.axes[known.axis][: spans[0][1]]):
            return None
        if len(lives) == len(spans):
            deviations = tuple(_joins_judged(timeline, rows, known, lives)) if main else ()
            if known.rate != 1.0 and main:
                cause = dict(named_rates(claim)).get(known.rate, "")
                deviations = (
                    _rate_deviation(timeline, rows, known, cause, best_reference(claim, sample, main)),
                    *deviations,
                )
            if isinstance(known.schedule, Fit) and not deviations:  # nobody declared what all lives follow
                as_one = with_own_parameters(timeline, claim, rows, sample, main)
                if as_one is not None:
                    return as_one
            return _clock_of_lives(rows, known, lives, deviations)
    return None


def first_life_schedules(
    claim: Claim, rows: Observed, sample: Observed, span: tuple[int, int], main: bool
) -> Iterator[Known]:
    """Schedules that the first session follows: as declared, at a named rate, then as read off the session."""
    head = rows.rows(slice(*span))
    thin = head.sample()
    extras = extras_of(rows)
    peak = peaks_of(claim, rows, main)[0]
    yielded = 0
    if claim.family not in (None, "plateau"):
        for known in hypotheses(claim, thin, peak, extras):
            if matches(known, thin).all() and matches(known, head).all():
                yield known
                yielded += 1
                if yielded >= 12:
                    return
        if yielded:
            return
        extras = replace(extras, furthest=extras.furthest * max(rate for rate, _ in named_rates(claim)))
        for rate, _ in named_rates(claim) if distinct_inner_values(head) >= 4 else ():
            for known in hypotheses(replace(claim, unit=claim.unit or "step"), thin, peak, extras):
                other = replace(known, rate=rate)
                if known.unit == "step" and matches(other, thin).all() and matches(other, head).all():
                    yield other
                    yielded += 1
                    if yielded >= 12:
                        return
    if not yielded:
        for axis in ("step", "epoch"):
            if axis not in head.axes:
                continue
            fit = identify(
                thin.axes[axis],
                thin.rate,
                thin.tolerance,
                families=(claim.family,) if claim.family else None,
                peaks=stated(claim.base_lr),
                floors=stated(claim.min_lr),
            )
            if fit is not None and agrees(fit, head.axes[axis], head.rate, head.tolerance).all():
                yield Known(schedule=fit, axis=axis, unit=axis)  # type: ignore[arg-type]


def lives_of(known: Known, claim: Claim, rows: Observed, spans: list[tuple[int, int]]) -> Iterator[Life]:
    """How every session follows a schedule; ends early when one does not."""
    shift = known.offset
    for number, (first, last) in enumerate(spans):
        part = rows.rows(slice(first, last))
        previous = rows.rate[first - 1] if number else None
        life = _life(known, claim, part, shift, previous, first, last)
        if life is None and number and len(part) > 4:
            # The optimizer's state brings back the rate it was saved with; the scheduler's own begins a row later.
            life = _life(known, claim, part.rows(slice(1, None)), shift, previous, first, last)
        if life is None:
            return
        shift = life.shift if life.how == "counter" else shift
        yield life


def _life(
    known: Known, claim: Claim, part: Observed, shift: float, previous: float | None, first: int, last: int
) -> Life | None:
    thin = part.sample()
    if matches(replace(known, offset=shift), part).all():
        return Life(how="counter", first=first, last=last, shift=shift)
    x = thin.axes[known.axis]
    alone = replace(known, offset=0.0).at
    for own in own_shifts(alone, x, thin.rate, thin.tolerance, counted(alone, x), near=shift):
        if matches(replace(known, offset=own), part).all():
            return Life(how="counter", first=first, last=last, shift=own)
    if len(part) >= 3 and np.ptp(part.rate) <= 2 * part.tolerance.max():
        return Life(how="frozen", first=first, last=last, level=float(np.median(part.rate)), shift=shift)
    if len(part) >= 4 and isinstance(known.schedule, Schedule):
        other = other_horizon(known, thin)
        if other is not None and matches(replace(known, schedule=other), part).all():
            return Life(how="own", first=first, last=last, total=other.total, shift=shift)
    if len(part) >= 4:
        fit = identify(
            x,
            thin.rate,
            thin.tolerance,
            families=(claim.family,) if claim.family else None,
            peaks=stated(claim.base_lr, previous),
            floors=stated(claim.min_lr),
        )
        if fit is not None and agrees(fit, part.axes[known.axis], part.rate, part.tolerance).all():
            return Life(how="own", first=first, last=last, total=fit.end, shift=shift)
    value = replace(known, offset=shift).on(thin)
    top = int(np.argmax(value))
    if len(part) >= 4 and value[top] > 0:
        factor = float(thin.rate[top] / value[top])
        if (np.abs(factor * value - thin.rate) <= 2 * thin.tolerance).all():
            return Life(how="scaled", first=first, last=last, level=factor, shift=shift)
    return None


def other_horizon(known: Known, part: Observed) -> Schedule | None:
    """The same schedule with another end: one straight line through the origin of its decay."""
    schedule = known.schedule
    if schedule.family not in ("linear", "cosine", "polynomial") or schedule.span != "T-W":
        return None
    p = known.rate * (part.axes[known.axis] + known.offset) - schedule.warmup
    share = np.clip((part.rate - schedule.floor) / (schedule.peak - schedule.floor), 0, 1)
    inner = (share > 0) & (share < 1) & (p > 0)
    if inner.sum() < 3:
        return None
    if schedule.family == "cosine":
        done = np.arccos(2 * share - 1) / np.pi
        lowest = int(np.argmin(part.rate))
        done[lowest + 1 :] = np.where(
            part.rate[lowest + 1 :] > part.rate[lowest], 2 - done[lowest + 1 :], done[lowest + 1 :]
        )
        slant = np.maximum(np.sin(np.pi * done) ** 2, 1e-6)
    else:
        done = 1 - share ** (1 / schedule.power)
        slant = np.ones_like(done)
    inner &= done > 0
    if inner.sum() < 3:
        return None
    length = float(np.sum(slant[inner] * p[inner] ** 2) / np.sum(slant[inner] * p[inner] * done[inner]))
    for total in (float(round(schedule.warmup + length)), schedule.warmup + length):
        for clamp in (True, False):
            other = replace(schedule, total=total, clamp=clamp)
            if matches(replace(known, schedule=other), part).all():
                return other
    return None


def _joins_judged(timeline: Timeline, rows: Observed, known: Known, lives: list[Life]) -> Iterator[Deviation]:
    x = rows.axes[known.axis]
    cadence = float(np.median(np.abs(np.diff(x)))) if len(x) > 1 else 1.0
    before = lives[0].shift
    for previous, life in pairwise(lives):
        join = rows.joins.get(int(rows.session[life.first]))
        step, last = int(rows.step[life.first]), int(rows.step[life.last - 1])
        value = replace(known, offset=before).at(x[life.first : life.last])
        wrong = np.flatnonzero(
            np.abs(value - rows.rate[life.first : life.last]) > rows.tolerance[life.first : life.last]
        )
        if life.how == "counter" and (life.shift == before or not len(wrong)):
            continue
        off = np.abs(value - rows.rate[life.first : life.last]) / rows.tolerance[life.first : life.last]
        if life.how in ("own", "scaled") and off.max() < CLEARLY:
            continue
        place = life.first + (int(wrong[0]) if len(wrong) else 0)
        evidence = (
            row_of(timeline, rows, life.first - 1, "last before the join"),
            row_of(timeline, rows, place, f"should be {value[place - life.first]:.6g}"),
        )
        if life.how == "counter":
            was = known.rate * (x[previous.last - 1] + before)
            now = known.rate * (x[life.first] + life.shift)
            unit = known.rate * max(cadence, 1.0)
            if not seamless(timeline, join) and -unit * 0.5 <= now - was <= 2 * unit + 1:
                before = life.shift
                continue
            what = _counter_in_words(was, now, unit, known)
            yield Deviation(
                kind="restart",
                step=step,
                last_step=last,
                join=join,
                size=now - was,
                what=what,
                evidence=evidence,
                numbers={"position_before": float(was), "position_after": float(now)},
            )
            before = life.shift
            continue
        if geometry_changed(timeline, join):
            continue
        if life.how == "frozen":
            what = f"the rate stays at {life.level:.6g} from step {step} on"
        elif life.how == "scaled":
            what = f"every rate is {life.level:.6g} times what it was before"
        else:
            what = f"the schedule is another from step {step} on"
            if np.isfinite(life.total):
                what += f": it ends at {life.total:.6g}"
        yield Deviation(kind="restart", step=step, last_step=last, join=join, what=what, evidence=evidence)


def seamless(timeline: Timeline, join: int | None) -> bool:
    """Whether the step counter runs through a join as if nothing had been: then the scheduler's must too."""
    return any(j.index == join and j.step == "continued" and j.step_jump == 0 for j in timeline.joins)


def geometry_changed(timeline: Timeline, join: int | None) -> bool:
    """Whether steps per epoch change at a join: a new horizon then follows from that."""
    clock = timeline.epoch
    return join is not None and clock is not None and any(b.kind == "geometry" and b.join == join for b in clock.breaks)


def _counter_in_words(was: float, now: float, unit: float, known: Known) -> str:
    if abs(now) <= unit + 1:
        return f"the scheduler starts again at {max(now, 0):.6g} instead of going on from {was:.6g}"
    if was > 0 and abs(now - 2 * was) <= 0.02 * was + 2 * unit:
        return f"the scheduler's position doubles, from {was:.6g} to {now:.6g}"
    return f"the scheduler goes on at {now:.6g} instead of {was:.6g} ({now - was:+.6g})"


def _rate_deviation(timeline: Timeline, rows: Observed, known: Known, cause: str, reference: Known | None) -> Deviation:
    first, evidence = evidence_against(timeline, rows, reference)
    return Deviation(
        kind="rate",
        step=int(rows.step[first]),
        last_step=int(rows.step[-1]),
        size=known.rate,
        evidence=evidence,
        what=f"the scheduler is stepped {cause}",
        numbers={"rate": known.rate, "cause": cause},
    )


def _clock_of_lives(
    rows: Observed, known: Known, lives: list[Life], deviations: tuple[Deviation, ...]
) -> SchedulerClock:
    if isinstance(known.schedule, Fit):
        return clock_of_fit(rows, known.schedule, deviations=deviations, axis=known.axis)
    share = sum(life.last - life.first for life in lives if life.how == "counter") / len(rows)
    return clock_of(rows, known, deviations=deviations, explained=share)
