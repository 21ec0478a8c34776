"""JUnit XML: a suite for each run, a case for each rule; skipped where the rule could not look.

What ``--fail-on`` lets fail is a failure; the other findings are told in the suite's output. The form is the strict one
of Ant's JUnit schema (windyroad/JUnit-Schema), which Jenkins, GitLab and GitHub reporters all read.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Literal
from xml.etree import ElementTree as Tree

from analyzer.model import GRAVE, Finding, Report, RunReport, Severity
from analyzer.renderers import Look, Renderer
from analyzer.renderers.escaping import visible
from analyzer.renderers.wording import logged, place_of


def render(report: Report, look: Look | None = None) -> str:
    """One XML document; control characters, which XML cannot hold at all, are written out."""
    grave = GRAVE[(look or Look()).fail_on]
    root = Tree.Element("testsuites")
    for index, one in enumerate(report.runs):
        root.append(_suite(one, index, grave))
    if report.unreadable or not report.runs:
        root.append(_unread(report, len(report.runs), "error" if grave or not report.runs else "skipped"))
    Tree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Tree.tostring(root, encoding="unicode") + "\n"


def _suite(one: RunReport, index: int, fail: tuple[Severity, ...]) -> Tree.Element:
    by_code: dict[str, list[Finding]] = {}
    for finding in one.findings:
        by_code.setdefault(finding.code, []).append(finding)
    skipped = {skip.code: skip.reason for skip in one.skipped if skip.code not in by_code}
    cases = {code: _case(one, code) for code in sorted({*by_code, *skipped, *one.passed})}
    failures = 0
    for code, findings in by_code.items():
        grave = [finding for finding in findings if finding.severity in fail]
        if grave:
            failures += 1
            cases[code].append(_failure(one, grave))
    for code, reason in skipped.items():
        cases[code].append(Tree.Element("skipped", message=visible(reason)))
    suite = _empty_suite(one.run.name, index, tests=len(cases), failures=failures, errors=0, skipped=len(skipped))
    suite.set("timestamp", _ended(one))
    properties = Tree.SubElement(suite, "properties")
    for source in one.run.sources:
        Tree.SubElement(properties, "property", name="source", value=visible(source.path))
    suite.extend(cases.values())
    others = [_told(one, finding) for finding in one.findings if finding.severity not in fail]
    Tree.SubElement(suite, "system-out").text = "\n\n".join(others)
    Tree.SubElement(suite, "system-err").text = "\n".join(
        f"{visible(problem.source)}: {visible(problem.message)}" for problem in one.run.problems
    )
    return suite


def _unread(report: Report, index: int, kind: Literal["error", "skipped"]) -> Tree.Element:
    """A suite of its own for what could not be read: an error each, so that no gate takes it for a pass.

    Where nothing is to fail they are skipped: the exit code is 0 as well.
    """
    told = [(problem.source, problem.message) for problem in report.unreadable] or [("analyzer", "no run was audited")]
    counts = {"failures": 0, "errors": 0, "skipped": 0, ("errors" if kind == "error" else kind): len(told)}
    suite = _empty_suite("not read", index, tests=len(told), **counts)
    Tree.SubElement(suite, "properties")
    for path, message in told:
        case = Tree.SubElement(suite, "testcase", name=_token(path), classname="not read", time="0")
        found = Tree.SubElement(case, kind, message=visible(message))
        if kind == "error":
            found.set("type", "unreadable")
            found.text = visible(message)
    Tree.SubElement(suite, "system-out")
    Tree.SubElement(suite, "system-err")
    return suite


def _empty_suite(name: str, index: int, **counts: int) -> Tree.Element:
    attributes = {
        "name": _token(name),
        "package": "analyzer",
        "id": str(index),
        "hostname": "localhost",
        "time": "0",
        "timestamp": "1970-01-01T00:00:00",
    }
    return Tree.Element("testsuite", {**attributes, **{key: str(count) for key, count in counts.items()}})


def _case(one: RunReport, code: str) -> Tree.Element:
    name = next((finding.name for finding in one.findings if finding.code == code and finding.name), "")
    return Tree.Element("testcase", name=f"{code} {name}".strip(), classname=_token(one.run.name), time="0")


def _failure(one: RunReport, findings: list[Finding]) -> Tree.Element:
    severity = min((finding.severity for finding in findings), key=GRAVE["note"].index)
    failure = Tree.Element("failure", message=visible(findings[0].message), type=severity)
    failure.text = "\n\n".join(_told(one, finding) for finding in findings)
    return failure


def _told(one: RunReport, finding: Finding) -> str:
    lines = [f"{finding.severity}[{finding.code}] {finding.name}: {visible(finding.message)}"]
    for row in finding.evidence:
        step = "" if row.step is None else f" step {row.step}"
        why = f"  {visible(row.why)}" if row.why else ""
        lines.append(f"  {place_of(one.run, row)}:{step} {logged(row)}{why}")
    lines += [f"  so: {visible(line)}" for line in finding.consequences]
    return "\n".join([*lines, f"  help: {visible(finding.help)}"] if finding.help else lines)


def _ended(one: RunReport) -> str:
    """When the run ended, as far as its log knows: the report stays the same from one audit to the next."""
    wall = one.timeline.wall
    seconds = wall.last if wall is not None and math.isfinite(wall.last) and 0 <= wall.last < 4e9 else 0
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _token(text: str) -> str:
    """A name as an XML token: no runs of blanks, none at the ends, never empty."""
    return " ".join(visible(text).split()) or "run"


RENDERER = Renderer(name="junit", title="JUnit XML, for test reporters", render=render)
