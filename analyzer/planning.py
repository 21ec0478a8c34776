"""The arithmetic of a declaration: every reading that it admits.

A reading is one consistent convention; it must explain epoch length, run length, warmup and horizon together.

    L = ceil(N / (B W)) or floor(...)     batches per epoch and device, by what becomes of the last, smaller batch
    U = ceil(L / G), floor(L / G), L / G  updates per epoch, by what becomes of the last, incomplete accumulation
    T = U E, rounded up or down           updates in the run; or max_steps

With DistributedSampler a device's share is padded to ceil(N / W) examples, or cut to floor(N / W) by its own
``drop_last``; sharding batches over devices (accelerate) gives the same numbers, as ceil(ceil(N/W)/B) = ceil(N/(B W)).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

from msgspec import Struct
from msgspec.structs import astuple, replace

from analyzer.config.declared import Declared

MOST_EPOCHS = 100_000  # of a declared ramp, whose epochs are listed one by one
REMAINDERS = {
    "step": "an update of its own",
    "drop": "dropped",
    "carry": "carried into the next epoch",
}


class PlanReading(Struct, frozen=True, kw_only=True):
    """One consistent convention and the numbers that it gives."""

    convention: str = ""  # "last batch kept; incomplete accumulation steps on its own"
    batches_per_epoch: int | None = None  # L, per device
    steps_per_epoch: Fraction | None = None  # U, optimizer updates; a ratio where accumulation carries over
    total_steps: int | None = None  # T, optimizer updates
    warmup_steps: int | None = None
    accumulation: int = 1  # G
    laps: tuple[int, ...] = ()  # updates of each epoch where a batch-size ramp makes them differ


class Plan(Struct, frozen=True, kw_only=True):
    """All readings of the declaration; none when it says too little."""

    readings: tuple[PlanReading, ...] = ()
    dataset_size: int | None = None  # N
    epochs: Fraction | None = None  # E
    max_steps: int | None = None
    samples_per_update: int | None = None  # global batch: B W G
    tokens_per_update: int | None = None
    asked_for: bool = False  # a person declared the length of the run; else it comes from files that the run left

    @property
    def steps_per_epoch(self) -> tuple[Fraction, ...]:
        """Every U that some reading gives, ascending."""
        return tuple(sorted({reading.steps_per_epoch for reading in self.readings if reading.steps_per_epoch}))

    @property
    def total_steps(self) -> tuple[int, ...]:
        """Every T that some reading gives, ascending."""
        return tuple(sorted({reading.total_steps for reading in self.readings if reading.total_steps}))

    def totals_given(self, steps_per_epoch: Fraction) -> tuple[int, ...]:
        """Every T of the readings with this U: one reading must explain both."""
        totals = {r.total_steps for r in self.readings if r.steps_per_epoch == steps_per_epoch and r.total_steps}
        return tuple(sorted(totals))


def counts_completions(tags: Iterable[str]) -> bool:
    """Whether a log tells of completions that are sampled while it trains (GRPO): its batches count these."""
    return any("completion" in tag.lower() for tag in tags)


def plan_of(declared: Declared, *, completions: bool = False) -> Plan:
    """All readings that the declared facts admit.

    With ``completions`` batch_size counts completions of a prompt, of which nobody says how many there are: then the
    sizes give no number of updates. ``drop_last`` and ``accumulation_remainder`` narrow the readings; where undeclared,
    every habit of the frameworks is kept.
    """
    epochs = _fraction(declared.get("epochs"))
    max_steps = _count(declared.get("max_steps"))
    if epochs and max_steps and declared.derived("max_steps") and not declared.derived("epochs"):
        max_steps = None  # the framework's own result, not what was asked for
    batch = _count(declared.get("batch_size")) or None
    devices = _count(declared.get("world_size")) or 1
    accumulation = _accumulation(declared, batch, devices)
    declared_global = _count(declared.get("global_batch_size"))
    samples = declared_global or (batch * devices * accumulation if batch else None)
    laps = list(_epoch_lengths(declared, batch, devices, accumulation, completions=completions))
    ramped = _ramped(declared, laps, epochs)
    readings = [
        reading
        for lap in ramped or laps or [PlanReading()]
        for reading in _run_lengths(lap, epochs, max_steps)
        if reading.steps_per_epoch is not None or reading.total_steps is not None
    ]
    sequence = _count(declared.get("sequence_length"))
    return Plan(
        readings=_distinct([_with_warmup(declared, reading) for reading in readings]),
        dataset_size=_count(declared.get("dataset_size")),
        epochs=epochs,
        max_steps=max_steps,
        samples_per_update=samples,
        asked_for=any(key in declared and not declared.derived(key) for key in ("epochs", "max_steps")),
        tokens_per_update=_count(declared.get("tokens_per_step"))
        or (samples * sequence if samples and sequence else None),
    )


def batches_per_epoch(examples: int, batch: int, devices: int, drop_last: bool | None) -> list[tuple[int, str]]:
    """Batches per epoch and device, each with its convention in words.

    Sources: torch.utils.data.DataLoader, torch.utils.data.distributed.DistributedSampler, accelerate.data_loader.
    """
    found: list[tuple[int, str]] = []
    if drop_last is not True:
        found.append((-(-examples // (batch * devices)), "last batch kept"))
    if drop_last is not False:
        found.append((examples // (batch * devices), "last batch dropped"))
        padded = -(-examples // devices) // batch
        if padded != found[-1][0]:
            found.append((padded, "last batch dropped after the devices' shares are padded"))
    return _merged([(count, words) for count, words in found if count > 0])


def updates_per_epoch(batches: int, accumulation: int, remainder: str | None) -> list[tuple[Fraction, str]]:
    """Optimizer updates per epoch, each with its convention in words."""
    if batches % accumulation == 0:
        return [(Fraction(batches, accumulation), "")]
    choices = {
        "step": Fraction(-(-batches // accumulation)),
        "drop": Fraction(batches // accumulation),
        "carry": Fraction(batches, accumulation),
    }
    return [
        (updates, f"incomplete accumulation {REMAINDERS[habit]}")
        for habit, updates in choices.items()
        if remainder in (None, habit) and updates > 0
    ]


def _epoch_lengths(
    declared: Declared, batch: int | None, devices: int, accumulation: int, *, completions: bool
) -> Iterator[PlanReading]:
    given = _fraction(declared.get("steps_per_epoch"))
    if given:
        yield PlanReading(convention="steps_per_epoch as declared", steps_per_epoch=given)
        return
    examples = _count(declared.get("dataset_size"))
    if not examples or completions:
        return
    if batch is None:  # an update is one batch, as far as anybody says
        batch, devices, accumulation = _count(declared.get("global_batch_size")), 1, 1
    for count, kept in batches_per_epoch(examples, batch, devices, declared.get("drop_last")) if batch else []:
        for updates, left in updates_per_epoch(count, accumulation, declared.get("accumulation_remainder")):
            words = _words(kept, left)
            yield PlanReading(
                convention=words, batches_per_epoch=count, steps_per_epoch=updates, accumulation=accumulation
            )


def _run_lengths(lap: PlanReading, epochs: Fraction | None, max_steps: int | None) -> Iterator[PlanReading]:
    """The reading with every T that goes with its U."""
    if lap.laps:
        planned = [total for total in (sum(lap.laps) if epochs else None, max_steps) if total]
        yield replace(lap, total_steps=min(planned, default=None))
        return
    by_epochs: dict[int, str] = {}
    if epochs and lap.steps_per_epoch:
        exact = lap.steps_per_epoch * epochs
        by_epochs[math.ceil(exact)] = ""
        by_epochs.setdefault(math.floor(exact), "rounded down")
        if lap.steps_per_epoch.denominator > 1:  # transformers 4.30 to 4.46: sized by the floor, trained with a carry
            by_epochs.setdefault(
                math.ceil(math.floor(lap.steps_per_epoch) * epochs), "sized by whole updates per epoch"
            )
    if max_steps:
        yield replace(lap, total_steps=max_steps, convention=_words(lap.convention, "ends at max_steps"))
    elif not by_epochs:
        yield lap
    first = "ends with its epochs, before max_steps" if max_steps else ""
    for total, how in by_epochs.items():
        if total > 0 and (not max_steps or total < max_steps):
            yield replace(lap, total_steps=total, convention=_words(lap.convention, first, how))


def _ramped(declared: Declared, laps: list[PlanReading], epochs: Fraction | None) -> list[PlanReading]:
    """Readings whose epochs differ in length, by ``batch_size_ramp = [[from epoch, size], ...]``.

    Where nobody says how many epochs there are, they are those up to the last change, whose length goes on.
    """
    ramp = declared.get("batch_size_ramp")
    examples = _count(declared.get("dataset_size"))
    if not isinstance(ramp, list) or not ramp or not examples:
        return []
    try:
        changes = sorted((int(start), int(size)) for start, size in ramp)
    except (TypeError, ValueError):
        return []
    devices = _count(declared.get("world_size")) or 1
    accumulation = _count(declared.get("grad_accumulation")) or 1
    first = changes[0][0]  # epochs of the ramp count from 0 or, where no earlier one is named, from 1
    count = math.ceil(epochs) if epochs else changes[-1][0] - first + 1
    if any(size <= 0 for _, size in changes) or first not in (0, 1):
        return []
    if not changes[-1][0] - first < count <= MOST_EPOCHS:
        return []
    dropped: list[bool] = [declared.get("drop_last")] if isinstance(declared.get("drop_last"), bool) else [False, True]
    return [
        PlanReading(
            convention=f"batch-size ramp from epoch {base}; last batch {'dropped' if drop_last else 'kept'}",
            steps_per_epoch=Fraction(lengths[0]),
            laps=lengths,
        )
        for base in range(first + 1)
        for drop_last in dropped
        if (lengths := _ramp_lengths(examples, changes, range(base, base + count), devices, accumulation, drop_last))
    ]


def _ramp_lengths(
    examples: int, changes: list[tuple[int, int]], epochs: range, devices: int, accumulation: int, drop_last: bool
) -> tuple[int, ...]:
    """Updates of every epoch."""
    lengths = []
    for epoch in epochs:
        size = next((size for start, size in reversed(changes) if start <= epoch), changes[0][1])
        count = batches_per_epoch(examples, size, devices, drop_last)
        lengths.append(-(-count[0][0] // accumulation) if count else 0)
    return tuple(lengths)


def _with_warmup(declared: Declared, reading: PlanReading) -> PlanReading:
    steps = _count(declared.get("warmup_steps"))
    epochs = _fraction(declared.get("warmup_epochs"))
    ratio = _fraction(declared.get("warmup_ratio"))
    if steps is None and epochs is not None and reading.steps_per_epoch:
        steps = math.ceil(epochs * reading.steps_per_epoch)
    if steps is None and ratio is not None and reading.total_steps:
        steps = math.ceil(ratio * reading.total_steps)  # as the Trainer rounds
    return replace(reading, warmup_steps=steps)


def _distinct(readings: list[PlanReading]) -> tuple[PlanReading, ...]:
    """Readings that give the same numbers are one, the first named."""
    by_numbers: dict[tuple[Any, ...], PlanReading] = {}
    for reading in readings:
        by_numbers.setdefault(astuple(replace(reading, convention="", accumulation=1)), reading)
    return tuple(by_numbers.values())


def _merged(found: list[tuple[int, str]]) -> list[tuple[int, str]]:
    by_count: dict[int, str] = {}
    for count, words in found:
        by_count[count] = "nothing left over" if count in by_count else words
    return list(by_count.items())


def _accumulation(declared: Declared, batch: int | None, devices: int) -> int:
    given = _count(declared.get("grad_accumulation"))
    whole = _count(declared.get("global_batch_size"))
    if given is None and whole and batch and whole % (batch * devices) == 0:
        return whole // (batch * devices)
    return given or 1


def _words(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _count(value: Any) -> int | None:
    """A positive whole number, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return int(value) if value > 0 and float(value).is_integer() else (0 if value == 0 else None)


def _fraction(value: Any) -> Fraction | None:
    """A positive number as the decimal fraction that was written, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        return None
    return Fraction(repr(value))
