"""Paths to a report: find the runs, configure and audit each, silence what is known.

What the command line, the pytest plugin and continuous integration all call.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from msgspec import Struct, field
from msgspec.structs import replace

from analyzer.accidents import told
from analyzer.auditing import audit_run, selected
from analyzer.condensed import condensed
from analyzer.config.baseline import read_baseline, without_known
from analyzer.config.declared import merge
from analyzer.config.files import BadConfig, settings_for
from analyzer.configured import checked_settings, settings_of
from analyzer.discovery import Discovered, Found, Group, discover, find_groups, read_group
from analyzer.earlier import earlier
from analyzer.model import Fact, Problem, Report, Run, RunReport
from analyzer.readers import extension_problems as left_out_readers
from analyzer.reconstruction import reconstruct
from analyzer.references import reference_of, references_at
from analyzer.regular_files import content_of
from analyzer.remembered import remembered, sweep
from analyzer.remote import url_of
from analyzer.rules import catalogue
from analyzer.rules import extension_problems as left_out_rules
from analyzer.silencing import Use, silenced, stale_silences
from analyzer.spelling import nearest
from analyzer.timeline import Timeline
from analyzer.unread import has_numbers, place_of, told_together, unread, without_numbers
from analyzer.version import __version__
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
    isolated: bool = False  # no configuration file at all
    baseline: Path | None = None
    against: Path | None = None  # a reference run, or a folder of reference runs by name
    include: tuple[str, ...] = ()  # globs on paths
    exclude: tuple[str, ...] = ()
    jobs: int = 1
    cache: bool = False  # take the answers of an earlier audit where nothing has changed since
    scheduler: str | None = None  # of a Dask cluster whose workers see the same paths
    without_last: float = 0.0  # share of every series that counts as not written yet


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
        BadConfig: when a baseline, or the configuration that was asked for, cannot be followed; one that lies beside
            runs costs those runs.
        NoCluster: when the scheduler cannot do the work.
    """
    references_at.cache_clear()
    if request.scheduler:
        request = _seen_from_anywhere(request)
    known = read_baseline(request.baseline) if request.baseline else None
    if request.config is not None:
        checked_settings(settings_for(Path(), request.config))  # a bad file is told even when there is no run
    found = groups_asked_for(request)
    runs: list[RunReport] = []
    uses: list[Use] = []
    unreadable = list(found.unreadable)
    refused: list[tuple[str, str]] = []
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
        refused += answer.refused
        if progress is not None:
            progress(done, len(found.groups))
    report = Report(
        runs=tuple(_uniquely_named(runs)),
        unreadable=(*unreadable, *told_together(refused)),
        left_alone=found.left_alone,
        version=__version__,
        notes=(*stale_silences(uses), *tags_in_no_run(request.roles, runs), *left_out_rules(), *left_out_readers()),
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
    refused: tuple[tuple[str, str], ...] = ()  # file of a run whose configuration cannot be followed, and why


def _lost(group: Group) -> Answer:
    """The answer to a group at which its process was killed, with nothing else to do as well."""
    why = "the process that audited it was killed, twice; was memory short?"
    return Answer(runs=(), uses=(), unreadable=(unread(group, why),))


def _asked(request: Request) -> str:
    """What of a request decides the answer to a group, as text."""
    config = request.config and (str(request.config), content_of(request.config))
    return repr(
        (request.facts, request.select, request.ignore, sorted(request.roles.items()), config, request.isolated)
    )


def _lasts(answer: Answer) -> bool:
    """Whether an answer stays the same until a file changes: no other run, no date, no accident had a part in it."""
    accident = any(skipped.accident for one in answer.runs for skipped in one.skipped)
    return not answer.unreadable and not answer.refused and not accident and all(use.lasts for use in answer.uses)


def audit_group(group: Group, request: Request, today: datetime.date, keep_series: bool = False) -> Answer:
    """Read a group of logs and audit its runs; what goes wrong is a problem of this group alone."""
    unreadable: list[Problem] = []
    runs: list[RunReport] = []
    uses: list[Use] = []
    refused: list[tuple[str, str]] = []
    try:
        with np.errstate(all="ignore"):  # a log may hold 1e308, or infinity: what overflows is infinite as well
            found = read_group(group)
        unreadable += found.unreadable
        for whole in found.runs:
            run = earlier(whole, request.without_last) if request.without_last else whole
            if not has_numbers(run):
                unreadable.append(without_numbers(run))
                continue
            try:
                with np.errstate(all="ignore"):
                    report, use = audit_configured(run, request, today)
            except BadConfig as error:
                refused.append((place_of(run), str(error)))
                continue
            runs.append(report if keep_series else condensed(report))
            uses.append(use)
    except Exception as error:  # one folder must never cost the audit of the others
        if os.environ.get("ANALYZER_DEBUG"):
            raise
        unreadable.append(unread(group, told(error)))
    return Answer(runs=tuple(runs), uses=tuple(uses), unreadable=tuple(unreadable), refused=tuple(refused))


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


def groups_asked_for(request: Request) -> Found:
    """The logs at the requested paths, grouped, by names and first bytes only."""
    return find_groups(
        request.paths,
        include=request.include,
        exclude=request.exclude,
        config=request.config,
        isolated=request.isolated,
    )


def find_all(request: Request) -> Discovered:
    """Runs with numbers at the requested paths, what could not be read, and what is no log."""
    found = discover(
        request.paths,
        include=request.include,
        exclude=request.exclude,
        config=request.config,
        isolated=request.isolated,
    )
    empty = [without_numbers(run) for run in found.runs if not has_numbers(run)]
    told = tuple(run for run in found.runs if has_numbers(run))
    return replace(found, runs=told, unreadable=(*found.unreadable, *empty))


def audit_configured(run: Run, request: Request, today: datetime.date) -> tuple[RunReport, Use]:
    """One run under its own configuration, with known findings silenced.

    Raises:
        BadConfig: when a configuration cannot be followed, or leaves nothing to check.
    """
    settings = settings_of(run, request.config, isolated=request.isolated)
    select = request.select if request.select is not None else settings.select or ("ALL",)
    ignore = (*settings.ignore, *request.ignore)
    if not selected(catalogue(), select, ignore):
        raise BadConfig(f"no rule is left to check: {', '.join(select)} without {', '.join(ignore)}")
    report = audit_run(
        run,
        merge(request.facts, settings.facts, run.facts),
        select=select,
        ignore=ignore,
        role_overrides={**settings.roles, **request.roles},
        expectations=settings.expectations,
        reference=reference_of(run, request.against or settings.against),
    )
    configured = replace(report, configured_in=settings.files)
    return silenced(configured, settings.silences, today, lasts=settings.against is None)


def timeline_of(run: Run, request: Request, last: str) -> Timeline:
    """The clocks of one run up to the ``last`` that is wanted, under its own configuration; no rule is checked."""
    settings = settings_of(run, request.config, isolated=request.isolated)
    return reconstruct(
        run,
        merge(request.facts, settings.facts, run.facts),
        role_overrides={**settings.roles, **request.roles},
        expectations=settings.expectations,
        last=last,
    )
