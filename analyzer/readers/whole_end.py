"""Whether a text that no line end closes was written to its end: many programs print none behind their last row."""

from __future__ import annotations

import re

TAIL = 1 << 14  # bytes of the end that are looked at
FEWEST_OF_A_FORMAT = 10  # lines that show how many decimals their writer prints
LINES_OF_A_FORMAT = 50  # of a writer that drops trailing zeros, a tenth of so many are shorter
_LAST_NUMBER = re.compile(rb"\.([0-9]++)([^0-9]{0,40})$")
_NUMBERS = re.compile(rb"[0-9.eE+-]++")


def with_a_whole_end(data: bytes) -> bytes:
    """The text, with a line end where its last line lacks one and is whole.

    It is whole when its last number has as many decimals as that of every line of its shape before it, in a format that
    keeps trailing zeros: a number that was cut has fewer.
    """
    if not data or data[-1:] in b"\n\r":
        return data
    *before, last = data[-TAIL:].split(b"\n")
    found = _LAST_NUMBER.search(last)
    if found is None:
        return data
    shape = _NUMBERS.sub(b"0", last)
    alike = [line for line in (one.rstrip(b"\r") for one in before[1:]) if _NUMBERS.sub(b"0", line) == shape]
    decimals = [m[1] for line in alike[-LINES_OF_A_FORMAT:] if (m := _LAST_NUMBER.search(line))]
    enough = len(decimals) >= LINES_OF_A_FORMAT or (
        len(decimals) >= FEWEST_OF_A_FORMAT and any(one.endswith(b"0") for one in decimals)
    )
    return data + b"\n" if enough and {len(one) for one in decimals} == {len(found[1])} else data
