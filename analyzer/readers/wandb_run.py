"""W&B run files (``run-<id>.wandb``), as a process leaves them on disk, synced or not.

The file is a LevelDB log: a header of 7 bytes, then blocks of 32 KiB with records of checksum, length, type and data;
a record may continue in the next block. Each record is a protobuf message of wandb's ``wandb_internal.proto``, of which
the history rows, the run and its configuration are read here; console output and machine statistics are left alone.
Field numbers are those of wandb 0.31 and have not changed since the format began. No wandb package is needed.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from analyzer.config.sidecars import facts_from_mapping
from analyzer.model import Fact, Problem, Source
from analyzer.readers import Reader, Reading
from analyzer.readers.columns import Dialect
from analyzer.readers.columns.entries import columns_of_entries
from analyzer.readers.columns.reading import interpret
from analyzer.readers.json_lines import flat_entry
from analyzer.regular_files import content_of
from analyzer.written_numbers import loads_json

MAGIC = b":W&B"
HEADER_BYTES = 7
BLOCK_BYTES = 32_768
RECORD = struct.Struct("<IHB")  # CRC-32 of type and data, length, type
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
HISTORY, CONFIG, RUN = 2, 5, 17  # fields of Record
ITEM = 1  # of HistoryRecord and ConfigRecord (there called update)
KEY, NESTED_KEY, VALUE_JSON = 1, 2, 16  # of HistoryItem and ConfigItem
RUN_CONFIG, RUN_HOST, RUN_START = 4, 13, 17  # of RunRecord
DIALECT = Dialect(framework="wandb", wall_column="_timestamp", elapsed_columns=("_runtime",))

Message = list[tuple[int, Any]]


def read(path: Path) -> Reading:
    """Read the history of a W&B run file; rows are the record numbers of the file."""
    return parse(content_of(path), str(path))


def parse(data: bytes, name: str) -> Reading:
    """The bytes of a W&B run file as a reading."""
    problems: list[Problem] = []
    entries: list[Mapping[str, Any]] = []
    rows: list[int] = []
    facts: tuple[Fact, ...] = ()
    source = Source(path=name, format="wandb-run", framework="wandb")
    for number, record in enumerate(_records(data, name, problems)):
        try:
            for kind, value in _fields(record):
                if kind == HISTORY:
                    entries.append(flat_entry(_items(value)))
                    rows.append(number)
                elif kind == RUN:
                    source, facts = _run(value, source), facts + _config(_first(value, RUN_CONFIG, b""))
                elif kind == CONFIG:
                    facts += _config(value)
        except (IndexError, ValueError, TypeError, AttributeError):
            reason = "a record that is no message of W&B: skipped"
            problems.append(Problem(source=name, kind="corrupt", message=reason, row=number))
    if not entries:
        reason = "the run logged no metrics: its file holds no history"
        return Reading(source=source, problems=(*problems, Problem(source=name, kind="unreadable", message=reason)))
    return interpret(
        columns_of_entries(entries),
        np.array(rows, dtype=np.int64),
        source=source,
        dialect=DIALECT,
        problems=problems,
        facts=facts,
    )


def _records(data: bytes, name: str, problems: list[Problem]) -> Iterator[bytes]:
    at = HEADER_BYTES
    part: bytes | None = None  # what was read of a record that spans blocks
    while at + RECORD.size <= len(data):
        left = BLOCK_BYTES - at % BLOCK_BYTES
        if left < RECORD.size:
            at += left
            continue
        checksum, length, kind = RECORD.unpack_from(data, at)
        if kind == 0 and not data[at : at + left].strip(b"\0"):  # the rest of a block, never written
            at += left
            continue
        body = data[at + RECORD.size : at + RECORD.size + length]
        if len(body) < length:
            break
        if zlib.crc32(body, zlib.crc32(bytes([kind]))) != checksum:
            message = f"checksum fails at byte {at}: the rest of its block is lost"
            problems.append(Problem(source=name, kind="corrupt", message=message, offset=at, length=left))
            at, part = at + left, None
            continue
        at += RECORD.size + length
        if kind in (FULL, FIRST):
            part = body
        elif part is not None:
            part += body
        if kind in (FULL, LAST) and part is not None:
            yield part
            part = None
    if at < len(data) and data[at:].strip(b"\0"):
        message = f"ends inside a record ({len(data) - at} bytes): normal while the run lives or was killed"
        problems.append(Problem(source=name, kind="truncated", message=message, offset=at, length=len(data) - at))


def _fields(message: bytes) -> Message:
    """Top-level fields of a protobuf message, in written order."""
    found: Message = []
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == 0:
            value: Any
            value, at = _varint(message, at)
        elif kind in (1, 5):
            width = 8 if kind == 1 else 4
            value, at = message[at : at + width], at + width
        elif kind == 2:
            length, at = _varint(message, at)
            if at + length > len(message):
                raise ValueError("a field ends behind its message")
            value, at = message[at : at + length], at + length
        else:
            raise ValueError(f"wire type {kind}")
        found.append((key >> 3, value))
    return found


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
        if shift > 63:
            raise ValueError("a number of more than ten bytes")


def _first(message: bytes, number: int, default: Any) -> Any:
    return next((value for field, value in _fields(message) if field == number), default)


def _items(message: bytes) -> dict[str, Any]:
    """Keys and values of a history row or a configuration; nested keys are joined with a dot."""
    entries: dict[str, Any] = {}
    for field, item in _fields(message):
        if field != ITEM or not isinstance(item, bytes):
            continue
        parts = _fields(item)
        nested = [value.decode("utf-8", "replace") for number, value in parts if number == NESTED_KEY]
        plain = next((value for number, value in parts if number == KEY), b"")
        key = ".".join(nested) or plain.decode("utf-8", "replace")
        text = next((value for number, value in parts if number == VALUE_JSON), b"null")
        try:
            value = loads_json(text)
        except ValueError:
            continue
        entries[key] = value
    return entries


def _config(message: bytes) -> tuple[Fact, ...]:
    found = _items(message)
    found.pop("_wandb", None)
    return facts_from_mapping(found, "W&B config") if found else ()


def _run(message: bytes, source: Source) -> Source:
    host = _first(message, RUN_HOST, b"")
    start = _first(message, RUN_START, b"")
    parts = dict(_fields(start)) if start else {}
    seconds = parts.get(1)
    started = float(seconds) + parts.get(2, 0) / 1e9 if isinstance(seconds, int) else None
    return replace(source, host=host.decode("utf-8", "replace") or None, start_time=started)


READER = Reader(
    name="wandb-run",
    title="W&B run files",
    suffixes=(".wandb",),
    recognises=lambda path, head: head.startswith(MAGIC),
    read=read,
    family=lambda path: ("W&B run", path.stem),  # a folder for each life of a run, and one id
    recognised_by="`:W&B` in the first bytes (`wandb/run-*/run-*.wandb`)",
    step="`global_step`, `iter` or the like where logged, else `_step`, which counts calls of `log`",
    epoch="as logged",
    learning_rate="as logged",
    priority=20,
)
