"""Declared facts: what somebody says the run should be, each with where it was found.

Strongest first: the command line, ``analyzer.toml`` or ``[tool.analyzer]``, files that frameworks leave beside the log.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from analyzer.config.keys import CHOICES, KEYS, scheduler_names, why_not
from analyzer.model import Fact
from analyzer.spelling import did_you_mean, nearest

NOT_SET = (-1, 0)
"""What files of frameworks say of a number that nobody gave."""
SAID = ("--", "declared=", "example", "test")
"""Where facts are said: the command line, Python, the rules' examples and tests; and any ``.toml``."""
IN_PYTHON = {"True": True, "False": False}


class UnknownKey(ValueError):
    """A declared key that nobody knows, with the nearest known one."""

    def __init__(self, key: str, found_in: str) -> None:
        hint = did_you_mean(key, KEYS, otherwise=f"known keys: {', '.join(KEYS)}")
        super().__init__(f"{found_in}: unknown key {key!r}; {hint}")


class BadValue(ValueError):
    """A declared value that its key cannot have: what is wrong, and the word that was probably meant."""

    def __init__(self, key: str, value: Any, found_in: str, reason: str) -> None:
        words = CHOICES.get(key) or (scheduler_names() if key == "scheduler" else ())
        near = nearest(value, words) if isinstance(value, str) and words else None
        hint = f"; did you mean {near!r}?" if near else ""
        super().__init__(f"{found_in}: {key} = {value!r}: {reason}{hint}")


class Declared(Struct, frozen=True, kw_only=True):
    """The strongest usable fact for each key; ``also`` keeps the weaker ones and the facts we have no use for."""

    facts: Mapping[str, Fact]
    also: tuple[Fact, ...] = ()
    unusable: tuple[tuple[Fact, str], ...] = ()  # of files beside the log, with what is wrong with each

    def get(self, key: str, default: Any = None) -> Any:
        if key not in KEYS:
            raise KeyError(key)
        fact = self.facts.get(key)
        return default if fact is None else fact.value

    def __contains__(self, key: str) -> bool:
        return key in self.facts

    def derived(self, key: str) -> bool:
        """Whether a fact was found in a file that the run left, not said by a person."""
        found_in = self.facts[key].found_in
        return not (found_in.startswith(SAID) or ".toml" in found_in)


def merge(*layers: Iterable[Fact]) -> Declared:
    """Facts of several layers, the strongest layer first."""
    chosen: dict[str, Fact] = {}
    also: list[Fact] = []
    unusable: list[tuple[Fact, str]] = []
    for layer in layers:
        for fact in layer:
            known = fact.key in KEYS and fact.value is not None
            reason = why_not(fact.key, fact.value) if known else ""
            if reason and fact.value not in NOT_SET:
                unusable.append((fact, reason))
            elif reason:
                also.append(fact)
            elif known and fact.key not in chosen:
                chosen[fact.key] = fact
            else:
                also.append(fact)
    return Declared(facts=chosen, also=tuple(also), unusable=tuple(unusable))


def facts_from_options(pairs: Iterable[str], found_in: str = "--declare") -> tuple[Fact, ...]:
    """Facts from ``KEY=VALUE`` options; a value is a TOML or JSON scalar, list or table, else plain text.

    Raises:
        ValueError: for a pair without ``=``, or a key that nobody knows, or a value that it cannot have.
    """
    facts = []
    for pair in pairs:
        key, sign, text = pair.partition("=")
        if not sign:
            raise ValueError(f"{found_in} {pair!r}: expected KEY=VALUE")
        facts.append(checked_fact(key.strip(), scalar(text.strip()), found_in))
    return tuple(facts)


def checked_fact(key: str, value: Any, found_in: str) -> Fact:
    """A fact whose key is known and whose value the key can have.

    Raises:
        UnknownKey: when nobody knows the key.
        BadValue: when the value is of another type, impossible, or a name that nobody knows.
    """
    if key not in KEYS:
        raise UnknownKey(key, found_in)
    if reason := why_not(key, value):
        raise BadValue(key, value, found_in, reason)
    return Fact(key=key, value=value, found_in=found_in)


def scalar(text: str) -> Any:
    """A TOML or JSON value, or a truth as Python spells it; anything else is itself."""
    if text in IN_PYTHON:
        return IN_PYTHON[text]
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # also a number of thousands of digits, a list a thousand deep
        return text
