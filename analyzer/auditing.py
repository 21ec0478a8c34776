"""An audit: run -> report. Every rule answers: findings, none, or not checked and why."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, cast

from msgspec.structs import replace

from analyzer.accidents import told
from analyzer.attribution import fold_consequences
from analyzer.config.declared import Declared
from analyzer.declared_status import facts_status
from analyzer.model import Expectation, FactStatus, Finding, Run, RunReport, Skipped
from analyzer.reconstruction import reconstruct
from analyzer.rules import Rule, Unchecked, catalogue
from analyzer.spelling import did_you_mean
from analyzer.timeline import Timeline

SEVERITIES = ("error", "warning", "note")
LATE_CLOCKS = ("epoch", "schedulers", "wall", "step_jumps", "loss")
"""Clocks that a rule may do without; every rule rests on those before them."""


def audit_run(
    run: Run,
    declared: Declared,
    *,
    select: Iterable[str] = ("ALL",),
    ignore: Iterable[str] = (),
    role_overrides: Mapping[str, str] | None = None,
    expectations: tuple[Expectation, ...] = (),
    reference: Timeline | None = None,
) -> RunReport:
    """Check one run against every selected rule.

    Args:
        select: codes or prefixes of codes ("EPO", "SCH001"), or "ALL".
        ignore: codes or prefixes; stronger than ``select``.
    """
    timeline = reconstruct(
        run,
        declared,
        role_overrides=role_overrides or {},
        expectations=expectations,
        reference=reference,
    )
    findings: list[Finding] = []
    skipped: list[Skipped] = []
    passed: list[str] = []
    for rule in selected(catalogue(), tuple(select), tuple(ignore)):
        answers = _answers(rule, timeline) if not timeline.failed else _answers_without(rule, timeline)
        found = [_signed(rule, answer) for answer in answers if isinstance(answer, Finding)]
        unchecked = [answer for answer in answers if isinstance(answer, Unchecked)]
        findings += found
        skipped += [Skipped(code=rule.code, reason=one.reason, accident=one.accident) for one in unchecked]
        if not found and not unchecked:
            passed.append(rule.code)
    folded = fold_consequences(findings)
    order = sorted(folded, key=lambda f: (SEVERITIES.index(f.severity), f.first_step or 0, f.code))
    return RunReport(
        run=run,
        timeline=timeline,
        findings=tuple(order),
        skipped=(
            *skipped,
            *(Skipped(code=clock, reason=_failure(timeline, clock), accident=True) for clock in timeline.failed),
        ),
        passed=tuple(passed),
        declared=_statuses(timeline, findings),
    )


def _statuses(timeline: Timeline, findings: list[Finding]) -> Mapping[str, FactStatus]:
    try:
        return facts_status(timeline, findings)
    except Exception:  # as for a rule: nothing that is said beside the findings may cost them
        if os.environ.get("ANALYZER_DEBUG"):
            raise
        return {}


def selected(rules: Iterable[Rule], select: tuple[str, ...], ignore: tuple[str, ...]) -> list[Rule]:
    """Rules whose code starts with a selected prefix and with no ignored one."""

    def matches(rule: Rule, prefixes: tuple[str, ...]) -> bool:
        return any(prefix == "ALL" or rule.code.startswith(prefix) or rule.name == prefix for prefix in prefixes)

    return [rule for rule in rules if matches(rule, select) and not matches(rule, ignore)]


def checked_codes(codes: Iterable[str], where: str) -> tuple[str, ...]:
    """The codes, each of which must match at least one rule: a misspelt one would silently check nothing.

    Raises:
        ValueError: naming ``where`` it stands, the code, and the nearest that there is.
    """
    codes = tuple(codes)
    for code in codes:
        if not selected(catalogue(), (code,), ()):
            known = [name for rule in catalogue() for name in (rule.code, rule.name)]
            hint = did_you_mean(code, known, otherwise="`analyzer rules` lists them", cutoff=0.5)
            raise ValueError(f"{where}: no rule is called {code!r}; {hint}")
    return codes


def _answers(rule: Rule, timeline: Timeline) -> list[Finding | Unchecked]:
    try:
        return list(rule.check(timeline))
    except Exception as error:  # one rule must never cost the audit of the others
        if os.environ.get("ANALYZER_DEBUG"):
            raise
        return [Unchecked(reason=told(error), accident=True)]


def _answers_without(rule: Rule, timeline: Timeline) -> list[Finding | Unchecked]:
    """The answers of a rule where clocks failed: one that found nothing and asked for such a clock has not checked."""
    watched = _Watched(timeline)
    answers = _answers(rule, cast(Timeline, watched))
    missed = [clock for clock in timeline.failed if clock in watched.asked or clock not in LATE_CLOCKS]
    return answers or [Unchecked(reason=_failure(timeline, clock), accident=True) for clock in missed[:1]]


class _Watched:
    """A timeline that remembers which clocks it was asked for."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.asked: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.asked.add(name)
        return getattr(self.timeline, name)


def _failure(timeline: Timeline, clock: str) -> str:
    return f"internal error in the {clock} clock, please report it: {timeline.failed[clock]}"


def _signed(rule: Rule, finding: Finding) -> Finding:
    numbers: dict[str, Any] = dict(finding.numbers)
    return replace(finding, code=rule.code, name=rule.name, help=finding.help or rule.help, numbers=numbers)
