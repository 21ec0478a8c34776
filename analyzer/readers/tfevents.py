"""TensorBoard event files (first version: one protobuf parse per record)."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from analyzer.model import Marker, Series, Source
from analyzer.readers import Reader, Reading


def read(path: Path) -> Reading:
    """Read every scalar of an event file, in written order."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.util.tensor_util import make_ndarray

    points: dict[str, list[tuple[int, float, float, int]]] = {}
    markers: list[Marker] = []
    buffer = path.read_bytes()
    at = number = 0
    start: float | None = None
    while at + 12 <= len(buffer):
        (length,) = struct.unpack_from("<Q", buffer, at)
        if at + 16 + length > len(buffer):
            break
        event = Event.FromString(buffer[at + 12 : at + 12 + length])
        start = event.wall_time if start is None else start
        if event.HasField("session_log") and event.session_log.status == 1:
            markers.append(Marker(source=0, row=number, kind="session-start", step=event.step, wall_time=event.wall_time))
        for value in event.summary.value:
            if value.HasField("simple_value"):
                scalar = value.simple_value
            elif value.HasField("tensor") and value.metadata.plugin_data.plugin_name in ("scalars", ""):
                array = make_ndarray(value.tensor)
                if array.size != 1 or not np.issubdtype(array.dtype, np.number):
                    continue
                scalar = float(array.reshape(-1)[0])
            else:
                continue
            points.setdefault(value.tag, []).append((event.step, scalar, event.wall_time, number))
        at += 16 + length
        number += 1
    series = tuple(_series(tag, rows) for tag, rows in points.items())
    return Reading(source=Source(path=str(path), format="tfevents", start_time=start, records=number), series=series,
                   markers=tuple(markers))


def _series(tag: str, rows: list[tuple[int, float, float, int]]) -> Series:
    step, value, wall, row = zip(*rows, strict=True)
    return Series(tag=tag, step=np.array(step, dtype=np.int64), value=np.array(value, dtype=np.float64),
                  wall_time=np.array(wall, dtype=np.float64), source=np.zeros(len(rows), dtype=np.int32),
                  row=np.array(row, dtype=np.int64), written_as="float32")


READER = Reader(
    name="tfevents",
    title="TensorBoard event files",
    recognises=lambda path, head: "tfevents" in path.name,
    read=read,
    recognised_by="`tfevents` in the file name",
    step="the step that the writer was given",
    epoch="a tag of its own",
    learning_rate="as logged",
)
