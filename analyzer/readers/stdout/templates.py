"""What the numbers of a template are, told by how they behave from row to row.

Lines that differ in their numbers only are of one template, which is learnt from the file. A place of it counts where
it holds whole numbers that go up by one distance, and stands where a counter does: first in its line, before a constant
total, beside a word that counts, or between a name and the number that the name belongs to. Two places count together
where one goes up by one whenever the other begins again: a label, and a place below it. A count that is told in
thousands goes up evenly as far as it is told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from analyzer.model import Floats
from analyzer.readers.columns.step_axis import names_an_axis
from analyzer.readers.stdout.counters import MULTIPLE
from analyzer.readers.stdout.values import tells
from analyzer.roles import role_of_tag

FEWEST_ROWS = 6  # of a template; what fewer rows count by is chance
RISING = 0.9  # share of the rows behind which the count is higher
AT_ONE_DISTANCE = 0.8  # share of the rises that are equal, as a cadence of logging has them
FEWEST_SEAMS = 2  # at which a place begins again as its label goes up
MARK = "\0"  # stands for a number
NUMBER = re.compile(
    r"(?:(?<![\w.])|(?<=\d_))[+-]?(?:\d{1,3}(?:,\d{3})++(?![\d.])|\d++(?:\.\d*+)?(?:[eE][+-]?\d++)?)"
    r"(?:[KMB](?![\w/]))?(?!_?[A-Za-z]\w{0,40}\d)"
)
NO_WORDS = re.compile(r"(?:[^A-Za-z]|(?<=\d)[eE](?=[+-]?\d)|nan|inf)*+")
A_PHASE = re.compile(r"\W*(?:train(?:ing)?|val(?:id(?:ation)?)?|test|eval|dev)\W*", re.I)
_BLANKS = re.compile(r"[ \t]++")
_WHOLE = re.compile(r"\d{1,15}")
_SLASH = re.compile(r"\s?(?:/|of)\s?")
_OPENED = re.compile(r"[\s\[(#|>*-]*+")
_A_VALUE_NEXT = re.compile(r"[\s:=]{1,8}")
# n=4 train.loss=0.5; t:10;L:2.4; @500: loss; (total 200), the loss
_BEHIND_A_WORD = re.compile(r"(?:^|[^\w.])([A-Za-z][\w./]{0,40})(?:\s{0,9}[=:]\s{0,9}| )$|(?<=@)$")
_IN_PLURAL = re.compile(r" (?P<word>steps|iterations|iters|updates|tokens|samples|examples|images|frames)\b", re.I)
_GOES_ON = re.compile(r"[\s,;:|)\]]")
_WORDS_AT_THE_END = re.compile(r"[A-Za-z][\w /-]{0,40}$")


class Template(Struct, frozen=True, kw_only=True):
    """The lines of one template: what stands between its numbers, and these as they were written, row by row."""

    between: Sequence[str]
    cells: Sequence[Sequence[str]]

    @property
    def places(self) -> int:
        return len(self.between) - 1

    def column(self, place: int) -> list[str]:
        return [row[place] for row in self.cells]

    def behind_a_slash(self, place: int) -> bool:
        """Whether the number behind a place is the total of it, by the sign between them."""
        return place + 1 < self.places and _SLASH.fullmatch(self.between[place + 1]) is not None


class Counted(Struct, frozen=True, kw_only=True):
    """The places of a template that count: one of the run, or one of an epoch below the label of that."""

    place: int
    name: str = "step"
    total: bool = False  # whether the number behind is how many there are
    apart: bool = False  # whether a word of its own stands beside it: no name goes on over it
    label: int | None = None


def template_of(text: str) -> str:
    """A line with a mark for every number."""
    return _BLANKS.sub(" ", NUMBER.sub(MARK, text))


def counted_by(
    shape: str, cells: Sequence[Sequence[str]], counts: set[str], *, labelled: bool
) -> Counted | None:
    """Which number of a template counts; None where none does.

    Where rows are few, all must be counts of other templates. Beside a count of its own in every row (``labelled``)
    nothing counts that has another name.
    """
    template = Template(between=shape.split(MARK), cells=cells)
    without_words = NO_WORDS.fullmatch("".join(template.between)) is not None
    for place in range(template.places):
        name = _word_of(template.between, place)
        sure = _may_count(template.between, place) or bool(name)
        if not (sure or without_words or (not labelled and _stands_behind_a_word(template.between, place))):
            continue
        count = _whole_numbers(template.column(place))
        total = template.behind_a_slash(place)
        if count is None or (total and not _is_a_total(template.column(place + 1))):
            continue
        few = len(cells) < FEWEST_ROWS
        unit = max(map(_unit_of, template.column(place))) if name else 0.0
        goes_up = counts.issuperset(template.column(place)) if few else _goes_up(count, unit)
        if goes_up and (sure or _from_its_beginning(count)):
            if not name and without_words and not total and _counts_further(template, place + 1, count):
                place += 1  # the first counts rows, or epochs
            return Counted(place=place, name=name or "step", total=total, apart=bool(name))
    return None if labelled or len(cells) < FEWEST_ROWS else _label_and_place(template)


def _counts_further(template: Template, place: int, count: Floats) -> bool:
    """Whether the next number is a multiple of a count in every row: the count of what lies between two rows."""
    further = _whole_numbers(template.column(place)) if place < template.places else None
    if further is None or template.behind_a_slash(place) or not count.all():
        return False
    times = further / count
    return bool(times[0] > 1 and np.ptp(times) == 0)


def label_beside(shape: str, cells: Sequence[Sequence[str]], place: Sequence[float]) -> int | None:
    """The number of a template that goes up by one whenever the place that its lines tell begins again."""
    template = Template(between=shape.split(MARK), cells=cells)
    at = np.array(place, dtype=np.float64)
    for one in range(template.places):
        label = _whole_numbers(template.column(one))
        if label is not None and _begins_again(label, at) and not _names_a_figure(template.between, one):
            return one
    return None


def number_in(written: str) -> float:
    """A number as a template holds it: with a comma before every three digits, or told in thousands."""
    times = MULTIPLE.get(written[-1:].lower(), 0.0)
    number = float((written[:-1] if times else written).replace(",", ""))
    return round(number * times, 3) if times else number  # 0.29M


def _label_and_place(template: Template) -> Counted | None:
    """Two neighbours of which the first goes up by one whenever the second, which goes up evenly, begins again."""
    for first in range(template.places - 1):
        second = first + 1 + template.behind_a_slash(first)
        if second >= template.places or _names_a_figure(template.between, first, second):
            continue
        label, place = (_whole_numbers(template.column(one)) for one in (first, second))
        if label is None or place is None or not _begins_again(label, place):
            continue
        total = template.behind_a_slash(second) and _is_a_total(template.column(second + 1))
        return Counted(place=second, label=first, total=total)
    return None


def _begins_again(label: Floats, place: Floats) -> bool:
    rise, along = np.diff(label), np.diff(place)
    seams = rise != 0
    inside = along[~seams]
    if np.count_nonzero(seams) < FEWEST_SEAMS or len(inside) < FEWEST_ROWS or (rise[seams] != 1).any():
        return False
    evenly = (inside > 0).all() and np.mean(inside == np.median(inside)) >= AT_ONE_DISTANCE
    return bool(evenly and (place[1:][seams] == place[0]).all() and (along[seams] < 0).all())


def _names_a_figure(between: Sequence[str], *places: int) -> bool:
    names = (_BEHIND_A_WORD.search(between[place]) for place in places)
    return any(name is not None and role_of_tag(name[1] or "") not in (None, "epoch", "step") for name in names)


def _whole_numbers(written: Sequence[str]) -> Floats | None:
    """Counts, shape (rows,); None where one is no whole number."""
    value = [number_in(one) for one in written]
    plain = all(_WHOLE.fullmatch(one) or _unit_of(one) > 0 or "," in one for one in written)
    return np.array(value) if plain and all(one.is_integer() for one in value) else None


def _unit_of(written: str) -> float:
    """What the last digit of a count that is told in thousands stands for; 0 for a count that is told in full."""
    times = MULTIPLE.get(written[-1:].lower(), 0.0)
    return times / 10 ** len(written[:-1].partition(".")[2]) if times else 0.0


def _is_a_total(written: Sequence[str]) -> bool:
    return len(set(written)) == 1 and (_WHOLE.fullmatch(written[0]) is not None or _unit_of(written[0]) > 0)


def _word_of(between: Sequence[str], place: int) -> str:
    """The word beside a place that says that it counts, as columns are called; "" where none does."""
    before = _BEHIND_A_WORD.search(between[place])
    if before is not None and before[1] and names_an_axis(before[1].split("/")[-1]):
        return before[1]
    after = _IN_PLURAL.match(between[place + 1])
    word = after["word"].lower() if after else ""
    return word if names_an_axis(word) else "samples" if word in ("examples", "images") else ""


def _may_count(between: Sequence[str], place: int) -> bool:
    """Whether a counter may stand at a place: first, behind a ``#``, before a total, between a name and its number."""
    before, after = between[place], between[place + 1]
    if _SLASH.fullmatch(after):
        return not before.endswith("/")
    if before.endswith("#"):
        return True
    if place == 0 and (_OPENED.fullmatch(before) or A_PHASE.fullmatch(before)):
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


def _goes_up(count: Floats, unit: float) -> bool:
    """Whether whole numbers rise from row to row by one distance, but for some that begin again, where they began.

    What is told in thousands (``unit``) rises by one distance as nearly as it is told.
    """
    rise = np.diff(count)
    held = np.diff(np.flatnonzero(np.concatenate([[True], rise != 0, [True]])))
    if held[0] > 1 and (held[:-1] == held[0]).all() and len(held) > 1 and np.median(rise[rise != 0]) > 1:
        count = count[:: held[0]]  # each of several processes tells each place; a label goes up by one
        rise = np.diff(count)
    up = rise[rise > 0]
    again = (rise < 0) & (count[1:] == count[0])
    if len(up) + np.count_nonzero(again) < RISING * len(rise) or 2 * len(up) < len(rise):
        return False
    return float(np.mean(np.abs(up - np.median(up)) <= unit)) >= AT_ONE_DISTANCE
