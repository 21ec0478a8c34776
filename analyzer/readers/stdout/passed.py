"""The seconds that a printed line tells without a date: those of a bar or a stopwatch, and the time of a day in front.

None says of which year it is, so each is a column of elapsed seconds. A time of day goes on at midnight; of a date
whose order of day and month is not known, the reading counts in which the fewest days passed since the line before.
"""

from __future__ import annotations

import re
from datetime import date

from analyzer.readers.stdout.patterns import WALL, Entry
from analyzer.roles import OF_A_DAY

OF_A_LINE = "elapsed"  # a stopwatch that the line names, or that of its bar
A_DAY = 86_400.0
OUT_OF_ORDER = 60.0  # seconds; lines of several processes, or of a buffer, stand that far behind their time
STARTS_BELOW = 600.0  # seconds; a stopwatch that fell there began again
BEFORE_MIDNIGHT = 0.75 * A_DAY  # a clock from here on that starts again passed midnight
_BAR = re.compile(r"\[(?:(?P<days>\d{1,3}) days?, ?)?(?:(?P<h>\d{1,4}):)?(?P<m>\d{1,2}):(?P<s>[0-5]\d)<")
_HMS = (
    r"(?:(?P<days>\d{1,3}) ?d(?:ays?)?,? ?)?(?P<h>\d{1,5}):(?P<m>[0-5]\d):(?P<s>[0-5]\d(?:\.\d{1,9})?)"
    r"|(?:(?P<days_>\d{1,3}) ?d(?:ays?)?,? ?)?(?:(?P<h_>\d{1,5}) ?h(?:ours?|rs?)?,? ?)?"
    r"(?P<m_>\d{1,5}) ?m(?:in(?:utes?)?)?,? ?(?P<s_>\d{1,2}(?:\.\d{1,9})?) ?s(?:ec(?:onds?)?)?\b"
)
_NAMED = re.compile(
    rf"\b(?:elapsed|time|runtime|duration)\b(?! ?(?:left|remaining|to))[^\w\n]{{1,6}}(?:{_HMS})(?!\d|:)", re.I
)
_IN_FRONT = re.compile(
    r"\W{0,3}(?:(?:[A-Z]{4,8}|[IWEF](?=\d{4} ))\W{0,3})?(?:[A-Z][a-z]{2}\s)?"
    r"(?:(?:(?P<one>\d{1,2})[/.-](?P<other>\d{1,2})(?:[/.-](?:\d{4}|\d{2}))?|(?P<month>[A-Z][a-z]{2})\s{1,2}"
    r"(?P<day>\d{1,2})|(?P<glog>\d{4}))(?:,?\s|-)(?:-\s)?)?"
    r"(?P<h>\d{1,2}):(?P<m>[0-5]\d)[:.](?P<s>[0-5]\d(?:[.,]\d{1,6})?)(?:\s?(?P<half>[AP]M)\b|(?![\d:<]))"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


class Clock:
    """The times of a file's lines, each against the ones before."""

    def __init__(self) -> None:
        self._days = 0.0
        self._dates: frozenset[int] = frozenset()
        self._last: float | None = None

    def at(self, entry: Entry, line: str) -> Entry:
        """What a line tells, with the seconds that it says have passed."""
        if WALL in entry or OF_A_LINE in entry:
            return entry
        named = _BAR.search(line) if "<" in line else None
        named = named or (_NAMED.search(line) if ":" in line or "m" in line else None)
        if named is not None:
            return {**entry, OF_A_LINE: _seconds(named)}
        of_a_day = _IN_FRONT.match(line)
        seconds = None if of_a_day is None else self._since_the_first_day(of_a_day)
        return entry if seconds is None else {**entry, OF_A_DAY: seconds}

    def _since_the_first_day(self, found: re.Match[str]) -> float | None:
        hour = int(found["h"])
        if hour >= 24 or (found["half"] and not 1 <= hour <= 12):
            return None
        if found["half"]:
            hour = hour % 12 + (12 if found["half"] == "PM" else 0)
        time = hour * 3600.0 + int(found["m"]) * 60 + float(found["s"].replace(",", "."))
        dates = _dates(found)
        if dates and self._dates:
            self._days += min(((new - old) % 366 for new in dates for old in self._dates), default=0)
        elif self._last is not None and not dates and _on_the_next_day(self._last, time):
            self._days += 1
        self._dates, self._last = dates, time
        return self._days * A_DAY + time


def _on_the_next_day(last: float, time: float) -> bool:
    """Whether a time of day below the last one is of the next day, and no stopwatch that began again."""
    return time < last - OUT_OF_ORDER and (time >= STARTS_BELOW or last >= BEFORE_MIDNIGHT)


def _dates(found: re.Match[str]) -> frozenset[int]:
    """The days of a leap year that a date may be."""
    if found["month"]:
        month = found["month"].lower()
        pairs = [(_MONTHS.index(month) + 1, int(found["day"]))] if month in _MONTHS else []
    elif found["glog"]:
        pairs = [(int(found["glog"][:2]), int(found["glog"][2:]))]
    elif found["one"]:
        one, other = int(found["one"]), int(found["other"])
        pairs = [(one, other), (other, one)]
    else:
        return frozenset()
    days = set()
    for month_of_it, day in pairs:
        try:
            days.add(date(2000, month_of_it, day).timetuple().tm_yday)
        except ValueError:
            continue
    return frozenset(days)


def _seconds(found: re.Match[str]) -> float:
    """Days, hours, minutes and seconds as seconds."""
    part = found.groupdict()
    told = (part.get(f"{key}_") or part.get(key) or 0 for key in ("days", "h", "m", "s"))
    days, hours, minutes, seconds = map(float, told)
    return days * A_DAY + hours * 3600 + minutes * 60 + seconds
