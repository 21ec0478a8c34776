"""Our own records as bytes and back: numbers, texts, arrays and names of record types, and nothing that could run.

What is read makes records of this package and nothing else, whoever wrote it. Records that stood in two places stand
there as one again.
"""

from __future__ import annotations

import datetime
import importlib
import zlib
from collections.abc import Mapping
from enum import Enum
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

PACKAGE = __name__.partition(".")[0]
ARRAY_KINDS = "biufUS"  # numbers and texts: an array of objects is none of ours
BROKEN = (zlib.error, msgspec.DecodeError, TypeError, AttributeError, LookupError, ImportError, RecursionError)
SCALARS = (bool, float, str, type(None))


def to_bytes(value: Any) -> bytes:
    """A value of our records, packed.

    Raises:
        TypeError: for anything that is neither a record of this package nor plain data.
    """
    writing = _Writing()
    top = writing.plain(value)
    return zlib.compress(msgspec.msgpack.encode([writing.records, top]), level=1)


def from_bytes(content: bytes) -> Any:
    """The value that ``to_bytes`` packed.

    Raises:
        ValueError: for bytes that ``to_bytes`` did not write, or not in this version.
    """
    try:
        records, top = msgspec.msgpack.decode(zlib.decompress(content))
        reading = _Reading()
        for record in records:
            reading.records.append(reading.record(record))
        return reading.value(top)
    except BROKEN as error:
        raise ValueError(f"no record of ours: {error}") from error


class _Writing:
    def __init__(self) -> None:
        self.records: list[Any] = []
        self.places: dict[int, int] = {}  # id of a record -> its place among the records
        self.alive: list[Any] = []  # an id is the record's own only while it lives

    def plain(self, value: Any) -> Any:
        kind = type(value)
        if kind in SCALARS:
            return value
        if kind is int:
            return value if -(2**63) <= value < 2**64 else ["int", str(value)]
        if kind is tuple or kind is list:
            return [kind.__name__, *map(self.plain, value)]
        if kind is set or kind is frozenset:
            return [kind.__name__, *map(self.plain, sorted(value))]
        if isinstance(value, Enum):
            return ["enum", _name(kind), value.name]
        if isinstance(value, Mapping):
            return ["map", *(self.plain(part) for pair in value.items() for part in pair)]
        if isinstance(value, (Path, Fraction, datetime.date)):
            return [_text_kind(value), str(value)]
        return ["of", self.place(value)]

    def place(self, value: Any) -> int:
        if id(value) not in self.places:
            record = self.record(value)  # what it holds comes first
            self.places[id(value)] = len(self.records)
            self.records.append(record)
            self.alive.append(value)
        return self.places[id(value)]

    def record(self, value: Any) -> list[Any]:
        kind: type = type(value)
        if isinstance(value, (np.ndarray, np.generic)):
            if value.dtype.kind not in ARRAY_KINDS:
                raise TypeError(f"an array of {value.dtype}")
            return ["array", value.dtype.str, list(value.shape), value.tobytes(), isinstance(value, np.generic)]
        if not _is_ours(kind):
            raise TypeError(f"a {kind.__module__}.{kind.__qualname__}")
        if isinstance(value, tuple):
            return ["tuple", _name(kind), *map(self.plain, value)]
        return ["record", _name(kind), {name: self.plain(getattr(value, name)) for name in kind.__struct_fields__}]  # type: ignore[attr-defined]


class _Reading:
    def __init__(self) -> None:
        self.records: list[Any] = []

    def value(self, plain: Any) -> Any:
        if not isinstance(plain, list):
            return plain
        kind, *parts = plain
        if kind == "of":
            return self.records[parts[0]]
        if kind in ("tuple", "list", "set", "frozenset"):
            return _COLLECTIONS[kind](map(self.value, parts))
        if kind == "map":
            values = [self.value(part) for part in parts]
            return dict(zip(values[::2], values[1::2], strict=True))
        if kind == "enum":
            return _own_type(parts[0])[parts[1]]
        return _TEXTS[kind](parts[0])

    def record(self, plain: Any) -> Any:
        kind, name, *parts = plain
        if kind == "array":
            shape, content, single = parts
            array = np.frombuffer(content, dtype=name).reshape(shape)
            return array[()] if single else array
        own = _own_type(name)
        if kind == "tuple":
            return own(*map(self.value, parts))
        return own(**{key: self.value(value) for key, value in parts[0].items()})


_COLLECTIONS: dict[str, Any] = {"tuple": tuple, "list": list, "set": set, "frozenset": frozenset}
_TEXTS: dict[str, Any] = {
    "int": int,
    "path": Path,
    "fraction": Fraction,
    "date": datetime.date.fromisoformat,
    "time": datetime.datetime.fromisoformat,
}


def _text_kind(value: Any) -> str:
    if isinstance(value, datetime.datetime):
        return "time"
    if isinstance(value, datetime.date):
        return "date"
    return "fraction" if isinstance(value, Fraction) else "path"


@cache
def _is_ours(kind: type) -> bool:
    """Whether a type is a record or an enumeration that a module of this package defines at its top."""
    if not kind.__module__.startswith(f"{PACKAGE}.") or "." in kind.__qualname__:
        return False
    named_tuple = issubclass(kind, tuple) and hasattr(kind, "_fields")
    return issubclass(kind, (msgspec.Struct, Enum)) or named_tuple


def _name(kind: type) -> str:
    if not _is_ours(kind):
        raise TypeError(f"a {kind.__module__}.{kind.__qualname__}")
    return f"{kind.__module__}:{kind.__qualname__}"


@cache
def _own_type(name: str) -> Any:
    """A record type of this package by its name.

    Raises:
        LookupError: for a name of anything else.
    """
    module, _, qualname = name.partition(":")
    if not module.startswith(f"{PACKAGE}.") or module.endswith("__main__"):
        raise LookupError(name)
    kind = getattr(importlib.import_module(module), qualname)
    if not isinstance(kind, type) or not _is_ours(kind) or _name(kind) != name:
        raise LookupError(name)
    return kind
