"""Schedules one after another (torch SequentialLR, optax join_schedules), or multiplied (ChainedScheduler)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.claim import Claim, finite_number, first_number
from analyzer.clocks.schedule_families.conventions import Extras
from analyzer.clocks.schedules import Family, Schedule
from analyzer.model import Floats

MOST_CHILDREN = 8
CHILDREN = {
    "linearlr": ("start_factor", 1 / 3),
    "constantlr": ("factor", 1 / 3),
}
"""Children that only scale the base rate in their beginning: torch's defaults."""


def value(schedule: Schedule, p: Floats) -> Floats:
    if not schedule.milestones:  # chained: one counter for all of them
        shares = [part(p) / schedule.peak for part in schedule.parts]
        return schedule.peak * np.prod(shares, axis=0)
    which = np.searchsorted(np.asarray(schedule.milestones), p + 1e-9, side="right")
    begins = (0.0, *schedule.milestones)
    rates = [part(p - begin) for part, begin in zip(schedule.parts, begins, strict=True)]
    return np.choose(which, rates)


def admitted(
    blank: Schedule, claim: Claim, total: float | None, floors: list[float], extras: Extras
) -> Iterator[Schedule]:
    children = claim.params.get("schedulers")
    marks = claim.params.get("milestones") or []
    if not isinstance(children, list) or not 1 < len(children) <= MOST_CHILDREN:
        return
    parts = [_child(blank, one) for one in children if isinstance(one, dict)]
    known = [part for part in parts if part is not None]
    chained = "chain" in claim.name.lower()
    if len(known) != len(children) or (not chained and len(marks) != len(children) - 1):
        return
    places = () if chained else tuple(float(mark) for mark in marks if finite_number(mark) is not None)
    end = known[-1].total + (places[-1] if places else 0.0)
    yield replace(blank, parts=tuple(known), milestones=places, total=end, warmup=0.0)


def _child(blank: Schedule, params: dict[str, object]) -> Schedule | None:
    """One child by its torch name."""
    name = "".join(letter for letter in str(params.get("name") or params.get("type") or "").lower() if letter.isalnum())
    total = first_number(params, "total_iters", "T_max")
    gamma = first_number(params, "gamma")
    if name in CHILDREN and total:
        key, usual = CHILDREN[name]
        told = first_number(params, key)
        factor = usual if told is None else told
        ends = first_number(params, "end_factor")
        if name == "linearlr" and ends not in (None, 1.0):
            return replace(blank, family="linear", peak=factor * blank.peak, floor=(ends or 0.0) * blank.peak,
                           total=total, warmup=0.0)  # fmt: skip
        form = "p/W" if name == "linearlr" else "constant"
        return replace(blank, family="constant", warmup=total, warmup_form=form, warmup_start=factor * blank.peak)
    if name == "cosineannealinglr" and total:
        floor = first_number(params, "eta_min") or 0.0
        return replace(blank, family="cosine", total=total, floor=floor, warmup=0.0, clamp=False)
    if name == "polynomiallr" and total:
        power = first_number(params, "power") or 1.0
        return replace(blank, family="polynomial", total=total, power=power, warmup=0.0)
    if name == "exponentiallr" and gamma:
        return replace(blank, family="exponential", gamma=gamma, step_size=1.0, warmup=0.0)
    size, marks = first_number(params, "step_size"), params.get("milestones")
    if name in ("steplr", "multisteplr") and (size or isinstance(marks, list)):
        places = tuple(float(mark) for mark in marks) if isinstance(marks, list) else ()
        return replace(
            blank, family="step", gamma=0.1 if gamma is None else gamma, step_size=size or 1.0, milestones=places,
            warmup=0.0,
        )  # fmt: skip
    return None


FAMILY = Family(
    name="sequential",
    spelled="SequentialLR sequential join_schedules ChainedScheduler chained",
    value=value,
    admitted=admitted,
    covers_warmup=True,
)
