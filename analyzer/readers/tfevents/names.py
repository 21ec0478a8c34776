"""Byte strings of thousands of events at once: tags and metadata, each found again by its bytes and numbered.

A string is looked up by a hash of its words and then compared with the known one byte by byte: a collision costs time,
never a wrong name.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from analyzer.readers.tfevents.checksum import Bytes

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]

GOLDEN = 0x9E3779B97F4A7C15  # 2**64 over the golden ratio, odd: Knuth's multiplicative hashing
SLOTS = 18  # bits of the largest table
KEPT = np.array([(1 << 8 * count) - 1 for count in range(9)], dtype=np.uint64)  # the first bytes of a word


class Lookup:
    """Hashes, and at which index each was put."""

    def __init__(self, hashes: Hashes) -> None:
        self.hashes = hashes
        bits = min(max(1, 2 * len(hashes).bit_length()), SLOTS)
        self.shift = np.uint64(64 - bits)
        self.slots = np.zeros(1 << bits, dtype=np.int32)
        self.slots[hashes >> self.shift] = np.arange(len(hashes))
        self.order = np.argsort(hashes)
        self.sorted = hashes[self.order]

    def find(self, hashes: Hashes, wanted: NDArray[np.bool_]) -> NDArray[np.int32]:
        """The index of each hash, any index for one that is not there; those not ``wanted`` are not looked for."""
        kind: NDArray[np.int32] = self.slots[hashes >> self.shift]
        if len(self.hashes) > 1:
            lost = np.flatnonzero((self.hashes[kind] != hashes) & wanted)
            if len(lost):  # two may share a slot
                near = np.searchsorted(self.sorted, hashes[lost])
                kind[lost] = self.order[np.minimum(near, len(self.order) - 1)]
        return kind


class Names:
    """Strings in order of first appearance."""

    def __init__(self) -> None:
        self.known: list[bytes] = []
        self.words = np.zeros(1, dtype=np.uint64)  # of all strings, each filled up with zeros to whole words
        self.first = np.zeros(0, dtype=np.int64)  # word at which each begins
        self.size = np.zeros(0, dtype=np.int64)
        self.lookup = Lookup(np.zeros(0, dtype=np.uint64))

    def find(self, data: Bytes, begin: Ints, size: Ints) -> Ints:
        """The number of each ``data[begin:begin + size]``; new ones are added. -1: it cannot be told from another."""
        hashes = size.astype(np.uint64) * np.uint64(GOLDEN)
        for _, some, word in _words_of(data, begin, size):
            mixed = (hashes[some] ^ word) * np.uint64(GOLDEN)
            hashes[some] = mixed ^ (mixed >> np.uint64(29))
        hashes *= np.uint64(GOLDEN)
        number = self._known(data, begin, size, hashes)
        new = np.flatnonzero(number < 0)
        if len(new):
            _, first = np.unique(hashes[new], return_index=True)
            for index in new[np.sort(first)].tolist():
                self.known.append(data[begin[index] : begin[index] + size[index]].tobytes())
            self._remember(hashes[new[np.sort(first)]])
            number[new] = self._known(data, begin[new], size[new], hashes[new])
        return number

    def _known(self, data: Bytes, begin: Ints, size: Ints, hashes: Hashes) -> Ints:
        if not self.known:
            return np.full(len(begin), -1)
        number = self.lookup.find(hashes, np.ones(len(hashes), dtype=bool)).astype(np.int64)
        same = self.size[number] == size
        for place, some, word in _words_of(data, begin, np.where(same, size, 0)):
            same[some] &= self.words[self.first[number[some]] + place] == word
        number[~same] = -1
        return number

    def _remember(self, hashes: Hashes) -> None:
        added = self.known[len(self.size) :]
        padded = [name + bytes(-len(name) % 8) for name in added]
        self.first = np.append(self.first, len(self.words) + np.cumsum([0, *map(len, padded[:-1])]) // 8)
        self.size = np.append(self.size, [len(name) for name in added])
        self.words = np.append(self.words, np.frombuffer(b"".join(padded), dtype="<u8"))
        self.lookup = Lookup(np.append(self.lookup.hashes, hashes))


def _words_of(data: Bytes, begin: Ints, size: Ints) -> Iterator[tuple[int, Ints | slice, Hashes]]:
    """Place, strings and their words: the first word of all strings, then the second of those that have one."""
    words = np.ndarray((len(data) - 7,), dtype="<u8", buffer=data, strides=(1,))
    for place in range(-(-int(size.max(initial=0)) // 8)):
        left = size - 8 * place
        if left.min() >= 8:
            yield place, slice(None), words[begin + 8 * place]
        else:
            some = np.flatnonzero(left > 0)
            yield place, some, words[begin[some] + 8 * place] & KEPT[np.minimum(left[some], 8)]
