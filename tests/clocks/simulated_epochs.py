"""Seeded training runs with known epochs: how frameworks count them, log them, resume them, and get them wrong.

``healthy(seed)`` draws a run whose log no rule about epochs may object to; ``faulty(seed, fault)`` plants one fault in
such a run. The truth is in the result.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

FAULTS: dict[str, tuple[str, ...]] = {
    # planted fault: rules that tell it truthfully
    "early": ("EPO001",),
    "late": ("EPO001",),
    "skip": ("EPO005",),
    "repeat": ("EPO005",),
    "length": ("EPO002",),
    "extra epoch": ("EPO004",),
    "short": ("EPO004",),
    "base": ("EPO003",),
    "divisor": ("EPO006",),
    "axis": ("LOG006",),
    "data": ("RES004",),
    "epoch at resume": ("RES005",),
    "geometry": ("RES009",),
}


@dataclass
class Setup:
    """A run as it was configured and logged."""

    batches: int  # L
    accumulation: int
    epochs: int
    remainder: str  # step, drop, carry
    drop_last: bool
    batch: int
    devices: int
    examples: int
    step_base: int
    label_base: int
    cadence: int
    residue: int
    first_row: bool
    labels: str  # integer, micro-batches, updates
    decimals: int | None
    validation: str  # none, epoch, steps
    declaration: str  # full, partial, updates, none
    resume: str  # none, continue, replay
    noise: float = 0.1


@dataclass
class Simulated:
    """A log and what is true of it."""

    files: dict[str, str]
    declared: dict[str, Any]
    setup: Setup
    fault: str = ""
    step: int | None = None  # where the fault shows, on the log's axis
    visible: bool = True  # whether the log can show the fault at all
    expected: tuple[str, ...] = field(default=())


@dataclass
class Update:
    """One optimizer update: when it happened and what the loop knew."""

    number: int  # from 1
    epoch: int  # from 0
    fraction: Fraction  # micro-batches of this epoch done / L
    last_of_epoch: bool


def draw(rng: random.Random) -> Setup:
    """A configuration such as people run."""
    batch, devices = rng.choice([1, 2, 4, 8, 16, 20, 32, 50]), rng.choice([1, 1, 1, 2, 4])
    accumulation = rng.choice([1, 1, 1, 2, 3, 4, 8])
    batches = rng.randint(max(3, 2 * accumulation), 240)
    drop_last = rng.random() < 0.3
    whole = batch * devices
    examples = batches * whole + (rng.randrange(whole) if drop_last else -rng.randrange(whole))
    cadence = rng.choice([1, 1, 1, 2, 3, 5, 10, 25, 50])
    return Setup(
        batches=batches,
        accumulation=accumulation,
        epochs=rng.randint(1, 9),
        remainder=rng.choice(["step", "step", "drop", "carry"]),
        drop_last=drop_last,
        batch=batch,
        devices=devices,
        examples=examples,
        step_base=rng.choice([0, 1]),
        label_base=rng.choice([0, 1]),
        cadence=cadence,
        residue=rng.choice([0, cadence - 1]),
        first_row=rng.random() < 0.5,
        labels=rng.choice(["integer", "integer", "integer", "micro-batches", "updates"]),
        decimals=rng.choice([None, None, 2, 3, 4, 6]),
        validation=rng.choice(["none", "epoch", "epoch", "steps"]),
        declaration=rng.choice(["full", "full", "partial", "updates", "none"]),
        resume=rng.choice(["none", "none", "continue", "replay"]),
    )


def updates(setup: Setup, *, epochs: int | None = None, batches: int | None = None) -> list[Update]:
    """What the loop does: every update with its epoch."""
    L, G = batches or setup.batches, setup.accumulation
    done: list[Update] = []
    pending = 0
    for epoch in range(setup.epochs if epochs is None else epochs):
        if setup.remainder != "carry":
            pending = 0
        for micro in range(1, L + 1):
            pending += 1
            if pending == G or (micro == L and setup.remainder == "step"):
                pending = 0
                done.append(Update(number=len(done) + 1, epoch=epoch, fraction=Fraction(micro, L), last_of_epoch=False))
        if done:
            done[-1].last_of_epoch = True
    return done


def healthy(seed: int) -> Simulated:
    """A log that is sound."""
    rng = random.Random(seed)
    setup = draw(rng)
    return _written(rng, setup, updates(setup), lambda update: update.epoch)


def faulty(seed: int, fault: str) -> Simulated:
    """A log with one planted fault; ``visible`` says whether such a log can show it."""
    rng = random.Random(seed)
    setup = draw(rng)
    setup.epochs = max(4, setup.epochs)
    setup.batches = max(setup.batches, 8 * setup.accumulation)
    setup.examples = setup.batches * setup.batch * setup.devices
    setup.drop_last, setup.resume, setup.validation = False, "none", "epoch"
    setup.cadence = rng.choice([1, 1, 1, 2, 5])
    setup.residue = rng.choice([0, setup.cadence - 1])
    if setup.remainder == "carry" and setup.batches % setup.accumulation:
        setup.remainder = "step"
    setup.declaration = rng.choice(["full", "updates"])
    counted = ("length", "extra epoch", "short", "data", "geometry")
    setup.labels = rng.choice(["integer", "micro-batches"]) if fault in counted else "integer"
    setup.decimals = rng.choice([None, 3, 4])
    done = updates(setup)
    per_epoch = max(update.number for update in done if update.epoch == 0)
    label: Callable[[Update], int] = lambda update: update.epoch  # noqa: E731
    result: Simulated
    boundary = per_epoch * rng.randint(1, setup.epochs - 2)
    if fault in ("early", "late"):
        size = rng.choice([1, 1, 2, 3]) * (1 if fault == "early" else -1)
        label = lambda update: max(0, (update.number - 1 + size) // per_epoch)  # noqa: E731
        result = _written(rng, setup, done, label)
        result.step = per_epoch - size + setup.step_base if fault == "early" else per_epoch + setup.step_base
        result.visible = setup.cadence == 1 and per_epoch >= 8
    elif fault == "skip":
        at = rng.randint(1, setup.epochs - 2)
        label = lambda update: update.epoch + (update.epoch >= at)  # noqa: E731
        result = _written(rng, setup, done, label)
        result.step = at * per_epoch + setup.step_base
    elif fault == "repeat":
        at = rng.randint(1, setup.epochs - 2)
        label = lambda update: update.epoch - (update.epoch == at)  # noqa: E731
        result = _written(rng, setup, done, label)
        result.step = at * per_epoch + setup.step_base
    elif fault == "length":
        real = updates(setup, batches=setup.batches - setup.accumulation * rng.randint(1, 2))
        result = _written(rng, setup, real, label)
        result.visible = setup.cadence == 1
    elif fault == "extra epoch":
        result = _written(rng, setup, updates(setup, epochs=setup.epochs + 1), label)
        result.step = len(done) + setup.step_base
    elif fault == "short":
        cut = rng.randint(per_epoch, len(done) - max(2, setup.cadence) - 1)
        result = _written(rng, setup, done[:cut], label)
        result.step = cut - 1 + setup.step_base
    elif fault == "base":
        result = _written(rng, setup, done, label, validation_offset=1 if setup.label_base == 0 else -1)
        result.step = per_epoch - 1 + setup.step_base
    elif fault == "divisor":
        setup.labels = "updates"
        setup.decimals = rng.choice([None, 4, 6])
        wrong = per_epoch + rng.choice([1, 2, per_epoch])
        result = _written(rng, setup, done, label, divisor=wrong)
        result.visible = per_epoch >= 8
    elif fault == "axis":
        result = _written(rng, setup, done, label, validation_at_epoch=True)
        result.visible = per_epoch > 3 * setup.cadence and setup.epochs >= 4
    elif fault == "data":
        lost = rng.randint(max(2, setup.cadence + 1), max(per_epoch - 2, setup.cadence + 2))
        at = boundary + lost
        again = [
            Update(number=u.number + lost, epoch=u.epoch, fraction=u.fraction, last_of_epoch=u.last_of_epoch)
            for u in done[boundary:]
        ]
        result = _written(rng, setup, [*done[:at], *again], label, cut=at)
        result.step = at + setup.step_base
        result.visible = lost < per_epoch - 1 - setup.cadence
    elif fault == "epoch at resume":
        at = boundary + rng.randint(2, per_epoch - 2)
        moved = rng.choice([1, 1, -1])
        label = lambda update: update.epoch + (moved if update.number > at else 0)  # noqa: E731
        result = _written(rng, setup, done, label, cut=at)
        result.step = at + setup.step_base
    elif fault == "geometry":
        at = boundary
        setup.epochs = max(setup.epochs, at // per_epoch + 3)
        later = updates(setup, batches=max(2 * setup.accumulation, setup.batches // 2))
        first_of_epoch = next(i for i, u in enumerate(later) if u.epoch == at // per_epoch)
        again = [
            Update(number=at + 1 + i, epoch=u.epoch, fraction=u.fraction, last_of_epoch=u.last_of_epoch)
            for i, u in enumerate(later[first_of_epoch:])
        ]
        result = _written(rng, setup, [*done[:at], *again], label, cut=at)
        result.step = at + setup.step_base
    else:
        raise ValueError(fault)
    result.fault, result.expected = fault, FAULTS[fault]
    if setup.cadence > 1 and per_epoch < 4 * setup.cadence:
        result.visible = False
    return result


def _written(
    rng: random.Random,
    setup: Setup,
    done: list[Update],
    label: Callable[[Update], int],
    *,
    validation_offset: int = 0,
    validation_at_epoch: bool = False,
    divisor: int | None = None,
    cut: int | None = None,
) -> Simulated:
    """The log of these updates, as text."""
    header = "step,epoch,loss,val_loss"
    pieces: list[list[Update]] = [done]
    if cut is not None:
        pieces = [done[:cut], done[cut:]]
    elif setup.resume != "none" and len(done) > 30:
        at = rng.randint(10, len(done) - 10)
        back = rng.randint(1, 9) if setup.resume == "replay" else 0
        pieces = [done[:at], done[at - back :]]
    lines: list[str] = []
    every = max(2, len(done) // rng.randint(4, 9))
    per_epoch = max((update.number for update in done if update.epoch == 0), default=1)
    for piece in pieces:
        lines.append(header)
        for k, update in enumerate(piece):
            step = update.number - 1 + setup.step_base
            value = 0.4 + 3.0 / (1 + update.number / 20) + random.Random(update.number).gauss(0, 0.02)
            shown = setup.cadence == 1 or step % setup.cadence == setup.residue
            if shown or (setup.first_row and update.number == 1):
                lines.append(f"{step},{_label(setup, update, label, divisor, per_epoch)},{value:.6f},")
            closes = (
                update.last_of_epoch
                if setup.validation == "epoch"
                else (setup.validation == "steps" and update.number % every == 0)
            )
            if closes:
                at_step = update.epoch + setup.label_base if validation_at_epoch else step
                text = _label(setup, update, label, divisor, per_epoch)
                if validation_offset:
                    text = str(label(update) + setup.label_base + validation_offset)
                elif setup.labels == "integer" and setup.validation == "epoch":
                    text = str(update.epoch + setup.label_base)
                    if setup.remainder == "carry" or cut is not None or label(update) != update.epoch:
                        text = _label(setup, update, label, divisor, per_epoch)
                lines.append(f"{at_step},{text},,{value + 0.1:.6f}")
            del k
    return Simulated(files={"log.csv": "\n".join(lines) + "\n"}, declared=_declared(rng, setup), setup=setup)


def _label(setup: Setup, update: Update, label: Callable[[Update], int], divisor: int | None, per_epoch: int) -> str:
    if setup.labels == "integer":
        return str(label(update) + setup.label_base)
    if setup.labels == "micro-batches":
        value = label(update) + update.fraction
    else:
        length = Fraction(setup.batches, setup.accumulation) if setup.remainder == "carry" else Fraction(per_epoch)
        value = Fraction(update.number) / (divisor or length)
    number = float(value)
    return repr(number if setup.decimals is None else round(number, setup.decimals))


def _declared(rng: random.Random, setup: Setup) -> dict[str, Any]:
    if setup.declaration == "none":
        return {}
    if setup.declaration == "updates":
        L, G = setup.batches, setup.accumulation
        if setup.remainder == "carry" and L % G:
            return {"epochs": setup.epochs}
        return {"steps_per_epoch": L // G if setup.remainder == "drop" else -(-L // G), "epochs": setup.epochs}
    declared: dict[str, Any] = {
        "dataset_size": setup.examples,
        "batch_size": setup.batch,
        "world_size": setup.devices,
        "grad_accumulation": setup.accumulation,
        "epochs": setup.epochs,
    }
    if setup.declaration == "full":
        declared |= {"drop_last": setup.drop_last, "accumulation_remainder": setup.remainder}
    return declared
