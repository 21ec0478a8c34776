"""Long JSON lists and JSON lines piece by piece: the objects of one become columns, and leave their memory to the next.

A list is cut between two objects. That a piece parses as a list shows that the cut behind it is one between two
objects of the list, not inside a string or a list within: those would be open at its end.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any

LONG = 1 << 20  # bytes; below it the import of a fast parser costs more than it saves
_PIECE = 1 << 19  # bytes parsed together: the objects made of them take some megabytes
_BETWEEN = re.compile(rb"\}\s*,\s*(?=\{)")
_ENDS = 8  # closing brackets that are tried as the end of the list


def loads(data: bytes) -> Any:
    """A JSON text, through orjson where it is installed and takes it: it refuses bare NaN."""
    with contextlib.suppress(ImportError, ValueError):
        import orjson

        return orjson.loads(data)
    return json.loads(data.decode())  # bytes might be taken for UTF-16


def pieces_of_list(data: bytes, at: int) -> Iterator[tuple[list[Any], int]]:
    """The items of a list in pieces, and where the last piece ends: at the bracket that closes the list.

    Args:
        at: behind the bracket that opens the list.

    Raises:
        ValueError: the list is not complete, or not valid.
    """
    while True:
        found = _BETWEEN.search(data, at + _PIECE)
        piece = None
        if found:
            with contextlib.suppress(ValueError):
                piece = loads(b"[" + data[at : found.start() + 1] + b"]")
        if piece is None or not found:
            yield _last_piece(data, at)
            return
        yield piece, found.end()
        at = found.end()


def _last_piece(data: bytes, at: int) -> tuple[list[Any], int]:
    """The items up to the bracket that closes the list."""
    end = at
    for _ in range(_ENDS):
        end = data.find(b"]", end) + 1
        if not end:
            break
        with contextlib.suppress(ValueError):
            return loads(b"[" + data[at:end]), end - 1
    raise ValueError("the list has no end")


def pieces_of_lines(data: bytes) -> Iterator[list[bytes]]:
    """Lines in pieces, without the end of the last one."""
    at = 0
    while at < len(data):
        end = data.find(b"\n", at + _PIECE) + 1 or len(data)
        yield data[at : end - data.endswith(b"\n", at, end)].split(b"\n")
        at = end


def objects_of_lines(lines: list[bytes]) -> list[Any]:
    """What each line holds.

    Raises:
        ValueError: a line is not JSON.
    """
    with contextlib.suppress(ImportError, ValueError):
        import orjson

        return list(map(orjson.loads, lines))
    return [json.loads(line.decode()) for line in lines]
