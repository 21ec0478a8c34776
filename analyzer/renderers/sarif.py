"""SARIF 2.1.0, which code hosts and editors show beside the code.

Format: OASIS Static Analysis Results Interchange Format 2.1.0 (docs.oasis-open.org/sarif/sarif/v2.1.0).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from analyzer.fingerprint import fingerprints
from analyzer.model import Finding, Report, Row, RunReport
from analyzer.renderers import Look, Renderer
from analyzer.renderers.escaping import visible
from analyzer.renderers.json_report import plain
from analyzer.renderers.places import main_place, place, uri
from analyzer.renderers.rule_card import blocks
from analyzer.renderers.wording import logged, steps_of
from analyzer.rules import Rule, catalogue

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
FINGERPRINT = "analyzer/v1"  # the version is that of the recipe in analyzer.fingerprint
RELATED_ROWS = 10
LONGEST_DESCRIPTION = 1024  # characters, docs.github.com/code-security, "SARIF support for code scanning"
DISTRIBUTION = "training-log-analyzer"


def render(report: Report, look: Look | None = None) -> str:
    """One SARIF run for the whole report."""
    rules = _rules(report)
    index = {rule["id"]: position for position, rule in enumerate(rules)}
    results = [
        result
        for one in report.runs
        for findings, silenced in ((one.findings, False), (one.silenced, True))
        for result in _results(one, findings, index, silenced=silenced)
    ]
    notifications = [_notification(problem.source, problem.message) for problem in report.unreadable]
    notifications += [
        {
            "level": "note",
            "message": {"text": f"{visible(one.run.name)}: {skip.code} not checked: {visible(skip.reason)}"},
        }
        for one in report.runs
        for skip in one.skipped
    ]
    document = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {"name": "analyzer", "version": report.version or "0", **_address(), "rules": rules}
                },
                "columnKind": "unicodeCodePoints",
                "invocations": [
                    {"executionSuccessful": bool(report.runs), "toolExecutionNotifications": notifications}
                ],
                "results": results,
            }
        ],
    }
    return json.dumps(plain(document), indent=1, allow_nan=False) + "\n"


def _rules(report: Report) -> list[dict[str, Any]]:
    """The rules that found something."""
    known = {rule.code: rule for rule in catalogue()}
    found: dict[str, Finding] = {}
    for one in report.runs:
        for finding in (*one.findings, *one.silenced):
            found.setdefault(finding.code, finding)
    return [_rule(finding, known.get(code)) for code, finding in sorted(found.items())]


def _rule(finding: Finding, rule: Rule | None) -> dict[str, Any]:
    """One rule in the words of its card, and the first page that shows why anybody should believe it."""
    title, *card = [text for kind, text in blocks(rule.documentation if rule else "") if kind != "heading"] or [""]
    told = {
        "id": finding.code,
        "name": "".join(word.capitalize() for word in finding.name.split("-")) or finding.code,
        "shortDescription": {"text": _shortened([title]) or finding.name.replace("-", " ") or finding.code},
        "fullDescription": {"text": _shortened(card) or visible(finding.help) or finding.code},
        "help": {"text": visible(finding.help) or f"analyzer explain {finding.code}"},
        "defaultConfiguration": {"level": rule.severity if rule else finding.severity},
    }
    page = next((source for source in rule.sources if source.startswith("https://")), None) if rule else None
    return told if page is None else {**told, "helpUri": page.split()[0]}


def _shortened(card: Iterable[str]) -> str:
    """What fits of a card into a description as code hosts take it, in whole sentences."""
    text = " ".join(" ".join(card).replace("`", "").split())
    if len(text) <= LONGEST_DESCRIPTION:
        return text
    return text[: text.rfind(". ", 0, LONGEST_DESCRIPTION) + 1] or text[:LONGEST_DESCRIPTION]


def _address() -> dict[str, str]:
    """Where the tool is described, as far as the installed distribution says so."""
    from importlib import metadata

    try:
        urls = metadata.metadata(DISTRIBUTION).get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        return {}
    return {"informationUri": urls[0].partition(", ")[2]} if urls else {}


def _results(
    one: RunReport, findings: tuple[Finding, ...], index: dict[str, int], *, silenced: bool
) -> list[dict[str, Any]]:
    return [_result(one, finding, mark, index, silenced) for finding, mark in fingerprints(one.run.name, findings)]


def _result(one: RunReport, finding: Finding, mark: str, index: dict[str, int], silenced: bool) -> dict[str, Any]:
    path, line = main_place(one, finding)
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": index[finding.code],
        "level": finding.severity,
        "message": {"text": _text(finding)},
        "locations": [{**_location(path, line), "logicalLocations": [_logical(one, finding)]}],
        "partialFingerprints": {FINGERPRINT: mark},
        "properties": {
            "run": one.run.name,
            "tag": finding.tag,
            "firstStep": finding.first_step,
            "lastStep": finding.last_step,
            "numbers": dict(finding.numbers),
            "evidence": [_evidence(row) for row in finding.evidence],
        },
    }
    if finding.evidence:
        result["relatedLocations"] = [
            {"id": position, **_location(*place(one, row)), "message": {"text": _row_text(row)}}
            for position, row in enumerate(finding.evidence[:RELATED_ROWS])
        ]
    if silenced:
        result["suppressions"] = [{"kind": "external"}]
    return result


def _text(finding: Finding) -> str:
    """The message with its consequences; a bracket would begin a link in SARIF's message text."""
    parts = [finding.message, *(f"So: {line}" for line in finding.consequences)]
    return "\n".join(visible(part).replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]") for part in parts)


def _location(path: str, line: int | None) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": uri(path)}}
    if line is not None:
        physical["region"] = {"startLine": line}
    return {"physicalLocation": physical}


def _logical(one: RunReport, finding: Finding) -> dict[str, Any]:
    name = visible(finding.tag or one.run.name)
    return {
        "name": name,
        "fullyQualifiedName": f"{visible(one.run.name)} {steps_of(finding)}".strip(),
        "kind": "module",
    }


def _row_text(row: Row) -> str:
    where = f"row {row.row}" if row.step is None else f"row {row.row}, step {row.step}"
    told = f"{logged(row)} ({where})" + (f": {visible(row.why)}" if row.why else "")
    return told.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")


def _evidence(row: Row) -> dict[str, Any]:
    return {
        "source": visible(row.source),
        "row": row.row,
        "tag": row.tag,
        "step": row.step,
        "value": row.value,
        "why": row.why,
    }


def _notification(path: str, message: str) -> dict[str, Any]:
    return {
        "level": "error",
        "message": {"text": f"{visible(path)}: {visible(message)}"},
        "locations": [_location(path, None)],
    }


RENDERER = Renderer(name="sarif", title="SARIF 2.1.0, for code hosts and editors", render=render)
