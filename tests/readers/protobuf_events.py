"""What TensorBoard's own classes read in an event: the oracle that the reader is held against."""

from __future__ import annotations

from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from tensorboard.compat.proto.event_pb2 import Event as Proto

from analyzer.readers.tfevents.event import DECLARING_PLUGINS, SCALAR_PLUGINS, Event, Scalar, Text
from analyzer.readers.tfevents.one_tensor import BFLOAT16, DTYPES, FLOAT_DTYPES, STRING
from analyzer.readers.tfevents.wire import NotAnEvent


def event_by_protobuf(data: bytes, plugins: dict[str, str] | None = None) -> Event:
    """Read one event with TensorBoard's own classes.

    Raises:
        NotAnEvent: when they refuse it.
    """
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
