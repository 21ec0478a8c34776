"""Schedules of a declared family: one for every reading of the plan and every convention of the frameworks."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import product
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from analyzer.clocks.declared_schedule import Claim, first_number, number
from analyzer.clocks.schedules import Schedule, Span, WarmupForm

ENDS = ("linear", "cosine", "restarts", "polynomial", "one-cycle", "wsd")
USUAL_FLOORS = (0.1, 0.05, 0.01, 0.2, 0.001)  # of the peak: Chinchilla's tenth and its relatives
CYCLES = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)  # tried where nobody says how many
CLAMPED = ("timm", "nanogpt", "warmupcosine", "cosinedecay", "coswithwarmup")


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
    units = (
        (claim.unit,)
        if claim.unit
        else (("epoch", "step") if claim.family in ("step", "exponential") else ("step", "epoch"))
    )
    for unit in units:
        for total, width in _lengths(claim, unit):
            for schedule in shapes(claim, peak, total, width, extras):
                yield Candidate(schedule=schedule, unit=unit)
    if claim.family in ("step", "exponential") and claim.unit != "step" and claim.warmup_declared:
        yield from _warmup_in_steps(claim, peak, extras)


def _warmup_in_steps(claim: Claim, peak: float, extras: Extras) -> Iterator[Candidate]:
    """Drops in epochs behind a warmup in steps."""
    for per_epoch in claim.per_epoch:
        for _, width in claim.pairs:
            for one in shapes(claim, peak, None, width, extras):
                places = tuple(mark * per_epoch for mark in one.milestones)
                stretched = replace(one, milestones=places, step_size=one.step_size * per_epoch, staircase=True)
                yield Candidate(schedule=stretched, unit="step")


class Extras(Struct, frozen=True, kw_only=True):
    """What the log tells about a schedule and a declaration seldom does."""

    lowest: float = 0.0
    lowest_is_floor: bool = False  # it is held, or a number that somebody would choose
    warmup_starts: tuple[float, ...] = ()  # where the line through the rising rows meets the first update, by offset
    furthest: float = 0.0  # largest counter that the log can hold
    totals: tuple[float, ...] = ()  # T read off the log, where nothing declares it
    usual_floors: bool = False  # try the floors that people choose and forget to declare


def _lengths(claim: Claim, unit: str) -> list[tuple[float | None, float]]:
    if unit == "step":
        return list(claim.pairs)
    own = first_number(claim.params, "T_max", "t_initial", "total_iters", "total_epochs")
    total = own if own is not None else claim.epochs
    widths = {0.0}
    if claim.warmup_epochs is not None:
        widths = {claim.warmup_epochs}
    elif claim.warmup_declared:
        widths = {w / u for _, w in claim.pairs for u in claim.per_epoch}
        if claim.unit == "epoch" or not claim.per_epoch:
            widths |= {w for _, w in claim.pairs if w < (total or math.inf)}
    return [(total, width) for width in sorted(widths)]


def shapes(claim: Claim, peak: float, total: float | None, width: float, extras: Extras) -> Iterator[Schedule]:
    """One family with T and W fixed, in every convention."""
    family, params = claim.family or "", claim.params
    floors = [claim.min_lr] if claim.min_lr is not None else [0.0]
    if claim.min_lr is None and 0 < extras.lowest < 0.9 * peak and family in ENDS and extras.lowest_is_floor:
        floors += [extras.lowest]
    if extras.usual_floors:
        floors = [share * peak for share in USUAL_FLOORS if share * peak <= extras.lowest * (1 + 1e-6)]
    blank = Schedule(family=family, peak=peak, warmup=width)
    if family == "constant":
        yield from warmed(blank, claim, extras)
        if width > 0 and re.sub(r"[^a-z]", "", claim.name.lower()) == "constant":
            yield replace(blank, warmup=0.0)
    elif family in ("linear", "cosine", "restarts", "polynomial"):
        totals = (total,) if total is not None else extras.totals
        powers = _powers(params) if family == "polynomial" else (1.0,)
        cycles: tuple[float, ...] = (1.0,)
        told = first_number(params, "num_cycles")
        if family == "restarts":
            cycles = (told,) if told else CYCLES
        elif family == "cosine" and told not in (None, 0.5):
            cycles = (told or 1.0,)
        for end in totals:
            for floor, power, turns in product(floors, powers, cycles):
                whole = replace(blank, floor=floor or 0.0, total=end, power=power, cycles=turns)
                yield from spanned(whole, claim, extras)
    elif family == "inverse-sqrt":
        scale = first_number(params, "timescale")
        for timescale in dict.fromkeys([scale] if scale else [width or 10_000.0, 10_000.0, 1.0]):
            yield from warmed(replace(blank, timescale=timescale), claim, extras)
    elif family == "exponential":
        yield from _exponentials(blank, claim, extras)
    elif family == "inverse-time":
        rate = first_number(params, "decay_rate", "gamma", "decay")
        if rate is not None:
            each = first_number(params, "decay_steps") or 1.0
            yield replace(blank, gamma=rate, step_size=each, staircase=bool(params.get("staircase")))
    elif family == "step":
        yield from _drops(blank, claim, extras)
    elif family == "warm-restarts":
        first = first_number(params, "T_0", "first_decay_steps", "t_initial")
        if first:
            mult = first_number(params, "T_mult", "t_mul", "cycle_mul") or 1.0
            shrink = first_number(params, "m_mul", "cycle_decay") or 1.0
            for floor in floors:
                yield from warmed(
                    replace(blank, step_size=first, cycle_mult=mult, gamma=shrink, floor=floor or 0.0), claim, extras
                )
    elif family == "one-cycle":
        yield from _one_cycles(blank, claim, total, extras)
    elif family == "cyclic":
        up = first_number(params, "step_size_up", "step_size") or 2000.0
        down = first_number(params, "step_size_down") or up
        low, high = first_number(params, "base_lr") or claim.base_lr or 0.0, first_number(params, "max_lr") or peak
        shrink = 0.5 if params.get("mode") == "triangular2" else 1.0
        yield replace(blank, peak=high, floor=low, step_size=up, timescale=down, gamma=shrink, warmup=0.0)
    elif family == "wsd":
        yield from _stable(blank, claim, total, floors, extras)


def warmed(blank: Schedule, claim: Claim, extras: Extras) -> Iterator[Schedule]:
    """The warmup conventions in front of one schedule."""
    if blank.warmup <= 0:
        yield blank
        return
    for start in _starts(claim, extras):
        forms: tuple[WarmupForm, ...] = (
            ("p/W", "(p+1)/W", "(p+1)/(W+1)") if start == 0 else ("p/W", "p/(W-1)", "constant")
        )
        for form in forms:
            yield replace(blank, warmup_form=form, warmup_start=start)
    for form in ("log", "cosine"):
        yield replace(blank, warmup_form=form, warmup_start=0.0)


def _starts(claim: Claim, extras: Extras) -> list[float]:
    starts = [0.0]
    told = first_number(claim.params, "warmup_lr_init", "warmup_start_lr", "warmup_min_lr", "init_lr")
    if told:
        starts.insert(0, told)
    factor = first_number(claim.params, "start_factor", "warmup_lr_rate", "warmup_ratio")
    for child in claim.params.get("schedulers") or ():
        if isinstance(child, dict) and factor is None:
            factor = first_number(child, "start_factor")
    if factor and claim.base_lr:
        starts.insert(0, factor * claim.base_lr)
    starts += [start for start in extras.warmup_starts if start > 0]
    return list(dict.fromkeys(starts))


def spanned(blank: Schedule, claim: Claim, extras: Extras) -> Iterator[Schedule]:
    """The conventions of where a decay starts and ends, behind those of its warmup."""
    key = re.sub(r"[^a-z]", "", claim.name.lower())
    over = extras.furthest > blank.total + 1
    may_rise = blank.family == "cosine" and over and not key.startswith(CLAMPED)
    spans: tuple[Span, ...] = (
        ("T-W", "T-W, ahead", "T-1") if blank.warmup <= 0 else ("T-W", "T-W, ahead", "whole", "T-W-1", "T")
    )
    if key.startswith("timm") and not claim.params.get("warmup_prefix"):
        spans = ("whole", "T-W")
    for span in spans:
        for clamp in (True, False) if may_rise else (True,):
            yield from warmed(replace(blank, span=span, clamp=clamp), claim, extras)


def _powers(params: dict[str, Any]) -> tuple[float, ...]:
    told = first_number(params, "power")
    return (told,) if told is not None else (1.0, 2.0, 0.5, 0.9, 3.0)


def _exponentials(blank: Schedule, claim: Claim, extras: Extras) -> Iterator[Schedule]:
    gamma = first_number(claim.params, "gamma", "decay_rate", "decay")
    if gamma is None or gamma <= 0:
        return
    each = first_number(claim.params, "decay_steps", "transition_steps") or 1.0
    stairs = claim.params.get("staircase")
    for staircase in (bool(stairs),) if stairs is not None or each == 1.0 else (False, True):
        yield from warmed(
            replace(blank, gamma=gamma, step_size=each, staircase=staircase, floor=claim.min_lr or 0.0), claim, extras
        )


def _drops(blank: Schedule, claim: Claim, extras: Extras) -> Iterator[Schedule]:
    gamma = first_number(claim.params, "gamma", "decay_rate", "factor")
    gamma = 0.1 if gamma is None else gamma
    marks = claim.params.get("milestones") or claim.params.get("boundaries") or claim.params.get("steps")
    if isinstance(marks, list) and all(number(mark) is not None for mark in marks):
        places = tuple(float(mark) for mark in marks)
        values = claim.params.get("values")
        levels: tuple[float, ...] = ()
        if isinstance(values, list) and len(values) == len(places) + 1 and values[0]:
            levels = tuple(float(value) / float(values[0]) for value in values)
        late = (0.0, 1.0) if "boundaries" in claim.params or "piecewise" in claim.name.lower() else (0.0,)
        for shift in late:  # Keras keeps the old value at the boundary itself
            marks_at = tuple(place + shift for place in places)
            yield from warmed(replace(blank, gamma=gamma, milestones=marks_at, levels=levels), claim, extras)
        return
    size = first_number(claim.params, "step_size", "decay_t", "decay_steps", "lr_step_size")
    if size:
        yield from warmed(replace(blank, gamma=gamma, step_size=size, floor=claim.min_lr or 0.0), claim, extras)


def _one_cycles(blank: Schedule, claim: Claim, total: float | None, extras: Extras) -> Iterator[Schedule]:
    params = claim.params
    peak = first_number(params, "max_lr", "lr_max") or blank.peak
    share = first_number(params, "pct_start") or None
    div = first_number(params, "div_factor", "div") or 25.0
    final = first_number(params, "final_div_factor", "div_final")
    for end in (total,) if total is not None else extras.totals:
        for pct in (share,) if share else (0.3, 0.25):
            for shape in ("cosine", "linear"):
                start = peak / div
                for floor in (start / (final or 1e4), peak / (final or 1e5)):
                    one = replace(blank, peak=peak, warmup_start=start, floor=floor, shape=shape)
                    yield replace(one, warmup=pct * end - 1, total=end - 1, clamp=False)  # torch: goes on past its end
                    yield replace(one, warmup=math.floor(pct * end), total=end)  # optax
                    yield replace(one, warmup=pct * end, total=end)  # fastai


def _stable(
    blank: Schedule, claim: Claim, total: float | None, floors: list[float], extras: Extras
) -> Iterator[Schedule]:
    length = first_number(claim.params, "num_decay_steps", "decay_steps", "wsd_decay_steps")
    shape = claim.params.get("decay_type") or claim.params.get("lr_wsd_decay_style")
    for end in (total,) if total is not None else extras.totals:
        lengths = [length] if length else [end - blank.warmup, *(round(share * end) for share in (0.1, 0.2))]
        for decay in dict.fromkeys(lengths):
            for floor in floors:
                for one in (
                    (shape,) if shape in ("linear", "cosine", "1-sqrt") else ("linear", "cosine", "1-sqrt", "halving")
                ):
                    yield from warmed(
                        replace(blank, family="wsd", total=end, decay_steps=decay, shape=one, floor=floor or 0.0),
                        claim,
                        extras,
                    )
