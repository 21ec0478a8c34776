"""The schedules that a declaration admits: one for every reading of the plan and every convention of the frameworks."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from analyzer.clocks.schedules import Schedule, Span, WarmupForm

if TYPE_CHECKING:
    from analyzer.planning import Reading
    from analyzer.timeline import Timeline

# Names as frameworks spell them, without case and punctuation, and what they mean here.
NAMES: dict[str, str] = {
    "constant": "constant none no fixed constantlr constantschedule constantwithwarmup warmuplr",
    "linear": "linear lineardecay linearwithwarmup warmupdecaylr linearwarmup",
    "cosine": "cosine cosineannealinglr cosineannealing nanogptcosine timmcosinelrscheduler cosinelrscheduler "
    "cosinedecay cosinewithwarmup cosinewithminlr cosinewarmupwithminlr warmupcosinelr warmupcosine "
    "warmupcosinedecayschedule warmupcosinedecay linearwarmupcosineannealing "
    "linearwarmupcosineannealinglr coswithwarmup cosinescheduler cosinedecayschedule",
    "restarts": "cosinewithrestarts cosinewithhardrestarts",
    "warm-restarts": "cosineannealingwarmrestarts cosinedecayrestarts sgdr cosineannealingwithrestarts",
    "polynomial": "polynomial polynomiallr polynomialdecay poly polylr polylrscheduler timmpolylrscheduler",
    "inverse-sqrt": "inversesqrt inversesquareroot noam rsqrt noamlr",
    "exponential": "exponential exponentiallr exponentialdecay",
    "step": "steplr step multisteplr multistep steplrscheduler timmsteplrscheduler multisteplrscheduler "
    "piecewiseconstantdecay piecewiseconstant piecewiseconstantschedule",
    "inverse-time": "inversetimedecay",
    "one-cycle": "cosineonecycle linearonecycle linearonecycleschedule onecyclelr onecycle fitonecycle "
    "cosineonecycleschedule",
    "cyclic": "cycliclr cyclic triangular",
    "wsd": "wsd warmupstabledecay trapezoidal",
    "plateau": "reducelronplateau plateau",
}
FAMILIES = {name: family for family, names in NAMES.items() for name in names.split()}
ENDS = ("linear", "cosine", "restarts", "polynomial", "one-cycle", "wsd")
USUAL_FLOORS = (0.1, 0.05, 0.01, 0.2, 0.001)  # of the peak: Chinchilla's tenth and its relatives
CLAMPED = ("timm", "nanogpt", "warmupcosine", "cosinedecay", "coswithwarmup")


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What is declared about the learning rate, in the scheduler's own unit."""

    name: str  # as it was written
    family: str | None  # None: not declared, or a name that nobody knows
    unit: str | None  # "step", "epoch"; None: not declared
    base_lr: float | None
    min_lr: float | None
    params: dict[str, Any]
    totals: tuple[float, ...]  # T in updates, every reading
    epochs: float | None
    warmups: tuple[float, ...]  # W in updates, every reading; (0.0,) where none is declared
    warmup_declared: bool
    warmup_epochs: float | None
    per_epoch: tuple[float, ...]  # U, every reading
    pairs: tuple[tuple[float | None, float], ...]  # (T, W) of one reading each
    max_steps: float | None
    world: int
    accumulation: int


def family_of(name: str) -> str | None:
    """The family of a scheduler's name, or None."""
    return FAMILIES.get(
        re.sub(r"[^a-z0-9]", "", re.sub(r"^.*lr_scheduler\.|^get_|_schedule(?=_with)", "", name.lower()))
    )


def number(value: Any) -> float | None:
    """A finite number, or None; booleans are none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _first(params: dict[str, Any], *names: str) -> float | None:
    for name in names:
        found = number(params.get(name))
        if found is not None:
            return found
    return None


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
    per_epoch = tuple(sorted({float(r.steps_per_epoch) for r in readings if r.steps_per_epoch}))
    totals = tuple(sorted({float(r.total_steps) for r in readings if r.total_steps}))
    own_total = _first(
        params, "num_training_steps", "total_steps", "lr_decay_iters", "T_max", "t_max", "t_initial", "total_iters",
        "max_steps",
    )  # fmt: skip
    warm = _first(params, "warmup_iters", "warmup_steps", "num_warmup_steps", "warmup_t")
    warmup_epochs = number(declared.get("warmup_epochs"))
    declared_warm = number(declared.get("warmup_steps"))
    ratio = number(declared.get("warmup_ratio"))
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
        total = number(declared.get("max_steps"))
        widths = _warmups(declared_warm, warmup_epochs, ratio, total, None) or [warm or 0.0]
        pairs = [(total, width) for width in widths]
    if own_total is not None and interval != "epoch":
        pairs = [(own_total, width) for _, width in pairs]
        totals = (own_total,)
    held = _first(params, "constant_steps")  # NeMo: the floor is held this long at the end
    if held and own_total is None:
        pairs += [(total - held, width) for total, width in pairs if total]
        totals += tuple(total - held for total in totals)
    pairs = list(dict.fromkeys(pairs))
    return Claim(
        name=name,
        family=family,
        unit=interval if interval in ("step", "epoch") else None,
        base_lr=number(declared.get("base_lr")),
        min_lr=_floor(declared.get("min_lr"), params, number(declared.get("base_lr"))),
        params=params,
        totals=totals or tuple(sorted({t for t, _ in pairs if t is not None})),
        epochs=number(declared.get("epochs")),
        warmups=tuple(sorted({w for _, w in pairs})),
        warmup_declared=any(v is not None for v in (declared_warm, warmup_epochs, ratio, warm)),
        warmup_epochs=warmup_epochs if warmup_epochs is not None else (warm if interval == "epoch" else None),
        per_epoch=per_epoch,
        pairs=tuple(pairs),
        max_steps=number(declared.get("max_steps")),
        world=int(number(declared.get("world_size")) or 1),
        accumulation=int(number(declared.get("grad_accumulation")) or 1),
    )


def followed_readings(timeline: Timeline) -> tuple[Reading, ...]:
    """Readings of the plan that the log itself follows: with its steps per epoch, and the length it really has.

    One reading must explain everything: a total of another reading than the run's is no excuse for a schedule.
    """
    readings = timeline.plan.readings
    clock = timeline.epoch
    if clock is not None and not clock.too_sparse:
        by_epoch = [r for r in readings if r.steps_per_epoch and clock.low <= r.steps_per_epoch <= clock.high]
        readings = tuple(by_epoch) or readings
    done = timeline.step_axis.base
    series = timeline.roles.first("loss") or timeline.roles.first("learning_rate")
    if series is not None and len(series) and timeline.step_axis.unit == "update":
        last = int(series.step.max())
        ends = {last, last + 1} if done is None else {last - done + 1}
        by_length = [r for r in readings if r.total_steps in ends]
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
    found = number(declared)
    if found is not None:
        return found
    found = _first(params, "min_lr", "eta_min", "lr_min", "lr_end", "end_learning_rate", "end_value", "base_lr_min")
    if found is not None:
        return found
    share = _first(params, "min_lr_rate", "min_lr_ratio", "alpha", "alpha_f", "cos_min_ratio")
    return share * base if share is not None and base is not None else None


@dataclass(frozen=True, kw_only=True)
class Candidate:
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


@dataclass(frozen=True, kw_only=True)
class Extras:
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
    own = _first(claim.params, "T_max", "t_initial", "total_iters", "total_epochs")
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
        cycles = (_first(params, "num_cycles") or 1.0,) if family in ("cosine", "restarts") else (1.0,)
        if family == "cosine" and cycles == (0.5,):
            cycles = (1.0,)
        for end in totals:
            for floor in floors:
                for power in powers:
                    blank = Schedule(
                        family=family,
                        peak=peak,
                        floor=floor or 0.0,
                        warmup=width,
                        total=end,
                        power=power,
                        cycles=cycles[0],
                    )
                    yield from spanned(blank, claim, extras)
    elif family == "inverse-sqrt":
        scale = _first(params, "timescale")
        for timescale in dict.fromkeys([scale] if scale else [width or 10_000.0, 10_000.0, 1.0]):
            yield from warmed(replace(blank, timescale=timescale), claim, extras)
    elif family == "exponential":
        yield from _exponentials(blank, claim, extras)
    elif family == "inverse-time":
        rate = _first(params, "decay_rate", "gamma", "decay")
        if rate is not None:
            each = _first(params, "decay_steps") or 1.0
            yield replace(blank, gamma=rate, step_size=each, staircase=bool(params.get("staircase")))
    elif family == "step":
        yield from _drops(blank, claim, extras)
    elif family == "warm-restarts":
        first = _first(params, "T_0", "first_decay_steps", "t_initial")
        if first:
            mult = _first(params, "T_mult", "t_mul", "cycle_mul") or 1.0
            shrink = _first(params, "m_mul", "cycle_decay") or 1.0
            for floor in floors:
                yield from warmed(
                    replace(blank, step_size=first, cycle_mult=mult, gamma=shrink, floor=floor or 0.0), claim, extras
                )
    elif family == "one-cycle":
        yield from _one_cycles(blank, claim, total, extras)
    elif family == "cyclic":
        up = _first(params, "step_size_up", "step_size") or 2000.0
        down = _first(params, "step_size_down") or up
        low, high = _first(params, "base_lr") or claim.base_lr or 0.0, _first(params, "max_lr") or peak
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
    told = _first(claim.params, "warmup_lr_init", "warmup_start_lr", "warmup_min_lr", "init_lr")
    if told:
        starts.insert(0, told)
    factor = _first(claim.params, "start_factor", "warmup_lr_rate", "warmup_ratio")
    for child in claim.params.get("schedulers") or ():
        if isinstance(child, dict) and factor is None:
            factor = _first(child, "start_factor")
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
    told = _first(params, "power")
    return (told,) if told is not None else (1.0, 2.0, 0.5, 0.9, 3.0)


def _exponentials(blank: Schedule, claim: Claim, extras: Extras) -> Iterator[Schedule]:
    gamma = _first(claim.params, "gamma", "decay_rate", "decay")
    if gamma is None or gamma <= 0:
        return
    each = _first(claim.params, "decay_steps", "transition_steps") or 1.0
    stairs = claim.params.get("staircase")
    for staircase in (bool(stairs),) if stairs is not None or each == 1.0 else (False, True):
        yield from warmed(
            replace(blank, gamma=gamma, step_size=each, staircase=staircase, floor=claim.min_lr or 0.0), claim, extras
        )


def _drops(blank: Schedule, claim: Claim, extras: Extras) -> Iterator[Schedule]:
    gamma = _first(claim.params, "gamma", "decay_rate", "factor")
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
    size = _first(claim.params, "step_size", "decay_t", "decay_steps", "lr_step_size")
    if size:
        yield from warmed(replace(blank, gamma=gamma, step_size=size, floor=claim.min_lr or 0.0), claim, extras)


def _one_cycles(blank: Schedule, claim: Claim, total: float | None, extras: Extras) -> Iterator[Schedule]:
    params = claim.params
    peak = _first(params, "max_lr", "lr_max") or blank.peak
    share = _first(params, "pct_start") or None
    div = _first(params, "div_factor", "div") or 25.0
    final = _first(params, "final_div_factor", "div_final")
    for end in (total,) if total is not None else extras.totals:
        for pct in (share,) if share else (0.3, 0.25):
            for shape in ("cosine", "linear"):
                start = peak / div
                for floor in (start / (final or 1e4), peak / (final or 1e5)):
                    one = replace(blank, peak=peak, warmup_start=start, floor=floor, shape=shape)
                    yield replace(one, warmup=pct * end - 1, total=end - 1)  # torch
                    yield replace(one, warmup=math.floor(pct * end), total=end)  # optax
                    yield replace(one, warmup=pct * end, total=end)  # fastai


def _stable(
    blank: Schedule, claim: Claim, total: float | None, floors: list[float], extras: Extras
) -> Iterator[Schedule]:
    length = _first(claim.params, "num_decay_steps", "decay_steps", "wsd_decay_steps")
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
