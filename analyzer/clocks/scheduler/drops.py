"""Factors and places of drops, lengths of cycles and of the last phase, held against the declared ones."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from analyzer.clocks.claim import Claim, finite_number, first_number
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.schedule_fit import Fit
from analyzer.clocks.schedule_fit.fit import Mask
from analyzer.clocks.scheduler.explanations import whole
from analyzer.clocks.scheduler.mismatch import (
    CONVENTION,
    OTHER_PEAK,
    Mismatch,
)
from analyzer.distinct import distinct
from analyzer.model import Floats

MILESTONE = 1.5  # rows by which a drop may lie beside its milestone
OF_BOTH = 3  # relative half widths: of both levels of a drop, as far as a fit may miss them
FEWEST_OF_AN_EPOCH = 10.0  # steps; a declared place ten times off may be one of another unit, half or twice is not
MOST_DROPS = 2000  # of one schedule, that are compared place by place
MARKS = ("milestones", "boundaries", "steps")
SIZES = ("step_size", "decay_t", "decay_steps", "lr_step_size", "transition_steps", "step")


def drops_compared(claim: Claim, rows: Observed, fit: Fit, axis: str) -> Iterator[Mismatch]:
    """Factor and places of drops, lengths of cycles and of the last phase."""
    declared = _declared_numbers(claim, rows, fit, axis)
    for name, (wanted, read, slack) in declared.items():
        if abs(read - wanted) <= slack:
            continue
        yield Mismatch(
            kind="warmup" if "warmup" in name else "family",
            what=f"{name} is {whole(read):.6g}, {wanted:.6g} is declared",
            numbers={"parameter": name, "observed": read, "declared": wanted},
        )
        return
    if fit.family == "step" and claim.family in ("step", "exponential"):
        yield from _places(claim, rows, fit, axis)


def _declared_numbers(claim: Claim, rows: Observed, fit: Fit, axis: str) -> dict[str, tuple[float, float, float]]:
    """Name -> (declared, read, slack) of every parameter that both sides have, in the axis' unit."""
    params, read = claim.params, fit.parameters
    found: dict[str, tuple[float, float, float]] = {}
    scale = _per_unit(claim, axis)
    gamma = first_number(params, "gamma", "decay_rate", "factor")
    if fit.family == "step" and claim.family in ("step", "exponential"):
        gamma = 0.1 if gamma is None and claim.family == "step" else gamma
        if gamma:
            unsure = OF_BOTH * float((rows.tolerance / np.maximum(rows.rate, 1e-300)).max())
            slack = OTHER_PEAK * min(gamma, abs(1 - gamma)) + unsure
            found["gamma"] = (gamma, float(read["gamma"]), slack)  # type: ignore[arg-type]
        size = first_number(params, *SIZES)
        observed = float(read.get("step_size", 0.0))  # type: ignore[arg-type]
        if size and observed and not _other_unit(claim, rows, fit, axis):
            found["step_size"] = (size * scale, observed, MILESTONE)
    if fit.family == "exponential" and claim.family == "exponential" and gamma and gamma > 0:
        each = first_number(params, "decay_steps", "transition_steps") or 1.0
        slope = float(read["slope"])  # type: ignore[arg-type]
        if _size_unknown(claim, axis) and _sizes(axis)[0] <= math.log(gamma) / (slope * each) <= _sizes(axis)[1]:
            return found
        speed = math.exp(slope * each * scale)
        found["gamma"] = (gamma, speed, max(OTHER_PEAK * abs(1 - gamma), 1e-6) + 5e-4 * (1 - speed))
    if fit.family == claim.family == "inverse-sqrt" and claim.base_lr and float(read["slope"]) > 0:  # type: ignore[arg-type]
        told = first_number(params, "timescale")
        expected = [told] if told else [*(w for w in claim.warmups if w), 10_000.0]
        scale_read = 1 / (float(read["slope"]) * claim.base_lr**2)  # type: ignore[arg-type]
        nearest = min(expected, key=lambda one: abs(one - scale_read))
        found["the warmup by which the decay is scaled"] = (nearest, scale_read, 0.02 * nearest + CONVENTION)
    if claim.family == "wsd" and math.isfinite(fit.end) and fit.family != "constant":
        length = first_number(params, "num_decay_steps", "decay_steps", "wsd_decay_steps")
        if length and axis == "step":
            found["decay length"] = (length, fit.end - fit.start, CONVENTION + 1)
    return found


def _per_unit(claim: Claim, axis: str) -> float:
    """Counts of an axis in one of the declaration's unit."""
    return 1.0 if claim.unit in (None, axis) else claim.per_epoch[0] if axis == "step" else 1 / claim.per_epoch[0]


def _size_unknown(claim: Claim, axis: str) -> bool:
    """Whether declared places may be counted in another unit than the axis, by a factor that nothing tells."""
    return claim.unit != axis and not claim.per_epoch


def _sizes(axis: str) -> tuple[float, float]:
    """Counts of an axis that one count of the other unit may be."""
    return (FEWEST_OF_AN_EPOCH, math.inf) if axis == "step" else (0.0, 1 / FEWEST_OF_AN_EPOCH)


def _other_unit(claim: Claim, rows: Observed, fit: Fit, axis: str) -> bool:
    """Whether one size of an epoch that nobody told puts every drop on its declared place, and no other in the log."""
    places = fit.parameters.get("milestones")
    if not _size_unknown(claim, axis) or not isinstance(places, tuple) or not places:
        return False
    count, x = len(places), rows.axes[axis]
    marks = _declared_places(claim, (count + 1) * (first_number(claim.params, *SIZES) or 0.0)) or ()
    if len(marks) < count or min(marks, default=0.0) <= 0:
        return False
    spacing = float(np.median(np.diff(distinct(x)))) if len(x) > 1 else 1.0
    drops, due = np.array(places), np.array(marks[:count])
    least, most = _sizes(axis)
    unseen = [(float(x[-1]) - spacing) / mark for mark in marks[count : count + 1]]  # the next lies behind the log
    low = max(((drops - spacing - 1) / due).max(), least, *unseen)
    return bool(low <= min(((drops + 1) / due).min(), most))


def _declared_places(claim: Claim, last: float) -> tuple[float, ...] | None:
    """Counters at which a declared schedule drops, in its own unit, up to one; None where nobody says."""
    marks = next((claim.params[name] for name in MARKS if isinstance(claim.params.get(name), list)), None)
    if marks is not None:
        told = tuple(float(mark) for mark in marks if finite_number(mark) is not None)
        return told if len(told) == len(marks) else None
    size = first_number(claim.params, *SIZES)
    if not size or size <= 0 or last / size > MOST_DROPS:
        return None
    return tuple((np.arange(1, math.floor(last / size) + 1) * size).tolist())


def drop_is_due(claim: Claim, rows: Observed, axis: str) -> bool:
    """Whether a log goes on behind the first declared drop, or nobody says where that lies."""
    x = rows.axes[axis]
    spacing = float(np.median(np.diff(distinct(x)))) if len(x) > 1 else 1.0
    last = float(x[-1]) - MILESTONE * spacing
    scales = [1.0] if claim.unit in (None, axis) else claim.per_epoch
    marks = [_declared_places(claim, last / scale) for scale in scales]
    return not marks or any(
        places is None or any(mark * scale <= last for mark in places)
        for scale, places in zip(scales, marks, strict=True)
    )


def _places(claim: Claim, rows: Observed, fit: Fit, axis: str) -> Iterator[Mismatch]:
    """Drops at other places than declared, in the declared unit."""
    places = fit.parameters.get("milestones")
    if not isinstance(places, tuple) or _other_unit(claim, rows, fit, axis):
        return
    x = rows.axes[axis]
    spacing = float(np.median(np.diff(distinct(x)))) if len(x) > 1 else 1.0
    other = [each if axis == "step" else 1 / each for each in claim.per_epoch]
    scales = [1.0] if claim.unit == axis else other if claim.unit else [1.0, *other]
    one_each = len(distinct(x)) == len(x)  # several rows in an epoch leave no phase open
    late = 1 if "boundaries" in claim.params else 0  # Keras keeps the old value at the boundary itself
    wanted: tuple[float, ...] = ()
    by_label = False  # each an epoch early: torch's step(epoch) is handed the label, and labels may count from 1
    for scale in scales:
        marks = _declared_places(claim, float(x[-1]) / scale)
        if marks is None:
            return
        wanted = wanted or marks
        due = np.array([mark * scale for mark in marks])
        seen = (due > x[0] + spacing) & (due <= x[-1] - spacing)
        if max(len(due), len(places)) > MOST_DROPS:
            return
        beside = np.array(places)[None, :] - due[:, None]
        met = (beside >= -1) & (beside <= spacing + late) if one_each else beside == 0  # in the first row behind it
        of_one_phase = not one_each or not _of_two_phases(beside, met, spacing)
        if met.any(axis=0).all() and met[seen].any(axis=1).all() and of_one_phase:
            return
        if claim.unit == "epoch" and len(places) == np.count_nonzero(seen) > 1:
            early = due[seen] - np.array(places)
            by_label |= bool(np.all(np.abs(early - (1.0 if axis == "epoch" else scale)) <= spacing + late))
    shown = ", ".join(f"{place:.6g}" for place in places[:4])
    told = ", ".join(f"{mark:.6g}" for mark in wanted[:4]) or "no drops so far"
    early_words = ": each an epoch early, as where the scheduler is handed labels that count from 1" if by_label else ""
    yield Mismatch(
        kind="family",
        what=f"the rate drops at {shown}, {told} are declared{early_words}",
        numbers={"observed": list(places), "declared": list(wanted)},
        note=by_label,
    )


def _of_two_phases(beside: Floats, met: Mask, spacing: float) -> bool:
    """Whether drops lie beside their places by distances that no one phase gives, where every place has one drop."""
    if not (met.sum(axis=0) == 1).all():
        return False
    by = np.where(met, beside, 0.0).sum(axis=0)
    return bool(np.ptp(by) >= spacing)
