"""Declared facts: what somebody says the run should be, each with where it was found.

Strongest first: the command line, ``analyzer.toml`` or ``[tool.analyzer]``, files that frameworks leave beside the log.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from analyzer.config.keys import KEYS
from analyzer.model import Fact
from analyzer.spelling import did_you_mean

SHAPES: Mapping[str, tuple[type, str]] = {
    "scheduler_params": (Mapping, "a table of the schedule's parameters"),
    "batch_size_ramp": (list, "a list of [from, size]"),
}
ONE_VALUE = (object, "one value")


def has_its_shape(key: str, value: Any) -> bool:
    """Whether the value of a known key is a table, a list, or neither of them, as the key needs."""
    if key in SHAPES:
        return isinstance(value, SHAPES[key][0])
    return not isinstance(value, (Mapping, list, tuple))


class UnknownKey(ValueError):
    """A declared key that nobody knows, with the nearest known one."""

    def __init__(self, key: str, found_in: str) -> None:
        hint = did_you_mean(key, KEYS, otherwise=f"known keys: {', '.join(KEYS)}")
        super().__init__(f"{found_in}: unknown key {key!r}; {hint}")


class Declared(Struct, frozen=True, kw_only=True):
    """The strongest fact for each key; ``also`` keeps the weaker ones and the facts we have no use for."""

    facts: Mapping[str, Fact]
    also: tuple[Fact, ...] = ()

    def get(self, key: str, default: Any = None) -> Any:
        if key not in KEYS:
            raise KeyError(key)
        fact = self.facts.get(key)
        return default if fact is None else fact.value

    def __contains__(self, key: str) -> bool:
        return key in self.facts


def merge(*layers: Iterable[Fact]) -> Declared:
    """Facts of several layers, the strongest layer first."""
    chosen: dict[str, Fact] = {}
    also: list[Fact] = []
    for layer in layers:
        for fact in layer:
            known = fact.key in KEYS and fact.value is not None and has_its_shape(fact.key, fact.value)
            if known and fact.key not in chosen:
                chosen[fact.key] = fact
            else:
                also.append(fact)
    return Declared(facts=chosen, also=tuple(also))


def facts_from_options(pairs: Iterable[str], found_in: str = "--declare") -> tuple[Fact, ...]:
    """Facts from ``KEY=VALUE`` options; a value is a TOML or JSON scalar, list or table, else plain text.

    Raises:
        ValueError: for a pair without ``=``, or a key that nobody knows.
    """
    facts = []
    for pair in pairs:
        key, sign, text = pair.partition("=")
        if not sign:
            raise ValueError(f"{found_in} {pair!r}: expected KEY=VALUE")
        facts.append(checked_fact(key.strip(), scalar(text.strip()), found_in))
    return tuple(facts)


def checked_fact(key: str, value: Any, found_in: str) -> Fact:
    """A fact whose key is known, and whose value is a table, a list or neither, as the key needs.

    Raises:
        UnknownKey: when nobody knows the key.
        ValueError: when the value is of another shape.
    """
    if key not in KEYS:
        raise UnknownKey(key, found_in)
    if not has_its_shape(key, value):
        raise ValueError(f"{found_in}: {key} must be {SHAPES.get(key, ONE_VALUE)[1]}, not {value!r}")
    return Fact(key=key, value=value, found_in=found_in)


def scalar(text: str) -> Any:
    """A TOML or JSON value; anything else is itself."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
