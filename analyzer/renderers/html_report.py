"""The HTML page: one self-contained file that opens from disk, with charts and a printable figure inside."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from msgspec.structs import replace

from analyzer.model import Report, RunReport
from analyzer.renderers import Look, Renderer
from analyzer.renderers.page_parts import (
    SEVERITIES,
    count_of,
    differing_columns,
    rules_found,
    section_of,
    summary_of,
)
from analyzer.renderers.rule_card import blocks
from analyzer.renderers.wording import number as as_logged
from analyzer.rules import catalogue

RUNS_WITH_CHARTS = 200  # a page of thousands of runs keeps charts for the worst of them
TITLE = "Training-log audit"
SCRIPTS = ("charts.js", "page.js")


def render(
    report: Report, *, figures: bool | None = None, title: str = TITLE, comparison: Mapping[str, Any] | None = None
) -> str:
    """The whole report as one HTML document.

    Args:
        figures: a static picture beside the charts, for readers without scripts: of every charted run (True), of none
            (False), or of a run that is alone on its page (None).
        comparison: what stands above the runs, which are laid over each other then; see ``comparison_page``.
    """
    entries = sorted(
        ((one, summary_of(one, f"run-{number}")) for number, one in enumerate(report.runs, start=1)),
        key=lambda entry: (-entry[1].badness, entry[1].name),
    )
    entries = [(one, replace(s, charted=place < RUNS_WITH_CHARTS)) for place, (one, s) in enumerate(entries)]
    pictured = figures if figures is not None else len(entries) == 1  # a picture takes half a second and 30 kB
    summaries = [summary for _, summary in entries]
    return template("page.html.j2").render(
        title=title,
        comparison=comparison,
        version=report.version,
        summaries=summaries,
        sections=[section_of(one, s, figure=pictured) for one, s in entries],
        columns=differing_columns(summaries),
        codes=rules_found(report.runs),
        rules=cards(report.runs),
        unreadable=report.unreadable,
        totals=totals_of(report.runs),
        style=asset("uplot.min.css") + asset("page.css"),
        library=asset("uplot.min.js"),
        licence=asset("uplot.LICENSE.txt"),
        scripts=[*(asset(name) for name in SCRIPTS), f"analyzerPage.start({int(comparison is not None)});"],
    )


@cache
def asset(name: str) -> str:
    """A file that the page is made of."""
    return files("analyzer.renderers").joinpath("static", name).read_text(encoding="utf-8")


@cache
def template(name: str) -> Any:
    """A template of the page, which escapes all that it shows."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, loader=FunctionLoader(asset)
    )
    environment.filters["as_logged"] = as_logged
    environment.filters["with_code"] = with_code
    environment.filters["breakable"] = breakable
    return environment.get_template(name)


def with_code(text: str) -> Any:
    """Text with what stands between backticks as code, all of it escaped."""
    from markupsafe import Markup, escape

    parts = re.split(r"(?<!`)`++([^`]++)`++", text)
    return Markup("").join(Markup("<code>{}</code>").format(p) if i % 2 else escape(p) for i, p in enumerate(parts))


def breakable(text: str) -> Any:
    """A path or a name that a line may end in behind its separators, escaped."""
    from markupsafe import Markup, escape

    return Markup("<wbr>").join(map(escape, re.split(r"(?<=[/_.-])(?=\w)", text)))


def totals_of(reports: Iterable[RunReport]) -> dict[str, int]:
    """Findings of all runs, by severity."""
    reports = list(reports)
    return {name: sum(count_of(one, name) for one in reports) for name in SEVERITIES}


def cards(reports: Iterable[RunReport]) -> list[dict[str, Any]]:
    """The text of every rule that found something."""
    found = {finding.code for one in reports for finding in one.findings}
    return [
        {"code": rule.code, "name": rule.name, "blocks": list(blocks(rule.documentation)), "sources": rule.sources}
        for rule in catalogue()
        if rule.code in found
    ]


def _rendered(report: Report, look: Look) -> str:
    return render(report)


RENDERER = Renderer(name="html", title="one self-contained HTML page", render=_rendered)
