"""What a declaration says about the learning rate, in the scheduler's own unit."""

from __future__ import annotations

import math
import re
from typing import Any

from msgspec.structs import replace

from analyzer.clocks.claim import Claim, finite_number, first_number
from analyzer.clocks.schedules import family_names
from analyzer.planning import PlanReading
from analyzer.spelling import plain
from analyzer.timeline import Timeline

FLOORS = ("min_lr", "eta_min", "lr_min", "lr_end", "end_learning_rate", "end_value", "base_lr_min")


COUNTED_FROM_ITS_END = ("constant", "linear", "cosine", "polynomial", "exponential", "warm-restarts")
"""Families whose counter begins where their warmup ends."""


def family_of(name: str) -> str | None:
    """The family of a scheduler's name, or None."""
    short = re.sub(r"^.*lr_scheduler\.|^get_|_schedule(?=_with)", "", name.lower())
    return family_names().get(plain(short))


def read_claim(timeline: Timeline) -> Claim:
    """Everything that the declaration says about the schedule."""
    declared = timeline.declared
    raw = declared.get("scheduler")
    name = raw if isinstance(raw, str) else ""
    given = declared.get("scheduler_params")
    params = dict(given) if isinstance(given, dict) else {}
    family = family_of(name) if name else None
    if family is None and isinstance(params.get("family"), str):
        family = family_of(params["family"]) or params["family"]
    interval = declared.get("scheduler_interval")
    if interval not in ("step", "epoch"):
        interval = params.get("interval")
    readings = followed_readings(timeline)
    per_epoch = tuple(sorted({float(r.steps_per_epoch) for r in readings if r.steps_per_epoch})) or _measured(timeline)
    totals = tuple(sorted({float(r.total_steps) for r in readings if r.total_steps}))
    own_total = first_number(
        params, "num_training_steps", "total_steps", "lr_decay_iters", "T_max", "t_max", "t_initial", "total_iters",
        "max_steps",
    )  # fmt: skip
    warm = first_number(params, "warmup_iters", "warmup_steps", "num_warmup_steps", "warmup_t")
    warmup_epochs = finite_number(declared.get("warmup_epochs"))
    declared_warm = finite_number(declared.get("warmup_steps"))
    ratio = finite_number(declared.get("warmup_ratio"))
    pairs: list[tuple[float | None, float]] = []
    for reading in readings or ():
        total = float(reading.total_steps) if reading.total_steps else None
        if reading.warmup_steps is not None:
            pairs.append((total, float(reading.warmup_steps)))
        for width in _warmups(declared_warm, warmup_epochs, ratio, total, reading.steps_per_epoch):
            pairs.append((total, width))
        if declared_warm is None and warmup_epochs is None and ratio is None and reading.warmup_steps is None:
            pairs.append((total, warm or 0.0))
    if not pairs:
        total = finite_number(declared.get("max_steps")) or _measured_total(timeline)
        each = per_epoch[0] if len(per_epoch) == 1 else None
        widths = _warmups(declared_warm, warmup_epochs, ratio, total, each) or [warm or 0.0]
        pairs = [(total, width) for width in widths]
    if own_total is not None and interval != "epoch":
        pairs = [(own_total, width) for _, width in pairs]
        totals = (own_total,)
    held = first_number(params, "constant_steps")  # NeMo: the floor is held this long at the end
    if held and own_total is None:
        pairs += [(total - held, width) for total, width in pairs if total]
        totals += tuple(total - held for total in totals)
    pairs = list(dict.fromkeys(pairs))
    base = finite_number(declared.get("base_lr"))
    if base is None and family in ("one-cycle", "step"):  # their own parameters say it
        levels = params.get("values")
        base = finite_number(levels[0]) if isinstance(levels, list) and levels else first_number(params, "max_lr")
    claim = Claim(
        name=name,
        family=family,
        unit=interval if interval in ("step", "epoch") else None,
        base_lr=base,
        min_lr=_floor(declared.get("min_lr"), params, base),
        params=params,
        totals=totals or tuple(sorted({t for t, _ in pairs if t is not None})),
        epochs=finite_number(declared.get("epochs")),
        epochs_asked="epochs" in declared and not declared.derived("epochs"),
        warmups=tuple(sorted({w for _, w in pairs})),
        warmup_declared=any(v is not None for v in (declared_warm, warmup_epochs, ratio, warm)),
        warmup_epochs=warmup_epochs if warmup_epochs is not None else (warm if interval == "epoch" else None),
        per_epoch=per_epoch,
        pairs=tuple(pairs),
        max_steps=finite_number(declared.get("max_steps")),
        world=int(finite_number(declared.get("world_size")) or 1),
        accumulation=int(finite_number(declared.get("grad_accumulation")) or 1),
        ratio=ratio,
        asked=all(not declared.derived(key) for key in ("base_lr", "warmup_steps") if key in declared),
    )
    return behind_a_warmup(claim) if family == "sequential" else claim


def _measured(timeline: Timeline) -> tuple[float, ...]:
    """Updates that an epoch is seen to have, where exactly one number passes through the labels."""
    clock, size = timeline.epoch, timeline.step_axis.per_update
    return (float(clock.low) / size,) if clock is not None and clock.exact and size is not None else ()


def _measured_total(timeline: Timeline) -> float | None:
    """Declared epochs times the updates that an epoch is seen to have."""
    per_epoch, epochs = _measured(timeline), finite_number(timeline.declared.get("epochs"))
    if not per_epoch or not epochs or timeline.declared.derived("epochs"):
        return None  # what a framework was told to run at most is no length of a schedule
    return per_epoch[0] * epochs


def behind_a_warmup(claim: Claim) -> Claim:
    """A warmup and one schedule behind it, put together by hand, are that schedule with a warmup."""
    children, marks = claim.params.get("schedulers"), claim.params.get("milestones")
    if not isinstance(children, list) or len(children) != 2 or not isinstance(marks, list) or len(marks) != 1:
        return claim
    first, second = (dict(child) if isinstance(child, dict) else {} for child in children)
    width, total = finite_number(marks[0]), first_number(second, "T_max", "total_iters")
    rises = family_of(str(first.get("name", first.get("type", "")))) in ("linear", "constant")
    behind = family_of(str(second.get("name", second.get("type", ""))))
    if not rises or behind not in COUNTED_FROM_ITS_END or width is None or width <= 0:
        return claim
    params = {**second, **{key: first[key] for key in ("start_factor",) if key in first}}
    end = None if total is None else width + total
    for key in ("T_max", "total_iters"):
        params.pop(key, None)
    in_epochs = claim.unit == "epoch"
    return replace(
        claim, family=behind, params=params, warmup_declared=True, warmups=(width,), pairs=((end, width),),
        totals=claim.totals if end is None or in_epochs else (end,),
        epochs=end if in_epochs and end is not None else claim.epochs,
        warmup_epochs=width if in_epochs else claim.warmup_epochs,
        min_lr=_floor(None, params, claim.base_lr) if claim.min_lr is None else claim.min_lr,
    )  # fmt: skip


def without_steps(claim: Claim) -> Claim:
    """A claim for a log whose steps are no updates: lengths in updates say nothing there."""
    return replace(
        claim, totals=(), warmups=(0.0,), warmup_declared=False, per_epoch=(), pairs=((None, 0.0),), max_steps=None
    )


def followed_readings(timeline: Timeline) -> tuple[PlanReading, ...]:
    """Readings of the plan that the log itself follows: with its steps per epoch, and the length it really has.

    One reading must explain everything: a total of another reading than the run's is no excuse for a schedule.
    """
    readings = timeline.plan.readings
    clock = timeline.epoch
    if clock is not None and not clock.too_sparse:
        by_epoch = [r for r in readings if r.steps_per_epoch and clock.admits(r.steps_per_epoch)]
        readings = tuple(by_epoch) or readings
    done = timeline.step_axis.base
    series = timeline.roles.first("loss") or timeline.roles.first("learning_rate")
    if series is not None and len(series) and timeline.step_axis.unit == "update":
        last = int(series.step.max())
        least, most = (last, last + 1) if done is None else (last - done + 1, last - done + 1)
        most += timeline.step_axis.cadence - 1  # so many updates may have come behind the last row
        by_length = [r for r in readings if r.total_steps and least <= r.total_steps <= most]
        readings = tuple(by_length) or readings
    return readings


def _warmups(
    steps: float | None, epochs: float | None, ratio: float | None, total: float | None, per_epoch: Any
) -> list[float]:
    if steps is not None and 0 < steps < 1 and total:
        ratio, steps = steps, None
    if steps is not None and steps > 0:
        return [steps]
    if epochs is not None and per_epoch:
        return sorted({float(math.floor(epochs * per_epoch)), float(math.ceil(epochs * per_epoch))})
    if ratio is not None and total:
        exact = ratio * total
        return sorted({float(math.ceil(exact - 1e-9)), float(math.floor(exact + 1e-9))})
    if steps is not None:
        return [0.0]
    return []


def _floor(declared: Any, params: dict[str, Any], base: float | None) -> float | None:
    found = finite_number(declared)
    if found is not None:
        return found
    found = first_number(params, *FLOORS)
    if found is not None:
        return found
    share = first_number(params, "min_lr_rate", "min_lr_ratio", "alpha", "alpha_f", "cos_min_ratio")
    return share * base if share is not None and base is not None else None
