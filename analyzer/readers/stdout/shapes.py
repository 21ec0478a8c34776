"""Counters without a word for them: what lines of one shape count, told by how their numbers behave.

``Train loss 0 3.32``, ``[1 | 16.52] loss=3.37``, ``   1 train loss:  2.27``, ``(1000/40000) average loss: 1.03``. Lines
that differ in their digits only have one shape. A place of it is a counter where it holds whole numbers that go up from
row to row by one distance, and stands where a counter does: first in its line, before a constant total, or between a
name and the number that the name belongs to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
from msgspec import Struct

from analyzer.model import Floats
from analyzer.readers.columns.step_axis import names_an_axis
from analyzer.readers.stdout.behaviour import UNNAMED as UNNAMED_FIGURE
from analyzer.readers.stdout.behaviour import called_losses
from analyzer.readers.stdout.counters import UNNAMED, Entry
from analyzer.readers.stdout.general import OF_TRAINING, PHASE, phase_of_a_line, prefixed
from analyzer.readers.stdout.places import HEADING
from analyzer.readers.stdout.values import of_validation, tells, values_of
from analyzer.roles import MEASURED, role_of_tag

FEWEST_ROWS = 6  # of a shape; what fewer rows count by is chance
RISING = 0.9  # share of the rows behind which the count is higher
AT_ONE_DISTANCE = 0.8  # share of the rises that are equal, as a cadence of logging has them
MOST_SHAPES = 400  # of a file; a log has a few, prose as many as lines
MOST_NUMBERS = 60  # of a line
_NUMBER = re.compile(r"(?<![\w.])[+-]?\d++(?:\.\d*+)?(?:[eE][+-]?\d++)?(?![\w]*[A-Za-z_]\d)")
_NO_WORDS = re.compile(r"(?:[^A-Za-z]|(?<=\d)[eE](?=[+-]?\d)|nan|inf)*+")
_BLANKS = re.compile(r"[ \t]++")
_WHOLE = re.compile(r"\d{1,15}")
_SLASH = re.compile(r"\s?/\s?")
_OPENED = re.compile(r"[\s\[(#|>*-]*+")
_A_PHASE = re.compile(r"\W*(?:train(?:ing)?|val(?:id(?:ation)?)?|test|eval|dev)\W*", re.I)
_A_VALUE_NEXT = re.compile(r"[\s:=]{1,8}")
# n=4 train.loss=0.5; t:10;L:2.4; @500: loss; (total 200), the loss
_BEHIND_A_WORD = re.compile(r"(?:^|[^\w.])([A-Za-z][\w.]{0,20})(?:\s?[=:]\s?| )$|(?<=@)$")
_IN_PLURAL = re.compile(r" (?:steps|iterations|iters|updates)\b", re.I)
_GOES_ON = re.compile(r"[\s,;:|)\]]")
_WORDS_AT_THE_END = re.compile(r"[A-Za-z][\w /-]{0,40}$")


class Uncounted(Struct, frozen=True, kw_only=True):
    """A line that says nothing of where in the run it was written but for its epoch."""

    row: int
    text: str  # without the epoch
    above: Entry  # what is known of it beside its numbers: its epoch, the one that stands above it
    rank: int = 0


def rows_of_shapes(lines: Sequence[Uncounted]) -> Iterator[tuple[int, str, Entry]]:
    """Line number, "shape" and what a line says, for lines of a shape that counts without a word."""
    shapes: dict[tuple[str, int], list[Uncounted]] = {}
    for line in lines:
        key = _BLANKS.sub(" ", _NUMBER.sub("\0", line.text)), line.rank
        if key in shapes or len(shapes) < MOST_SHAPES:
            shapes.setdefault(key, []).append(line)
    counts: set[str] = set()  # of the shapes with many rows; one of few may count by the same
    for (shape, _), told in sorted(shapes.items(), key=lambda one: -len(one[1])):
        if not 2 <= shape.count("\0") <= MOST_NUMBERS or (len(told) < FEWEST_ROWS and not counts):
            continue
        cells = [_NUMBER.findall(line.text) for line in told]
        labels = {line.above.get("epoch") for line in told}
        place = _counting_place(shape, cells, counts, labelled=len(labels) == len(told))
        if place is not None:
            word = _BEHIND_A_WORD.search(shape.split("\0")[place])
            name = word[1] if word and word[1] and names_an_axis(word[1]) else "step"
            rows = list(_entries(told, place, name, total=_has_a_total(shape, place)))
            if len(told) >= FEWEST_ROWS and rows:
                counts |= {cell[place] for cell in cells}
            yield from rows


def _counting_place(
    shape: str, cells: Sequence[Sequence[str]], counts: set[str], *, labelled: bool
) -> int | None:
    """Which number of a shape counts; None where none does. Where rows are few, all must be counts of other shapes.

    Beside an epoch of its own in every row (``labelled``) nothing counts that has another name.
    """
    between = shape.split("\0")
    without_words = _NO_WORDS.fullmatch("".join(between)) is not None
    for place in range(len(between) - 1):
        sure = _may_count(between, place)
        if not (sure or without_words or (not labelled and _stands_behind_a_word(between, place))):
            continue
        written = [cell[place] for cell in cells]
        if not all(map(_WHOLE.fullmatch, written)):
            continue
        totals = {cell[place + 1] for cell in cells} if _has_a_total(shape, place) else {"1"}
        if len(totals) > 1 or not all(map(_WHOLE.fullmatch, totals)):
            continue
        count = np.array(written, dtype=np.float64)
        goes_up = counts.issuperset(written) if len(cells) < FEWEST_ROWS else _goes_up(count)
        if goes_up and (sure or _from_its_beginning(count)):
            return place
    return None


def _may_count(between: Sequence[str], place: int) -> bool:
    """Whether a counter may stand at a place: first, behind a ``#``, before a total, between a name and its number."""
    before, after = between[place], between[place + 1]
    if _SLASH.fullmatch(after):
        return not before.endswith("/")
    if before.endswith("#"):
        return True
    if place == 0 and (_OPENED.fullmatch(before) or _A_PHASE.fullmatch(before)):
        return not after[:1].isalpha() and (after[:1] not in ("/", ".", ":", "-") or after[:2] == ": ")
    name = _WORDS_AT_THE_END.search(before.rstrip())
    return name is not None and tells(name[0].strip()) and _A_VALUE_NEXT.fullmatch(after) is not None


def _stands_behind_a_word(between: Sequence[str], place: int) -> bool:
    """Whether a number has a name that no figure has: one that counts from its beginning on is a counter."""
    if _IN_PLURAL.match(between[place + 1]):  # after 20 steps
        return True
    word = _BEHIND_A_WORD.search(between[place])
    return word is not None and role_of_tag(word[1] or "") is None and _GOES_ON.match(between[place + 1]) is not None


def _from_its_beginning(count: Floats) -> bool:
    """Whether a count begins as one does: with 0, 1, or what it goes up by, and goes up by that in every row."""
    rise = np.diff(count)
    up = float(np.median(rise)) if len(rise) else 0.0
    return up > 0 and count[0] in (0, 1, up) and bool((rise == up).all())


def _has_a_total(shape: str, place: int) -> bool:
    return _SLASH.fullmatch(shape.split("\0")[place + 1]) is not None


def _goes_up(count: Floats) -> bool:
    """Whether whole numbers rise from row to row by one distance, but for some that begin again, where they began."""
    rise = np.diff(count)
    up = rise[rise > 0]
    again = (rise < 0) & (count[1:] == count[0])
    if len(up) + np.count_nonzero(again) < RISING * len(rise) or 2 * len(up) < len(rise):
        return False
    return float(np.mean(up == np.median(up))) >= AT_ONE_DISTANCE


def _entries(told: Sequence[Uncounted], place: int, name: str, *, total: bool) -> Iterator[tuple[int, str, Entry]]:
    """What lines say beside the count at a place. Where each has a figure of validation, it counts epochs."""
    unnamed = all(_NO_WORDS.fullmatch(line.text) or _A_PHASE.fullmatch(_NUMBER.sub("", line.text)) for line in told)
    rows: list[tuple[Uncounted, Entry, Entry]] = []
    for line in told:
        numbers = list(_NUMBER.finditer(line.text))
        count, figures = numbers[place], numbers[:place] + numbers[place + 1 + total :]
        behind = numbers[place + 1] if total else count
        values = values_of(f"{line.text[: count.start()]} {line.text[behind.end() :]}")
        if unnamed:
            values = {f"{UNNAMED_FIGURE}{at}": float(one[0]) for at, one in enumerate(figures, start=1)}
        counters = {name: int(count[0]), **({"total": int(behind[0]), UNNAMED: 1} if total else {})}
        if values:
            rows.append((line, {**line.above, **counters}, values))
    telling = [row for row in rows if any(tells(tag) and role_of_tag(tag) not in MEASURED for tag in row[2])]
    if not telling and called_losses([{**counters, **values} for _, counters, values in rows]):
        telling = rows
    rows = [(line, counters, _of_its_phase(line.text, place, values)) for line, counters, values in telling]
    labelled = any("epoch" in counters or HEADING in counters for _, counters, _ in rows)
    if not labelled and all(len(set(map(of_validation, values))) == 2 for _, _, values in rows):
        rows = [(line, _in_epochs(counters), values) for line, counters, values in rows]
    for line, counters, values in rows:
        prefix = f"rank{line.rank}/" if line.rank else ""
        yield line.row, "shape", {**counters, **{f"{prefix}{tag}": value for tag, value in values.items()}}


def _of_its_phase(text: str, place: int, values: dict[str, float]) -> dict[str, float]:
    """The values of a line with the phase other than training that it names, or that stands in front of its count."""
    phase = phase_of_a_line(text)
    if phase is None:
        head = text[: list(_NUMBER.finditer(text))[place].start()]
        found = PHASE.search(head)
        phase = found[1] if found and not OF_TRAINING.search(head) else None
    return values if phase is None else prefixed(values, phase)


def _in_epochs(counters: Entry) -> Entry:
    return {{"step": "epoch", "total": "epochs"}.get(name, name): value for name, value in counters.items()}
