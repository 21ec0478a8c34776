"""The scheduler clock of one series: the cheapest explanation that passes through every row."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from msgspec.structs import replace

from analyzer.clocks import prices
from analyzer.clocks.cadence import may_be_a_rounded_share
from analyzer.clocks.claim import Claim
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.scheduler.again import FEWEST_ROWS, BegunAgain, back_where_it_began, begun_again, excursion
from analyzer.clocks.scheduler.compared import with_own_parameters
from analyzer.clocks.scheduler.every_epoch import at_every_epoch
from analyzer.clocks.scheduler.explanations import Explanation
from analyzer.clocks.scheduler.left import with_breaks
from analyzer.clocks.scheduler.left_words import join_of
from analyzer.clocks.scheduler.plateau import also_on_a_metric, watching_a_metric
from analyzer.clocks.scheduler.rates import at_another_rate
from analyzer.clocks.scheduler.rebuilt import built_anew
from analyzer.clocks.scheduler.sound import overrun, own_plan, sound
from analyzer.clocks.scheduler.still import frozen, one_level
from analyzer.clocks.scheduler.tied import (
    as_declared,
    evidence_against,
    inner_values,
    references,
    row_of,
    session_spans,
)
from analyzer.clocks.scheduler_clock import Deviation, SchedulerClock
from analyzer.clocks.schedules import ending
from analyzer.model import Ints, Series, Severity
from analyzer.timeline import Timeline

OTHER_PACE = 0.4  # of the usual amount: a batch size is raised by half at least
BEGIN_AGAIN = ("warm-restarts", "cyclic")  # families whose rates are met again in one session
MOST_SESSIONS = 40  # steps that fall more often are out of order, and no counter is followed through them
FEWEST_INNER = 3  # values between top and floor, below which nothing is refuted
SAME = 0.1  # prices this near are one: both explanations are told
PARAMETERS = ("rate", "horizon", "warmup", "family", "peak", "floor")
OF_ANY_GROUP = ("rate", "restart", "jump", "isolated", "lag", "lead", "per-epoch")
"""What may be said of further groups, which may have a shape and a warmup of their own."""
Search = Callable[["Timeline", Claim, Observed, Observed, float], Iterator[Explanation]]
SEARCHES: tuple[tuple[float, Search], ...] = (  # each with the least that its explanations cost
    (0.0, with_own_parameters),
    (prices.PARAMETER - prices.KNOWN_COUNT, at_another_rate),
    (prices.CONVENTION, with_breaks),
    (prices.BREAK, at_every_epoch),
    (prices.PARAMETER + prices.AT_JOIN, built_anew),
)


def read_clock(timeline: Timeline, claim: Claim, rows: Observed, *, main: bool) -> SchedulerClock:
    """The clock of one series."""
    if main:
        return _explained(timeline, claim, rows)
    clock = _explained(timeline, replace(claim, base_lr=None), rows)  # a group of a height of its own
    told = tuple(deviation for deviation in clock.deviations if deviation.kind in OF_ANY_GROUP)
    return replace(clock, deviations=told)


def _explained(timeline: Timeline, claim: Claim, rows: Observed) -> SchedulerClock:
    below = np.flatnonzero(rows.rate < -rows.tolerance)
    if len(below) and rows.rate[0] > 0 and below[0] >= FEWEST_ROWS:
        clock = _explained(timeline, claim, rows.rows(np.flatnonzero(rows.rate >= -rows.tolerance)))
        return replace(clock, deviations=(_below_zero(timeline, rows, below), *clock.deviations))
    sample = rows.sample()
    watching = watching_a_metric(timeline, claim, rows, sample, True)
    if watching is not None:
        return watching
    found = as_declared(claim, sample, rows)
    if found is not None:
        return sound(timeline, claim, rows, found)
    explanations: list[Explanation] = []
    searches = ((0.0, frozen),) if one_level(rows) else SEARCHES
    for least, search in searches if len(session_spans(rows)) <= MOST_SESSIONS else ():
        cheapest = min((one.price for one in explanations), default=prices.DEAREST)
        if cheapest + SAME > least:
            explanations += search(timeline, claim, rows, sample, cheapest + SAME)
    if not explanations or len(session_spans(rows)) > MOST_SESSIONS:
        return refuted(timeline, claim, rows, sample)
    explanations.sort(key=lambda one: one.price)
    clock = with_its_equals(explanations)
    if claim.family is None and clock.family == "step":
        clock = replace(clock, aliases=(*clock.aliases, *also_on_a_metric(timeline, claim, rows)))
    past = tuple(_past_its_end(timeline, rows, clock))
    kept = [one for one in clock.deviations if not past or one.kind != "horizon"]  # what came of it says more
    return replace(clock, deviations=(*kept, *past))


def _below_zero(timeline: Timeline, rows: Observed, below: Ints) -> Deviation:
    """Rates below zero: a line that went on past its end, and updates that climb the loss."""
    first, lowest = int(below[0]), int(np.argmin(rows.rate))
    return Deviation(
        kind="overrun",
        step=int(rows.step[first]),
        last_step=int(rows.step[below[-1]]),
        what=f"the rate is negative from step {rows.step[first]} on ({len(below)} rows, down to "
        f"{rows.rate[lowest]:.6g}): the schedule went on past its end, and these updates climb the loss",
        evidence=(
            row_of(timeline, rows, first - 1, "the last rate that is not negative"),
            row_of(timeline, rows, first, "negative"),
            row_of(timeline, rows, lowest, "the lowest"),
        ),
        numbers={"rows_after": len(below), "lowest": float(rows.rate[lowest])},
    )


def _past_its_end(timeline: Timeline, rows: Observed, clock: SchedulerClock) -> Iterator[Deviation]:
    """Rows past the end of a schedule that nothing else is said of."""
    if clock.total_steps is None or clock.unit != "step" or "step" not in rows.axes:
        return
    if any(one.severity != "note" or one.kind not in ("phase", "horizon") for one in clock.deviations):
        return
    moved = sum(deviation.size for deviation in clock.deviations if deviation.kind == "phase")
    end = clock.total_steps[1] - clock.offset - moved  # at the latest
    planned = own_plan(timeline) if not moved else ()
    meant = any(deviation.kind == "horizon" for deviation in clock.deviations)  # another length, which may be
    for one in overrun(timeline, rows, end, clock.min_lr, planned=planned):
        severity: Severity = "warning" if meant else "error" if moved and own_plan(timeline) else one.severity
        yield replace(one, severity=severity)


def with_its_equals(explanations: list[Explanation]) -> SchedulerClock:
    """The clock of the cheapest explanation; what costs the same and says another thing is told beside it."""
    best, *others = explanations
    clock = best.clock
    if not clock.deviations:
        return clock
    first = clock.deviations[0]
    for other in others:
        named = other.clock.deviations[:1]
        if other.price - best.price < SAME and named and named[0].kind != first.kind and named[0].kind in PARAMETERS:
            also = f"the same rows: {named[0].what}"
            told = replace(first, what=f"{first.what}; or, by {also}")
            return replace(clock, deviations=(told, *clock.deviations[1:]), aliases=(*clock.aliases, named[0].what))
    return clock


def _restarted(timeline: Timeline, rows: Observed, again: BegunAgain, *, declared: bool) -> Deviation:
    """A schedule whose shape nobody knows, and which begins again: an error against a declaration at a resume."""
    place = again.place
    join = join_of(rows, place) if rows.session[place] != rows.session[place - 1] else None
    return Deviation(
        kind="restart",
        step=int(rows.step[place]),
        last_step=int(rows.step[-1]),
        join=join,
        what=f"the scheduler starts again at step {rows.step[place]}: the rates from there on are those of the first "
        "rows, at the same distances",
        evidence=(
            row_of(timeline, rows, 0, "the first rate"),
            row_of(timeline, rows, place - 1, "last row of the first course"),
            row_of(timeline, rows, place, "the first rate again"),
            row_of(timeline, rows, min(place + FEWEST_ROWS - 1, len(rows) - 1), "goes on as the first rows did"),
        ),
        numbers={"position_after": again.position},
        severity="error" if declared and join is not None else "warning",
    )


def _back(timeline: Timeline, rows: Observed, place: int) -> Deviation:
    """A rate that is at its first or its highest value again; where it was to go nobody said."""
    here, before = float(rows.rate[place]), float(rows.rate[place - 1])
    first = abs(here - float(rows.rate[0])) <= 2 * float(rows.tolerance[place])
    resumed = rows.session[place] != rows.session[place - 1]
    return Deviation(
        kind="restart" if resumed else "jump",
        step=int(rows.step[place]),
        last_step=int(rows.step[-1]),
        join=join_of(rows, place) if resumed else None,
        what=f"at {'the resume at ' if resumed else ''}step {rows.step[place]} the rate goes from {before:.6g} "
        f"back to {here:.6g}, its {'first' if first else 'highest'} value, and moves so far nowhere else",
        evidence=(
            row_of(timeline, rows, 0 if first else int(rows.rate[:place].argmax()), "the rate at the start"),
            row_of(timeline, rows, place - 1, f"last row before{' the resume' if resumed else ''}"),
            row_of(timeline, rows, place, "the rate at the start again"),
        ),
        numbers={"rate_before": before, "rate": here},
        severity="warning",
    )


def _left_its_level(timeline: Timeline, rows: Observed, first: int, after: int) -> Deviation:
    """A level that is left for some rows and taken again."""
    level, other = float(rows.rate[first - 1]), float(rows.rate[first])
    return Deviation(
        kind="jump",
        step=int(rows.step[first]),
        last_step=int(rows.step[after - 1]),
        what=f"the rate is {other:.6g} from step {rows.step[first]} to {rows.step[after - 1]} ({after - first} rows), "
        f"{other / level:.4g} times the {level:.6g} that it is before and behind",
        evidence=(
            row_of(timeline, rows, first - 1, "last row before"),
            row_of(timeline, rows, first, "another rate"),
            row_of(timeline, rows, after, "the rate from before again"),
        ),
        numbers={"observed": other, "expected": level, "factor": other / level},
        severity="warning",
    )


def _every_length_is_told(timeline: Timeline, claim: Claim, rows: Observed) -> bool:
    """Whether the declaration is one schedule: an end that nobody tells may lie anywhere.

    Nor are calls with a share of an epoch tabled where the steps of one are not known to the last, nor a schedule over
    tokens or samples whose number in a step changes.
    """
    if any(_changes_its_pace(one) for role in ("tokens", "samples") for one in timeline.roles.all(role)):
        return False
    if claim.unit == "epoch" and "step" in rows.axes and "share" not in rows.axes:
        return False
    return claim.family not in (None, "plateau", *(() if claim.totals or claim.epochs else ending()))


def _changes_its_pace(count: Series) -> bool:
    """Whether a count of what was seen goes up by another amount a step, from some place on."""
    each = np.diff(count.value) / np.maximum(np.diff(count.step), 1)
    return len(each) > 1 and bool(np.ptp(each) > OTHER_PACE * np.median(each) > 0)


def inside_a_session(rows: Observed, place: int) -> bool:
    return bool(rows.session[place] == rows.session[place - 1])


def refuted(timeline: Timeline, claim: Claim, rows: Observed, sample: Observed) -> SchedulerClock:
    """Nothing admitted explains the rows: with a declaration that is a finding, its cause is not known.

    It is a warning: that no habit of any framework gives the rows cannot be proved, only that none known here does.
    """
    deviations: tuple[Deviation, ...] = ()
    judged = rows.sized and len(session_spans(rows)) <= MOST_SESSIONS
    again = begun_again(rows) if judged else None
    back = back_where_it_began(rows) if judged and again is None else None
    if claim.family in BEGIN_AGAIN:  # as declared, but for a resume
        again = None if again is None or inside_a_session(rows, again.place) else again
        back = None if back is None or inside_a_session(rows, back) else back
    reference = None
    if again is not None:
        deviations = (_restarted(timeline, rows, again, declared=claim.family is not None),)
    elif back is not None:
        deviations = (_back(timeline, rows, back),)
    elif claim.family is None and (left := excursion(rows)) is not None:
        deviations = (_left_its_level(timeline, rows, *left),)
    elif (
        judged
        and not may_be_a_rounded_share(rows.step)
        and _every_length_is_told(timeline, claim, rows)
        and inner_values(rows) >= FEWEST_INNER
    ):
        reference = next(iter(references(claim, sample, 1)), None)
    if reference is not None:
        first, evidence = evidence_against(timeline, rows, reference)
        if evidence:
            deviations = (
                Deviation(
                    kind="refuted",
                    step=int(rows.step[first]),
                    last_step=int(rows.step[-1]),
                    evidence=evidence,
                    what=f"the declared {claim.name} is refuted at step {rows.step[first]}: no reading of the "
                    "declaration passes through these rows, at any rate or with a break; the cause is not identified",
                    numbers={},
                    severity="warning",
                ),
            )
    return SchedulerClock(
        series=rows.series,
        family="unknown",
        peak_lr=float(rows.rate.max()),
        min_lr=float(rows.rate.min()),
        deviations=deviations,
    )
