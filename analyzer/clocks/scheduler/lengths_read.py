"""Horizon and warmup of a schedule that was read off the log, held against the declared lengths."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from analyzer.clocks.declared_schedule import Claim
from analyzer.clocks.declared_shapes import USUAL_FLOORS
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.schedule_fit import Fit
from analyzer.clocks.scheduler import Deviation
from analyzer.clocks.scheduler.known import WHOLE_WITHIN, ZERO_KNOWN_TO, end_unsure_by, stated, whole
from analyzer.clocks.scheduler.sound import CONVENTION, MOST_AT_THE_START, OTHER_PEAK
from analyzer.model import Row

FEWEST_FALLING = 3  # rows between top and floor, below which a straight fall may be any
ROUND_SHARE = 0.2  # of the peak: higher floors than this are declared, or not meant
CURVED = 0.05  # the end of a logarithm lies as far off as its rounded rates let it
EXACTLY = 0.001  # steps
DIGITS_CHOSEN = 2  # of a floor that somebody would choose


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


def at_declared_peak(claim: Claim, fit: Fit) -> bool:
    """Whether a fit was made with the declared height: with another one its warmup ends elsewhere."""
    return claim.base_lr is not None and abs(fit.peak - claim.base_lr) <= OTHER_PEAK * claim.base_lr


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
        return fit.rise.rows >= 3 or settled(fit)
    return bool(np.count_nonzero(rows.axes[axis] < max(declared, default=0.0) - 1) >= 2)


def settled(fit: Fit) -> bool:
    """Whether a rise of one or two rows leaves zero where a counter may be 0, and ends where the decay begins."""
    rise = fit.rise
    if rise is None or rise.form != "line" or abs(rise.end - fit.start) > WHOLE_WITHIN:
        return False
    return min(abs(rise.zero), abs(rise.zero - 1)) <= WHOLE_WITHIN


def moved_by(
    claim: Claim, fit: Fit, first: float, widths: tuple[float, ...], totals: tuple[float, ...]
) -> float | None:
    """Steps by which a schedule with the declared lengths starts late; None when its lengths are others."""
    if fit.rise is not None:
        straight = fit.rise.form in ("line", "held line")
        if not straight or (fit.rise.rows < 3 and abs(fit.rise.end - fit.start) > ZERO_KNOWN_TO):
            return None
        late, begins = fit.rise.zero, fit.rise.end - fit.rise.zero
        if not any(abs(begins - width) <= CONVENTION for width in widths):
            return None
    else:
        late = fit.start
        if not math.isfinite(late) or claim.base_lr is None or max(widths, default=0.0) > 0:
            return None
        if first >= late and not claim.warmup_declared:
            return None  # before a start that nobody saw there may have been a warmup
    fits = any(abs(fit.end - late - total) <= CONVENTION for total in totals)
    return late if fits and abs(late) > CONVENTION + 1 else None


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


class Lengths(Struct, frozen=True, kw_only=True):
    """Where a fit ends and how long its warmup is, counted from the scheduler's own zero, and what is declared."""

    fit: Fit
    per: str  # "steps" or "epochs"
    width: float
    widths: tuple[float, ...]  # declared warmups
    totals: tuple[float, ...]  # ends that are admitted
    planned: tuple[float, ...]  # ends that are declared
    slack: float  # steps by which an end may be off and still be a convention
    phase_shown: bool
    curved: float  # share of the warmup by which its end may be off, where it is no line

    @property
    def end(self) -> float:
        return self.fit.end

    @property
    def end_known(self) -> bool:
        return math.isfinite(self.fit.end) and bool(self.planned)

    @property
    def near(self) -> float:
        """The declared end nearest to the fitted one."""
        return min(self.planned, key=lambda total: abs(self.end - total)) if self.end_known else math.nan


def read_lengths(claim: Claim, rows: Observed, fit: Fit, axis: str) -> Lengths:
    """Lengths of a fit beside the declared ones, on the axis it was read on."""
    planned = claim.totals if axis == "step" else stated(claim.epochs)
    rise = fit.rise
    shown = (
        rise is not None
        and rise.form in ("line", "held line")
        and -1 <= round(rise.zero) <= 2  # a line from further left starts above zero
        and abs(rise.zero - round(rise.zero)) <= ZERO_KNOWN_TO
        and (rise.rows >= FEWEST_FALLING or settled(fit))
    )
    zero = rise.zero if rise is not None and shown else 0.0  # the phase, where the rise starts from zero
    return Lengths(
        fit=replace(fit, start=fit.start - zero, end=fit.end - zero),
        per="epochs" if axis == "epoch" else "steps",
        width=rise.end - zero if rise is not None else 0.0,
        widths=claim.warmups if axis == "step" else stated(claim.warmup_epochs) or (0.0,),
        totals=planned + also_admitted(claim, rows, axis),
        planned=planned,
        # Where no rise shows the phase, one more step is open. One step is one update, however many samples it has.
        slack=(CONVENTION if shown else CONVENTION + 1) * rows.update,
        phase_shown=shown,
        curved=0.0 if rise is None or rise.form in ("line", "held line") else CURVED,
    )


def named(read: Lengths) -> bool:
    """Whether a declared total is the end as it stands."""
    return any(abs(read.end - total) <= read.slack for total in read.totals)


def end_admitted(claim: Claim, rows: Observed, axis: str, read: Lengths) -> bool:
    """Whether a declared total explains the end: alone, behind the warmup, or with a floor that nobody declared."""
    if not read.end_known:
        return True
    fit = read.fit
    widths = {*read.widths, read.width, 0.0 if claim.warmup_declared else max(fit.start, 0.0)}
    ends = [*read.totals, *(total + width for total in read.totals for width in widths if math.isfinite(width))]
    if any(abs(fit.end - total) <= read.slack for total in ends):
        return True
    after = rows.axes[axis] >= max(fit.start, fit.hand_over)
    falling = after & (rows.rate < fit.peak - rows.tolerance) & (rows.rate > fit.floor + rows.tolerance)
    both_known = claim.base_lr is not None and np.count_nonzero(np.abs(rows.rate - fit.floor) <= rows.tolerance) >= 2
    if np.count_nonzero(falling) < FEWEST_FALLING + (fit.family != "linear" and not both_known):
        return True
    if fit.family != "linear":
        return False
    if not math.isfinite(fit.start):
        return False
    if fit.floor > 0 and np.count_nonzero(np.abs(rows.rate - fit.floor) <= 2 * rows.tolerance) < 2:
        lowest = fit.floor if claim.min_lr is None else min(claim.min_lr, fit.floor)
        beyond = fit.end + (fit.end - fit.start) * lowest / max(fit.peak - fit.floor, 1e-300)
        return any(fit.end - read.slack <= total <= beyond + read.slack for total in ends)  # it only has come so far
    if claim.min_lr is not None or fit.floor != 0:
        return False
    unsure = max(2 * end_unsure_by(rows, fit, rows.axes[axis]), EXACTLY)
    moved = [total + by for total in ends for by in (-1.0, 1.0)]
    return any(chosen_floor(fit, total, unsure) for total in (*ends, *moved) if total < fit.end)


def chosen_floor(fit: Fit, total: float, unsure: float) -> bool:
    """A straight fall to zero at ``fit.end`` is one to a floor at ``total``: whether anybody would choose that floor.

    Args:
        unsure: steps by which the end may be off.
    """
    length = fit.end - fit.start
    share = (fit.end - total) / length
    if share > ROUND_SHARE + unsure / length:
        return False
    if abs(fit.end - round(fit.end)) > unsure:
        return True  # nobody builds a schedule for part of a step
    if any(abs(share - usual) * length <= unsure for usual in USUAL_FLOORS):
        return True
    floors = (share, share * fit.peak)
    return any(abs(floor / float(f"{floor:.{DIGITS_CHOSEN - 1}e}") - 1) * share * length <= unsure for floor in floors)


def hidden_warmup(claim: Claim, rows: Observed, fit: Fit, axis: str, read: Lengths) -> float | None:
    """A warmup of which no row is logged, by where the decay begins; None where it is as declared, or cannot be told.

    The end tells the phase; it and the conventions of both lengths are a step or two.
    """
    if fit.rise is not None or claim.base_lr is None or not claim.warmup_declared or not read.end_known:
        return None
    if rows.axes[axis][0] < fit.start or fit.start <= CONVENTION + 1 or fit.floor != (claim.min_lr or 0.0):
        return None
    phase = fit.end - read.near
    if abs(phase) > 1 + EXACTLY or abs(phase - round(phase)) > EXACTLY or abs(fit.start - round(fit.start)) > EXACTLY:
        return None
    width = round(fit.start) - round(phase)
    return None if any(abs(width - one) <= CONVENTION + 1 for one in read.widths) else float(width)


def lengths_compared(
    claim: Claim, rows: Observed, fit: Fit, axis: str, step: int, last: int, evidence: tuple[Row, ...]
) -> Iterator[Deviation]:
    """Horizon, warmup or both by one factor: the first that explains the rest."""

    def told(kind: Any, what: str, numbers: dict[str, Any], **fields: Any) -> Deviation:
        return Deviation(
            **{"step": step, "last_step": last, "evidence": evidence, **fields}, kind=kind, what=what, numbers=numbers
        )

    read = read_lengths(claim, rows, fit, axis)
    width, end, near = read.width, read.end, read.near
    end_ok = end_admitted(claim, rows, axis, read)
    warm_ok = (
        not (at_declared_peak(claim, fit) or height_is_seen(rows, fit, axis, fit.peak))
        or not warmup_is_seen(rows, fit, axis, read.widths)
        or any(abs(width - declared) <= read.slack + read.curved * width for declared in read.widths)
    )
    declared = max(read.widths, default=0.0)
    hidden = hidden_warmup(claim, rows, fit, axis, read) if warm_ok else None
    if hidden is not None:
        warm_ok, width = False, hidden
    behind = moved_by(claim, fit, float(rows.axes[axis][0]), read.widths, read.totals)
    few = behind is not None and 0 < behind <= MOST_AT_THE_START and not named(read)
    if not read.phase_shown and behind is not None and (few or not end_ok):
        yield _moved(told, behind, last)
    elif not end_ok and not warm_ok and declared > 0 and abs((near / end) / (declared / max(width, 1e-9)) - 1) < 0.05:
        k = declared / max(width, 1e-9)
        yield told(
            "rate",
            f"the scheduler advances {k:.4g} times per update: warmup ends at {whole(width):.6g} of "
            f"{declared:.6g}, the decay at {whole(end):.6g} of {near:.6g}",
            {"rate": k, "warmup": width, "total": end, "declared_total": near},
            size=k,
        )
    elif not end_ok:
        also = f"; its warmup ends at {whole(width):.6g}, {declared:.6g} is declared"
        yield told(
            "horizon",
            f"the schedule was built for {whole(end):.6g} {read.per}, {near:.6g} are planned "
            f"(ratio {end / near:.4g}){also if not warm_ok and claim.warmup_declared else ''}",
            {"schedule_steps": end, "planned_steps": near, "ratio": end / near},
        )
    elif warm_ok and claim.base_lr and never_at_peak(rows, fit, axis, claim.base_lr):
        top = int(np.argmax(rows.rate))
        yield told(
            "warmup",
            f"the declared peak {claim.base_lr:.6g} is never reached: {rows.rate[top]:.6g} at {rows.step[top]} "
            "is the highest, where the warmup gives way to the decay",
            {"highest": float(rows.rate[top]), "declared": claim.base_lr},
            step=int(rows.step[top]),
        )
    elif (
        warm_ok
        and read.end_known
        and 0.4 < abs(end - near) <= CONVENTION
        and not any(abs(end - total) < 0.4 for total in read.totals)
    ):
        yield told(
            "horizon",
            f"the schedule ends at {whole(end):.6g}, {near:.6g} {read.per} are planned: "
            "one off, no convention that is known here",
            {"schedule_steps": end, "planned_steps": near},
            severity="note",
        )
    elif not warm_ok and claim.family != "one-cycle":  # it rises by itself
        beside = f"{declared:.6g} are declared" if claim.warmup_declared else "none is declared"
        yield told(
            "warmup",
            f"the warmup lasts {whole(width):.6g} {read.per}, {beside}",
            {"warmup": width, "declared": declared if claim.warmup_declared else None},
            severity="error" if claim.warmup_declared else "note",
        )


def _moved(told: Any, behind: float, last: int) -> Deviation:
    """A schedule with the declared lengths that starts late or early as a whole."""
    few = 0 < behind <= MOST_AT_THE_START
    deviation: Deviation = told(
        "skipped" if few else "lag" if behind > 0 else "lead",
        f"the scheduler is {abs(behind):.4g} steps {'behind' if behind > 0 else 'ahead of'} the step counter from the "
        "start: warmup and decay are as declared, and all of it is moved",
        {"skipped" if few else "steps": behind, "share": behind / max(float(last), 1.0)},
        size=-behind,
        severity="note" if few else "error",
    )
    return deviation
