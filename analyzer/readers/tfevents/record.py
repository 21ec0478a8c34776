"""The record layer: where records begin and end in a block of bytes, and where reading goes on behind damage.

A record is the length of its data (u64), the masked CRC of these 8 bytes, the data, and the masked CRC of the data
(tensorflow/core/lib/io/record_writer.cc). The six high bytes of a length below 64 KiB are zero and its checksum is one
of 65,536 known ones: a test that no garbage passes by chance (once in 2**80 places), so all heads of a stretch are
found at once, and the next good record behind a corrupt one as well. Heads must link: each record ends where the next
begins. What lies inside another record's data is not a head.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Collection
from typing import Literal

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from analyzer.distinct import distinct
from analyzer.readers.tfevents.checksum import (
    Bytes,
    contribution,
    crc32c,
    masked,
    masked_all,
    short_length_checksums,
)

HEAD = 12  # bytes: length and its checksum
FRAME = 16  # bytes around the data of a record
SHORT = 1 << 16  # lengths below are found by their zero bytes
LONGEST = 1 << 31  # protobuf refuses messages from here on
STRETCH = 1 << 18  # bytes searched for heads at a time: small enough for the processor's cache
CYCLE = 512  # records whose lengths say how the next ones go on
ALIKE = 16  # lengths in a row that show where the cycle stands
FARTHEST = 1 << 15  # records foreseen at a time
PADDING = 16  # zero bytes that must lie behind the block, so that whole words can be loaded at its end
ZERO_TAIL = "only zero bytes follow: space that was reserved and never written"
LINE = re.compile(rb"(?<![\t -~])[\t -~]{12,}+\r?\n|\A[\t\r\n -~]+\Z")  # a line that somebody printed
ZEROS = "zero bytes where a record should begin"

Ints = NDArray[np.int64]


class Damage(Struct, frozen=True, kw_only=True):
    """Bytes that are no record. ``record`` counts the good records of the block before it."""

    record: int
    start: int
    end: int
    kind: Literal["truncated", "corrupt"]
    what: str


class Framed(Struct, frozen=True, kw_only=True, eq=False):
    """The whole records of a block: ``data[start:start + length]`` is what each holds.

    ``consumed`` bytes need not be seen again; ``wanted`` is the size of a block that would hold the next record
    (0: any more bytes will do). ``lost`` says that no record begins at ``consumed``: the damage goes on.
    """

    start: Ints
    length: Ints
    damage: tuple[Damage, ...]
    consumed: int
    wanted: int = 0
    lost: bool = False


def frame(
    data: Bytes,
    size: int,
    *,
    final: bool,
    lost: bool = False,
    distrusted: Collection[int] = frozenset(),
    proven: Callable[[int, int], bool] = lambda start, length: False,
) -> Framed:
    """Find the records in ``data[:size]``, which begins at a record, or within damage when ``lost``.

    ``final``: nothing follows. ``distrusted``: places of heads that are not to be believed. ``proven`` looks whether
    the checksum of data that go on behind the block is right. ``data`` must be longer than ``size`` by ``PADDING``.
    """
    heads = _Heads(data, size, distrusted)
    found = _Found()
    at = wanted = 0
    lost_from, search_from = (0, -1) if lost else (-1, -1)
    while at < size:
        if lost_from < 0:
            start, length = heads.chain(at)
            if len(start):
                # only the last can be cut; and it is not believed before it is seen what follows
                whole = int(np.searchsorted(start + length, size - FRAME - (0 if final else HEAD), side="right"))
                found.take(start[:whole], length[:whole])
                if whole == len(start):
                    at = int(start[-1] + length[-1]) + FRAME
                    continue
                at, wanted = int(start[whole]), int(length[whole]) + FRAME + (0 if final else HEAD)
                behind = heads.linked_after(at) if final or wanted > size else -1
                if behind >= 0 and (final or not proven(at + HEAD, int(length[whole]))):
                    found.lose(at, behind, "corrupt", "its length cannot be right: another record begins inside it")
                    at, wanted = behind, 0
                    continue
                if final:
                    found.lose(at, size, "truncated", f"the file ends inside it: {size - at:,} of its {wanted:,} bytes")
                    at = size
                break
            if size - at < HEAD and not final:
                break
            lost_from = search_from = found.give_back(data, at)
        behind = heads.after(search_from)
        if behind < 0:
            if final:
                _tail(found, data, lost_from, size)
                lost_from, at = -1, size
            break
        found.lose(lost_from, behind, "corrupt", _described(data, lost_from, behind))
        at, lost_from = behind, -1
    if lost_from >= 0:
        at = max(lost_from, size - HEAD)
        if at > lost_from:
            found.lose(lost_from, at, "corrupt", _described(data, lost_from, at))
    return Framed(
        start=_joined(found.starts),
        length=_joined(found.lengths),
        damage=tuple(found.damage),
        consumed=at,
        wanted=wanted,
        lost=lost_from >= 0,
    )


def header_length(data: Bytes, at: int, size: int) -> int:
    """The length that a record at ``at`` states, -1 when there is no such record."""
    if at + HEAD > size:
        return -1
    raw = data[at : at + HEAD].tobytes()
    length, stored = struct.unpack("<QI", raw)
    if length >= LONGEST or masked(crc32c(raw[:8])) != stored:
        return -1
    return int(length)


def short_heads(data: Bytes, begin: int, end: int) -> Ints:
    """Places in ``data[begin:end]`` where a whole header of a record below 64 KiB lies."""
    if end - begin < HEAD:
        return np.zeros(0, dtype=np.int64)
    zero = data[begin + 2 : end - 4] == 0
    two = zero[:-1] & zero[1:]
    six = two[:-4] & two[2:-2]
    six &= two[4:]
    place = np.flatnonzero(six) + begin
    stated = data[place].astype(np.intp) | data[place + 1].astype(np.intp) << 8
    right: Ints = place[short_length_checksums()[stated] == _words(data)[place + 8]]
    return right


def long_heads(data: Bytes, begin: int, end: int) -> Ints:
    """Places in ``data[begin:end]`` where a whole header of a record from 64 KiB to 2 GiB lies."""
    if end - begin < HEAD:
        return np.zeros(0, dtype=np.int64)
    zero = data[begin + 4 : end - 4] == 0
    two = zero[:-1] & zero[1:]
    place = np.flatnonzero(two[:-2] & two[2:]) + begin
    words = _words(data)
    stated = words[place]
    keep = (stated >= SHORT) & (stated < LONGEST)
    place, stated = place[keep], stated[keep]
    crc = np.full(len(place), crc32c(bytes(8)), dtype=np.uint32)
    for byte in range(4):
        crc ^= contribution(7 - byte)[(stated >> np.uint32(8 * byte)) & np.uint32(0xFF)]
    right: Ints = place[masked_all(crc) == words[place + 8]]
    return right


def checksum_fits(data: Bytes, start: int, length: int) -> bool:
    """Whether the data of one record have the checksum that follows them."""
    stored = int(_words(data)[start + length])
    return masked(crc32c(data[start : start + length].tobytes())) == stored


def hollow_records(data: Bytes, start: Ints, length: Ints) -> Ints:
    """Which records hold others that link up to their end: a wrong length has swallowed these."""
    if not len(start):
        return np.zeros(0, dtype=np.int64)
    ends = start + length + 4
    begin, end = int(start[0]), int(ends[-1])
    if int(length.sum()) < (end - begin) // 2:  # they lie far apart: look into each
        inside = np.concatenate([short_heads(data, a, b) for a, b in zip(start.tolist(), ends.tolist(), strict=True)])
    else:
        inside = short_heads(data, begin, end)
    around = np.searchsorted(start, inside, side="right") - 1
    hollow: Ints = distinct(around[inside + FRAME + _short_lengths(data, inside) == ends[around]])
    return hollow


def _words(data: Bytes) -> NDArray[np.uint32]:
    return np.ndarray((len(data) - 3,), dtype="<u4", buffer=data, strides=(1,))


def _long_words(data: Bytes) -> NDArray[np.uint64]:
    return np.ndarray((len(data) - 7,), dtype="<u8", buffer=data, strides=(1,))


def _short_lengths(data: Bytes, place: Ints) -> Ints:
    return data[place].astype(np.int64) | data[place + 1].astype(np.int64) << 8


def _joined(parts: list[Ints]) -> Ints:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


class _Found(Struct):
    """What the walk has found so far."""

    starts: list[Ints] = field(default_factory=list)
    lengths: list[Ints] = field(default_factory=list)
    damage: list[Damage] = field(default_factory=list)
    count: int = 0

    def take(self, start: Ints, length: Ints) -> None:
        if len(start):
            self.starts.append(start + HEAD)
            self.lengths.append(length)
            self.count += len(start)

    def lose(self, begin: int, end: int, kind: Literal["truncated", "corrupt"], what: str) -> None:
        self.damage.append(Damage(record=self.count, start=begin, end=end, kind=kind, what=what))

    def give_back(self, data: Bytes, at: int) -> int:
        """No record begins at ``at``. If the one before has a wrong checksum too, its length was wrong: lose it."""
        if not self.starts or not len(self.starts[-1]):
            return at
        start, length = int(self.starts[-1][-1]), int(self.lengths[-1][-1])
        if start + length + 4 != at or checksum_fits(data, start, length):
            return at
        self.starts[-1], self.lengths[-1] = self.starts[-1][:-1], self.lengths[-1][:-1]
        self.count -= 1
        return start - HEAD


class _Heads:
    """The heads of a block, found a stretch at a time, so that the inside of a blob is never searched."""

    def __init__(self, data: Bytes, size: int, distrusted: Collection[int]) -> None:
        self.data, self.size, self.distrusted = data, size, distrusted
        self.begin = self.end = 0
        self.place = self.length = np.zeros(0, dtype=np.int64)
        self.breaks = np.zeros(0, dtype=np.int64)  # heads that the next one does not follow
        self.long = np.zeros(0, dtype=np.int64)
        self.long_begin = self.long_end = -1
        self.reach = CYCLE
        self.disappointed = 0  # times that the lengths did not go on
        self.searched = True  # every place of the stretch was looked at

    def chain(self, at: int) -> tuple[Ints, Ints]:
        """Places and lengths of records that follow one another from ``at`` on, within one stretch."""
        none = np.zeros(0, dtype=np.int64)
        if at in self.distrusted:
            return none, none
        if not self.begin <= at < self.end:
            length = header_length(self.data, at, self.size)
            if length < 0:
                return none, none
            if length >= SHORT:
                return np.array([at]), np.array([length])
            self._search(at)
        first = int(np.searchsorted(self.place, at))
        if first == len(self.place) or self.place[first] != at:
            length = header_length(self.data, at, self.size)
            return (none, none) if length < 0 else (np.array([at]), np.array([length]))
        last = int(self.breaks[np.searchsorted(self.breaks, first)]) + 1
        return self.place[first:last], self.length[first:last]

    def after(self, at: int) -> int:
        """The first head behind ``at``, -1 when there is none in the block."""
        begin = at + 1
        while begin < self.size:
            if not (self.searched and self.begin <= begin < self.end):
                self._search(begin, foresee=False)
            short = self.place[np.searchsorted(self.place, begin) :]
            until = int(short[0]) + HEAD - 1 if len(short) else min(self.end + HEAD - 1, self.size)
            long = self._long_from(begin, until)
            if long >= 0:
                return long
            if len(short):
                return int(short[0])
            begin = self.end
        return -1

    def linked_after(self, at: int) -> int:
        """The first head behind ``at`` of a record that is whole, -1 when there is none in the block."""
        behind = self.after(at)
        while behind >= 0 and not self.links(behind):
            behind = self.after(behind)
        return behind

    def _long_from(self, begin: int, until: int) -> int:
        """The first head of a long record in ``data[begin:until]``, -1 when there is none."""
        if not self.long_begin <= begin <= until <= self.long_end:  # what was searched is not searched again
            end = min(max(until, begin + STRETCH), self.size)
            self.long = long_heads(self.data, begin, end)
            self.long_begin, self.long_end = begin, end
        for place in self.long[np.searchsorted(self.long, begin) :]:
            if place > until - HEAD:
                break
            if int(place) not in self.distrusted:
                return int(place)
        return -1

    def links(self, at: int) -> bool:
        """Whether the record at ``at`` is whole and ends where another begins or the block ends."""
        length = header_length(self.data, at, self.size)
        end = at + FRAME + length
        if length < 0 or end > self.size:
            return False
        return (
            end == self.size
            or header_length(self.data, end, self.size) >= 0
            or checksum_fits(self.data, at + HEAD, length)
        )

    def _search(self, begin: int, *, foresee: bool = True) -> None:
        if foresee and not self.distrusted and self._foresee(begin):
            return
        self.begin, self.end = begin, min(begin + STRETCH, self.size)
        place = short_heads(self.data, begin, min(self.end + HEAD - 1, self.size))
        if self.distrusted:
            place = place[~np.isin(place, list(self.distrusted))]
        self.place, self.length = place, _short_lengths(self.data, place)
        self.breaks = np.append(np.flatnonzero(place[1:] != (place + self.length + FRAME)[:-1]), len(place) - 1)
        self.searched = True

    def _foresee(self, begin: int) -> bool:
        """Let the lengths go on as they did, as they do in most logs, and look whether a record is at each place."""
        chain = self.length[int(self.breaks[-2]) + 1 if len(self.breaks) > 1 else 0 :]
        if self.disappointed > 2 or len(chain) < CYCLE or self.place[-1] + self.length[-1] + FRAME != begin:
            return False
        raw = chain.astype("<u8").tobytes()
        before = raw.rfind(raw[-8 * ALIKE :], 0, -8)
        if before < 0 or before % 8:
            return False
        cycle = chain[before // 8 + ALIKE :]
        while True:
            length = np.tile(cycle, -(-self.reach // len(cycle)))[: self.reach]
            end = begin + np.cumsum(length + FRAME)
            place = end - length - FRAME
            seen = int(np.searchsorted(place, self.size - HEAD, side="right"))
            place, length = place[:seen], length[:seen]
            right = _long_words(self.data)[place] == length.view(np.uint64)
            right &= _words(self.data)[place + 8] == short_length_checksums()[length]
            count = len(right) if right.all() else int(np.argmin(right))
            if count < self.reach or self.reach >= FARTHEST:
                break
            self.reach *= 8
        self.reach = CYCLE
        self.disappointed += count < 8 * CYCLE  # something comes between: searching is cheaper
        if count < CYCLE:
            return False
        self.place, self.length = place[:count], length[:count]
        self.begin, self.end = begin, int(end[count - 1])
        self.breaks = np.array([count - 1])
        self.searched = False
        return True


def _tail(found: _Found, data: Bytes, begin: int, end: int) -> None:
    """Name the bytes behind the last record of a file."""
    if not data[begin:end].any():
        found.lose(begin, end, "corrupt", ZERO_TAIL)
    elif end - begin < HEAD:
        found.lose(begin, end, "truncated", f"the file ends inside its header: {end - begin} of {HEAD} bytes")
    else:
        found.lose(begin, end, "corrupt", _described(data, begin, end))


def _described(data: Bytes, begin: int, end: int) -> str:
    """What damaged bytes look like."""
    sample = data[begin : min(end, begin + 4096)]
    if not sample.any():
        return ZEROS
    text = LINE.search(sample.tobytes())
    if text is not None:
        return f"text was written into the file ({text[0][:40].decode('ascii').strip()!r})"
    if header_length(data, begin, end) >= 0:
        return "its checksum does not match, and no record follows where it should end"
    return "no record begins here: the length does not match its checksum"
