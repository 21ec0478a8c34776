"""A schedule read off the whole log, every parameter of it held against the declaration."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from analyzer.clocks import prices
from analyzer.clocks.claim import Claim, finite_number, first_number, stated
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.schedule_families.conventions import USUAL_FLOORS
from analyzer.clocks.schedule_fit import Fit, agrees, identified, through_all
from analyzer.clocks.scheduler.drops import drop_is_due, drops_compared
from analyzer.clocks.scheduler.explanations import (
    Explanation,
    clock_of_fit,
    whole,
)  # fmt: skip
from analyzer.clocks.scheduler.lengths import USUAL, held_first, lengths_compared
from analyzer.clocks.scheduler.mismatch import (
    EXACTLY,
    FEWEST_FALLING,
    OTHER_PEAK,
    Mismatch,
    height_is_seen,
    still_rising,
)
from analyzer.clocks.scheduler.tied import evidence_against, references, row_of
from analyzer.clocks.scheduler_clock import Deviation
from analyzer.distinct import distinct
from analyzer.model import Row, Severity
from analyzer.timeline import Timeline

FAR_ABOVE = 1.25  # times the highest rate: between two rows a warmup does not rise further
NEAR_A_POWER = 0.004  # of a decade: a hundredth of the rate, to which a decay that was cut shows its floor
USUAL_DIV = 25.0  # torch OneCycleLR: it begins at this part of its peak


def with_own_parameters(
    timeline: Timeline, claim: Claim, rows: Observed, sample: Observed, budget: float
) -> Iterator[Explanation]:
    """Schedules that pass through the whole run, the cheapest against the declaration first."""
    if (np.diff(rows.step) <= 0).any():
        if not _same_where_replayed(rows):
            return
        rows = rows.rows(np.sort(np.unique(rows.step, return_index=True)[1]))
        sample = rows.sample()
        if (np.diff(rows.step) <= 0).any():
            return
    found: list[tuple[float, int, str, Fit, list[Mismatch]]] = []
    for axis in ("step", "epoch"):
        if axis not in rows.axes or len(distinct(rows.axes[axis])) < 4:
            continue
        if axis == "epoch" and claim.unit == "step" and "step" in rows.axes:
            continue  # a counter that stands still within an epoch is one of epochs
        for fit in whole_fits(claim, rows, sample, axis):
            wrong = mismatches(claim, rows, fit, axis)
            if wrong is not None:
                found.append((sum(one.price for one in wrong), len(found), axis, fit, wrong))
    if not found:
        return
    price, _, axis, fit, wrong = min(found, key=lambda one: one[:2])
    told = sorted((one for one in wrong if one.told), key=lambda one: one.note)
    deviations: tuple[Deviation, ...] = ()
    if told:
        reference = next(iter(references(claim, sample, 1)), None)
        first, evidence = evidence_against(timeline, rows, reference)
        shown_by = 0 if evidence and reference is not None else None
        if told[0].kind == "horizon":
            evidence += tuple(_over(timeline, rows, fit, axis))
        deviations = (_deviation(claim, rows, told, first, evidence, shown_by),)
    yield Explanation(
        price=price if claim.family is None or wrong else prices.CONVENTION,
        clock=clock_of_fit(rows, fit, deviations, axis=axis),
    )


def _over(timeline: Timeline, rows: Observed, fit: Fit, axis: str) -> Iterator[Row]:
    """The row at which a schedule ends before the run does."""
    after = np.flatnonzero(rows.axes[axis] >= fit.end)
    if len(after) >= FEWEST_FALLING:
        yield row_of(timeline, rows, int(after[0]), f"the schedule ends here, at {whole(fit.end):.6g}")


def _deviation(
    claim: Claim, rows: Observed, told: list[Mismatch], first: int, evidence: tuple[Row, ...], shown_by: int | None
) -> Deviation:
    """The dearest mismatch, the others beside it."""
    main = told[0]
    severity: Severity = "error" if claim.family is not None else "warning"
    if main.note or (claim.family is None and not claim.asked):
        severity = "note"
    return Deviation(
        kind=main.kind,
        step=int(rows.step[first]),
        last_step=int(rows.step[-1]),
        what="; ".join(one.what for one in told),
        numbers=main.numbers,
        size=float(main.numbers.get("rate", 0.0)),
        evidence=evidence,
        shown_by=shown_by,
        severity=severity,
    )


def _same_where_replayed(rows: Observed) -> bool:
    """Whether every step that was logged twice has the same rate both times."""
    order = np.argsort(rows.step, kind="stable")
    step, rate, slack = rows.step[order], rows.rate[order], rows.tolerance[order]
    twice = np.diff(step) == 0
    return bool((np.abs(np.diff(rate))[twice] <= 2 * slack[1:][twice]).all())


def whole_fits(claim: Claim, rows: Observed, sample: Observed, axis: str) -> Iterator[Fit]:
    """Every schedule through all rows: of the declared family first, then of any."""
    if axis == "epoch":
        x = rows.axes[axis]
        sample = rows.rows(np.flatnonzero(np.append(np.diff(x) != 0, True))).sample()
    x = rows.axes[axis]
    wanted: tuple[tuple[str, ...] | None, ...] = ((claim.family,), None) if claim.family else (None,)
    for families in wanted:
        fits = through_all(
            x, rows.rate, rows.tolerance, np.searchsorted(rows.index, sample.index),
            families=families, peaks=stated(claim.base_lr), floors=stated(claim.min_lr),
            power=finite_number(claim.params.get("power")),
        )  # fmt: skip
        yield from (fit for fit in fits if not _only_at_joins(rows, fit))
    drops = next(identified(x, rows.rate, rows.tolerance, families=("step",)), None)
    if drops is not None and agrees(drops, x, rows.rate, rows.tolerance).all():
        yield drops  # drops are placed by every row, not by some of them


def _only_at_joins(rows: Observed, fit: Fit) -> bool:
    """Restarts that all sit where a session begins are the resumes', not the schedule's."""
    if fit.family != "warm-restarts":
        return False
    jumps = np.flatnonzero(np.diff(rows.rate) > 0.3 * np.ptp(rows.rate)) + 1
    return bool(len(jumps) and (rows.session[jumps] != rows.session[jumps - 1]).all())


def mismatches(claim: Claim, rows: Observed, fit: Fit, axis: str) -> list[Mismatch] | None:
    """What a fit has different from the declaration, the gravest first; None where it may be no explanation."""
    found: list[Mismatch] = []
    if fit.rise is not None and fit.peak > FAR_ABOVE * max(float(rows.rate.max()), claim.base_lr or 0.0):
        return None  # a warmup that was logged ends near the highest rate
    if claim.unit not in (None, axis) and not claim.per_epoch:
        return None  # counted in a unit whose size is not known
    if not same_family(claim, fit, rows, axis):
        if fit.family == "constant" and fit.rise is None:
            return None  # a standstill: told as such
        found.append(
            Mismatch(
                kind="family", price=prices.FAMILY,
                what=f"the rates follow a {fit.family} schedule, {claim.name} is declared",
                numbers={"observed": fit.family, "declared": claim.family},
            )
        )
    if fit.rises_as_logged:
        found.append(Mismatch(kind="warmup", what="", numbers={}, price=prices.ANY_RISE, told=False))
    found += _peak(claim, rows, fit, axis)
    if not any(one.told for one in found) or claim.family is None:
        found += _floor(claim, rows, fit, axis)
        found += lengths_compared(claim, rows, fit, axis)
        found += drops_compared(claim, rows, fit, axis)
        found += held_first(claim, rows, fit, axis)
    return found


def same_family(claim: Claim, fit: Fit, rows: Observed, axis: str) -> bool:
    """Whether a fit can be of the declared family."""
    declared, read = claim.family, fit.family
    if declared in (None, "plateau", read) or still_rising(rows, fit):
        return True
    power = finite_number(claim.params.get("power"))
    return (
        (declared == "wsd" and read in ("linear", "cosine", "polynomial", "1-sqrt", "constant"))
        or (declared == "step" and read == "constant" and not drop_is_due(claim, rows, axis))
        or (declared == "polynomial" and read == "linear" and power in (None, 1))
        or (declared == "exponential" and read == "step" and claim.params.get("staircase") is not False)
        or (declared == "one-cycle" and read in ("cosine", "linear") and _rises_like_one_cycle(claim, fit))
        or (declared == "restarts" and read in ("cosine", "warm-restarts"))
        or (declared == "warm-restarts" and read == "cosine")
    )


def _rises_like_one_cycle(claim: Claim, fit: Fit) -> bool:
    """Whether a rise begins at a share of the peak, as one cycle does, and not at nothing."""
    if fit.rise is None:
        return False
    begins = fit.peak / (first_number(claim.params, "div_factor", "div") or USUAL_DIV)
    first = fit.rise.start if fit.rise.form == "cosine" else -fit.rise.slope * fit.rise.zero
    return 0.5 * begins < first < 2 * begins  # a rise's zero is known to a step or so


def _peak(claim: Claim, rows: Observed, fit: Fit, axis: str) -> Iterator[Mismatch]:
    declared, top = claim.base_lr, int(np.argmax(rows.rate))
    if not declared or abs(fit.peak / declared - 1) <= OTHER_PEAK + 2 * rows.tolerance[top] / declared:
        return
    if still_rising(rows, fit) and fit.peak < declared:
        return
    if top == 0 and fit.peak < declared <= _before_the_first_row(rows, fit, axis):
        return  # the decay had begun when the first row was written
    if not height_is_seen(rows, fit, axis, declared):
        yield Mismatch(kind="peak", what="", numbers={}, price=prices.ODD_VALUE, told=False)
        return
    yield Mismatch(
        kind="peak",
        what=f"the rate peaks at {fit.peak:.6g}, {declared:.6g} is declared ({fit.peak / declared:.4g} times)",
        numbers={"observed": fit.peak, "declared": declared},
    )


def _before_the_first_row(rows: Observed, fit: Fit, axis: str) -> float:
    """The highest rate that a decay may have come from: two rows further up, or one on a curve without a top."""
    x, rate = rows.axes[axis], rows.rate
    with np.errstate(all="ignore"):
        on_curve = float(fit(2 * x[:1] - x[1:2])[0])
    straight = float(3 * rate[0] - 2 * rate[1])
    return max(straight, on_curve) if math.isfinite(on_curve) else straight


def _is_a_power_of_ten(rate: float) -> bool:
    """Whether a floor that a fit met to a part of its digits is 1e-5, 1e-6, ...: what people choose."""
    off = math.log10(rate) % 1
    return min(off, 1 - off) < NEAR_A_POWER


def _floor(claim: Claim, rows: Observed, fit: Fit, axis: str) -> Iterator[Mismatch]:
    """A decay that goes below the declared floor, or is held above it; a floor that nobody declared."""
    if fit.family not in ("linear", "cosine", "polynomial", "1-sqrt", "warm-restarts", "exponential", "inverse-sqrt"):
        return
    if claim.min_lr is None:
        share = fit.floor / fit.peak
        if share > 0 and any(abs(share / usual - 1) < EXACTLY for usual in USUAL_FLOORS):
            yield Mismatch(kind="floor", what="", numbers={}, price=prices.FORGOTTEN, told=False)
        elif share > 0:
            held = np.count_nonzero(np.abs(rows.rate - fit.floor) <= 2 * rows.tolerance) >= 3
            chosen = (held and share <= USUAL) or _is_a_power_of_ten(fit.floor)
            price = prices.FORGOTTEN if chosen else prices.ODD_VALUE
            if not held and share > USUAL:
                price = prices.HIGH_FLOOR
            yield Mismatch(kind="floor", what="", numbers={}, price=price, told=False)
        return
    slack = OTHER_PEAK * fit.peak
    if abs(fit.floor - claim.min_lr) <= slack:
        return
    held = np.count_nonzero(np.abs(rows.rate - fit.floor) <= 2 * rows.tolerance) >= FEWEST_FALLING
    lowest = float(rows.rate[int(np.argmax(rows.rate)) :].min())
    below = lowest < claim.min_lr - slack
    told = (held and fit.floor > claim.min_lr) or below
    where = f"the rate falls to {lowest:.6g}" if below else f"the rate is held at {fit.floor:.6g}"
    yield Mismatch(
        kind="floor", told=bool(told),
        what=f"{where}, {claim.min_lr:.6g} is the declared floor",
        numbers={"observed": fit.floor, "declared": claim.min_lr},
    )  # fmt: skip


