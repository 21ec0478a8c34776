"""CRC-32C against its published values and against the plain loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.readers.tfevents import checksum
from analyzer.readers.tfevents.checksum import (
    LANE,
    advance,
    contribution,
    crc32c,
    crc32c_of,
    crc32c_of_pieces,
    masked,
    masked_all,
    short_length_checksums,
    unmasked_all,
)


def byte_by_byte(message: bytes) -> int:
    """The definition: RFC 3720, appendix B.4."""
    crc = 0xFFFFFFFF
    for byte in message:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@pytest.mark.parametrize(("message", "crc"), [
    (b"", 0x00000000),
    (b"123456789", 0xE3069283),
    (bytes(32), 0x8A9136AA),  # RFC 3720, B.4: 32 bytes of zeros
    (b"\xff" * 32, 0x62A8AB43),  # 32 bytes of ones
    (bytes(range(32)), 0x46DD794E),  # incrementing
    (bytes(range(31, -1, -1)), 0x113FDB5C),  # decrementing
])
def test_published_values(message: bytes, crc: int) -> None:
    assert crc32c(message) == crc
    data = np.frombuffer(bytes(4) + message + bytes(4), dtype=np.uint8)
    assert crc32c_of(data, np.array([4]), np.array([len(message)])).tolist() == [crc]


@pytest.mark.parametrize("length", [0, 1, 3, 4, 5, 63, 64, 65, LANE - 1, LANE, LANE + 1, 2 * LANE, 3 * LANE + 7, 5000])
def test_every_length_agrees_with_the_definition(length: int) -> None:
    message = np.random.default_rng(length).bytes(length)
    assert crc32c(message) == byte_by_byte(message)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=700), max_size=12))
def test_many_messages_at_once(messages: list[bytes]) -> None:
    data = np.frombuffer(bytes(4) + b"".join(messages) + bytes(4), dtype=np.uint8)
    length = np.array([len(message) for message in messages], dtype=np.int64)
    start = 4 + np.cumsum(length) - length
    assert crc32c_of(data, start, length).tolist() == [byte_by_byte(message) for message in messages]


def test_lanes_and_hardware_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    data = np.random.default_rng(1).integers(0, 256, 300_000, dtype=np.uint8)
    start = np.array([0, 5, 70_000, 200_001, 299_000])
    length = np.array([4, 65_537, 100_000, 1500, 1000])
    with_hardware = crc32c_of(data, start, length)
    monkeypatch.setattr(checksum, "_in_hardware", lambda: None)
    assert (crc32c_of(data, start, length) == with_hardware).all()


def test_mask_and_its_inverse() -> None:
    assert masked(crc32c((24).to_bytes(8, "little"))) == 0x224B7FA3  # the head of every `brain.Event:2` record
    crc = np.random.default_rng(0).integers(0, 2**32, 100, dtype=np.uint32)
    assert masked_all(crc).tolist() == [masked(int(one)) for one in crc]
    assert (unmasked_all(masked_all(crc)) == crc).all()


def test_a_byte_contributes_by_its_value_and_distance() -> None:
    plain, changed = b"abcdefgh", b"abXdefgh"
    difference = contribution(5)[plain[2] ^ changed[2]]
    assert crc32c(plain) ^ crc32c(changed) == int(difference)


def test_advance_is_zero_bytes() -> None:
    state = np.array([1, 0xDEADBEEF], dtype=np.uint32)
    once = advance(state, np.array([7, 7]))
    assert (advance(once, np.array([93, 93])) == advance(state, np.array([100, 100]))).all()


def test_lengths_known_in_advance() -> None:
    table = short_length_checksums()
    for length in (0, 1, 24, 255, 256, 65535):
        assert int(table[length]) == masked(crc32c(length.to_bytes(8, "little")))


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_a_message_in_pieces(pieces: list[bytes]) -> None:
    assert crc32c_of_pieces(pieces) == byte_by_byte(b"".join(pieces))
