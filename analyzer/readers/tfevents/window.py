"""The part of a stream that is being read: a block of bytes that moves on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from analyzer.readers.tfevents.checksum import Bytes, crc32c_of_pieces, masked
from analyzer.readers.tfevents.heads import PADDING

PROOFS = 4  # times the file's size that is read ahead for lengths that turn out wrong, so that time stays linear


class Window:
    """The part of the stream that is being read: ``data[:size]``, which lies at ``offset`` in the file."""

    def __init__(self, stream: BinaryIO, offset: int, block_size: int) -> None:
        self.stream, self.offset, self.block_size = stream, offset, max(block_size, 64)
        self.size = 0
        self.ended = False
        self.read_in_vain = 0  # bytes that proved nothing
        self.data: Bytes = np.zeros(self.block_size + PADDING, dtype=np.uint8)

    def fill(self, wanted: int) -> None:
        """Read until the block is full, or holds ``wanted`` bytes, or the stream ends.

        Half a block at least is new, so that no byte is gone through more than a few times.
        """
        room = max(self.block_size, min(wanted, self._at_most(wanted)), self.size + self.block_size // 2)
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
