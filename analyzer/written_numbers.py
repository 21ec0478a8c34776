"""What a written number is, the same in every text format, and told in linear time.

Every repeat here is possessive: what it has taken it never gives back, so that no text makes a match try a run of
digits more than once. A number that a double cannot hold is none: its value would be infinite where a finite one
was written.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

DECIMAL = r"[+-]?(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?+"
"""Source of a pattern: digits with or without a point and an exponent."""

MOST_DIGITS = 309
"""Digits before the point of the largest double: a longer number is nobody's measurement."""

BEYOND = "an integer beyond a double"
"""What stands in the place of one, where the digits have already become an int or never will."""

_WRITTEN = re.compile(rf"{DECIMAL}|[+-]?(?:inf(?:inity)?|nan)", re.I | re.ASCII)
_BEYOND = re.compile(rf"(?<![0-9.])[0-9]{{{MOST_DIGITS + 1}}}")


def number_written(text: str) -> float | None:
    """The value of a text that is a number and nothing else; None for any other, and for one beyond a double."""
    if not _WRITTEN.fullmatch(text):
        return None
    value = float(text)
    return None if math.isinf(value) and text[-1] in "0123456789." else value


def holds_a_number_beyond_a_double(text: str) -> bool:
    """Whether more digits stand together than any double has before its point."""
    return len(text) > MOST_DIGITS and _BEYOND.search(text) is not None


def int_of_json(digits: str) -> int | str:
    """For ``json.loads(parse_int=...)``: one that no double holds is a text, and costs its own cell only."""
    return int(digits) if len(digits) < MOST_DIGITS else BEYOND


def float_of_json(written: str) -> float | str:
    """For ``json.loads(parse_float=...)``: one that no double holds stays text."""
    value = float(written)
    return written if math.isinf(value) else value


def loads_json(text: str | bytes) -> Any:
    """A JSON text in which a number beyond a double is a text.

    Raises:
        ValueError: it is not valid.
        RecursionError: it is nested too deeply.
    """
    return json.loads(text, parse_int=int_of_json, parse_float=float_of_json)


JSON_DECODER = json.JSONDecoder(parse_int=int_of_json, parse_float=float_of_json)
"""The same for a value inside a text."""
