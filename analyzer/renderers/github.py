"""GitHub's workflow commands: findings as annotations of a job. The step summary is the ``markdown`` format.

Format: docs.github.com/actions/reference/workflow-commands-for-github-actions.
"""

from __future__ import annotations

from analyzer.model import Finding, Report, RunReport
from analyzer.renderers import Look, Renderer
from analyzer.renderers.escaping import visible
from analyzer.renderers.places import main_place
from analyzer.renderers.wording import steps_of, totals

LINE_BREAK = "%0A"  # as a command's message writes it
COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def render(report: Report, look: Look | None = None) -> str:
    """A line for each finding, the gravest first: GitHub shows ten of a kind for each step."""
    told = [(finding, one) for one in report.runs for finding in one.findings]
    told.sort(key=lambda pair: list(COMMANDS).index(pair[0].severity))
    lines = [_command(one, finding) for finding, one in told]
    lines += [
        f"::error file={_property(problem.source)},title=not read::{_data(problem.message)}"
        for problem in report.unreadable
    ]
    lines += [f"::notice title=analyzer::{_data(note)}" for note in report.notes]
    return "\n".join([*lines, f"analyzer: {totals(report.runs)}"]) + "\n"


def _command(one: RunReport, finding: Finding) -> str:
    path, line = main_place(one, finding)
    properties = [f"file={_property(path)}"]
    if line is not None:
        properties.append(f"line={line}")
    properties.append(f"title={_property(f'{finding.code} {finding.name}')}")
    where = " ".join(part for part in (one.run.name, steps_of(finding)) if part)
    help_line = f"{LINE_BREAK}Help: {_data(finding.help)}" if finding.help else ""
    return f"::{COMMANDS[finding.severity]} {','.join(properties)}::{_data(f'{where}: {finding.message}')}{help_line}"


def _data(text: str) -> str:
    """The message of a command: nothing in it can end the line."""
    return visible(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


RENDERER = Renderer(name="github", title="annotations of a GitHub job, and its step summary", render=render)
