"""Losses that no line calls a loss, told by how they behave: they fall, and not smoothly.

``Ep 1 (Step 20): Train 11.522 | Val 11.780``, ``Iter 10 | Bit/dim 7.05 | Steps 155``, ``Total: 4.67 | PDE: 1.06``. What
rises, goes nowhere, or falls without noise (a rate, an exploration) keeps the name that was printed, and nothing is
called a loss where lines name one, or a reward.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from analyzer.model import Floats
from analyzer.readers.stdout.counters import COUNTERS, FOLD, PLACES
from analyzer.readers.stdout.laps import TOTALS
from analyzer.readers.stdout.patterns import WALL
from analyzer.readers.stdout.places import HEADING
from analyzer.readers.stdout.values import of_validation, pair_of, tells
from analyzer.roles import is_an_error, role_of_tag

Entry = dict[str, Any]
FEWEST_ROWS = 4  # of figures that are called after their phase; of fewer no course can be told
ROWS_OF_A_NAME = 12  # of any other figure: three in a quarter, so that one in twenty falls by chance
FALLS_TO = 0.9  # of the first quarter, the last quarter's median: what moves less may be anything
APART = 0.9  # share of the pairs of a row of the first quarter and one of the last that fall
RISES = 2  # at least: what falls without them is no loss of batches; an exploration rises where another run begins
TURNS_OF_A_RATE = 3  # a warmup and a decay turn once, a cycle or two more often; what turns oftener is noise
LARGEST_RATE = 0.1
UNNAMED = "figure "  # how a number is called that has no name
LOSSES = ("loss", "validation_loss", "epoch_loss")
_OF_REWARDS = re.compile(r"reward|return|score|episod", re.I)
_PHASES = re.compile(r"(?<![A-Za-z])(?:train(?:ing)?|(?P<other>val(?:id(?:ation)?)?|dev|test|eval))(?![A-Za-z])", re.I)
_NEVER_A_LOSS = re.compile(
    r"time|sec|eta\b|mem|speed|rate\b|temp|eps|beta|tau|alpha|sigma|noise|entropy|steps?\b|len|size|thr|prob|weight|decay"
    r"|/s\b|fps|recall|prec|corr|spearman|gap|best|patience|score",
    re.I,
)
_OF_THE_LINE = COUNTERS | PLACES | {FOLD, WALL}


def called_losses(entries: Sequence[Entry]) -> bool:
    """Call the figures losses that behave so, where nothing else is called a loss; whether there are any."""
    names = dict.fromkeys(name for entry in entries for name in entry)
    pair = pair_of(names)
    whole = [name for name in names if pair is None or "/" not in name]  # beside a pair what has a folder is a part
    told = [name for name in whole if role_of_tag(name) in LOSSES or is_an_error(name) or _OF_REWARDS.search(name)]
    if told and (pair is not None or not all(map(of_validation, told))):
        return False
    if told:  # beside a loss of validation that of training may go without a name
        names = {name: None for name in names if name.startswith(UNNAMED)}
    if pair is not None:
        rows = [entry for entry in entries if entry.keys() >= set(pair)]
        if len(rows) < FEWEST_ROWS or not _falls(_column(rows, pair[0])):
            return False
        called = dict(zip(pair, ("train loss", "val loss"), strict=True))
    elif (main := _main(entries, names)) is not None:
        base = _PHASES.sub("", main)
        others = [name for name in names if _of_validation(name) and _PHASES.sub("", name) == base]
        called = {name: f"val loss ({name})" for name in sorted(others, key=_phase_of, reverse=True)[:1]}
        called[main] = f"loss ({main})"
        rate = next((name for name in names if _is_a_rate(entries, name)), None)
        called |= {rate: f"lr ({rate})"} if rate else {}
    else:
        return False
    for entry in entries:
        for name in [name for name in called if name in entry]:
            entry[called[name]] = entry.pop(name)
    return True


def _main(entries: Sequence[Entry], names: Iterable[str]) -> str | None:
    """The figure of training that falls as a loss does: one that is called a total, else the first."""
    counted = [entry for entry in entries if not _OF_THE_LINE.isdisjoint(entry)]
    rows: dict[str, list[float]] = {}
    for entry in counted:
        for name, value in entry.items():
            rows.setdefault(name, []).append(value)
    able = [name for name in names if _may_be_one(name) and not _is_a_rate(entries, name)]
    most = max((len(rows.get(name, ())) for name in able), default=0)
    found = [name for name in able if 2 * len(rows.get(name, ())) >= most and _behaves_as_one(rows.get(name, ()), name)]
    return next((name for name in found if "total" in name.lower()), found[0] if found else None)


def _may_be_one(name: str) -> bool:
    other = name in _OF_THE_LINE or name in TOTALS or name == HEADING or name[:1] == "=" or _of_validation(name)
    return not (other or role_of_tag(name) is not None or tells(name) or _NEVER_A_LOSS.search(name))


def _of_validation(name: str) -> bool:
    return _phase_of(name) != ""


def _phase_of(name: str) -> str:
    """The phase other than training in a name."""
    found = _PHASES.search(name)
    return (found["other"] or "").lower() if found else ""


def _behaves_as_one(rows: Sequence[float], name: str) -> bool:
    if len(rows) < ROWS_OF_A_NAME:
        return False
    value = np.array(rows, dtype=np.float64)
    value = value[np.isfinite(value)]
    quarter = len(value) // 4
    if quarter < ROWS_OF_A_NAME // 4:
        return False
    first, last = value[:quarter], value[-quarter:]
    apart = np.searchsorted(np.sort(last), first).mean() / quarter
    whole = bool((value == np.round(value)).all())  # a number of errors, not what is left of something
    unnamed = name[: len(UNNAMED)] == UNNAMED
    rough = unnamed or np.count_nonzero(np.diff(value) > 0) >= RISES
    held = 2 * np.count_nonzero(np.diff(value)) < len(value) - 1  # a schedule of levels
    return _falls(value) and bool(rough and apart >= APART and not held) and not (unnamed and whole)


def _is_a_rate(entries: Sequence[Entry], name: str) -> bool:
    """Whether small figures without a name go up and down without noise, as a learning rate does."""
    if name[: len(UNNAMED)] != UNNAMED:
        return False
    value = _column([entry for entry in entries if name in entry], name)
    rise = np.diff(value)
    turns = np.count_nonzero(np.diff(np.sign(rise[rise != 0])))
    small = bool((value >= 0).all() and 0 < value.max() <= LARGEST_RATE)
    return small and bool(2 * np.count_nonzero(rise) >= len(rise) and turns <= TURNS_OF_A_RATE)


def _falls(value: Floats) -> bool:
    """Whether figures, none of which is negative, end lower than they begin."""
    value = value[np.isfinite(value)]
    if not len(value) or (value < 0).any():
        return False
    quarter = max(1, len(value) // 4)
    return bool(np.median(value[-quarter:]) < FALLS_TO * np.median(value[:quarter]))


def _column(rows: Sequence[Entry], name: str) -> Floats:
    return np.array([float(entry[name]) for entry in rows])
