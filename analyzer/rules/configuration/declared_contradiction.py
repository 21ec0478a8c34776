"""The declared facts contradict one another.

What it checks
    Facts that say the same thing twice: steps_per_epoch against dataset_size, batch_size, world_size and accumulation;
    global_batch_size against its factors; warmup_steps against warmup_epochs, warmup_ratio and the length of the run;
    tokens_per_step against sequence_length. A value in a file beside the log that its key cannot have is named and
    left out; said by a person it ends the audit.

Why it matters
    Every other rule compares the log with the declaration. If that is impossible, it would call a healthy run wrong.

When it is silent
    When one reading makes all facts true (batches kept or dropped, accumulation stepped, dropped or carried), and for
    max_steps beside epochs: frameworks let the one or the other end the run.

What to do
    Correct the fact; the message says where each was found.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

from analyzer.config.declared import Declared
from analyzer.model import Finding, Row
from analyzer.planning import plan_of
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.epoch.wording import either
from analyzer.rules.examples import epochs_log
from analyzer.timeline import Timeline


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    """Yield a finding for each pair of facts that cannot both be true."""
    declared = timeline.declared
    for fact, reason in declared.unusable:
        yield Unchecked(reason=f"{fact.found_in}: {fact.key} = {fact.value!r} is not used: {reason}")
    if len(declared.facts) < 2:
        yield Unchecked(reason="fewer than two facts are declared: nothing can contradict itself")
        return
    for keys, message in _contradictions(declared):
        yield Finding(
            severity="error",
            message=f"{message} ({'; '.join(f'{key}: {declared.facts[key].found_in}' for key in keys)})",
            numbers={key: declared.facts[key].value for key in keys},
            evidence=tuple(
                Row(source=declared.facts[key].found_in, row=0, tag=key, step=None, value=declared.facts[key].value)
                for key in keys
            ),
        )


def _contradictions(declared: Declared) -> Iterator[tuple[tuple[str, ...], str]]:
    yield from _steps_per_epoch(declared)
    yield from _global_batch(declared)
    yield from _warmup(declared)
    tokens, sequence = declared.get("tokens_per_step"), declared.get("sequence_length")
    if tokens and sequence and tokens % sequence:
        yield (
            ("tokens_per_step", "sequence_length"),
            f"tokens_per_step = {tokens} is no multiple of sequence_length = {sequence}",
        )


def _steps_per_epoch(declared: Declared) -> Iterator[tuple[tuple[str, ...], str]]:
    given = declared.get("steps_per_epoch")
    if given is None or "dataset_size" not in declared:
        return
    without = Declared(facts={key: fact for key, fact in declared.facts.items() if key != "steps_per_epoch"})
    plan = plan_of(without)
    possible = {*plan.steps_per_epoch, *(Fraction(r.batches_per_epoch) for r in plan.readings if r.batches_per_epoch)}
    if possible and Fraction(repr(given)) not in possible:
        keys = tuple(
            k
            for k in ("steps_per_epoch", "dataset_size", "batch_size", "world_size", "grad_accumulation")
            if k in declared
        )
        facts = ", ".join(f"{key} = {declared.get(key)}" for key in keys[1:])
        yield keys, f"steps_per_epoch = {given}, but {facts} give {either(plan.steps_per_epoch)}"


def _global_batch(declared: Declared) -> Iterator[tuple[tuple[str, ...], str]]:
    keys = ("global_batch_size", "batch_size", "world_size", "grad_accumulation")
    if "global_batch_size" not in declared or "batch_size" not in declared:
        return
    whole = declared.get("global_batch_size")
    factors = [declared.get(key) for key in keys[1:] if key in declared]
    product = math.prod(factors)
    complete = all(key in declared for key in keys)
    if (complete and product != whole) or whole % product:
        said = tuple(key for key in keys if key in declared)
        yield (
            said,
            f"global_batch_size = {whole}, but "
            + " x ".join(f"{key} {declared.get(key)}" for key in said[1:])
            + f" = {product}",
        )


def _warmup(declared: Declared) -> Iterator[tuple[tuple[str, ...], str]]:
    steps, ratio, epochs = (declared.get(key) for key in ("warmup_steps", "warmup_ratio", "warmup_epochs"))
    plan = plan_of(declared)
    longest = max(plan.total_steps, default=None)
    if steps and longest is not None and steps > longest:
        yield ("warmup_steps",), f"warmup_steps = {steps} is longer than the run of {longest} updates"
    if steps and ratio and plan.total_steps and not any(abs(steps - ratio * total) <= 1 for total in plan.total_steps):
        yield (
            ("warmup_steps", "warmup_ratio"),
            (
                f"warmup_steps = {steps}, but warmup_ratio = {ratio} of {either(plan.total_steps)} updates is "
                "another number"
            ),
        )
    if (
        steps
        and epochs
        and plan.steps_per_epoch
        and not any(abs(steps - epochs * U) <= 1 for U in plan.steps_per_epoch)
    ):
        yield (
            ("warmup_steps", "warmup_epochs"),
            (
                f"warmup_steps = {steps}, but warmup_epochs = {epochs} of {either(plan.steps_per_epoch)} steps "
                "is another number"
            ),
        )


LOG = epochs_log(range(1, 129), 32)
RULE = Rule(
    code="CFG001",
    name="declared-contradiction",
    severity="error",
    check=check,
    help="correct the fact that is wrong; the message says where each was found",
    sources=("https://github.com/mlcommons/training/issues/841",),
    bad=(
        Example(
            title="32 steps of 32 are not 2000 examples",
            files=LOG,
            declared={"steps_per_epoch": 32, "dataset_size": 2000, "batch_size": 32, "epochs": 4},
        ),
        Example(
            title="the product of its factors is another global batch",
            files=LOG,
            declared={"global_batch_size": 256, "batch_size": 32, "world_size": 2, "grad_accumulation": 2},
        ),
    ),
    good=(
        Example(
            title="one reading makes all facts true",
            files=LOG,
            declared={"steps_per_epoch": 32, "dataset_size": 1000, "batch_size": 32, "epochs": 4},
            why="the last batch of 8 is kept: 32 steps",
        ),
        Example(
            title="max_steps beside epochs",
            files=LOG,
            declared={"max_steps": 128, "epochs": 6, "steps_per_epoch": 32},
            why="max_steps ends the run first",
        ),
    ),
)
