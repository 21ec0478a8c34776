"""Texts on which a pattern that is not linear takes minutes: made from the pattern itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

LONG = 40_000  # repeats: a quadratic pattern takes a thousand million steps, a linear one none that can be seen
_UNKNOWN = "\x01"  # what no pattern expects
_CATEGORIES = {op.CATEGORY_DIGIT: "7", op.CATEGORY_SPACE: " ", op.CATEGORY_WORD: "a", op.CATEGORY_NOT_SPACE: "a"}
_REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT)


def attacks(pattern: re.Pattern[str]) -> Iterator[str]:
    """A match up to each repeat without a bound, what it repeats many times, and an end that fits nothing; and
    beginnings of a match over and over."""
    seen: set[tuple[str, str]] = set()
    items = list(_parser.parse(pattern.pattern, pattern.flags))
    for prefix, unit in [("", " "), ("", "0"), ("", "a/"), *_repeated(items, "")]:
        if (prefix, unit) in seen or not unit:
            continue
        seen.add((prefix, unit))
        yield prefix + unit * LONG + _UNKNOWN
        if prefix:
            yield (prefix + unit) * (LONG // 4) + _UNKNOWN
            yield prefix + unit * (LONG // 2) + " " + prefix + unit * (LONG // 2) + _UNKNOWN


def _repeated(items: list[Any], prefix: str) -> Iterator[tuple[str, str]]:
    """What stands before each repeat of a sequence, and one round of it."""
    for code, value in items:
        if code in _REPEATS:
            least, most, inner = value
            unit = sample(list(inner))
            if most == op.MAXREPEAT:
                yield prefix, unit
                yield prefix, unit + unit
            yield from _repeated(list(inner), prefix)
            prefix += unit * max(least, 1)
            continue
        for inner in _inside(code, value):
            yield from _repeated(inner, prefix)
        prefix += sample([(code, value)])


def _inside(code: Any, value: Any) -> list[list[Any]]:
    if code is op.SUBPATTERN:
        return [list(value[3])]
    if code is op.BRANCH:
        return [list(one) for one in value[1]]
    if code is op.ATOMIC_GROUP:
        return [list(value)]
    if code in (op.ASSERT, op.ASSERT_NOT):
        return [list(value[1])]
    return []


def sample(items: list[Any]) -> str:
    """A short text that a sequence matches, as far as one can be told without looking around."""
    text = ""
    for code, value in items:
        if code is op.LITERAL:
            text += chr(value)
        elif code is op.NOT_LITERAL or code is op.ANY:
            text += "b"
        elif code is op.IN:
            text += _member(value)
        elif code in _REPEATS:
            text += sample(list(value[2])) * max(value[0], 0)
        elif code in (op.SUBPATTERN, op.BRANCH, op.ATOMIC_GROUP):
            inside = _inside(code, value)
            text += sample(inside[0]) if inside else ""
    return text


def _member(value: list[Any]) -> str:
    kinds = [one for one in value if one[0] is not op.NEGATE]
    if len(kinds) < len(value):
        return next(char for char in "bc;0 " if all(not _holds(one, char) for one in kinds))
    code, what = kinds[0]
    if code is op.LITERAL:
        return chr(what)
    return chr(what[0]) if code is op.RANGE else _CATEGORIES.get(what, "a")


def _holds(kind: Any, char: str) -> bool:
    code, what = kind
    if code is op.LITERAL:
        return chr(what) == char
    return code is op.RANGE and what[0] <= ord(char) <= what[1]
