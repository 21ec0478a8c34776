"""Which counters of the lines of one file count the same, and which count in a loop of their own."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from analyzer.readers.stdout.counters import COUNTERS, PLACES
from analyzer.readers.stdout.patterns import WALL
from analyzer.readers.stdout.values import of_validation

Entry = dict[str, Any]
PLACES_AND_TOTALS = (
    ("batch", "batches"), ("samples", "of"), ("step", "total"), ("iter", "total"), ("iteration", "total"),
)  # fmt: skip
MOSTLY = 0.8  # share of the rows in which two counters are equal, or one falls: others are of a restart
ROWS_OF_A_MEASURE = 6
OF_A_MEASURE = 0.2  # share of the rows in which a number falls that counts nothing; a place falls once an epoch
EPOCHS_OF_TWO_LOOPS = 2  # in a single one the place may have begun again at a resume
OF_ITS_OWN = 0.5  # share of an evaluation's rows whose place lies behind that of the training before


def one_name(entries: Sequence[Entry]) -> None:
    """Give counters that tell the same count one name, where lines of several kinds have each its own word for it.

    ``step=10, lr=..`` above ``iteration 10/ 1000``; ``step 100: val loss`` below ``iter 99 step 24: loss``.
    """
    keys = dict.fromkeys(key for entry in entries for key in entry)
    names = [name for name in keys if name in COUNTERS and all(_is_number(entry.get(name, 0)) for entry in entries)]
    for main, other in itertools.permutations(names, 2):
        latest: dict[str, Any] = {}
        told, equal = 0, 0
        for entry in entries:
            if other in entry and main not in entry and main in latest:
                told += 1
                near = abs(entry[other] - latest[main])
                equal += near == 0 or (other in latest and near <= 1 < abs(entry[other] - latest[other]))
            latest |= {name: entry[name] for name in (main, other) if main in entry and name in entry}
        if told >= 2 and equal >= MOSTLY * told:
            for entry in entries:
                if other in entry and main not in entry:
                    entry[main] = entry.pop(other)


def without_measures(entries: Sequence[Entry]) -> None:
    """Call a number that a counter's word names what it is, where it goes up and down beside a counter that goes up.

    ``Iter 10 | Bit/dim 7.05 | Steps 155``: the steps of a solver, or of an episode, count nothing.
    """
    names = [name for name in dict.fromkeys(key for entry in entries for key in entry) if name in COUNTERS]
    for name, main in itertools.permutations([*names, *(["epoch"] if names else [])], 2):
        rows = [entry for entry in entries if name in entry and main in entry]
        if len(rows) < ROWS_OF_A_MEASURE or not all(_is_number(entry[one]) for entry in rows for one in (name, main)):
            continue
        pairs = list(itertools.pairwise(rows))
        falls = sum(after[name] < before[name] for before, after in pairs)
        stays = sum(after[main] <= before[main] for before, after in pairs)
        if falls > OF_A_MEASURE * len(rows) and stays < (1 - MOSTLY) * len(rows) and name != "epoch":
            for entry in entries:
                if name in entry:
                    entry[f"{name} value"] = entry.pop(name)
            return


def second_loops(entries: Sequence[Entry]) -> None:
    """Call rows those of a validation where the place begins again once inside every epoch: one function prints both.

    Conv-TasNet's ``Epoch 1 | Iter 1 | Average Loss`` is printed of the training and, behind it, of the validation.
    """
    for place, _ in PLACES_AND_TOTALS:
        rows = [entry for entry in entries if _is_number(entry.get(place)) and _is_number(entry.get("epoch"))]
        epochs = [list(one) for _, one in itertools.groupby(rows, key=lambda entry: entry["epoch"])]
        again = [_begins_again([entry[place] for entry in one]) for one in epochs]
        whole = again[:-1] if again and again[-1] is None else again
        if len(whole) < EPOCHS_OF_TWO_LOOPS or None in whole or len({one["epoch"] for one in rows}) < len(epochs):
            continue
        for at, epoch in zip(again, epochs, strict=True):
            for entry in epoch[at:] if at else ():
                results = [name for name in entry if name not in {*COUNTERS, *PLACES, "epoch", WALL}]
                entry |= {f"val {name}": entry.pop(name) for name in results}


def _begins_again(places: Sequence[float]) -> int | None:
    """Where places go back to the first of them, where they do so once; else None."""
    falls = [at for at in range(1, len(places)) if places[at] <= places[at - 1]]
    return falls[0] if len(falls) == 1 and places[falls[0]] == places[0] else None


def without_places_of_evaluations(entries: Sequence[Entry]) -> None:
    """Take away the places of rows of validation that count in a loop of their own: they lie behind the training's."""
    of_other = [_only_of_validation(entry) for entry in entries]
    if not any(of_other) or all(of_other):
        return
    for place, total in PLACES_AND_TOTALS:
        latest, behind, told = None, 0, 0
        for entry, other in zip(entries, of_other, strict=True):
            if not _is_number(entry.get(place)):
                continue
            if not other:
                latest = entry[place]
            elif latest is not None:
                told += 1
                behind += entry[place] < latest
        if told > 1 and behind > OF_ITS_OWN * told:
            for entry, other in zip(entries, of_other, strict=True):
                if other and place in entry:
                    del entry[place]
                    entry.pop(total, None)


def beside_a_count_of_the_run(entries: Sequence[Entry]) -> None:
    """Call a place with its total a batch where another counter of its rows goes on as the place begins again."""
    for place, total in PLACES_AND_TOTALS[2:]:
        if goes_on(entries, place, total):
            for entry in entries:
                if place in entry and total in entry:
                    entry["batch"], entry["batches"] = entry.pop(place), entry.pop(total)


def goes_on(entries: Sequence[Entry], place: str, total: str) -> bool:
    """Whether rows with a place and its total have a counter of the run as well, which goes on as that begins again."""
    rows = [entry for entry in entries if place in entry and total in entry]
    rows = [{name: value for name, value in entry.items() if _is_number(value)} for entry in rows]
    pairs = list(itertools.pairwise(rows))
    return any(after[place] < one[place] for one, after in pairs) and any(
        all(name in entry for entry in rows) and all(after[name] >= one[name] for one, after in pairs)
        for name in COUNTERS - {place}
    )


def _is_number(value: Any) -> bool:
    """Whether a value is a number; the JSON of some programs has them as strings."""
    return isinstance(value, int | float)


def _only_of_validation(entry: Entry) -> bool:
    values = [name for name in entry if name not in COUNTERS and name not in PLACES and name != WALL]
    return bool(values) and all(map(of_validation, values))
