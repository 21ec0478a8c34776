"""A counter that stands alone, and the lines of numbers below it that belong to it."""

from __future__ import annotations

import re
from typing import Any

from analyzer.readers.stdout.counters import Entry, counters_of
from analyzer.readers.stdout.general import of_one_phase, prefixed
from analyzer.readers.stdout.values import tells, values_of

WORDS_BESIDE_A_COUNTER = 2  # of a headline; more of them are a sentence
LINES_OF_A_BLOCK = 40  # below a headline; what stands further down is another matter
_LETTERS = re.compile(r"[A-Za-z]{2,}+")
# an epoch: the label is that of the lines above
_CLOSES = re.compile(r"\b(?:complete|finish|done|ended|end of|after|took)", re.I)
_PHASE_ALONE = re.compile(
    r"\W{0,12}(valid(?:ation)?|val|eval(?:uation)?|test(?:ing)?|dev)"
    r"(?: (?:error|results?|metrics|set|set results?|performance))?\W{0,12}",
    re.I,
)
_SO_FAR = re.compile(r"\W{0,8}\w{1,20}s\s?[:=]?\s{0,9}\d[\d,]{0,15}\W{0,8}")  # episodes 11, below another count
# batches of a phase of its own: Test: [ 10/196]
_PLACE_OF_ANOTHER = re.compile(r"\[\s{0,6}\d{1,9}/\d{1,9}\s{0,2}[\](]|%\|")


class OpenBlock:
    """A counter that stands alone, and the lines of numbers below it that belong to it.

    ``Epoch 3/25`` above ``train Loss: 0.5 Acc: 0.8``; ``Epoch 0`` above ``train_loss -0.12``.
    """

    def __init__(self) -> None:
        self.counters: Entry = {}
        self.lines = 0
        self.phase = ""  # other than training, that stood alone; of the lines below it that count nothing
        self.sentence: Entry = {}  # an epoch in a sentence: it counts where no line has a counter of its own
        self.counted = False  # whether a line had one
        self.heading: Any = None  # the label of an epoch that stood alone, until a line of numbers has another

    @property
    def is_open(self) -> bool:
        """Whether a counter stands not too far above."""
        return bool(self.counters) and self.lines <= LINES_OF_A_BLOCK

    def open(self, counters: Entry, *, alone: bool = True, closes: bool = False) -> None:
        """Begin below another counter; a step that stands alone stays inside the epoch that stood above it."""
        self.phase = ""
        if "epoch" in counters:
            self.heading = counters["epoch"] if alone and not closes else None
        outer: Entry = {name: self.counters[name] for name in ("epoch", "epochs") if name in self.counters}
        self.counters, self.lines = (counters if "epoch" in counters else {**outer, **counters}), 0

    def see_phase(self, text: str) -> None:
        """Take note of a line without a number that names a phase, as ``Test Error:`` does; others end it."""
        found = _PHASE_ALONE.fullmatch(text)
        self.phase = found[1] if found else ""

    def entry_of(self, text: str) -> Entry | None:
        """What a line without a counter says; None where it says nothing, or no counter stands above it."""
        counters, rest = counters_of(text)
        if counters and not any(map(tells, values_of(rest))):
            if self.counters and self.counters.keys().isdisjoint(counters) and _SO_FAR.fullmatch(text):
                self.counters = {**self.counters, **counters}
            elif _stands_alone(rest):
                self.open(counters, closes=_CLOSES.search(text) is not None)
            if counters.keys() <= {"epoch", "epochs", "round", "total"}:
                self.sentence, self.lines = counters, 0
            return None
        self.lines += 1
        above = self.counters or ({} if self.counted else self.sentence)
        if counters:
            self.phase = ""
        elif self.phase and self.counters:
            values = values_of(text)
            return {**self.counters, **prefixed(values, self.phase)} if any(map(tells, values)) else None
        if not above or self.lines > LINES_OF_A_BLOCK or _PLACE_OF_ANOTHER.search(rest):
            return None
        values = values_of(rest)
        return {**above, **counters, **of_one_phase(values, rest)} if any(map(tells, values)) else None


def _stands_alone(rest: str) -> bool:
    return len(_LETTERS.findall(rest)) <= WORDS_BESIDE_A_COUNTER
