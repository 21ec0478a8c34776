"""Following live runs: audit whenever a log has grown, and tell every finding once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from analyzer.checking import Request, check
from analyzer.discovery import find_groups
from analyzer.fingerprint import fingerprints
from analyzer.model import Finding, Problem, Report, RunReport

NOT_WHILE_LIVE = (
    "EPO004",
    "LOG001",
    "LOS007",
)  # a run that goes on is short, its last row half written, its loss falling

Signature = tuple[tuple[str, int, int], ...]


class News(Struct, frozen=True, kw_only=True):
    """What one look at the logs has brought."""

    report: Report
    new: tuple[tuple[RunReport, Finding], ...]
    unreadable: tuple[Problem, ...]  # told for the first time
    over: bool = False  # nothing was written for so long that the runs count as ended


def follow(
    request: Request,
    *,
    every: float,
    idle: float | None = None,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[News]:
    """Look at the logs every so many seconds; a look that finds them as they were yields nothing.

    Args:
        every: seconds between two looks.
        idle: seconds without a change after which the runs are over: a last look then asks every rule. None: never.

    Raises:
        BadConfig: as ``check``.
    """
    live = replace(request, ignore=(*request.ignore, *NOT_WHILE_LIVE))
    told: set[str] = set()
    last: Signature | None = None
    changed_at = now()
    while True:
        seen = signature(request)
        if seen != last:
            last, changed_at = seen, now()
            yield _news(check(live), told)
        elif idle is not None and now() - changed_at >= idle:
            yield replace(_news(check(request), told), over=True)
            return
        sleep(every)


def signature(request: Request) -> Signature:
    """Size and time of change of every log: what tells that one has grown."""
    found = find_groups(request.paths, include=request.include, exclude=request.exclude)
    stamps = []
    for group in found.groups:
        for log in group.logs:
            try:
                stat = log.path.stat()
            except OSError:
                continue
            stamps.append((str(log.path), stat.st_size, stat.st_mtime_ns))
    return tuple(sorted(stamps))


def _news(report: Report, told: set[str]) -> News:
    new = []
    for one in report.runs:
        for finding, mark in fingerprints(one.run.name, one.findings):
            if mark not in told:
                told.add(mark)
                new.append((one, finding))
    unreadable = []
    for problem in report.unreadable:
        mark = f"{problem.source}\0{problem.message}"
        if mark not in told:
            told.add(mark)
            unreadable.append(problem)
    return News(report=report, new=tuple(new), unreadable=tuple(unreadable))
