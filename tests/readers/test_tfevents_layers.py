"""The layers by themselves, on bytes that can be read by eye."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from analyzer.readers.tfevents import columns
from analyzer.readers.tfevents.checksum import Bytes, crc32c, masked
from analyzer.readers.tfevents.event import Event, NotAnEvent, Scalar, Unusual, event_by_protobuf, fields, parse_event
from analyzer.readers.tfevents.heads import PADDING, header_length, long_heads, short_heads
from analyzer.readers.tfevents.record import frame

# The first record of every event file: length 24, its checksum, wall time 1.7e9, file version, checksum.
FIRST = (b"\x18\x00\x00\x00\x00\x00\x00\x00" b"\xa3\x7fK\""
         b"\x09\x00\x00\x00\x40\xfc\x54\xd9\x41" b"\x1a\x0dbrain.Event:2" b"\xec\xed\x8f\x9d")
LOSS = b"\x09\x00\x00\x00\x40\xfc\x54\xd9\x41" b"\x10\x07" b"\x2a\x0d\x0a\x0b\x0a\x04loss" b"\x15\x00\x00\x00\x3f"


def block(content: bytes) -> Bytes:
    return np.frombuffer(content + bytes(PADDING), dtype=np.uint8)


def test_header_of_a_record() -> None:
    assert header_length(block(FIRST), 0, len(FIRST)) == 24
    assert header_length(block(FIRST), 1, len(FIRST)) == -1
    assert header_length(block(FIRST[:11]), 0, 11) == -1


def test_heads_are_found_anywhere() -> None:
    assert short_heads(block(b"xyz" + FIRST + FIRST), 0, 3 + 2 * len(FIRST)).tolist() == [3, 3 + len(FIRST)]
    assert not len(short_heads(block(bytes(300)), 0, 300))
    long = b"\x00\x00\x01\x00\x00\x00\x00\x00\x09\xb1\xa9\x55"  # length 65,536
    assert header_length(block(long), 0, 12) == 65_536
    assert long_heads(block(b"??" + long), 0, 14).tolist() == [2]


@pytest.mark.parametrize(("content", "final", "starts", "consumed", "damage"), [
    (b"", True, [], 0, []),
    (FIRST, True, [12], 40, []),
    (FIRST, False, [], 0, []),  # not believed before it is seen what follows
    (FIRST + FIRST, False, [12], 40, []),
    (FIRST + FIRST[:30], True, [12], 70, [(1, 40, 70, "truncated")]),
    (FIRST + b"oops" + FIRST, True, [12, 56], 84, [(1, 40, 44, "corrupt")]),
    (FIRST + bytes(20), True, [12], 60, [(1, 40, 60, "corrupt")]),
])
def test_frame(content: bytes, final: bool, starts: list[int], consumed: int,
               damage: list[tuple[int, int, int, str]]) -> None:
    framed = frame(block(content), len(content), final=final)
    assert framed.start.tolist() == starts
    assert framed.consumed == consumed
    assert [(one.record, one.start, one.end, one.kind) for one in framed.damage] == damage


def test_damage_that_goes_on_says_so() -> None:
    framed = frame(block(b"?" * 100), 100, final=False)
    assert framed.lost and not len(framed.start) and framed.consumed >= 100 - 12


def test_one_event() -> None:
    assert parse_event(LOSS) == Event(wall_time=1.7e9, wall_at=1, step=7, step_at=10, step_width=1,
                                      scalars=(Scalar(tag="loss", value=0.5, at=22, form="<f4"),))
    assert event_by_protobuf(LOSS).scalars[0].value == 0.5


@pytest.mark.parametrize("data", [
    b"\x09\x00",  # a double cut short
    b"\x10\xff",  # a varint cut short
    b"\x2a\x05\x0a",  # a summary longer than its event
    b"\x10\x01\x10\x02",  # the step twice
    b"\x15\x00\x00\x00\x00",  # the step as four bytes
    b"\x0b",  # a group
    b"\x2a\x04\x0a\x02\x0a\x00",  # a value without value
])
def test_what_is_not_plain_is_left_to_protobuf(data: bytes) -> None:
    with contextlib.suppress(Unusual):  # a value without value may as well be passed over
        assert not parse_event(data).scalars


def test_protobuf_refuses_what_is_no_event() -> None:
    with pytest.raises(NotAnEvent):
        event_by_protobuf(b"\xff\xff\xff")


def test_fields_of_a_message() -> None:
    assert list(fields(b"\x08\x96\x01\x12\x02hi", 0, 7)) == [(1, 0, 1, 3), (2, 2, 5, 7)]


def test_alike_events_are_read_as_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "WORTH_LEARNING", 0)
    monkeypatch.setattr(columns, "FEWEST", 12)
    walked: list[int] = []
    monkeypatch.setattr(columns.Templates, "_walk", lambda self, data, start, length, rows, parts: (
        walked.extend(rows), rows)[1])
    records = [LOSS[:10] + bytes([step]) + LOSS[11:] for step in range(1, 31)]
    content = b"".join(record + masked(crc32c(record)).to_bytes(4, "little") for record in records)
    size = len(LOSS)
    read = columns.Templates().read(block(content), np.arange(30) * (size + 4), np.full(30, size))
    assert not walked
    assert read.points.step.tolist() == list(range(1, 31))
    assert read.points.value.tolist() == [0.5] * 30
    assert not len(read.corrupt) and not read.strange and not read.events
