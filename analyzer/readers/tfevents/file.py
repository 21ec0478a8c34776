"""The file layer: an event file as a stream of blocks, from any record on, into one ``Reading``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from analyzer.readers import Reading
from analyzer.readers.tfevents.columns import RecordBlock, Templates
from analyzer.readers.tfevents.gathered import FileScan, Gathered
from analyzer.readers.tfevents.record import Framed, frame, hollow_heads, hollow_records
from analyzer.readers.tfevents.window import Window
from analyzer.regular_files import opened

BLOCK = 4 << 20  # bytes read at a time: long columns, and little memory


def read(path: Path) -> Reading:
    """Read an event file of any size."""
    with opened(path, buffering=0) as stream:
        size = os.fstat(stream.fileno()).st_size
        return scan_stream(stream, str(path), block_size=min(BLOCK, size + 1)).reading  # one more byte sees the end


def read_stream(stream: BinaryIO, name: str) -> Reading:
    """Read an event file from any binary stream; ``name`` is its path or address."""
    return scan_stream(stream, name).reading


def scan_stream(stream: BinaryIO, name: str, *, offset: int = 0, row: int = 0, block_size: int = BLOCK) -> FileScan:
    """Read the records that begin at byte ``offset`` or later, the first of them numbered ``row``.

    Only records behind ``offset`` are read: a caller that follows a growing file adds the new points to the old.
    """
    if offset:
        stream.seek(offset)
    window = Window(stream, offset, block_size)
    gathered = Gathered(name, row)
    templates = Templates()
    lost = False
    wanted = 0
    while not window.ended:
        window.fill(wanted)
        framed, block = _believable(window, templates, lost)
        gathered.take(framed, block, templates, window.offset)
        lost, wanted = framed.lost, framed.wanted
        window.drop(framed.consumed)
    return gathered.scan(templates, window.offset)


def _believable(window: Window, templates: Templates, lost: bool) -> tuple[Framed, RecordBlock]:
    """The records of the block; a record whose stated length swallowed others is not believed."""
    data, size, final = window.data, window.size, window.ended
    distrusted: set[int] = set()
    while True:
        framed = frame(data, size, final=final, lost=lost, distrusted=distrusted, proven=window.proves)
        block = templates.read(data, framed.start, framed.length)
        if distrusted or not hollow_records(data, framed.start[block.corrupt], framed.length[block.corrupt]):
            return framed, block
        distrusted = hollow_heads(data, size)
