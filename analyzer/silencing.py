"""Known findings that a project's configuration silences, and silences that silence nothing any more."""

from __future__ import annotations

import datetime
import fnmatch
from collections.abc import Iterable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from analyzer.config.silences import Silence
from analyzer.model import Finding, RunReport
from analyzer.rules import catalogue


class Use(Struct, frozen=True, kw_only=True):
    """How often each silence of a run's configuration was needed."""

    run: str
    silences: tuple[Silence, ...]
    needed: tuple[int, ...]
    checked: tuple[str, ...]  # codes of the rules that gave an answer
    lasts: bool  # neither a reference run nor the day decided


def silenced(
    report: RunReport, silences: tuple[Silence, ...], today: datetime.date, *, lasts: bool = True
) -> tuple[RunReport, Use]:
    """The report with its known findings apart, and which silences that took."""
    needed = [0] * len(silences)
    loud: list[Finding] = []
    quiet: list[Finding] = []
    for finding in report.findings:
        covering = [i for i, silence in enumerate(silences) if silence.covers(report.run.name, finding, today)]
        for index in covering:
            needed[index] += 1
        (quiet if covering else loud).append(finding)
    use = Use(
        run=report.run.name,
        silences=silences,
        needed=tuple(needed),
        checked=(*report.passed, *(finding.code for finding in report.findings)),
        lasts=lasts and not any(silence.expires for silence in silences),
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
