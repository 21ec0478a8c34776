"""The declared schedule whose counter goes up with other events, or at another rate.

The rows bound the counter (``counters``); on every axis of events that the log can count (updates, micro-batches,
epochs) a straight line through these bounds is a rate. Its slope may be any number.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np
from msgspec.structs import replace

from analyzer.clocks import prices
from analyzer.clocks.axes import FEWEST_WINDOWS
from analyzer.clocks.claim import Claim
from analyzer.clocks.declared_shapes import Candidate, candidates
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.rate_axes import counts
from analyzer.clocks.schedule_fit.lines import slopes_through
from analyzer.clocks.scheduler.counters import LONGEST_TABLE, Course, course_through, simplest, tabled
from analyzer.clocks.scheduler.explanations import Explanation, clock_of, other_rate
from analyzer.clocks.scheduler.heights import peaks_of
from analyzer.clocks.scheduler.known_rates import RateLine, counts_of, known_lines, native
from analyzer.clocks.scheduler.lengths import USUAL
from analyzer.clocks.scheduler.tied import (
    Tied,
    evidence_against,
    extras_of,
    inner_values,
    references,
    row_of,
    session_spans,
)  # fmt: skip
from analyzer.clocks.scheduler_clock import Deviation
from analyzer.clocks.schedules import Schedule
from analyzer.distinct import distinct
from analyzer.model import Floats
from analyzer.timeline import Timeline

COMMON_SPANS = ("T-W", "T", "whole", "T-W-1")  # conventions tried when the counter runs at another rate
COMMON_FORMS = ("p/W", "(p+1)/W", "log")
FEWEST_LEVELS = 2  # such values that show one call per event of another kind: nothing is free there
FEWEST_INNER = 4  # values neither floor nor peak, without which a rate is not claimed
NEARLY_ONE = (0.8, 1.25)  # a counter that goes so is one of skipped updates or of extra calls, not of a rate
LONGEST_ROOM = 1e6
AXES = ("step", "micro-batch", "epoch")  # the plainest first
PARTS = np.array([0.0, 0.25, 0.5, 0.75])  # of a count, by which an origin may lie between two
MOST_TIMES = 8  # a counter that no count explains is looked for up to so many times as fast as the events
KNOWN_TO = 0.2  # a rate is claimed where its interval is no wider than this share of it
CLEARLY_APART = 1e-3  # relative: a rate nearer to 1 than this is 1


def at_another_rate(
    timeline: Timeline, claim: Claim, rows: Observed, sample: Observed, budget: float
) -> Iterator[Explanation]:
    """The declared schedule, stepped k times per event."""
    if claim.family in (None, "plateau") or (claim.family == "constant" and not claim.warmup_declared):
        return
    drops = np.count_nonzero(np.abs(np.diff(rows.rate)) > 2 * rows.tolerance[1:])
    inner = inner_values(rows)
    if inner < FEWEST_LEVELS and not (claim.family == "step" and drops >= 2):
        return
    admitted = _admitted(claim, rows, sample)
    lines = chain(
        known_lines(claim, admitted, rows, sample, len(session_spans(rows))),
        ((one, line) for one in _common(admitted) for line in [_line_of(claim, one, rows, sample)] if line is not None),
    )
    for candidate, line in lines:
        if line.rate == 1 or inner >= FEWEST_INNER or claim.family == "step":
            yield _told(timeline, claim, rows, sample, candidate, line)
            return


def _admitted(claim: Claim, rows: Observed, sample: Observed) -> list[Candidate]:
    extras = extras_of(sample)
    extras = replace(extras, furthest=extras.furthest * max(MOST_TIMES, *counts_of(claim)))
    peak = peaks_of(claim, rows)[0]
    found = list(candidates(claim, peak, extras))
    if claim.unit:
        found += list(candidates(replace(claim, unit=None), peak, extras))
    return list(dict.fromkeys(found))


def _common(admitted: list[Candidate]) -> list[Candidate]:
    return [c for c in admitted if c.schedule.span in COMMON_SPANS and c.schedule.warmup_form in COMMON_FORMS]


def _line_of(claim: Claim, candidate: Candidate, rows: Observed, sample: Observed) -> RateLine | None:
    course = _course(claim, candidate.schedule, sample)
    if course is None:
        return None
    lines = list(_lines(claim, candidate, sample, course))
    for line in lines:
        whole = course if sample is rows else _course(claim, candidate.schedule, rows)
        if whole is None:
            return None
        found = _on_axis(claim, candidate, rows, line.axis, whole)
        if found is not None:
            return found
    return None


def _course(claim: Claim, schedule: Schedule, rows: Observed) -> Course | None:
    furthest = max(float(axis.max()) for axis in rows.axes.values())
    most = min((furthest + 2) * MOST_TIMES, LONGEST_TABLE - 1)
    ended = (1 if schedule.clamp else MOST_TIMES) * (schedule.total + max(schedule.warmup, 0.0)) + 2
    table = tabled(schedule, min(most, ended))
    if table is None:
        return None
    parts = []
    for first, after in session_spans(rows):
        course = course_through(table, rows.rate[first:after], rows.tolerance[first:after])
        if course.refuted is not None:
            return None
        parts.append(course)
    low, high = (np.concatenate([getattr(part, side) for part in parts]) for side in ("low", "high"))
    last = table.first + len(table.rate) - 1
    return Course(low=low, high=np.where(high >= last, np.inf, high))


def _lines(claim: Claim, candidate: Candidate, rows: Observed, course: Course) -> Iterator[RateLine]:
    """Lines on every axis, the plainest first."""
    found = [
        line
        for axis in rows.axes
        if counts(axis) != "share"
        for line in [_on_axis(claim, candidate, rows, axis, course)]
        if line is not None
    ]
    plainest = [(line.rate != 1.0, not line.rate.is_integer(), AXES.index(counts(line.axis))) for line in found]
    yield from (found[k] for k in sorted(range(len(found)), key=plainest.__getitem__))


def _on_axis(claim: Claim, candidate: Candidate, rows: Observed, axis: str, course: Course) -> RateLine | None:
    x, spans, schedule = rows.axes[axis], session_spans(rows), candidate.schedule
    low, high = 1e-9, np.inf
    for first, after in spans:
        if after - first < 2:
            continue
        slopes = slopes_through(x[first:after], course.low[first:after], course.high[first:after] + 1)
        if slopes is None:
            return None
        low, high = max(low, slopes[0]), min(high, slopes[1])
    if not low <= high < np.inf:
        return None
    own = native(candidate, axis)
    if own and low - CLEARLY_APART <= 1 <= high + CLEARLY_APART:
        return None
    if own and NEARLY_ONE[0] < low and high < NEARLY_ONE[1]:
        return None
    if not own and candidate.unit == "epoch" and counts(axis) != "step":
        return None
    if claim.unit == "epoch" and counts(axis) == "step" and _may_be_epochs(claim, rows, low, high):
        return None
    chosen = next((float(k) for k in counts_of(claim) if low <= k <= high), None)
    if chosen is None:
        if high - low > KNOWN_TO * high:
            return None
        chosen = simplest(low, high)
    origins: list[float] = []
    for first, after in spans:
        part = slice(first, after)
        goes_on = chosen * x[first - 1] + origins[-1] if first else 0.0
        origin = _origin(
            schedule, chosen * x[part], rows.rate[part], rows.tolerance[part], course.low[part], course.high[part],
            goes_on,
        )  # fmt: skip
        if origin is None:
            return None
        origins.append(origin)
    return RateLine(axis=axis, rate=chosen, origins=tuple(origins))


def _may_be_epochs(claim: Claim, rows: Observed, low: float, high: float) -> bool:
    """Whether one call in so many updates may be one an epoch, whose length nothing tells."""
    step = rows.axes["step"]
    unknown = not claim.per_epoch and "share" not in rows.axes and np.array_equal(rows.axes.get("epoch", step), step)
    return unknown and high < 1 and np.floor(1 / low) >= np.ceil(1 / high)


def _origin(
    schedule: Schedule, at: Floats, rate: Floats, tolerance: Floats, low: Floats, high: Floats, near: float
) -> float | None:
    """The counter beyond ``at`` that gives every row; between the bounds of the rows not every counter does."""
    room = np.minimum(high, low + LONGEST_ROOM) - low
    place = int(np.argmin(room))
    bounds = ((low - at).max(), 0.5 * ((low - at).max() + (high + 1 - at).min()), (high - at).min())
    ends = np.array([low[place], *np.linspace(low[place], low[place] + room[place], 16), low[place] + room[place]])
    tried = (np.round(ends)[:, None] - at[place] + PARTS).ravel()
    choices = np.concatenate([bounds, tried[np.argsort(np.abs(tried + at[0] - near), kind="stable")]])
    for origin in choices[np.isfinite(choices)].tolist():
        if (np.abs(schedule(np.floor(at + origin + 1e-9)) - rate) <= tolerance).all():
            return float(origin)
    return None


def _told(
    timeline: Timeline, claim: Claim, rows: Observed, sample: Observed, candidate: Candidate, line: RateLine
) -> Explanation:
    k = line.rate
    tied = Tied(
        schedule=candidate.schedule,
        axis=line.axis,
        unit=candidate.unit,
        rate=k,
        offset=line.origins[0] / k,
        stepped=line.stepped,
        height_read=claim.base_lr is None,
    )
    plain = "epoch" if candidate.unit == "epoch" and "epoch" in rows.axes else "step"
    reference = replace(tied, axis=plain, rate=1.0, offset=0.0) if plain in rows.axes else None
    reference = reference or next(iter(references(claim, sample, 1)), None)
    first, evidence = evidence_against(timeline, rows, reference)
    why = cause(claim, k, line.axis, candidate.unit if claim.unit else counts(line.axis))
    also = other_rate(candidate.schedule, k) if line.axis == "step" and candidate.unit == "step" else None
    in_windows = line.stepped and abs(k * claim.accumulation - 1) < 1e-9 and _are_few(rows, claim.accumulation)
    deviation = Deviation(
        kind="rate",
        severity="note" if in_windows else "error",  # the log may count the batches of each window
        step=int(rows.step[first]),
        last_step=int(rows.step[-1]),
        size=k,
        what=f"the scheduler is {why}" + (f", or {also}: without a warmup the two are one" if also else ""),
        numbers={"rate": k, "cause": why},
        evidence=evidence,
        shown_by=0 if evidence and reference is not None else None,
    )
    known = k in counts_of(claim) or line.axis != plain or k.is_integer()  # a call in two places is a count too
    price = prices.PARAMETER - prices.KNOWN_COUNT if known else prices.PARAMETER + prices.ONCE_MORE
    if claim.min_lr is None and candidate.schedule.floor > USUAL * candidate.schedule.peak:
        price += prices.ODD_VALUE  # a floor that nobody declares or would choose: the rate stands still there
    joins = tuple(_at_joins(timeline, rows, line))
    return Explanation(price=price + prices.AT_JOIN * len(joins), clock=clock_of(rows, tied, (deviation, *joins)))


def _are_few(rows: Observed, accumulation: int) -> bool:
    """Whether a log is too short to tell updates from the batches of their windows."""
    return len(distinct(rows.step)) < accumulation * FEWEST_WINDOWS


def _at_joins(timeline: Timeline, rows: Observed, line: RateLine) -> Iterator[Deviation]:
    """Sessions whose counter does not go on from where the one before had left it."""
    x, cadence = rows.axes[line.axis], float(np.median(np.abs(np.diff(rows.axes[line.axis]))))
    for number, (first, _) in enumerate(session_spans(rows)[1:]):
        was, now = (line.rate * x[first - 1 + k] + line.origins[number + k] for k in (0, 1))
        if -0.5 * cadence * line.rate <= now - was <= (2 * cadence + 1) * line.rate:
            continue
        step = int(rows.step[first])
        yield Deviation(
            kind="restart", step=step, last_step=int(rows.step[-1]), join=rows.joins.get(int(rows.session[first])),
            size=now - was,
            what=f"the scheduler goes on at {now:.6g} instead of {was:.6g} at step {step}",
            evidence=(row_of(timeline, rows, first - 1, "last before"), row_of(timeline, rows, first, "first after")),
            numbers={"position_before": float(was), "position_after": float(now)},
        )  # fmt: skip


def cause(claim: Claim, k: float, axis: str, unit: str) -> str:
    """A rate in words."""
    world, accumulation = claim.world, claim.accumulation
    if counts(axis) == "micro-batch":
        each = "per micro-batch" if k == 1 else f"{k:.4g} times per micro-batch"
        return f"stepped {each} ({accumulation} per update, fewer in an epoch's last window)"
    if counts(axis) == "epoch":
        if unit == "epoch":
            return f"stepped {k:.4g} times per epoch"
        return f"stepped {'once' if k == 1 else f'{k:.4g} times'} per epoch, though it is declared in steps"
    if unit == "epoch" and counts(axis) == "step":
        return f"stepped {'once' if k == 1 else f'{k:.4g} times'} per update, though it is declared in epochs"
    if k == world > 1:
        return f"stepped once per process ({world} processes)"
    if k == accumulation > 1:
        return f"stepped per micro-batch ({accumulation} per update)"
    if world > 1 and accumulation > 1 and k == world * accumulation:
        return f"stepped per micro-batch and process ({world * accumulation} per update)"
    if k > 1 and k == claim.epochs:
        return f"stepped {k:.4g} times per update, or its length is that of one epoch"
    if k >= 1:
        return f"stepped {k:.4g} times per update"
    if world > 1 and abs(k * world - 1) < 1e-9:
        return f"sized for {world} processes, stepped once per update"
    if accumulation > 1 and abs(k * accumulation - 1) < 1e-9:
        return f"sized in micro-batches ({accumulation} per update), stepped once per update"
    return f"stepped once in {1 / k:.4g} updates"
