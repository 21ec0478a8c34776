"""Long tables and tables of phases: a row for each value, or a column that says which phase a row belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from analyzer.model import Ints
from analyzer.readers.columns import Column
from analyzer.readers.columns.step_axis import names_an_axis
from analyzer.readers.columns.texts import few_labels
from analyzer.readers.columns.wall_time import names_a_time
from analyzer.roles import role_of_tag

_TAG_COLUMNS = re.compile(r"^(?:tag|metric|metric[_ ]name|key|name|series|variable)$", re.I)
_VALUE_COLUMNS = re.compile(r"^(?:value|metric[_ ]value|values?|scalar)$", re.I)
_RUN_COLUMNS = re.compile(r"^(?:run|run[_ ]?(?:id|name|uuid)|experiment|exp)$", re.I)
_PHASE_COLUMNS = re.compile(r"^(?:phase|split|stage|mode|subset|set|partition|type|job_type)$", re.I)
_MOST_PHASES = 6
_MOST_SPELLINGS = 64  # of those: capitals, blanks
_PHASES = {"train", "training", "val", "valid", "validation", "eval", "evaluation", "test", "dev", "step", "epoch"}


def is_long_form(name: str) -> bool:
    """Whether a column of this name may hold the values of a long table."""
    return _VALUE_COLUMNS.search(name.strip()) is not None


def pivot(columns: Sequence[Column], rows: int) -> list[tuple[str, list[Column]]]:
    """A long table (run, tag, step, value) as one table of columns a run; any other table unchanged, as one run."""
    tag = _text_column(columns, _TAG_COLUMNS)
    value = next((one for one in columns if _VALUE_COLUMNS.search(one.name.strip()) and len(one.value)), None)
    run = _text_column(columns, _RUN_COLUMNS)
    if tag is None or value is None:
        return [("", list(columns))]
    tag_of = dict(zip(tag.text_at, tag.text, strict=True))
    run_of = dict(zip(run.text_at, run.text, strict=True)) if run is not None else {}
    positions = value.positions(rows)
    keys = [(run_of.get(at, ""), tag_of.get(at, "")) for at in positions.tolist()]
    others = [one for one in columns if one is not tag and one is not value and one is not run]
    tables: dict[str, list[Column]] = {}
    for key in dict.fromkeys(keys):
        chosen = np.fromiter((one == key for one in keys), dtype=bool, count=len(keys))
        at = positions[chosen]
        table = tables.setdefault(key[0], [_only(one, run_of, key[0], rows) for one in others])
        table.append(Column(name=key[1], value=value.value[chosen], at=at))
    return list(tables.items())


def _only(column: Column, run_of: Mapping[int, str], run: str, rows: int) -> Column:
    """The cells of one run in a column of a long table."""
    if not run_of:
        return column
    at = column.positions(rows)
    mine = np.fromiter((run_of.get(row, "") == run for row in at.tolist()), dtype=bool, count=len(at))
    texts = [(row, cell) for row, cell in zip(column.text_at, column.text, strict=True) if run_of.get(row, "") == run]
    return Column(
        name=column.name,
        value=column.value[mine],
        at=at[mine],
        text_at=[row for row, _ in texts],
        text=[cell for _, cell in texts],
    )


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
    labels = list(dict.fromkeys(["", *(label.strip() for label in found[0])]))
    number = np.array([labels.index(label.strip()) for label in found[0]], dtype=np.int64)
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
    return 2 <= len(values) <= _MOST_PHASES and bool(values & _PHASES)


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
