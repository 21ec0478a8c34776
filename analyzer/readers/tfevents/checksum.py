"""CRC-32C as TensorBoard's record format uses it, over many messages at once.

Without its initial value a CRC is linear over GF(2): the checksum of a message is the XOR of what each of its bytes
contributes, and a byte's contribution depends on its value and on its distance from the end alone. So the checksums
of a column of bytes are one table look-up, and long messages are cut into lanes that advance side by side.

Polynomial and parameters: RFC 3720, appendix B.4 (Castagnoli, reflected, start and end XORed with ones).
Mask: tensorflow/core/lib/hash/crc32c.h.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint32]

POLYNOMIAL = 0x82F63B78  # Castagnoli, bits reversed
MASK_DELTA = 0xA282EAD8  # crc32c.h: kMaskDelta
ONES = 0xFFFFFFFF
LANE = 256  # bytes that one lane of a long message advances; a multiple of 4
BATCH = 1 << 24  # bytes of long messages taken together; bounds the memory of their lanes


def crc32c(message: bytes) -> int:
    """The CRC-32C of one message: ``crc32c(b"123456789") == 0xE3069283``."""
    if len(message) <= 64:  # below this the arrays cost more than the loop
        table = _byte_list()
        crc = ONES
        for byte in message:
            crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
        return crc ^ ONES
    data = np.zeros(len(message) + 4, dtype=np.uint8)
    data[4:] = np.frombuffer(message, dtype=np.uint8)
    return int(crc32c_of(data, np.array([4]), np.array([len(message)]))[0])


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
    """The CRC-32C of each message ``data[start:start + length]``; at least 4 bytes must lie before the first one."""
    crc = np.empty(len(start), dtype=np.uint32)
    first = 0
    while first < len(start):
        last = first + max(1, int(np.searchsorted(np.cumsum(length[first:]), BATCH, side="right")))
        crc[first:last] = _linear(data, start[first:last], length[first:last])
        first = last
    return crc ^ advance(np.full(len(start), ONES, dtype=np.uint32), length) ^ np.uint32(ONES)


def _linear(data: Bytes, start: NDArray[np.int64], length: NDArray[np.int64]) -> Words:
    """The linear part of the CRC: each message is cut into lanes from its end, so that only first lanes are short."""
    words = np.ndarray((len(data) - 3,), dtype="<u4", buffer=data, strides=(1,))
    lanes = -(-length // LANE)
    message = np.repeat(np.arange(len(start)), lanes)
    from_end = np.cumsum(lanes)[message] - 1 - np.arange(len(message))  # lanes behind this one
    end = (start + length)[message] - from_end * LANE
    size = np.minimum(end - start[message], LANE)
    order = np.argsort(-size, kind="stable")
    end, size = end[order], size[order]
    low, high = _word_tables()
    state = np.zeros(len(order), dtype=np.uint32)
    alive = np.searchsorted(-size, -np.arange(0, LANE + 1, 4), side="left")  # lanes longer than 0, 4, 8, ...
    for back in range(LANE, 0, -4):
        count = int(alive[back // 4 - 1])
        if not count:
            continue
        word = words[end[:count] - back]
        short = int(alive[back // 4]) if back < LANE else 0
        whole = int(np.searchsorted(-size, -back, side="right"))
        short = max(short, whole)
        if short < count:  # the message begins inside this word: drop what lies before it
            word[short:] &= np.uint32(ONES) << ((back - size[short:count]) * 8).astype(np.uint32)
        word ^= state[:count]
        state[:count] = low[word & np.uint32(0xFFFF)] ^ high[word >> np.uint32(16)]
    state[order] = state.copy()
    state = advance(state, from_end * LANE)
    total = np.zeros(len(start), dtype=np.uint32)
    some = np.flatnonzero(lanes)
    if len(some):
        total[some] = np.bitwise_xor.reduceat(state, (np.cumsum(lanes) - lanes)[some])
    return total


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
def _word_tables() -> tuple[Words, Words]:
    """Contributions of the low and the high half of a 4-byte word that ends the message."""
    half = np.arange(1 << 16)
    return (contribution(3)[half & 0xFF] ^ contribution(2)[half >> 8],
            contribution(1)[half & 0xFF] ^ contribution(0)[half >> 8])


@cache
def _zeros(bit: int) -> tuple[Words, Words, Words, Words]:
    """The operator "2**bit zero bytes follow", as one table for each byte of the state."""
    byte = np.arange(256, dtype=np.uint32)
    if bit == 0:
        zero = np.uint32(0)
        table = _byte_table()
        states = (byte << np.uint32(8), byte << np.uint32(16), byte << np.uint32(24))
        one, two, three = ((table[state & np.uint32(0xFF)] ^ (state >> np.uint32(8))) ^ zero for state in states)
        return table, one, two, three
    half = _zeros(bit - 1)
    first, second, third, fourth = (_apply(half, table) for table in half)
    return first, second, third, fourth


def _apply(operator: tuple[Words, Words, Words, Words], state: Words) -> Words:
    byte = np.uint32(0xFF)
    moved: Words = (operator[0][state & byte] ^ operator[1][(state >> np.uint32(8)) & byte]
                    ^ operator[2][(state >> np.uint32(16)) & byte] ^ operator[3][state >> np.uint32(24)])
    return moved
