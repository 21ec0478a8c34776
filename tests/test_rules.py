"""Every rule's examples are its tests: the bad ones fire, the good ones stay silent. And every rule is documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from analyzer.rules import Example, Rule, catalogue
from analyzer.rules.examples import audit_example

RULES = catalogue()
BAD = [pytest.param(rule, example, id=f"{rule.code}-{example.title}") for rule in RULES for example in rule.bad]
GOOD = [pytest.param(rule, example, id=f"{rule.code}-{example.title}") for rule in RULES for example in rule.good]
HEADINGS = ("What it checks", "Why it matters", "When it is silent", "What to do")


@pytest.fixture(autouse=True)
def rules_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANALYZER_DEBUG", "1")


@pytest.mark.parametrize(("rule", "example"), BAD)
def test_bad_example_fires(rule: Rule, example: Example, tmp_path: Path) -> None:
    reports = audit_example(example, tmp_path)
    found = [finding for report in reports for finding in report.findings]
    hits = [finding for finding in found if finding.code == rule.code]
    assert hits, f"silent; said instead: {[f'{f.code} {f.message}' for f in found]}"
    assert all(finding.evidence or finding.severity == "note" for finding in hits)
    others = [f for f in found if f.code != rule.code and f.severity != "note"]
    assert not others, f"one cause, one finding; also said: {[f'{f.code} {f.message}' for f in others]}"


@pytest.mark.parametrize(("rule", "example"), GOOD)
def test_good_example_is_silent(rule: Rule, example: Example, tmp_path: Path) -> None:
    reports = audit_example(example, tmp_path)
    loud = [f for report in reports for f in report.findings if f.code == rule.code and f.severity == rule.severity]
    assert not loud, [f"{f.code} {f.severity} {f.message}" for f in loud]
    others = [f for report in reports for f in report.findings if f.severity != "note" and f.code != rule.code]
    assert not others, [f"{f.code} {f.severity} {f.message}" for f in others]


def test_codes_and_names_are_unique_and_well_formed() -> None:
    assert len({rule.code for rule in RULES}) == len(RULES)
    assert len({rule.name for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert re.fullmatch(r"[A-Z]{3}\d{3}", rule.code)
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.name)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_rule_card_is_complete(rule: Rule) -> None:
    lines = [line.strip() for line in rule.documentation.splitlines()]
    missing = [heading for heading in HEADINGS if heading not in lines]
    assert not missing, f"{rule.code}: the docstring lacks {missing}"
    assert rule.help and rule.sources
    assert rule.bad, f"{rule.code} has no example that must fire"
    assert len(rule.good) >= len(rule.bad), f"{rule.code}: fewer silent examples than firing ones"
    assert all(example.why for example in rule.good), f"{rule.code}: a good example without its reason"
