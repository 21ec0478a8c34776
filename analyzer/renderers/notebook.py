"""How a report shows itself in a notebook: a table of findings per run, the loss with its marks, nothing executable."""

from __future__ import annotations

import base64
from html import escape

from analyzer.model import Report, RunReport
from analyzer.renderers.figures import NothingToDraw, draw

COLOURS = {"error": "#b00020", "warning": "#8a5200", "note": "#4a5560"}
RUNS_DRAWN = 3


def render(report: Report) -> str:
    """The report as an HTML fragment with inline styles; text from logs is escaped."""
    parts = [_run(one, drawn=number < RUNS_DRAWN) for number, one in enumerate(report.runs)]
    parts += [f"<p>not read: <code>{escape(p.source)}</code>: {escape(p.message)}</p>" for p in report.unreadable]
    return "".join(parts) or "<p>no run</p>"


def _run(one: RunReport, *, drawn: bool) -> str:
    counts = ", ".join(
        f"{sum(finding.severity == severity for finding in one.findings)} {severity}s" for severity in COLOURS
    )
    rows = "".join(
        f'<tr><td style="color:{COLOURS[finding.severity]};text-align:left"><b>{escape(finding.severity)}</b></td>'
        f'<td style="text-align:left">{escape(finding.code)} {escape(finding.name)}</td>'
        f'<td style="text-align:left">{escape(finding.message)}</td>'
        f"<td>{'' if finding.first_step is None else finding.first_step}</td></tr>"
        for finding in one.findings
    )
    table = f"<table><tr><th></th><th>rule</th><th>says</th><th>step</th></tr>{rows}</table>" if rows else ""
    return f"<h4>{escape(one.run.name)}: {counts}</h4>{table}{_picture(one) if drawn else ''}"


def _picture(one: RunReport) -> str:
    try:
        picture = draw(one, kind="overview", output="png", dots_per_inch=90)
    except NothingToDraw:
        return ""
    return f'<img alt="clocks of the run" src="data:image/png;base64,{base64.b64encode(picture).decode("ascii")}">'
