"""The column layer: thousands of scalar events at once.

Events that a writer makes for one tag share every byte but those of wall time, step and value. One event of each kind,
parsed field by field, becomes a template; records of its length are compared with it whole words at a time, and where
all structural bits agree the three numbers are read as columns. The checksum of such a record is the template's plus
what the varying bytes contribute, so that every record is verified at the price of a dozen table look-ups.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from analyzer.readers.tfevents.checksum import Bytes, Words, contribution, crc32c_of, masked_all
from analyzer.readers.tfevents.event import (
    SCALAR_PLUGINS,
    Event,
    NotAnEvent,
    Unusual,
    event_by_protobuf,
    parse_event,
)
from analyzer.readers.tfevents.names import GOLDEN, Lookup
from analyzer.readers.tfevents.scattered import widened
from analyzer.readers.tfevents.tags import Tags
from analyzer.readers.tfevents.varied import Walk

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

FEWEST = 64  # records of one length for which columns pay
WORTH_LEARNING = 1024  # records of one length in a file from which learning a template takes less time than it saves
ABREAST = 12  # records for which it pays to walk them side by side
SHAPES = 8  # kinds of records of one length that are told apart; more are walked
MISSES = 4  # looks in vain for a template, in one block and in blocks one after another, before it is given up
LIKE_IT = 5  # records of a kind from which a template pays; fewer are walked
LONGEST = 1 << 14  # bytes of an event that is compared with templates
VARYING = 2048  # bytes that vary in an event which is still read as columns
KINDS = 4096  # templates that are learnt at a time
LONGEST_TEXT = 1 << 20  # bytes of a declared text that is kept


class Points(Struct, frozen=True, kw_only=True, eq=False):
    """Scalars of one block in written order. ``record`` is the index of the record in the block."""

    tag: NDArray[np.int32]
    step: Ints
    value: Floats
    wall_time: Floats
    record: NDArray[np.int32]


class Block(Struct, frozen=True, kw_only=True, eq=False):
    """What the records of one block say, and which of them cannot be believed."""

    points: Points
    corrupt: Ints  # indices of records whose checksum does not fit
    strange: tuple[int, ...]  # right checksum, but no event
    events: tuple[tuple[int, Event], ...]  # events that hold more than plain scalars, each with its record


class Templates(Struct):
    """The kinds of records met so far; reading a block adds to them."""

    walk: Walk = field(default_factory=Walk)
    shapes: dict[int, list[_Shape]] = field(default_factory=dict)  # by length of the event
    met: dict[int, int] = field(default_factory=dict)  # by length: records so far
    futile: dict[int, int] = field(default_factory=dict)  # by length: records like which there are too few

    @property
    def tags(self) -> Tags:
        return self.walk.tags

    def read(self, data: Bytes, start: Ints, length: Ints) -> Block:
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

    def _read_block(self, data: Bytes, start: Ints, length: Ints) -> Block:
        parts: list[_Part] = []
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
        return Block(
            points=_in_written_order(parts, len(start)),
            strange=tuple(strange),
            events=tuple(events),
            corrupt=np.sort(np.concatenate(corrupt)) if corrupt else np.zeros(0, dtype=np.int64),
        )

    def _read_alike(
        self, data: Bytes, start: Ints, size: int, rows: Ints, parts: list[_Part], corrupt: list[Ints]
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

    def _learn(self, shapes: list[_Shape], words: NDArray[np.uint64], size: int) -> tuple[_Shape | None, Ints]:
        """Take one record of each kind like the first as a template, if its checksum is right and many are like it.

        Returns the shape, or None, and the records that begin like the first.
        """
        event = self._plain(words[0], size)
        shape = None if event is None else _shape(event, size)
        if shape is None:
            return None, np.zeros(1, dtype=np.int64)
        shape = next((one for one in shapes if np.array_equal(one.mask, shape.mask)), shape)
        alike, kinds = shape.distinct(words)
        if len(alike) < LIKE_IT * len(kinds):
            return None, alike
        words = words[kinds]
        crc = _crc_of_rows(words, size)
        right = masked_all(crc) == _column(words, size, "<u4")
        words, crc = words[right], crc[right]
        events = [(index, one) for index, each in enumerate(words) if (one := self._plain(each, size))]
        events = [(index, one) for index, one in events if _same_places(one, shape.event)]
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
        except Unusual:
            return None
        if not event.scalars or event.texts or event.other or any(scalar.form == "" for scalar in event.scalars):
            return None
        return event

    def _walk(self, data: Bytes, start: Ints, length: Ints, rows: Ints, parts: list[_Part]) -> Ints:
        """Read records field by field, side by side; returns those that hold more than values."""
        if len(rows) < ABREAST and not (length[rows] > LONGEST).any():
            return rows
        walked = self.walk.read(data, start[rows], length[rows])
        if len(walked.event):
            parts.append(
                _Part(
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
        self, data: Bytes, start: Ints, length: Ints, rows: Ints, parts: list[_Part]
    ) -> tuple[list[int], list[tuple[int, Event]]]:
        """Read records one by one."""
        strange: list[int] = []
        events: list[tuple[int, Event]] = []
        found: list[tuple[int, int, int, int, float, float]] = []
        for row in rows.tolist():
            raw = data[start[row] : start[row] + length[row]].tobytes()
            try:
                event = parse_event(raw, self.tags.plugins)
            except Unusual:
                try:
                    event = event_by_protobuf(raw, self.tags.plugins)
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
                _Part(
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


class _Part(Struct, frozen=True, kw_only=True, eq=False):
    """Points of some records. ``place`` says which of its record's points each is, 0 where records hold one."""

    record: Ints
    tag: NDArray[np.int32]
    step: Ints
    wall: Floats
    value: Floats
    place: Ints | int = 0


class _Shape:
    """Records of one length whose numbers lie at the same places; the tags may differ."""

    def __init__(self, event: Event, size: int, mask: Bytes, varying: list[int]) -> None:
        self.event, self.size = event, size
        self.mask = mask.view("<u8")
        self.skeleton = self._skeleton()
        self.varying = varying
        self.words = np.zeros((0, len(self.mask)), dtype=np.uint64)  # structural bits of each template
        self.crc: Words = np.zeros(0, dtype=np.uint32)  # of each template with its varying bytes zero
        self.tags = np.zeros((0, len(event.scalars)), dtype=np.int32)
        self.telling: list[int] = []  # words in which the templates differ
        self.common: list[int] = []  # the others
        self.lookup = Lookup(np.zeros(0, dtype=np.uint64))
        self.hits = 0  # records of the last block that fitted

    def _skeleton(self) -> NDArray[np.uint64]:
        """The structural bits that do not depend on the tag: all up to the summary, and the key of each number."""
        event = self.event
        skeleton = np.zeros(len(self.mask) * 8, dtype=np.uint8)
        begin = max(event.wall_at + 8, event.step_at + event.step_width, 0) + 1
        skeleton[: min(begin, self.size)] = 0xFF
        for scalar in event.scalars:
            skeleton[scalar.at - 1] = 0xFF
        return skeleton.view("<u8") & self.mask

    def add(self, words: NDArray[np.uint64], crc: Words, tags: NDArray[np.int32]) -> None:
        """Take more events of this shape, whose checksums are known, as templates."""
        fixed = words & self.mask
        self.words = np.concatenate([self.words, fixed])
        self.crc = np.concatenate([self.crc, self._with_varying(words, crc)])
        self.tags = np.concatenate([self.tags, tags])
        tells = (self.words != self.words[0]).any(axis=0)
        self.telling = np.flatnonzero(tells).tolist()
        self.common = np.flatnonzero(~tells & (self.mask != 0)).tolist()
        self.lookup = Lookup(_hash([self.words[:, column] for column in self.telling or [0]]))

    def distinct(self, words: NDArray[np.uint64]) -> tuple[Ints, Ints]:
        """The records that begin and lie like the first, and of these one of each kind, in written order."""
        alike = np.flatnonzero(_equal(words & self.skeleton, words[0] & self.skeleton))
        first: Ints = np.unique(_hash(list((words[alike] & self.mask).T)), return_index=True)[1]
        return alike, alike[np.sort(first)[:KINDS]]

    def read(
        self, rows: Ints, words: NDArray[np.uint64], parts: list[_Part], corrupt: list[Ints]
    ) -> tuple[Ints, NDArray[np.uint64]]:
        """Read the records that fit one of the templates; returns the others."""
        self.hits = 0
        if not len(self.words):
            return rows, words
        kind, fits = self._kinds(words)
        left, left_words = rows[:0], words[:0]
        if not fits.all():
            left, left_words = rows[~fits], words[~fits]
            rows, words, kind = rows[fits], words[fits], kind[fits]
        if not len(rows):
            return left, left_words
        self.hits = len(rows)
        right = masked_all(self._with_varying(words, self.crc[kind])) == _column(words, self.size, "<u4")
        if not right.all():
            corrupt.append(rows[~right])
            rows, words, kind = rows[right], words[right], kind[right]
        data = words.view(np.uint8)
        event = self.event
        wall = _column(words, event.wall_at, "<f8") if event.wall_at >= 0 else np.zeros(len(rows))
        step = np.zeros(len(rows), dtype=np.uint64)
        for byte in range(event.step_width):
            part = data[:, event.step_at + byte] & np.uint8(0x7F)
            step |= part.astype(np.uint64) << np.uint64(7 * byte)
        values = [widened(_column(words, scalar.at, scalar.form)) for scalar in event.scalars]
        several = len(values)
        if several == 1:
            parts.append(
                _Part(record=rows, tag=self.tags[kind, 0], step=step.view(np.int64), wall=wall, value=values[0])
            )
        else:
            parts.append(
                _Part(
                    record=np.repeat(rows, several),
                    place=np.tile(np.arange(several), len(rows)),
                    tag=self.tags[kind].ravel(),
                    step=np.repeat(step.view(np.int64), several),
                    wall=np.repeat(wall, several),
                    value=np.stack(values, axis=1).ravel(),
                )
            )
        return left, left_words

    def _with_varying(self, words: NDArray[np.uint64], crc: Words) -> Words:
        """The checksums with what the varying bytes add to them: puts it in, or takes it out again."""
        data = words.view(np.uint8)
        for at in self.varying:
            table, byte = contribution(self.size - 1 - at), data[:, at]
            constant = byte[0] == byte[-1] and bool((byte == byte[0]).all())  # high bytes of a time often are
            crc = crc ^ (table[byte[0]] if constant else table[byte])
        return crc

    def _kinds(self, words: NDArray[np.uint64]) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Which template each record fits, and whether it does: every structural bit is compared."""
        same = np.ones(len(words), dtype=bool)
        for column in self.common:
            same &= (words[:, column] & self.mask[column]) == self.words[0, column]
        if len(self.words) == 1:
            return np.zeros(len(words), dtype=np.int32), same
        fixed = [words[:, column] & self.mask[column] for column in self.telling]
        kind = self.lookup.find(_hash(fixed), same)
        for column, values in zip(self.telling, fixed, strict=True):
            same &= values == self.words[:, column][kind]
        return kind, same


def _hash(columns: list[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    factor = GOLDEN
    total = columns[0] * np.uint64(factor)
    for column in columns[1:]:
        factor = factor * GOLDEN % (1 << 64)
        total += column * np.uint64(factor)
    return total


def _shape(event: Event, size: int) -> _Shape | None:
    """Where the numbers of an event lie. All bits but theirs are structure, and so are the marks of a varint."""
    mask = np.zeros(-(-(size + 4) // 8) * 8, dtype=np.uint8)
    mask[:size] = 0xFF
    if event.wall_at >= 0:
        mask[event.wall_at : event.wall_at + 8] = 0
    mask[event.step_at : event.step_at + event.step_width] = 0x80
    for scalar in event.scalars:
        mask[scalar.at : scalar.at + (4 if scalar.form == "<f4" else 8)] = 0
    varying = np.flatnonzero(mask[:size] != 0xFF).tolist()
    return _Shape(event, size, mask, varying) if len(varying) <= VARYING else None


def _same_places(one: Event, other: Event) -> bool:
    """Whether the numbers of two events of one length lie at the same places."""

    def places(event: Event) -> tuple[object, ...]:
        return (event.wall_at, event.step_at, event.step_width, [(s.at, s.form) for s in event.scalars])

    return places(one) == places(other)


def _column(words: NDArray[np.uint64], at: int, form: str) -> NDArray[Any]:
    """The number at a place of each record, as an array of its own."""
    step = words.strides[0]
    return np.ndarray((len(words),), dtype=form, buffer=words, offset=at, strides=(step,)).copy()


def _equal(fixed: NDArray[np.uint64], template: NDArray[np.uint64]) -> NDArray[np.bool_]:
    same = fixed[:, 0] == template[0]
    for column in range(1, fixed.shape[1]):
        same &= fixed[:, column] == template[column]
    return same


def _crc_of_rows(words: NDArray[np.uint64], size: int) -> Words:
    width = words.shape[1] * 8
    rows = np.concatenate([np.zeros(4, dtype=np.uint8), np.ascontiguousarray(words).view(np.uint8).ravel()])
    return crc32c_of(rows, 4 + width * np.arange(len(words)), np.full(len(words), size))


def _by_length(length: Ints) -> list[Ints]:
    """Indices of records, grouped by length, each group in written order."""
    if not len(length):
        return []
    key = np.minimum(length, LONGEST + 1).astype(np.uint16)
    order = np.argsort(key, kind="stable")
    cuts = np.flatnonzero(np.diff(key[order])) + 1
    return np.split(order, cuts)


def _in_written_order(parts: list[_Part], records: int) -> Points:
    """All points of a block, by record, and as they follow one another within it."""
    if len(parts) == 1:
        part = parts[0]
        return Points(
            tag=part.tag, step=part.step, value=part.value, wall_time=part.wall, record=part.record.astype(np.int32)
        )
    first = np.zeros(records + 1, dtype=np.int64)
    for part in parts:
        first[1:] += np.bincount(part.record, minlength=records)
    first = np.cumsum(first)
    total = int(first[-1])
    tag, record = np.empty(total, dtype=np.int32), np.empty(total, dtype=np.int32)
    step, value, wall = np.empty(total, dtype=np.int64), np.empty(total), np.empty(total)
    for part in parts:
        slot = first[part.record] + part.place
        tag[slot], record[slot], step[slot] = part.tag, part.record, part.step
        value[slot], wall[slot] = part.value, part.wall
    return Points(tag=tag, step=step, value=value, wall_time=wall, record=record)
