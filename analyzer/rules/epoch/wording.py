"""How the rules that speak about epochs say what the clock knows."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from analyzer.clocks.epoch_clock import Break


def number(value: Fraction | float) -> str:
    """A count of steps as people write it: 469, 31.5, 23.33."""
    return f"{int(value)}" if float(value).is_integer() else f"{float(value):.4g}"


def interval(low: Fraction | float, high: Fraction | float | None) -> str:
    """One number, the two ends of what is known, or the one end."""
    if high is None:
        return f"at least {number(low)}"
    return number(low) if low == high else f"{number(low)}..{number(high)}"


def either(values: Iterable[Fraction | int]) -> str:
    """The readings of a plan: 31, 31.5 or 32."""
    words = [number(value) for value in values]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def shift(found: Break) -> str:
    """By how many steps, and which way: 3 steps early."""
    low, high = sorted((abs(found.low), abs(found.high)))
    steps = interval(Fraction(low).limit_denominator(1000), Fraction(high).limit_denominator(1000))
    return f"{steps} step{'' if low == high == 1 else 's'} {'late' if found.high > 0 else 'early'}"
