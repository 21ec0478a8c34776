"""What the first kilobytes of an event file say: where its steps begin, and under which tag."""

from __future__ import annotations

import itertools
import struct

from analyzer.readers import Peek
from analyzer.readers.tfevents.event import STEP, SUMMARY
from analyzer.readers.tfevents.heads import HEAD
from analyzer.readers.tfevents.wire import BYTES, VARINT, fields, signed, varint


def peek(head: bytes) -> Peek:
    """The first steps in the head of an event file, and its first tag.

    Loggers write hyperparameters, texts and `hp_metric` at step 0 of every life; so a step above 0 counts first.
    """
    first_tag: str | None = None
    steps: dict[str, list[int]] = {}
    at = 0
    while at + HEAD < len(head):
        (length,) = struct.unpack_from("<Q", head, at)
        record = head[at + HEAD : at + HEAD + length]
        found = _step_and_tag(record) if len(record) == length else None
        if found is not None:
            step, tag = found
            first_tag = first_tag or tag or None
            steps.setdefault(tag, []).append(step)
        at += HEAD + length + 4
    told = {tag: found for tag, found in steps.items() if max(found) > 0} or steps
    rises = [b - a for found in told.values() for a, b in itertools.pairwise(found) if b > a]
    return Peek(
        first_step=float(min(map(min, told.values()))) if told else None,
        cadence=float(min(rises)) if rises else None,
        first_tag=first_tag,
    )


def _step_and_tag(record: bytes) -> tuple[int, str] | None:
    """The step of an event with a summary, and the tag of its first value."""
    step, tag = 0, None
    for number, wire, at, end in fields(record, 0, len(record)):
        if (number, wire) == (STEP, VARINT):
            step = signed(varint(record, at, end)[0])
        elif (number, wire) == (SUMMARY, BYTES):
            value = next(((begin, stop) for one, kind, begin, stop in fields(record, at, end) if one == 1), (0, 0))
            name = next(((begin, stop) for one, kind, begin, stop in fields(record, *value) if one == 1), (0, 0))
            tag = record[slice(*name)].decode("utf-8", "replace")
    return None if tag is None else (step, tag)
