"""The time in front of a line: found, taken for the line's time, and taken away."""

from __future__ import annotations

import re

from analyzer.readers.columns.wall_time import seconds_of_stamp
from analyzer.readers.stdout.patterns import WALL, Entry

FIRST_COLUMNS = 80  # of a line, in which its time stands
STAMP = re.compile(r"\s*+\[?(\d{4}[-/]\d\d[-/]\d\d[ T,]\d\d:\d\d:\d\d(?:[.,]\d+)?)(?:[ ]?[+-]\d{4})?\]?")
# times that do not say of which day, or in which order day and month stand: they are no numbers of the line
PART_OF_A_STAMP = re.compile(
    r"^(?:[A-Z]{4,8}\s[-|]\s)?\[?(?:(?:\d\d/\d\d(?:/\d{2,4})?|[A-Z][a-z]{2}\s{1,2}\d{1,2})(?:,?\s(?:-\s)?))?"
    r"\d\d?:\d\d[:.]\d\d(?:[.,]\d{1,6})?(?:\s?[AP]M)?\]?(?:\s-\s\d{1,3}:\d\d:\d\d)?[\s:|,-]{1,9}"
)
_A_NUMBER = re.compile(r"(?<![\w.-])\d")


def stamp_of(line: str) -> re.Match[str] | None:
    """The time of a line, in its first columns and before any object."""
    return STAMP.search(line, 0, min(FIRST_COLUMNS, line.find("{")) if "{" in line else FIRST_COLUMNS)


def behind_the_stamp(line: str, stamp: re.Match[str]) -> str:
    """A line without the time in front of it, and the sign behind that."""
    return line[stamp.end() :].lstrip(" -:,")


def at_the_time(entry: Entry, stamp: re.Match[str] | None) -> Entry:
    """What a line says, with the time that it was written at."""
    seconds = seconds_of_stamp(f"{stamp[1][:10]} {stamp[1][11:]}") if stamp and WALL not in entry else None
    return entry if seconds is None else {**entry, WALL: seconds}


def without_stamp(line: str, stamp: re.Match[str]) -> str:
    """What stands behind a time, and the numbers that stand before it."""
    before = line[: stamp.start()]
    return f"{before if _A_NUMBER.search(before) else ''}{line[stamp.end() :]}".lstrip(" -:|,")
