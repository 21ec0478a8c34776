"""Heads of records: where they may be, whether a record is at each, and how they follow one another.

The six high bytes of a length below 64 KiB are zero and its checksum is one of 65,536 known ones: a test that no
garbage passes by chance (once in 2**80 places), so all heads of a stretch are found at once.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from analyzer.readers.tfevents.checksum import (
    Bytes,
    checksums_fit,
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

Ints = NDArray[np.int64]


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
    right: Ints = place[_checksum_of_lengths(stated) == words[place + 8]]
    return right


def all_heads(data: Bytes, begin: int, end: int) -> tuple[Ints, Ints]:
    """Places and lengths of all heads that lie whole in ``data[begin:end]``."""
    place = np.sort(np.concatenate([short_heads(data, begin, end), long_heads(data, begin, end)]))
    return place, _words(data)[place].astype(np.int64)


def are_heads(data: Bytes, place: Ints, size: int) -> NDArray[np.bool_]:
    """Whether a whole head lies at each place of ``data[:size]``."""
    found = place + HEAD <= size
    at = np.where(found, place, 0)
    words = _words(data)
    found &= (words[at] < LONGEST) & (words[at + 4] == 0)
    found &= _checksum_of_lengths(words[at]) == words[at + 8]
    return found


def _checksum_of_lengths(stated: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The masked checksum of each length, as a head stores it."""
    crc = np.full(len(stated), crc32c(bytes(8)), dtype=np.uint32)
    for byte in range(4):
        crc ^= contribution(7 - byte)[(stated >> np.uint32(8 * byte)) & np.uint32(0xFF)]
    return masked_all(crc)


def _words(data: Bytes) -> NDArray[np.uint32]:
    return np.ndarray((len(data) - 3,), dtype="<u4", buffer=data, strides=(1,))


def _long_words(data: Bytes) -> NDArray[np.uint64]:
    return np.ndarray((len(data) - 7,), dtype="<u8", buffer=data, strides=(1,))


def lengths_at(data: Bytes, place: Ints) -> Ints:
    """The length that each head of a short record states."""
    return data[place].astype(np.int64) | data[place + 1].astype(np.int64) << 8


class Heads:
    """The heads of a block, found a stretch at a time, so that the inside of a blob is never searched."""

    def __init__(self, data: Bytes, size: int, distrusted: Collection[int], *, final: bool) -> None:
        self.data, self.size, self.distrusted = data, size, distrusted
        self.seen = size if final else size - HEAD  # ends up to here are seen, and what follows them
        self.begin = self.end = 0
        self.place = self.length = np.zeros(0, dtype=np.int64)
        self.breaks = np.zeros(0, dtype=np.int64)  # heads that the next one does not follow
        self.reach = CYCLE
        self.disappointed = 0  # times that the lengths did not go on
        self.looked_from = self.looked_to = -1
        self.likely: list[int] = []  # heads there that lead to something, or beyond the block
        self.linked: list[int] = []  # of these the heads of whole records

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

    def after(self, at: int, *, linked: bool = False) -> int:
        """The first head behind ``at`` that leads to something, -1 when there is none in the block.

        A record is there if another begins where it ends, or its checksum is right; of one that goes on behind the
        block this is not known yet. ``linked``: only a whole record will do.
        """
        begin = at + 1
        while begin < self.size:
            if not self.looked_from <= begin < self.looked_to:
                self._look(begin)
            found = self.linked if linked else self.likely
            index = bisect_left(found, begin)
            if index < len(found):
                return found[index]
            begin = self.looked_to
        return -1

    def _look(self, begin: int) -> None:
        """Find the heads of a stretch that are to be believed: each is looked at once, however many lead nowhere."""
        self.looked_from, self.looked_to = begin, min(begin + STRETCH, self.size)
        place, length = all_heads(self.data, begin, min(self.looked_to + HEAD - 1, self.size))
        if self.distrusted and len(place):
            trusted = ~np.isin(place, list(self.distrusted))
            place, length = place[trusted], length[trusted]
        end = place + length + FRAME
        whole = end <= self.seen
        leads = (end == self.size) | are_heads(self.data, end, self.size)
        alone = np.flatnonzero(whole & ~leads)
        leads[alone] = checksums_fit(self.data, place[alone] + HEAD, length[alone])
        self.likely, self.linked = place[leads | ~whole].tolist(), place[leads & whole].tolist()

    def _search(self, begin: int) -> None:
        if not self.distrusted and self._foresee(begin):
            return
        self.begin, self.end = begin, min(begin + STRETCH, self.size)
        place = short_heads(self.data, begin, min(self.end + HEAD - 1, self.size))
        if self.distrusted:
            place = place[~np.isin(place, list(self.distrusted))]
        self.place, self.length = place, lengths_at(self.data, place)
        self.breaks = np.append(np.flatnonzero(place[1:] != (place + self.length + FRAME)[:-1]), len(place) - 1)

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
        return True
