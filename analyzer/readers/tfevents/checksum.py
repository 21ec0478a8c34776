"""CRC-32C as TensorBoard's record format uses it, over many messages at once.

Without its initial value a CRC is linear over GF(2): the checksum of a message is the XOR of what each of its bytes
contributes, and a byte's contribution depends on its value and on its distance from the end alone. So the checksums
of a column of bytes are one table look-up, and long messages are cut into lanes that advance side by side.

Polynomial and parameters: RFC 3720, appendix B.4 (Castagnoli, reflected, start and end XORed with ones).
Mask: tensorflow/core/lib/hash/crc32c.h.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from analyzer.distinct import distinct

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint32]

POLYNOMIAL = 0x82F63B78  # Castagnoli, bits reversed
MASK_DELTA = 0xA282EAD8  # crc32c.h: kMaskDelta
ONES = 0xFFFFFFFF
LANE = 512  # bytes that one lane of a long message advances; a multiple of 4
BLOB = 160  # bytes from which one call for one message is cheaper than lanes
FEW = 4096  # messages up to which a call for each is cheaper, however short they are
WHOLE = 1 << 23  # bytes of which a copy is cheaper than one for each of many messages
BATCH = 2048  # lanes that advance side by side: a megabyte, small enough for the processor's cache


def crc32c(message: bytes) -> int:
    """The CRC-32C of one message: ``crc32c(b"123456789") == 0xE3069283``."""
    if len(message) <= 64:  # below this the arrays cost more than the loop
        table = _byte_list()
        crc = ONES
        for byte in message:
            crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
        return crc ^ ONES
    return int(crc32c_of(np.frombuffer(message, dtype=np.uint8), np.array([0]), np.array([len(message)]))[0])


def crc32c_of_pieces(pieces: Iterable[bytes]) -> int:
    """The CRC-32C of a message that comes in pieces."""
    crc = 0
    for piece in pieces:
        moved = advance(np.array([crc], dtype=np.uint32), np.array([len(piece)]))
        crc = int(moved[0]) ^ crc32c(piece)
    return crc


def masked(crc: int) -> int:
    """A CRC as a record stores it: rotated right by 15 bits, plus a constant."""
    return (((crc >> 15) | (crc << 17)) + MASK_DELTA) & ONES


def masked_all(crc: Words) -> Words:
    """``masked`` of an array."""
    return ((crc >> np.uint32(15)) | (crc << np.uint32(17))) + np.uint32(MASK_DELTA)


def unmasked_all(stored: Words) -> Words:
    """The CRCs behind an array of stored ones."""
    rotated = stored - np.uint32(MASK_DELTA)
    return (rotated >> np.uint32(17)) | (rotated << np.uint32(15))


def crc32c_of(data: Bytes, start: NDArray[np.int64], length: NDArray[np.int64]) -> Words:
    """The CRC-32C of each message ``data[start:start + length]``."""
    hardware = _in_hardware()
    blobs = np.flatnonzero(length >= (BLOB if len(length) > FEW else 1))
    if hardware is None or not len(blobs):
        return _by_lanes(data, start, length)
    crc = np.empty(len(start), dtype=np.uint32)
    begins, ends = start[blobs], (start + length)[blobs]
    first, last = int(begins.min()), int(ends.max())
    if last - first <= WHOLE:
        whole = data[first:last].tobytes()
        places = zip((begins - first).tolist(), (ends - first).tolist(), strict=True)
        crc[blobs] = [hardware(whole[begin:end]) for begin, end in places]
    else:
        places = zip(begins.tolist(), ends.tolist(), strict=True)
        crc[blobs] = [_by_hardware(data[begin:end]) for begin, end in places]
    rest = np.ones(len(length), dtype=bool)
    rest[blobs] = False
    if rest.any():
        crc[rest] = _by_lanes(data, start[rest], length[rest])
    return crc


def checksums_fit(data: Bytes, start: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the stored checksum that follows each ``data[start:start + length]`` is right.

    Messages may lie over one another: the bytes are gone through once, however many of them a byte belongs to.
    """
    end = start + length
    words = np.ndarray((len(data) - 3,), dtype="<u4", buffer=data, strides=(1,))
    crc = unmasked_all(words[end])
    if int(length.sum()) <= int(end.max(initial=0)) - int(start.min(initial=0)):
        return crc32c_of(data, start, length) == crc
    cuts = distinct(np.concatenate([start, end]))
    size = np.diff(cuts)
    linear = crc32c_of(data, cuts[:-1], size) ^ _of_ends(size)
    # what lies before each cut, with as many zeros behind it as if all ended where the last message does
    before = np.zeros(len(cuts), dtype=np.uint32)
    np.bitwise_xor.accumulate(advance(linear, cuts[-1] - cuts[1:]), out=before[1:])
    seen = before[np.searchsorted(cuts, end)] ^ before[np.searchsorted(cuts, start)]
    return advance(crc ^ _of_ends(length), cuts[-1] - end) == seen


def _of_ends(length: NDArray[np.int64]) -> Words:
    """What the ones that a CRC starts and ends with add to its linear part."""
    return advance(np.full(len(length), ONES, dtype=np.uint32), length) ^ np.uint32(ONES)


def _by_lanes(data: Bytes, start: NDArray[np.int64], length: NDArray[np.int64]) -> Words:
    return _linear(data, start, length) ^ _of_ends(length)


def _by_hardware(message: Bytes) -> int:
    """The checksum of one message of any length, of which no second copy is made."""
    import google_crc32c

    crc = 0
    for begin in range(0, len(message), WHOLE):
        crc = google_crc32c.extend(crc, message[begin : begin + WHOLE].tobytes())
    return crc


@cache
def _in_hardware() -> Callable[[bytes], int] | None:
    """The processor's own CRC-32C; None where its library has no compiled form, and the lanes do it all."""
    try:
        import google_crc32c
    except ImportError:
        return None
    return google_crc32c.value if google_crc32c.implementation == "c" else None


def _linear(data: Bytes, start: NDArray[np.int64], length: NDArray[np.int64]) -> Words:
    """The linear part of the CRC: each message is cut into lanes from its end, so that only first lanes are short."""
    total = np.zeros(len(start), dtype=np.uint32)
    some = np.flatnonzero(length)
    if not len(some):
        return total
    start, length = start[some], length[some]
    lane = min(LANE, -(-int(length.max()) // 4) * 4)
    lanes = -(-length // lane)
    message = np.repeat(np.arange(len(start)), lanes)
    from_end = np.cumsum(lanes)[message] - 1 - np.arange(len(message))  # lanes behind this one
    end = (start + length)[message] - from_end * lane
    size = np.minimum(end - start[message], lane)
    state = np.empty(len(message), dtype=np.uint32)
    for first in range(0, len(message), BATCH):
        part = slice(first, first + BATCH)
        state[part] = _advanced_lanes(_lanes(data, end[part], size[part], lane))
    state = advance(state, from_end * lane)
    total[some] = np.bitwise_xor.reduceat(state, np.cumsum(lanes) - lanes)
    return total


def _lanes(data: Bytes, end: NDArray[np.int64], size: NDArray[np.int64], lane: int) -> NDArray[np.uint32]:
    """The last ``size`` bytes before each ``end``, behind zeros (which leave a CRC of zero as it is), as words."""
    early = int(np.searchsorted(end, lane)) if bool((end[1:] >= end[:-1]).all()) else len(end)
    rows = np.zeros(len(end), dtype=f"V{lane}")
    if early < len(end):
        rows[early:] = _windows(data, lane)[end[early:] - lane]
    if early:  # nothing lies before the data: put zeros there
        padded = np.concatenate([np.zeros(lane, dtype=np.uint8), data[: int(end[:early].max())]])
        rows[:early] = _windows(padded, lane)[end[:early]]
    short = np.flatnonzero(size < lane)
    if len(short):
        flat = rows.view(np.uint8).reshape(len(end), lane)
        flat[short] *= np.arange(lane) >= (lane - size[short])[:, None]
    return rows.view("<u4").reshape(len(end), lane // 4)


def _windows(data: Bytes, width: int) -> NDArray[np.void]:
    """The ``width`` bytes from every place on, without a copy."""
    return np.ndarray((len(data) - width + 1,), dtype=f"V{width}", buffer=data, strides=(1,))


def _advanced_lanes(rows: NDArray[np.uint32]) -> NDArray[np.int64]:
    """The linear CRC of each row of words, all rows a word at a time."""
    low, high = _word_tables()
    columns = np.ascontiguousarray(rows.T)
    state, half, other = np.zeros((3, len(rows)), dtype=np.int64)
    for column in columns:
        np.bitwise_xor(state, column, out=state)
        np.bitwise_and(state, 0xFFFF, out=half)
        np.right_shift(state, 16, out=other)
        low.take(half, out=state, mode="clip")  # "clip": without a check of the bounds, which hold
        high.take(other, out=half, mode="clip")
        np.bitwise_xor(state, half, out=state)
    return state


def advance(state: Words, count: NDArray[np.int64]) -> Words:
    """Each CRC state after ``count`` zero bytes."""
    state = state.copy()
    most = int(count.max(initial=0))
    for bit in range(most.bit_length()):
        moved = np.flatnonzero((count >> bit) & 1)
        if len(moved):
            state[moved] = _apply(_zeros(bit), state[moved])
    return state


@cache
def contribution(distance: int) -> Words:
    """What a byte adds to the linear CRC when ``distance`` bytes follow it: 256 entries."""
    return advance(_byte_table(), np.full(256, distance))


@cache
def short_length_checksums() -> Words:
    """The masked CRC of every record length below 65,536, as the length is stored: 8 bytes."""
    length = np.arange(1 << 16)
    linear = contribution(7)[length & 0xFF] ^ contribution(6)[length >> 8]
    return masked_all(linear ^ np.uint32(crc32c(bytes(8))))


@cache
def _byte_table() -> Words:
    crc = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        crc = np.where(crc & 1, (crc >> 1) ^ np.uint32(POLYNOMIAL), crc >> 1).astype(np.uint32)
    return crc


@cache
def _byte_list() -> list[int]:
    return [int(crc) for crc in _byte_table()]


@cache
def _word_tables() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Contributions of the low and the high half of a 4-byte word that ends the message, as wide as an index."""
    half = np.arange(1 << 16)
    return (
        (contribution(3)[half & 0xFF] ^ contribution(2)[half >> 8]).astype(np.int64),
        (contribution(1)[half & 0xFF] ^ contribution(0)[half >> 8]).astype(np.int64),
    )


@cache
def _zeros(bit: int) -> tuple[Words, Words, Words, Words]:
    """The operator "2**bit zero bytes follow", as one table for each byte of the state."""
    byte = np.arange(256, dtype=np.uint32)
    if bit == 0:
        return _byte_table(), byte, byte << np.uint32(8), byte << np.uint32(16)
    half = _zeros(bit - 1)
    first, second, third, fourth = (_apply(half, table) for table in half)
    return first, second, third, fourth


def _apply(operator: tuple[Words, Words, Words, Words], state: Words) -> Words:
    byte = np.uint32(0xFF)
    moved: Words = (
        operator[0][state & byte]
        ^ operator[1][(state >> np.uint32(8)) & byte]
        ^ operator[2][(state >> np.uint32(16)) & byte]
        ^ operator[3][state >> np.uint32(24)]
    )
    return moved
