"""A table for each epoch of one run: ``losses_0.csv``, ``losses_1.csv``, ..., each with its own count from the start.

Runs of a sweep are numbered so, too. They begin alike; an epoch begins where the one before it ended.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from analyzer.joining.accounts import Account, Piece
from analyzer.model import NO_STEP, Series
from analyzer.roles import role_of_tag

FEWEST_TABLES = 3  # two may be any two runs
FEWEST_ROWS = 10  # of each, that their beginnings and ends can be told
OF_AN_END = 10  # a beginning or an end is one row in so many
_NUMBER = re.compile(r"\d{1,6}(?=\D*$)")


def one_after_another(accounts: list[Account]) -> list[Account]:
    """The accounts of one kind, with those that are epochs of one run put together."""
    series: dict[tuple[Path, str], list[Account]] = {}
    for account in accounts:
        stem = account.pieces[0].path.stem
        if len(account.pieces) == 1 and _NUMBER.search(stem):
            series.setdefault((account.pieces[0].folder, _NUMBER.sub("#", stem)), []).append(account)
    for numbered in series.values():
        numbered.sort(key=lambda account: _number_of(account.pieces[0]))
        if _are_epochs([account.pieces[0] for account in numbered]):
            first, *others = numbered
            _put_together(first, others)
            accounts = [one for one in accounts if not any(one is other for other in others)]
    return accounts


def _put_together(first: Account, others: Sequence[Account]) -> None:
    """Make one account of the tables of epochs, whose steps go on from table to table."""
    length = _length(_loss_of(first.pieces[0]))
    pieces = [first.pieces[0], *(other.pieces[0] for other in others)]
    first.pieces = [_shifted(piece, at * length) for at, piece in enumerate(pieces)]
    first.say(first.pieces[0], f"{len(pieces)} tables of {length} steps each: a table for each epoch of one run")


def _number_of(piece: Piece) -> int:
    found = _NUMBER.search(piece.path.stem)
    return int(found[0]) if found else 0


def _are_epochs(pieces: Sequence[Piece]) -> bool:
    """Whether tables follow one another: numbered without a gap, as long as each other but for the last, counted from
    one start, and each begins nearer to the end of the one before than to where the first began."""
    if len(pieces) < FEWEST_TABLES or {b - a for a, b in itertools.pairwise(map(_number_of, pieces))} != {1}:
        return False
    losses = [_loss_of(piece) for piece in pieces]
    if any(len(loss) < FEWEST_ROWS or not np.isfinite(loss.value).all() or NO_STEP in loss.step for loss in losses):
        return False
    if len({(int(loss.step[0]), _length(loss)) for loss in losses[:-1]}) > 1 or losses[-1].step[0] != losses[0].step[0]:
        return False
    if len(losses[-1]) > len(losses[0]) or pieces[0].reading.source.step_axis in ("epoch", "episode"):
        return False
    begins, ends = zip(*(_begin_and_end(loss) for loss in losses), strict=True)
    return all(abs(begin - end) < abs(begin - begins[0]) for begin, end in zip(begins[1:], ends, strict=False))


def _loss_of(piece: Piece) -> Series:
    """The loss of a table; an empty series where it has none."""
    found = [series for series in piece.series if role_of_tag(series.tag) == "loss"]
    none = np.empty(0)
    empty = Series(tag="", step=none.astype(np.int64), value=none, wall_time=none, source=none.astype(np.int32),
                   row=none.astype(np.int64))  # fmt: skip
    return max(found, key=len, default=empty)


def _length(loss: Series) -> int:
    """Steps of one table: from its first to where the next row would stand."""
    return int(loss.step[-1] - loss.step[0] + np.median(np.diff(loss.step)))


def _begin_and_end(loss: Series) -> tuple[float, float]:
    part = len(loss) // OF_AN_END
    return float(np.median(loss.value[:part])), float(np.median(loss.value[-part:]))


def _shifted(piece: Piece, by: int) -> Piece:
    """A piece whose steps begin further on; they count batches of the loader."""
    shifted = tuple(replace(one, step=np.where(one.step == NO_STEP, one.step, one.step + by)) for one in piece.series)
    source = replace(piece.reading.source, step_axis="batch")
    return replace(piece, reading=replace(piece.reading, series=shifted, source=source))
