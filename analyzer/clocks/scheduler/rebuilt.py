"""A schedule that is left for another of its family, with lengths of its own: built anew, over what is left."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from analyzer.clocks import prices
from analyzer.clocks.claim import Claim, stated
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.schedule_fit import FAMILY_FITS, Fit, agrees, identified, identify, through_all
from analyzer.clocks.schedule_fit.fit import thinned
from analyzer.clocks.schedule_fit.lines import slopes_through
from analyzer.clocks.scheduler.breaks import kept_until
from analyzer.clocks.scheduler.compared import mismatches
from analyzer.clocks.scheduler.counters import course_through, tabled
from analyzer.clocks.scheduler.courses import breaks_of, course_of
from analyzer.clocks.scheduler.explanations import Explanation, clock_of
from analyzer.clocks.scheduler.left_words import begins_session, geometry_changed, join_of
from analyzer.clocks.scheduler.tied import Tied, as_declared, references, row_of
from analyzer.clocks.scheduler_clock import Deviation
from analyzer.clocks.schedules import Schedule, ending
from analyzer.timeline import Timeline

FEWEST_OF_EACH = 8  # rows on either side; half as many where a session is known to begin
REFERENCES = 2
ANOTHER = 1.02  # a rate so near to the schedule's is the same schedule with another end
PHASE = 2.0  # steps
MOST_PLACES = 4  # at which a schedule that nobody declared may have been left
FITTED = 1.2  # half widths that a curve with a fitted length may miss by


class Anew(Struct, frozen=True, kw_only=True, eq=False):
    """What the rows behind a break follow: where it began and where it ends; ``planned`` as it is declared."""

    began: float
    start: float  # of its fall
    end: float
    planned: bool


def built_anew(
    timeline: Timeline, claim: Claim, rows: Observed, sample: Observed, budget: float
) -> Iterator[Explanation]:
    """The declared schedule up to one row, and from there on another of its family from its beginning."""
    if claim.family is not None and (claim.family not in ending() or not claim.totals):
        return
    for tied, place, head_price in _heads(claim, rows, sample):
        x = rows.axes[tied.axis]
        known = begins_session(rows, place) if place < len(rows) else False
        if min(place, len(rows) - place) < FEWEST_OF_EACH // (2 if known else 1):
            continue
        if np.ptp(tied.at(x[:place])) <= 1e-9 * rows.rate.max():
            continue
        rest = rows.rows(slice(place, None))
        anew = _rest(claim, rest, tied)
        if anew is None:
            continue
        step, given = int(rows.step[place]), float(tied.at(x[place : place + 1])[0])
        beside = float(rows.rate[place]) / given if given > 0 else math.inf
        began = x[place - 1] - PHASE <= anew.began <= x[place] + PHASE
        alike = abs(anew.start - _start_of(tied)) <= PHASE  # only its end is another
        if not (known and claim.family) and (not (began or alike) or 1 / ANOTHER < beside < ANOTHER):
            continue
        join = join_of(rows, place) if known else None
        deviations: tuple[Deviation, ...] = ()
        if not geometry_changed(timeline, join):
            deviations = (
                Deviation(
                    kind="restart", step=step, last_step=int(rows.step[-1]), join=join,
                    evidence=(
                        row_of(timeline, rows, place - 1, "last row on the schedule"),
                        row_of(timeline, rows, place, f"should be {given:.6g}"),
                    ),
                    what=f"the rate leaves its schedule at step {step} ({rows.rate[place]:.6g} instead of "
                    f"{given:.6g}) and follows another {claim.name or tied.schedule.family} schedule, which ends at "
                    f"{anew.end:.6g}",
                    numbers={"observed": float(rows.rate[place]), "expected": given, "end": anew.end},
                    severity="note" if anew.planned else "error" if claim.family else "warning",
                ),
            )  # fmt: skip
        price = head_price + (prices.AT_JOIN if known else prices.BREAK) + (0.0 if anew.planned else prices.PARAMETER)
        yield Explanation(price=price, clock=clock_of(rows, tied, deviations, explained=place / len(rows)))
        return


def _heads(claim: Claim, rows: Observed, sample: Observed) -> Iterator[tuple[Tied, int, float]]:
    """Schedules of the beginning, how far they lead, and what they cost."""
    if claim.family is None:
        yield from _undeclared(claim, rows)
        return
    for tied in references(claim, sample, REFERENCES):
        yield tied, kept_until(tied.at, rows.axes[tied.axis], rows.rate, rows.tolerance, 0), 0.0
    joins = np.flatnonzero(np.diff(rows.session) != 0) + 1
    axis = "step"
    if not len(joins) or axis not in rows.axes:
        return
    head = rows.rows(slice(0, int(joins[0])))
    if len(head) < FEWEST_OF_EACH:
        return
    for fit in identified(
        head.axes[axis], head.rate, head.tolerance, families=(claim.family or "",),
        peaks=stated(claim.base_lr), floors=stated(claim.min_lr),
    ):  # fmt: skip
        if mismatches(claim, head, fit, axis) == []:  # as long as this life was
            yield Tied(schedule=fit, axis=axis, unit=axis), len(head), prices.CONVENTION


def _undeclared(claim: Claim, rows: Observed) -> Iterator[tuple[Tied, int, float]]:
    """Schedules that come to an end, read off the rows before a life begins or the rate moves further than around."""
    course, begins = course_of(rows, "step") if "step" in rows.axes else (None, None)
    if course is None or begins is None or len(course) != len(rows):
        return
    for place in dict.fromkeys([*begins.tolist(), *breaks_of(course).tolist()][:MOST_PLACES]):
        head = course.only(slice(0, place))
        if len(head) < FEWEST_OF_EACH or (np.diff(head.x) <= 0).any():
            continue
        families = tuple(sorted(ending() & FAMILY_FITS.keys()))
        for fit in through_all(head.x, head.y, head.tolerance, thinned(len(head)), families=families):
            yield Tied(schedule=fit, axis="step", unit="step"), place, 0.0


def _rest(claim: Claim, rest: Observed, tied: Tied) -> Anew | None:
    x = rest.axes[tied.axis]
    if (np.diff(x) <= 0).any():
        return None
    thin = rest.sample()
    planned = as_declared(claim, thin, rest)
    if planned is not None:
        return Anew(began=-planned.offset, start=_start_of(planned), end=_end_of(planned), planned=True)
    fit = identify(
        thin.axes[tied.axis], thin.rate, thin.tolerance,
        families=(tied.schedule.family,), peaks=stated(claim.base_lr, tied.schedule.peak),
        floors=stated(claim.min_lr, tied.schedule.floor),
    )  # fmt: skip
    if fit is not None and agrees(fit, x, rest.rate, rest.tolerance).all():
        began = fit.rise.zero if fit.rise is not None and fit.rise.form == "line" else fit.start
        return Anew(began=began, start=fit.start, end=fit.end, planned=False)
    return _at_another_length(tied, rest)


def _start_of(tied: Tied) -> float:
    return tied.schedule.start if isinstance(tied.schedule, Fit) else tied.schedule.warmup - tied.offset


def _end_of(tied: Tied) -> float:
    return tied.schedule.end if isinstance(tied.schedule, Fit) else tied.schedule.total - tied.offset


def _at_another_length(tied: Tied, rest: Observed) -> Anew | None:
    """The same schedule stretched and moved: a straight line through the counters that each row admits."""
    schedule = tied.schedule
    if not isinstance(schedule, Schedule):
        return None
    loose = replace(schedule, clamp=schedule.family != "cosine")
    table = tabled(loose, 4 * schedule.total)
    if table is None:
        return None
    course = course_through(table, rest.rate, rest.tolerance, whole=False)
    if course.refuted is not None:
        return None
    x = rest.axes[tied.axis]
    slopes = slopes_through(x, course.low, course.high)
    if slopes is None:
        return None
    factor = 0.5 * (slopes[0] + slopes[1])
    origin = float(0.5 * ((course.low - factor * x).max() + (course.high - factor * x).min()))
    if (np.abs(loose(factor * x + origin) - rest.rate) > FITTED * rest.tolerance).any():
        return None
    return Anew(
        began=-origin / factor, start=(schedule.warmup - origin) / factor, end=(schedule.total - origin) / factor,
        planned=False,
    )  # fmt: skip
