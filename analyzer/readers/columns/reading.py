"""Columns over numbered rows as a reading: steps, wall times, series, and what could not be read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from analyzer.model import NO_STEP, Fact, Floats, Ints, Marker, Problem, Series, Source
from analyzer.readers import Reading
from analyzer.readers.bounds import worth_reading
from analyzer.readers.columns import Column, ColumnAxis, Dialect
from analyzer.readers.columns.long_table import pivot, runs_by_label, split_phases
from analyzer.readers.columns.order import is_newest_first, reversed_rows
from analyzer.readers.columns.places import PLACE, may_be_a_place, places_of
from analyzer.readers.columns.places_of_totals import with_totals_apart
from analyzer.readers.columns.step_axis import choose_axis, gaps_look_random, names_an_axis, whole_steps
from analyzer.readers.columns.units import in_plain_units
from analyzer.readers.columns.wall_time import wall_times, with_dates_joined
from analyzer.roles import role_of_tag

NO_LOG = "not a training log: no column counts steps or epochs, and none is a loss or a learning rate"
_OF_VALIDATION = re.compile(r"(?:valid(?:ation)?|val|eval|test|dev)[/_. ](.+)$")
NONE_TOLD = -1  # behind a step that counts: an evaluation at an epoch's end, as sentence-transformers writes it
SHARE_OF_NUMBERS = 0.5  # a column is numeric when at least this share of its cells are numbers
OFF_A_UNIT = 0.05  # a count that was divided by 1000 is off by rounding only
_NAMES_OF_A_ROW = re.compile(
    r"^(?:model(?:[_ ]?(?:name|id|path))?|name|run(?:[_ ]?(?:name|id))?|experiment|exp|method|architecture|arch|"
    r"backbone|config|checkpoint|dataset|task|metric|benchmark|seed|fold|hyperparameters?|params?|file(?:name)?|id|"
    r"class|label|optimizer)$",
    re.I,
)


def interpret(
    columns: Sequence[Column],
    row_numbers: Ints,
    *,
    source: Source,
    dialect: Dialect,
    markers: Iterable[Marker] = (),
    problems: Iterable[Problem] = (),
    facts: Iterable[Fact] = (),
    incomplete: int | None = None,
    judge: bool = True,
    left_aside: int = 0,
) -> Reading:
    """Columns over numbered rows as a reading.

    Args:
        row_numbers: row number in the file for each row position, shape (rows,).
        source: what is known of the file; the axis is filled in here.
        incomplete: position of a last row whose end is missing; it counts only if its step was completely written.
        judge: refuse tables that are no training log.
        left_aside: columns that are not among these.
    """
    rows = len(row_numbers)
    columns, left = _few_enough(columns)
    left_aside += left
    columns, of_totals = with_totals_apart(in_plain_units(with_dates_joined(columns)), source.path)
    facts = (*facts, *of_totals)
    if is_newest_first(columns, rows):
        columns, row_numbers = [reversed_rows(one, rows) for one in columns], row_numbers[::-1]
    runs = pivot(columns, rows)
    if len(runs) == 1 and runs[0][2] is None and runs[0][1] == list(columns):
        runs = runs_by_label(columns, rows, dialect)
    if len(runs) == 1:
        _, table, own = runs[0]
        if own is not None:
            row_numbers, incomplete = row_numbers[own], _place_among(own, incomplete)
        stands = any(names_an_axis(one.name) and len(one.value) == len(row_numbers) for one in table)  # of all rows
        if table != list(columns) and not stands and choose_axis(table, len(row_numbers), dialect).column is None:
            reason = "not a training log: a table of results, one value for each name, without a step or epoch"
            return Reading(
                source=source, problems=(*problems, Problem(source=source.path, kind="unreadable", message=reason))
            )
        reading = _interpret_run(
            table, row_numbers, source, dialect, tuple(markers), tuple(problems), tuple(facts), incomplete, judge
        )
        return replace(reading, left_aside=reading.left_aside + left_aside) if left_aside else reading
    readings = []
    for name, table, own in runs:
        numbers = row_numbers if own is None else row_numbers[own]
        cut = incomplete if own is None else _place_among(own, incomplete)
        readings.append(_interpret_run(table, numbers, replace(source, view=name), dialect, (), (), (), cut, judge))
    source = replace(source, records=rows)
    return Reading(source=source, problems=tuple(problems), facts=tuple(facts), runs=tuple(readings))


def _few_enough(columns: Sequence[Column]) -> tuple[list[Column], int]:
    """As many columns as are audited, and how many are left aside."""
    kept = worth_reading([one.name for one in columns])
    return [columns[at] for at in kept], len(columns) - len(kept)


def _place_among(rows: Ints, row: int | None) -> int | None:
    """The place of a row among some in rising order; None where it is none of them."""
    if row is None:
        return None
    place = int(np.searchsorted(rows, row))
    return place if place < len(rows) and rows[place] == row else None


def _interpret_run(
    columns: list[Column],
    row_numbers: Ints,
    source: Source,
    dialect: Dialect,
    markers: tuple[Marker, ...],
    problems: tuple[Problem, ...],
    facts: tuple[Fact, ...],
    incomplete: int | None,
    judge: bool,
) -> Reading:
    rows = len(row_numbers)
    columns, left_aside = _few_enough(columns)
    columns = split_phases([one for one in columns if one.name not in dialect.ignored], rows)
    columns = [_scaled(one, dialect.scaled[one.name]) if one.name in dialect.scaled else one for one in columns]
    axis = choose_axis(columns, rows, dialect)
    source = replace(
        source,
        framework=dialect.framework or source.framework,
        records=rows,
        step_column=axis.column,
        step_axis=axis.counts,
    )
    reason = why_not_a_log(columns, rows, axis) if judge else None
    if reason:
        return Reading(
            source=source, problems=(*problems, Problem(source=source.path, kind="unreadable", message=reason))
        )
    if incomplete is not None:
        columns = _without_a_row_that_lacks_its_step(columns, axis, incomplete, rows)
    wall_column, wall = wall_times(columns, rows, dialect)
    made = places_of(columns, rows, wall) if may_be_a_place(axis, columns) else None
    if made is not None:
        axis = ColumnAxis(column=PLACE, counts="batch" if made.whole else "place")
        columns = [*columns, made.column]
        source = replace(source, step_column=PLACE, step_axis=axis.counts, places=made.length)
    step, step_problems = _steps(columns, axis, row_numbers, source)
    of_row = _RowArrays(step=step, wall=wall, row=row_numbers, source=np.zeros(rows, dtype=np.int32))
    kept = [one for one in columns if one.name != wall_column and (one.name != axis.column or axis.counts == "epoch")]
    shared: dict[int, _RowArrays] = {}
    series = tuple(_series(one, of_row, dialect, shared) for one in kept if len(one.value) and _numeric(one))
    found_facts = tuple(
        Fact(key=dialect.facts[one.name], value=_plain(one.value[-1]), found_in=f"{source.path}: {one.name}")
        for one in columns
        if one.name in dialect.facts and len(one.value) and one.value.min() == one.value.max()
    )
    starts = wall[np.isfinite(wall)]
    return Reading(
        source=replace(
            source,
            sampled=source.sampled or (dialect.exported and gaps_look_random(step)),
            start_time=float(starts[0]) if len(starts) else source.start_time,
        ),
        series=series,
        markers=markers,
        problems=(*problems, *step_problems, *_text_among_numbers(kept, row_numbers, source)),
        facts=(*facts, *found_facts),
        left_aside=left_aside,
    )


def _scaled(column: Column, times: float) -> Column:
    """A count that was written in thousands, in units again; one that is no whole number of them stays as it is."""
    units = np.round(column.value * times)
    whole = np.abs(units - column.value * times) < OFF_A_UNIT
    return replace(column, value=units) if whole.all() else column


class _RowArrays(Struct, frozen=True, kw_only=True, eq=False):
    """What all series of a table share, one entry a row."""

    step: Ints
    wall: Floats
    row: Ints
    source: NDArray[np.int32]

    def only(self, at: Ints) -> _RowArrays:
        wall = self.wall[at] if self.wall.strides[0] else self.wall[: len(at)]  # one NaN for all rows
        return _RowArrays(step=self.step[at], wall=wall, row=self.row[at], source=self.source[: len(at)])


def _series(column: Column, rows: _RowArrays, dialect: Dialect, shared: dict[int, _RowArrays]) -> Series:
    """A series of a column; columns over the very same rows share their steps, times and row numbers."""
    if column.at is not None and id(column.at) not in shared:
        shared[id(column.at)] = rows.only(column.at)
    mine = rows if column.at is None else shared[id(column.at)]
    return Series(
        tag=dialect.tags.get(column.name, column.name),
        step=mine.step,
        value=column.value,
        wall_time=mine.wall,
        source=mine.source,
        row=mine.row,
    )


def _plain(value: float) -> int | float:
    return int(value) if float(value).is_integer() else float(value)


def _numeric(column: Column) -> bool:
    return len(column.value) >= SHARE_OF_NUMBERS * (len(column.value) + len(column.text))


def _steps(
    columns: Sequence[Column], axis: ColumnAxis, row_numbers: Ints, source: Source
) -> tuple[Ints, list[Problem]]:
    """The step of every row: the axis column, or the ordinal of the row from 1."""
    rows = len(row_numbers)
    column = next((one for one in columns if one.name == axis.column), None)
    if column is None:
        return _ordinals(columns, rows), []
    whole = whole_steps(column.value)
    told = column.value.astype(np.int64) if whole.all() else None
    if told is not None:
        told[(told == NONE_TOLD) & (np.maximum.accumulate(told) >= 0)] = NO_STEP
    if column.at is None and told is not None:
        return told, []
    step = np.full(rows, NO_STEP, dtype=np.int64)
    for other in columns:  # valid_num_updates of a row that has no num_updates
        if (found := _OF_VALIDATION.match(other.name)) and found[1] == axis.column:
            known = whole_steps(other.value)
            step[other.positions(rows)[known]] = other.value[known].astype(np.int64)
    at = column.positions(rows)
    if told is not None:
        step[at] = told
        return step, []
    step[at[whole]] = column.value[whole].astype(np.int64)
    bad = np.flatnonzero(~whole)
    message = (
        f"{len(bad)} of {len(at)} steps in column {column.name!r} are no whole numbers, "
        f"first {float(column.value[bad[0]])!r}"
    )
    return step, [Problem(source=source.path, kind="row", message=message, row=int(row_numbers[at[bad[0]]]))]


def _ordinals(columns: Sequence[Column], rows: int) -> Ints:
    """Rows counted from 1: those of training where most are; an evaluation between them stays at the last one."""
    of_training = [one for one in columns if role_of_tag(one.name) in ("loss", "learning_rate")]
    most = max(of_training, key=lambda one: len(one.value), default=None)
    if most is None or most.at is None or 2 * len(most.value) < rows:
        return np.arange(1, rows + 1, dtype=np.int64)
    counted = np.zeros(rows, dtype=np.int64)
    counted[most.at] = 1
    return np.maximum(np.cumsum(counted), 1)


def _without_a_row_that_lacks_its_step(
    columns: Sequence[Column], axis: ColumnAxis, incomplete: int, rows: int
) -> list[Column]:
    """Leave out the cut last row when its step is in the part that is missing: nobody knows where it belongs."""
    column = next((one for one in columns if one.name == axis.column), None)
    if column is None or not len(column.value) or column.positions(rows)[-1] == incomplete:
        return list(columns)
    kept: list[Column] = []
    for one in columns:
        at = one.positions(rows)
        if len(at) and at[-1] == incomplete:
            one = replace(one, at=at[:-1], value=one.value[:-1])
        kept.append(one)
    return kept


def _text_among_numbers(columns: Sequence[Column], row_numbers: Ints, source: Source) -> list[Problem]:
    """Cells that hold text where their column holds numbers: a problem a column."""
    problems = []
    for column in columns:
        if not column.text or not len(column.value):
            continue
        if not _numeric(column) and role_of_tag(column.name) is None:
            continue
        count = len(column.text)
        message = (
            f"{count} {'cell' if count == 1 else 'cells'} of column {column.name!r} where a number is expected, "
            f"first {column.text[0][:40]!r}: left out"
        )
        problems.append(
            Problem(source=source.path, kind="row", message=message, row=int(row_numbers[column.text_at[0]]))
        )
    return problems


def why_not_a_log(columns: Sequence[Column], rows: int, axis: ColumnAxis) -> str | None:
    """Why a table that could be read is no training log, or None."""
    numeric = [one for one in columns if len(one.value) and len(one.value) >= len(one.text)]
    if not numeric:
        return "not a training log: no column holds numbers"
    naming = next((one for one in columns if _NAMES_OF_A_ROW.search(one.name.strip()) and len(one.text) == rows), None)
    distinct = naming is not None and len(set(naming.text)) == rows
    if axis.column is None and naming is not None:
        return (
            f"not a training log: a table of results, its rows are named by column {naming.name!r} and follow no step "
            "or epoch"
        )
    if distinct and axis.counts == "epoch" and rows > 1:
        return f"not a training log: a table of results, one row for each {naming.name!r}"  # type: ignore[union-attr]
    if axis.column is None and axis.counts == "row" and not _tells_without_a_counter(numeric):
        return NO_LOG
    if all(one.name == axis.column for one in numeric):
        return f"not a training log: no column of numbers beside {axis.column!r}"
    return None


def _tells_without_a_counter(columns: Sequence[Column]) -> bool:
    """Whether columns tell of training by themselves: rates beside other settings are those that somebody tried."""
    roles = [role_of_tag(one.name) for one in columns]
    if not {"loss", "validation_loss", "epoch_loss", "epoch"}.isdisjoint(roles):
        return True
    return "learning_rate" in roles and None not in roles
