"""Entries (JSON objects, parsed lines) to columns."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, count
from operator import itemgetter
from typing import Any

import numpy as np
from msgspec import Struct

from analyzer.distinct import distinct
from analyzer.model import Floats, Ints
from analyzer.readers.columns import Column
from analyzer.written_numbers import BEYOND, number_written

_MOST_BITS = 1023  # of an integer that a double holds
FEWEST_OF_A_SHAPE = 8  # entries with the same keys, on average, from which it pays to take them together
_IN_CACHE = 1 << 12  # entries looked at together: what is made of them on the way never leaves the cache


def columns_of_entries(entries: Sequence[Mapping[str, Any]]) -> list[Column]:
    """Entries as columns, keys in order of first appearance; nested objects are flattened.

    Entries with equally many keys nearly always have the same ones, and are taken together: no Python code runs for
    each number.
    """
    lengths = np.fromiter(map(len, entries), dtype=np.int64, count=len(entries))
    shapes: list[_Shape] = []
    for length in distinct(lengths[lengths > 0]):
        at = np.flatnonzero(lengths == length)
        shapes += _by_shape(_chosen(entries, at), at)
    lists = [found for shape in shapes for found in shape.cells if isinstance(found, list)]
    if any(not {dict, list}.isdisjoint(map(type, found)) for found in lists):
        return columns_of_entries([flatten(entry) for entry in entries])
    parts: dict[str, list[tuple[Ints, list[Any] | Floats]]] = {}
    for shape in sorted(shapes, key=lambda one: int(one.at[0])):
        for key, found in zip(shape.keys, shape.cells, strict=True):
            parts.setdefault(key, []).append((shape.at, found))
    return [_joined(key, found, len(entries)) for key, found in parts.items()]


class _Shape(Struct, frozen=True, kw_only=True, eq=False):
    """The values of entries that have the same keys."""

    keys: tuple[str, ...]
    at: Ints  # positions of the entries
    cells: Sequence[list[Any] | Floats]  # for each key; an array where all are numbers


def _by_shape(entries: Sequence[Mapping[str, Any]], at: Ints) -> Iterator[_Shape]:
    """Entries with equally many keys."""
    keys = tuple(entries[0])
    try:
        cells = _cells(entries, keys)
    except KeyError:
        number: defaultdict[frozenset[str], int] = defaultdict(count().__next__)
        shape = np.fromiter(map(number.__getitem__, map(frozenset, entries)), dtype=np.int64, count=len(entries))
        if len(number) * FEWEST_OF_A_SHAPE > len(entries):
            yield from _key_by_key(entries, at)
            return
        for index in range(len(number)):
            chosen = np.flatnonzero(shape == index)
            yield from _by_shape(_chosen(entries, chosen), at[chosen])
    else:
        yield _Shape(keys=keys, at=at, cells=cells)


def _key_by_key(entries: Sequence[Mapping[str, Any]], at: Ints) -> Iterator[_Shape]:
    """Entries of which hardly any two have the same keys."""
    found: dict[str, tuple[list[int], list[Any]]] = {}
    for place, entry in enumerate(entries):
        for key, value in entry.items():
            where, cells = found.setdefault(key, ([], []))
            where.append(place)
            cells.append(value)
    yield from (_Shape(keys=(key,), at=at[where], cells=[cells]) for key, (where, cells) in found.items())


def _chosen(entries: Sequence[Mapping[str, Any]], at: Ints) -> Sequence[Mapping[str, Any]]:
    return entries if len(at) == len(entries) else [entries[index] for index in at.tolist()]


def _cells(entries: Sequence[Mapping[str, Any]], keys: tuple[str, ...]) -> Sequence[list[Any] | Floats]:
    """The values of each key, in pieces that stay in the cache; KeyError where an entry has other keys."""
    value_of = itemgetter(*keys) if len(keys) > 1 else lambda entry: (entry[keys[0]],)
    table = np.empty((len(keys), len(entries)))
    for start in range(0, len(entries), _IN_CACHE):
        some = entries[start : start + _IN_CACHE]
        numbers = _numbers(list(chain.from_iterable(map(value_of, some))))
        if numbers is None:
            cells = list(chain.from_iterable(map(value_of, entries)))
            of_key = [cells[place :: len(keys)] for place in range(len(keys))]
            return [found if (number := _numbers(found)) is None else number for found in of_key]
        table[:, start : start + len(some)] = numbers.reshape(-1, len(keys)).T
    return list(table)


def _numbers(cells: list[Any]) -> Floats | None:
    """Cells as an array; None where one is no number, or beyond a float.

    An array takes True for 1; so the types of ones and zeros are looked at, and of no other cell.
    """
    try:
        value: Floats = np.frombuffer(array("d", cells))
    except (TypeError, OverflowError):
        return None
    as_bool = np.flatnonzero((value == 0) | (value == 1)).tolist()
    return None if bool in map(type, map(cells.__getitem__, as_bool)) else value


def _joined(name: str, parts: list[tuple[Ints, list[Any] | Floats]], rows: int) -> Column:
    """The values of one key from entries of several shapes, in the order of the entries."""
    at, values = parts[0]
    if len(parts) > 1:
        at = np.concatenate([where for where, _ in parts])
        order = np.argsort(at, kind="stable")
        at = at[order]
        tables = [found for _, found in parts if isinstance(found, np.ndarray)]
        if len(tables) == len(parts):
            values = np.concatenate(tables)[order]
        else:
            mixed = [value for _, found in parts for value in (found if isinstance(found, list) else found.tolist())]
            values = [mixed[index] for index in order.tolist()]
    if isinstance(values, list):
        return column_of_values(name, at, values, rows)
    return Column(name=name, value=values, at=None if len(at) == rows else at)


def _number_in_quotes(text: str) -> str | float:
    """fairseq writes its numbers as strings, strict JSON writers NaN and infinity."""
    number = number_written(text)
    return text if number is None else number


def column_of_values(name: str, at: Ints, found: list[Any], rows: int) -> Column:
    """Numbers and texts of one key apart. True, False and null are neither."""
    kinds = set(map(type, found))
    if int in kinds:
        found = [BEYOND if type(one) is int and one.bit_length() > _MOST_BITS else one for one in found]
        kinds = set(map(type, found))
    if kinds <= {int, float}:
        value = np.array(found, dtype=np.float64)
        return Column(name=name, value=value, at=None if len(at) == rows else at)
    if kinds == {str} and all(number_written(one) is None for one in set(found)):
        return Column(name=name, value=np.empty(0), at=at[:0], text_at=at, text=found)
    found = [_number_in_quotes(one) if type(one) is str else one for one in found]
    numbers = [index for index, one in enumerate(found) if type(one) in (int, float)]
    texts = [index for index, one in enumerate(found) if isinstance(one, str)]
    return Column(
        name=name,
        value=np.array([float(found[index]) for index in numbers], dtype=np.float64),
        at=None if len(numbers) == rows else at[numbers],
        text_at=at[texts].tolist(),
        text=[found[index] for index in texts],
    )


def flatten(entry: Mapping[str, Any], *, separator: str = "/") -> dict[str, Any]:
    """Nested objects flattened, keys joined with a slash.

    A list of one number counts as the number, other lists are left out.
    """
    flat: dict[str, Any] = {}
    stack: list[tuple[str, Any]] = list(reversed([(str(key), value) for key, value in entry.items()]))
    while stack:
        key, value = stack.pop()
        if isinstance(value, Mapping) and value:
            stack.extend(reversed([(f"{key}{separator}{inner}", one) for inner, one in value.items()]))
        elif isinstance(value, list) and len(value) == 1 and type(value[0]) in (int, float):
            flat[key] = value[0]
        elif not isinstance(value, list | Mapping):
            flat[key] = value
    return flat
