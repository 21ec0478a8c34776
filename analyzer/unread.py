"""What could not be audited, each with the place and the reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from analyzer.grouping import Group
from analyzer.model import Problem, Run

OTHERS_NAMED = 5  # runs that one bad configuration costs, besides the first


def unread(group: Group, why: str) -> Problem:
    """A group of which nothing can be audited, and why."""
    place = str(group.logs[0].path) if group.logs else str(group.root)
    return Problem(source=place, kind="unreadable", message=why)


def has_numbers(run: Run) -> bool:
    """Whether there is anything to audit."""
    return any(len(series) for view in run.views for series in view.series.values())


def without_numbers(run: Run) -> Problem:
    """A run of which nothing can be audited, and why."""
    reason = run.problems[0].message if run.problems else "the file holds no numbers (yet)"
    return Problem(source=place_of(run), kind="unreadable", message=reason)


def place_of(run: Run) -> str:
    """Where a reader finds the run: its first file."""
    return run.sources[0].path if run.sources else run.name


def told_together(refused: Iterable[tuple[str, str]]) -> Iterator[Problem]:
    """A line for each configuration that cannot be followed, with the runs that it costs."""
    places: dict[str, list[str]] = {}
    for place, why in refused:
        places.setdefault(why, []).append(place)
    for why, (first, *others) in places.items():
        more = f"; nor are {len(others)} more: {', '.join(others[:OTHERS_NAMED])}" if others else ""
        dots = ", ..." if len(others) > OTHERS_NAMED else ""
        yield Problem(source=first, kind="unreadable", message=f"not audited: {why}{more}{dots}")
