"""Events walked side by side say what each of them says by itself, also where their bytes are damaged."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto

from analyzer.readers.tfevents.event import parse_event
from analyzer.readers.tfevents.names import Lookup, Names
from analyzer.readers.tfevents.one_tensor import DTYPES
from analyzer.readers.tfevents.scattered import varints_at
from analyzer.readers.tfevents.tags import Tags
from analyzer.readers.tfevents.varied import DECLARATIONS, Walk
from analyzer.readers.tfevents.wire import NotAnEvent

TAGS = {"a": "scalars", "loss": "scalars", "é": "scalars", "x" * 130: "scalars", "curve": "pr_curves", "said": "text"}

float_bits = st.integers(0, 2**32 - 1).map(lambda bits: struct.unpack("<f", struct.pack("<I", bits))[0])
tensors = st.one_of(
    float_bits.map(lambda value: TensorProto(dtype=1, float_val=[value])),
    st.floats().map(lambda value: TensorProto(dtype=2, double_val=[value])),
    st.integers(-(2**31), 2**31 - 1).map(lambda value: TensorProto(dtype=3, int_val=[value])),
    st.integers(-(2**63), 2**63 - 1).map(lambda value: TensorProto(dtype=9, int64_val=[value])),
    st.integers(0, 65535).map(lambda bits: TensorProto(dtype=19, half_val=[bits])),
    st.integers(0, 65535).map(lambda bits: TensorProto(dtype=14, half_val=[bits])),
    st.tuples(st.sampled_from(sorted(DTYPES)), st.binary(min_size=1, max_size=8)).map(
        lambda drawn: TensorProto(dtype=drawn[0], tensor_content=drawn[1])),
    st.just(TensorProto(dtype=1, float_val=[1.0, 2.0])),
    st.just(TensorProto(dtype=7, string_val=[b"a text"])),
)
tags = st.sampled_from(sorted(TAGS))
metadata = st.sampled_from(["", "scalars", "text", "pr_curves"]).map(
    lambda name: SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=name)))
values = st.one_of(
    st.builds(lambda tag, value: Summary.Value(tag=tag, simple_value=value), tags, float_bits),
    st.builds(lambda tag, value: Summary.Value(tag=tag, tensor=value), tags, tensors),
    st.builds(lambda tag, value, about: Summary.Value(tag=tag, tensor=value, metadata=about), tags, tensors, metadata),
    st.just(Summary.Value(tag="h", histo=HistogramProto(bucket=[1.0] * 30))),
)
steps = st.one_of(st.just(0), st.integers(0, 300), st.integers(-(2**63), 2**63 - 1))
events = st.builds(lambda step, wall, found: Event(step=step, wall_time=wall, summary=Summary(value=found)),
                   steps, st.floats(allow_nan=False), st.lists(values, max_size=20)).map(Event.SerializeToString)
damaged = st.tuples(events, st.integers(0, 1 << 20), st.binary(max_size=3), st.integers(0, 3)).map(
    lambda drawn: drawn[0][: (at := drawn[1] % (len(drawn[0]) + 1))] + drawn[2] + drawn[0][at + drawn[3] :])


def walked(raw: list[bytes]) -> tuple[dict[int, list[tuple[str, int, bytes, bytes]]], set[int], Tags]:
    """The points of each event, and the events that were left."""
    tags = Tags(plugins=dict(TAGS))
    data = np.frombuffer(b"".join(one + b"\0\1\2\3" for one in raw) + bytes(16), dtype=np.uint8)
    length = np.array([len(one) for one in raw])
    found = Walk(tags=tags).read(data, np.cumsum(length + 4) - length - 4, length)
    points: dict[int, list[tuple[str, int, bytes, bytes]]] = {}
    for index, place, tag, step, wall, value in zip(
            found.event, found.place, found.tag, found.step, found.wall, found.value, strict=True):
        points.setdefault(int(index), []).append((tags.names[tag], int(step), wall.tobytes(), value.tobytes()))
        assert len(points[int(index)]) == place + 1
    return points, set(found.left.tolist()), tags


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(events, damaged), min_size=1, max_size=40))
def test_side_by_side_as_one_by_one(raw: list[bytes]) -> None:
    points, left, tags = walked(raw)
    assert not left & set(points)
    # the first values of each tag that declares are left, to be read one by one; an event may hold several
    several_declare = sum(raw[index].count(b"\n") for index in left) >= DECLARATIONS
    for index, one in enumerate(raw):
        if index in left:
            continue
        try:
            event = parse_event(one, TAGS)
        except NotAnEvent:  # nonsense inside what is no scalar
            continue
        assert not event.file_version
        assert not event.texts or several_declare
        new = set(tags.plugins) - set(TAGS)  # damaged tags whose plugin another event names
        assert [point for point in points.get(index, []) if point[0] not in new] == [
            (scalar.tag, event.step, struct.pack("<d", event.wall_time), struct.pack("<d", scalar.value))
            for scalar in event.scalars if scalar.tag not in new]
        assert all(tags.numbers[scalar.tag] in tags.exact for scalar in event.scalars if scalar.exact)


def test_what_writers_write_is_walked() -> None:
    seven = TensorProto(dtype=9, int64_val=[7])
    rows = [Event(step=step, wall_time=1.0, summary=Summary(value=[
        Summary.Value(tag="a", simple_value=step), Summary.Value(tag="loss", tensor=seven)])) for step in range(40)]
    rows += [Event(), Event(step=3), Event(file_version="v")]
    points, left, _ = walked([row.SerializeToString() for row in rows])
    assert left == {42}
    assert [point[:2] for one in points.values() for point in one] == [
        (tag, step) for step in range(40) for tag in ("a", "loss")]


def test_a_varint_that_runs_over_the_end_is_none() -> None:
    assert walked([b"\x10\xa0\x80\x80\x80"])[1] == {0}
    data = np.frombuffer(b"\xff" * 30, dtype=np.uint8)
    assert varints_at(data, np.array([0]))[1].tolist() == [0]


@given(st.lists(st.binary(max_size=40), max_size=60))
def test_strings_are_numbered_in_order_of_first_appearance(strings: list[bytes]) -> None:
    names = Names()
    for part in (strings[: len(strings) // 2], strings):
        data = np.frombuffer(b"".join(part) + bytes(16), dtype=np.uint8)
        size = np.array([len(one) for one in part], dtype=np.int64)
        found = names.find(data, np.cumsum(size) - size, size)
        assert [names.known[number] for number in found] == part
    assert names.known == list(dict.fromkeys(strings))


@pytest.mark.parametrize("count", [1, 2, 3, 1000])
def test_hashes_that_share_a_slot_are_told_apart(count: int) -> None:
    hashes = (np.uint64(7) << np.uint64(40)) + np.arange(count, dtype=np.uint64)
    assert Lookup(hashes).find(hashes, np.ones(count, dtype=bool)).tolist() == list(range(count))
