"""Where a JSON document holds tables: lists of numbers side by side, lists of entries, under whatever keys.

``{"train": {"step": [...], "loss": [...]}, "valid": {...}}``, sacred's ``{"training.loss": {"steps": [...], "values":
[...]}}``, a Keras History, ``{"loss": [[1, 0.5], [2, 0.4]]}``, pandas' ``{"loss": {"0": 0.5}}``, entries keyed
``epoch_1``, and skorch's entries with a list of batches in each. Nothing is judged here.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from analyzer.readers.columns.step_axis import names_an_axis
from analyzer.readers.columns.wall_time import names_a_time
from analyzer.roles import role_of_tag
from analyzer.written_numbers import number_written

_SIGN = re.compile(r'"((?:[^"\\]++|\\.)*+)"(\s*+:)?|(-?\d[\d.eE+-]*+|NaN|null|-?Infinity)|([\[\]{}])', re.S)
ROWS_THAT_COUNT = 8  # of a list that is known by its name alone: three are milestones of a schedule
LOSSES = ("loss", "validation_loss", "epoch_loss")
DEEPEST = 6  # levels of keys above a list
BATCH = "batch of the run"  # the counter of entries that are nested in other entries
# keys that say no more of a list below them than that it is a log
PLAIN_KEYS = frozenset({
    "history", "metrics", "log", "logs", "params", "log_history", "records", "entries", "data", "results", "scalars",
    "training_history", "train_history", "stats", "curves", "losses",
})  # fmt: skip
_THE_VALUES = re.compile(r"^(?:values?|y|scalars?|data|metric)$", re.I)
_PHASE = re.compile(r"train(?:ing)?|val(?:id(?:ation)?)?|dev|test|eval", re.I)  # a key above the entries of a phase
_NUMBERED = re.compile(
    r"^(?:(?P<name>epochs?|ep|episodes?|steps?|iter(?:ation)?s?|rounds?)[ _:-]*+)?(?P<number>\d{1,15})$", re.I
)
OF_REWARDS = re.compile(r"rew|return|score|epsilon", re.I)  # of entries whose ``ep`` is an episode


class Table(Struct, frozen=True, kw_only=True):
    """Columns of equal length, or entries, and the keys that they stand below."""

    path: tuple[str, ...]
    lists: Mapping[str, Sequence[Any]] = {}
    entries: Sequence[Any] = ()
    counter: str = ""  # a column that counts batches, made by nesting

    @property
    def length(self) -> int:
        return len(self.entries) if self.entries else len(next(iter(self.lists.values())))


def tables_in(document: Any, *, cut: bool = False) -> list[Table]:
    """Every table of a document, those without a counter of their own joined by their length.

    In a cut document a last list that ends before the counter beside it belongs to its first rows.
    """
    if isinstance(document, list):
        return list(_of_list(document, ()))
    pool: dict[int, dict[str, Sequence[Any]]] = {}
    found = list(_below(document, (), pool, cut)) if isinstance(document, Mapping) else []
    return [*found, *(Table(path=(), lists=lists) for lists in pool.values())]


def _below(
    mapping: Mapping[str, Any], path: tuple[str, ...], pool: dict[int, dict[str, Sequence[Any]]], cut: bool
) -> Iterator[Table]:
    """The tables below some keys; lists without a counter beside them go to ``pool``, by length."""
    lists: dict[str, Sequence[Any]] = {}
    entries = _keyed_entries(mapping)
    if entries is not None:
        yield from _of_list(entries, path)
        return
    for key, value in mapping.items():
        if isinstance(value, Mapping) and (cells := _keyed_cells(value)) is not None:
            value = cells
        if isinstance(value, Mapping):
            if len(path) < DEEPEST:
                yield from _below(value, (*path, str(key)), pool, cut)
        elif isinstance(value, list) and value:
            if _numbers(value) or (isinstance(value[0], str) and names_a_time(str(key))):
                lists[str(key)] = value
            else:
                yield from _of_list(value, (*path, str(key)))
    counter = next((key for key, cells in lists.items() if names_an_axis(key) and _counts(cells)), None)
    if counter is None and path and {"x", "y"} <= lists.keys() and _counts(lists["x"]):  # a curve of ClearML
        counter, lists = "step", {"step" if key == "x" else key: cells for key, cells in lists.items()}
    last = next(reversed(lists), None)
    if cut and counter is not None and last is not None and 0 < len(lists[last]) < len(lists[counter]):
        lists[last] = [*lists[last], *[None] * (len(lists[counter]) - len(lists[last]))]
    for length in dict.fromkeys(map(len, lists.values())):
        alike = {key: cells for key, cells in lists.items() if len(cells) == length}
        if counter in alike:
            yield _named(Table(path=path, lists=alike), counter)
        else:
            pool.setdefault(length, {}).update(
                {"/".join((*_telling(path), key)): cells for key, cells in alike.items()}
            )


def _of_list(items: Sequence[Any], path: tuple[str, ...]) -> Iterator[Table]:
    """A list of entries, or of pairs (step, value)."""
    if any(isinstance(one, Mapping) for one in items):
        inner = _inner_entries([one for one in items if isinstance(one, Mapping)])
        yield Table(path=path, entries=items) if inner is None else _with_inner(items, inner, path)
    elif path and len(items) > 1 and all(_numbers(one) and len(one) == 2 for one in items):
        counter, values = (list(cells) for cells in zip(*items, strict=True))
        if _counts(counter):
            yield Table(path=path[:-1], lists={"step": counter, path[-1]: values})


def _inner_entries(items: Sequence[Mapping[str, Any]]) -> str | None:
    """The key below which entries hold entries of their own; None where they hold none."""
    return next((key for key in items[0] if any(_entries(one.get(key)) for one in items)), None)


def _entries(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, Mapping) for one in value)


def _with_inner(items: Sequence[Any], inner: str, path: tuple[str, ...]) -> Table:
    """Entries with a list of entries in each, as skorch's epochs have their batches: the inner ones come first.

    The counter goes up with each inner entry of training; the outer one has the count at which it was written.
    """
    every = [one for item in items if isinstance(item, Mapping) and _entries(item.get(inner)) for one in item[inner]]
    phased = any(str(key).startswith("train") for one in every for key in one)
    rows: list[dict[str, Any]] = []
    count = 0
    for item in items:
        if not isinstance(item, Mapping):
            continue
        for one in item[inner] if _entries(item.get(inner)) else ():
            count += not phased or any(str(key).startswith("train") for key in one)
            rows.append({BATCH: count, **{f"{inner}/{key}": value for key, value in one.items()}})
        rows.append({BATCH: count, **{key: value for key, value in item.items() if key != inner}})
    return Table(path=path, entries=rows, counter=BATCH)


def _keyed_entries(mapping: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """``{"epoch_1": {...}, "epoch_2": {...}}`` as entries; None for any other mapping."""
    found = [_NUMBERED.match(str(key)) for key in mapping]
    if len(found) < 2 or not all(found) or not all(isinstance(value, Mapping) for value in mapping.values()):
        return None
    of_rewards = any(OF_REWARDS.search(key) for value in mapping.values() for key in value)
    return [
        {_counter(one["name"], of_rewards=of_rewards): int(one["number"]), **value} if one and one["name"] else value
        for one, value in zip(found, mapping.values(), strict=True)
    ]


def _counter(name: str, *, of_rewards: bool = False) -> str:
    """What the word in front of a numbered key counts; an ``ep`` is an episode where rewards are told of it."""
    name = name.lower().rstrip("s")
    return name if name != "ep" else "episode" if of_rewards else "epoch"


def _keyed_cells(mapping: Mapping[str, Any]) -> list[Any] | None:
    """pandas' ``{"0": 0.5, "1": 0.4}`` as a list; None for any other mapping."""
    if len(mapping) < 2 or list(mapping) != [str(at) for at in range(len(mapping))]:
        return None
    cells = list(mapping.values())
    return cells if _numbers(cells) else None


def _numbers(cells: Any) -> bool:
    """Whether a list holds numbers, and nothing that holds others."""
    return (
        isinstance(cells, list)
        and any(type(one) in (int, float) for one in cells)
        and not any(isinstance(one, list | Mapping) for one in cells)
    )


def _counts(cells: Sequence[Any]) -> bool:
    """Whether a list goes up, as a counter does at most of its rows."""
    told = [one for one in cells if type(one) in (int, float)]
    rises = sum(after >= before for before, after in itertools.pairwise(told))
    return len(told) == len(cells) > 1 and 2 * rises >= len(told) - 1 and told[0] != told[-1]


def _telling(path: tuple[str, ...]) -> tuple[str, ...]:
    """The keys of a path that say something of the list below them."""
    return path[1:] if path and path[0].lower() in PLAIN_KEYS else path


def _named(table: Table, counter: str | None) -> Table:
    """Sacred's ``{"training.loss": {"steps", "timestamps", "values"}}``: the only values have the name of their key."""
    others = [key for key in table.lists if key != counter and not names_a_time(key)]
    if not table.path or len(others) != 1 or not _THE_VALUES.match(others[0]):
        return table
    lists = {table.path[-1] if key == others[0] else key: cells for key, cells in table.lists.items()}
    return Table(path=table.path[:-1], lists=lists)


def prefix_of(table: Table) -> str:
    """What stands in front of the tags of a table."""
    return "".join(f"{key}/" for key in _telling(table.path))


def tells_of_training(text: str) -> bool:
    """Whether the beginning of a document shows a list of numbers, or of entries, as a log has them."""
    path: list[str | None] = []  # the key of each bracket that is open; None of one in a list
    counted: list[float] = []
    entry: set[str] = set()
    key: str | None = None
    for name, colon, number, bracket in _SIGN.findall(text):
        if colon:
            key = name
            if len(path) > 1 and path[-1] is None:
                entry.add(name)
            continue
        if bracket in ("[", "{") and bracket:
            numbered = _NUMBERED.match(key) if key and bracket == "{" else None
            if numbered:
                entry = {_counter(numbered["name"] or "step")}
            path.append(None if numbered else key)
            key, counted = None, []
        elif bracket and path:
            if path.pop() is None:
                if _is_of_a_log(entry, [one for one in path if one]):
                    return True
                entry = set()
        elif number and path and (key is None or key.isdigit()) and any(path[-2:]):
            value = number_written(number)  # None for null, and for what only begins as a number
            counted.append(float("nan") if value is None else value)
            if _list_tells([one for one in path if one], counted):
                return True
        if not bracket:
            key = None
    return _is_of_a_log(entry, [one for one in path if one])


def _list_tells(path: Sequence[str], counted: Sequence[float]) -> bool:
    if len(counted) == 1:  # rates alone may be those that a configuration tries
        return not {role_of_tag(path[-1]), role_of_tag("/".join(path[-2:]))}.isdisjoint(LOSSES)
    counts = names_an_axis(path[-1]) or (path[-1] == "x" and role_of_tag("/".join(path[:-1])) in LOSSES)
    return len(counted) == ROWS_THAT_COUNT and counts and sorted(set(counted)) == list(counted)


def _is_of_a_log(keys: Iterable[str], path: Sequence[str]) -> bool:
    """Whether the keys of an entry are those of a log: below unknown keys it needs both a counter and a figure."""
    counts = any(map(names_an_axis, keys))
    tells = any(role_of_tag(one) in (*LOSSES, "learning_rate") for one in keys)
    plain = all(one.lower() in PLAIN_KEYS or _PHASE.fullmatch(one) for one in path)
    return (counts and tells) or ((counts or tells) and plain)
