"""Tensors of one number each, thousands at once (tensorboard/compat/proto/tensor.proto)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analyzer.distinct import distinct
from analyzer.readers.tfevents.checksum import Bytes
from analyzer.readers.tfevents.one_tensor import BFLOAT16, DTYPES, FLOAT_DTYPES, VARINTS
from analyzer.readers.tfevents.scattered import messages_at, numbers_at, varints_at, widened

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

DTYPE, SHAPE, CONTENT = 0x08, 0x12, 0x22  # keys of fields
PACKED = {1: 0x2A, 2: 0x32}  # DataType -> key of its own field, where numbers lie as in `tensor_content`
HALF = 0x6A  # key of `half_val`: the bits of a half or a bfloat16 as a varint
ONE = np.frombuffer(b"\x12\x02\x08\x01", dtype="<u4")[0]  # the shape [1]


def one_number_each(data: Bytes, at: Ints, end: Ints) -> tuple[Floats, Flags, Flags]:
    """The number in each tensor, whether it was understood, and whether it is stored as anything else than float32."""
    typed = (data[at] == DTYPE) & (at + 2 <= end)
    dtype = np.where(typed, data[np.minimum(at + 1, end)], np.uint8(0))
    at = np.minimum(at + 2, end)
    shaped = (data[at] == SHAPE) & (at < end)
    begin, stop = messages_at(data, np.minimum(at + 1, end))
    size = stop - begin
    right = typed & (~shaped | (size == 0) | ((size == 4) & (numbers_at(data, np.minimum(begin, end), "<u4") == ONE)))
    at = np.minimum(np.where(shaped & right, stop, at), end)
    key = data[at]
    begin, stop = messages_at(data, np.minimum(at + 1, end))
    right &= (at < end) & (stop == end)
    size = stop - begin
    value = np.zeros(len(at))
    understood = np.zeros(len(at), dtype=bool)
    for form in distinct(dtype[right].astype(np.int64) << 8 | key[right]).tolist():
        some = np.flatnonzero(right & (dtype == form >> 8) & (key == form & 0xFF))
        value[some], understood[some] = _numbers(data, begin[some], size[some], form >> 8, form & 0xFF)
    exact = ~np.isin(dtype, FLOAT_DTYPES)
    return value, understood, exact


def _numbers(data: Bytes, begin: Ints, size: Ints, dtype: int, key: int) -> tuple[Floats, Flags]:
    """The numbers of tensors of one type that hold them in one way."""
    if dtype in DTYPES and key in (CONTENT, PACKED.get(dtype)):
        form = "<u2" if dtype == BFLOAT16 else "u1" if DTYPES[dtype] == "?" else DTYPES[dtype]
        raw = numbers_at(data, begin, form)
        fits = size == raw.itemsize
        if DTYPES[dtype] == "?":
            return (raw != 0).astype(np.float64), fits
        return _of_bfloat16(raw) if dtype == BFLOAT16 else widened(raw), fits
    number, width = varints_at(data, begin)
    fits = (width == size) & (width > 0)
    if key == HALF and DTYPES.get(dtype) in ("<f2", "bfloat16"):
        bits = number.astype(np.uint16)
        value = _of_bfloat16(bits) if dtype == BFLOAT16 else widened(bits.view("<f2"))
        return value, fits & (number < 1 << 16)
    if dtype in VARINTS and key == VARINTS[dtype] << 3 | 2:
        signed = number.view(np.int64)
        narrow = (signed >= -(1 << 31)) & (signed < 1 << 31)  # `int_val` holds 32 bits
        return signed.astype(np.float64), fits & (narrow | (DTYPES[dtype] == "<i8"))
    return np.zeros(len(begin)), np.zeros(len(begin), dtype=bool)


def _of_bfloat16(bits: NDArray[np.uint16]) -> Floats:
    """bfloat16 is the upper half of a float32."""
    return widened((bits.astype(np.uint32) << np.uint32(16)).view("<f4"))
