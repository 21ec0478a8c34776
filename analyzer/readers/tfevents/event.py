"""The event layer: one event of TensorBoard's protobuf schema, read field by field from its bytes.

Only what training logs are made of is understood here (tensorboard/compat/proto/event.proto, summary.proto,
tensor.proto): scalars in both forms, session marks, file headers, and the texts and hyperparameters that a run
declares. Anything else that could hold a scalar raises ``Unusual`` and goes through the protobuf classes themselves
(``event_by_protobuf``). Places of the numbers are kept, so that an event can serve as a template for its like.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from msgspec import Struct

SESSION_START = 1  # event.proto: SessionLog.START
SCALAR_PLUGINS = ("scalars", "")
DECLARING_PLUGINS = ("text", "hparams")

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
BFLOAT16 = 14
FLOAT_DTYPES = (1, 14, 19)  # types of numbers that a float32 holds exactly
VARINTS = {3: 7, 4: 7, 5: 7, 6: 7, 9: 10, 10: 11, 17: 7, 22: 16, 23: 17}  # DataType -> field of its packed numbers
SIGNED = (3, 5, 6, 9)

Form = Literal["<f4", "<f8", ""]


class Unusual(ValueError):
    """An event that this parser leaves to the protobuf classes."""


class NotAnEvent(ValueError):
    """Bytes with a right checksum that are no event."""


class Scalar(Struct, frozen=True, kw_only=True):
    """One logged number. ``at`` is its place in the event, ``form`` how it lies there ("": not a plain float)."""

    tag: str
    value: float
    at: int = -1
    form: Form = ""
    exact: bool = False  # stored as anything else than float32


class Text(Struct, frozen=True, kw_only=True):
    """A text or a set of hyperparameters that the run declares."""

    tag: str
    plugin: str
    content: bytes  # the text, or the plugin's own message


class Event(Struct, frozen=True, kw_only=True):
    """What one event says."""

    wall_time: float = 0.0
    step: int = 0
    scalars: tuple[Scalar, ...] = ()
    texts: tuple[Text, ...] = ()
    file_version: str = ""
    session_status: int = 0
    writer: str = ""
    plugins: tuple[tuple[str, str], ...] = ()  # (tag, plugin) of values that name one
    wall_at: int = -1
    step_at: int = -1
    step_width: int = 0
    other: bool = False  # holds values that are no scalars


def parse_event(data: bytes, plugins: dict[str, str] | None = None) -> Event:
    """Read one event. ``plugins`` says which plugin owns a tag whose metadata came earlier.

    Raises:
        Unusual: for anything that is not plain; ``event_by_protobuf`` reads it.
    """
    wall_time, wall_at, step, step_at, step_width = 0.0, -1, 0, -1, 0
    file_version = writer = ""
    status = 0
    summary: tuple[int, int] | None = None
    seen = 0
    for number, wire, at, end in fields(data, 0, len(data)):
        if number < 32 and seen >> number & 1:
            raise Unusual("a field twice")
        seen |= 1 << min(number, 63)
        if number == 1 and wire == 1:
            wall_time, wall_at = struct.unpack_from("<d", data, at)[0], at
        elif number == 2 and wire == 0:
            step, step_at, step_width = _signed(_varint(data, at, end)[0]), at, end - at
        elif number == 5 and wire == 2:
            summary = at, end
        elif number == 3 and wire == 2:
            file_version = _text(data, at, end)
        elif number == 7 and wire == 2:
            status = _session_status(data, at, end)
        elif number == 10 and wire == 2:
            writer = _writer(data, at, end)
        elif number < 11 and not (number in (4, 6, 8, 9) and wire == 2):
            raise Unusual("a field of another type")
    scalars: list[Scalar] = []
    texts: list[Text] = []
    named: list[tuple[str, str]] = []
    other = seen & 0b11_0101_0000 != 0
    if summary is not None:
        if seen & 0b11_1101_1000:
            raise Unusual("a summary beside something else")
        for number, wire, at, end in fields(data, *summary):
            if number != 1 or wire != 2:
                raise Unusual("a summary with something else than values")
            value = _value(data, at, end, plugins or {}, named)
            if isinstance(value, Scalar):
                scalars.append(value)
            elif isinstance(value, Text):
                texts.append(value)
            else:
                other = True
    return Event(
        wall_time=wall_time,
        step=step,
        scalars=tuple(scalars),
        texts=tuple(texts),
        file_version=file_version,
        session_status=status,
        writer=writer,
        plugins=tuple(named),
        wall_at=wall_at,
        step_at=step_at,
        step_width=step_width,
        other=other,
    )


def event_by_protobuf(data: bytes, plugins: dict[str, str] | None = None) -> Event:
    """Read one event with TensorBoard's own classes; slower, and they take long to import.

    Raises:
        NotAnEvent: when they refuse it.
    """
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.event_pb2 import Event as Proto

    try:
        proto = Proto.FromString(data)
    except DecodeError as error:
        raise NotAnEvent(str(error)) from error
    scalars: list[Scalar] = []
    texts: list[Text] = []
    named: list[tuple[str, str]] = []
    for value in proto.summary.value:
        plugin = value.metadata.plugin_data.plugin_name
        if plugin:
            named.append((value.tag, plugin))
        plugin = plugin or (plugins or {}).get(value.tag, "")
        if value.HasField("simple_value"):
            scalars.append(Scalar(tag=value.tag, value=value.simple_value))
        elif plugin == "hparams" and value.metadata.plugin_data.content:
            texts.append(Text(tag=value.tag, plugin=plugin, content=value.metadata.plugin_data.content))
        elif value.HasField("tensor"):
            found = _tensor_by_protobuf(value.tag, plugin, value.tensor)
            if isinstance(found, Scalar):
                scalars.append(found)
            elif found is not None:
                texts.append(found)
    return Event(
        wall_time=proto.wall_time,
        step=proto.step,
        scalars=tuple(scalars),
        texts=tuple(texts),
        file_version=proto.file_version,
        session_status=proto.session_log.status,
        writer=proto.source_metadata.writer,
        plugins=tuple(named),
        other=True,
    )


def fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Number, wire type, begin and end of each field of a message.

    Raises:
        Unusual: when a field runs over the end or has an old wire type.
    """
    while at < end:
        key = data[at]
        at += 1
        if key >= 0x80:
            key, at = _varint(data, at - 1, end)
        wire = key & 7
        if wire == 2:
            size = data[at] if at < end else 0
            if size < 0x80:
                at += 1
            else:
                size, at = _varint(data, at, end)
            stop = at + size
        elif wire == 0:
            stop = _varint(data, at, end)[1]
        elif wire == 1:
            stop = at + 8
        elif wire == 5:
            stop = at + 4
        else:
            raise Unusual("groups")
        if stop > end or key < 8:
            raise Unusual("a field runs over the end of its message")
        yield key >> 3, wire, at, stop
        at = stop


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
    raise Unusual("a number runs over the end")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _text(data: bytes, at: int, end: int) -> str:
    try:
        return data[at:end].decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unusual("not UTF-8") from error


def _value(
    data: bytes, at: int, end: int, plugins: dict[str, str], named: list[tuple[str, str]]
) -> Scalar | Text | None:
    """One ``Summary.Value``: a scalar, a declaration, or something that is neither."""
    tag = plugin = ""
    content = b""
    simple = tensor = -1
    tensor_end = kinds = tags = 0
    for number, wire, begin, stop in fields(data, at, end):
        if number == 1 and wire == 2:
            tag = _text(data, begin, stop)
            tags += 1
        elif number == 2 and wire == 5:
            simple = begin
            kinds += 1
        elif number == 8 and wire == 2:
            tensor, tensor_end = begin, stop
            kinds += 1
        elif number == 9 and wire == 2:
            if plugin:
                raise Unusual("metadata twice")
            plugin, content = plugin_of(data, begin, stop)
        elif number in (3, 4, 5, 6) and wire == 2:
            kinds += 1
        elif number in (7,) and wire == 2:
            _text(data, begin, stop)
        else:
            raise Unusual("an unknown kind of value")
    if tags != 1 or kinds > 1:
        raise Unusual("tag or value not given once")
    if plugin:
        named.append((tag, plugin))
    if simple >= 0:
        return Scalar(tag=tag, value=struct.unpack_from("<f", data, simple)[0], at=simple, form="<f4")
    plugin = plugin or plugins.get(tag, "")
    if plugin == "hparams" and content:
        return Text(tag=tag, plugin=plugin, content=content)
    return None if tensor < 0 else _tensor(data, tensor, tensor_end, tag, plugin)


def plugin_of(data: bytes, at: int, end: int) -> tuple[str, bytes]:
    """The plugin that the metadata of a value name, and what they say to it."""
    name, content = "", b""
    for number, wire, begin, stop in fields(data, at, end):
        if number != 1:
            continue
        if wire != 2 or name:
            raise Unusual("plugin data of another kind")
        for inner, inner_wire, inner_begin, inner_stop in fields(data, begin, stop):
            if inner_wire != 2:
                raise Unusual("plugin data of another kind")
            if inner == 1:
                name = _text(data, inner_begin, inner_stop)
            elif inner == 2:
                content = data[inner_begin:inner_stop]
    return name, content


def _tensor(data: bytes, at: int, end: int, tag: str, plugin: str) -> Scalar | Text | None:
    """A tensor of one number, or of one text."""
    if plugin not in SCALAR_PLUGINS and plugin not in DECLARING_PLUGINS:
        return None
    dtype, dims, held = 0, 1, None
    for number, wire, begin, stop in fields(data, at, end):
        if number == 1 and wire == 0:
            dtype = data[begin]
        elif number == 2 and wire == 2:
            dims = _elements(data, begin, stop)
        elif number != 3:
            if held is not None:
                raise Unusual("a tensor with two kinds of values")
            held = number, wire, begin, stop
    if dtype == STRING and plugin in DECLARING_PLUGINS:
        if held is None or held[0] != 8:
            return None
        return Text(tag=tag, plugin=plugin, content=data[held[2] : held[3]])
    if dtype not in DTYPES or plugin not in SCALAR_PLUGINS or dims != 1:
        return None
    if held is None:
        raise Unusual("an empty tensor")
    number, wire, begin, stop = held
    form: Form = "<f4" if dtype == 1 else "<f8"
    width = 4 if dtype == 1 else 8
    plain = dtype in (1, 2) and stop - begin == width
    if plain and (number == 4 or number == (5 if dtype == 1 else 6)):
        value = struct.unpack_from("<f" if dtype == 1 else "<d", data, begin)[0]
        return Scalar(tag=tag, value=value, at=begin, form=form, exact=dtype == 2)
    if number == 4 and wire == 2 and dtype != BFLOAT16:
        content = data[begin:stop]
        if len(content) != np.dtype(DTYPES[dtype]).itemsize:
            raise Unusual("content of another size")
        return Scalar(tag=tag, value=float(np.frombuffer(content, dtype=DTYPES[dtype])[0]), exact=dtype != 19)
    if number == VARINTS.get(dtype) and wire == 2:
        packed, behind = _varint(data, begin, stop)
        if behind == stop:
            return Scalar(tag=tag, value=float(_signed(packed) if dtype in SIGNED else packed), exact=True)
    raise Unusual("a tensor of another form")


def _elements(data: bytes, at: int, end: int) -> int:
    """How many numbers a shape holds; -1 when that is not known."""
    count = 1
    for number, wire, begin, stop in fields(data, at, end):
        if number == 2 and wire == 2:
            size = 0
            for inner, inner_wire, inner_begin, inner_stop in fields(data, begin, stop):
                if inner == 1 and inner_wire == 0:
                    size = _signed(_varint(data, inner_begin, inner_stop)[0])
            count *= size
        elif number == 3 and wire == 0 and data[begin]:
            return -1
    return count


def _session_status(data: bytes, at: int, end: int) -> int:
    status = 0
    for number, wire, begin, stop in fields(data, at, end):
        if number == 1 and wire == 0:
            status = _varint(data, begin, stop)[0]
    return status


def _writer(data: bytes, at: int, end: int) -> str:
    return next(
        (_text(data, begin, stop) for number, wire, begin, stop in fields(data, at, end) if number == 1 and wire == 2),
        "",
    )


def _tensor_by_protobuf(tag: str, plugin: str, tensor: Any) -> Scalar | Text | None:
    if plugin not in SCALAR_PLUGINS and plugin not in DECLARING_PLUGINS:
        return None
    if tensor.dtype == STRING:
        return (
            Text(tag=tag, plugin=plugin, content=tensor.string_val[0])
            if (plugin in DECLARING_PLUGINS and tensor.string_val)
            else None
        )
    if tensor.dtype not in DTYPES or plugin not in SCALAR_PLUGINS:
        return None
    if any(dim.size != 1 for dim in tensor.tensor_shape.dim) or tensor.tensor_shape.unknown_rank:
        return None
    try:
        value = _one_number(tensor)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return Scalar(tag=tag, value=value, exact=tensor.dtype not in FLOAT_DTYPES)


def _one_number(tensor: Any) -> float:
    """The number of a tensor that holds one. bfloat16 is the upper half of a float32."""
    if tensor.tensor_content:
        content = tensor.tensor_content
        if tensor.dtype == BFLOAT16:
            content = bytes(2) + content
        return float(np.frombuffer(content, dtype="<f4" if tensor.dtype == BFLOAT16 else DTYPES[tensor.dtype])[0])
    if tensor.dtype in (BFLOAT16, 19):
        bits = tensor.half_val[0]
        return float(
            np.array([bits << 16], dtype="<u4").view("<f4")[0]
            if tensor.dtype == BFLOAT16
            else np.array([bits], dtype="<u2").view("<f2")[0]
        )
    for name in ("float_val", "double_val", "int_val", "int64_val", "uint32_val", "uint64_val", "bool_val"):
        held = getattr(tensor, name)
        if len(held):
            return float(held[0])
    return 0.0  # a proto3 tensor without values is filled with the default
