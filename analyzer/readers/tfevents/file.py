"""The file layer: an event file as a stream of blocks, from any record on, into one ``Reading``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Literal

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from analyzer.model import Floats, Ints, Marker, Problem, Series, Source
from analyzer.readers import Reading
from analyzer.readers.tfevents.checksum import Bytes, crc32c_of_pieces, masked
from analyzer.readers.tfevents.columns import LONGEST_TEXT, RecordBlock, Templates
from analyzer.readers.tfevents.declarations import facts_of
from analyzer.readers.tfevents.event import SESSION_START, Text
from analyzer.readers.tfevents.origin import Origin, framework_of, origin_of
from analyzer.readers.tfevents.points import Points
from analyzer.readers.tfevents.record import (
    FRAME,
    HEAD,
    PADDING,
    ZERO_TAIL,
    ZEROS,
    Damage,
    Framed,
    frame,
    hollow_records,
)
from analyzer.regular_files import opened

BLOCK = 4 << 20  # bytes read at a time: long columns, and little memory
LONG_SLICE = 128  # points of a tag from which a slice of its own pays
PROOFS = 4  # times the file's size that is read ahead for lengths that turn out wrong, so that time stays linear
MOST_PROBLEMS = 100  # problems told one by one; a file with more says how many


class FileScan(Struct, frozen=True, kw_only=True):
    """A reading, and where the next one begins when the file has grown."""

    reading: Reading
    offset: int  # bytes: behind the last whole record
    row: int  # number of the record that will begin there


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
    window = _Window(stream, offset, block_size)
    account = _Account(name, row)
    templates = Templates()
    lost = False
    wanted = 0
    while not window.ended:
        window.fill(wanted)
        framed, block = _believable(window, templates, lost)
        account.take(framed, block, templates, window.offset)
        lost, wanted = framed.lost, framed.wanted
        window.drop(framed.consumed)
    return account.scan(templates, window.offset)


def _believable(window: _Window, templates: Templates, lost: bool) -> tuple[Framed, RecordBlock]:
    """The records of the block; a record whose stated length swallowed others is not believed."""
    data, size, final = window.data, window.size, window.ended
    distrusted: set[int] = set()
    while True:
        framed = frame(data, size, final=final, lost=lost, distrusted=distrusted, proven=window.proves)
        block = templates.read(data, framed.start, framed.length)
        start, length = framed.start[block.corrupt], framed.length[block.corrupt]
        hollow = {int(start[index]) - HEAD for index in hollow_records(data, start, length)} - distrusted
        if not hollow:
            return framed, block
        distrusted |= hollow


class _Window:
    """The part of the stream that is being read: ``data[:size]``, which lies at ``offset`` in the file."""

    def __init__(self, stream: BinaryIO, offset: int, block_size: int) -> None:
        self.stream, self.offset, self.block_size = stream, offset, max(block_size, 64)
        self.size = 0
        self.ended = False
        self.read_in_vain = 0  # bytes that proved nothing
        self.data: Bytes = np.zeros(self.block_size + PADDING, dtype=np.uint8)

    def fill(self, wanted: int) -> None:
        """Read until the block is full, or holds ``wanted`` bytes, or the stream ends."""
        room = max(self.block_size, min(wanted, self._at_most(wanted)))
        if room <= self.size:
            room = self.size + self.block_size
        if room + PADDING > len(self.data) or room + PADDING < len(self.data) // 4:
            grown: Bytes = np.zeros(room + PADDING, dtype=np.uint8)
            grown[: self.size] = self.data[: self.size]
            self.data = grown
        view = self.data.data[:room]
        while self.size < room and not self.ended:
            count = _read_into(self.stream, view[self.size :])
            self.size += count
            self.ended = count == 0
        self.data[self.size : self.size + PADDING] = 0

    def drop(self, consumed: int) -> None:
        """Forget the first bytes."""
        if consumed:
            self.data[: self.size - consumed] = self.data[consumed : self.size].copy()
            self.offset += consumed
            self.size -= consumed

    def proves(self, start: int, length: int) -> bool:
        """Whether the data of a record that begins in the block and goes on behind it have their right checksum.

        A blob may hold an event file, so that records inside it do not disprove its length. Its bytes pass by; the
        stream is put back to where it was.
        """
        try:
            here = self.stream.tell()
            end = self.stream.seek(0, 2)
            if self.offset + start + length + 4 <= end and self.read_in_vain < PROOFS * end:
                self.stream.seek(self.offset + start)
                crc = crc32c_of_pieces(self._pieces(length))
                right = masked(crc) == int.from_bytes(self.stream.read(4), "little")
                self.read_in_vain += 0 if right else length
            else:
                right = False
            self.stream.seek(here)
        except (OSError, ValueError, AttributeError):  # no stream that can go back
            return False
        return right

    def _pieces(self, length: int) -> Iterator[bytes]:
        while length > 0 and (piece := self.stream.read(min(length, self.block_size))):
            length -= len(piece)
            yield piece

    def _at_most(self, wanted: int) -> int:
        """``wanted``, or what the file can still give: a wrong length must not ask for memory."""
        if wanted <= 16 * self.block_size:
            return wanted
        try:
            here = self.stream.tell()
            end = self.stream.seek(0, 2)
            self.stream.seek(here)
        except (OSError, ValueError, AttributeError):
            return wanted
        return self.size + max(end - here, 0) + 1


def _read_into(stream: BinaryIO, view: memoryview) -> int:
    into = getattr(stream, "readinto", None)
    if into is not None:
        return int(into(view) or 0)
    got = stream.read(len(view))
    view[: len(got)] = got
    return len(got)


class _Account:
    """What has been read so far: slices of columns by tag, problems, marks and declarations."""

    def __init__(self, name: str, row: int) -> None:
        self.name, self.row, self.first_row = name, row, row
        self.unsorted: list[tuple[NDArray[np.int32], Ints, Floats, Floats, Ints]] = []  # blocks in written order
        self.waiting = 0  # points in them
        self.slices: dict[int, list[tuple[Ints, Floats, Floats, Ints]]] = {}
        self.first: dict[int, tuple[int, int]] = {}  # row of the first point of each tag, and its place among others
        self.problems: list[Problem] = []
        self.untold = 0
        self.open_damage: tuple[tuple[int, int], int, str] | None = None  # (end, row), begin, what it looks like
        self.markers: list[Marker] = []
        self.texts: dict[tuple[str, str], Text] = {}
        self.first_wall_time: float | None = None
        self.writer = ""
        self.plugins: set[str] = set()
        self.records = 0

    def take(self, framed: Framed, block: RecordBlock, templates: Templates, offset: int) -> None:
        """Add a block that lies at ``offset``."""
        first = self.row
        for damage in framed.damage:
            self._lose(damage, offset, first + damage.record)
        for index in block.corrupt.tolist():
            begin, length = int(framed.start[index]) - HEAD + offset, int(framed.length[index]) + FRAME
            self._tell(
                "corrupt",
                first + index,
                begin,
                length,
                f"record {first + index:,} at byte {begin:,}: its checksum does not match; {length:,} bytes "
                f"lost, reading goes on at byte {begin + length:,}",
            )
        for index in block.strange:
            begin, length = int(framed.start[index]) - HEAD + offset, int(framed.length[index]) + FRAME
            self._tell(
                "row",
                first + index,
                begin,
                length,
                f"record {first + index:,} at byte {begin:,}: its checksum is right and it is no event; "
                f"{length:,} bytes lost, reading goes on at byte {begin + length:,}",
            )
        for index, event in block.events:
            if self.first_wall_time is None and event.wall_time:
                self.first_wall_time = event.wall_time
            self.writer = self.writer or event.writer
            if event.session_status == SESSION_START:
                self.markers.append(
                    Marker(
                        source=0, row=first + index, kind="session-start", step=event.step, wall_time=event.wall_time
                    )
                )
            for text in event.texts:
                if len(text.content) <= LONGEST_TEXT:
                    self.texts.setdefault((text.plugin, text.tag), text)
            self.plugins.update(plugin for _, plugin in event.plugins)
        self._take_points(block.points, first)
        self.row += len(framed.start)
        self.records += len(framed.start) - len(block.corrupt) - len(block.strange)

    def _take_points(self, points: Points, first: int) -> None:
        if not len(points.tag):
            return
        if self.first_wall_time is None:
            self.first_wall_time = float(points.wall_time[0])
        row = points.record + np.int64(first)
        self.unsorted.append((points.tag, points.step, points.value, points.wall_time, row))
        self.waiting += len(row)
        if self.waiting >= LONG_SLICE * max(len(self.slices), int(points.tag.max())):
            self._sort_by_tag()

    def _sort_by_tag(self) -> None:
        """Cut what waits into slices of one tag each."""
        if not self.unsorted:
            return
        parts = self.unsorted
        tag, step, value, wall, row = (
            parts[0]
            if len(parts) == 1
            else (np.concatenate([part[column] for part in parts]) for column in range(5))
        )
        self.unsorted, self.waiting = [], 0
        key = tag.astype(np.int16) if int(tag.max()) < 1 << 15 else tag
        order = np.argsort(key, kind="stable")  # 16-bit keys are sorted by radix
        key, step, value, wall, row = key[order], step[order], value[order], wall[order], row[order]
        cuts = [0, *(np.flatnonzero(key[1:] != key[:-1]) + 1).tolist(), len(key)]
        for number, (begin, end) in zip(key[cuts[:-1]].tolist(), pairwise(cuts), strict=True):
            if number not in self.first:
                self.first[number] = int(row[begin]), int(order[begin])
            part = slice(begin, end)
            self.slices.setdefault(number, []).append((step[part], value[part], wall[part], row[part]))

    def _lose(self, damage: Damage, offset: int, row: int) -> None:
        begin, end, what = damage.start + offset, damage.end + offset, damage.what
        if self.open_damage is not None and self.open_damage[0] == (begin, row):  # it began in the block before
            _, begin, what_began = self.open_damage
            what = what if what_began == ZEROS else what_began
            self.problems.pop()
        self.open_damage = ((end, row), begin, what) if damage.kind == "corrupt" and end > begin else None
        if begin == end:
            return
        message = f"record {row:,} at byte {begin:,}: {what}; {end - begin:,} bytes lost"
        if damage.kind == "corrupt" and what != ZERO_TAIL:
            message += f", reading goes on at byte {end:,}"
        self._tell(damage.kind, row, begin, end - begin, message)

    def _tell(
        self, kind: Literal["corrupt", "truncated", "row"], row: int, offset: int, length: int, message: str
    ) -> None:
        if len(self.problems) >= MOST_PROBLEMS and kind != "truncated":
            self.untold += 1
            self.open_damage = None
            return
        self.problems.append(
            Problem(source=self.name, kind=kind, message=message, row=row, offset=offset, length=length)
        )

    def scan(self, templates: Templates, end: int) -> FileScan:
        """Everything that was read, as one ``Reading``."""
        names, exact = templates.tags.names, templates.tags.exact
        series = []
        self._sort_by_tag()
        for number in sorted(self.slices, key=self.first.__getitem__):
            parts = self.slices.pop(number)
            step, value, wall, row = (
                parts[0] if len(parts) == 1 else (np.concatenate(column) for column in zip(*parts, strict=True))
            )
            series.append(
                Series(
                    tag=names[number],
                    step=step,
                    value=value,
                    wall_time=wall,
                    row=row,
                    source=np.zeros(len(step), dtype=np.int32),
                    written_as="decimal" if number in exact else "float32",
                )
            )
        problems = sorted(self.problems, key=lambda problem: problem.offset or 0)
        if self.untold:
            problems.append(
                Problem(source=self.name, kind="corrupt", message=f"{self.untold:,} more damaged places in this file")
            )
        # what is half written, or reserved and not yet written, is read again when the file has grown
        offset = next(
            (p.offset for p in problems if p.offset is not None and (p.kind == "truncated" or ZERO_TAIL in p.message)),
            end,
        )
        if not end and not problems and not self.records and not self.first_row:
            problems.append(
                Problem(
                    source=self.name,
                    kind="truncated",
                    row=0,
                    offset=0,
                    length=0,
                    message="the file is empty: its writer was stopped before it wrote anything",
                )
            )
        origin = self._origin()
        source = Source(
            path=self.name,
            format="tfevents",
            start_time=origin.start_time,
            host=origin.host,
            pid=origin.pid,
            records=self.records,
            framework=framework_of(
                self.writer, [one.tag for one in series], self.plugins, [tag for _, tag in self.texts], self.name
            ),
        )
        reading = Reading(
            source=source,
            series=tuple(series),
            markers=tuple(self.markers),
            problems=tuple(problems),
            facts=facts_of(self.texts.values(), PurePosixPath(self.name).name),
        )
        return FileScan(reading=reading, offset=offset, row=self.row)

    def _origin(self) -> Origin:
        """The writer that the file name tells of; its start to the fraction of a second if the first event agrees."""
        origin = origin_of(re.split(r"[/\\]", self.name)[-1])
        first = self.first_wall_time
        if first is not None and (origin.start_time is None or 0 <= first - origin.start_time < 2):
            return replace(origin, start_time=first)
        return origin
