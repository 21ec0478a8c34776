"""Runs that were printed into one file one after another: every counter and the loss start over.

A process that went on with its state has a loss near its last one, or a counter that goes on; that stays one run, for
the clocks to judge.
"""

from __future__ import annotations

import bisect
import math
from collections import Counter
from collections.abc import Sequence
from itertools import starmap
from typing import Any

import numpy as np

from analyzer.readers.stdout.counters import COUNTERS
from analyzer.readers.stdout.places import HEADING
from analyzer.readers.stdout.values import of_validation
from analyzer.roles import role_of_tag

Entry = dict[str, Any]
Found = tuple[int, str, Entry]  # line number, name of the pattern, what the line says
NOISE_UNITS = 3.0  # of the median step of the loss: a jump of less is one of any two rows
FRESH = 0.9  # of the way back to where a loss began: losses of fresh runs lie above 0.94 of it (joining/lives.py)
FEWEST_COUNTS = 3  # different ones before a run can start over


def parts_of(found: Sequence[Found], heads: Sequence[int] = ()) -> list[list[Found]]:
    """The lines of each run, in order; one part where nothing starts over.

    Args:
        heads: numbers of lines that stand above the first record, too: a process may have begun there.
    """
    counter, loss = _counter_of(found), _loss_of(found)
    if counter is None or loss is None:
        return [list(found)]
    starts = [0]
    rows: list[Entry] = []  # of the run, with the counter and the loss
    label, at_start = None, None  # of the epoch that was told last, and where the run began
    last = 0  # of the rows
    for at, (_, _, entry) in enumerate(found):
        label = entry.get("epoch", entry.get(HEADING, label))
        if not isinstance(entry.get(counter), int | float) or not isinstance(entry.get(loss), int | float):
            continue
        above = counter == "epoch" or label == at_start  # else a place, which begins again with every epoch
        again = bool(rows) and entry[counter] == rows[-1][counter] and len(rows) < FEWEST_COUNTS
        back = bool(rows) and above and (entry[counter] < rows[-1][counter] or again)
        if rows and _planned_anew(entry, rows, counter):
            starts.append(at)
            rows = []
        elif back and _starts_over(entry, rows, counter, loss, began=_between(heads, found[last][0], found[at][0])):
            starts.append(max(last + 1, _head_of(found, at, counter)))
            rows = []
        if not rows:
            at_start = label
        rows.append(entry)
        last = at
    return [list(found[start:end]) for start, end in zip(starts, [*starts[1:], len(found)], strict=True)]


def _between(heads: Sequence[int], one: int, other: int) -> bool:
    """Whether a line of the head stands between two others."""
    return bisect.bisect_right(heads, one) < bisect.bisect_left(heads, other)


def _starts_over(entry: Entry, rows: Sequence[Entry], counter: str, loss: str, *, began: bool) -> bool:
    """Whether every counter of a row is back where the run began, and its losses are not where that ended: one is where
    it was at first, or most are far.

    Where a process began (its first lines stand there again), a run of a few rows, and one whose loss is where it was
    at first, cannot tell: it is another one.
    """
    first, last = rows[0], rows[-1]
    others = [name for name in (*COUNTERS, "epoch") if name in entry and name in last and name in first]
    if any(entry[name] > first[name] for name in others):
        return False
    if len({row[counter] for row in rows}) < FEWEST_COUNTS:
        return began
    names = [name for name in entry if name == loss or (_is_a_loss(name) and name in first and name in last)]
    told = [(entry[name], [row[name] for row in rows if name in row]) for name in names]
    if began and all(_goes_nowhere(losses) for _, losses in told):
        return True
    return any(_is_fresh(at, losses) for at, losses in told) or 2 * sum(starmap(_is_far, told)) > len(told)


def _is_a_loss(name: str) -> bool:
    return role_of_tag(name) in ("loss", "epoch_loss") and not of_validation(name)


def _noise(losses: Sequence[float]) -> float:
    """The median step of losses that are finite, times the units of it that tell one from another."""
    steps = np.abs(np.diff([one for one in losses if math.isfinite(one)]))
    return NOISE_UNITS * float(np.median(steps)) if len(steps) else math.inf


def _goes_nowhere(losses: Sequence[float]) -> bool:
    return abs(losses[0] - losses[-1]) <= _noise(losses)


def _is_fresh(at: float, losses: Sequence[float]) -> bool:
    """Whether a loss is where it was at first, of a way that is no noise."""
    fell = losses[0] - losses[-1]
    return abs(fell) > _noise(losses) and math.isfinite(at) and abs(at - losses[0]) < abs(fell) * (1 - FRESH)


def _is_far(at: float, losses: Sequence[float]) -> bool:
    """Whether a loss is far from where the run before it ended."""
    if not math.isfinite(losses[-1]):
        return math.isfinite(at)  # no state goes on from there
    fell = next(abs(one - losses[-1]) for one in losses if math.isfinite(one))
    return abs(at - losses[-1]) > max(fell / 2, _noise(losses))


def _planned_anew(entry: Entry, rows: Sequence[Entry], counter: str) -> bool:
    """Whether a row is back where the run began, and both the epochs and their batches are others: another command."""
    first, last = rows[0], rows[-1]
    others = [entry.get(name) != last.get(name) for name in ("epochs", "batches")]
    at_the_start = entry[counter] <= first[counter] and entry.get("batch", 1) <= first.get("batch", 0)
    return all(others) and at_the_start and len(rows) >= FEWEST_COUNTS


def _head_of(found: Sequence[Found], at: int, counter: str) -> int:
    """Where the run of a row begins: at the first line in front of it that counts the same, or nothing."""
    while at > 0 and found[at - 1][2].get(counter) == found[at][2][counter]:
        at -= 1
    return at


def _counter_of(found: Sequence[Found]) -> str | None:
    """The counter that most rows have: the epoch before a step, which may be a place in it."""
    rows = Counter(name for _, _, entry in found for name in entry if name == "epoch" or name in COUNTERS)
    if not rows:
        return None
    most = max(rows.values())
    return "epoch" if 2 * rows["epoch"] >= most else max(rows, key=lambda name: rows[name])


def _loss_of(found: Sequence[Found]) -> str | None:
    """The loss of training that most rows have; None where it is not in them as a number."""
    rows = Counter(
        name
        for _, _, entry in found
        for name, value in entry.items()
        if isinstance(value, float) and _is_a_loss(name)
    )
    return max(rows, key=lambda name: rows[name]) if rows else None
