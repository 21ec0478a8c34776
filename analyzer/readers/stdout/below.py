"""Lines of names that nobody knows and their numbers, which stand below a counter again and again.

``exploration 0.93`` below ``Timestep 10000`` and ``mean reward -20.5``; ``smape 38.2`` at the end of each epoch. What
is printed once at nearly every count, or at the end of nearly every epoch, is a figure of that count.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator

from analyzer.readers.stdout.counters import COUNTERS, FOLD, Entry
from analyzer.readers.stdout.general import of_one_phase
from analyzer.readers.stdout.values import NAME_OF_WORDS, NO_VALUES, NUMBER, values_of

FEWEST_ROWS = 6  # fewer lines of one name stand anywhere by chance
LONGEST_LINE = 300  # signs; a line of figures needs no more
MOSTLY = 0.8  # share of the counts, or of the epochs, that have the line: some are lost, or told in part
_ONE_FIGURE = re.compile(
    rf"\W{{0,8}}(?P<name>{NAME_OF_WORDS})\s{{0,9}}(?P<sign>[:=]?)\s{{0,9}}(?P<number>{NUMBER})\s?%?\W{{0,3}}", re.I
)


class LinesBelow:
    """Lines below counters, as they come, and the counts that others tell."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, ...], list[tuple[int, Entry, Entry, bool]]] = {}
        self._counts: set[Hashable] = set()
        self._epochs: set[Hashable] = set()

    def count(self, counters: Entry) -> None:
        """Take note of a count that a line tells which is read."""
        if counters:
            self._counts.add(_count_of(counters))
            self._epochs.add(_epoch_of(counters))

    def see(self, row: int, text: str, counters: Entry) -> None:
        """Take note of a line that nothing else reads, below a counter."""
        found = _ONE_FIGURE.fullmatch(text)
        if found is not None and found["name"].lower() not in NO_VALUES:
            written = found["number"].replace(",", "")
            told = bool(found["sign"]) or not written.isdigit()
            self._lines.setdefault((found["name"],), []).append((row, counters, {found["name"]: float(written)}, told))
        elif found is None and len(text) <= LONGEST_LINE and len(values := of_one_phase(values_of(text), text)) > 1:
            self._lines.setdefault(tuple(values), []).append((row, counters, values, True))

    def rows(self) -> Iterator[tuple[int, str, Entry]]:
        """Line number, "block" and what a line says, for those that are figures."""
        for lines in self._lines.values():
            counts = {_count_of(counters) for _, counters, _, _ in lines}
            epochs = {_epoch_of(counters) for _, counters, _, _ in lines}
            if len(lines) < FEWEST_ROWS or len(counts) < len(lines) or not any(told for _, _, _, told in lines):
                continue
            of_all = len(counts & self._counts) >= MOSTLY * len(self._counts)
            of_epochs = len(epochs) == len(lines) and len(epochs & self._epochs) >= MOSTLY * len(self._epochs)
            if of_all or of_epochs:
                yield from ((row, "block", {**counters, **values}) for row, counters, values, _ in lines)


def _count_of(counters: Entry) -> Hashable:
    """Fold and label, the place below that, and the counter that stood first: others are told further down."""
    first = next((item for item in counters.items() if item[0] in COUNTERS), None)
    return _epoch_of(counters), counters.get("batch"), first


def _epoch_of(counters: Entry) -> Hashable:
    return counters.get(FOLD), counters.get("epoch")
