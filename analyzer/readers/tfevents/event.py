"""The event layer: one event of TensorBoard's protobuf schema, read field by field from its bytes.

Only what training logs are made of is understood here (tensorboard/compat/proto/event.proto, summary.proto): scalars
in both forms, session marks, file headers, and the texts and hyperparameters that a run declares. Places of the
numbers are kept, so that an event can serve as a template for its like.
"""

from __future__ import annotations

import struct

from msgspec import Struct

from analyzer.readers.tfevents.one_tensor import number_in, text_in
from analyzer.readers.tfevents.wire import BYTES, EIGHT, FOUR, VARINT, Place, fields, joined, signed, text, varint

SESSION_START = 1  # event.proto: SessionLog.START
SCALAR_PLUGINS = ("scalars", "")
DECLARING_PLUGINS = ("text", "hparams")

# Numbers of fields and how each is written: event.proto, summary.proto
WALL_TIME, STEP, FILE_VERSION, SUMMARY, SESSION_LOG, SOURCE_METADATA = 1, 2, 3, 5, 7, 10
OF_EVENT = {WALL_TIME: EIGHT, STEP: VARINT, **dict.fromkeys(range(3, 11), BYTES)}
TAG, SIMPLE_VALUE, NODE_NAME, TENSOR, METADATA = 1, 2, 7, 8, 9
OF_VALUE = {SIMPLE_VALUE: FOUR, **dict.fromkeys((1, 3, 4, 5, 6, 7, 8, 9), BYTES)}


class Scalar(Struct, frozen=True, kw_only=True):
    """One logged number. ``at`` is its place in the event, ``form`` how it lies there ("": not a plain float)."""

    tag: str
    value: float
    at: int = -1
    form: str = ""
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
    plain: bool = False  # nothing but plain scalars, each field once: a template for its like


class _Values(Struct):
    """What the values of a summary say, and whether they are plain."""

    plugins: dict[str, str]  # that own tags whose metadata came earlier
    scalars: list[Scalar]
    texts: list[Text]
    named: list[tuple[str, str]]
    plain: bool


def parse_event(data: bytes, plugins: dict[str, str] | None = None) -> Event:
    """Read one event. ``plugins`` says which plugin owns a tag whose metadata came earlier.

    Raises:
        NotAnEvent: for bytes that are none.
    """
    wall_time, wall_at, step, step_at, step_width = 0.0, -1, 0, -1, 0
    kind, held, about = 0, list[Place](), list[Place]()
    seen: list[int] = []
    for number, wire, at, end in fields(data, 0, len(data)):
        seen.append(number)
        if OF_EVENT.get(number) != wire:
            seen.append(number)  # not known, and so not plain
        elif number == WALL_TIME:
            wall_time, wall_at = struct.unpack_from("<d", data, at)[0], at
        elif number == STEP:
            step, step_at, step_width = signed(varint(data, at, end)[0]), at, end - at
        elif number == SOURCE_METADATA:
            about.append((at, end))
        else:  # one of them, the last that is written
            kind, held = number, [*(held if kind == number else ()), (at, end)]
    values = _Values(plugins=plugins or {}, scalars=[], texts=[], named=[], plain=len(seen) == len(set(seen)))
    if kind == SUMMARY:
        _read_summary(*joined(data, held), values)
    return Event(
        wall_time=wall_time,
        step=step,
        scalars=tuple(values.scalars),
        texts=tuple(values.texts),
        file_version=text(data, *held[-1]) if kind == FILE_VERSION else "",
        session_status=_session_status(*joined(data, held)) if kind == SESSION_LOG else 0,
        writer=_writer(*joined(data, about)) if about else "",
        plugins=tuple(values.named),
        wall_at=wall_at,
        step_at=step_at,
        step_width=step_width,
        plain=values.plain and bool(values.scalars) and not values.texts and not about,
    )


def _read_summary(data: bytes, at: int, end: int, values: _Values) -> None:
    for number, wire, begin, stop in fields(data, at, end):
        if number == 1 and wire == BYTES:
            _read_value(data, begin, stop, values)
        else:
            values.plain = False


def _read_value(data: bytes, at: int, end: int, values: _Values) -> None:
    """One ``Summary.Value``: a scalar, a declaration, or something that is neither."""
    tag, kind, held, about = "", 0, list[Place](), list[Place]()
    seen: list[int] = []
    for number, wire, begin, stop in fields(data, at, end):
        seen.append(number)
        if OF_VALUE.get(number) != wire:
            seen.append(number)
        elif number == TAG:
            tag = text(data, begin, stop)
        elif number == METADATA:
            about.append((begin, stop))
        elif number != NODE_NAME:
            kind, held = number, [*(held if kind == number else ()), (begin, stop)]
    plugin, content = plugin_of(*joined(data, about)) if about else ("", b"")
    if plugin:
        values.named.append((tag, plugin))
    plugin = plugin or values.plugins.get(tag, "")
    scalar: Scalar | None = None
    if kind == SIMPLE_VALUE:
        place = held[-1][0]
        scalar = Scalar(tag=tag, value=struct.unpack_from("<f", data, place)[0], at=place, form="<f4")
    elif plugin == "hparams" and content:
        values.texts.append(Text(tag=tag, plugin=plugin, content=content))
    elif kind == TENSOR and plugin in SCALAR_PLUGINS:
        found = number_in(*joined(data, held))
        if found is not None:
            scalar = Scalar(tag=tag, value=found.value, at=found.at, form=found.form, exact=found.exact)
    if kind == TENSOR and plugin in DECLARING_PLUGINS and not (plugin == "hparams" and content):
        told = text_in(*joined(data, held))
        if told is not None:
            values.texts.append(Text(tag=tag, plugin=plugin, content=told))
    if scalar is not None:
        values.scalars.append(scalar)
    values.plain &= scalar is not None and scalar.form != "" and len(seen) == len(set(seen)) and TAG in seen


def plugin_of(data: bytes, at: int, end: int) -> tuple[str, bytes]:
    """The plugin that the metadata of a value name, and what they say to it."""
    name, content = "", b""
    parts = [(begin, stop) for number, wire, begin, stop in fields(data, at, end) if (number, wire) == (1, BYTES)]
    for begin, stop in parts:  # parts of one message
        for number, wire, inner, inner_stop in fields(data, begin, stop):
            if (number, wire) == (1, BYTES):
                name = text(data, inner, inner_stop)
            elif (number, wire) == (2, BYTES):
                content = data[inner:inner_stop]
    return name, content


def _session_status(data: bytes, at: int, end: int) -> int:
    status = 0
    for number, wire, begin, stop in fields(data, at, end):
        if (number, wire) == (1, VARINT):
            status = signed(varint(data, begin, stop)[0], bits=32)
    return status


def _writer(data: bytes, at: int, end: int) -> str:
    name = ""
    for number, wire, begin, stop in fields(data, at, end):
        if (number, wire) == (1, BYTES):
            name = text(data, begin, stop)
    return name
