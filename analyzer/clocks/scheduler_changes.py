"""Where a scheduler's counter changes: at a join, inside a session, at every epoch's end, in single rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from analyzer.clocks.declared_schedule import ENDS, Claim
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.schedule_fit import Fit, agrees, identify
from analyzer.clocks.scheduler import Deviation, SchedulerClock
from analyzer.clocks.schedules import Schedule
from analyzer.clocks.scheduler_search import (
    OFFSETS,
    Known,
    _given,
    axes_for,
    as_declared,
    best_reference,
    best_references,
    clock_of,
    clock_of_fit,
    distinct_inner_values,
    extras_of,
    hypotheses,
    lengths_compared,
    matches,
    named_rates,
    peaks_of,
    row_of,
)
from analyzer.model import Floats, Row

if TYPE_CHECKING:
    from analyzer.timeline import Timeline

LONGEST_GRID = 2_000_000  # counters looked at when a session's own counter is searched
MOST_SESSIONS = 40
MOST_CHANGES = 60
REFERENCES = 6  # declared schedules that a change is looked for against, the longest-lasting first
FEWEST_AFTER = 3  # rows that a change must last
NEWTON_STEPS = 6
CLEARLY = 10  # half widths
LATE = 0.2  # share of the rows: a rate that stands still for less, at the end, has met a floor
SINGLE_ROWS = 2  # rows in a row that may be off and still be single rows
Value = Callable[[Floats], Floats]


@dataclass(frozen=True, kw_only=True)
class Life:
    """How one session follows a schedule."""

    how: Literal["counter", "frozen", "own", "scaled"]
    first: int  # its first row
    last: int
    shift: float = 0.0  # counter = rate * (x + shift)
    total: float = np.inf  # its own end
    level: float = 0.0


# ------------------------------------------------------------------------------------------------------ sessions


def by_sessions(timeline: Timeline, claim: Claim, rows: Observed, sample: Observed, main: bool) -> SchedulerClock | None:
    """The same schedule in every session, each with a counter of its own; or frozen, scaled, rebuilt in some."""
    spans = session_spans(rows)
    if len(spans) < 2 or len(spans) > MOST_SESSIONS:
        return None
    for known in first_life_schedules(claim, rows, sample, spans[0], main):
        lives = list(lives_of(known, claim, rows, spans))
        if claim.family is None and any(life.how in ("own", "scaled") for life in lives):
            return None  # what nobody declared may only not have been seen before the join
        if claim.family is None and not _moves(known.at, rows.axes[known.axis][: spans[0][1]]):
            return None
        if len(lives) == len(spans):
            deviations = tuple(_joins_judged(timeline, rows, known, lives)) if main else ()
            if known.rate != 1.0 and main:
                cause = dict(named_rates(claim)).get(known.rate, "")
                deviations = (_rate_deviation(timeline, rows, known, cause, best_reference(claim, sample, main)), *deviations)
            return _clock_of_lives(rows, known, lives, deviations)
    return None


def session_spans(rows: Observed) -> list[tuple[int, int]]:
    """First and last row (exclusive) of every session."""
    starts = np.flatnonzero(np.diff(rows.session, prepend=-1))
    return list(zip(starts.tolist(), [*starts[1:].tolist(), len(rows)], strict=True))


def first_life_schedules(claim: Claim, rows: Observed, sample: Observed, span: tuple[int, int], main: bool) -> Iterator[Known]:
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
        for rate, _ in named_rates(claim):
            for known in hypotheses(replace(claim, unit=claim.unit or "step"), thin, peak, extras):
                other = replace(known, rate=rate)
                if known.unit == "step" and distinct_inner_values(head) >= 4 and matches(other, thin).all() and matches(other, head).all():
                    yield other
                    yielded += 1
                    if yielded >= 12:
                        return
    if not yielded:
        for axis in ("step", "epoch"):
            if axis not in head.axes:
                continue
            fit = identify(thin.axes[axis], thin.rate, thin.tolerance, families=(claim.family,) if claim.family else None,
                           peaks=_given(claim.base_lr), floors=_given(claim.min_lr))  # fmt: skip
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


def _life(known: Known, claim: Claim, part: Observed, shift: float, previous: float | None, first: int, last: int) -> Life | None:
    thin = part.sample()
    if matches(replace(known, offset=shift), part).all():
        return Life(how="counter", first=first, last=last, shift=shift)
    x = thin.axes[known.axis]
    for own in own_shifts(lambda at: replace(known, offset=0.0).at(at), x, thin.rate, thin.tolerance, near=shift):
        if matches(replace(known, offset=own), part).all():
            return Life(how="counter", first=first, last=last, shift=own)
    if len(part) >= 3 and np.ptp(part.rate) <= 2 * part.tolerance.max():
        return Life(how="frozen", first=first, last=last, level=float(np.median(part.rate)), shift=shift)
    if len(part) >= 4 and isinstance(known.schedule, Schedule):
        other = other_horizon(known, thin)
        if other is not None and matches(replace(known, schedule=other), part).all():
            return Life(how="own", first=first, last=last, total=other.total, shift=shift)
    if len(part) >= 4:
        fit = identify(x, thin.rate, thin.tolerance, families=(claim.family,) if claim.family else None,
                       peaks=_given(claim.base_lr, previous), floors=_given(claim.min_lr))  # fmt: skip
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
        done[lowest + 1 :] = np.where(part.rate[lowest + 1 :] > part.rate[lowest], 2 - done[lowest + 1 :], done[lowest + 1 :])
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


def own_shifts(value: Value, x: Floats, y: Floats, tolerance: Floats, *, near: float, whole: float = 1.0) -> list[float]:
    """Whole shifts c for which value(x + c) passes through all rows, the nearest to ``near`` first."""
    if len(x) == 0:
        return []
    low, high = -2.0, float(max(x.max(), 1.0) * 2 + 100)
    if (high - low) / whole > LONGEST_GRID:
        return []
    grid = np.arange(low, high, whole)
    values = value(grid)
    probe = int(np.argmin(np.abs(values[:, None] - y[None, :: max(1, len(y) // 8)]).min(axis=0))) if len(values) < 2000 else len(y) // 2
    probe = min(probe, len(y) - 1)
    shifts = grid[np.abs(values - y[probe]) <= tolerance[probe]] - x[probe]
    for place in np.unique(np.linspace(0, len(x) - 1, 24).astype(np.int64)):
        if not len(shifts):
            return []
        shifts = shifts[np.abs(value(x[place] + shifts) - y[place]) <= tolerance[place]]
    order = np.argsort(np.abs(shifts - near), kind="stable")[:20]
    return [float(c) for c in shifts[order] if (np.abs(value(x + c) - y) <= tolerance).all()]


def _joins_judged(timeline: Timeline, rows: Observed, known: Known, lives: list[Life]) -> Iterator[Deviation]:
    x = rows.axes[known.axis]
    cadence = float(np.median(np.abs(np.diff(x)))) if len(x) > 1 else 1.0
    before = lives[0].shift
    for previous, life in zip(lives, lives[1:], strict=False):
        join = rows.joins.get(int(rows.session[life.first]))
        step, last = int(rows.step[life.first]), int(rows.step[life.last - 1])
        value = replace(known, offset=before).at(x[life.first : life.last])
        wrong = np.flatnonzero(np.abs(value - rows.rate[life.first : life.last]) > rows.tolerance[life.first : life.last])
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
            yield Deviation(kind="restart", step=step, last_step=last, join=join, size=now - was, what=what, evidence=evidence,
                            numbers={"position_before": float(was), "position_after": float(now)})  # fmt: skip
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
    from analyzer.clocks.scheduler_search import evidence_against

    first, evidence = evidence_against(timeline, rows, reference)
    return Deviation(kind="rate", step=int(rows.step[first]), last_step=int(rows.step[-1]), size=known.rate, evidence=evidence,
                     what=f"the scheduler is stepped {cause}", numbers={"rate": known.rate, "cause": cause})  # fmt: skip


def _clock_of_lives(rows: Observed, known: Known, lives: list[Life], deviations: tuple[Deviation, ...]) -> SchedulerClock:
    if isinstance(known.schedule, Fit):
        return clock_of_fit(rows, known.schedule, deviations=deviations, axis=known.axis)
    share = sum(life.last - life.first for life in lives if life.how == "counter") / len(rows)
    return clock_of(rows, known, deviations=deviations, explained=share)


# --------------------------------------------------------------------------------------------------- single rows


def single_rows(timeline: Timeline, claim: Claim, rows: Observed, sample: Observed, main: bool) -> SchedulerClock | None:
    """The declared schedule with one or two rows beside it."""
    if claim.family in (None, "plateau") or not main:
        return None
    peak = peaks_of(claim, rows, main)[0]
    for known in hypotheses(claim, sample, peak, extras_of(sample), offsets=(*OFFSETS, -2)):
        good = matches(known, sample)
        if not good.all() and not _are_single(good):
            continue
        good = matches(known, rows)
        if good.all() or not _are_single(good) or _few_warmup_rows(known, rows, good) or not _clearly_off(rows, known.on(rows), np.flatnonzero(~good)):
            continue
        deviation = _isolated(timeline, rows, known.on(rows), np.flatnonzero(~good))
        return clock_of(rows, known, deviations=(deviation,), explained=float(good.mean()))
    return None


def _are_single(good: np.ndarray) -> bool:
    """Misses are few, come one or two at a time, and are followed by rows that fit again."""
    if good.sum() < max(5, 0.6 * len(good)) or not good[-1]:
        return False
    edges = np.flatnonzero(np.diff(np.concatenate([[True], good, [True]]).astype(np.int8)))
    lengths = edges[1::2] - edges[::2]
    return bool(len(lengths) <= 20 and (lengths <= SINGLE_ROWS).all())


def _few_warmup_rows(known: Known, rows: Observed, good: np.ndarray) -> bool:
    """The rows that are off are the warmup's own, and too few to know its form."""
    schedule = known.schedule
    warming = known.rate * (rows.axes[known.axis] + known.offset) < schedule.warmup
    return bool(warming.sum() <= 3 and not (~good & ~warming).any() and warming.any())


def _clearly_off(rows: Observed, value: Floats, wrong: np.ndarray) -> bool:
    """Far outside their intervals: a schedule that is known only nearly grazes many."""
    off = np.abs(value[wrong] - rows.rate[wrong])
    return bool((off > np.maximum(CLEARLY * rows.tolerance[wrong], 0.01 * np.abs(value[wrong]))).all())


def _isolated(timeline: Timeline, rows: Observed, value: Floats, wrong: np.ndarray) -> Deviation:
    shown = wrong[:4].tolist()
    first = shown[0]
    count = "1 row leaves" if len(wrong) == 1 else f"{len(wrong)} rows leave"
    return Deviation(
        kind="isolated", step=int(rows.step[first]), last_step=int(rows.step[wrong[-1]]),
        what=f"{count} an otherwise exact schedule: {rows.rate[first]:.6g} at step {rows.step[first]} instead of {value[first]:.6g}",
        numbers={"rows": len(wrong), "observed": float(rows.rate[first]), "expected": float(value[first])},
        evidence=tuple(row_of(timeline, rows, place, f"should be {value[place]:.6g}") for place in shown),
    )  # fmt: skip


# ----------------------------------------------------------------------------------------------- inside a session


@dataclass(frozen=True, kw_only=True)
class Change:
    """From this row on (for ``rows`` rows) the log follows the reference in another way."""

    place: int
    rows: int
    how: Literal["single", "shift", "scale", "level"]
    size: float


def inside_a_session(timeline: Timeline, claim: Claim, rows: Observed, sample: Observed, main: bool) -> SchedulerClock | None:
    """A schedule that holds up to one row and is left there."""
    if not main:
        return None
    for value, axis, known, fit in references(claim, rows, sample, main):
        x = rows.axes[axis]
        shifting = _moves(value, x)
        thin = sample.axes[axis]
        on_sample = kept_until(value, thin, sample.rate, sample.tolerance, 0)
        if on_sample < len(thin):
            told = changes(value, thin, sample.rate, sample.tolerance, shifting=shifting)
            if not told:
                continue  # no need to look at every row
            shifting = shifting and told[0].how == "shift"
        found = changes(value, x, rows.rate, rows.tolerance, shifting=shifting)
        if not found:
            continue
        deviations = tuple(_in_words(timeline, claim, rows, value, axis, found, known))
        if not deviations:
            continue
        if known is not None:
            return clock_of(rows, known, deviations=deviations, explained=float(matches(known, rows).mean()))
        assert fit is not None
        if claim.family == fit.family:
            prior = tuple(lengths_compared(claim, rows, fit, axis, int(rows.step[0]), int(rows.step[-1]), deviations[0].evidence))
            deviations = prior or deviations
        return clock_of_fit(rows, fit, deviations=deviations, axis=axis)
    return None


def at_every_epoch(timeline: Timeline, claim: Claim, rows: Observed, sample: Observed, main: bool) -> SchedulerClock | None:
    """One extra step, or one missed, at the end of every epoch."""
    if not main or claim.family is None or "step" not in rows.axes:
        return None
    x = rows.axes["step"]
    for laps in (rows.axes[name] for name in ("epoch", "lap") if name in rows.axes):
        if laps[-1] - laps[0] < 2:
            continue
        for per_lap in (1.0, -1.0):
            drift = per_lap * (laps - laps[0])
            moved = replace(rows, axes={**rows.axes, "step": x + drift})
            known = as_declared(claim, moved.sample(), moved, main=True)
            if known is None or known.axis != "step":
                continue
            given = known.on(rows)
            wrong = np.flatnonzero(np.abs(given - rows.rate) > rows.tolerance)
            if len(wrong) < 3:
                return None
            shown = dict.fromkeys([int(wrong[0]), int(wrong[len(wrong) // 2]), int(wrong[-1])])
            deviation = Deviation(
                kind="per-epoch", step=int(rows.step[wrong[0]]), last_step=int(rows.step[-1]), size=per_lap,
                what=f"the scheduler moves {per_lap:+g} at every epoch's end: {abs(drift[-1]):g} steps "
                f"{'ahead' if per_lap > 0 else 'behind'} at step {rows.step[-1]}",
                numbers={"per_epoch": per_lap, "times": float(abs(drift[-1]))},
                evidence=tuple(row_of(timeline, rows, place, f"should be {given[place]:.6g}") for place in shown),
            )  # fmt: skip
            return clock_of(rows, known, deviations=(deviation,), explained=float(1 - len(wrong) / len(rows)))
    return None


def _moves(value: Value, x: Floats) -> bool:
    values = value(x)
    return len(values) > 1 and bool(np.ptp(values) > 1e-9 * np.abs(values).max())


def references(claim: Claim, rows: Observed, sample: Observed, main: bool) -> Iterator[tuple[Value, str, Known | None, Fit | None]]:
    """What to compare with: the declared schedule that holds longest, then one read off the longest possible beginning."""
    if claim.family not in (None, "plateau") and (claim.totals or claim.family not in ENDS):
        for known in best_references(claim, sample, main, wanted=REFERENCES):
            yield known.at, known.axis, known, None
    for axis in ("step", "epoch"):
        if axis in rows.axes:
            fit = longest_beginning(claim, sample, axis)
            if fit is not None:
                yield fit, axis, None, fit


def longest_beginning(claim: Claim, sample: Observed, axis: str) -> Fit | None:
    """The schedule that explains the most rows from the first on, and at least eight or a quarter of them."""
    x, y, tolerance = sample.axes[axis], sample.rate, sample.tolerance

    def fit_to(count: int) -> Fit | None:
        families = (claim.family,) if claim.family not in (None, "plateau") else None
        return identify(x[:count], y[:count], tolerance[:count], families=families,  # type: ignore[arg-type]
                        peaks=_given(claim.base_lr), floors=_given(claim.min_lr))  # fmt: skip

    low, high = max(8, len(x) // 8), len(x)
    if high <= low:
        return None
    best = fit_to(low)
    if best is None:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        fit = fit_to(middle)
        if fit is not None:
            low, best = middle, fit
        else:
            high = middle
    return best


def changes(value: Value, x: Floats, y: Floats, tolerance: Floats, *, shifting: bool) -> list[Change]:
    """Places where the log leaves a schedule and how it goes on; [] when it cannot be said."""
    if shifting:
        shifts = shifts_throughout(value, x, y, tolerance)
        if len(shifts) == 1 and abs(shifts[0].size) > 3:
            # An exponential moved along is one multiplied: the plainer description first.
            for change, _ in _ways_on(value, value, x, y, tolerance, shifts[0].place, shifting=False):
                if change.how == "scale" and change.place + change.rows == len(x) and not 0.9 < change.size < 1.1:
                    return [change]
        if shifts:
            return shifts
    found: list[Change] = []
    current: Value = value
    place = kept_until(current, x, y, tolerance, 0)
    while place < len(x):
        if len(found) >= MOST_CHANGES:
            return []
        options = list(_ways_on(value, current, x, y, tolerance, place, shifting=shifting))
        if not options:
            return []
        change, after = max(options, key=lambda option: (option[0].rows, option[0].how == "single"))
        if change.rows < FEWEST_AFTER and change.how != "single":
            return []
        found.append(change)
        current = after
        place += change.rows
    return found


def shifts_throughout(value: Value, x: Floats, y: Floats, tolerance: Floats) -> list[Change]:
    """The counter of every row by Newton's method, where it differs from the reference by whole steps only.

    Rows on flat parts tell nothing and go with the row before. [] when some row is not explained so.
    """
    shift = np.zeros(len(x))
    for _ in range(NEWTON_STEPS):
        ahead, behind = value(x + shift + 0.5), value(x + shift - 0.5)
        slope = ahead - behind
        with np.errstate(all="ignore"):
            step = np.where(np.abs(slope) > 2 * tolerance, (y - value(x + shift)) / slope, 0.0)
        if not np.isfinite(step).all() or np.abs(step).max() > 0.5 * len(x) + 1000:
            return []
        shift += step
        if np.abs(step).max() < 0.05:
            break
    telling = np.abs(slope) > 2 * tolerance
    if telling.sum() < 3:
        return []
    last_told = np.maximum.accumulate(np.where(telling, np.arange(len(x)), -1))
    whole = np.where(last_told >= 0, np.round(shift)[last_told], 0.0)
    whole = np.where(np.abs(value(x) - y) <= tolerance, np.where(telling, whole, _held(whole, telling)), whole)
    if not (np.abs(value(x + whole) - y) <= tolerance).all():
        return []
    starts = np.flatnonzero(np.diff(whole, prepend=0.0) != 0)
    if not len(starts):
        return []
    lengths = np.diff(np.append(starts, len(x)))
    in_turn = (lengths[:-2] == 1) & (lengths[1:-1] == 1) & (lengths[2:] == 1)
    if len(starts) > 0.25 * len(x) or in_turn.any():  # a counter that changes with every row is no counter
        return []
    sizes = np.concatenate([[0.0], whole[starts]])
    if (sizes[2:] == sizes[:-2]).any() and (lengths[:-1][sizes[2:] == sizes[:-2]] <= SINGLE_ROWS).any():
        return []  # single rows that come back
    return [
        Change(place=int(start), rows=int(length), how="shift", size=float(whole[start]))
        for start, length in zip(starts, lengths, strict=True)
    ]


def _held(whole: Floats, telling: np.ndarray) -> Floats:
    """Before the first telling row the reference itself holds."""
    first = int(np.argmax(telling))
    return np.where(np.arange(len(whole)) < first, 0.0, whole)


def kept_until(value: Value, x: Floats, y: Floats, tolerance: Floats, start: int, slack: float = 1.0) -> int:
    """First row from ``start`` on that a schedule misses; looked for in growing stretches."""
    width = 64
    while start < len(x):
        part = slice(start, start + width)
        miss = np.abs(value(x[part]) - y[part]) > slack * tolerance[part]
        if miss.any():
            return start + int(np.argmax(miss))
        start, width = start + width, width * 4
    return len(x)


def _ways_on(
    value: Value, current: Value, x: Floats, y: Floats, tolerance: Floats, place: int, *, shifting: bool
) -> Iterator[tuple[Change, Value]]:
    """Every way in which the rows from a place on may follow the schedule, with how long each lasts."""
    for skip in range(1, SINGLE_ROWS + 1):
        if place + skip < len(x):
            end = kept_until(current, x, y, tolerance, place + skip)
            if end - place - skip >= min(3, len(x) - place - skip):
                yield Change(place=place, rows=end - place, how="single", size=skip), current
                break
    ahead = slice(place, min(place + 50, len(x)))
    if shifting and len(x[ahead]) >= 2:
        near = slice(place, min(place + 6, len(x)))
        for c in own_shifts(value, x[near], y[near], tolerance[near], near=0.0)[:6]:

            def moved(at: Floats, c: float = c) -> Floats:
                return value(at + c)

            end = kept_until(moved, x, y, tolerance, place)
            yield Change(place=place, rows=end - place, how="shift", size=c), moved
    now = current(x[ahead])
    weight = now / tolerance[ahead] ** 2
    if now.max() > 0:
        factor = float(np.sum(weight * y[ahead]) / np.sum(weight * now))
        if factor > 0 and abs(factor - 1) > 1e-3:

            def scaled(at: Floats, factor: float = factor, current: Value = current) -> Floats:
                return factor * current(at)

            end = kept_until(scaled, x, y, tolerance, place, slack=2.0)
            yield Change(place=place, rows=end - place, how="scale", size=factor), scaled
    level = float(y[place])

    def still(at: Floats) -> Floats:
        return np.full_like(at, level)

    end = kept_until(still, x, y, tolerance, place, slack=2.0)
    yield Change(place=place, rows=end - place, how="level", size=level), still


def _in_words(
    timeline: Timeline, claim: Claim, rows: Observed, value: Value, axis: str, found: list[Change], known: Known | None
) -> Iterator[Deviation]:
    x, declared = rows.axes[axis], known is not None
    first = found[0]
    expected = value(x)
    step = int(rows.step[first.place])
    last = int(rows.step[-1])
    shown = [first.place, *(change.place for change in found[1:3])]
    evidence = tuple(row_of(timeline, rows, place, f"should be {expected[place]:.6g}") for place in shown)
    if first.place > 0:
        evidence = (row_of(timeline, rows, first.place - 1, "last row on the schedule"), *evidence)
    join = rows.joins.get(int(rows.session[first.place])) if _begins_session(rows, first.place) else None
    if all(change.how == "single" for change in found):
        wrong = np.concatenate([np.arange(change.place, change.place + int(change.size)) for change in found])
        good = np.ones(len(rows), dtype=bool)
        good[wrong] = False
        if not _clearly_off(rows, expected, wrong) or (known is not None and _few_warmup_rows(known, rows, good)):
            return
        yield _isolated(timeline, rows, expected, wrong)
        return
    if all(change.how == "shift" for change in found):
        yield from _shifts_in_words(rows, x, found, evidence, join, declared)
        return
    if not declared and not _moves(value, x[: first.place]):
        return  # levels that nobody declared may be meant so
    if first.how == "scale" or (first.how == "level" and not _held_still(rows, expected, first)):
        now, should = float(rows.rate[first.place]), float(expected[first.place])
        times = f"{now / should:.4g} times" if should > 0 else f"{now:.6g}"
        yield Deviation(
            kind="restart" if join is not None else "jump", step=step, last_step=int(rows.step[first.place + first.rows - 1]), join=join,
            size=now / should if should > 0 else 0.0, evidence=evidence,
            what=f"the rate jumps to {now:.6g} at step {step}, {times} the {should:.6g} of its schedule",
            numbers={"observed": now, "expected": should, "factor": now / should if should > 0 else None},
        )  # fmt: skip
        return
    if first.how == "level" and first.place + first.rows == len(rows) and first.rows >= 3:
        if declared is False and join is None and claim.min_lr is not None and first.rows < LATE * len(rows):
            yield Deviation(
                kind="floor", step=step, last_step=last, evidence=evidence,
                what=f"the rate stands still at {first.size:.6g} from step {step} on, {claim.min_lr:.6g} is the declared floor",
                numbers={"observed": first.size, "declared": claim.min_lr},
            )  # fmt: skip
            return
        yield Deviation(
            kind="restart" if join is not None else "frozen", step=step, last_step=last, join=join, evidence=evidence,
            what=f"the rate stands still at {first.size:.6g} from step {step} on",
            numbers={"level": first.size},
        )  # fmt: skip


def _held_still(rows: Observed, expected: Floats, change: Change) -> bool:
    """Whether a level lies between the row before and where the schedule would have gone: it stopped on the way."""
    if change.place == 0:
        return True
    before, should = float(rows.rate[change.place - 1]), float(expected[change.place])
    slack = 2 * float(rows.tolerance[change.place])
    return min(before, should) - slack <= change.size <= max(before, should) + slack


def _begins_session(rows: Observed, place: int) -> bool:
    return place > 0 and bool(rows.session[place] != rows.session[place - 1])


def _shifts_in_words(
    rows: Observed, x: Floats, found: list[Change], evidence: tuple[Row, ...], join: int | None, declared: bool
) -> Iterator[Deviation]:
    step, last = int(rows.step[found[0].place]), int(rows.step[-1])
    sizes = np.diff([0.0, *(change.size for change in found)])
    places = [change.place for change in found]
    cadence = float(np.median(np.diff(x))) if len(x) > 1 else 1.0
    anew = len(found) == 1 and sizes[0] < -3 and abs(x[places[0]] + found[0].size) <= 1.5 * max(cadence, 1.0)
    if not declared and not anew and (join is not None or np.abs(sizes).max() > 3):
        return  # a schedule that nobody declared may have cycles
    if join is not None or (anew and declared):
        what = f"the scheduler's position moves by {sizes[0]:+.6g} at step {step}"
        if anew:
            what = f"the schedule starts again at step {step}"
        yield Deviation(kind="restart", step=step, last_step=last, join=join, size=float(sizes[0]), evidence=evidence, what=what)
        return
    if anew:
        return
    epoch = rows.axes.get("epoch")
    at_boundaries = epoch is not None and len(places) >= 2 and all(
        p > 0 and epoch[p] != epoch[p - 1] or (p + 1 < len(epoch) and epoch[p + 1] != epoch[p]) for p in places
    )
    if at_boundaries and len(set(sizes.tolist())) == 1:
        what = f"the scheduler moves {sizes[0]:+g} at every epoch's end, from step {step} on ({len(places)} times)"
        yield Deviation(kind="per-epoch", step=step, last_step=last, size=float(sizes[0]), evidence=evidence, what=what,
                        numbers={"per_epoch": float(sizes[0]), "times": len(places)})  # fmt: skip
        return
    if (sizes < 0).all() and len(places) >= 2:
        count = int(-sizes.sum())
        share = count / max(int(rows.step[-1] - rows.step[0]), 1)
        what = f"the scheduler falls behind the step counter by {count} in {len(places)} places ({100 * share:.2g} % of the steps)"
        yield Deviation(kind="skipped", step=step, last_step=int(rows.step[places[-1]]), size=float(-count), evidence=evidence,
                        what=what, numbers={"skipped": count, "share": share}, severity="note")  # fmt: skip
        return
    kind: Literal["lag", "lead"] = "lag" if sizes[0] < 0 else "lead"
    word = "falls behind" if sizes[0] < 0 else "runs ahead"
    what = f"the scheduler {word} by {abs(sizes[0]):g} at step {step} and stays so"
    if len(places) > 1:
        what = f"the scheduler's position changes {len(places)} times, first by {sizes[0]:+g} at step {step}"
    yield Deviation(kind=kind, step=step, last_step=last, size=float(sizes[0]), evidence=evidence, what=what,
                    numbers={"steps": float(sizes[0])})  # fmt: skip
