"""Horizon and warmup of a schedule that was read off the log, held against the declared lengths."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from analyzer.clocks import prices
from analyzer.clocks.claim import Claim, stated
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.schedule_families.conventions import USUAL_FLOORS
from analyzer.clocks.schedule_fit import Fit
from analyzer.clocks.scheduler.explanations import ZERO_KNOWN_TO, end_unsure_by, whole
from analyzer.clocks.scheduler.mismatch import (
    CONVENTION,
    EXACTLY,
    FEWEST_FALLING,
    OTHER_PEAK,
    Mismatch,
    height_is_seen,
    still_rising,
)
from analyzer.clocks.scheduler.own_lengths import about_steps_of, epochs_in_steps
from analyzer.distinct import distinct
from analyzer.model import Floats

NOT_REACHED = 0.02  # relative
CURVED = 0.05  # the end of a logarithm lies as far off as its rounded rates let it
SAME_FACTOR = 0.05  # relative, between the ratios of two lengths that one cause changed
USUAL = 0.2  # of the peak: higher floors than this are declared, or not meant


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


def lengths_compared(claim: Claim, rows: Observed, fit: Fit, axis: str) -> Iterator[Mismatch]:
    """Horizon and warmup; both by one factor are a rate."""
    read = read_lengths(rows, fit, axis)
    planned = claim.totals if axis == "step" else stated(claim.epochs)
    about = epochs_in_steps(claim, rows) if axis == "step" else None
    if about is not None:
        planned, read = (about.total,), replace(read, slack=read.slack + about.unsure)
    widths = claim.warmups if axis == "step" else _in_epochs(claim)
    if claim.ratio and math.isfinite(read.end):
        widths = (*widths, float(math.floor(claim.ratio * read.end)), float(math.ceil(claim.ratio * read.end)))
    horizon = _horizon(claim, rows, fit, axis, read, planned, widths)
    if axis == "step" and claim.warmup_epochs and not claim.per_epoch:  # of a length that is known about, or not at all
        rise = about_steps_of(rows, claim.warmup_epochs)
        widths, read = (() if rise is None else (rise.total,)), replace(read, slack=rise.unsure if rise else read.slack)
    warmup = _warmup(claim, rows, fit, axis, read, widths) if widths else None
    if horizon is not None and warmup is not None and "planned_steps" in horizon.numbers:
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


def held_first(claim: Claim, rows: Observed, fit: Fit, axis: str) -> Iterator[Mismatch]:
    """A warmup whose first rate is used more than once: calls that came late, or one that came early.

    A loop that hands its epochs to the scheduler behind each of them uses it for two: a note where none is declared.
    """
    if fit.rise is None or fit.rise.form != "held line":
        return
    held = int(np.argmax(np.append(rows.rate - rows.rate[0] > rows.tolerance[0], True)))
    by_epoch = axis == "epoch"
    last = rows.axes[axis][held - 1] if by_epoch else rows.step[held - 1]
    since = f"{axis if by_epoch else 'step'} {last:.6g}"
    times = f"for {len(distinct(rows.axes[axis][:held]))} epochs" if by_epoch else f"{held} times"
    yield Mismatch(
        kind="lag" if by_epoch else "phase", note=not by_epoch or claim.family is None,
        price=prices.LATE_FROM_THE_START if by_epoch else prices.CONVENTION,
        what=f"the first rate, {rows.rate[0]:.6g}, is used {times}: from {since} on the scheduler is late, "
        "or was early before",
        numbers={"steps": 1 - held},
    )  # fmt: skip


def _horizon(
    claim: Claim, rows: Observed, fit: Fit, axis: str, read: Lengths, planned: tuple[float, ...],
    widths: tuple[float, ...],
) -> Mismatch | None:  # fmt: skip
    if not planned or not math.isfinite(read.end) or {fit.family, claim.family} & {"warm-restarts", "cyclic"}:
        return None  # a cycle ends long before the run
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
        note=(claim.family is None and min(abs(k - round(k)) for k in (ratio, 1 / ratio)) > EXACTLY)  # may be meant so
        or (claim.family in (None, "restarts") and ratio < 1 and x[-1] < fit.end),  # may be the first of several cycles
        what=f"the schedule was built for {whole(read.end):.6g} {'epochs' if axis == 'epoch' else 'steps'}, "
        f"{'' if near in claim.totals or axis == 'epoch' else 'about '}{near:.6g} are planned (ratio {ratio:.4g})",
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
    if not claim.warmup_declared or claim.family == "one-cycle" or fit.rises_as_logged:
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
        return None
    curved = 0.0 if fit.rise is None or fit.rise.form in ("line", "held line") else CURVED
    if _peak_is_passed_by(claim, rows, fit, axis):
        return Mismatch(
            kind="warmup",
            what=f"the warmup ends at {rows.rate.max():.6g}, before the declared peak {claim.base_lr:.6g} is reached",
            numbers={"warmup_steps": read.width, "declared": declared},
        )
    top = int(np.argmax(rows.rate))
    rounded = 2 * float(rows.tolerance[top] / rows.rate[top])  # the line's last rate and the height it meets
    known_to = read.slack + (curved + rounded) * read.width
    slack = [-1.0 if width == 0 and fit.rise is not None else known_to for width in widths]
    if any(abs(read.width - width) <= by for width, by in zip(widths, slack, strict=True)):
        return None
    if fit.rise is not None and not height_is_seen(rows, fit, axis, fit.peak) and (
        claim.base_lr is None or abs(fit.peak / claim.base_lr - 1) > OTHER_PEAK
    ):
        widths = tuple(width for width in widths if _ends_elsewhere(rows, fit, x, width + fit.rise.end - read.width))
        if len(widths) < len(slack):
            return None
    near = min(widths, key=lambda width: abs(read.width - width))
    return Mismatch(
        kind="warmup",
        what=f"the warmup lasts {whole(read.width):.6g} steps, {near:.6g} are declared"
        + (f" (ratio {read.width / near:.4g})" if near > 0 else ""),
        numbers={"warmup_steps": read.width, "declared": near},
    )


def _ends_elsewhere(rows: Observed, fit: Fit, x: Floats, end: float) -> bool:
    """Whether rows refute that a warmup line ended at a step, however high: they still rise behind it, or fall before.
    """
    rise = fit.rise
    if rise is None or rise.form != "line" or rise.rows < FEWEST_FALLING:
        return False
    fallen = x[int(np.argmax(rows.rate)) + 1 :]
    return bool(x[x <= rise.end].max() > end + CONVENTION or (len(fallen) > 1 and fallen[0] < end - CONVENTION))


def _peak_is_passed_by(claim: Claim, rows: Observed, fit: Fit, axis: str) -> bool:
    """Every step around the top is logged, and the top is below the declared peak: no counter stood at it."""
    x, top = rows.axes[axis], int(np.argmax(rows.rate))
    if fit.rise is None or fit.rise.form != "line" or not 0 < top < len(rows) - 1 or not claim.base_lr:
        return False
    if fit.start <= CONVENTION:
        return False  # the decay runs from the first update on, and the warmup only covers its beginning
    every_step = x[top] - x[top - 1] == 1 and x[top + 1] - x[top] == 1
    return bool(every_step and rows.rate[top] < claim.base_lr * (1 - NOT_REACHED))


