"""Numbers that lie scattered in a block, each at a place of its own, read as one array.

Nothing here checks where a message ends: whoever asks must have the place inside the block, and compares the end with
the message's afterwards. A block is followed by enough zero bytes that a number at its very end can be loaded.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.readers.tfevents.checksum import Bytes

Ints = NDArray[np.int64]

WIDEST = 10  # bytes of a varint: 64 bits, seven a byte
FARTHEST = 1 << 40  # no length is larger; a larger one is cut to this, so that sums do not overflow


def numbers_at(data: Bytes, at: Ints, form: str) -> NDArray[Any]:
    """The number of ``form`` at each place."""
    numbers = np.ndarray((len(data) - np.dtype(form).itemsize + 1,), dtype=form, buffer=data, strides=(1,))
    return numbers[at]


def widened(numbers: NDArray[Any]) -> NDArray[np.float64]:
    """The numbers as float64, without a word about NaNs of the signalling kind."""
    with np.errstate(invalid="ignore"):
        return numbers.astype(np.float64)


def varints_at(data: Bytes, at: Ints) -> tuple[NDArray[np.uint64], Ints]:
    """The varint at each place and its width in bytes, 0 where it does not end."""
    byte = data[at]
    value = (byte & np.uint8(0x7F)).astype(np.uint64)
    width = np.ones(len(at), dtype=np.int64)
    some = np.flatnonzero(byte >= 0x80)
    for place in range(1, WIDEST):
        if not len(some):
            break
        byte = data[at[some] + place]
        value[some] |= (byte & np.uint8(0x7F)).astype(np.uint64) << np.uint64(7 * place)
        width[some] = place + 1
        some = some[byte >= 0x80]
    width[some] = 0
    return value, width


def messages_at(data: Bytes, at: Ints) -> tuple[Ints, Ints]:
    """Begin and end of the bytes whose length stands at each place; an end before the place where none stands."""
    size, width = varints_at(data, at)
    begin = at + width
    end = begin + np.minimum(size, np.uint64(FARTHEST)).astype(np.int64)
    end[width == 0] = -1
    return begin, end
