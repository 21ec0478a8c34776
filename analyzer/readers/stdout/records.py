"""Records that go over several lines: dictionaries, names indented below a headline, boxes, columns of two phases.

Each begins at a line that says so by its first or last sign, and ends where its form does: what has not the form to its
end is none. A lookahead is bounded, so that time stays in proportion to the lines.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from analyzer.readers.columns.step_axis import names_an_axis
from analyzer.readers.stdout.counters import COUNTERS
from analyzer.readers.stdout.patterns import Entry, number_of
from analyzer.readers.stdout.values import tells

OPENING = frozenset(":{,-")  # last signs of a line that more of a record may follow
MOST_LINES = 400  # of one record; RLlib prints some hundred
FEWEST_LINES = 3  # of names and values below a headline: two stand below words of any kind
LONGEST_LINE = 400  # signs; a name and its value need no more
# alone, or behind what a logger puts in front
_OPENS = re.compile(r"(?:\s*+|[^\n{]{1,100}[:\]]\s?)(?=\{\s*+(?:['\"]|$))")
# a line of a dictionary: brackets, a name and its value, or a further number of a list
_OF_A_DICTIONARY = re.compile(
    r"[\s{}\[\],]*+(?:['\"]?[A-Za-z_][\w./@ ()%-]{0,79}['\"]?\s{0,3}:\s{0,3}"
    r"(?:['\"][^'\"\n]{0,200}['\"]|[^:'\"\n{}]{0,200})|[+-]?[\d.][\d.eE+-]{0,40})?[\s{}\[\],]*+"
)
SIGNS_OF_A_DICTIONARY = re.compile(r"[{}'\"]")
_HEADLINE = re.compile(r"[A-Za-z][^\n]{0,100}:")
_INDENTED = re.compile(
    r"(?P<indent>[ \t]{1,40})(?P<name>[A-Za-z_][\w./@ ()%-]{0,79}):(?:\s++(?P<value>\S[^\n]{0,200})|\s*+)"
)
_TWO_EDGES = re.compile(r"-{3,}+\s{1,4}-{3,}+\s*+")

BOX_EDGE = re.compile(r"^\+?-[-+]{6,}$")
BOX_SIGNS = str.maketrans("│┃─━╭╮╰╯├┤┌┐└┘┬┴┼", "||--+++++++++++++")
_BOX_NAME = re.compile(r"[\w./@ -]+")
_OF_TWO_PHASES = re.compile(r"(?:^|\s)([\w/@-]{1,80})\s{1,80}\|\s{1,9}(\S{1,40})\s{1,9}\|\s{1,9}(\S{1,40})\s*+$")
_OLMO_VALUE = re.compile(r"^\s{2,}+([\w./-]++(?: [\w./-]++)*+)=([-+\w.,]++)\s*+$")


# train_comp: {'mse': 0.5, ...}, val_comp={'mse': 0.6}
_NAMED_DICTIONARY = re.compile(
    r"(?P<name>(?<![\w./-])\w{0,20}(?:train|val|test|eval|dev)\w{0,20})\s?[:=]\s?\{(?P<said>'[^{}]{1,2000})\}", re.I
)
_KEY = re.compile(r"'([\w./ @-]{1,60})'(?=: )")


def of_named_dictionaries(text: str) -> str:
    """A line whose dictionaries have the name of a phase, with that in front of each name; counters keep theirs."""
    return _NAMED_DICTIONARY.sub(
        lambda found: _KEY.sub(
            lambda key: key[0] if names_an_axis(key[1]) else f"'{found['name']}/{key[1]}'", found["said"]
        ),
        text,
    )


class Record(Struct, frozen=True, kw_only=True):
    """A record of several lines: its numbers, or the one line that it would have been."""

    end: int  # index of the line behind it
    form: str  # "" where it belongs to the line in front of it
    text: str = ""
    entry: Entry | None = None


class Records:
    """The records of some lines, one after another. No line is looked at twice for the end of a dictionary."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._tried_to = 0

    def record_at(self, index: int, line: str) -> Record | None:
        """The record of several lines that begins with a line, which is given as a terminal shows it."""
        if line[:1] == "-":
            columns = two_columns_at(self._lines, index)
            return None if columns is None else Record(end=columns[0], form="columns", entry=columns[1])
        said = self._dictionary_at(index)
        if said is not None:
            return Record(end=said[0], form="object", text=said[1])
        if line[-1] != ":" or index + 1 >= len(self._lines):
            return None
        said = self._dictionary_at(index + 1)
        if said is not None:
            return Record(end=said[0], form="", text=f"{line} {said[1]}")
        indented = indented_at(self._lines, index)
        return None if indented is None else Record(end=indented[0], form="record", entry=indented[1])

    def _dictionary_at(self, index: int) -> tuple[int, str] | None:
        """Index behind a dictionary that is printed over several lines from here, and what it says without signs."""
        opens = _OPENS.match(self._lines[index]) if index >= self._tried_to else None
        if opens is None or "}" in self._lines[index]:
            return None
        depth = 0
        said: list[str] = []
        for end in range(index, min(index + MOST_LINES, len(self._lines))):
            line = self._lines[end] if end > index else self._lines[end][opens.end() :]
            self._tried_to = end + 1
            if len(line) > LONGEST_LINE or not _OF_A_DICTIONARY.fullmatch(line):
                return None
            depth += line.count("{") - line.count("}")
            said.append(line.strip())
            if depth <= 0:
                return end + 1, SIGNS_OF_A_DICTIONARY.sub("", " ".join(said))
        return None


def indented_at(lines: Sequence[str], index: int) -> tuple[int, Entry] | None:
    """Index behind the names and values that are indented below a headline, and the numbers of them.

    ``Result for PPO_CartPole:``, as Ray Tune prints it; names below a name are joined with ``/``, as in its tables.
    """
    if not _HEADLINE.fullmatch(lines[index].rstrip()):
        return None
    entry: Entry = {}
    above: list[tuple[int, str]] = []
    end = index + 1
    while end < min(index + MOST_LINES, len(lines)):
        found = _INDENTED.fullmatch(lines[end].rstrip()) if len(lines[end]) <= LONGEST_LINE else None
        if found is None:
            break
        end += 1
        indent = len(found["indent"])
        above = [one for one in above if one[0] < indent]
        if not found["value"]:
            above.append((indent, found["name"]))
            continue
        number = number_of(found["value"].strip())
        if number is not None:
            entry["/".join((*(name for _, name in above), found["name"]))] = number
    if end < index + 1 + FEWEST_LINES or not any(map(names_an_axis, entry)) or not any(map(tells, entry)):
        return None
    return end, entry


def two_columns_at(lines: Sequence[str], index: int) -> tuple[int, Entry] | None:
    """Index behind a table of names and values between edges of two parts, and its numbers: rllab's, and dowel's."""
    if not _TWO_EDGES.fullmatch(lines[index]):
        return None
    entry: Entry = {}
    for end in range(index + 1, min(index + MOST_LINES, len(lines))):
        line = lines[end].strip()
        if _TWO_EDGES.fullmatch(line):
            return (end + 1, entry) if any(map(names_an_axis, entry)) else None
        cells = line.rsplit(None, 1)
        number = number_of(cells[1]) if len(cells) == 2 and len(line) <= LONGEST_LINE else None
        if number is None:
            return None
        entry[cells[0].strip()] = number
    return None


def box_at(lines: Sequence[str], index: int) -> tuple[int, Entry]:
    """A boxed table of names and values that starts at a line; nothing when no edge closes it."""
    entry: Entry = {}
    heading = ""
    for end in range(index, len(lines)):
        line = lines[end].rstrip().translate(BOX_SIGNS)
        if BOX_EDGE.match(line):
            return end, entry
        cells = line.split("|")
        if len(cells) == 3:  # Ray Train's: a name and its value between two edges
            cells = ["", *cells[1].rsplit(None, 1), ""]
        if len(cells) != 4 or cells[0] or cells[3] or not _BOX_NAME.fullmatch(cells[1]):
            break
        name, value = cells[1].strip(), cells[2].strip()
        if not value and name.endswith("/"):
            heading = name
            continue
        if not name or not value or " " in value:
            break
        number = number_of(value)
        if number is not None:
            indented = len(cells[1]) - len(cells[1].lstrip()) > 1
            entry[(heading if indented else "") + name] = number
        if "e+" in value and names_an_axis(name):
            entry["=rounded"] = 1
    return index, {}


def olmo_at(lines: Sequence[str], index: int) -> tuple[int, Entry]:
    """Indented ``name=value`` lines that start at a line."""
    entry: Entry = {}
    for end in range(index, len(lines)):
        found = _OLMO_VALUE.match(lines[end])
        if not found:
            return end, entry
        number = number_of(found[2].replace(",", ""))
        if number is not None:
            entry[found[1]] = number
    return len(lines), entry


def two_phases_at(lines: Sequence[str], index: int) -> tuple[int, Entry]:
    """The figures of training and validation side by side that start at a line."""
    entry: Entry = {}
    for end in range(index, len(lines)):
        found = _OF_TWO_PHASES.search(lines[end]) if len(lines[end]) <= LONGEST_LINE else None
        if not found:
            return end, entry
        for phase, said in (("training", found[2]), ("validation", found[3])):
            number = number_of(said)
            if number is not None:
                entry[f"{phase}_{found[1]}"] = number
    return len(lines), entry


def without_settings(found: Sequence[tuple[int, str, Entry]]) -> list[tuple[int, str, Entry]]:
    """The lines without the records that count nothing and say the same each time: what a process prints of its
    configuration."""
    told = [entry for _, form, entry in found if form == "record"]
    of_settings = [entry for entry in told if "epoch" not in entry and COUNTERS.isdisjoint(entry)]
    if len(of_settings) == len(found) or any(entry != of_settings[0] for entry in of_settings):
        return list(found)
    return [one for one in found if one[1] != "record" or one[2] not in of_settings[:1]]
