"""Bytes of an event file that are no record, and what they look like."""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from analyzer.readers.tfevents.checksum import Bytes
from analyzer.readers.tfevents.heads import header_length

ZERO_TAIL = "only zero bytes follow: space that was reserved and never written"
ZEROS = "zero bytes where a record should begin"
LINE = re.compile(rb"(?<![\t -~])[\t -~]{12,}+\r?\n|\A[\t\r\n -~]+\Z")  # a line that somebody printed


class Damage(Struct, frozen=True, kw_only=True):
    """Bytes that are no record. ``record`` counts the good records of the block before it."""

    record: int
    start: int
    end: int
    kind: Literal["truncated", "corrupt"]
    what: str


def described(data: Bytes, begin: int, end: int) -> str:
    """What damaged bytes look like."""
    sample = data[begin : min(end, begin + 4096)]
    if not sample.any():
        return ZEROS
    text = LINE.search(sample.tobytes())
    if text is not None:
        return f"text was written into the file ({text[0][:40].decode('ascii').strip()!r})"
    if header_length(data, begin, end) >= 0:
        return "its checksum does not match, and no record follows where it should end"
    return "no record begins here: the length does not match its checksum"
