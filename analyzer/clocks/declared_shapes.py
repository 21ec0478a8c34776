"""Schedules of a declared family: one for every reading of the plan and every convention of the frameworks."""

from __future__ import annotations

import math
from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from analyzer.clocks.claim import Claim, first_number
from analyzer.clocks.schedule_families.conventions import USUAL_FLOORS, Extras
from analyzer.clocks.schedules import Schedule, ending, families


class Candidate(Struct, frozen=True, kw_only=True):
    """One schedule that the declaration admits, and the unit of its counter."""

    schedule: Schedule
    unit: str  # "step" or "epoch"


def candidates(claim: Claim, peak: float, extras: Extras) -> Iterator[Candidate]:
    """Schedules of the declared family under every reading and convention, the commonest first.

    Args:
        peak: the rate at the top.
        extras: what only the log can tell: where its warmup line starts, its lowest rate.
    """
    if claim.family is None:
        return
    in_epochs = claim.family in ("step", "exponential")
    units = (claim.unit,) if claim.unit else (("epoch", "step") if in_epochs else ("step", "epoch"))
    if claim.unit is None and _own_length(claim) in _run_lengths(claim):
        units = ("step",)
    for unit in units:
        for total, width in _lengths(claim, unit):
            for schedule in shapes(claim, peak, total, width, extras):
                yield Candidate(schedule=schedule, unit=unit)
    if in_epochs and claim.unit != "step" and claim.warmup_declared:
        yield from _warmup_in_steps(claim, peak, extras)


def shapes(claim: Claim, peak: float, total: float | None, width: float, extras: Extras) -> Iterator[Schedule]:
    """One family with T and W fixed, in every convention."""
    family = claim.family or ""
    floors = [claim.min_lr or 0.0]
    if claim.min_lr is None and 0 < extras.lowest < 0.9 * peak and family in ending() and extras.lowest_is_floor:
        floors.append(extras.lowest)
    if extras.usual_floors:
        floors = [share * peak for share in USUAL_FLOORS if share * peak <= extras.lowest * (1 + 1e-6)]
    blank = Schedule(family=family, peak=peak, warmup=width)
    yield from families()[family].admitted(blank, claim, total, floors, extras)


def _warmup_in_steps(claim: Claim, peak: float, extras: Extras) -> Iterator[Candidate]:
    """Drops in epochs behind a warmup in steps."""
    for per_epoch in claim.per_epoch:
        for _, width in claim.pairs:
            for one in shapes(claim, peak, None, width, extras):
                places = tuple(mark * per_epoch for mark in one.milestones)
                stretched = replace(one, milestones=places, step_size=one.step_size * per_epoch, staircase=True)
                yield Candidate(schedule=stretched, unit="step")


def _own_length(claim: Claim) -> float | None:
    return first_number(claim.params, "T_max", "t_initial", "total_iters", "total_epochs")


def _run_lengths(claim: Claim) -> set[float | None]:
    """Updates of the whole run, in every reading: a schedule of this length counts them."""
    whole = {math.floor(U * claim.epochs) for U in claim.per_epoch} if claim.epochs else set()
    return {*(float(updates) for updates in whole), *([claim.max_steps] if claim.max_steps else ())}


def _lengths(claim: Claim, unit: str) -> list[tuple[float | None, float]]:
    if unit == "step":
        return list(claim.pairs)
    own = _own_length(claim)
    total = own if own is not None else claim.epochs
    widths = {0.0}
    if claim.warmup_epochs is not None:
        widths = {claim.warmup_epochs}
    elif claim.warmup_declared:
        widths = {w / u for _, w in claim.pairs for u in claim.per_epoch}
        if claim.unit == "epoch" or not claim.per_epoch:
            widths |= {w for _, w in claim.pairs if w < (total or math.inf)}
    return [(total, width) for width in sorted(widths)]
