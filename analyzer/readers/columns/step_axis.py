"""The step axis of a table: the column that counts updates, or the next best thing, or the row number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from analyzer.model import NO_STEP, Floats, Ints
from analyzer.readers.columns import Column, ColumnAxis, Counts, Dialect
from analyzer.roles import role_of_tag

LARGEST_STEP = 2**53  # beyond it a float no longer tells neighbouring integers apart
ROWS_FOR_A_RHYTHM = 20  # rows below which irregular gaps prove nothing
LINES_OF_A_COUNT = 3  # that a program prints for one count of a name that means little
FALLING = 0.25  # of the changes of a measured number at least: of noise a half are falls, of a counter with laps few
FALLS_OF_A_MEASURE = 4  # that show where they land
_IN_CACHE = 1 << 14  # values looked at together: what is made of them on the way never leaves the cache

# The order in which names are tried as the axis; within one line the first column of the table wins.
# An integer counter of updates comes first; a counter of log calls or of epochs is what is left.
_PREFIX = r"^(?:(?!e?val|test|dev)[^/]+/)?(?:(?:trainer|train|training|learner|progress|time|charts|global)[/_. ])?"
_AXES: tuple[tuple[Counts, str, bool], ...] = (
    ("step", _PREFIX + r"(?:global[_ ]?|g_?)steps?$", False),
    (
        "step",
        _PREFIX
        + r"(?:(?:(?:num|n|total|train|training)_){1,3}updates?|nupdates"
        + r"|(?:optimi[sz]er|opt|update|gradient|grad|sgd)_steps?)$",
        False,
    ),
    (
        "step",
        _PREFIX + r"(?:step|steps|current_steps?|train_steps?|training_steps?|step_num|num_steps|total_steps?)$",
        False,
    ),
    ("call", r"^training_iteration$", False),  # of Ray Tune: calls of `report`
    (
        "step",
        _PREFIX + r"(?:iteration|g?_?iter|itr|n_iter|niter|iter_num|iter_no|num_iter|iteration_num|total_iter)s?$",
        False,
    ),
    (
        "step",
        _PREFIX + r"(?:it|updates?|batches_seen|total_batch(?:es)?|time/batch|global_batch|minibatches_seen)$",
        False,
    ),
    (
        "samples",
        _PREFIX
        + r"(?:total_timesteps|timesteps_total|num_env_steps_sampled(?:_lifetime)?|num_timesteps"
        + r"|total_?env_?steps|(?:env|environment|actor|agent)_steps?|frames|total_frames|timesteps?|total/steps)$",
        True,
    ),
    ("step", r"^(?:batch|batch_idx|batch_index|batch_num|minibatch|mini_batch|i)$", True),
    (
        "samples",
        r"^(?:.*/)?(?:samples|n_samples|num_samples|samples_seen|consumed_(?:train_)?samples|global_samples"
        r"|examples_seen|images_seen|records|n_examples|num_examples|nsamp|example_counter)$",
        True,
    ),
    (
        "tokens",
        r"^(?:.*/)?(?:tokens|n_tokens|num_tokens|tokens_seen|total_tokens|consumed_tokens|num_input_tokens_seen)$",
        True,
    ),
    ("call", r"^_step$", False),
    ("epoch", _PREFIX + r"(?:(?:current|curr|cur)_?)?epochs?(?:_?(?:num|idx|index|no|number|id))?$", False),
    ("epoch", r"^(?:round|cycle|generation|pass)(?:_?(?:num|idx|index|no|number|id))?$", True),
    ("episode", _PREFIX + r"(?:(?:n|num|total)_)?episodes?(?:_?(?:num|idx|index|no|number|id))?$", True),
    ("episode", r"^ep$", True),
)
_COMPILED_AXES = tuple((counts, re.compile(pattern, re.I), strict) for counts, pattern, strict in _AXES)


_PLACES = re.compile(
    r"^(?:(?:mini_?)?batch(?:es|_idx|_index|_num|_in_epoch|_id)?|i|(?:inner_)?(?:step|iter|iteration|it|itr)s?(?:_in_epoch)?)$"
)
_OF_PLAY = re.compile(r"^(?!.*(?:learner|grad|sgd))(?:.*[/_])?(?:global_|total_|num_|env_)?(?:step|steps|timesteps?)$")
_EPISODES = re.compile(r"(?:^|[/_])(?:episodes?|ep|epsilon|returns?|ret|ep_?(?:rew|len|ret)\w*)(?:[/_]|$)")
_PLACES_BY_NAME = re.compile(r"batch|inner|_in_epoch")


def names_a_place(name: str) -> bool:
    """Whether a column of this name may count inside the epoch."""
    return _PLACES.search(normal(name)) is not None


def normal(name: str) -> str:
    """A column name as the axis table spells it: ``globalStep`` and ``Global Step`` are ``global_step``."""
    return re.sub(r"[ \-.]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())).lower()


def choose_axis(columns: Sequence[Column], rows: int, dialect: Dialect) -> ColumnAxis:
    """The column that counts updates, or the next best thing, or the row number."""
    by_name = {column.name: column for column in columns}
    for name in dialect.step_columns:
        found = by_name.get(name)
        if found is not None and _counts_up(found, columns, rows, strict=False):
            return ColumnAxis(column=name, counts=dialect.counts or _counts_of(name) or "step")
    named = [(column, normal(column.name)) for column in columns if names_an_axis(column.name)]
    named.sort(key=lambda one: "/" in one[1])  # a name in a folder is what is left
    epochs = [one for one in columns if len(one.value) and role_of_tag(one.name) == "epoch"][:2] if named else []
    for counts, pattern, strict in _COMPILED_AXES:
        for column, spelled in named:
            if not pattern.search(spelled) or not _counts_up(column, columns, rows, strict=strict):
                continue
            timeless = [one for one in columns if one.name != dialect.wall_column and not _is_a_stopwatch(one)]
            if counts == "epoch" and _repeats_in_a_series(column, timeless, rows):
                continue
            if counts != "epoch" and _laps_with_epoch(column, epochs, columns, rows):
                continue
            if covers_training(columns, column.name, rows):
                played = counts == "step" and _OF_PLAY.search(spelled) is not None and _tells_of_episodes(columns)
                return ColumnAxis(column=column.name, counts=dialect.counts or ("environment" if played else counts))
    return ColumnAxis(column=None, counts=dialect.a_row)


def _tells_of_episodes(columns: Sequence[Column]) -> bool:
    """Whether a table has figures of episodes beside its steps: those are steps of an environment then."""
    return any(len(one.value) and _EPISODES.search(normal(one.name)) for one in columns)


def covers_training(columns: Sequence[Column], name: str, rows: int) -> bool:
    """Whether a column of this name has a number in half the rows of training, or more rows than that."""
    column = next(one for one in columns if one.name == name)
    of_training = [one for one in columns if role_of_tag(one.name) in ("loss", "learning_rate")]
    main = max(of_training, key=lambda one: len(one.value), default=None)
    if column.at is None or main is None or len(column.value) >= len(main.value):
        return True
    both = np.intersect1d(column.positions(rows), main.positions(rows), assume_unique=True)
    return 2 * len(both) >= len(main.value)


@lru_cache(maxsize=4096)
def rank_of_axis(name: str) -> int | None:
    """The place of a column's name in the order in which names are tried as the axis; None where it is none."""
    spelled = normal(name)
    return next((rank for rank, (_, pattern, _) in enumerate(_COMPILED_AXES) if pattern.search(spelled)), None)


def _counts_of(name: str) -> Counts | None:
    rank = rank_of_axis(name)
    return None if rank is None else _COMPILED_AXES[rank][0]


def names_an_axis(name: str) -> bool:
    """Whether a column of this name could be the step axis."""
    return rank_of_axis(name) is not None


def _is_a_stopwatch(column: Column) -> bool:
    return role_of_tag(column.name) == "elapsed"


def _counts_up(column: Column, columns: Sequence[Column], rows: int, *, strict: bool) -> bool:
    """Whether the column holds whole numbers that change; a name that means little must also rise nearly always.

    It may stand still over many rows where each of them tells of something else.
    """
    value = column.value
    if not len(value) or len(column.text) > len(value):
        return False
    if np.count_nonzero(whole_steps(value)) < 0.9 * len(value) or 2 * len(value) < min(rows, 3):
        return False
    if len(value) > 2 and value.min() == value.max():
        return False
    falls, rises = (int(np.count_nonzero(found)) for found in (value[1:] < value[:-1], value[1:] > value[:-1]))
    if strict:
        if falls > len(value) // 10 or LINES_OF_A_COUNT * (rises + 1) >= len(value):
            return falls <= len(value) // 10
        return not _repeats_in_a_series(column, [one for one in columns if not names_an_axis(one.name)], rows)
    return not _wanders(value)


def _wanders(value: Floats) -> bool:
    """Whether a column falls and rises from row to row, as a length or a count of each row does and no counter.

    A place in the epoch falls to where it fell before, and of two counters in turn the lower one rises.
    """
    falls = np.flatnonzero(value[1:] < value[:-1])
    with np.errstate(invalid="ignore"):
        moves = np.count_nonzero(np.diff(value))
    if len(falls) < FALLS_OF_A_MEASURE or len(falls) < FALLING * moves:
        return False
    with np.errstate(invalid="ignore"):
        landed = np.diff(value[falls + 1])
    return bool(min(np.count_nonzero(landed < 0), np.count_nonzero(landed > 0)) >= FALLING * len(landed))


def whole_steps(value: Floats) -> NDArray[np.bool_]:
    """Which values are whole numbers that a step can be; in pieces, so that no copy of a long column is made."""
    whole = np.empty(len(value), dtype=bool)
    with np.errstate(invalid="ignore"):
        for at in range(0, len(value), _IN_CACHE):
            part = value[at : at + _IN_CACHE]
            whole[at : at + _IN_CACHE] = (part == np.floor(part)) & (np.abs(part) < LARGEST_STEP)
    return whole


def _laps_with_epoch(column: Column, epochs: Sequence[Column], columns: Sequence[Column], rows: int) -> bool:
    """Whether the counter starts over whenever the epoch advances: a batch counter, not a global step."""
    epoch = next((one for one in epochs if one is not column), None)
    if epoch is None:
        return False
    others = [one for one in columns if one is not column and one is not epoch and one.at is not None]
    main = max(others, key=lambda one: len(one.value), default=None)  # of a phase, where rows have phases
    if column.at is None and epoch.at is None and (main is None or 2 * len(main.value) < rows):
        steps, labels = column.value, epoch.value
    else:
        at = np.intersect1d(column.positions(rows), epoch.positions(rows), assume_unique=True)
        if main is not None and 2 * len(main.value) >= rows:
            at = np.intersect1d(at, main.positions(rows), assume_unique=True)
        steps = column.value[np.searchsorted(column.positions(rows), at)]
        labels = epoch.value[np.searchsorted(epoch.positions(rows), at)]
    if len(steps) < 4:
        return False
    falls = steps[1:] < steps[:-1]
    if not falls.any():
        return False
    rises = np.floor(labels[1:]) > np.floor(labels[:-1])
    both = int(np.count_nonzero(falls & rises))
    needed = 1 if _PLACES_BY_NAME.search(normal(column.name)) else 2  # one fall may be a step that was not restored
    return both >= needed and both >= 0.9 * int(np.count_nonzero(falls)) and both >= 0.5 * int(np.count_nonzero(rises))


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
