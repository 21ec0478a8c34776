"""Objects of a JSON list or of JSON lines as columns, without a dictionary for each of them.

Most objects of a log have the same few keys. Those of the first piece are read as dictionaries and show which; of what
follows, a decoder that expects these keys makes objects whose numbers lie in slots, several times as fast. A piece that
holds anything else is read as dictionaries again: both ways give the same columns.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np

from analyzer.readers.columns import Column
from analyzer.readers.columns.entries import column_of_values, columns_of_entries
from analyzer.readers.columns.stack import Table

MOST_KEYS = 500  # of objects with more, each has but a few
TIMES_LEARNT = 8  # pieces that may bring something new; a log that goes on doing so has no shape

_ANY = msgspec.json.Decoder()
_ABSENT = float("nan")  # strict JSON has none, so no number is mistaken for it


def loads(data: bytes) -> Any:
    """A JSON text. What Python writes beyond the standard, as bare NaN, is read as well.

    Raises:
        ValueError: it is not valid.
    """
    with suppress(ValueError):
        return _ANY.decode(data)
    return json.loads(data.decode())  # bytes might be taken for UTF-16


class Objects:
    """The reader of the objects of one log, piece by piece."""

    def __init__(self) -> None:
        self._shape: _Shape | None = None
        self._left_to_learn = TIMES_LEARNT

    def of_list(self, piece: bytes) -> Table:
        """The objects of a list.

        Raises:
            ValueError: it is not valid, or holds something else.
        """
        if self._shape is not None:
            with suppress(ValueError, OverflowError):
                return self._shape.table(self._shape.list.decode(piece))
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
        if self._shape is not None:
            with suppress(ValueError, OverflowError):
                return _so_many(lines, self._shape.table(self._shape.one.decode_lines(piece)))
        try:
            entries = _ANY.decode_lines(piece)
        except ValueError:
            entries = [json.loads(line) for line in piece.decode().split("\n")]
        return _so_many(lines, self._table(entries))

    def _table(self, entries: Any) -> Table:
        """Dictionaries as columns; their keys are what is expected from now on."""
        if not isinstance(entries, list) or not {dict}.issuperset(map(type, entries)):
            raise ValueError("not only objects")
        if self._left_to_learn:
            self._left_to_learn -= 1
            self._shape = _shape_of(entries, self._shape)
        return len(entries), columns_of_entries(entries)


def _so_many(lines: int, table: Table) -> Table:
    if table[0] != lines:
        raise ValueError("not an object a line")
    return table


class _Shape:
    """Decoders of objects that have no other keys than those known."""

    def __init__(self, numbers: Sequence[str], others: Sequence[str]) -> None:
        self.numbers, self.others = tuple(numbers), tuple(others)
        self.names = [f"n{index}" for index in range(len(numbers))], [f"o{index}" for index in range(len(others))]
        fields = [
            *((name, int | float, _ABSENT) for name in self.names[0]),
            *((name, Any, msgspec.UNSET) for name in self.names[1]),
        ]
        kind = msgspec.defstruct(
            "Entry",
            fields,
            rename=dict(zip([*self.names[0], *self.names[1]], [*numbers, *others], strict=True)),
            forbid_unknown_fields=True,
            gc=False,
        )
        self.one: Any = msgspec.json.Decoder(kind)
        self.list: Any = msgspec.json.Decoder(list[kind])  # type: ignore[valid-type]

    def table(self, entries: Sequence[Any]) -> Table:
        """Decoded objects as columns.

        Raises:
            ValueError: a value is a list or an object.
            OverflowError: a whole number is beyond a float.
        """
        count = len(entries)
        columns = []
        for key, name in zip(self.numbers, self.names[0], strict=True):
            value = np.fromiter(map(attrgetter(name), entries), dtype=np.float64, count=count)
            there = value == value
            if there.all() and count:
                columns.append(Column(name=key, value=value))
            elif there.any():
                columns.append(Column(name=key, value=value[there], at=np.flatnonzero(there)))
        for key, name in zip(self.others, self.names[1], strict=True):
            found = list(map(attrgetter(name), entries))
            if not {dict, list}.isdisjoint(map(type, found)):
                raise ValueError("nested")
            at = [place for place, one in enumerate(found) if one is not msgspec.UNSET]
            if at:
                kept = [found[place] for place in at]
                columns.append(column_of_values(key, np.array(at, dtype=np.int64), kept, count))
        return count, columns


def _shape_of(entries: Sequence[Mapping[str, Any]], known: _Shape | None) -> _Shape | None:
    """The keys of some objects and those known before; None where they have too many, or are nested."""
    kinds: dict[str, set[type]] = {}
    if known is not None:
        kinds.update({key: {float} for key in known.numbers})
        kinds.update({key: {str} for key in known.others})
    for entry in entries:
        for key, value in entry.items():
            kinds.setdefault(key, set()).add(type(value))
    if len(kinds) > MOST_KEYS or any(kind & {dict, list} for kind in kinds.values()):
        return None
    numbers = [key for key, kind in kinds.items() if kind <= {int, float}]
    return _Shape(numbers, [key for key in kinds if key not in numbers])
