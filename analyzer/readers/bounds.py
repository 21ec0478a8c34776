"""How many tags of one file are audited: each is looked at by every rule, and a file may hold a million of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

from msgspec.structs import replace

from analyzer.model import Problem, Series
from analyzer.readers import Reading
from analyzer.readers.columns.step_axis import names_an_axis
from analyzer.readers.columns.wall_time import names_a_time
from analyzer.roles import role_of_tag

MOST_TAGS = 10_000  # the loads of 128 experts in 64 layers are 8,192
_NUMBER = re.compile(r"\d+")


def worth_reading(names: Sequence[str]) -> Sequence[int]:
    """Which columns of a table are read: all, or of more than are audited counters and times, then those with a known
    meaning. Names that differ by a number are one name here."""
    if len(names) <= MOST_TAGS:
        return range(len(names))
    spelled = [_NUMBER.sub("0", name) for name in names]
    clocks = {name for name in set(spelled) if names_an_axis(name) or names_a_time(name)}
    known = {name for name in set(spelled) if name not in clocks and role_of_tag(name)}
    order = sorted(range(len(names)), key=lambda at: 0 if spelled[at] in clocks else 1 if spelled[at] in known else 2)
    of_clocks = min(sum(name in clocks for name in spelled), MOST_TAGS)
    return sorted(islice(order, of_clocks + MOST_TAGS))


def bounded(reading: Reading) -> Reading:
    """The reading with no more than ``MOST_TAGS`` series, those of a known role first, and a word about the others."""
    if reading.runs:
        return replace(reading, runs=tuple(bounded(one) for one in reading.runs))
    count = len(reading.series) + reading.left_aside
    if count <= MOST_TAGS:
        return reading
    known = [bool(role_of_tag(one.tag)) for one in reading.series]
    telling = sum(known)
    others = max(MOST_TAGS - telling, 0)
    kept: list[Series] = []
    for series, told in zip(reading.series, known, strict=True):
        others -= not told
        if len(kept) < MOST_TAGS and (told or others >= 0):
            kept.append(series)
    problem = Problem(
        source=reading.source.path,
        kind="not-read",
        message=f"{count - len(kept):,} of its {count:,} tags are left aside: {MOST_TAGS:,} of one file are audited, "
        "those with a known meaning (losses, rates, counters) first",
    )
    return replace(reading, series=tuple(kept), problems=(*reading.problems, problem))
