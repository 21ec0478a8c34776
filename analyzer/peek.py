"""What the first kilobytes of a log say: where its steps begin, and under which tag.

Enough to tell a run that starts afresh from one that goes on, without reading either.
"""

from __future__ import annotations

import csv
import itertools
import struct

from msgspec import Struct

from analyzer.readers.columns.step_axis import rank_of_axis

RECORD_HEADER = struct.Struct("<QI")  # length and its checksum; data and another checksum follow
STEP_FIELD, SUMMARY_FIELD = 2, 5  # of tensorboard.Event
LONGEST_VARINT = 63  # bits in front of the last of ten bytes
VALUE_FIELD, TAG_FIELD = 1, 1  # of tensorboard.Summary and Summary.Value


class Peek(Struct, frozen=True, kw_only=True):
    """Where the steps of a log begin, how far apart they lie, and its first tag; None where its head shows none."""

    first_step: float | None = None
    cadence: float | None = None
    first_tag: str | None = None

    @property
    def goes_on(self) -> bool:
        """Whether the log begins where no run starts: behind its first step of logging."""
        return self.first_step is not None and self.first_step > max(1.0, self.cadence or 1.0)


def peek(format_name: str, head: bytes) -> Peek:
    """Look into the first bytes of an event file or a CSV table."""
    try:
        if format_name == "tfevents":
            return peek_events(head)
        if format_name == "csv":
            return peek_table(head)
    except (ValueError, IndexError, struct.error, OverflowError, csv.Error):
        pass
    return Peek()


def peek_events(head: bytes) -> Peek:
    """The first steps in the head of an event file, and its first tag.

    Loggers write hyperparameters, texts and `hp_metric` at step 0 of every life; so a step above 0 counts first.
    """
    first_tag: str | None = None
    steps: dict[str, list[int]] = {}
    at = 0
    while at + RECORD_HEADER.size < len(head):
        length, _ = RECORD_HEADER.unpack_from(head, at)
        record = head[at + RECORD_HEADER.size : at + RECORD_HEADER.size + length]
        fields = dict(_fields(record)) if len(record) == length else {}
        if SUMMARY_FIELD in fields:
            value = dict(_fields(_message(fields[SUMMARY_FIELD]))).get(VALUE_FIELD, b"")
            tag = _message(dict(_fields(_message(value))).get(TAG_FIELD, b"")).decode("utf-8", "replace")
            first_tag = first_tag or tag or None
            step = fields.get(STEP_FIELD, 0)
            if isinstance(step, int):
                steps.setdefault(tag, []).append(step)
        at += RECORD_HEADER.size + length + 4
    told = {tag: found for tag, found in steps.items() if max(found) > 0} or steps
    rises = [b - a for found in told.values() for a, b in itertools.pairwise(found) if b > a]
    return Peek(
        first_step=float(min(map(min, told.values()))) if told else None,
        cadence=float(min(rises)) if rises else None,
        first_tag=first_tag,
    )


def _message(value: int | bytes) -> bytes:
    """What lies in a field; a number there is none, and no length either."""
    if isinstance(value, int):
        raise ValueError("a number where a message should be")
    return value


def _fields(message: bytes) -> list[tuple[int, int | bytes]]:
    """Top-level fields of a protobuf message, the first of each kind last so that ``dict`` keeps it."""
    found: list[tuple[int, int | bytes]] = []
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == 0:
            value: int | bytes
            value, at = _varint(message, at)
        elif kind == 1:
            value, at = message[at : at + 8], at + 8
        elif kind == 5:
            value, at = message[at : at + 4], at + 4
        elif kind == 2:
            length, at = _varint(message, at)
            value, at = message[at : at + length], at + length
        else:
            break
        found.append((key >> 3, value))
    return found[::-1]


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at
        if shift > LONGEST_VARINT:
            raise ValueError("a number of more than ten bytes")


def peek_table(head: bytes) -> Peek:
    """The smallest step of the first rows of a CSV table; of the epoch where it has no step."""
    lines = head.decode("utf-8", "replace").splitlines()
    if len(lines) < 2:
        return Peek()
    header = next(csv.reader(lines[:1]))
    ranked = sorted((rank, index) for index, name in enumerate(header) if (rank := rank_of_axis(name)) is not None)
    for _, column in ranked:
        rows = [row for row in csv.reader(lines[1:-1] or lines[1:]) if len(row) > column and row[column].strip()]
        steps = sorted({float(row[column]) for row in rows[:20]})
        if steps:
            rises = [b - a for a, b in itertools.pairwise(steps)]
            return Peek(first_step=steps[0], cadence=min(rises, default=None))
    return Peek()
