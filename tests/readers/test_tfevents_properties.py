"""Any events by the real writer read back identical; any damage costs what it touched and is named."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto

from analyzer.readers.tfevents.file import read, scan_stream
from tests.event_files import framed
from tests.readers.test_tfevents import by_event_file_writer, reading_of, templates_from_the_first_record_on

__all__ = ["templates_from_the_first_record_on"]  # a fixture: both ways of reading

Point = tuple[str, int, bytes, float]

tags = st.one_of(st.sampled_from(["loss", "lr", "train/loss", "val/acc", "a"]), st.text(min_size=1, max_size=12))
steps = st.one_of(st.integers(0, 300), st.integers(-(2**63), 2**63 - 1))
walls = st.floats(allow_nan=False)
floats = st.floats(width=32)


def as_scalar(tag: str, step: int, value: float, wall: float) -> Event:
    return Event(wall_time=wall, step=step, summary=Summary(value=[Summary.Value(tag=tag, simple_value=value)]))


def as_tensor(tag: str, step: int, value: float, wall: float) -> Event:
    tensor = TensorProto(dtype=1, tensor_shape=TensorShapeProto(), float_val=[value])
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="scalars"))
    value_of_tag = Summary.Value(tag=tag, tensor=tensor, metadata=metadata)
    return Event(wall_time=wall, step=step, summary=Summary(value=[value_of_tag]))


def as_several(tag: str, step: int, value: float, wall: float) -> Event:
    values = [Summary.Value(tag=tag, simple_value=value), Summary.Value(tag=tag + "2", simple_value=-value)]
    return Event(wall_time=wall, step=step, summary=Summary(value=values))


def as_other(tag: str, step: int, value: float, wall: float) -> Event:
    histogram = HistogramProto(min=value, max=value, bucket=[1.0] * (abs(step) % 9))
    return Event(wall_time=wall, step=step, summary=Summary(value=[Summary.Value(tag="no scalar", histo=histogram)]))


def as_text(tag: str, step: int, value: float, wall: float) -> Event:
    tensor = TensorProto(dtype=7, string_val=[f"{tag} {value}".encode()])
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
    text = Summary.Value(tag="no scalar", tensor=tensor, metadata=metadata)
    return Event(wall_time=wall, step=step, summary=Summary(value=[text]))


def as_session(tag: str, step: int, value: float, wall: float) -> Event:
    return Event(wall_time=wall, step=step, session_log=SessionLog(status=SessionLog.START))


kinds = st.sampled_from([as_scalar] * 6 + [as_tensor] * 2 + [as_several, as_other, as_text, as_session])
one_event = st.builds(lambda kind, *rest: kind(*rest), kinds, tags, steps, floats, walls)
many_alike = st.builds(
    lambda kind, tag, first, values: [kind(tag, first + i, value, 1e9 + i) for i, value in enumerate(values)],
    kinds, tags, st.integers(0, 40_000), st.lists(floats, min_size=12, max_size=90))
logs = st.lists(st.one_of(one_event.map(lambda event: [event]), many_alike), max_size=12).map(
    lambda parts: [event for part in parts for event in part])


def points_in(events: list[Event]) -> list[tuple[int, Point]]:
    """What was logged, each with the index of its event."""
    found = []
    for row, event in enumerate(events):
        for value in event.summary.value:
            if value.HasField("simple_value"):
                number = value.simple_value
            elif value.HasField("tensor") and value.tensor.dtype == 1:
                number = value.tensor.float_val[0]
            else:
                continue
            found.append((row, (value.tag, event.step, np.float64(number).tobytes(), event.wall_time)))
    return found


def points_read(content: bytes, block_size: int = 1 << 20) -> list[tuple[int, Point]]:
    reading = reading_of(content, block_size=block_size)
    return in_order([(int(row), (series.tag, int(step), np.float64(value).tobytes(), float(wall)))
                     for series in reading.series
                     for step, value, wall, row in zip(series.step, series.value, series.wall_time, series.row,
                                                       strict=True)])


def in_order(points: list[tuple[int, Point]]) -> list[tuple[int, Point]]:
    return sorted(points, key=lambda point: (point[0], point[1][:2]))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(logs, st.sampled_from([64, 700, 1 << 20]))
def test_any_events_read_back_identical(events: list[Event], block_size: int) -> None:
    content = b"".join(framed(event.SerializeToString()) for event in events)
    assert points_read(content, block_size) == in_order(points_in(events))
    reading = reading_of(content, block_size=block_size)
    assert not reading.problems or not events
    assert [marker.row for marker in reading.markers] == [
        row for row, event in enumerate(events) if event.HasField("session_log")]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(logs)
def test_the_real_writer_reads_back_identical(events: list[Event]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        reading = read(by_event_file_writer(Path(folder), events))
    assert sum(len(series) for series in reading.series) == len(points_in(events))
    by_tag: dict[str, list[Point]] = {}
    for _, point in points_in(events):
        by_tag.setdefault(point[0], []).append(point)
    for series in reading.series:
        assert [(series.tag, int(s), np.float64(v).tobytes(), float(w))
                for s, v, w in zip(series.step, series.value, series.wall_time, strict=True)] == by_tag[series.tag]


def untouched(events: list[Event], begin: int, end: int) -> list[Point]:
    """The points of all events whose bytes lie wholly outside ``begin`` to ``end``."""
    kept, at = set(), 0
    for row, event in enumerate(events):
        size = len(framed(event.SerializeToString()))
        if at + size <= begin or at >= end:
            kept.add(row)
        at += size
    return [point for row, point in in_order(points_in(events)) if row in kept]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(logs, st.data())
def test_any_cut_keeps_every_whole_record(events: list[Event], data: st.DataObject) -> None:
    content = b"".join(framed(event.SerializeToString()) for event in events)
    cut = data.draw(st.integers(0, len(content)))
    assert [point for _, point in points_read(content[:cut], data.draw(st.sampled_from([64, 1 << 20])))] == untouched(
        events, cut, len(content) + 1)
    scan = scan_stream(io.BytesIO(content[:cut]), "log")
    assert (scan.offset == cut) == (not scan.reading.problems or cut == 0)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(logs, st.data())
def test_any_overwritten_bytes_cost_their_records_and_are_named(events: list[Event], data: st.DataObject) -> None:
    content = b"".join(framed(event.SerializeToString()) for event in events)
    assume(content)
    begin = data.draw(st.integers(0, len(content) - 1))
    new = data.draw(st.binary(min_size=1, max_size=40))[: len(content) - begin]
    damaged = content[:begin] + new + content[begin + len(new) :]
    assume(damaged != content)
    changed = [index for index in range(len(content)) if content[index] != damaged[index]]
    block_size = data.draw(st.sampled_from([64, 1 << 20]))
    assert [point for _, point in points_read(damaged, block_size)] == untouched(events, changed[0], changed[-1] + 1)
    assert reading_of(damaged, block_size=block_size).problems


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(logs, st.binary(min_size=1, max_size=60), st.data())
def test_inserted_garbage_costs_at_most_one_record(events: list[Event], garbage: bytes, data: st.DataObject) -> None:
    content = b"".join(framed(event.SerializeToString()) for event in events)
    at = data.draw(st.integers(0, len(content)))
    damaged = content[:at] + garbage + content[at:]
    got = [point for _, point in points_read(damaged)]
    kept = untouched(events, at, at + 1 if at < len(content) else at)
    everything = [point for _, point in in_order(points_in(events))]
    assert got in (kept, everything)
    assert reading_of(damaged).problems
