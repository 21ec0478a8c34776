"""The column layer: thousands of scalar events at once.

Events that a writer makes for one tag share every byte but those of wall time, step and value. One event of each kind,
parsed field by field, becomes a template; records of its length are compared with it whole words at a time, and where
all structural bits agree the three numbers are read as columns. The checksum of such a record is the template's plus
what the varying bytes contribute, so that every record is verified at the price of a dozen table look-ups.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from analyzer.readers.tfevents.checksum import Bytes, crc32c_of, masked_all
from analyzer.readers.tfevents.event import SCALAR_PLUGINS, Event, parse_event
from analyzer.readers.tfevents.points import Ints, Part, Points, in_written_order
from analyzer.readers.tfevents.shapes import Shape, crc_of_rows, same_places, shape_of, stored
from analyzer.readers.tfevents.tags import Tags
from analyzer.readers.tfevents.varied import Walk
from analyzer.readers.tfevents.wire import NotAnEvent

FEWEST = 64  # records of one length for which columns pay
WORTH_LEARNING = 1024  # records of one length in a file from which learning a template takes less time than it saves
ABREAST = 12  # records for which it pays to walk them side by side
SHAPES = 8  # kinds of records of one length that are told apart; more are walked
MISSES = 4  # looks in vain for a template, in one block and in blocks one after another, before it is given up
LIKE_IT = 5  # records of a kind from which a template pays; fewer are walked
LONGEST = 1 << 14  # bytes of an event that is compared with templates
LONGEST_TEXT = 1 << 20  # bytes of a declared text that is kept


class RecordBlock(Struct, frozen=True, kw_only=True, eq=False):
    """What the records of one block say, and which of them cannot be believed."""

    points: Points
    corrupt: Ints  # indices of records whose checksum does not fit
    strange: tuple[int, ...]  # right checksum, but no event
    events: tuple[tuple[int, Event], ...]  # events that hold more than plain scalars, each with its record


class Templates(Struct):
    """The kinds of records met so far; reading a block adds to them."""

    walk: Walk = field(default_factory=Walk)
    shapes: dict[int, list[Shape]] = field(default_factory=dict)  # by length of the event
    met: dict[int, int] = field(default_factory=dict)  # by length: records so far
    futile: dict[int, int] = field(default_factory=dict)  # by length: records like which there are too few

    @property
    def tags(self) -> Tags:
        return self.walk.tags

    def read(self, data: Bytes, start: Ints, length: Ints) -> RecordBlock:
        """Read the records ``data[start:start + length]``, each followed by its checksum."""
        named = len(self.tags.plugins)
        block = self._read_block(data, start, length)
        if self._misread(block.points, named):
            self.shapes.clear()
            block = self._read_block(data, start, length)
        return block

    def _misread(self, points: Points, named: int) -> bool:
        """Whether tags turned out to belong to another plugin after tensors of theirs were read as scalars: records
        are read in groups, and only the first of a tag may name its plugin."""
        late = [tag for tag in [*self.tags.plugins][named:] if self.tags.plugins[tag] not in SCALAR_PLUGINS]
        return bool(late) and bool(np.isin(points.tag, [self.tags.number(tag) for tag in late]).any())

    def _read_block(self, data: Bytes, start: Ints, length: Ints) -> RecordBlock:
        parts: list[Part] = []
        corrupt: list[Ints] = []
        odd: list[Ints] = []
        for rows in _by_length(length):
            size = int(length[rows[0]])
            if len(rows) < FEWEST or size > LONGEST:
                odd.append(rows)
                continue
            left = self._read_alike(data, start, size, rows, parts, corrupt)
            if len(left):
                odd.append(left)
        left = np.sort(np.concatenate(odd)) if odd else np.zeros(0, dtype=np.int64)
        left = _verified(data, start, length, left, corrupt)
        left = self._walk(data, start, length, left, parts)
        strange, events = self._read_each(data, start, length, left, parts)
        return RecordBlock(
            points=in_written_order(parts, len(start)),
            strange=tuple(strange),
            events=tuple(events),
            corrupt=np.sort(np.concatenate(corrupt)) if corrupt else np.zeros(0, dtype=np.int64),
        )

    def _read_alike(
        self, data: Bytes, start: Ints, size: int, rows: Ints, parts: list[Part], corrupt: list[Ints]
    ) -> Ints:
        """Read records of one length as columns; returns those that fit no template."""
        shapes = self.shapes.setdefault(size, [])
        met = self.met[size] = self.met.get(size, 0) + len(rows)
        learns = met >= WORTH_LEARNING and self.futile.get(size, 0) <= MISSES
        if not learns and not shapes:
            return rows
        whole = -(-(size + 4) // 8) * 8
        blocks = np.ndarray((len(data) - whole + 1,), dtype=f"V{whole}", buffer=data, strides=(1,))
        words = blocks[start[rows]].view("<u8").reshape(len(rows), -1)
        for known in shapes:
            rows, words = known.read(rows, words, parts, corrupt)
            if not len(rows):
                break
        shapes.sort(key=lambda shape: -shape.hits)  # steps grow: what fitted most will fit again
        passed = [rows[:0]]
        tries = MISSES if learns else 0
        while len(rows) >= FEWEST and tries:
            learnt, alike = self._learn(shapes, words, size)
            if learnt is not None:
                rows, words = learnt.read(rows, words, parts, corrupt)
                self.futile[size] = 0
                continue
            tries -= 1
            self.futile[size] = self.futile.get(size, 0) + 1
            passed.append(rows[alike])
            rows, words = np.delete(rows, alike), np.delete(words, alike, axis=0)
        return np.concatenate([*passed, rows])

    def _learn(self, shapes: list[Shape], words: NDArray[np.uint64], size: int) -> tuple[Shape | None, Ints]:
        """Take one record of each kind like the first as a template, if its checksum is right and many are like it.

        Returns the shape, or None, and the records that begin like the first.
        """
        event = self._plain(words[0], size)
        shape = None if event is None else shape_of(event, size)
        if shape is None:
            return None, np.zeros(1, dtype=np.int64)
        shape = next((one for one in shapes if np.array_equal(one.mask, shape.mask)), shape)
        alike, kinds = shape.distinct(words)
        if len(alike) < LIKE_IT * len(kinds):
            return None, alike
        words = words[kinds]
        crc = crc_of_rows(words, size)
        right = masked_all(crc) == stored(words, size, "<u4")
        words, crc = words[right], crc[right]
        events = [(index, one) for index, each in enumerate(words) if (one := self._plain(each, size))]
        events = [(index, one) for index, one in events if same_places(one, shape.event)]
        if not right[0] or not events or events[0][0]:  # the first must be read, or it is met again
            return None, np.zeros(1, dtype=np.int64)
        tags = []
        for _, one in events:
            self.tags.plugins.update((tag, plugin) for tag, plugin in one.plugins if tag not in self.tags.plugins)
            tags.append([self.tags.number(scalar.tag, exact=scalar.exact) for scalar in one.scalars])
        chosen = [index for index, _ in events]
        shape.add(words[chosen], crc[chosen], np.array(tags, dtype=np.int32))
        if shape not in shapes:
            shapes[SHAPES - 1 :] = [shape]
        return shape, alike

    def _plain(self, words: NDArray[np.uint64], size: int) -> Event | None:
        """The event in these words, if it holds nothing but scalars."""
        try:
            event = parse_event(words.tobytes()[:size], self.tags.plugins)
        except NotAnEvent:
            return None
        return event if event.plain else None

    def _walk(self, data: Bytes, start: Ints, length: Ints, rows: Ints, parts: list[Part]) -> Ints:
        """Read records field by field, side by side; returns those that hold more than values."""
        if len(rows) < ABREAST and not (length[rows] > LONGEST).any():
            return rows
        walked = self.walk.read(data, start[rows], length[rows])
        if len(walked.event):
            parts.append(
                Part(
                    record=rows[walked.event],
                    place=walked.place,
                    tag=walked.tag,
                    step=walked.step,
                    wall=walked.wall,
                    value=walked.value,
                )
            )
        return rows[walked.left]

    def _read_each(
        self, data: Bytes, start: Ints, length: Ints, rows: Ints, parts: list[Part]
    ) -> tuple[list[int], list[tuple[int, Event]]]:
        """Read records one by one."""
        strange: list[int] = []
        events: list[tuple[int, Event]] = []
        found: list[tuple[int, int, int, int, float, float]] = []
        for row in rows.tolist():
            raw = data[start[row] : start[row] + length[row]].tobytes()
            try:
                event = parse_event(raw, self.tags.plugins)
            except NotAnEvent:
                strange.append(row)
                continue
            for tag, plugin in event.plugins:
                self.tags.plugins.setdefault(tag, plugin)
            for place, scalar in enumerate(event.scalars):
                tag_number = self.tags.number(scalar.tag, exact=scalar.exact)
                found.append((row, place, tag_number, event.step, event.wall_time, scalar.value))
            self.tags.told.update(text.tag for text in event.texts if len(text.content) <= LONGEST_TEXT)
            if event.texts or event.file_version or event.session_status or event.writer or event.plugins:
                events.append((row, event))
        if found:
            record, places, number, step, wall, value = zip(*found, strict=True)
            parts.append(
                Part(
                    record=np.array(record),
                    place=np.array(places),
                    tag=np.array(number, dtype=np.int32),
                    step=np.array(step, dtype=np.int64),
                    wall=np.array(wall, dtype=np.float64),
                    value=np.array(value, dtype=np.float64),
                )
            )
        return strange, events


def _verified(data: Bytes, start: Ints, length: Ints, rows: Ints, corrupt: list[Ints]) -> Ints:
    """The records whose checksum is right."""
    if not len(rows):
        return rows
    words = np.ndarray((len(data) - 3,), dtype="<u4", buffer=data, strides=(1,))
    right = masked_all(crc32c_of(data, start[rows], length[rows])) == words[start[rows] + length[rows]]
    corrupt.append(rows[~right])
    return rows[right]


def _by_length(length: Ints) -> list[Ints]:
    """Indices of records, grouped by length, each group in written order."""
    if not len(length):
        return []
    key = np.minimum(length, LONGEST + 1).astype(np.uint16)
    order = np.argsort(key, kind="stable")
    cuts = np.flatnonzero(np.diff(key[order])) + 1
    return np.split(order, cuts)
