"""Small event files for tests, written record by record with real checksums."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path


def write_events(
    folder: Path,
    rows: Iterable[tuple[int, Mapping[str, float]]],
    *,
    start: float = 1_700_000_000.0,
    host: str = "node",
    pid: int = 11,
    seconds_per_row: float = 1.0,
) -> Path:
    """An event file of (step, {tag: value}) rows, a record a value; rows may be none: a header-only file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"events.out.tfevents.{int(start)}.{host}.{pid}.0"
    path.write_bytes(event_bytes(rows, start=start, seconds_per_row=seconds_per_row))
    return path


def event_bytes(
    rows: Iterable[tuple[int, Mapping[str, float]]], *, start: float = 1_700_000_000.0, seconds_per_row: float = 1.0
) -> bytes:
    """The content of an event file of (step, {tag: value}) rows."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    records = [Event(wall_time=start, file_version="brain.Event:2")]
    for number, (step, values) in enumerate(rows, start=1):
        for tag, value in values.items():
            summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
            records.append(Event(wall_time=start + number * seconds_per_row, step=step, summary=summary))
    return b"".join(framed(record.SerializeToString()) for record in records)


def framed(data: bytes) -> bytes:
    """One record: length, its masked checksum, data, its masked checksum."""
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked_crc32c(length)) + data + struct.pack("<I", masked_crc32c(data))
