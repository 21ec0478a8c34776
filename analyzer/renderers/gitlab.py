"""GitLab's code quality report: findings beside a merge request.

Format: docs.gitlab.com/ci/testing/code_quality (a list of issues; description, check_name, fingerprint, severity and
location.path with location.lines.begin are required).
"""

from __future__ import annotations

import json
from typing import Any

from analyzer.fingerprint import fingerprints
from analyzer.model import Finding, Problem, Report, RunReport
from analyzer.renderers import Look, Renderer
from analyzer.renderers.escaping import visible
from analyzer.renderers.places import from_here, main_place

SEVERITIES = {"error": "critical", "warning": "major", "note": "info"}


def render(report: Report, look: Look | None = None) -> str:
    """A JSON list, one object an issue."""
    issues = [
        _issue(one, finding, mark) for one in report.runs for finding, mark in fingerprints(one.run.name, one.findings)
    ]
    issues += [_unread(problem) for problem in report.unreadable]
    return json.dumps(issues, indent=1, allow_nan=False) + "\n"


def _issue(one: RunReport, finding: Finding, mark: str) -> dict[str, Any]:
    path, line = main_place(one, finding)
    return {
        "description": f"{visible(one.run.name)}: {visible(finding.message)}",
        "check_name": f"{finding.code} {finding.name}".strip(),
        "fingerprint": mark,
        "severity": SEVERITIES[finding.severity],
        "location": {"path": visible(from_here(path)), "lines": {"begin": line or 1}},
    }


def _unread(problem: Problem) -> dict[str, Any]:
    import hashlib

    path = visible(from_here(problem.source))
    return {
        "description": visible(problem.message),
        "check_name": "not read",
        "fingerprint": hashlib.sha256(f"not read\0{path}".encode()).hexdigest()[:16],
        "severity": "critical",
        "location": {"path": path, "lines": {"begin": 1}},
    }


RENDERER = Renderer(name="gitlab", title="GitLab code quality", render=render)
