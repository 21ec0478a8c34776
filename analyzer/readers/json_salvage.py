"""What was completely written of a JSON document that is cut, or no JSON from some place on."""

from __future__ import annotations

import re
from typing import Any

from analyzer.written_numbers import loads_json

# a string, a number or word with the sign that ends it, or a sign of the structure
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|[-+.\w]++(?=[\s,\]}])|[\[\]{}:,]', re.S)
_BLANK = re.compile(r"\s*+")
_CLOSED_BY = {"{": "}", "[": "]"}


def salvage(text: str, end: int) -> Any:
    """The document that the complete values before a place make; None where there is none.

    A number at the very end of the text, or ``3`` of ``3.``, may be cut and is left out. Takes time linear in the text.
    """
    whole, depth = 0, 0  # end of the last complete value, and how many brackets were open behind it
    opened: list[str] = []
    before = ""
    at = _BLANK.match(text).end()  # type: ignore[union-attr]
    while at < end and (found := _TOKEN.match(text, at)):
        token = found[0]
        at = found.end()
        if token in ("{", "["):
            opened.append(token)
        elif token in ("}", "]"):
            if not opened or _CLOSED_BY[opened[-1]] != token:
                break
            opened.pop()
            whole, depth = at, len(opened)
        elif token not in (",", ":") and not (opened and opened[-1] == "{" and before != ":"):
            whole, depth = at, len(opened)
        before = token
        at = _BLANK.match(text, at).end()  # type: ignore[union-attr]
    # what was opened before that place and is open still: brackets closed since then have moved the place
    closing = "".join(_CLOSED_BY[one] for one in reversed(opened[:depth]))
    try:
        return loads_json(text[:whole] + closing) if whole else None
    except (ValueError, RecursionError):
        return None
