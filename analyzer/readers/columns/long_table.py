"""Long tables and tables of phases: a row for each value, or a column that says which phase a row belongs to."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Sequence
from typing import TypeVar

import numpy as np
from msgspec.structs import replace

from analyzer.model import Floats, Ints
from analyzer.readers.columns import Column, Dialect
from analyzer.readers.columns.step_axis import choose_axis, names_an_axis
from analyzer.readers.columns.texts import few_labels
from analyzer.readers.columns.wall_time import names_a_time
from analyzer.roles import role_of_tag

_Label = TypeVar("_Label", bound=Hashable)
_Run = tuple[str, list[Column], Ints | None]  # its name, its columns, and its rows among all; None where it has all

_TAG_COLUMNS = re.compile(r"^(?:tag|metric|metric[_. ]?name|key|name|series|variable)$", re.I)
_VALUE_COLUMNS = re.compile(r"^(?:value|metric[_ ]?value|values?|scalar)$", re.I)
_RUN_COLUMNS = re.compile(r"^(?:run|run[_. ]?(?:id|name|uuid|hash)|experiment|exp)$", re.I)
_PHASE_COLUMNS = re.compile(
    r"^(?:metric\.context\.)?(?:phase|split|stage|mode|subset|set|partition|type|job_type)$", re.I
)
# numbers that name a run, where the counter begins anew with each of them
_NUMBER_OF_A_RUN = re.compile(
    r"^(?:(?:k_?)?fold|seed|trial|run|variant|client|agent|replica|member)(?:_?(?:id|idx|no))?$", re.I
)
FALLS_OF_RUNS = 2  # falls of the counter that may be those of three runs; one fall is a place where one began again
FEWEST_OF_A_RUN = 3  # rows behind the first
MOST_RUNS = 500
_MOST_PHASES = 6
_MOST_SPELLINGS = 64  # of those: capitals, blanks
_WORDS = re.compile(r"[_ /.-]")
_PHASES = {"train", "training", "val", "valid", "validation", "eval", "evaluation", "test", "dev", "step", "epoch"}


def is_long_form(name: str) -> bool:
    """Whether a column of this name may hold the values of a long table."""
    return _VALUE_COLUMNS.search(name.strip()) is not None


def pivot(columns: Sequence[Column], rows: int) -> list[_Run]:
    """A long table (run, tag, step, value) as one table of columns a run; any other table unchanged, as one run.

    Each with the rows that it is made of; None where these are all.
    """
    tag = _text_column(columns, _TAG_COLUMNS)
    value = next((one for one in columns if _VALUE_COLUMNS.search(one.name.strip()) and len(one.value)), None)
    run = _text_column(columns, _RUN_COLUMNS)
    if tag is None or value is None:
        return [("", list(columns), None)]
    positions = value.positions(rows)
    keys, key = _numbered([*zip(_cells_at(run, positions), _cells_at(tag, positions), strict=True)])
    others = [one for one in columns if one is not tag and one is not value and one is not run]
    of_tag = list(zip(keys, _places_of(key, len(keys)), strict=True))
    if run is None:
        tags = [Column(name=name, value=value.value[at], at=positions[at]) for (_, name), at in of_tag]
        return [("", [*others, *tags], None)]
    runs, run_of_row = _numbered(_cells_at(run, np.arange(rows)))
    rows_of = dict(zip(runs, _places_of(run_of_row, len(runs)), strict=True))
    place = np.empty(rows, dtype=np.int64)  # of each row among those of its run
    for own in rows_of.values():
        place[own] = np.arange(len(own))
    tables: dict[str, list[Column]] = {of_run: [] for (of_run, _), _ in of_tag}
    for one in others:
        for of_run, part in _by_run(one, [runs[number] for number in run_of_row.tolist()], place, rows).items():
            if of_run in tables:
                tables[of_run].append(part)
    for (of_run, name), at in of_tag:
        tables[of_run].append(Column(name=name, value=value.value[at], at=place[positions[at]]))
    return [(name, table, rows_of[name]) for name, table in tables.items()]


def runs_by_label(columns: Sequence[Column], rows: int, dialect: Dialect) -> list[_Run]:
    """A table in which a column says of which run each row is, as one table a run; any other as one run.

    It says so where the counter falls time and again, never within a label, and begins with every label where it began
    with the first: a host or a phase changes at places where a run goes on.
    """
    whole: list[_Run] = [("", list(columns), None)]
    labels = [one for one in columns if _may_name_runs(one, rows)]
    axis = choose_axis(columns, rows, dialect).column if labels else None
    step = next((one for one in columns if one.name == axis), None)
    if step is None or len(step.value) < rows or np.count_nonzero(np.diff(step.value) < 0) < FALLS_OF_RUNS:
        return whole
    for label in labels:
        cells: Sequence[str] = label.text if len(label.text) else [f"{value:g}" for value in label.value.tolist()]
        found = few_labels(cells, MOST_RUNS)
        if found is None or len(found[0]) < 2 or not _count_alike(step.value, found[1], len(found[0])):
            continue
        rows_of = dict(zip(found[0], _places_of(found[1], len(found[0])), strict=True))
        place = np.empty(rows, dtype=np.int64)  # of each row among those of its run
        for own in rows_of.values():
            place[own] = np.arange(len(own))
        of_row = [found[0][code] for code in found[1].tolist()]
        tables: dict[str, list[Column]] = {name: [] for name in found[0]}
        for one in (one for one in columns if one is not label):
            for name, part in _by_run(one, of_row, place, rows).items():
                tables[name].append(part)
        prefix = "" if len(label.text) else f"{label.name} "
        return [(prefix + name, table, rows_of[name]) for name, table in tables.items()]
    return whole


def _may_name_runs(column: Column, rows: int) -> bool:
    """Whether a column has a text in every row, or numbers under a name of runs."""
    if len(column.value) == rows:
        return _NUMBER_OF_A_RUN.search(column.name.strip()) is not None
    return len(column.text) == rows


def _count_alike(step: Floats, code: Ints, labels: int) -> bool:
    """Whether the steps of every label rise, and begin where those of the first do."""
    order = np.argsort(code, kind="stable")
    sorted_steps, sorted_codes = step[order], code[order]
    begins = np.searchsorted(sorted_codes, np.arange(labels))
    inside = sorted_codes[1:] == sorted_codes[:-1]
    if np.any(np.diff(sorted_steps)[inside] < 0) or not np.all(inside.sum() >= FEWEST_OF_A_RUN * labels):
        return False
    return bool(np.all(sorted_steps[begins] == sorted_steps[0]))


def _cells_at(column: Column | None, positions: Ints) -> list[str]:
    """The text of a column in some rows, "" where it holds none."""
    if column is None:
        return [""] * len(positions)
    text_of = dict(zip(map(int, column.text_at), column.text, strict=True))
    return [text_of.get(at, "") for at in positions.tolist()]


def _numbered(labels: Sequence[_Label]) -> tuple[list[_Label], Ints]:
    """The distinct labels in order of their first appearance, and the number of each."""
    number = {label: place for place, label in enumerate(dict.fromkeys(labels))}
    return list(number), np.fromiter(map(number.__getitem__, labels), dtype=np.int64, count=len(labels))


def _places_of(number: Ints, count: int) -> list[Ints]:
    """Where each number stands, in rising order."""
    if not count:
        return []
    order = np.argsort(number, kind="stable")
    return np.split(order, np.searchsorted(number[order], np.arange(1, count)))


def _by_run(column: Column, of_row: Sequence[str], place: Ints, rows: int) -> dict[str, Column]:
    """A column of a long table, cut into the cells of each run; ``place`` is that of a row among those of its run."""
    at = column.positions(rows)
    runs, number = _numbered([of_row[row] for row in at.tolist()])
    found = {
        name: Column(name=column.name, value=column.value[places], at=place[at[places]])
        for name, places in zip(runs, _places_of(number, len(runs)), strict=True)
    }
    texts: dict[str, tuple[list[int], list[str]]] = {}
    for row, cell in zip(map(int, column.text_at), column.text, strict=True):
        of_run = texts.setdefault(of_row[row], ([], []))
        of_run[0].append(int(place[row]))
        of_run[1].append(cell)
    for name, (text_at, text) in texts.items():
        numbers = found.get(name) or Column(name=column.name, value=np.empty(0), at=np.empty(0, dtype=np.int64))
        found[name] = replace(numbers, text_at=text_at, text=text)
    return found


def _text_column(columns: Sequence[Column], pattern: re.Pattern[str]) -> Column | None:
    return next((one for one in columns if pattern.search(one.name.strip()) and len(one.text) > len(one.value)), None)


def split_phases(columns: Sequence[Column], rows: int) -> list[Column]:
    """A column that says `train` or `val` a row splits the others: ``loss`` becomes ``train/loss`` and ``val/loss``."""
    phase = _text_column(columns, _PHASE_COLUMNS)
    if phase is None:
        return list(columns)
    found = few_labels(phase.text, _MOST_SPELLINGS)
    if found is None or not _are_phases(found[0]):
        return list(columns)
    spelled = [label.strip() for label in found[0]]
    short = {label: _phase_of(label) for label in spelled}
    if len(set(short.values())) == len(set(spelled)):
        spelled = [short[label] for label in spelled]
    labels = list(dict.fromkeys(["", *spelled]))
    number = np.array([labels.index(label) for label in spelled], dtype=np.int64)
    of_row = np.zeros(rows, dtype=np.int64)  # number of each row's phase; 0 where it has none
    of_row[np.asarray(phase.text_at, dtype=np.int64)] = number[found[1]]
    rows_of = [np.flatnonzero(of_row == place) for place in range(len(labels))]
    split: list[Column] = []
    for column in columns:
        shared = (
            names_an_axis(column.name) or names_a_time(column.name) or role_of_tag(column.name) in ("epoch", "step")
        )
        if column is phase or shared or not len(column.value):
            split.append(column)
        else:
            split += _by_phase(column, labels, of_row, rows_of)
    return split


def _are_phases(labels: Sequence[str]) -> bool:
    values = {label.strip().lower() for label in labels}
    return 2 <= len(values) <= _MOST_PHASES and any(_phase_of(value) in _PHASES for value in values)


def _phase_of(label: str) -> str:
    """The phase that a label begins with: ``train`` of ``train_loss``, which says what is written beside it."""
    first = _WORDS.split(label, maxsplit=1)[0]
    return first if first.lower() in _PHASES else label


def _by_phase(column: Column, labels: Sequence[str], of_row: Ints, rows_of: Sequence[Ints]) -> Iterator[Column]:
    """The numbers of a column by the phase of their rows, in the order in which phases first have one."""
    if column.at is None:
        chosen = at = list(rows_of)
    else:
        phase = of_row[column.at]
        chosen = [np.flatnonzero(phase == place) for place in range(len(labels))]
        at = [column.at[one] for one in chosen]
    present = [place for place in range(len(labels)) if len(chosen[place])]
    for place in sorted(present, key=lambda place: int(at[place][0])):
        name = f"{labels[place]}/{column.name}" if labels[place] else column.name
        yield Column(name=name, value=column.value[chosen[place]], at=at[place])
