"""How the rules that speak about epochs say what the clock knows."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from analyzer.clocks.epoch_clock import Break, EpochClock
from analyzer.model import Axis

SIZES = {
    "sample": "declare batch_size (with world_size and grad_accumulation)",
    "token": "declare tokens_per_step, or sequence_length and batch_size",
    "micro-batch": "declare grad_accumulation",
    "place": "declare dataset_size and batch_size, or log the step",
    "call": "declare logging_steps, or log the step",
    "row": "declare logging_steps, or print the step",
}
"""What makes the size of a unit in updates known."""


def amount(value: Fraction | float) -> str:
    """A count of steps as people write it: 469, 31.5, 23.33."""
    return f"{int(value)}" if float(value).is_integer() else f"{float(value):.4g}"


def interval(low: Fraction | float, high: Fraction | float | None) -> str:
    """One number, the two ends of what is known, or the one end."""
    if high is None:
        return f"at least {amount(low)}"
    return amount(low) if low == high else f"{amount(low)}..{amount(high)}"


def either(values: Iterable[Fraction | int]) -> str:
    """The readings of a plan: 31, 31.5 or 32."""
    values = sorted(values)
    if len(values) > 3 and values[-1] - values[0] == len(values) - 1:
        return f"{amount(values[0])} to {amount(values[-1])}"
    words = [amount(value) for value in values]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def uncounted(axis: Axis) -> str:
    """Why nothing about steps follows from a log whose axis has no known size in updates; empty where it has one."""
    if axis.per_update is not None or axis.unit == "epoch":
        return ""
    if axis.unit == "unknown":
        return "no series with steps in the log"
    return (
        f"this log counts {axis.unit}s, whose number in an update is not known; {SIZES.get(axis.unit, 'log the step')}"
    )


def unresolved(clock: EpochClock | None, labelled: bool) -> str:
    """Why the epoch labels could not be held against a clock; empty where they were."""
    if clock is None or clock.labels is None:
        if labelled:
            return "no constant number of steps per epoch explains the labels; epochs of varying length have no clock"
        return "no epoch labels with steps in the log"
    if clock.rows_apart:
        return "rows are further apart than half an epoch; log more often to see where epochs end"
    return "the log shows no two ends of epochs" if clock.too_sparse else ""


def shift(found: Break) -> str:
    """By how many steps, and which way: 3 steps early."""
    low, high = sorted((abs(found.low), abs(found.high)))
    steps = interval(Fraction(low).limit_denominator(1000), Fraction(high).limit_denominator(1000))
    return f"{steps} step{'' if low == high == 1 else 's'} {'late' if found.high > 0 else 'early'}"
