"""Objects of a JSON list or of JSON lines as columns, without a dictionary for each of them.

Most objects of a log have the same few keys. Those of the first piece are read as dictionaries and show which; of what
follows, a decoder that expects these keys makes objects whose numbers lie in slots, several times as fast. A piece that
holds anything else is read as dictionaries again: both ways give the same columns.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np

from analyzer.readers.columns import Column
from analyzer.readers.columns.entries import column_of_values, columns_of_entries
from analyzer.readers.columns.stack import Table, stacked
from analyzer.readers.json_pieces import pieces_of_list
from analyzer.written_numbers import loads_json

MOST_KEYS = 500  # of objects with more, each has but a few
TIMES_LEARNT = 8  # pieces that may bring something new; a log that goes on doing so has no shape

_ANY = msgspec.json.Decoder()
_ABSENT = float("nan")  # strict JSON has none, so no number is mistaken for it
# What Python writes beyond the standard, and numbers that stand for it while a piece is decoded.
_STAND_INS = {b"NaN": b"1.0715086071862673e-301", b"Infinity": b"1.0715086071862674e-301"}
_BEYOND = [re.compile(word + rb"(?=\s*[,}])") for word in _STAND_INS]
_MEANT = {float(_STAND_INS[word]): float(word) for word in _STAND_INS} | {-float(_STAND_INS[b"Infinity"]): -math.inf}
# A quote that ends a name follows one of its characters, one that begins a text does not: this is never within a text.
_BEHIND_A_NAME = re.compile(rb'[\w)\]%.-]"\s*:\s*-?$')
_LOOKED_BACK = 12  # bytes


def loads(data: bytes) -> Any:
    """A JSON text. What Python writes beyond the standard, as bare NaN, is read as well.

    Raises:
        ValueError: it is not valid.
    """
    with suppress(ValueError):
        return _ANY.decode(data)
    return loads_json(data.decode())  # bytes might be taken for UTF-16


class Objects:
    """The reader of the objects of one log, piece by piece."""

    def __init__(self) -> None:
        self._kinds: _Kinds = {}
        self._shape: _Shape | None = None  # made of them when the next piece comes
        self._learnt = False
        self._left_to_learn = TIMES_LEARNT

    def of_list(self, piece: bytes) -> Table:
        """The objects of a list.

        Raises:
            ValueError: it is not valid, or holds something else.
        """
        shape = self._known_shape()
        if shape is not None:
            with suppress(ValueError, OverflowError):
                return shape.read(piece, shape.list.decode)
        return self._table(loads(piece))

    def of_lines(self, piece: bytes) -> Table:
        """The objects of whole lines, the end of the last one left out.

        Raises:
            ValueError: a line is not one object.
        """
        lines = piece.count(b"\n") + 1
        # a line end inside an object has no closing brace before it and an opening one behind
        apart = piece.count(b"}\n{") + piece.count(b"}\r\n{") + 1
        if lines != apart or piece[:1] != b"{" or piece[-2:].rstrip(b"\r")[-1:] != b"}":
            raise ValueError("not an object a line")
        shape = self._known_shape()
        if shape is not None:
            with suppress(ValueError, OverflowError):
                return _so_many(lines, shape.read(piece, shape.one.decode_lines))
        try:
            entries = _ANY.decode_lines(piece)
        except ValueError:
            entries = [loads_json(line) for line in piece.decode().split("\n")]
        return _so_many(lines, self._table(entries))

    def _table(self, entries: Any) -> Table:
        """Dictionaries as columns; their keys are what is expected from now on."""
        if not isinstance(entries, list) or not {dict}.issuperset(map(type, entries)):
            raise ValueError("not only objects")
        if self._left_to_learn:
            self._left_to_learn -= 1
            with suppress(ValueError):
                for entry in entries:
                    _learn(entry, self._kinds)
                self._learnt = True
        return len(entries), columns_of_entries(entries)

    def _known_shape(self) -> _Shape | None:
        if self._learnt:
            self._learnt = False
            self._shape = _shape_of(self._kinds)
        return self._shape


def table_of_list(data: bytes, at: int) -> tuple[int, list[Column], int]:
    """How many objects a list holds, their columns, and the place of the bracket that closes it.

    Args:
        at: behind the bracket that opens the list.

    Raises:
        ValueError: the list is not complete, not valid, or holds something else.
    """
    objects = Objects()
    tables: list[Table] = []
    end = at
    for table, end in pieces_of_list(data, at, objects.of_list):  # noqa: B007  (the last end is the list's)
        tables.append(table)
    return sum(count for count, _ in tables), stacked(tables), end


def _so_many(lines: int, table: Table) -> Table:
    if table[0] != lines:
        raise ValueError("not an object a line")
    return table


# ---------------------------------------------------------------------------------------------------------------
# the shape of objects

_Kinds = dict[str, "set[type] | _Kinds"]  # the types that a key has held; the keys below it, where it holds objects


def _shape_of(kinds: _Kinds) -> _Shape | None:
    """The shape of objects with these keys; None where there are too many, or two columns would have one name."""
    if _keys_in(kinds) > MOST_KEYS:
        return None
    shape = _Shape(kinds)
    names = [name for name, _ in (*shape.numbers, *shape.others)]
    return shape if len(names) == len(set(names)) else None


def _keys_in(kinds: _Kinds) -> int:
    return sum(_keys_in(kind) if isinstance(kind, dict) else 1 for kind in kinds.values())


def _learn(entry: Mapping[str, Any], kinds: _Kinds) -> None:
    """Add the keys of an entry, and the types that they hold.

    Raises:
        ValueError: a key holds an object here, and something else there.
    """
    for key, value in entry.items():
        if type(value) is dict and value:
            below = kinds.setdefault(key, {})
            if isinstance(below, set):
                raise ValueError("an object and something else")
            _learn(value, below)
        else:
            found = kinds.setdefault(key, set())
            if isinstance(found, dict):
                raise ValueError("an object and something else")
            found.add(type(value))
            if type(value) is list and _of_list(value) is not msgspec.UNSET:
                found.add(float)


class _Shape:
    """Decoders of objects that have no other keys than those known."""

    def __init__(self, kinds: _Kinds) -> None:
        self.numbers: list[tuple[str, str]] = []  # name of the column, place in the decoded object
        self.others: list[tuple[str, str]] = []
        self.silent: set[str] = set()  # keys of lists that are left out: columns stand in order of their first value
        kind = self._struct(kinds, "", "")
        self.one: Any = msgspec.json.Decoder(kind)
        self.list: Any = msgspec.json.Decoder(list[kind])  # type: ignore[valid-type]

    def _struct(self, kinds: _Kinds, prefix: str, place: str) -> type[msgspec.Struct]:
        fields: list[tuple[str, Any, Any]] = []
        for index, (key, kind) in enumerate(kinds.items()):
            name = f"f{index}"
            if isinstance(kind, dict):
                below = self._struct(kind, f"{prefix}{key}/", f"{place}{name}.")
                fields.append((name, below, msgspec.field(default_factory=below)))
            elif kind <= {int, float}:
                fields.append((name, int | float, _ABSENT))
                self.numbers.append((f"{prefix}{key}", f"{place}{name}"))
            else:
                fields.append((name, Any, msgspec.UNSET))
                self.others.append((f"{prefix}{key}", f"{place}{name}"))
                if kind <= {list, dict}:
                    self.silent.add(f"{prefix}{key}")
        rename = {name: key for (name, _, _), key in zip(fields, kinds, strict=True)}
        return msgspec.defstruct("Entry", fields, rename=rename, forbid_unknown_fields=True, gc=False)

    def read(self, piece: bytes, decode: Callable[[bytes], Sequence[Any]]) -> Table:
        """Objects as columns.

        Raises:
            ValueError: a piece that holds something else.
            OverflowError: a whole number is beyond a float.
        """
        try:
            entries = decode(piece)
        except ValueError:
            if not any(word in piece for word in _STAND_INS):
                raise
        else:
            return self._table(entries, {})
        return self._table(decode(_strict(piece)), _MEANT)

    def _table(self, entries: Sequence[Any], stand_ins: Mapping[float, float]) -> Table:
        count = len(entries)
        columns = []
        for key, place in self.numbers:
            value = np.fromiter(map(attrgetter(place), entries), dtype=np.float64, count=count)
            there = value == value
            for written, meant in stand_ins.items():
                value[value == written] = meant
            if there.all() and count:
                columns.append(Column(name=key, value=value))
            elif there.any():
                columns.append(Column(name=key, value=value[there], at=np.flatnonzero(there)))
        for key, place in self.others:
            found = list(map(attrgetter(place), entries))
            kinds = set(map(type, found))
            if dict in kinds or (stand_ins and float in kinds):
                raise ValueError("neither numbers nor texts")
            at = np.arange(count)
            if list in kinds or msgspec.UnsetType in kinds:
                found = [_of_list(one) if type(one) is list else one for one in found]
                at = np.flatnonzero(np.fromiter((one is not msgspec.UNSET for one in found), dtype=bool, count=count))
                found = [one for one in found if one is not msgspec.UNSET]
            if found:
                if key in self.silent:
                    raise ValueError("the first value of a key")
                columns.append(column_of_values(key, at, found, count))
        return count, columns


def _strict(piece: bytes) -> bytes:
    """JSON in which numbers stand for bare NaN and infinity, wherever they are the value of a key.

    Raises:
        ValueError: one of these numbers is there already.
    """
    if any(written in piece for written in _STAND_INS.values()):
        raise ValueError("a number that should stand for another")
    for pattern in _BEYOND:

        def number(found: re.Match[bytes]) -> bytes:
            before = found.string[max(0, found.start() - _LOOKED_BACK) : found.start()]
            signed = before.endswith(b"-") and found[0] == b"NaN"
            return found[0] if signed or not _BEHIND_A_NAME.search(before) else _STAND_INS[found[0]]

        piece = pattern.sub(number, piece)
    return piece


def _of_list(value: list[Any]) -> Any:
    """A list of one number counts as the number, others are left out."""
    return value[0] if len(value) == 1 and type(value[0]) in (int, float) else msgspec.UNSET
