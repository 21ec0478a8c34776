"""How many tags of one file are audited: each is looked at by every rule, and a file may hold a million of them."""

from __future__ import annotations

from msgspec.structs import replace

from analyzer.model import Problem, Series
from analyzer.readers import Reading
from analyzer.roles import role_of_tag

MOST_TAGS = 10_000  # the loads of 128 experts in 64 layers are 8,192


def bounded(reading: Reading) -> Reading:
    """The reading with no more than ``MOST_TAGS`` series, those of a known role first, and a word about the others."""
    if reading.runs:
        return replace(reading, runs=tuple(bounded(one) for one in reading.runs))
    count = len(reading.series)
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
