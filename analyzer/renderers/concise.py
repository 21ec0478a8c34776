"""One line a finding, as compilers print them: ``path:row: error SCH002 message``. For editors and for ``grep``."""

from __future__ import annotations

from analyzer.model import Finding, Report, RunReport
from analyzer.renderers import Look, Renderer
from analyzer.renderers.escaping import visible
from analyzer.renderers.overview import worst_first
from analyzer.renderers.places import main_place
from analyzer.renderers.wording import main_row


def render(report: Report, look: Look | None = None) -> str:
    """Findings of the worst run first, then what could not be read."""
    lines = [_line(one, finding) for one in worst_first(report.runs) for finding in one.findings]
    lines += [f"{visible(problem.source)}: not read: {visible(problem.message)}" for problem in report.unreadable]
    return "".join(f"{line}\n" for line in lines)


def _line(one: RunReport, finding: Finding) -> str:
    path, line = main_place(one, finding)
    row = main_row(finding)
    number = line if line is not None else (row.row if row is not None else None)
    place = visible(path) + ("" if number is None else f":{number}")
    return f"{place}: {finding.severity} {finding.code} {visible(finding.message)}"


RENDERER = Renderer(name="concise", title="one line a finding, as compilers print them", render=render)
