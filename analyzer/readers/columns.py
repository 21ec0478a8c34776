"""Columns of numbers to series: which column is the step axis, which is the clock on the wall, what is no log at all.

Tables (CSV), JSON entries and parsed output lines all arrive here as ``Column``s over the rows of one file. Nothing
is sorted, dropped or repaired: a row without a step keeps ``NO_STEP``, and what cannot be read is a problem.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain, count
from operator import methodcaller
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from analyzer.model import NO_STEP, Fact, Floats, Ints, Marker, Problem, Series, Source
from analyzer.readers import Reading
from analyzer.roles import role_of_tag

Counts = Literal["step", "samples", "tokens", "epoch", "row", "call"]

NO_LOG = "not a training log: no column counts steps or epochs, and none is a loss or a learning rate"
LARGEST_STEP = 2**53  # beyond it a float no longer tells neighbouring integers apart
ABSOLUTE_SECONDS = (978_307_200.0, 4_102_444_800.0)  # 2001-01-01 .. 2100-01-01, in seconds since 1970
ROWS_FOR_A_RHYTHM = 20  # rows below which irregular gaps prove nothing
_IN_CACHE = 1 << 14  # values looked at together: what is made of them on the way never leaves the cache
SHARE_OF_NUMBERS = 0.5  # a column is numeric when at least this share of its cells are numbers


@dataclass(frozen=True, kw_only=True, eq=False)
class Column:
    """The cells of one name. ``at`` are row positions (0-based) in rising order; None means every row."""

    name: str
    value: Floats
    at: Ints | None = None
    text_at: Sequence[int] = ()  # positions of cells that hold something else than a number
    text: Sequence[str] = ()

    def positions(self, rows: int) -> Ints:
        return np.arange(rows, dtype=np.int64) if self.at is None else self.at


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """What is known about a file because its writer is known."""

    framework: str | None = None
    step_columns: tuple[str, ...] = ()  # names to prefer as the axis, over the general order
    counts: Counts | None = None  # what the axis counts, where that is not what its name says
    wall_column: str | None = None
    elapsed_columns: tuple[str, ...] = ()  # times that are never absolute
    exported: bool = False  # an export that a viewer samples: told by the gaps between its steps
    tags: Mapping[str, str] = field(default_factory=dict)  # column name -> tag
    facts: Mapping[str, str] = field(default_factory=dict)  # column name -> key of a declared fact (a constant column)
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Axis:
    """The column that the steps come from."""

    column: str | None
    counts: Counts


# The order in which names are tried as the axis; within one line the first column of the table wins.
# An integer counter of updates comes first; a counter of log calls or of epochs is what is left.
_PREFIX = r"^(?:(?:trainer|train|training|progress|time|charts|global)[/_. ])?"
_AXES: tuple[tuple[Counts, str, bool], ...] = (
    ("step", _PREFIX + r"global[_ ]?steps?$", False),
    (
        "step",
        _PREFIX + r"(?:num_updates|n_updates|optimi[sz]er_steps?|opt_steps?|update_steps?|gradient_steps?)$",
        False,
    ),
    (
        "step",
        _PREFIX + r"(?:step|steps|current_steps?|train_steps?|training_steps?|step_num|num_steps|total_steps?)$",
        False,
    ),
    (
        "step",
        _PREFIX + r"(?:iteration|iter|itr|n_iter|niter|iter_num|iter_no|num_iter|iteration_num|total_iter)s?$",
        False,
    ),
    (
        "step",
        _PREFIX + r"(?:it|updates?|batches_seen|total_batch(?:es)?|time/batch|global_batch|minibatches_seen)$",
        False,
    ),
    (
        "samples",
        _PREFIX + r"(?:total_timesteps|num_timesteps|total_?env_?steps|env_steps?|frames|total_frames|timesteps)$",
        True,
    ),
    ("step", r"^(?:batch|batch_idx|batch_index|batch_num|minibatch|mini_batch|i)$", True),
    (
        "samples",
        r"^(?:.*/)?(?:samples|n_samples|num_samples|samples_seen|consumed_(?:train_)?samples|global_samples"
        r"|examples_seen|images_seen|records|n_examples|num_examples)$",
        True,
    ),
    (
        "tokens",
        r"^(?:.*/)?(?:tokens|n_tokens|num_tokens|tokens_seen|total_tokens|consumed_tokens|num_input_tokens_seen)$",
        True,
    ),
    ("call", r"^_step$", False),
    ("epoch", _PREFIX + r"(?:(?:current|curr|cur)_?)?epochs?(?:_?(?:num|idx|index|no|number|id))?$", False),
    ("epoch", r"^(?:round|cycle|generation|pass)$", True),
)
_COMPILED_AXES = tuple((counts, re.compile(pattern, re.I), strict) for counts, pattern, strict in _AXES)
_WALL = re.compile(
    r"^(?:.*/)?_?(?:timestamps?|time_?stamps?|wall[_ ]?(?:time|clock)s?|walltime|date[_ ]?time|date|time|ts|"
    r"created(?:_at)?|logged_at|asctime|local_?time|utc(?:_?time)?|unix_?time|end_time)(?:_?(?:ms|s|utc|unix))?$",
    re.I,
)
_NAMES_OF_A_ROW = re.compile(
    r"^(?:model(?:[_ ]?(?:name|id|path))?|name|run(?:[_ ]?(?:name|id))?|experiment|exp|method|architecture|arch|"
    r"backbone|config|checkpoint|dataset|task|metric|benchmark|seed|fold|hyperparameters?|params?|file(?:name)?|id|"
    r"class|label|optimizer)$",
    re.I,
)
_TAG_COLUMNS = re.compile(r"^(?:tag|metric|metric[_ ]name|key|name|series|variable)$", re.I)
_VALUE_COLUMNS = re.compile(r"^(?:value|metric[_ ]value|values?|scalar)$", re.I)
_RUN_COLUMNS = re.compile(r"^(?:run|run[_ ]?(?:id|name|uuid)|experiment|exp)$", re.I)
_PHASE_COLUMNS = re.compile(r"^(?:phase|split|stage|mode|subset|set|partition|type|job_type)$", re.I)
_PHASES = {"train", "training", "val", "valid", "validation", "eval", "evaluation", "test", "dev", "step", "epoch"}


def normal(name: str) -> str:
    """A column name as the axis table spells it: ``globalStep`` and ``Global Step`` are ``global_step``."""
    return re.sub(r"[ \-.]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())).lower()


# ---------------------------------------------------------------------------------------------------------------
# the step axis


def choose_axis(columns: Sequence[Column], rows: int, dialect: Dialect) -> Axis:
    """The column that counts updates, or the next best thing, or the row number."""
    by_name = {column.name: column for column in columns}
    for name in dialect.step_columns:
        found = by_name.get(name)
        if found is not None and _counts_up(found, rows, strict=False):
            return Axis(column=name, counts=dialect.counts or _counts_of(name) or "step")
    for counts, pattern, strict in _COMPILED_AXES:
        for column in columns:
            if not pattern.search(normal(column.name)) or not _counts_up(column, rows, strict=strict):
                continue
            if counts == "epoch" and _repeats_in_a_series(column, columns, rows):
                continue
            if counts != "epoch" and _laps_with_epoch(column, columns, rows):
                continue
            return Axis(column=column.name, counts=dialect.counts or counts)
    return Axis(column=None, counts="row")


def _counts_of(name: str) -> Counts | None:
    return next((counts for counts, pattern, _ in _COMPILED_AXES if pattern.search(normal(name))), None)


def is_long_form(name: str) -> bool:
    """Whether a column of this name may hold the values of a long table."""
    return _VALUE_COLUMNS.search(name.strip()) is not None


def names_an_axis(name: str) -> bool:
    """Whether a column of this name could be the step axis."""
    return _counts_of(name) is not None


def _counts_up(column: Column, rows: int, *, strict: bool) -> bool:
    """Whether the column holds whole numbers that change; a name that means little must also rise nearly always."""
    value = column.value
    if not len(value) or len(column.text) > len(value):
        return False
    if np.count_nonzero(_whole(value)) < 0.9 * len(value) or 2 * len(value) < min(rows, 3):
        return False
    if len(value) > 2 and value.min() == value.max():
        return False
    return not strict or int(np.count_nonzero(np.diff(value) < 0)) <= len(value) // 10


def _whole(value: Floats) -> NDArray[np.bool_]:
    """Which values are whole numbers that a step can be; in pieces, so that no copy of a long column is made."""
    whole = np.empty(len(value), dtype=bool)
    with np.errstate(invalid="ignore"):
        for at in range(0, len(value), _IN_CACHE):
            part = value[at : at + _IN_CACHE]
            whole[at : at + _IN_CACHE] = (part == np.floor(part)) & (np.abs(part) < LARGEST_STEP)
    return whole


def _laps_with_epoch(column: Column, columns: Sequence[Column], rows: int) -> bool:
    """Whether the counter starts over whenever the epoch advances: a batch counter, not a global step."""
    epoch = next(
        (one for one in columns if one is not column and role_of_tag(one.name) == "epoch" and len(one.value)), None
    )
    if epoch is None:
        return False
    if column.at is None and epoch.at is None:
        steps, epochs = column.value, epoch.value
    else:
        at = np.intersect1d(column.positions(rows), epoch.positions(rows), assume_unique=True)
        steps = column.value[np.searchsorted(column.positions(rows), at)]
        epochs = epoch.value[np.searchsorted(epoch.positions(rows), at)]
    if len(steps) < 4:
        return False
    falls = np.diff(steps) < 0
    rises = np.floor(epochs[1:]) > np.floor(epochs[:-1])
    both = int(np.count_nonzero(falls & rises))
    return both >= 2 and both >= 0.9 * int(np.count_nonzero(falls)) and both >= 0.5 * int(np.count_nonzero(rises))


def _repeats_in_a_series(axis: Column, columns: Sequence[Column], rows: int) -> bool:
    """Whether several rows of one series share an epoch: then the epoch is a label, not the axis."""
    step = np.full(rows, np.nan)
    step[axis.positions(rows)] = axis.value
    for column in columns:
        if column is not axis and len(column.value) > 3:
            along = step[column.positions(rows)]
            if np.count_nonzero(np.diff(along) == 0) > 0.3 * len(along):
                return True
    return False


def gaps_look_random(steps: Ints) -> bool:
    """Whether steps were picked at random rather than at a cadence: no gap makes up half of all."""
    steps = steps[steps != NO_STEP]
    gaps = np.diff(steps)
    gaps = gaps[gaps > 0]
    if len(gaps) < ROWS_FOR_A_RHYTHM:
        return False
    _, counts = np.unique(gaps, return_counts=True)
    return bool(counts.max() < 0.5 * len(gaps) and len(counts) >= 3)


# ---------------------------------------------------------------------------------------------------------------
# wall time


def seconds_since_1970(value: Floats) -> Floats | None:
    """Times in s, ms, us or ns since 1970 as seconds; None when they are no absolute times."""
    finite = value[np.isfinite(value)]
    if not len(finite):
        return None
    middle = float(np.median(finite))
    for scale in (1.0, 1e3, 1e6, 1e9):
        if ABSOLUTE_SECONDS[0] <= middle / scale <= ABSOLUTE_SECONDS[1]:
            return value / scale
    return None


def seconds_of_text(cells: Sequence[str]) -> Floats | None:
    """ISO 8601 and the usual log timestamps as seconds since 1970 (UTC where no zone is written), or None."""
    seconds = np.full(len(cells), np.nan)
    for index, cell in enumerate(cells):
        parsed = seconds_of_stamp(cell)
        if parsed is None:
            if index < 3 or np.isnan(seconds[:index]).mean() > 0.1:
                return None
            continue
        seconds[index] = parsed
    return seconds if len(cells) else None


def seconds_of_stamp(cell: str) -> float | None:
    """One timestamp as seconds since 1970, or None."""
    stamp = cell.strip().strip("[]").replace(",", ".", 1)
    if len(stamp) < 10 or not stamp[0].isdigit():
        return None
    for pattern in (None, "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M:%S.%f", "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S"):
        try:
            moment = datetime.fromisoformat(stamp) if pattern is None else datetime.strptime(stamp, pattern)
        except ValueError:
            continue
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return None


def wall_times(columns: Sequence[Column], rows: int, dialect: Dialect) -> tuple[str | None, Floats]:
    """The column of absolute times and its seconds for every row, NaN where there is none."""
    for column in columns:
        if column.name != dialect.wall_column and not _WALL.search(normal(column.name)):
            continue
        if column.name in dialect.elapsed_columns:
            continue
        if len(column.value) >= len(column.text):
            seconds = seconds_since_1970(column.value)
            if seconds is None:
                continue
            at: Any = column.positions(rows)
        else:
            seconds = seconds_of_text(column.text)
            if seconds is None:
                continue
            at = np.asarray(column.text_at, dtype=np.int64)
        wall = np.full(rows, np.nan)
        wall[at] = seconds
        return column.name, wall
    return None, np.broadcast_to(np.nan, rows)  # one NaN in memory for all rows


# ---------------------------------------------------------------------------------------------------------------
# long tables, phases, and tables that are no log


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
    values = {cell.strip().lower() for cell in phase.text}
    if len(values) < 2 or len(values) > 6 or not values & _PHASES:
        return list(columns)
    of_row = np.full(rows, "", dtype=object)
    of_row[np.asarray(phase.text_at, dtype=np.int64)] = [cell.strip() for cell in phase.text]
    found: list[Column] = []
    for column in columns:
        shared = (
            names_an_axis(column.name)
            or _WALL.search(normal(column.name))
            or role_of_tag(column.name) in ("epoch", "step")
        )
        if column is phase or shared or not len(column.value):
            found.append(column)
            continue
        labels = of_row[column.positions(rows)]
        for label in dict.fromkeys(labels.tolist()):
            chosen = labels == label
            found.append(
                Column(
                    name=f"{label}/{column.name}" if label else column.name,
                    value=column.value[chosen],
                    at=column.positions(rows)[chosen],
                )
            )
    return found


def why_not_a_log(columns: Sequence[Column], rows: int, axis: Axis) -> str | None:
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
    if axis.column is None and not any(
        role_of_tag(one.name) in ("loss", "validation_loss", "epoch_loss", "learning_rate") for one in numeric
    ):
        return NO_LOG
    if all(one.name == axis.column for one in numeric):
        return f"not a training log: no column of numbers beside {axis.column!r}"
    return None


# ---------------------------------------------------------------------------------------------------------------
# the reading


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
) -> Reading:
    """Columns over numbered rows as a reading.

    Args:
        row_numbers: row number in the file for each row position, shape (rows,).
        source: what is known of the file; the axis is filled in here.
        incomplete: position of a last row whose end is missing; it counts only if its step was completely written.
        judge: refuse tables that are no training log.
    """
    rows = len(row_numbers)
    runs = pivot(columns, rows)
    if len(runs) == 1:
        if runs[0][1] != list(columns) and choose_axis(runs[0][1], rows, dialect).column is None:
            reason = "not a training log: a table of results, one value for each name, without a step or epoch"
            return Reading(
                source=source, problems=(*problems, Problem(source=source.path, kind="unreadable", message=reason))
            )
        return _interpret_run(
            runs[0][1], row_numbers, source, dialect, tuple(markers), tuple(problems), tuple(facts), incomplete, judge
        )
    readings = tuple(
        _interpret_run(table, row_numbers, replace(source, view=name), dialect, (), (), (), incomplete, judge)
        for name, table in runs
    )
    return Reading(source=replace(source, records=rows), problems=tuple(problems), facts=tuple(facts), runs=readings)


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
    columns = split_phases([one for one in columns if one.name not in dialect.ignored], rows)
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
    step, step_problems = _steps(columns, axis, row_numbers, source)
    of_row = _RowArrays(step=step, wall=wall, row=row_numbers, source=np.zeros(rows, dtype=np.int32))
    kept = [one for one in columns if one.name != wall_column and (one.name != axis.column or axis.counts == "epoch")]
    series = tuple(_series(one, of_row, dialect) for one in kept if len(one.value) and _numeric(one))
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
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _RowArrays:
    """What all series of a table share, one entry a row."""

    step: Ints
    wall: Floats
    row: Ints
    source: NDArray[np.int32]


def _series(column: Column, rows: _RowArrays, dialect: Dialect) -> Series:
    at: Any = slice(None) if column.at is None else column.at
    return Series(
        tag=dialect.tags.get(column.name, column.name),
        step=rows.step[at],
        value=column.value,
        wall_time=rows.wall[at],
        source=rows.source[: len(column.value)],
        row=rows.row[at],
    )


def _plain(value: float) -> int | float:
    return int(value) if float(value).is_integer() else float(value)


def _numeric(column: Column) -> bool:
    return len(column.value) >= SHARE_OF_NUMBERS * (len(column.value) + len(column.text))


def _steps(columns: Sequence[Column], axis: Axis, row_numbers: Ints, source: Source) -> tuple[Ints, list[Problem]]:
    """The step of every row: the axis column, or the ordinal of the row from 1."""
    rows = len(row_numbers)
    column = next((one for one in columns if one.name == axis.column), None)
    if column is None:
        return np.arange(1, rows + 1, dtype=np.int64), []
    whole = _whole(column.value)
    if column.at is None and whole.all():
        return column.value.astype(np.int64), []
    step = np.full(rows, NO_STEP, dtype=np.int64)
    at = column.positions(rows)
    if whole.all():
        step[at] = column.value.astype(np.int64)
        return step, []
    step[at[whole]] = column.value[whole].astype(np.int64)
    bad = np.flatnonzero(~whole)
    message = (
        f"{len(bad)} of {len(at)} steps in column {column.name!r} are no whole numbers, "
        f"first {float(column.value[bad[0]])!r}"
    )
    return step, [Problem(source=source.path, kind="row", message=message, row=int(row_numbers[at[bad[0]]]))]


def _without_a_row_that_lacks_its_step(
    columns: Sequence[Column], axis: Axis, incomplete: int, rows: int
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


def merge_columns(
    first: tuple[Ints, Sequence[Column]], second: tuple[Ints, Sequence[Column]]
) -> tuple[Ints, list[Column]]:
    """Two tables of one file, each with its row numbers, as one table in the order of the row numbers."""
    rows = np.concatenate([first[0], second[0]])
    order = np.argsort(rows, kind="stable")
    place = np.empty(len(rows), dtype=np.int64)
    place[order] = np.arange(len(rows))
    places = (place[: len(first[0])], place[len(first[0]) :])
    names = dict.fromkeys(one.name for one in (*first[1], *second[1]))
    parts: dict[str, list[tuple[Ints, Column]]] = {name: [] for name in names}
    for where, (numbers, columns) in zip(places, (first, second), strict=True):
        for one in columns:
            parts[one.name].append((where[one.positions(len(numbers))], one))
    merged = []
    for name, found in parts.items():
        at = np.concatenate([where for where, _ in found])
        along = np.argsort(at, kind="stable")
        texts = sorted(
            (int(where), cell)
            for (_, one), base in zip(
                found, (places if len(found) == 2 else [_base(found[0][1], first, places)]), strict=True
            )
            for where, cell in zip(base[np.asarray(one.text_at, dtype=np.int64)], one.text, strict=True)
        )
        merged.append(
            Column(
                name=name,
                value=np.concatenate([one.value for _, one in found])[along],
                at=None if len(at) == len(rows) else at[along],
                text_at=[where for where, _ in texts],
                text=[cell for _, cell in texts],
            )
        )
    return rows[order], merged


def _base(column: Column, first: tuple[Ints, Sequence[Column]], places: tuple[Ints, Ints]) -> Ints:
    """Where the rows of the table that a column comes from went."""
    return places[0] if any(one is column for one in first[1]) else places[1]


# ---------------------------------------------------------------------------------------------------------------
# entries (JSON objects, parsed lines) to columns


def columns_of_entries(entries: Sequence[Mapping[str, Any]]) -> list[Column]:
    """Entries as columns, keys in order of first appearance; nested objects are flattened.

    Entries of one shape (the same keys) are taken together, so that no Python code runs for each number.
    """
    parts: dict[str, list[tuple[Ints, list[Any] | Floats]]] = {}
    for keys, at, alike in _by_shape(entries):
        if not keys:
            continue
        flat = list(chain.from_iterable(map(_VALUES, alike)))
        kinds = set(map(type, flat))
        if not kinds.isdisjoint((dict, list)):
            return columns_of_entries([flatten(entry) for entry in entries])
        table = _table_of_numbers(flat, len(keys)) if kinds <= {int, float} else None
        for place, key in enumerate(keys):
            found = flat[place :: len(keys)] if table is None else table[place]
            parts.setdefault(key, []).append((at, found))
    return [_joined(key, found, len(entries)) for key, found in parts.items()]


_VALUES = methodcaller("values")


def _by_shape(
    entries: Sequence[Mapping[str, Any]],
) -> Iterator[tuple[tuple[str, ...], Ints, Sequence[Mapping[str, Any]]]]:
    """Entries with the same keys, in order of first appearance: (keys, their positions, the entries)."""
    if not entries:
        return
    keys = tuple(entries[0])
    alike = len(set(map(len, entries))) == 1 and list(chain.from_iterable(entries)) == list(keys) * len(entries)
    if alike:
        yield keys, np.arange(len(entries), dtype=np.int64), entries
        return
    number: defaultdict[tuple[str, ...], int] = defaultdict(count().__next__)
    shape = np.fromiter(map(number.__getitem__, map(tuple, entries)), dtype=np.int64, count=len(entries))
    order = np.argsort(shape, kind="stable")
    ends = np.cumsum(np.bincount(shape))
    for keys, at in zip(number, np.split(order, ends[:-1]), strict=True):
        yield keys, at, list(map(entries.__getitem__, at.tolist()))


def _table_of_numbers(flat: list[Any], columns: int) -> Floats | None:
    """Numbers, entry after entry, as an array of shape (columns, entries); None where one is beyond a float."""
    try:
        return np.array(flat, dtype=np.float64).reshape(-1, columns).T.copy()
    except OverflowError:
        return None


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
        return _column_of_values(name, at, values, rows)
    return Column(name=name, value=values, at=None if len(at) == rows else at)


_QUOTED_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|inf(?:inity)?|nan)$", re.I | re.ASCII)


def _number_in_quotes(text: str) -> str | float:
    """fairseq writes its numbers as strings, strict JSON writers NaN and infinity."""
    return float(text) if _QUOTED_NUMBER.match(text) else text


def _column_of_values(name: str, at: Ints, found: list[Any], rows: int) -> Column:
    """Numbers and texts of one key apart. True, False and null are neither."""
    if {int, float}.issuperset(map(type, found)):
        try:
            value = np.array(found, dtype=np.float64)
        except OverflowError:
            value = np.array([_float_of_int(one) for one in found])
        return Column(name=name, value=value, at=None if len(at) == rows else at)
    found = [_number_in_quotes(one) if type(one) is str else one for one in found]
    numbers = [index for index, one in enumerate(found) if type(one) in (int, float)]
    texts = [index for index, one in enumerate(found) if isinstance(one, str)]
    return Column(
        name=name,
        value=np.array([_float_of_int(found[index]) for index in numbers], dtype=np.float64),
        at=None if len(numbers) == rows else at[numbers],
        text_at=at[texts].tolist(),
        text=[found[index] for index in texts],
    )


def _float_of_int(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


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
