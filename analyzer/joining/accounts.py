"""What one logger told of a run, and how two accounts can be compared."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from msgspec import Struct, field

from analyzer.model import NO_STEP, Series
from analyzer.readers import Reading

SPLIT_WORD = re.compile(r"(?i)(?:^|[_.-])(train(?:ing)?|val(?:id(?:ation)?)?|eval(?:uation)?|test|dev)(?=[_.-]|$)")
SPLIT_FOLDER = re.compile(r"(?i)(train(?:ing)?|val(?:id(?:ation)?)?|eval(?:uation)?|test|dev)$")
SAME_TAGS = 0.5  # share of common tags from which two tables are accounts of the same kind


class Piece(Struct, frozen=True, kw_only=True, eq=False, dict=True):
    """A reading and the folder that it speaks for."""

    path: Path
    folder: Path
    reading: Reading
    settings: str = ""  # the text of the configuration beside it

    @property
    def series(self) -> tuple[Series, ...]:
        return self.reading.series

    @cached_property
    def wall_span(self) -> tuple[float, float] | None:
        """Its first and last moment, seconds since 1970; None where no row has a time."""
        timed = [one.wall_time for one in self.series if np.isfinite(one.wall_time).any()]
        return (min(map(np.nanmin, timed)), max(map(np.nanmax, timed))) if timed else None

    @cached_property
    def first_step(self) -> int | None:
        """The least step of any series that counts; None where none has one."""
        steps = [one.step[one.step != NO_STEP] for one in counting(self.series)]
        return min((int(found.min()) for found in steps if len(found)), default=None)


class Account(Struct, kw_only=True, eq=False):
    """What one logger told, in one or several files."""

    view: str
    kind: tuple[str, ...]  # accounts of one kind in one folder are different runs unless they continue each other
    pieces: list[Piece]
    prefixes: dict[Path, str] = field(default_factory=dict)  # piece -> what is put before its tags
    extra: list[Account] = field(default_factory=list)  # views of the same logger that cannot share tags with it
    notes: list[str] = field(default_factory=list)
    why: dict[Path, str] = field(default_factory=dict)  # piece -> why it was put to this account

    @property
    def alone(self) -> bool:
        """Whether it tells of a run of its own, wherever it lies, unless its numbers say otherwise: a notebook."""
        return self.pieces[0].reading.source.alone

    def say(self, piece: Piece, why: str) -> None:
        """Note why a piece belongs here."""
        self.notes.append(why)
        self.why[piece.path] = why


def place_of(piece: Piece) -> str:
    return f"{piece.folder.name}/{piece.path.name}"


def split_of(account: Account) -> str:
    """The split that the name of an account's only file, or of its folder, tells, by its first two letters, else ""."""
    piece = account.pieces[0]
    match = SPLIT_WORD.search(piece.path.stem) or SPLIT_FOLDER.match(piece.folder.name)
    return match[1].lower()[:2] if match and len(account.pieces) == 1 else ""


def points_in(piece: Piece) -> int:
    return sum(len(series) for series in piece.series)


def counting(series: Sequence[Series]) -> Sequence[Series]:
    """The series without placeholders: `hp_metric` is written at step 0 of every life, wherever it begins."""
    told = [one for one in series if one.step.any()]
    return told or series


def steps_of(pieces: Sequence[Piece]) -> np.ndarray:
    """Steps of the longest series of the pieces, in written order."""
    longest = max((s for piece in pieces for s in counting(piece.series)), key=len, default=None)
    if longest is None:
        return np.empty(0, dtype=np.int64)
    steps = np.concatenate([s.step for piece in pieces for s in piece.series if s.tag == longest.tag])
    return steps[steps != NO_STEP]


def same_values(a: np.ndarray, b: np.ndarray) -> bool:
    return len(a) == len(b) and bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))


def is_beginning_of(short: Piece, long: Piece) -> bool:
    """Whether every point of one state stands at the beginning of the other."""
    whole = {series.tag: series for series in long.series}
    return all(
        s.tag in whole
        and same_values(s.step, whole[s.tag].step[: len(s)])
        and same_values(s.value, whole[s.tag].value[: len(s)])
        for s in short.series
    )


def share_tags(one: Piece, two: Piece) -> bool:
    a, b = {s.tag for s in one.series}, {s.tag for s in two.series}
    return len(a & b) >= SAME_TAGS * len(a | b)
