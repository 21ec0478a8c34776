"""A schedule read off the whole log, held against the declaration: horizon, warmup, family and height."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.declared_schedule import Claim, number
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.schedule_fit import Fit, agrees, identified, identify
from analyzer.clocks.scheduler import Deviation, SchedulerClock
from analyzer.clocks.scheduler.known import (
    Known,
    best_reference,
    clock_of_fit,
    evidence_against,
    matches,
    row_of,
    stated,
)
from analyzer.clocks.scheduler.lengths_read import height_is_seen, lengths_compared
from analyzer.clocks.scheduler.plateau import also_on_a_metric
from analyzer.clocks.scheduler.sound import OTHER_PEAK, overrun, own_plan
from analyzer.distinct import distinct

if TYPE_CHECKING:
    from analyzer.timeline import Timeline


def with_own_parameters(
    timeline: Timeline, claim: Claim, rows: Observed, sample: Observed, main: bool
) -> SchedulerClock | None:
    """One schedule through the whole run, read off the log, and what it has different from the declaration."""
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
        if axis not in rows.axes or len(distinct(rows.axes[axis])) < 4:
            continue
        fit = whole_fit(claim, rows, sample, axis)
        if fit is not None:
            reference = best_reference(claim, sample, main) if claim.family else None
            if reference is not None and stands_still(claim, rows, fit, axis, reference):
                return None
            deviations = tuple(compared(timeline, claim, rows, fit, axis, reference, main))
            if not deviations and axis == "step" and main:
                deviations = tuple(overrun(timeline, rows, fit.end, fit.floor, planned=own_plan(timeline)))
            clock = clock_of_fit(rows, fit, deviations=deviations, axis=axis)
            if fit.family == "step" and claim.family is None and main:
                return replace(clock, aliases=(*clock.aliases, *also_on_a_metric(timeline, claim, rows)))
            return clock
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
            peaks=stated(claim.base_lr),
            floors=stated(claim.min_lr),
        ):
            if agrees(fit, rows.axes[axis], rows.rate, rows.tolerance).all() and not only_at_joins(rows, fit):
                return fit
    if claim.family in (None, "step"):  # drops are placed by every row, not by some of them
        drops = identify(rows.axes[axis], rows.rate, rows.tolerance, families=("step",))
        if drops is not None and agrees(drops, rows.axes[axis], rows.rate, rows.tolerance).all():
            return drops
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
    power = number(claim.params.get("power"))
    straight = claim.family == "polynomial" and fit.family == "linear" and power in (None, 1)
    if fit.family != claim.family and not stable and not straight:
        if fit.family == "constant" and fit.rise is None:
            return
        if {fit.family, claim.family} == {"step", "exponential"}:
            return
        if (
            claim.family in ("constant", "linear", "cosine", "exponential", "polynomial", "inverse-sqrt")
            and reference is not None
        ):
            yield Deviation(
                kind="family",
                step=step,
                last_step=last,
                evidence=evidence,
                what=f"the rates follow a {fit.family} schedule, {claim.name} is declared",
                numbers={"observed": fit.family, "declared": claim.family},
            )
        return
    if (
        claim.base_lr
        and height_is_seen(rows, fit, axis, claim.base_lr)
        and abs(fit.peak / claim.base_lr - 1) > OTHER_PEAK
    ):
        yield Deviation(
            kind="peak",
            step=step,
            last_step=last,
            evidence=evidence,
            what=f"the rate peaks at {fit.peak:.6g}, {claim.base_lr:.6g} is declared "
            f"({fit.peak / claim.base_lr:.4g} times)",
            numbers={"observed": fit.peak, "declared": claim.base_lr},
        )
        return
    told = list(lengths_compared(claim, rows, fit, axis, step, last, evidence))
    yield from told or floor_compared(timeline, claim, rows, fit, axis)


def floor_compared(timeline: Timeline, claim: Claim, rows: Observed, fit: Fit, axis: str) -> Iterator[Deviation]:
    """A decay that goes below the declared floor, or ends above it."""
    if claim.min_lr is None or fit.family not in ("linear", "cosine", "polynomial"):
        return
    top = int(np.argmax(rows.rate))
    slack = 4 * rows.tolerance + OTHER_PEAK * claim.min_lr
    below = np.flatnonzero(rows.rate[top:] < claim.min_lr - slack[top:]) + top
    over = np.flatnonzero(rows.axes[axis] >= fit.end)
    above = over[rows.rate[over] > claim.min_lr + slack[over]]
    wrong = below if len(below) >= 2 else above
    if len(wrong) < 2:
        return
    place, lowest = int(wrong[0]), int(wrong[np.argmin(rows.rate[wrong])])
    yield Deviation(
        kind="floor",
        step=int(rows.step[place]),
        last_step=int(rows.step[-1]),
        evidence=tuple(
            row_of(timeline, rows, k, f"{claim.min_lr:.6g} is the declared floor")
            for k in dict.fromkeys((place, lowest))
        ),
        what=f"the rate ends at {rows.rate[lowest]:.6g}, {claim.min_lr:.6g} is the declared floor",
        numbers={"observed": float(rows.rate[lowest]), "declared": claim.min_lr},
    )
