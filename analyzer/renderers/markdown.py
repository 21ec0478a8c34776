"""Markdown for a comment on a pull request and for GitHub's step summary.

Text from logs can neither mark up, link, mention anybody nor end a code span: names go into code spans with a fence
longer than any within, messages are escaped sign by sign.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from analyzer.model import Finding, Report, RunReport
from analyzer.renderers import Look, Renderer
from analyzer.renderers.escaping import visible
from analyzer.renderers.wording import grouped_reasons, number, place_of, reconstruction, totals
from analyzer.spelling import counted

SIGNS = {"error": "❌", "warning": "⚠️", "note": "💬"}
LONGEST = 60_000  # characters; GitHub refuses comments beyond 65,536
CLEAN_RUNS_NAMED = 20


def render(report: Report, look: Look | None = None) -> str:
    """The whole comment; findings that no longer fit are counted."""
    blocks = list(_blocks(report))
    kept: list[str] = []
    size = 0
    for position, block in enumerate(blocks):
        size += len(block) + 2
        if size > LONGEST:
            kept.append(f"*... {len(blocks) - position} more parts do not fit here; see the full report.*")
            break
        kept.append(block)
    return "\n\n".join(kept) + "\n"


def _blocks(report: Report) -> Iterator[str]:
    yield f"## analyzer: {totals(report.runs)}"
    for problem in report.unreadable:
        yield f"- ❌ not read: {code(problem.source)}: {escaped(problem.message)}"
    for note in report.notes:
        yield f"- {escaped(note)}"
    for one in sorted(report.runs, key=_gravity):
        if one.findings:
            yield f"### {code(one.run.name)}"
            yield "\n".join(f"- {label}: {escaped(text)}" for label, text in reconstruction(one.timeline))
            yield from (_finding(one, finding) for finding in one.findings)
    clean = [code(one.run.name) for one in report.runs if not one.findings]
    if clean:
        more = f" and {len(clean) - CLEAN_RUNS_NAMED} more" if len(clean) > CLEAN_RUNS_NAMED else ""
        yield f"✅ nothing found in {counted(len(clean), 'run')}: {', '.join(clean[:CLEAN_RUNS_NAMED])}{more}"
    yield from _not_checked(report)


def _gravity(one: RunReport) -> list[int]:
    """Sort key: the run with the most errors first, then warnings, then notes; else as they were given."""
    return [-sum(finding.severity == severity for finding in one.findings) for severity in SIGNS]


def _finding(one: RunReport, finding: Finding) -> str:
    title = f"{finding.severity} {finding.code} {escaped(finding.name)}"
    lines = [f"{SIGNS[finding.severity]} **{title}**: {escaped(finding.message)}"]
    if finding.consequences:
        lines.append("\n".join(f"- so: {escaped(line)}" for line in finding.consequences))
    if finding.help:
        lines.append(f"*Help:* {escaped(finding.help)}")
    if finding.evidence:
        rows = [
            f"| {cell(place_of(one.run, row))} | {'' if row.step is None else row.step} | {cell(row.tag)} "
            f"| {cell(number(row.value))} | {escaped(row.why)} |"
            for row in finding.evidence
        ]
        table = "\n".join(["| where | step | tag | value | |", "| --- | --- | --- | --- | --- |", *rows])
        lines.append(f"<details><summary>evidence: {counted(len(rows), 'row')}</summary>\n\n{table}\n\n</details>")
    return "\n\n".join(lines)


def _not_checked(report: Report) -> Iterator[str]:
    groups = grouped_reasons(skip for one in report.runs for skip in one.skipped)
    if groups:
        lines = "\n".join(f"- {', '.join(codes)}: {escaped(reason)}" for reason, codes in groups)
        yield f"<details><summary>not checked, and why</summary>\n\n{lines}\n\n</details>"


def escaped(text: str) -> str:
    """Text that shows as itself."""
    text = html.escape(visible(text), quote=False)
    text = re.sub(r"([\\`*_\[\]#|~])", r"\\\1", text)
    return text.replace("$", "&#36;").replace("@", "@<!-- -->").replace("://", ":<!-- -->//")


def code(text: str) -> str:
    """Text as a code span, by a fence longer than any run of backticks in it."""
    text = visible(text) or " "
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def cell(text: str) -> str:
    """A code span inside a table, where even there a bar ends the cell."""
    return code(text).replace("|", "\\|")


RENDERER = Renderer(name="markdown", title="Markdown, for a pull-request comment", render=render)
