"""Templates: events of one length whose numbers lie at the same places, and share every other byte by tag.

The checksum of a record that fits one is the template's plus what the varying bytes contribute.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.readers.tfevents.checksum import Bytes, Words, contribution, crc32c_of, masked_all
from analyzer.readers.tfevents.event import Event
from analyzer.readers.tfevents.names import GOLDEN, Lookup
from analyzer.readers.tfevents.points import Ints, Part
from analyzer.readers.tfevents.scattered import widened

VARYING = 2048  # bytes that vary in an event which is still read as columns
KINDS = 4096  # templates that are learnt at a time


class Shape:
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
        self, rows: Ints, words: NDArray[np.uint64], parts: list[Part], corrupt: list[Ints]
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
        right = masked_all(self._with_varying(words, self.crc[kind])) == stored(words, self.size, "<u4")
        if not right.all():
            corrupt.append(rows[~right])
            rows, words, kind = rows[right], words[right], kind[right]
        data = words.view(np.uint8)
        event = self.event
        wall = stored(words, event.wall_at, "<f8") if event.wall_at >= 0 else np.zeros(len(rows))
        step = np.zeros(len(rows), dtype=np.uint64)
        for byte in range(event.step_width):
            part = data[:, event.step_at + byte] & np.uint8(0x7F)
            step |= part.astype(np.uint64) << np.uint64(7 * byte)
        values = [widened(stored(words, scalar.at, scalar.form)) for scalar in event.scalars]
        several = len(values)
        if several == 1:
            parts.append(
                Part(record=rows, tag=self.tags[kind, 0], step=step.view(np.int64), wall=wall, value=values[0])
            )
        else:
            parts.append(
                Part(
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


def shape_of(event: Event, size: int) -> Shape | None:
    """Where the numbers of an event lie. All bits but theirs are structure, and so are the marks of a varint."""
    mask = np.zeros(-(-(size + 4) // 8) * 8, dtype=np.uint8)
    mask[:size] = 0xFF
    if event.wall_at >= 0:
        mask[event.wall_at : event.wall_at + 8] = 0
    mask[event.step_at : event.step_at + event.step_width] = 0x80
    for scalar in event.scalars:
        mask[scalar.at : scalar.at + (4 if scalar.form == "<f4" else 8)] = 0
    varying = np.flatnonzero(mask[:size] != 0xFF).tolist()
    return Shape(event, size, mask, varying) if len(varying) <= VARYING else None


def same_places(one: Event, other: Event) -> bool:
    """Whether the numbers of two events of one length lie at the same places."""

    def places(event: Event) -> tuple[object, ...]:
        return (event.wall_at, event.step_at, event.step_width, [(s.at, s.form) for s in event.scalars])

    return places(one) == places(other)


def stored(words: NDArray[np.uint64], at: int, form: str) -> NDArray[Any]:
    """The number at a place of each record, as an array of its own."""
    step = words.strides[0]
    return np.ndarray((len(words),), dtype=form, buffer=words, offset=at, strides=(step,)).copy()


def _equal(fixed: NDArray[np.uint64], template: NDArray[np.uint64]) -> NDArray[np.bool_]:
    same = fixed[:, 0] == template[0]
    for column in range(1, fixed.shape[1]):
        same &= fixed[:, column] == template[column]
    return same


def crc_of_rows(words: NDArray[np.uint64], size: int) -> Words:
    width = words.shape[1] * 8
    rows = np.concatenate([np.zeros(4, dtype=np.uint8), np.ascontiguousarray(words).view(np.uint8).ravel()])
    return crc32c_of(rows, 4 + width * np.arange(len(words)), np.full(len(words), size))
