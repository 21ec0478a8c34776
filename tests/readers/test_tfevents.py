"""Event files: equal to EventAccumulator where that can read, and every kind of damage named."""

from __future__ import annotations

import io
import json
import math
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

from analyzer.readers import Reading
from analyzer.readers.tfevents import READER
from analyzer.readers.tfevents.file import read, read_stream, scan_stream
from tests.event_files import framed


@pytest.fixture(autouse=True, scope="module", params=["small files", "large files"])
def templates_from_the_first_record_on(request: pytest.FixtureRequest) -> Iterator[None]:
    """A small file is walked and a large one read by templates: small ones by templates as well."""
    from analyzer.readers.tfevents import columns

    with pytest.MonkeyPatch.context() as patch:
        if request.param == "large files":
            patch.setattr(columns, "WORTH_LEARNING", 0)
            patch.setattr(columns, "FEWEST", 12)
            patch.setattr(columns, "LIKE_IT", 1)
        yield


Logged = list[tuple[str, int, float, float, int]]  # tag, step, value, wall time, row


def scalar(tag: str, step: int, value: float, wall: float = 1.7e9) -> Event:
    return Event(wall_time=wall, step=step, summary=Summary(value=[Summary.Value(tag=tag, simple_value=value)]))


def tensor_scalar(tag: str, step: int, tensor: TensorProto, *, plugin: str = "scalars", wall: float = 1.7e9) -> Event:
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin)) if plugin else None
    return Event(wall_time=wall, step=step,
                 summary=Summary(value=[Summary.Value(tag=tag, tensor=tensor, metadata=metadata)]))


def header(wall: float = 1.7e9) -> Event:
    return Event(wall_time=wall, file_version="brain.Event:2")


def written(events: Iterable[Event]) -> bytes:
    return b"".join(framed(event.SerializeToString()) for event in events)


def reading_of(content: bytes, name: str = "events.out.tfevents.1700000000.node.7.0", **options: int) -> Reading:
    return scan_stream(io.BytesIO(content), name, **options).reading


def logged(reading: Reading) -> Logged:
    """All points, in written order."""
    points = [(series.tag, int(step), float(value), float(wall), int(row)) for series in reading.series
              for step, value, wall, row in zip(series.step, series.value, series.wall_time, series.row, strict=True)]
    return sorted(points, key=lambda point: point[4])


def a_run(rows: int) -> list[Event]:
    """A small ordinary log: two tags, steps that grow by a byte on the way."""
    events = [header()]
    for step in range(rows):
        events.append(scalar("loss", step, 2.0 / (1 + step), 1.7e9 + step))
        if step % 4 == 0:
            events.append(scalar("lr", step, 1e-3, 1.7e9 + step))
    return events


def expected(events: Iterable[Event]) -> Logged:
    return [(value.tag, event.step, float(np.float32(value.simple_value)), event.wall_time, row)
            for row, event in enumerate(events) for value in event.summary.value]


# what is read


@pytest.mark.parametrize("rows", [0, 1, 3, 40, 300])
@pytest.mark.parametrize("block_size", [64, 1000, 1 << 20])
def test_every_scalar_with_step_value_wall_time_and_row(rows: int, block_size: int) -> None:
    events = a_run(rows)
    reading = reading_of(written(events), block_size=block_size)
    assert logged(reading) == expected(events)
    assert not reading.problems
    assert reading.source.records == len(events)


@pytest.mark.parametrize("step", [0, 1, 127, 128, 16383, 16384, 2**31, 2**53 + 1, 2**63 - 1, -1, -1000, -(2**62)])
@pytest.mark.parametrize("count", [1, 30, 100])
def test_steps_of_any_size_and_sign(step: int, count: int) -> None:
    reading = reading_of(written([scalar("loss", step, float(i)) for i in range(count)]))
    assert reading.series[0].step.tolist() == [step] * count
    assert reading.series[0].value.tolist() == list(range(count))


@pytest.mark.parametrize("count", [1, 30, 100])
def test_values_that_are_not_finite_are_kept_bit_for_bit(count: int) -> None:
    values = np.array([math.nan, math.inf, -math.inf, 0.0, -0.0, 1e-45, 3.4e38] * count, dtype=np.float32)
    series = reading_of(written(scalar("loss", i, float(value)) for i, value in enumerate(values))).series[0]
    assert series.value.astype(np.float32).tobytes() == values.tobytes()
    assert series.written_as == "float32"


def tensor(dtype: int, **values: Any) -> TensorProto:
    return TensorProto(dtype=dtype, tensor_shape=TensorShapeProto(), **values)


@pytest.mark.parametrize(("one", "value", "written_as"), [
    (tensor(1, tensor_content=struct.pack("<f", 0.5)), 0.5, "float32"),
    (tensor(1, float_val=[0.5]), 0.5, "float32"),
    (tensor(2, tensor_content=struct.pack("<d", 0.1)), 0.1, "decimal"),
    (tensor(2, double_val=[0.1]), 0.1, "decimal"),
    (tensor(3, int_val=[-7]), -7.0, "decimal"),
    (tensor(3, tensor_content=struct.pack("<i", -7)), -7.0, "decimal"),
    (tensor(9, int64_val=[1 << 40]), float(1 << 40), "decimal"),
    (tensor(19, half_val=[0x3800]), 0.5, "float32"),
    (tensor(19, tensor_content=struct.pack("<H", 0x3800)), 0.5, "float32"),
    (tensor(14, half_val=[0x3F00]), 0.5, "float32"),  # bfloat16: the upper half of a float32
    (tensor(14, tensor_content=struct.pack("<H", 0x3F00)), 0.5, "float32"),
    (tensor(10, bool_val=[True]), 1.0, "decimal"),
])
@pytest.mark.parametrize("plugin", ["scalars", ""])
@pytest.mark.parametrize("count", [1, 30, 100])
def test_tensors_of_one_number(one: TensorProto, value: float, written_as: str, plugin: str, count: int) -> None:
    series = reading_of(written(tensor_scalar("loss", step, one, plugin=plugin) for step in range(count))).series[0]
    assert series.value.tolist() == [value] * count
    assert series.step.tolist() == list(range(count))
    assert series.written_as == written_as


def test_what_is_no_scalar_is_no_series() -> None:
    two = TensorProto(dtype=1, float_val=[1.0, 2.0],
                      tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=2)]))
    events = [
        tensor_scalar("pair", 1, two),
        tensor_scalar("curve", 1, tensor(1, float_val=[1.0]), plugin="pr_curves"),
        Event(step=1, summary=Summary(value=[Summary.Value(tag="h", histo=HistogramProto(min=0.0, max=1.0))])),
        Event(step=1, summary=Summary(value=[Summary.Value(tag="i", image=Summary.Image(height=1))])),
        Event(step=1, graph_def=b"graph"),
        Event(),
    ]
    reading = reading_of(written(events))
    assert not reading.series and not reading.problems
    assert reading.source.records == len(events)


@pytest.mark.parametrize("count", [1, 40, 100])
def test_several_values_in_one_event(count: int) -> None:
    events = [Event(step=step, wall_time=1.0, summary=Summary(value=[Summary.Value(tag="a", simple_value=step),
                                                                     Summary.Value(tag="b", simple_value=-step)]))
              for step in range(count)]
    reading = reading_of(written(events))
    assert [series.tag for series in reading.series] == ["a", "b"]
    assert reading.series[0].value.tolist() == list(range(count))
    assert reading.series[1].value.tolist() == [-step for step in range(count)]
    assert reading.series[1].row.tolist() == list(range(count))


def test_hundreds_of_tags_in_order_of_first_appearance() -> None:
    tags = [f"layer{index * 7919 % 997}/w" for index in range(300)]
    events = [scalar(tag, step, step + number / 1000) for step in range(6) for number, tag in enumerate(tags)]
    reading = reading_of(written(events))
    assert [series.tag for series in reading.series] == tags
    assert logged(reading) == expected(events)


@pytest.mark.parametrize("kind", ["first", "every", "content", "several"])
def test_tensors_whose_first_event_alone_names_the_plugin(kind: str) -> None:
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="scalars"), display_name="shown")
    events = []
    for step in range(120):
        values = []
        for tag in ["a", "b/c", "d" * 130][: 3 if kind == "several" else 1 + step % 2]:
            one = (tensor(1, tensor_content=struct.pack("<f", step / 7)) if kind == "content"
                   else tensor(1, float_val=[step / 7]))
            about = metadata if kind == "every" or step < 2 else None
            values.append(Summary.Value(tag=tag, tensor=one, metadata=about))
        events.append(Event(wall_time=step, step=step, summary=Summary(value=values)))
    reading = reading_of(written(events))
    assert [series.tag for series in reading.series] == ["a", "b/c", "d" * 130][: 3 if kind == "several" else 2]
    points = [(value.tag, event.step, float(np.float32(event.step / 7)), event.wall_time, row)
              for row, event in enumerate(events) for value in event.summary.value]
    assert logged(reading) == points


@pytest.mark.parametrize("block_size", [1000, 1 << 20])
def test_a_tag_of_another_plugin_is_no_series_wherever_its_plugin_is_named(block_size: int) -> None:
    curve = tensor(1, float_val=[0.5])
    events = [tensor_scalar("curve", 0, curve, plugin="pr_curves"),
              *(tensor_scalar("curve", step, curve, plugin="") for step in range(1, 200)), scalar("loss", 200, 1.0)]
    assert [series.tag for series in reading_of(written(events), block_size=block_size).series] == ["loss"]


def test_summaries_of_other_tags_at_each_step() -> None:
    random = np.random.default_rng(1)
    tags = [f"{'layer' * random.integers(0, 9)}{index}/w" for index in range(40)]
    events = []
    for step in range(200):
        chosen = random.choice(40, size=random.integers(1, 30), replace=False)
        values = [Summary.Value(tag=tags[index], simple_value=random.normal()) for index in chosen]
        if step % 7 == 0:
            values.insert(len(values) // 2, Summary.Value(tag="h", histo=HistogramProto(min=0.0, bucket=[1.0] * step)))
        events.append(Event(step=int(random.integers(-9, 1 << 40)), wall_time=step, summary=Summary(value=values)))
    points = [(tag, step, value, wall, row) for tag, step, value, wall, row in (
        (value.tag, event.step, value.simple_value, event.wall_time, row)
        for row, event in enumerate(events) for value in event.summary.value if value.HasField("simple_value"))]
    for block_size in (3000, 1 << 20):
        reading = reading_of(written(events), block_size=block_size)
        assert sorted(logged(reading)) == sorted(points)
        assert [series.tag for series in reading.series] == list(dict.fromkeys(point[0] for point in points))
        assert all(series.row.tolist() == sorted(series.row.tolist()) for series in reading.series)


def test_thousands_of_tags_of_every_length() -> None:
    tags = [f"{'x' * (index * 31 % 401)}{index}" for index in range(1500)]
    events = [scalar(tag, step * 200, step + number / 1000) for step in range(3) for number, tag in enumerate(tags)]
    assert logged(reading_of(written(events))) == expected(events)


def test_a_scalar_between_large_blobs() -> None:
    blob = Event(step=1, summary=Summary(value=[Summary.Value(tag="i", image=Summary.Image(
        encoded_image_string=np.random.default_rng(0).bytes(200_000)))]))
    events = [header(), scalar("loss", 1, 1.0), blob, blob, scalar("loss", 2, 0.5)]
    for block_size in (1 << 12, 1 << 18, 1 << 22):
        reading = reading_of(written(events), block_size=block_size)
        assert [(s, v) for _, s, v, _, _ in logged(reading)] == [(1, 1.0), (2, 0.5)]
        assert not reading.problems
        assert reading.source.records == 5


@pytest.mark.parametrize("around", [(0, 0), (3, 0), (500, 3000), (0, 20_000)])
@pytest.mark.parametrize("block_size", [64, 1000, 5000, 1 << 20])
def test_an_event_file_inside_a_blob_is_no_part_of_the_log(around: tuple[int, int], block_size: int) -> None:
    before, after = (np.random.default_rng(size).bytes(size) for size in around)
    inner = before + written([header(), *(scalar("inner", step, 1.0) for step in range(40))]) + after
    image = Event(step=1, summary=Summary(value=[Summary.Value(tag="i", image=Summary.Image(
        encoded_image_string=inner))]))
    reading = reading_of(written([scalar("loss", 1, 1.0), image, scalar("loss", 2, 0.5)]), block_size=block_size)
    assert [p[:3] for p in logged(reading)] == [("loss", 1, 1.0), ("loss", 2, 0.5)]
    assert not reading.problems


def test_scalars_beside_a_large_image_in_one_summary() -> None:
    image = Summary.Value(tag="i", image=Summary.Image(encoded_image_string=bytes(range(256)) * 500))
    values = [Summary.Value(tag="a", simple_value=1.0), image, Summary.Value(tag="b", simple_value=2.0)]
    events = [header(), Event(step=3, summary=Summary(value=values)), scalar("a", 4, 0.5)]
    for block_size in (1000, 1 << 20):
        assert [p[:3] for p in logged(reading_of(written(events), block_size=block_size))] == [
            ("a", 3, 1.0), ("b", 3, 2.0), ("a", 4, 0.5)]


def test_a_blob_that_is_cut_or_changed_is_named() -> None:
    blob = Event(step=1, summary=Summary(value=[Summary.Value(tag="i", image=Summary.Image(
        encoded_image_string=np.random.default_rng(0).bytes(100_000)))]))
    content = bytearray(written([scalar("loss", 1, 1.0), blob, scalar("loss", 2, 0.5)]))
    content[50_000] ^= 1
    reading = reading_of(bytes(content))
    assert [(p.kind, p.row) for p in reading.problems] == [("corrupt", 1)]
    assert [s for _, s, _, _, _ in logged(reading)] == [1, 2]
    assert [(p.kind, p.row) for p in reading_of(bytes(content[:60_000])).problems] == [("truncated", 1)]


# what the file says beside its scalars


def test_session_start_is_a_marker_with_its_step() -> None:
    start = Event(wall_time=5.0, step=400, session_log=SessionLog(status=SessionLog.START))
    stop = Event(wall_time=6.0, step=500, session_log=SessionLog(status=SessionLog.STOP))
    marker, = reading_of(written([header(), start, scalar("loss", 400, 1.0), stop])).markers
    assert (marker.kind, marker.step, marker.row, marker.wall_time) == ("session-start", 400, 1, 5.0)


@pytest.mark.parametrize(("name", "start", "host", "pid"), [
    ("events.out.tfevents.1700000000.node.7.0", 1700000000.0, "node", 7),
    ("events.out.tfevents.1700000000.my.host.local.70280.7718.v2", 1700000000.0, "my.host.local", 70280),
    ("events.out.tfevents.1700000000.node", 1700000000.0, "node", None),
    ("tfevents.log", 1700000005.5, None, None),
])
def test_the_name_says_who_wrote_it(name: str, start: float, host: str | None, pid: int | None) -> None:
    source = reading_of(written([header(wall=1700000005.5)]), name).source
    assert (source.start_time, source.host, source.pid) == (start, host, pid)


def test_start_has_its_fraction_where_name_and_first_event_agree() -> None:
    assert reading_of(written([header(wall=1700000000.75)])).source.start_time == 1700000000.75


def text(tag: str, content: str) -> Event:
    return tensor_scalar(f"{tag}/text_summary", 0, TensorProto(dtype=7, string_val=[content.encode()]), plugin="text")


def facts_of(*events: Event) -> dict[str, Any]:
    return {fact.key: fact.value for fact in reading_of(written(events)).facts}


def test_arguments_written_as_text_are_declared_facts() -> None:
    assert facts_of(text("args", json.dumps({"max_steps": 500, "warmup_steps": 50})))["max_steps"] == 500
    table = "|param|value|\n|-|-|\n|max_steps|500|\n|warmup_steps|50|"
    assert facts_of(text("hyperparameters", table))["max_steps"] == 500
    assert facts_of(text("max_steps", "500"), text("warmup_steps", "50"))["max_steps"] == 500


@pytest.mark.parametrize("block_size", [1000, 1 << 20])
def test_the_first_text_of_a_tag_declares_however_many_follow(block_size: int) -> None:
    events = [event for step in range(60) for event in (text("max_steps", str(500 + step)), scalar("loss", step, 1.0))]
    reading = reading_of(written([*events, text("warmup_steps", "50")]), block_size=block_size)
    assert {fact.key: fact.value for fact in reading.facts} == {"max_steps": 500, "warmup_steps": 50}
    assert len(reading.series[0]) == 60 and not reading.problems


def test_samples_of_generated_text_are_no_facts() -> None:
    assert not facts_of(text("sample", "Once upon a time\nthere was"), text("sample", "x" * 10_000))


def test_hyperparameters_of_the_hparams_plugin_are_declared_facts() -> None:
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionStartInfo

    info = SessionStartInfo()
    info.hparams["max_steps"].number_value = 500
    info.hparams["warmup_steps"].number_value = 50
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(
        plugin_name="hparams", content=HParamsPluginData(session_start_info=info).SerializeToString()))
    event = Event(summary=Summary(value=[Summary.Value(tag="_hparams_/session_start_info", metadata=metadata)]))
    facts = facts_of(event)
    assert (facts["max_steps"], facts["warmup_steps"]) == (500, 50)


# damage


def test_cut_at_every_byte() -> None:
    events = a_run(12)
    content = written(events)
    ends = np.cumsum([len(framed(event.SerializeToString())) for event in events])
    everything = expected(events)
    for cut in range(len(content) + 1):
        scan = scan_stream(io.BytesIO(content[:cut]), "events.out.tfevents.1")
        whole = int(np.searchsorted(ends, cut, side="right"))
        last_end = int(ends[whole - 1]) if whole else 0
        assert logged(scan.reading) == [point for point in everything if point[4] < whole]
        assert scan.offset == last_end and scan.row == whole
        kinds = [(problem.kind, problem.row, problem.offset, problem.length) for problem in scan.reading.problems]
        if cut in (0, *ends):
            assert kinds == ([] if cut else [("truncated", 0, 0, 0)])
        else:
            assert kinds == [("truncated", whole, last_end, cut - last_end)]


def test_every_flipped_byte_costs_its_record_and_no_other() -> None:
    events = a_run(24)
    content = written(events)
    everything = expected(events)
    ends = np.cumsum([len(framed(event.SerializeToString())) for event in events])
    for at in range(len(content)):
        damaged = bytearray(content)
        damaged[at] ^= 0x10
        reading = reading_of(bytes(damaged))
        hit = int(np.searchsorted(ends, at, side="right"))
        kept = [point[:4] for point in everything if point[4] != hit]
        assert [point[:4] for point in logged(reading)] == kept, at
        problem, = reading.problems
        begin = int(ends[hit - 1]) if hit else 0
        assert (problem.row, problem.offset) == (hit, begin)
        assert problem.kind == "corrupt" or hit == len(events) - 1
        assert problem.length == int(ends[hit]) - begin


GARBAGE = [b"\n", b"Traceback (most recent call last):\n  File x\n", bytes(7), bytes(500), b"\xff" * 33,
           np.random.default_rng(3).bytes(3000)]


@pytest.mark.parametrize("block_size", [64, 512, 1 << 20])
@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_between_records(garbage: bytes, block_size: int) -> None:
    events = a_run(30)
    before, after = written(events[:17]), written(events[17:])
    reading = reading_of(before + garbage + after, block_size=block_size)
    assert logged(reading) == expected(events)
    problem, = reading.problems
    assert (problem.kind, problem.row, problem.offset, problem.length) == ("corrupt", 17, len(before), len(garbage))
    if garbage.startswith(b"Trace"):
        assert "text was written into the file" in reading.problems[0].message


@pytest.mark.parametrize("zeros", [12, 512, 5000])
@pytest.mark.parametrize("block_size", [256, 1 << 20])
def test_zero_filled_tail_is_named(zeros: int, block_size: int) -> None:
    events = a_run(10)
    content = written(events)
    reading = reading_of(content + bytes(zeros), block_size=block_size)
    assert logged(reading) == expected(events)
    problem, = reading.problems
    assert (problem.kind, problem.offset, problem.length) == ("corrupt", len(content), zeros)
    assert "only zero bytes follow" in problem.message


def with_length(record: bytes, length: int) -> bytes:
    """The record with another length, and the right checksum of that."""
    start = struct.pack("<Q", length)
    return start + struct.pack("<I", masked_crc32c(start)) + record[12:]


@pytest.mark.parametrize("change", [-9, -1, 1, 5, 40, 1000, 70_000])
def test_wrong_length_with_right_checksum(change: int) -> None:
    records = [framed(event.SerializeToString()) for event in a_run(30)]
    records[9] = with_length(records[9], len(records[9]) - 16 + change)
    reading = reading_of(b"".join(records))
    assert [p[:4] for p in logged(reading)] == [p[:4] for p in expected(a_run(30)) if p[4] != 9]
    problem, = reading.problems
    assert (problem.kind, problem.offset) == ("corrupt", sum(map(len, records[:9])))
    assert problem.length == len(records[9])


def test_a_length_that_swallows_whole_records_gives_them_back() -> None:
    records = [framed(event.SerializeToString()) for event in a_run(30)]
    records[9] = with_length(records[9], sum(map(len, records[9:13])) - 16)
    reading = reading_of(b"".join(records))
    assert [p[:4] for p in logged(reading)] == [p[:4] for p in expected(a_run(30)) if p[4] != 9]
    assert len(reading.problems) == 1


def test_a_place_is_searched_once_however_many_heads_lead_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heads of long records with nothing behind them: each was the beginning of a search to the end of the block."""
    from analyzer.readers.tfevents import heads as finding

    searched: list[int] = []
    before = finding.long_heads
    monkeypatch.setattr(finding, "long_heads", lambda data, begin, end: (
        searched.append(end - begin), before(data, begin, end))[1])
    heads = with_length(framed(b""), 70_000)[:12] * 400
    reading = reading_of(written([header()]) + heads + written([scalar("loss", 1, 0.5)]))
    assert sum(searched) < 3 * len(heads)
    assert [p[:3] for p in logged(reading)] == [("loss", 1, 0.5)]
    assert [(p.kind, p.row, p.length) for p in reading.problems] == [("corrupt", 1, len(heads))]


@pytest.mark.parametrize("damaged", [range(200), range(3, 200, 5), (7, 150)])
def test_any_number_of_wrong_checksums(damaged: Iterable[int]) -> None:
    records = [framed(event.SerializeToString()) for event in a_run(160)]
    for row in damaged:
        records[row] = records[row][:-1] + bytes([records[row][-1] ^ 1])
    for block_size in (700, 1 << 20):
        reading = reading_of(b"".join(records), block_size=block_size)
        assert logged(reading) == [point for point in expected(a_run(160)) if point[4] not in set(damaged)]


def test_a_length_beyond_the_file_asks_for_no_memory() -> None:
    records = [framed(event.SerializeToString()) for event in a_run(30)]
    records[9] = with_length(records[9], 2_000_000_000)
    reading = reading_of(b"".join(records))
    assert [p[:4] for p in logged(reading)] == [p[:4] for p in expected(a_run(30)) if p[4] != 9]
    assert len(reading.problems) == 1


def test_a_record_that_is_no_event_is_named() -> None:
    reading = reading_of(written(a_run(3)) + framed(b"\xff\xff\xff\xff") + written([scalar("loss", 9, 1.0)]))
    assert [(problem.kind, problem.row) for problem in reading.problems] == [("row", 5)]
    assert reading.series[0].step.tolist() == [0, 1, 2, 9]


@pytest.mark.parametrize(("content", "kinds"), [
    (b"", ["truncated"]),
    (written([header()]), []),
    (bytes(100), ["corrupt"]),
    (b"this is no event file at all\n" * 4, ["corrupt"]),
])
def test_files_with_nothing_to_read(content: bytes, kinds: list[str]) -> None:
    reading = reading_of(content)
    assert not reading.series
    assert [problem.kind for problem in reading.problems] == kinds


def test_thousands_of_damaged_places_are_counted_not_listed() -> None:
    content = b"\n".join(written([event]) for event in a_run(400))
    reading = reading_of(content)
    assert logged(reading) == expected(a_run(400))
    assert len(reading.problems) == 101
    assert "more damaged places" in reading.problems[-1].message


FIXTURES = Path(__file__).parent.parent.parent / "fixtures"


@pytest.mark.parametrize(("folder", "points", "problems"), [
    ("torch", 84, []),
    ("tensorboardx", 84, []),
    ("tensors", 72, []),
    ("cut", 39, [("truncated", 41, 2119, 47, "the file ends inside it: 47 of its 48 bytes")]),
    ("flipped", 83, [("corrupt", 41, 2119, 48, "does not match; 48 bytes lost, reading goes on at byte 2,167")]),
    ("overwritten", 80, [("corrupt", 41, 2119, 192, "its checksum does not match, and no record follows")]),
    ("text-inserted", 83, [("corrupt", 41, 2119, 76, "text was written into the file")]),
    ("zero-tail", 84, [("corrupt", 86, 4333, 512, "only zero bytes follow")]),
])
def test_fixtures(folder: str, points: int, problems: list[tuple[str, int, int, int, str]]) -> None:
    path, = (FIXTURES / "events" / folder).glob("events.out.tfevents.*")
    reading = read(path)
    assert sum(len(series) for series in reading.series) == points
    assert [(p.kind, p.row, p.offset, p.length) for p in reading.problems] == [p[:4] for p in problems]
    assert all(words in problem.message for problem, (*_, words) in zip(reading.problems, problems, strict=True))


@pytest.mark.parametrize("path", sorted(FIXTURES.rglob("*tfevents*")), ids=lambda path: str(path.relative_to(FIXTURES)))
def test_every_fixture_is_equal_to_event_accumulator(path: Path) -> None:
    """Where the file is damaged, EventAccumulator stops: what it read must be how ours begins."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    theirs = EventAccumulator(str(path), size_guidance={"scalars": 0, "tensors": 0}, purge_orphaned_data=False)
    theirs.Reload()
    reading = read(path)
    ours = {series.tag: series for series in reading.series}
    tags = theirs.Tags()
    for tag in tags["tensors"]:
        if tag in ours:
            points = theirs.Tensors(tag)
            values = [float(make_ndarray(point.tensor_proto)) for point in points]
            assert_begins(ours[tag], points, values, whole=not reading.problems)
    for tag in tags["scalars"]:
        points = theirs.Scalars(tag)
        assert_begins(ours[tag], points, [point.value for point in points], whole=not reading.problems)
    assert reading.problems or set(ours) <= {*tags["scalars"], *tags["tensors"]}


def assert_begins(series: Any, points: list[Any], values: list[float], *, whole: bool) -> None:
    count = len(points)
    assert len(series) == count if whole else len(series) >= count
    assert series.step[:count].tolist() == [point.step for point in points]
    assert series.value[:count].tobytes() == np.array(values).tobytes()
    assert series.wall_time[:count].tobytes() == np.array([point.wall_time for point in points]).tobytes()


# growing files, streams, recognition


def test_a_second_reading_goes_on_where_the_first_ended() -> None:
    content = written(a_run(40))
    for cut in (0, 30, 500, 1111, len(content)):
        first = scan_stream(io.BytesIO(content[:cut]), "log")
        second = scan_stream(io.BytesIO(content), "log", offset=first.offset, row=first.row)
        assert logged(first.reading) + logged(second.reading) == expected(a_run(40))
        assert not second.reading.problems


def test_reserved_space_is_read_again_when_it_has_been_written() -> None:
    content = written(a_run(40))
    first = scan_stream(io.BytesIO(written(a_run(40)[:20]) + bytes(512)), "log")
    second = scan_stream(io.BytesIO(content), "log", offset=first.offset, row=first.row)
    assert logged(second.reading) == [point for point in expected(a_run(40)) if point[4] >= first.row]


class Unseekable(io.RawIOBase):
    """A stream that gives a few bytes at a time and cannot go back, as a pipe does."""

    def __init__(self, content: bytes) -> None:
        self.rest = content

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self.rest[: min(len(buffer), 37)]
        buffer[: len(part)] = part
        self.rest = self.rest[len(part) :]
        return len(part)


def test_any_stream_will_do() -> None:
    reading = read_stream(Unseekable(written(a_run(40))), "s3://bucket/events.out.tfevents.1")  # type: ignore[arg-type]
    assert logged(reading) == expected(a_run(40))


@pytest.mark.parametrize(("name", "head", "recognised"), [
    ("events.out.tfevents.170.node", b"", True),
    ("events.out.tfevents.170.node.v2", b"", True),
    ("renamed.log", written([header()]), True),
    ("renamed.log", b"step,loss\n1,2\n", False),
    ("renamed.log", bytes(64), False),
    ("events.out.tfevents.170.node.gz", b"\x1f\x8b\x08", False),
])
def test_recognised_by_name_or_content(name: str, head: bytes, recognised: bool) -> None:
    assert READER.recognises(Path(name), head) is recognised


# the real writers


def by_event_file_writer(folder: Path, events: list[Event]) -> Path:
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder))
    for event in events:
        writer.add_event(event)
    writer.close()
    path, = folder.glob("events.out.tfevents.*")
    return path


def test_equal_to_event_accumulator_bit_for_bit(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    random = np.random.default_rng(0)
    values = (random.normal(size=2000) * 10.0 ** random.integers(-40, 30, size=2000)).astype(np.float32)
    events = [scalar(f"tag{random.integers(5)}", int(random.integers(-5, 1 << 20)), float(value),
                     float(random.normal() * 1e9)) for value in values]
    path = by_event_file_writer(tmp_path, events)
    theirs = EventAccumulator(str(path), size_guidance={"scalars": 0}, purge_orphaned_data=False)
    theirs.Reload()
    ours = {series.tag: series for series in read(path).series}
    assert list(ours) == list(dict.fromkeys(event.summary.value[0].tag for event in events))
    assert sorted(ours) == sorted(theirs.Tags()["scalars"])
    for tag, series in ours.items():
        points = theirs.Scalars(tag)
        assert series.step.tolist() == [point.step for point in points]
        assert series.value.tobytes() == np.array([point.value for point in points]).tobytes()
        assert series.wall_time.tobytes() == np.array([point.wall_time for point in points]).tobytes()
