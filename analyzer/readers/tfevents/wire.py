"""The wire format of protobuf: fields of a message, one after another (protobuf.dev/programming-guides/encoding).

As its own classes read it: of a number written twice the last one counts, messages written twice are one behind the
other, and what is not known is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator

DEEPEST = 100  # groups inside one another, as protobuf's own classes go
VARINT, EIGHT, BYTES, GROUP, GROUP_END, FOUR = range(6)

Place = tuple[int, int]  # begin and end


class NotAnEvent(ValueError):
    """Bytes that are no message."""


def fields(data: bytes, at: int, end: int, *, depth: int = 0) -> Iterator[tuple[int, int, int, int]]:
    """Number, wire type, begin and end of each field of a message.

    Raises:
        NotAnEvent: when a field runs over the end, or there is no such type.
    """
    while at < end:
        key = data[at]
        at += 1
        if key >= 0x80:
            key, at = varint(data, at - 1, end)
        wire = key & 7
        if wire == BYTES:
            size = data[at] if at < end else 0
            if size < 0x80:
                at += 1
            else:
                size, at = varint(data, at, end)
            stop = at + size
        elif wire == VARINT:
            stop = varint(data, at, end)[1]
        elif wire == EIGHT:
            stop = at + 8
        elif wire == FOUR:
            stop = at + 4
        elif wire == GROUP and depth < DEEPEST:
            stop = _end_of_group(data, at, end, key + 1, depth)
        elif wire == GROUP_END and depth:
            yield key >> 3, wire, at, at
            continue
        else:
            raise NotAnEvent("no such type of field")
        if stop > end or key < 8:
            raise NotAnEvent("a field runs over the end of its message")
        yield key >> 3, wire, at, stop
        at = stop


def _end_of_group(data: bytes, at: int, end: int, key: int, depth: int) -> int:
    for number, wire, _, stop in fields(data, at, end, depth=depth + 1):
        if wire == GROUP_END:
            if number << 3 | wire != key:
                break
            return stop
    raise NotAnEvent("a group without its end")


def varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The number that begins at a place, 64 bits without a sign, and the place behind it."""
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
    raise NotAnEvent("a number runs over the end")


def signed(value: int, bits: int = 64) -> int:
    """The lower bits of a number as one with a sign."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value


def text(data: bytes, at: int, end: int) -> str:
    """A text in UTF-8."""
    try:
        return data[at:end].decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotAnEvent("not UTF-8") from error


def joined(data: bytes, parts: list[Place]) -> tuple[bytes, int, int]:
    """A message that may be written in several parts: its bytes, and where in them it lies."""
    if len(parts) == 1:
        return data, *parts[0]
    whole = b"".join(data[begin:end] for begin, end in parts)
    return whole, 0, len(whole)
