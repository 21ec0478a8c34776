"""The layers by themselves, on bytes that can be read by eye."""

from __future__ import annotations

import contextlib
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.readers.tfevents import columns
from analyzer.readers.tfevents.checksum import Bytes, crc32c, masked
from analyzer.readers.tfevents.event import Event, Scalar, parse_event
from analyzer.readers.tfevents.heads import PADDING, header_length, long_heads, short_heads
from analyzer.readers.tfevents.record import frame
from analyzer.readers.tfevents.wire import NotAnEvent, fields
from tests.readers.protobuf_events import event_by_protobuf
from tests.readers.test_tfevents_walk import TAGS, damaged, events

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
                                      scalars=(Scalar(tag="loss", value=0.5, at=22, form="<f4"),), plain=True)
    assert event_by_protobuf(LOSS).scalars[0].value == 0.5


@pytest.mark.parametrize("data", [
    b"\x09\x00",  # a double cut short
    b"\x10\xff",  # a varint cut short
    b"\x2a\x05\x0a",  # a summary longer than its event
    b"\x0b",  # a group without its end
    b"\x0b\x14",  # the end of another
    b"\x0c",  # an end without a group
    b"\x00",  # a field without a number
    b"\x1a\x02\xff\xff",  # a version that is no text
    b"\xff\xff\xff",
])
def test_what_is_no_event(data: bytes) -> None:
    for reader in (parse_event, event_by_protobuf):
        with pytest.raises(NotAnEvent):
            reader(data)


A_TAG, METADATA = b"\x0a\x01a", b"\x4a\x0b\x0a\x09\x0a\x07scalars"
ODD = {
    "the step twice": b"\x10\x01\x10\x02",
    "the step as four bytes": b"\x15\x00\x00\x00\x00\x10\x03",
    "an unknown field": b"\xa2\x06\x01x\x10\x03",
    "a group": b"\x0b\x10\x07\x13\x14\x0c\x10\x03",
    "a value without a value": b"\x2a\x05\x0a\x03" + A_TAG,
    "a value without a tag": b"\x2a\x07\x0a\x05\x15\x00\x00\x00\x3f",
    "the tag twice": b"\x2a\x0d\x0a\x0b\x0a\x01b" + A_TAG + b"\x15\x00\x00\x00\x3f",
    "two summaries": 2 * (b"\x2a\x0a\x0a\x08" + A_TAG + b"\x15\x00\x00\x00\x3f"),
    "a summary, and then a version": b"\x2a\x0a\x0a\x08" + A_TAG + b"\x15\x00\x00\x00\x3f\x1a\x01v",
    "a number, and then a tensor": b"\x2a\x12\x0a\x10" + A_TAG + b"\x15\x00\x00\x00\x3f"
    + b"\x42\x06\x08\x03\x3a\x02\x07\x08",
    "a tensor in two parts": b"\x2a\x0f\x0a\x0d" + A_TAG + b"\x42\x02\x08\x03\x42\x04\x08\x03\x38\x05",
    "numbers that are not packed": b"\x2a\x0c\x0a\x0a" + A_TAG + b"\x42\x05\x08\x09\x50\x85\x01",
    "an empty tensor": b"\x2a\x09\x0a\x07" + A_TAG + b"\x42\x02\x08\x02",
    "a shape of two": b"\x2a\x13\x0a\x11" + A_TAG + b"\x42\x0c\x08\x03\x12\x04\x12\x02\x08\x02\x3a\x02\x07\x08",
    "a shape of minus one twice": b"\x2a\x29\x0a\x27" + A_TAG + b"\x42\x22\x08\x03\x12\x1a"
    + 2 * (b"\x12\x0b\x08" + b"\xff" * 9 + b"\x01") + b"\x3a\x02\x07\x08",
    "metadata in two parts": b"\x2a\x19\x0a\x17" + A_TAG + METADATA + b"\x4a\x00\x15\x00\x00\x00\x3f",
}  # fmt: skip


@pytest.mark.parametrize("data", ODD.values(), ids=ODD)
def test_odd_events_are_read_as_protobuf_does(data: bytes) -> None:
    assert told(parse_event(data)) == told(event_by_protobuf(data))
    assert not parse_event(data).plain


@settings(max_examples=400, deadline=None)
@given(st.one_of(events, damaged))
def test_any_event_is_read_as_protobuf_does(data: bytes) -> None:
    with contextlib.suppress(NotAnEvent):  # protobuf looks into pictures and histograms too
        theirs = told(event_by_protobuf(data, TAGS))
        assert told(parse_event(data, TAGS)) == theirs


def told(event: Event) -> tuple[object, ...]:
    return (
        struct.pack("<d", event.wall_time), event.step, event.file_version, event.session_status, event.writer,
        event.plugins, event.texts,
        [(one.tag, struct.pack("<d", one.value), one.exact) for one in event.scalars],
    )  # fmt: skip


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
