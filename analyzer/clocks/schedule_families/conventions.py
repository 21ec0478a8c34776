"""Conventions of the frameworks: forms of a warmup, and where a decay starts and ends."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from analyzer.clocks.claim import Claim, first_number
from analyzer.clocks.schedules import Schedule, Span
from analyzer.model import Floats

USUAL_FLOORS = (0.1, 0.05, 0.01, 0.2, 0.001)  # of the peak: Chinchilla's tenth and its relatives
CLAMPED = ("timm", "nanogpt", "warmupcosine", "cosinedecay", "coswithwarmup")
PLAIN, RAISED = ("p/W", "(p+1)/W", "(p+1)/(W+1)"), ("p/W", "p/(W-1)", "constant")  # from zero, from above it


class Extras(Struct, frozen=True, kw_only=True):
    """What the log tells about a schedule and a declaration seldom does."""

    lowest: float = 0.0
    lowest_is_floor: bool = False  # it is held
    warmup_starts: tuple[float, ...] = ()  # where the line through the rising rows meets the first update, by offset
    furthest: float = 0.0  # largest counter that the log can hold
    totals: tuple[float, ...] = ()  # T read off the log, where nothing declares it
    usual_floors: bool = False  # try the floors that people choose and forget to declare


def progress(schedule: Schedule, p: Floats) -> Floats:
    """Share of the decay that is done at p: 0 at its start, 1 at its end; not clipped."""
    total, width = schedule.total, schedule.warmup
    starts, length = {
        "T-W": (width, total - width),
        "T-W, ahead": (width - 1, total - width),
        "T": (width, total),
        "T-1": (0.0, total - 1),
        "T-W-1": (width, total - width - 1),
        "whole": (0.0, total),
    }[schedule.span]
    return (p - starts) / max(length, 1e-9)


def decay_shape(name: str, r: Floats, power: float = 1.0) -> Floats:
    """Share of the height that is left after a share r in [0, 1] of the decay."""
    if name == "cosine":
        return 0.5 * (1 + np.cos(np.pi * r))
    if name == "polynomial":
        return (1 - r) ** power
    if name == "1-sqrt":
        return 1 - np.sqrt(r)
    if name == "halving":  # Megatron's exponential decay of warmup-stable-decay
        return 2 * 0.5**r - 1
    return 1 - r


def above_the_floor(schedule: Schedule, share: Floats) -> Floats:
    """Rates from shares of the height that are left."""
    return schedule.floor + (schedule.peak - schedule.floor) * share


def warmed(blank: Schedule, claim: Claim, extras: Extras) -> Iterator[Schedule]:
    """The warmup conventions in front of one schedule."""
    if blank.warmup <= 0:
        yield blank
        return
    for start in _starts(claim, extras):
        for form in PLAIN if start == 0 else RAISED:
            yield replace(blank, warmup_form=form, warmup_start=start)
    for form in ("log", "cosine"):
        yield replace(blank, warmup_form=form, warmup_start=0.0)


def _starts(claim: Claim, extras: Extras) -> list[float]:
    starts = [0.0]
    told = first_number(claim.params, "warmup_lr_init", "warmup_start_lr", "warmup_min_lr", "init_lr")
    if told:
        starts.insert(0, told)
    factor = first_number(claim.params, "start_factor", "warmup_lr_rate", "warmup_ratio", "warmup_factor")
    if factor and claim.base_lr:
        starts.insert(0, factor * claim.base_lr)
    starts += [start for start in extras.warmup_starts if start > 0]
    return list(dict.fromkeys(starts))


def spanned(blank: Schedule, claim: Claim, extras: Extras) -> Iterator[Schedule]:
    """The conventions of where a decay starts and ends, behind those of its warmup."""
    key = re.sub(r"[^a-z]", "", claim.name.lower())
    may_rise = blank.family == "cosine" and extras.furthest > blank.total + 1 and not key.startswith(CLAMPED)
    spans: tuple[Span, ...] = (
        ("T-W", "T-W, ahead", "T-1") if blank.warmup <= 0 else ("T-W", "T-W, ahead", "whole", "T-W-1", "T")
    )
    if key.startswith("timm") and not claim.params.get("warmup_prefix"):
        spans = ("whole", "T-W")
    for span in spans:
        for clamp in (True, False) if may_rise else (True,):
            yield from warmed(replace(blank, span=span, clamp=clamp), claim, extras)


def ended(blank: Schedule, total: float | None, floors: list[float], extras: Extras) -> Iterator[Schedule]:
    """One schedule with every end and floor that is admitted."""
    for end in (total,) if total is not None else extras.totals:
        for floor in floors:
            yield replace(blank, floor=floor, total=end)
