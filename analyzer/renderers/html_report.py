"""The HTML page: one self-contained file that opens from disk, with interactive charts and a printable figure inside.

Everything that comes from a log is escaped: text by the template engine, chart data as JSON in which ``<`` is written
as an escape, so that no tag name or path can end the script element.
"""

from __future__ import annotations

import base64
import io
import json
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from msgspec import Struct

from analyzer.model import Floats, Report, RunReport
from analyzer.renderers import Look, Renderer
from analyzer.renderers.chart_data import Pool
from analyzer.renderers.charts import Chart, Line, charts_of, keep_extremes
from analyzer.renderers.json_report import plain
from analyzer.renderers.wording import counted, interval, reconstruction
from analyzer.renderers.wording import number as as_logged

POINTS_PER_LINE = 2000  # more than the pixels of a wide chart: more cannot be seen before zooming
POINTS_IN_SPARKLINE = 60
RUNS_WITH_CHARTS = 200  # a page of thousands of runs keeps charts for the worst of them
RUNS_WITH_FIGURES = 5  # static pictures (half a second and 40 kB each) for the worst of the runs with findings
EVIDENCE_ROWS = 12
SEVERITIES = ("error", "warning", "note")


class RunSummary(Struct, frozen=True, kw_only=True):
    """One line of the index: what the table of runs shows and sorts by."""

    name: str
    anchor: str
    errors: int
    warnings: int
    notes: int
    rows: int
    sessions: int
    last_step: int | None
    steps_per_epoch: str
    schedule: str
    final_loss: float | None
    sparkline: str  # SVG path data
    verdict: str
    worst: str  # the gravest finding, by code and name

    @property
    def counts(self) -> str:
        counts = {"error": self.errors, "warning": self.warnings, "note": self.notes}
        return ", ".join(counted(count, name) for name, count in counts.items() if count) or "nothing found"

    @property
    def badness(self) -> int:
        return self.errors * 10_000 + self.warnings * 100 + self.notes


TITLE = "Training-log audit"


def render(report: Report, *, figures: bool | None = None, title: str = TITLE) -> str:
    """The whole report as one HTML document.

    Args:
        figures: a static picture beside the charts, for readers without scripts: of every charted run (True), of none
            (False), or of the only run and of the worst of those with findings (None).
    """
    entries = sorted(
        ((one, _summary(one, number)) for number, one in enumerate(report.runs)),
        key=lambda entry: (-entry[1].badness, entry[1].name),
    )
    charted = {summary.anchor for _, summary in entries[:RUNS_WITH_CHARTS]}
    pictured = {s.anchor for _, s in entries[:RUNS_WITH_FIGURES] if len(entries) == 1 or s.errors or s.warnings}
    pictured = charted if figures else pictured if figures is None else set()
    sections = [_section(one, s, s.anchor in charted, s.anchor in pictured) for one, s in entries]
    return _template().render(
        title=title,
        version=report.version,
        summaries=[summary for _, summary in entries],
        sections=sections,
        unreadable=report.unreadable,
        totals={name: sum(_count(one, name) for one in report.runs) for name in SEVERITIES},
        evidence_rows=EVIDENCE_ROWS,
        style=_asset("uplot.min.css") + _asset("page.css"),
        library=_asset("uplot.min.js"),
        licence=_asset("uplot.LICENSE.txt"),
        script=_asset("page.js"),
    )


@cache
def _asset(name: str) -> str:
    return files("analyzer.renderers").joinpath("static", name).read_text(encoding="utf-8")


@cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["as_logged"] = as_logged
    return environment.from_string(_asset("page.html.j2"))


def _count(one: RunReport, severity: str) -> int:
    return sum(finding.severity == severity for finding in one.findings)


def _summary(one: RunReport, number: int) -> RunSummary:
    timeline = one.timeline
    loss = timeline.roles.first("loss")
    finite = loss.value[np.isfinite(loss.value)] if loss is not None else np.empty(0)
    errors, warnings, notes = (_count(one, severity) for severity in SEVERITIES)
    return RunSummary(
        name=one.run.name,
        anchor=f"run-{number + 1}",
        errors=errors,
        warnings=warnings,
        notes=notes,
        rows=sum(source.records for source in one.run.sources),
        sessions=len(timeline.sessions),
        last_step=max((session.last_step for session in timeline.sessions), default=None),
        steps_per_epoch=steps_per_epoch_in_words(timeline.epoch),
        schedule=timeline.schedulers[0].family if timeline.schedulers else "",
        final_loss=float(finite[-1]) if len(finite) else None,
        sparkline=sparkline_path(finite),
        worst=f"{one.findings[0].code} {one.findings[0].name}" if one.findings else "",
        verdict="unsound" if errors else "suspicious" if warnings else "sound",
    )


def steps_per_epoch_in_words(clock: Any) -> str:
    """ "469", "468 to 470", "at least 37" or "31.5"; empty when no clock is known."""
    if clock is None:
        return ""
    return interval(clock.low, clock.high) if not clock.exact else f"{float(clock.low):g}"


def sparkline_path(values: Floats, width: int = 120, height: int = 24) -> str:
    """SVG path data of a small curve, on a log axis where the values span decades; empty for fewer than two."""
    if len(values) < 2:
        return ""
    kept = values[keep_extremes(values, POINTS_IN_SPARKLINE)]
    if kept.min() > 0 and kept.max() / kept.min() > 20:
        kept = np.log(kept)
    span = float(np.ptp(kept)) or 1.0
    x = np.linspace(1, width - 1, len(kept))
    y = height - 2 - (kept - kept.min()) / span * (height - 4)
    return "M" + "L".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))


def _section(one: RunReport, summary: RunSummary, charted: bool, figures: bool) -> dict[str, Any]:
    charts = tuple(charts_of(one)) if charted else ()
    pool = Pool()
    drawn = {"sources": [source.path for source in one.run.sources], "charts": _payload(charts, pool)}
    return {
        "summary": summary,
        "report": one,
        "clocks": reconstruction(one.timeline),
        "declared": sorted(one.timeline.declared.facts.values(), key=lambda fact: fact.key),
        "charts": [{"key": chart.key, "title": chart.title, "reading": chart.reading} for chart in charts],
        "payload": script_json({**drawn, "arrays": pool.described()}),
        "numbers": pool.text() if charts else "",
        "figure": _figure(one) if figures and charts else "",
    }


def script_json(value: Any) -> Any:
    """JSON that is safe inside a script element, marked as not to be escaped again."""
    from markupsafe import Markup

    text = json.dumps(plain(value), allow_nan=False, separators=(",", ":"), ensure_ascii=True)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _payload(charts: tuple[Chart, ...], pool: Pool) -> list[dict[str, Any]]:
    return [
        {
            "key": chart.key,
            "title": chart.title,
            "yLabel": chart.y_label,
            "xLabel": chart.x_label,
            "log": chart.log_y,
            "timed": chart.timed,
            "byTime": chart.by_time,
            "timeUnit": chart.time_unit,
            "scales": {unit: list(scale) for unit, scale in chart.scales.items()},
            "joins": list(chart.joins),
            "lines": [part for line in chart.lines for part in _parts(line, chart, pool)],
            "marks": [
                {"step": m.step, "y": m.y, "code": m.code, "severity": m.severity, "text": m.text} for m in chart.marks
            ],
        }
        for chart in charts
    ]


def _parts(line: Line, chart: Chart, pool: Pool) -> list[dict[str, Any]]:
    """A line a session: a replay draws as a second curve, not as a zig-zag. Arrays are places in the pool."""
    session = line.session if line.session is not None else np.zeros(len(line.y), dtype=np.int64)
    count = int(session.max()) + 1 if len(session) else 0
    parts = []
    for number in range(count):
        here = np.flatnonzero(session == number)
        if not len(here):
            continue
        marked = [int(np.abs(line.x["step"][here] - mark.step).argmin()) for mark in chart.marks]
        here = here[keep_extremes(line.y[here], POINTS_PER_LINE, marked)]
        here = here[np.argsort(line.x["step"][here], kind="stable")]
        name = line.name if count == 1 or line.style != "observed" else f"{line.name} · session {number + 1}"
        parts.append(
            {
                "name": name,
                "style": line.style,
                "stepped": line.stepped,
                "session": number,
                "x": {axis: pool.add(values[here], computed=axis != "step") for axis, values in line.x.items()},
                "y": pool.add(line.y[here], computed=line.style != "observed"),
                "source": pool.add(line.source[here]) if line.source is not None else None,
                "row": pool.add(line.row[here]) if line.row is not None else None,
            }
        )
    return parts


def _figure(one: RunReport) -> str:
    """The overview as a PNG of few colours in base64: it has no more than lines and letters."""
    from PIL import Image  # matplotlib brings it

    from analyzer.renderers.figures import draw

    picture = Image.open(io.BytesIO(draw(one, kind="overview", output="png", dots_per_inch=100)))
    small = io.BytesIO()
    picture.convert("RGB").quantize(colors=48, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return base64.b64encode(small.getvalue()).decode("ascii")


def _rendered(report: Report, look: Look) -> str:
    return render(report)


RENDERER = Renderer(name="html", title="one self-contained HTML page", render=_rendered)
