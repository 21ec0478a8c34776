"""What of many runs is shown first, and what is told once for several of them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

from analyzer.model import Finding, RunReport

SERIOUS = ("error", "warning")


class Shown(Struct, frozen=True, kw_only=True):
    """A run with the findings that are told at it, each with the names of further runs that have the same."""

    run: RunReport
    findings: tuple[tuple[Finding, tuple[str, ...]], ...]


def worst_first(runs: Iterable[RunReport]) -> list[RunReport]:
    """Runs with errors, most of them first; then those with warnings; then the others, each as they came."""

    def gravity(one: RunReport) -> tuple[int, ...]:
        return tuple(-sum(finding.severity == word for finding in one.findings) for word in SERIOUS)

    return sorted(runs, key=gravity)


def serious(one: RunReport) -> list[Finding]:
    return [finding for finding in one.findings if finding.severity in SERIOUS]


def same_finding(finding: Finding) -> tuple[str, ...]:
    """Two findings with this in common say the same of two runs: only their numbers and the tag's name differ."""
    message = finding.message.replace(finding.tag, "@") if finding.tag else finding.message
    return finding.severity, finding.code, re.sub(r"[-+]?\d++(?:[.,]\d++)*+(?:e[-+]?\d++)?+", "#", message)


def told_once(runs: Iterable[RunReport]) -> list[Shown]:
    """Errors and warnings of the worst run first; the same in other runs is told where it is met first."""
    ordered = worst_first(runs)
    places: dict[tuple[str, ...], list[str]] = {}
    for one in ordered:
        for key in dict.fromkeys(same_finding(finding) for finding in serious(one)):
            places.setdefault(key, []).append(one.run.name)
    shown = []
    for one in ordered:
        own = [finding for finding in serious(one) if places[same_finding(finding)][0] == one.run.name]
        last = {same_finding(finding): finding for finding in own}  # of several in one run, the last names the others
        told = tuple((f, tuple(places[k][1:]) if last[k] is f else ()) for f in own for k in [same_finding(f)])
        if told:
            shown.append(Shown(run=one, findings=told))
    return shown


def notes_by_rule(runs: Iterable[RunReport]) -> dict[tuple[str, str], list[str]]:
    """(code, name) of every note -> names of the runs that have it."""
    found: dict[tuple[str, str], list[str]] = {}
    for one in runs:
        for key in dict.fromkeys((f.code, f.name) for f in one.findings if f.severity == "note"):
            found.setdefault(key, []).append(one.run.name)
    return dict(sorted(found.items()))
