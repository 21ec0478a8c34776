"""An event file with records cut and steps shifted."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from analyzer.readers.correcting import Correction
from analyzer.readers.tfevents.checksum import crc32c, masked

HEAD_BYTES, TAIL_BYTES = 12, 4  # of a record: its length and that checksum before the data, its checksum behind


def rewritten(correction: Correction, content: bytes) -> bytes:
    """An event file: records go whole; a shifted one is written anew with its checksums."""
    kept: list[bytes] = []
    for number, record in enumerate(_records(content)):
        if number in correction.cut:
            continue
        amount = correction.shift.get(number)
        kept.append(_shifted_record(record, amount) if amount else record)
    return b"".join(kept)


def _records(content: bytes) -> Iterator[bytes]:
    """Whole records with their frames, until the file ends or is cut."""
    at = 0
    while at + HEAD_BYTES + TAIL_BYTES <= len(content):
        (length,) = struct.unpack_from("<Q", content, at)
        end = at + HEAD_BYTES + length + TAIL_BYTES
        if end > len(content):
            return
        yield content[at:end]
        at = end


def _shifted_record(record: bytes, amount: int) -> bytes:
    from tensorboard.compat.proto.event_pb2 import Event

    event = Event.FromString(record[HEAD_BYTES:-TAIL_BYTES])
    event.step += amount
    data = event.SerializeToString()
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked(crc32c(length))) + data + struct.pack("<I", masked(crc32c(data)))
