"""A schedule read off the whole log, every parameter of it held against the declaration."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import Struct

from analyzer.clocks import prices
from analyzer.clocks.declared_schedule import Claim
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.schedule_families.conventions import USUAL_FLOORS, first_number, number
from analyzer.clocks.schedule_fit import Fit, agrees, identified
from analyzer.clocks.scheduler import Deviation, Kind
from analyzer.clocks.scheduler.explanations import (
    ZERO_KNOWN_TO,
    Explanation,
    clock_of_fit,
    end_unsure_by,
    whole,
)  # fmt: skip
from analyzer.clocks.scheduler.tied import Tied, evidence_against, references, stated
from analyzer.distinct import distinct
from analyzer.model import Row, Severity

if TYPE_CHECKING:
    from analyzer.timeline import Timeline

OTHER_PEAK = 1e-3  # relative; printed rates have three digits at least
NOT_REACHED = 0.02  # relative
CONVENTION = 1.5  # steps by which horizon and warmup may differ and still be a convention
FEWEST_FALLING = 3  # rows between top and floor, below which a fall may be any
EXACTLY = 1e-3  # steps
CURVED = 0.05  # the end of a logarithm lies as far off as its rounded rates let it
SAME_FACTOR = 0.05  # relative, between the ratios of two lengths that one cause changed
USUAL = 0.2  # of the peak: higher floors than this are declared, or not meant
MILESTONE = 1.5  # rows by which a drop may lie beside its milestone


class Mismatch(Struct, frozen=True, kw_only=True):
    """One declared parameter that is another in the log."""

    kind: Kind
    what: str
    numbers: Mapping[str, Any]
    price: float = prices.PARAMETER
    note: bool = False
    told: bool = True  # False: it costs, and there is nothing to say


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
        first, evidence = _against(timeline, claim, rows, fit, axis, reference)
        deviations = (_deviation(claim, rows, told, first, evidence),)
    yield Explanation(
        price=price if claim.family is None or wrong else prices.CONVENTION,
        clock=clock_of_fit(rows, fit, deviations, axis=axis),
    )


def _against(
    timeline: Timeline, claim: Claim, rows: Observed, fit: Fit, axis: str, reference: Tied | None
) -> tuple[int, tuple[Row, ...]]:
    return evidence_against(timeline, rows, reference)


def _deviation(
    claim: Claim, rows: Observed, told: list[Mismatch], first: int, evidence: tuple[Row, ...]
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
        fits = identified(
            sample.axes[axis], sample.rate, sample.tolerance,
            families=families, peaks=stated(claim.base_lr), floors=stated(claim.min_lr),
            power=number(claim.params.get("power")),
        )  # fmt: skip
        for fit in fits:
            if agrees(fit, x, rows.rate, rows.tolerance).all() and not _only_at_joins(rows, fit):
                yield fit
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
    found += _peak(claim, rows, fit, axis)
    if not any(one.told for one in found) or claim.family is None:
        found += _floor(claim, rows, fit, axis)
        found += _lengths(claim, rows, fit, axis)
        found += _drops(claim, rows, fit, axis)
        found += _held_first(rows, fit, axis)
    return found


def still_rising(rows: Observed, fit: Fit) -> bool:
    """Whether the log ends with the warmup: what follows is not told."""
    return fit.family == "constant" and fit.rise is not None and int(np.argmax(rows.rate)) >= len(rows) - 1


def same_family(claim: Claim, fit: Fit, rows: Observed, axis: str) -> bool:
    """Whether a fit can be of the declared family."""
    declared, read = claim.family, fit.family
    if declared in (None, "plateau", read) or still_rising(rows, fit):
        return True
    power = number(claim.params.get("power"))
    return (
        (declared == "wsd" and read in ("linear", "cosine", "polynomial", "1-sqrt", "constant"))
        or (declared == "polynomial" and read == "linear" and power in (None, 1))
        or (declared == "exponential" and read == "step" and claim.params.get("staircase") is not False)
        or (declared == "one-cycle" and read in ("cosine", "linear") and fit.rise is not None)
        or (declared == "restarts" and read in ("cosine", "warm-restarts"))
        or (declared == "warm-restarts" and read == "cosine")
    )


def _peak(claim: Claim, rows: Observed, fit: Fit, axis: str) -> Iterator[Mismatch]:
    declared = claim.base_lr
    if not declared or abs(fit.peak / declared - 1) <= OTHER_PEAK:
        return
    if still_rising(rows, fit) and fit.peak < declared:
        return
    if not _height_is_seen(rows, fit, axis, declared):
        yield Mismatch(kind="peak", what="", numbers={}, price=prices.ODD_VALUE, told=False)
        return
    yield Mismatch(
        kind="peak",
        what=f"the rate peaks at {fit.peak:.6g}, {declared:.6g} is declared ({fit.peak / declared:.4g} times)",
        numbers={"observed": fit.peak, "declared": declared},
    )


def _height_is_seen(rows: Observed, fit: Fit, axis: str, declared: float) -> bool:
    """Whether the log shows the top itself: a plateau, every step around it, or a rate above the declared one."""
    if fit.family not in ("constant", "exponential", "step", "inverse-time", "inverse-sqrt") and fit.rise is None:
        return bool(rows.rate[0] > declared * (1 + OTHER_PEAK)) or fit.held >= 2
    x, top = rows.axes[axis], int(np.argmax(rows.rate))
    if rows.rate[top] > declared * (1 + OTHER_PEAK):
        return True
    level = np.count_nonzero(np.abs(rows.rate - rows.rate[top]) <= 2 * rows.tolerance)
    around = x[max(top - 1, 0) : top + 2]
    return bool(level >= 3 or (len(around) > 1 and np.diff(around).max() <= 1))


def _floor(claim: Claim, rows: Observed, fit: Fit, axis: str) -> Iterator[Mismatch]:
    """A decay that goes below the declared floor, or is held above it; a floor that nobody declared."""
    if fit.family not in ("linear", "cosine", "polynomial", "1-sqrt", "warm-restarts"):
        return
    if claim.min_lr is None:
        share = fit.floor / fit.peak
        if share > 0 and any(abs(share / usual - 1) < EXACTLY for usual in USUAL_FLOORS):
            yield Mismatch(kind="floor", what="", numbers={}, price=prices.FORGOTTEN, told=False)
        elif share > 0:
            held = np.count_nonzero(np.abs(rows.rate - fit.floor) <= 2 * rows.tolerance) >= 3
            price = prices.FORGOTTEN if held and share <= USUAL else prices.ODD_VALUE
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


class Lengths(Struct, frozen=True, kw_only=True):
    """Where a fit ends and how long its warmup is, counted from the scheduler's own zero."""

    end: float
    start: float
    width: float
    slack: float
    zero_shown: bool


def read_lengths(rows: Observed, fit: Fit, axis: str) -> Lengths:
    """Lengths of a fit; where no rise shows the phase, one more step is open."""
    rise = fit.rise
    shown = (
        rise is not None
        and rise.form in ("line", "held line")
        and -1 <= round(rise.zero) <= 2  # a line from further left starts above zero
        and abs(rise.zero - round(rise.zero)) <= ZERO_KNOWN_TO
        and (rise.rows >= FEWEST_FALLING or abs(rise.end - fit.start) <= EXACTLY * 50)
    )
    zero = round(rise.zero) if rise is not None and shown else 0.0
    if rise is None and fit.start in (0, 1, 2) and rows.rate[0] < fit.peak + rows.tolerance[0]:
        zero, shown = fit.start, fit.start == rows.axes[axis][0]  # it falls from the first update on
    return Lengths(
        end=fit.end - zero,
        start=fit.start - zero,
        width=rise.end - zero if rise is not None else 0.0,
        slack=CONVENTION if shown else CONVENTION + 1,
        zero_shown=shown,
    )


def _lengths(claim: Claim, rows: Observed, fit: Fit, axis: str) -> Iterator[Mismatch]:
    """Horizon and warmup; both by one factor are a rate."""
    read = read_lengths(rows, fit, axis)
    planned = claim.totals if axis == "step" else stated(claim.epochs)
    widths = claim.warmups if axis == "step" else _in_epochs(claim)
    if claim.ratio and math.isfinite(read.end):
        widths = (*widths, float(math.floor(claim.ratio * read.end)), float(math.ceil(claim.ratio * read.end)))
    horizon = _horizon(claim, rows, fit, axis, read, planned, widths)
    warmup = _warmup(claim, rows, fit, axis, read, widths)
    if horizon is not None and warmup is not None:
        declared, near = float(warmup.numbers["declared"]), float(horizon.numbers["planned_steps"])
        k, other = declared / max(read.width, 1e-9), near / read.end
        if declared > 0 and abs(other / k - 1) < SAME_FACTOR:
            yield Mismatch(
                kind="rate",
                what=f"the scheduler advances {k:.4g} times per update: warmup ends at {whole(read.width):.6g} of "
                f"{declared:.6g}, the decay at {whole(read.end):.6g} of {near:.6g}",
                numbers={"rate": k, "warmup": read.width, "total": read.end, "declared_total": near},
            )
            return
    yield from (one for one in (horizon, warmup) if one is not None)


def _in_epochs(claim: Claim) -> tuple[float, ...]:
    """Declared warmups in epochs; steps that are given beside epochs of unknown size are epochs."""
    if claim.warmup_epochs is not None:
        return (claim.warmup_epochs,)
    if not claim.per_epoch or claim.unit == "epoch":
        return claim.warmups
    return tuple(width / each for width in claim.warmups for each in claim.per_epoch)


def _held_first(rows: Observed, fit: Fit, axis: str) -> Iterator[Mismatch]:
    """A warmup whose first rate is used more than once: calls that came late, or one that came early."""
    if fit.rise is None or fit.rise.form != "held line":
        return
    held = int(np.argmax(np.append(rows.rate - rows.rate[0] > rows.tolerance[0], True)))
    unit = "epoch" if axis == "epoch" else "step"
    yield Mismatch(
        kind="lag" if axis == "epoch" else "phase", note=axis != "epoch",
        price=prices.LATE_FROM_THE_START if axis == "epoch" else prices.CONVENTION,
        what=f"the first rate, {rows.rate[0]:.6g}, is used {held} times: from {unit} {rows.step[held - 1]} on the "
        "scheduler is late, or was early before",
        numbers={"steps": 1 - held},
    )  # fmt: skip


def _horizon(
    claim: Claim, rows: Observed, fit: Fit, axis: str, read: Lengths, planned: tuple[float, ...],
    widths: tuple[float, ...],
) -> Mismatch | None:  # fmt: skip
    if not planned or not math.isfinite(read.end) or fit.family in ("warm-restarts", "cyclic"):
        return None
    x = rows.axes[axis]
    unsure = end_unsure_by(rows, fit, x)
    slack = read.slack + (unsure if unsure >= 0.5 else 0.0)
    behind = {*widths, read.width, 0.0 if claim.warmup_declared else max(read.start, 0.0)}
    admitted = [*planned, *also_admitted(claim, rows, axis)]
    ends = [*admitted, *(total + width for total in admitted for width in behind if math.isfinite(width))]
    if any(abs(read.end - total) <= slack for total in ends):
        return _one_step_off(claim, rows, read, ends, unsure)
    falling = (x >= fit.start) & (rows.rate < fit.peak - rows.tolerance) & (rows.rate > fit.floor + rows.tolerance)
    if np.count_nonzero(falling) < FEWEST_FALLING:
        return None
    near = min(planned, key=lambda total: abs(read.end - total))
    if fit.family == "linear" and fit.floor == 0 and claim.min_lr is None and near < read.end:
        share = (read.end - near) / max(read.end - read.start, 1e-9)
        part_of_a_step = abs(read.end - round(read.end)) > max(2 * unsure, EXACTLY)
        near_to = max(2 * unsure, CONVENTION)
        usual = any(abs(share - floor) * (read.end - read.start) <= near_to for floor in USUAL_FLOORS)
        if usual or (part_of_a_step and share <= USUAL):  # nobody builds a schedule for part of a step
            return Mismatch(kind="floor", what="", numbers={}, price=prices.FORGOTTEN, told=False)
    if fit.family == "linear" and fit.floor > 0 and _not_held(rows, fit):
        return None  # a straight line that has not ended has any floor
    ratio = read.end / near
    return Mismatch(
        kind="horizon",
        note=claim.family is None and min(abs(k - round(k)) for k in (ratio, 1 / ratio)) > EXACTLY,  # may be meant so
        what=f"the schedule was built for {whole(read.end):.6g} {'epochs' if axis == 'epoch' else 'steps'}, "
        f"{near:.6g} are planned (ratio {ratio:.4g})",
        numbers={"schedule_steps": read.end, "planned_steps": near, "ratio": ratio},
    )


def _one_step_off(
    claim: Claim, rows: Observed, read: Lengths, ends: list[float], unsure: float
) -> Mismatch | None:
    """A horizon that differs by one step where the log shows it exactly: a convention, told as a note."""
    near = min(ends, key=lambda total: abs(read.end - total))
    whole_end = abs(read.end - round(read.end)) <= max(2 * unsure, EXACTLY)
    if not read.zero_shown or not whole_end or unsure > 0.1 or round(read.end) - near != 1:
        return None
    return Mismatch(
        kind="horizon", price=0.0, note=True,
        what=f"the schedule was built for {read.end:.6g} steps, {near:.6g} are planned: one more",
        numbers={"schedule_steps": read.end, "planned_steps": near, "ratio": read.end / near},
    )  # fmt: skip


def _not_held(rows: Observed, fit: Fit) -> bool:
    return bool(np.count_nonzero(np.abs(rows.rate - fit.floor) <= 2 * rows.tolerance) < 2)


def also_admitted(claim: Claim, rows: Observed, axis: str) -> tuple[float, ...]:
    """Totals that excuse a horizon: the length that the run really has, where the plan is off; ``max_steps``.

    A run that ends as planned admits no other total.
    """
    x = rows.axes[axis]
    last = float(x[-1])
    cadence = float(np.median(np.diff(x))) if len(x) > 1 else 1.0
    if axis != "step" or any(last - CONVENTION <= total <= last + max(cadence, CONVENTION) for total in claim.totals):
        return ()
    ends = np.arange(last, last + min(cadence, 200) + 1) if cadence > 1 else np.array([last])
    return (*ends.tolist(), *stated(claim.max_steps))


def _warmup(
    claim: Claim, rows: Observed, fit: Fit, axis: str, read: Lengths, widths: tuple[float, ...]
) -> Mismatch | None:
    if not claim.warmup_declared or (claim.family == "one-cycle"):
        return None
    x = rows.axes[axis]
    declared = max(widths, default=0.0)
    if fit.rise is None:
        inside = np.count_nonzero(x < declared - 1)
        seen = inside >= 2
        if not seen:
            return None
    elif fit.rise.rows < 2 and declared > 0 and abs(fit.rise.end - fit.start) > EXACTLY * 50:
        return None
    if still_rising(rows, fit):
        return _slower_rise(claim, rows, fit, read, widths)
    curved = 0.0 if fit.rise is None or fit.rise.form in ("line", "held line") else CURVED
    if _peak_is_passed_by(claim, rows, fit, axis):
        return Mismatch(
            kind="warmup",
            what=f"the warmup ends at {rows.rate.max():.6g}, before the declared peak {claim.base_lr:.6g} is reached",
            numbers={"warmup_steps": read.width, "declared": declared},
        )
    slack = [-1.0 if width == 0 and fit.rise is not None else read.slack + curved * read.width for width in widths]
    if any(abs(read.width - width) <= by for width, by in zip(widths, slack, strict=True)):
        return None
    if fit.rise is not None and not _height_is_seen(rows, fit, axis, fit.peak) and (
        claim.base_lr is None or abs(fit.peak / claim.base_lr - 1) > OTHER_PEAK
    ):
        return None
    near = min(widths, key=lambda width: abs(read.width - width))
    return Mismatch(
        kind="warmup",
        what=f"the warmup lasts {whole(read.width):.6g} steps, {near:.6g} are declared"
        + (f" (ratio {read.width / near:.4g})" if near > 0 else ""),
        numbers={"warmup_steps": read.width, "declared": near},
    )


def _peak_is_passed_by(claim: Claim, rows: Observed, fit: Fit, axis: str) -> bool:
    """Every step around the top is logged, and the top is below the declared peak: no counter stood at it."""
    x, top = rows.axes[axis], int(np.argmax(rows.rate))
    if fit.rise is None or fit.rise.form != "line" or not 0 < top < len(rows) - 1 or not claim.base_lr:
        return False
    if fit.start <= CONVENTION:
        return False  # the decay runs from the first update on, and the warmup only covers its beginning
    every_step = x[top] - x[top - 1] == 1 and x[top + 1] - x[top] == 1
    return bool(every_step and rows.rate[top] < claim.base_lr * (1 - NOT_REACHED))


def _slower_rise(
    claim: Claim, rows: Observed, fit: Fit, read: Lengths, widths: tuple[float, ...]
) -> Mismatch | None:
    """A run that ended inside its warmup: the slope tells where the declared peak would be met."""
    rise = fit.rise
    if rise is None or rise.form != "line" or not claim.base_lr or rise.slope <= 0 or rise.rows < FEWEST_FALLING:
        return None
    end = claim.base_lr / rise.slope
    unsure = 2 * float((rows.tolerance / np.maximum(rows.rate, 1e-300)).min()) * end
    if any(abs(end - width) <= read.slack + unsure for width in widths):
        return None
    near = min(widths, key=lambda width: abs(end - width))
    return Mismatch(
        kind="warmup",
        what=f"the warmup's slope meets {claim.base_lr:.6g} after {whole(end):.6g} steps, {near:.6g} are declared",
        numbers={"warmup_steps": end, "declared": near},
    )


def _drops(claim: Claim, rows: Observed, fit: Fit, axis: str) -> Iterator[Mismatch]:
    """Factor and places of drops, lengths of cycles and of the last phase."""
    declared = _declared_numbers(claim, fit, axis)
    for name, (wanted, read, slack) in declared.items():
        if abs(read - wanted) <= slack:
            continue
        yield Mismatch(
            kind="warmup" if "warmup" in name else "family",
            what=f"{name} is {whole(read):.6g}, {wanted:.6g} is declared",
            numbers={"parameter": name, "observed": read, "declared": wanted},
        )
        return
    marks = claim.params.get("milestones")
    if fit.family == "step" and claim.family == "step" and isinstance(marks, list):
        yield from _milestones(claim, rows, fit, axis, [float(mark) for mark in marks])


def _declared_numbers(claim: Claim, fit: Fit, axis: str) -> dict[str, tuple[float, float, float]]:
    """Name -> (declared, read, slack) of every parameter that both sides have, in the axis' unit."""
    params, read = claim.params, fit.parameters
    found: dict[str, tuple[float, float, float]] = {}
    scale = 1.0 if claim.unit in (None, axis) else claim.per_epoch[0] if axis == "step" else 1 / claim.per_epoch[0]
    gamma = first_number(params, "gamma", "decay_rate", "factor")
    if fit.family == "step" and claim.family in ("step", "exponential"):
        gamma = 0.1 if gamma is None and claim.family == "step" else gamma
        if gamma:
            found["gamma"] = (gamma, float(read["gamma"]), OTHER_PEAK * gamma)  # type: ignore[arg-type]
        size = first_number(params, "step_size", "decay_t", "decay_steps", "lr_step_size", "step")
        if size and "step_size" in read:
            found["step_size"] = (size * scale, float(read["step_size"]), MILESTONE)  # type: ignore[arg-type]
    if fit.family == "exponential" and claim.family == "exponential" and gamma and gamma > 0:
        each = first_number(params, "decay_steps", "transition_steps") or 1.0
        speed = math.exp(float(read["slope"]) * each * scale)  # type: ignore[arg-type]
        found["gamma"] = (gamma, speed, max(OTHER_PEAK * abs(1 - gamma), 1e-6) + 5e-4 * (1 - speed))
    if fit.family == claim.family == "inverse-sqrt" and claim.base_lr and float(read["slope"]) > 0:  # type: ignore[arg-type]
        told = first_number(params, "timescale")
        expected = [told] if told else [*(w for w in claim.warmups if w), 10_000.0]
        scale_read = 1 / (float(read["slope"]) * claim.base_lr**2)  # type: ignore[arg-type]
        nearest = min(expected, key=lambda one: abs(one - scale_read))
        found["the warmup by which the decay is scaled"] = (nearest, scale_read, 0.02 * nearest + CONVENTION)
    if fit.family == "warm-restarts" and claim.family == "warm-restarts":
        first = first_number(params, "T_0", "first_decay_steps", "t_initial")
        if first:
            found["T_0"] = (first * scale, float(read["step_size"]), CONVENTION)  # type: ignore[arg-type]
    if claim.family == "wsd" and math.isfinite(fit.end) and fit.family != "constant":
        length = first_number(params, "num_decay_steps", "decay_steps", "wsd_decay_steps")
        if length and axis == "step":
            found["decay length"] = (length, fit.end - fit.start, CONVENTION + 1)
    return found


def _milestones(claim: Claim, rows: Observed, fit: Fit, axis: str, marks: list[float]) -> Iterator[Mismatch]:
    """Drops at other places than declared, in the declared unit."""
    places = fit.parameters.get("milestones")
    if not isinstance(places, tuple):
        return
    x = rows.axes[axis]
    spacing = float(np.median(np.diff(distinct(x)))) if len(x) > 1 else 1.0
    scales = [1.0] if claim.unit in (None, axis) else list(claim.per_epoch)
    if not scales:
        return
    for scale in scales:
        due = np.array([mark * scale for mark in marks])
        seen = due[(due > x[0] + spacing) & (due <= x[-1] - spacing)]
        beside = np.array(places)[None, :] - due[:, None]
        one_each = len(distinct(x)) == len(x)  # several rows in an epoch leave no phase open
        met = (beside >= -1) & (beside <= spacing) if one_each else beside == 0  # seen in the first row behind it
        if met.any(axis=0).all() and met[np.isin(due, seen)].any(axis=1).all():
            return
    shown = ", ".join(f"{place:.6g}" for place in places[:4])
    wanted = ", ".join(f"{mark:.6g}" for mark in marks[:4])
    yield Mismatch(
        kind="family",
        what=f"the rate drops at {shown}, {wanted} are declared",
        numbers={"observed": list(places), "declared": marks},
    )
