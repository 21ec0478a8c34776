"""Paths to a report: find the runs, configure and audit each, silence what is known.

What the command line, the pytest plugin and continuous integration all call.
"""

from __future__ import annotations

import datetime
import fnmatch
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from analyzer import __version__
from analyzer.auditing import audit_run, checked_codes
from analyzer.condensed import condensed
from analyzer.config.baseline import read_baseline, without_known
from analyzer.config.declared import merge
from analyzer.config.files import BadConfig, Settings, Silence, settings_for
from analyzer.discovery import Discovered, Group, discover, find_groups, read_group
from analyzer.model import Fact, Finding, Problem, Report, Run, RunReport, Skipped
from analyzer.remembered import remembered, sweep
from analyzer.remote import url_of
from analyzer.rules import catalogue
from analyzer.spelling import nearest
from analyzer.timeline import Timeline
from analyzer.workers import answers

Progress = Callable[[int, int], None]
"""Called after each group of logs with how many are done and how many there are."""


class Request(Struct, frozen=True, kw_only=True):
    """What is to be audited, and what its user says about it. Options are stronger than files."""

    paths: tuple[Path, ...]
    facts: tuple[Fact, ...] = ()
    select: tuple[str, ...] | None = None  # instead of the configured selection
    ignore: tuple[str, ...] = ()  # besides what the configuration ignores
    roles: Mapping[str, str] = field(default_factory=dict)
    config: Path | None = None  # this file alone, instead of those beside and above the runs
    baseline: Path | None = None
    against: Path | None = None  # a reference run, or a folder of reference runs by name
    include: tuple[str, ...] = ()  # globs on paths
    exclude: tuple[str, ...] = ()
    jobs: int = 1
    cache: bool = False  # take the answers of an earlier audit where nothing has changed since
    scheduler: str | None = None  # of a Dask cluster whose workers see the same paths


def check(
    request: Request,
    progress: Progress | None = None,
    today: datetime.date | None = None,
    *,
    keep_series: bool = False,
) -> Report:
    """Audit every run found at the requested paths.

    Args:
        keep_series: keep all points of all runs in the report, for plots; else only those around findings.

    Raises:
        BadConfig: when a configuration or baseline file cannot be followed.
        NoCluster: when the scheduler cannot do the work.
    """
    _references.cache_clear()
    if request.scheduler:
        request = _seen_from_anywhere(request)
    known = read_baseline(request.baseline) if request.baseline else None
    if request.config is not None:
        checked_settings(settings_for(Path(), request.config))  # a bad file is told even when there is no run
    found = find_groups(request.paths, include=request.include, exclude=request.exclude)
    runs: list[RunReport] = []
    uses: list[Use] = []
    unreadable = list(found.unreadable)
    audit: Callable[[Group], Answer] = partial(
        audit_group, request=request, today=today or datetime.date.today(), keep_series=keep_series
    )
    if request.cache and not keep_series and request.against is None:
        sweep()
        audit = partial(remembered, audit=audit, asked=_asked(request), lasts=_lasts)
    audited = answers(audit, found.groups, lost=_lost, jobs=request.jobs, scheduler=request.scheduler)
    for done, answer in enumerate(audited, start=1):
        runs += answer.runs
        uses += answer.uses
        unreadable += answer.unreadable
        if progress is not None:
            progress(done, len(found.groups))
    report = Report(
        runs=tuple(_uniquely_named(runs)),
        unreadable=tuple(unreadable),
        left_alone=found.left_alone,
        version=__version__,
        notes=(*stale_silences(uses), *tags_in_no_run(request.roles, runs)),
    )
    return without_known(report, known, str(request.baseline)) if known is not None else report


def _seen_from_anywhere(request: Request) -> Request:
    """The request with absolute paths: the workers of a cluster stand in other folders."""

    def absolute(path: Path | None) -> Path | None:
        return path if path is None or url_of(path) else Path(os.path.abspath(path))

    return replace(
        request,
        paths=tuple(absolute(path) or path for path in request.paths),
        config=absolute(request.config),
        against=absolute(request.against),
    )


def tags_in_no_run(roles: Mapping[str, str], runs: Iterable[RunReport]) -> Iterator[str]:
    """A line for every tag that was given a role and that no run has: a misspelt one would silently do nothing."""
    tags = sorted({tag for one in runs for view in one.run.views for tag in view.series})
    for role, tag in roles.items():
        if tags and tag not in tags:
            near = nearest(tag, tags)
            there = ", ".join([near] if near else tags[:8])
            yield f"--role {role}={tag}: no run has a tag of this name; there are {there}"


class Answer(Struct, frozen=True, kw_only=True):
    """What the audit of one group of logs gave."""

    runs: tuple[RunReport, ...]
    uses: tuple[Use, ...]
    unreadable: tuple[Problem, ...]


def _lost(group: Group) -> Answer:
    """The answer to a group at which its process was killed, with nothing else to do as well."""
    why = "the process that audited it was killed, twice; was memory short?"
    return Answer(runs=(), uses=(), unreadable=(_unread(group, why),))


def _unread(group: Group, why: str) -> Problem:
    place = str(group.logs[0].path) if group.logs else str(group.root)
    return Problem(source=place, kind="unreadable", message=why)


def _asked(request: Request) -> str:
    """What of a request decides the answer to a group, as text."""
    config = request.config and (str(request.config), request.config.read_bytes())
    return repr((request.facts, request.select, request.ignore, sorted(request.roles.items()), config))


def _lasts(answer: Answer) -> bool:
    """Whether an answer stays the same until a file changes: no other run, no date, no accident had a part in it."""
    accident = any("internal error" in skipped.reason for one in answer.runs for skipped in one.skipped)
    return not answer.unreadable and not accident and all(use.lasts for use in answer.uses)


def audit_group(group: Group, request: Request, today: datetime.date, keep_series: bool = False) -> Answer:
    """Read a group of logs and audit its runs; what goes wrong is a problem of this group alone.

    Raises:
        BadConfig: when a configuration file cannot be followed.
    """
    unreadable: list[Problem] = []
    runs: list[RunReport] = []
    uses: list[Use] = []
    try:
        found = read_group(group)
        unreadable += found.unreadable
        for run in found.runs:
            if not _has_numbers(run):
                unreadable.append(_without_numbers(run))
                continue
            report, use = audit_configured(run, request, today)
            runs.append(report if keep_series else condensed(report))
            uses.append(use)
    except BadConfig:
        raise
    except Exception as error:  # one folder must never cost the audit of the others
        if os.environ.get("ANALYZER_DEBUG"):
            raise
        unreadable.append(_unread(group, f"internal error, please report it: {_told(error)}"))
    return Answer(runs=tuple(runs), uses=tuple(uses), unreadable=tuple(unreadable))


def _has_numbers(run: Run) -> bool:
    return any(len(series) for view in run.views for series in view.series.values())


def _without_numbers(run: Run) -> Problem:
    """A run of which nothing can be audited, and why."""
    path = run.sources[0].path if run.sources else run.name
    reason = run.problems[0].message if run.problems else "the file holds no numbers (yet)"
    return Problem(source=path, kind="unreadable", message=reason)


def _uniquely_named(reports: list[RunReport]) -> Iterator[RunReport]:
    """Reports whose runs have names of their own: a second `logs` becomes `logs (2)`."""
    taken: dict[str, int] = {}
    for report in reports:
        name = report.run.name
        taken[name] = taken.get(name, 0) + 1
        if taken[name] > 1:
            run = replace(report.run, name=f"{name} ({taken[name]})")
            report = replace(report, run=run)
        yield report


def find_runs(request: Request) -> tuple[list[Run], list[Problem]]:
    """Runs at the requested paths, read but not audited; a path that gives none says why."""
    found = find_all(request)
    return list(found.runs), list(found.unreadable)


def find_all(request: Request) -> Discovered:
    """Runs with numbers at the requested paths, what could not be read, and what is no log."""
    found = discover(request.paths, include=request.include, exclude=request.exclude)
    empty = [_without_numbers(run) for run in found.runs if not _has_numbers(run)]
    told = tuple(run for run in found.runs if _has_numbers(run))
    return replace(found, runs=told, unreadable=(*found.unreadable, *empty))


class Use(Struct, frozen=True, kw_only=True):
    """How often each silence of a run's configuration was needed."""

    run: str
    silences: tuple[Silence, ...]
    needed: tuple[int, ...]
    checked: tuple[str, ...]  # codes of the rules that gave an answer
    lasts: bool  # neither a reference run nor the day decided


def audit_configured(run: Run, request: Request, today: datetime.date) -> tuple[RunReport, Use]:
    """One run under its own configuration, with known findings silenced."""
    settings = checked_settings(settings_for(folder_of(run), request.config))
    report = audit_run(
        run,
        merge(request.facts, settings.facts, run.facts),
        select=request.select if request.select is not None else settings.select or ("ALL",),
        ignore=(*settings.ignore, *request.ignore),
        role_overrides={**settings.roles, **request.roles},
        expectations=settings.expectations,
        reference=reference_of(run, request.against or settings.against),
    )
    return _silenced(_with_sound_clocks(report), settings, today)


def reference_of(run: Run, path: Path | None) -> Timeline | None:
    """The reference of a run: the one run at the path, or the one of its name where the path holds several.

    Raises:
        BadConfig: when the path holds no run, or several of which none has the name.
    """
    if path is None:
        return None
    found = _references(path.resolve())
    if not found:
        raise BadConfig(f"{path}: no reference run can be read there; name another with --against")
    by_name = {one.run.name: one for one in found}
    if run.name not in by_name and len(found) > 1:
        names = ", ".join(sorted(by_name)[:5])
        raise BadConfig(f"{path}: no reference run is called {run.name!r} (there are {names})")
    return by_name.get(run.name, found[0])


@cache
def _references(path: Path) -> tuple[Timeline, ...]:
    """Every run at a path with its clocks, read once for all runs that are held against it."""
    runs = discover([path]).runs
    return tuple(Timeline(run=run, declared=merge(run.facts)) for run in runs if _has_numbers(run))


def timeline_of(run: Run, request: Request) -> Timeline:
    """The reconstruction of one run under its own configuration, without checking any rule."""
    settings = checked_settings(settings_for(folder_of(run), request.config))
    return Timeline(
        run=run,
        declared=merge(request.facts, settings.facts, run.facts),
        role_overrides={**settings.roles, **request.roles},
        expectations=settings.expectations,
    )


def checked_settings(settings: Settings) -> Settings:
    """The settings, in which every code must match a rule: a misspelt one would silently do nothing.

    Raises:
        BadConfig: when one does not.
    """
    own = [((*(settings.select or ()), *settings.ignore), "[rules]")]
    own += [((silence.rule,), f"{silence.found_in}: [[silence]]") for silence in settings.silences]
    for codes, where in own:
        try:
            checked_codes(codes, where)
        except ValueError as error:
            raise BadConfig(str(error)) from error
    return settings


CLOCKS: Mapping[str, Any] = {"epoch": None, "schedulers": (), "wall": None, "loss": None}
"""Clocks that a report can do without, and what stands for one that could not be read."""


def _with_sound_clocks(report: RunReport) -> RunReport:
    """The report with every clock read: one that fails is left out and named, and costs nothing else."""
    skipped = list(report.skipped)
    for clock, nothing in CLOCKS.items():
        try:
            getattr(report.timeline, clock)
        except Exception as error:
            if os.environ.get("ANALYZER_DEBUG"):
                raise
            report.timeline.__dict__[clock] = nothing
            reason = f"internal error in the {clock} clock, please report it: {_told(error)}"
            skipped.append(Skipped(code=clock, reason=reason))
    return replace(report, skipped=tuple(skipped))


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def folder_of(run: Run) -> Path:
    """Where the configuration of a run is looked for: the folder of its first source."""
    path = Path(run.sources[0].path) if run.sources else Path()
    return path if path.is_dir() else path.parent


def _silenced(report: RunReport, settings: Settings, today: datetime.date) -> tuple[RunReport, Use]:
    needed = [0] * len(settings.silences)
    loud: list[Finding] = []
    quiet: list[Finding] = []
    for finding in report.findings:
        covering = [i for i, silence in enumerate(settings.silences) if silence.covers(report.run.name, finding, today)]
        for index in covering:
            needed[index] += 1
        (quiet if covering else loud).append(finding)
    checked = (*report.passed, *(f.code for f in report.findings))
    use = Use(
        run=report.run.name,
        silences=settings.silences,
        needed=tuple(needed),
        checked=checked,
        lasts=settings.against is None and not any(silence.expires for silence in settings.silences),
    )
    return replace(report, findings=tuple(loud), silenced=tuple(quiet)), use


def stale_silences(uses: Iterable[Use]) -> Iterator[str]:
    """A line for every silence that none of the runs needed although its rule was checked on one that it covers."""
    needed: dict[Silence, int] = {}
    for use in uses:
        for silence, count in zip(use.silences, use.needed, strict=True):
            applies = fnmatch.fnmatchcase(use.run, silence.run) and _was_checked(silence.rule, use.checked)
            if applies or count:
                needed[silence] = needed.get(silence, 0) + count
    for silence, count in needed.items():
        if not count:
            expired = f" (it expired on {silence.expires})" if silence.expires else ""
            what = f"{silence.found_in}: [[silence]] {silence.rule} for run {silence.run!r}"
            yield f"{what} silences nothing any more{expired}; remove it"


def _was_checked(rule: str, codes: tuple[str, ...]) -> bool:
    names = {one.code: one.name for one in catalogue()}
    return any(code.startswith(rule) or names.get(code) == rule for code in codes)
