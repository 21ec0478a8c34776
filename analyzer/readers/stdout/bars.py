"""The states of progress bars: which of them count, and what they count."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from analyzer.distinct import distinct
from analyzer.readers.stdout.counters import COUNTERS, PLACES
from analyzer.readers.stdout.general import prefixed
from analyzer.readers.stdout.patterns import WALL
from analyzer.readers.stdout.places import BAR, BARS, EVENLY, HEADING, STEP, laps_of

Entry = dict[str, Any]
Found = tuple[int, str, Entry]  # line number, name of the pattern, what the line says
FEWEST_TURNS = 4  # of two bars; fewer are a length that changed


def of_one_phase(found: list[Found]) -> list[Found]:
    """The lines without the states of another phase's bars: where bars of two totals take turns, most are of training.

    What a bar of the other says at its end, in the words of training, is of validation.
    """
    totals = [entry[BARS] for _, _, entry in found if BAR in entry]
    turns = sum(one != after for one, after in itertools.pairwise(totals))
    if turns < FEWEST_TURNS:
        return found
    main, *others = (total for total, _ in Counter(totals).most_common())
    kept: list[Found] = []
    for row, pattern, entry in found:
        if entry.get(BARS, main) == main:
            kept.append((row, pattern, entry))
        elif len(others) == 1 and entry[BAR] == entry[BARS]:
            kept.append((row, pattern, _validated(entry)))
    return kept


def _validated(entry: Entry) -> Entry:
    """What the end of a bar says as figures of validation, without its place."""
    counts = {name: entry[name] for name in (*PLACES, HEADING, WALL) if name in entry and name not in COUNTERS}
    return {**counts, **prefixed({name: entry[name] for name in entry.keys() - counts.keys() - {BAR, BARS}}, "val")}


def last_states(found: list[Found]) -> list[Found]:
    """The last painting of each state of a bar: the earlier ones show the same place."""
    return [
        one
        for one, after in itertools.zip_longest(found, found[1:])
        if after is None or BAR not in one[2] or any(one[2].get(k) != after[2].get(k) for k in (BAR, BARS, "epoch"))
    ]


def one_bar(entries: Sequence[Entry]) -> int | None:
    """The total of a bar that goes once through the run: no epochs beside it, one total, and it never falls."""
    states = [(entry[BAR], entry[BARS]) for entry in entries if BAR in entry]
    once = len({total for _, total in states}) == 1 and all(a <= b for (a, _), (b, _) in itertools.pairwise(states))
    return states[0][1] if once and not any("epoch" in entry for entry in entries) else None


def bars_with_steps(entries: Sequence[Entry]) -> bool:
    """Add the step of the run to the states of bars that go through one epoch each; whether they say enough for it.

    Bars without a label count laps where each goes to its total before the next begins.
    """
    bars = [entry for entry in entries if BAR in entry]
    if not any("epoch" in entry for entry in bars):
        totals = {entry[BARS] for entry in bars}
        falls = [before for before, after in itertools.pairwise(bars) if after[BAR] < before[BAR]]
        if len(totals) > 1 or any(entry[BAR] != entry[BARS] for entry in falls):
            return False
        lap = -1
        for before, entry in zip([None, *bars], bars, strict=False):
            lap += before is None or entry[BAR] < before[BAR]
            entry[STEP] = lap * entry[BARS] + entry[BAR]
        return True
    return laps_of(entries, BAR, BARS) is not None


def under_bars(found: Sequence[Found]) -> int | None:
    """Give printed dictionaries the place of the bar above them, where places lie as evenly as a cadence of logging.

    The Trainer's bar counts updates and its dictionaries have none. A place may come again: a process was started
    again, or two write. Returns the bar's total; None where none is sure.
    """
    last: dict[int, int] = {}  # total -> place
    latest = 0
    told: list[tuple[Entry, dict[int, int]]] = []
    for _, pattern, entry in found:
        if BAR in entry:
            latest = entry[BARS]
            last[latest] = entry[BAR]
        if pattern == "trainer" and "loss" in entry and last:
            told.append((entry, dict(last)))
    totals = Counter(total for _, places in told for total in places)
    if len(told) < 2 or not totals:
        return None
    total = max(totals, key=lambda one: (totals[one], one))
    places = np.array([of_bar.get(total, -1) for _, of_bar in told])
    rises = np.diff(distinct(places))
    if (places < 0).any() or not len(rises) or (np.diff(places) == 0).any():
        return None
    if (rises == np.median(rises)).mean() < EVENLY:
        return None
    place = None
    for _, pattern, entry in found:
        place = entry[BAR] if entry.get(BARS) == total else place
        if pattern == "trainer" and place is not None:
            entry["step"] = place
    return int(total)
