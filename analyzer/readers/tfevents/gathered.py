"""What has been read of an event file so far: slices of columns by tag, problems, marks and declarations."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Literal

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from analyzer.model import Floats, Ints, Marker, Problem, Series, Source
from analyzer.readers import Reading
from analyzer.readers.tfevents.columns import LONGEST_TEXT, RecordBlock, Templates
from analyzer.readers.tfevents.damage import ZERO_TAIL, ZEROS, Damage
from analyzer.readers.tfevents.declarations import facts_of
from analyzer.readers.tfevents.event import SESSION_START, Text
from analyzer.readers.tfevents.heads import FRAME, HEAD
from analyzer.readers.tfevents.origin import Origin, framework_of, origin_of
from analyzer.readers.tfevents.points import Points
from analyzer.readers.tfevents.record import Framed

LONG_SLICE = 128  # points of a tag from which a slice of its own pays
MOST_PROBLEMS = 100  # problems told one by one; a file with more says how many


class FileScan(Struct, frozen=True, kw_only=True):
    """A reading, and where the next one begins when the file has grown."""

    reading: Reading
    offset: int  # bytes: behind the last whole record
    row: int  # number of the record that will begin there


class Gathered:
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
            a_row="record",
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
