"""Following live runs: audit whenever a log has grown, and tell every finding once, when later rows bear it out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from analyzer.checking import Request, check, groups_asked_for
from analyzer.fingerprint import fingerprints
from analyzer.model import Finding, Problem, Report, RunReport

NOT_WHILE_LIVE = ("EPO004", "LOG001", "LOS002", "LOS005", "LOS006", "LOS007", "LOS008")
"""Rules about the end: a run that goes on is short, its last row half written; its loss may come back, turn, go on."""
IN_THE_ROWS = ("CFG001", "LOG002", "LOS003")
"""A contradicted declaration, a damaged record, a number that is no number: no later row makes them good."""
FITTED = ("EPO", "SCH", "LOS004", "LOS009", "PRF002")
"""Rules about the course of the whole run (a length, a shape, a habit): other courses have the same first rows, and a
pause may be the first of many, a level that has changed one that comes back."""
ONE_EXPLANATION = ("EPO", "SCH")
"""Rules that tell the cheapest explanation of one clock: what more rows make cheaper takes its place."""
ONE_LOOK = 1e-3
"""Chance below which a finding that has one is told: a tenth of what one audit admits, as a log that doubles three or
four times while it is watched is looked at as if anew some ten times."""
BORNE_OUT, DOUBLED = 0.1, 0.5
"""Share of the rows by which a log must have grown since a finding was first so: a tenth for what happened at a place;
for what is fitted to the course, a log that has doubled. docs/reliability.md has what later
rows disprove all the same."""

Told = dict[str, tuple[str, Finding]]
"""Fingerprint -> the run's name and the finding, of all that was told and not taken back."""
Since = dict[str, float]
"""Fingerprint -> rows that the run had when the finding was first so, of all that was so at every look from then on."""

Signature = tuple[tuple[str, int, int], ...]


class News(Struct, frozen=True, kw_only=True):
    """What one look at the logs has brought."""

    report: Report
    new: tuple[tuple[RunReport, Finding], ...]
    renamed: tuple[tuple[RunReport, Finding, Finding], ...] = ()  # what rows say now that were told as the second
    withdrawn: tuple[tuple[str, Finding], ...] = ()  # told before of the run of this name, and no longer so
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
    told: Told = {}
    since: Since = {}
    runs: set[str] = set()
    unreadable: set[str] = set()
    last: Signature | None = None
    changed_at = now()
    while True:
        seen = signature(request)
        if seen != last:
            last, changed_at = seen, now()
            report = check(live)
            names = {one.run.name for one in report.runs}
            if not names <= runs:
                since = _as_if_looked_at_before(live, report) | since
            runs |= names
            yield _news(report, told, unreadable, since)
        elif idle is not None and now() - changed_at >= idle:
            yield replace(_news(check(request), told, unreadable), over=True)
            return
        sleep(every)


def signature(request: Request) -> Signature:
    """Size and time of change of every log: what tells that one has grown."""
    found = groups_asked_for(request)
    stamps = []
    for group in found.groups:
        for log in group.logs:
            try:
                stat = log.path.stat()
            except OSError:
                continue
            stamps.append((str(log.path), stat.st_size, stat.st_mtime_ns))
    return tuple(sorted(stamps))


def _as_if_looked_at_before(live: Request, report: Report) -> Since:
    """How long the findings of runs that begin to be watched have been so, as looks at the shorter logs tell."""
    since: Since = {}
    rows = {one.run.name: _rows(one) for one in report.runs}
    for share in (BORNE_OUT, DOUBLED):
        for one, _, mark in _marked(check(replace(live, without_last=share, cache=False))):
            if share == BORNE_OUT or mark in since:
                since[mark] = (1 - share) * rows.get(one.run.name, 0)
    return since


def _rows(one: RunReport) -> int:
    return sum(source.records for source in one.run.sources)


def _marked(report: Report) -> Iterator[tuple[RunReport, Finding, str]]:
    for one in report.runs:
        for finding, mark in fingerprints(one.run.name, one.findings):
            yield one, finding, mark


def _stands(one: RunReport, finding: Finding, since: float) -> bool:
    """Whether the rows that came since a finding was first so bear it out."""
    if finding.numbers.get("p_value", 0.0) > ONE_LOOK:
        return False
    share = DOUBLED if finding.code.startswith(FITTED) else BORNE_OUT
    return finding.code in IN_THE_ROWS or since <= (1 - share) * _rows(one)


def _news(report: Report, told: Told, unreadable: set[str], since: Since | None = None) -> News:
    """What a report has that was not told yet, and what it no longer has of that which was.

    Args:
        since: from when on each finding was so, which is kept up to date; None when the logs are complete, and all
            that is so stands.
    """
    found = {mark: (one, finding) for one, finding, mark in _marked(report)}
    sure = found
    if since is not None:
        began = {mark: since.get(mark, _rows(one)) for mark, (one, _) in found.items()}
        since.clear()
        since.update(began)
        sure = {mark: pair for mark, pair in found.items() if _stands(*pair, since[mark])}
    audited = {one.run.name for one in report.runs}
    gone = {mark: pair for mark, pair in told.items() if mark not in found and pair[0] in audited}
    renamed = {}
    for mark, (name, before) in gone.items():
        for other, (one, finding) in found.items():
            if other not in told and other not in renamed and one.run.name == name and _same_rows(before, finding):
                renamed[other] = (mark, (one, finding, before))
                break
    new = tuple(pair for mark, pair in sure.items() if mark not in told and mark not in renamed)
    for mark in gone:
        del told[mark]
    told.update(
        {mark: (one.run.name, finding) for mark, (one, finding) in found.items() if mark in sure.keys() | renamed}
    )
    kept = {mark for mark, _ in renamed.values()}
    withdrawn = tuple(pair for mark, pair in gone.items() if mark not in kept)
    problems = []
    for problem in report.unreadable:
        mark = f"{problem.source}\0{problem.message}"
        if mark not in unreadable:
            unreadable.add(mark)
            problems.append(problem)
    return News(
        report=report, new=new, renamed=tuple(told_anew for _, told_anew in renamed.values()), withdrawn=withdrawn,
        unreadable=tuple(problems),
    )  # fmt: skip


def _same_rows(before: Finding, now: Finding) -> bool:
    """Whether a finding, no mere note, rests on a row of one that was told, or is what a clock of its tag says now."""
    if now.severity == "note":
        return False
    of_one_clock = before.tag == now.tag and before.code[:3] == now.code[:3] in ONE_EXPLANATION
    rested = {(row.source, row.step) for row in before.evidence}
    return of_one_clock or any((row.source, row.step) in rested for row in now.evidence)
