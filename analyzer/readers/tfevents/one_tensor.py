"""The one number, or the one text, that a tensor holds (tensorboard/compat/proto/tensor.proto, types.proto)."""

from __future__ import annotations

import struct

import numpy as np
from msgspec import Struct

from analyzer.readers.tfevents.wire import BYTES, EIGHT, FOUR, VARINT, Place, fields, joined, signed, varint

# types.proto: DataType -> numpy's name of the type in `tensor_content`
DTYPES = {
    1: "<f4",
    2: "<f8",
    3: "<i4",
    4: "u1",
    5: "<i2",
    6: "i1",
    9: "<i8",
    10: "?",
    14: "bfloat16",
    17: "<u2",
    19: "<f2",
    22: "<u4",
    23: "<u8",
}
STRING = 7
BFLOAT16, HALF = 14, 19
FLOAT_DTYPES = (1, BFLOAT16, HALF)  # types of numbers that a float32 holds exactly
VARINTS = {3: 7, 4: 7, 5: 7, 6: 7, 9: 10, 10: 11, 17: 7, 22: 16, 23: 17}  # DataType -> field of its packed numbers

# Numbers of fields
DTYPE, SHAPE, CONTENT, FLOAT_VAL, DOUBLE_VAL, STRING_VAL, HALF_VAL = 1, 2, 4, 5, 6, 8, 13
INT_VAL, INT64_VAL, BOOL_VAL, UINT32_VAL, UINT64_VAL = 7, 10, 11, 16, 17
WRITTEN = {FLOAT_VAL: FOUR, DOUBLE_VAL: EIGHT, **dict.fromkeys((7, 10, 11, 13, 16, 17), VARINT)}
TRIED = (FLOAT_VAL, DOUBLE_VAL, INT_VAL, INT64_VAL, UINT32_VAL, UINT64_VAL, BOOL_VAL)  # in this order


class Number(Struct, frozen=True, kw_only=True):
    """A number, its place in the event, and how it lies there ("": not a plain float)."""

    value: float
    at: int
    form: str
    exact: bool


class _Tensor(Struct):
    """The fields of a tensor: of numbers the first of each, wherever it stands."""

    dtype: int = 0
    shape: list[Place] = []
    content: Place = (0, 0)
    first: dict[int, Place] = {}
    held: int = 0  # fields that hold numbers or texts


def _read(data: bytes, at: int, end: int) -> _Tensor:
    tensor = _Tensor()
    for number, wire, begin, stop in fields(data, at, end):
        if (number, wire) == (DTYPE, VARINT):
            tensor.dtype = signed(varint(data, begin, stop)[0], bits=32)
        elif (number, wire) == (SHAPE, BYTES):
            tensor.shape.append((begin, stop))
        elif (number, wire) == (CONTENT, BYTES):
            tensor.content = begin, stop
        elif (number, wire) == (STRING_VAL, BYTES) or (
            number in WRITTEN and (wire == WRITTEN[number] or (wire == BYTES and stop > begin))
        ):
            tensor.first.setdefault(number, (begin, stop))
        tensor.held += number > SHAPE + 1
    return tensor


def text_in(data: bytes, at: int, end: int) -> bytes | None:
    """The first text of a tensor of texts."""
    tensor = _read(data, at, end)
    place = tensor.first.get(STRING_VAL)
    return None if tensor.dtype != STRING or place is None else data[place[0] : place[1]]


def number_in(data: bytes, at: int, end: int) -> Number | None:
    """The number of a tensor that holds one; None for any other. Nothing written is the default, zero."""
    tensor = _read(data, at, end)
    dtype = tensor.dtype
    if dtype not in DTYPES or (tensor.shape and not _of_one(*joined(data, tensor.shape))):
        return None
    exact = dtype not in FLOAT_DTYPES
    begin, stop = tensor.content
    if stop > begin:
        value = _of_content(data[begin:stop], dtype)
        plain = dtype in (1, 2) and tensor.held == 1 and stop - begin == (4 if dtype == 1 else 8)
    else:
        tried = (HALF_VAL,) if dtype in (BFLOAT16, HALF) else TRIED
        number = next((number for number in tried if number in tensor.first), None)
        if number is None:
            return None if tried == (HALF_VAL,) else Number(value=0.0, at=-1, form="", exact=exact)
        begin, stop = tensor.first[number]
        value = _of_field(data, begin, stop, number, dtype)
        own = {1: (FLOAT_VAL, 4), 2: (DOUBLE_VAL, 8)}
        plain = tensor.held == 1 and own.get(dtype) == (number, stop - begin)
    if value is None:
        return None
    form = "" if not plain else "<f4" if dtype == 1 else "<f8"
    return Number(value=value, at=begin, form=form, exact=exact)


def _of_one(data: bytes, at: int, end: int) -> bool:
    """Whether a shape is that of one number."""
    for number, wire, begin, stop in fields(data, at, end):
        if (number, wire) == (2, BYTES):
            size = 0
            for inner, inner_wire, inner_begin, inner_stop in fields(data, begin, stop):
                if (inner, inner_wire) == (1, VARINT):
                    size = signed(varint(data, inner_begin, inner_stop)[0])
            if size != 1:
                return False
        elif (number, wire) == (3, VARINT) and varint(data, begin, stop)[0]:
            return False
    return True


def _of_content(content: bytes, dtype: int) -> float | None:
    """The first number of `tensor_content`. bfloat16 is the upper half of a float32."""
    form = "<f4" if dtype == BFLOAT16 else DTYPES[dtype]
    if dtype == BFLOAT16:
        content = bytes(2) + content
    if len(content) % np.dtype(form).itemsize:
        return None
    return float(np.frombuffer(content, dtype=form)[0])


def _of_field(data: bytes, begin: int, stop: int, number: int, dtype: int) -> float | None:
    """The first number of a field of numbers, packed or alone."""
    if number in (FLOAT_VAL, DOUBLE_VAL):
        form, width = ("<f", 4) if number == FLOAT_VAL else ("<d", 8)
        return None if stop - begin < width else float(struct.unpack_from(form, data, begin)[0])
    bits, _ = varint(data, begin, stop)
    if number == HALF_VAL:
        if bits >> 16:
            return None
        return _of_content(bits.to_bytes(2, "little"), dtype)
    if number in (INT_VAL, INT64_VAL):
        return float(signed(bits, bits=32 if number == INT_VAL else 64))
    if number == BOOL_VAL:
        return float(bits != 0)
    return float(bits & 0xFFFFFFFF if number == UINT32_VAL else bits)
