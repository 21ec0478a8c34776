"""A schedule read off the whole log, held against the declaration: horizon, warmup, family and height."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from analyzer.clocks.declared_schedule import USUAL_FLOORS, Claim
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
    whole,
)
from analyzer.clocks.scheduler.sound import CONVENTION, MOST_AT_THE_START, OTHER_PEAK, overrun, own_plan
from analyzer.model import Row

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
    if fit.family != claim.family and not stable:
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


def moved_by(claim: Claim, fit: Fit, widths: tuple[float, ...], totals: tuple[float, ...]) -> float | None:
    """Steps by which a schedule with the declared lengths starts late; None when its lengths are others."""
    if fit.rise is not None:
        if fit.rise.form not in ("line", "held line") or fit.rise.rows < 3:
            return None
        late, begins = fit.rise.zero, fit.rise.end - fit.rise.zero
        if not any(abs(begins - width) <= CONVENTION for width in widths):
            return None
    else:
        late = fit.start
        if not math.isfinite(late) or claim.base_lr is None or claim.warmup_declared:
            return None
    fits = any(abs(fit.end - late - total) <= CONVENTION for total in totals)
    return late if fits and abs(late) > CONVENTION + 1 else None


def also_admitted(claim: Claim, rows: Observed, axis: str) -> tuple[float, ...]:
    """Totals that excuse a horizon: the length that the run really has, where the plan is off; ``max_steps``.

    A run that ends as planned admits no other total.
    """
    x = rows.axes[axis]
    last = float(x[-1])
    if axis != "step" or any(abs(last - total) <= CONVENTION for total in claim.totals):
        return ()
    cadence = float(np.median(np.diff(x))) if len(x) > 1 else 1.0
    ends = np.arange(last, last + min(cadence, 200) + 1) if cadence > 1 else np.array([last])
    return (*ends.tolist(), *stated(claim.max_steps))


def lengths_compared(
    claim: Claim, rows: Observed, fit: Fit, axis: str, step: int, last: int, evidence: tuple[Row, ...]
) -> Iterator[Deviation]:
    """Horizon, warmup or both by one factor."""
    per = "epochs" if axis == "epoch" else "steps"
    totals = (claim.totals if axis == "step" else stated(claim.epochs)) + also_admitted(claim, rows, axis)
    shown = fit.rise is not None and fit.rise.form in ("line", "held line") and abs(fit.rise.zero) <= 2.1
    zero = fit.rise.zero if fit.rise is not None and shown else 0.0  # the phase, where the rise starts from zero
    fit = replace(fit, end=fit.end - zero)
    width = fit.rise.end - zero if fit.rise is not None else 0.0
    widths = claim.warmups if axis == "step" else stated(claim.warmup_epochs) or (0.0,)
    end_known = math.isfinite(fit.end) and bool(claim.totals if axis == "step" else claim.epochs)
    # Where no rise shows the phase, one more step is open. One step is one update, however many samples it has.
    slack = (CONVENTION if shown else CONVENTION + 1) * rows.update
    end_ok = not end_known or any(abs(fit.end - total) <= slack for total in totals)
    if end_known and fit.family == "linear" and claim.min_lr is None and fit.floor == 0 and math.isfinite(fit.start):
        floors = [fit.end - share * (fit.end - fit.start) for share in USUAL_FLOORS]
        end_ok = end_ok or any(abs(end - total) <= slack for end in floors for total in totals)
    if end_known and claim.family == "cosine" and fit.end > 0:
        end_ok = end_ok or any(abs(fit.end - total - w) <= slack for total in totals for w in widths)
    planned = claim.totals if axis == "step" else stated(claim.epochs)
    near = min(planned, key=lambda total: abs(fit.end - total)) if end_known else math.nan
    peak_known = claim.base_lr is not None or height_is_seen(rows, fit, axis, fit.peak)
    warm_ok = (
        not peak_known
        or not warmup_is_seen(rows, fit, axis, widths)
        or any(abs(width - w) <= CONVENTION * rows.update for w in widths)
    )
    behind = moved_by(claim, fit, widths, totals)
    if not end_ok and not shown and behind is not None:
        few = 0 < behind <= MOST_AT_THE_START
        where = "behind" if behind > 0 else "ahead of"
        yield Deviation(
            kind="skipped" if few else "lag" if behind > 0 else "lead",
            step=step,
            last_step=last,
            size=-behind,
            evidence=evidence,
            severity="note" if few else "error",
            what=f"the scheduler is {abs(behind):.4g} steps {where} the step counter from the start: "
            "warmup and decay are as declared, and all of it is moved",
            numbers={"skipped" if few else "steps": behind, "share": behind / max(float(last), 1.0)},
        )
        return
    if not warm_ok and not end_ok and widths and max(widths) > 0:
        k_end, k_warm = near / fit.end, max(widths) / max(width, 1e-9)
        if abs(k_end / k_warm - 1) < 0.05:
            yield Deviation(
                kind="rate",
                step=step,
                last_step=last,
                size=k_warm,
                evidence=evidence,
                what=f"the scheduler advances {k_warm:.4g} times per update: "
                f"warmup ends at {whole(width):.6g} of {max(widths):.6g}, "
                f"the decay at {whole(fit.end):.6g} of {near:.6g}",
                numbers={"rate": k_warm, "warmup": width, "total": fit.end, "declared_total": near},
            )
            return
    if not end_ok:
        tail = "" if warm_ok else f"; its warmup ends at {whole(width):.6g}, {max(widths):.6g} is declared"
        yield Deviation(
            kind="horizon",
            step=step,
            last_step=last,
            evidence=evidence,
            what=f"the schedule was built for {whole(fit.end):.6g} {per}, {near:.6g} are planned "
            f"(ratio {fit.end / near:.4g}){tail}",
            numbers={"schedule_steps": fit.end, "planned_steps": near, "ratio": fit.end / near},
        )
        return
    if warm_ok and claim.base_lr and never_at_peak(rows, fit, axis, claim.base_lr):
        top = int(np.argmax(rows.rate))
        yield Deviation(
            kind="warmup",
            step=int(rows.step[top]),
            last_step=last,
            evidence=evidence,
            what=f"the declared peak {claim.base_lr:.6g} is never reached: {rows.rate[top]:.6g} at {rows.step[top]} "
            "is the highest, where the warmup gives way to the decay",
            numbers={"highest": float(rows.rate[top]), "declared": claim.base_lr},
        )
        return
    if (
        warm_ok
        and end_known
        and 0.4 < abs(fit.end - near) <= CONVENTION
        and not any(abs(fit.end - t) < 0.4 for t in totals)
    ):
        yield Deviation(
            kind="horizon",
            step=step,
            last_step=last,
            evidence=evidence,
            severity="note",
            what=f"the schedule ends at {whole(fit.end):.6g}, {near:.6g} {per} are planned: "
            "one off, no convention that is known here",
            numbers={"schedule_steps": fit.end, "planned_steps": near},
        )
        return
    if not warm_ok:
        declared = max(widths)
        yield Deviation(
            kind="warmup",
            step=step,
            last_step=last,
            evidence=evidence,
            what=f"the warmup lasts {whole(width):.6g} {per}, {declared:.6g} are declared",
            numbers={"warmup": width, "declared": declared},
        )
