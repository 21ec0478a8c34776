"""Long JSON lists and JSON lines in pieces: what is made of one leaves its memory to the next.

A list is cut between two objects. That a piece parses as a list shows that the cut behind it is one between two
objects of the list, not inside a string or a list within: those would be open at its end.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import TypeVar

_PIECE = 1 << 18  # bytes parsed together: the objects made of them stay near the processor
_FIRST = 1 << 16  # bytes of the first piece, which shows what the others hold
_BETWEEN = re.compile(rb"\}[ \t\r\n]*,[ \t\r\n]*(?=\{)")
_ENDS = 8  # closing brackets that are tried as the end of the list

Parsed = TypeVar("Parsed")


def pieces_of_list(data: bytes, at: int, parse: Callable[[bytes], Parsed]) -> Iterator[tuple[Parsed, int]]:
    """What is made of the items of a list, and where the last piece ends: at the bracket that closes the list.

    Args:
        at: behind the bracket that opens the list.
        parse: of a list; raises ValueError where it is not valid.

    Raises:
        ValueError: the list is not complete, or not valid.
    """
    whole = memoryview(data)
    size = min(_FIRST, _PIECE)
    while True:
        found = _BETWEEN.search(data, at + size)
        if not found:
            yield _last_piece(data, at, parse)
            return
        try:
            piece = parse(b"".join((b"[", whole[at : found.start() + 1], b"]")))
        except ValueError:
            yield _last_piece(data, at, parse)
            return
        yield piece, found.end()
        at, size = found.end(), _PIECE


def _last_piece(data: bytes, at: int, parse: Callable[[bytes], Parsed]) -> tuple[Parsed, int]:
    """The items up to the bracket that closes the list."""
    end = at
    for _ in range(_ENDS):
        end = data.find(b"]", end) + 1
        if not end:
            break
        with contextlib.suppress(ValueError):
            return parse(b"[" + data[at:end]), end - 1
    raise ValueError("the list has no end")


def pieces_of_lines(data: bytes) -> Iterator[bytes]:
    """Whole lines in pieces, without the end of the last one of each."""
    at, size = 0, min(_FIRST, _PIECE)
    while at < len(data):
        end = data.find(b"\n", at + size) + 1 or len(data)
        yield data[at : end - data.endswith(b"\n", at, end)]
        at, size = end, _PIECE
