"""Parts of the HTML page as values: the line of a run in the table, and what its section shows.

Everything that comes from a log is escaped: text by the template engine, chart data as JSON in which ``<`` is written
as an escape, so that no tag name or path can end the script element.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from analyzer.accidents import told
from analyzer.config.keys import KEYS
from analyzer.model import Fact, FactStatus, Floats, RunReport
from analyzer.renderers.chart_axes import common_axes, scales_of, times_of
from analyzer.renderers.chart_data import Pool, keep_extremes
from analyzer.renderers.charts import Chart, Line, charts_of, line_of
from analyzer.renderers.figures import NothingToDraw, draw
from analyzer.renderers.json_report import plain
from analyzer.renderers.wording import interval, reconstruction
from analyzer.spelling import counted

POINTS_PER_LINE = 2000  # more than the pixels of a wide chart: more cannot be seen before zooming
POINTS_PER_TAG = 500  # of a tag that no chart shows and that a reader may lay over one
TAGS_PER_RUN = 60  # that a reader may choose from; logs of thousands of tags would make a page of megabytes a run
POINTS_IN_SPARKLINE = 60
EVIDENCE_ROWS = 12
COLUMNS = 6  # of the configuration in the table of runs
LAID_BY_ROLE = ("loss", "validation_loss", "learning_rate", "grad_norm", "epoch")  # runs name them differently
LONGEST_CELL = 40  # characters of a declared value in that table
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
    codes: tuple[str, ...]  # of all findings
    declared: dict[str, str]  # key -> value in words
    unchecked: int = 0  # rules that could not look
    charted: bool = True

    @property
    def counts(self) -> str:
        counts = {"error": self.errors, "warning": self.warnings, "note": self.notes}
        found = ", ".join(counted(count, name) for name, count in counts.items() if count) or "nothing found"
        return found + (f", {counted(self.unchecked, 'check')} not possible" if self.unchecked else "")

    @property
    def verdict_in_words(self) -> str:
        """What the badge says: "sound" would claim more than the rules that could look have found."""
        return "no fault found" if self.verdict == "sound" and self.unchecked else self.verdict

    @property
    def badness(self) -> int:
        return self.errors * 10_000 + self.warnings * 100 + self.notes


def count_of(one: RunReport, severity: str) -> int:
    return sum(finding.severity == severity for finding in one.findings)


def summary_of(one: RunReport, anchor: str) -> RunSummary:
    timeline = one.timeline
    loss = timeline.roles.first("loss")
    finite = loss.value[np.isfinite(loss.value)] if loss is not None else np.empty(0)
    errors, warnings, notes = (count_of(one, severity) for severity in SEVERITIES)
    return RunSummary(
        name=one.run.name,
        anchor=anchor,
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
        codes=tuple(dict.fromkeys(finding.code for finding in one.findings)),
        verdict="unsound" if errors else "suspicious" if warnings else "sound",
        unchecked=len({skip.code for skip in one.skipped}),
        declared={key: str(fact.value)[:LONGEST_CELL] for key, fact in timeline.declared.facts.items()},
    )


def differing_columns(summaries: Sequence[RunSummary]) -> tuple[str, ...]:
    """Declared keys whose value is not the same in every run, in the order of ``KEYS``; at most ``COLUMNS``."""
    differing = (key for key in KEYS if len({one.declared.get(key) for one in summaries}) > 1)
    return tuple(key for key, _ in zip(differing, range(COLUMNS), strict=False))


def rules_found(reports: Sequence[RunReport]) -> list[tuple[str, str, int]]:
    """(code, name, runs) of every rule that found something, by code."""
    names = {finding.code: finding.name for one in reports for finding in one.findings}
    return [
        (code, names[code], sum(any(finding.code == code for finding in one.findings) for one in reports))
        for code in sorted(names)
    ]


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


def section_of(one: RunReport, summary: RunSummary, *, figure: bool = False) -> dict[str, Any]:
    """What the template shows of one run."""
    charts = charts_of(one) if summary.charted else ()
    pool = Pool()
    payload = _payload(one, charts, pool) if charts else {}
    tags = len(one.timeline.view.series)
    left_out = f"{TAGS_PER_RUN} of {tags} tags can be chosen here; analyzer export writes all." if charts else ""
    return {
        "summary": summary,
        "report": one,
        "clocks": reconstruction(one.timeline),
        "declared": list(declared_with_others(one)),
        "unusable": one.timeline.declared.unusable,
        "charts": [{"title": chart.title, "reading": chart.reading} for chart in charts],
        "payload": script_json({**payload, "arrays": pool.described()}),
        "numbers": pool.text() if charts else "",
        "left_out": left_out if tags > TAGS_PER_RUN else "",
        "figure": "",
        "no_figure": "",
        **(_figure(one) if figure and charts else {}),
        "evidence_rows": EVIDENCE_ROWS,
    }


def declared_with_others(one: RunReport) -> Iterator[tuple[Fact, list[Fact], FactStatus | None]]:
    """Every declared fact, those of weaker places that say something else, and what the log says of it."""
    declared = one.timeline.declared
    for key in sorted(declared.facts):
        fact = declared.facts[key]
        others = [other for other in declared.also if other.key == key and other.value not in (None, fact.value)]
        yield fact, others, one.declared.get(key)


def script_json(value: Any) -> Any:
    """JSON that is safe inside a script element, marked as not to be escaped again."""
    from markupsafe import Markup

    text = json.dumps(plain(value), allow_nan=False, separators=(",", ":"), ensure_ascii=True)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _payload(one: RunReport, charts: tuple[Chart, ...], pool: Pool) -> dict[str, Any]:
    main = one.timeline.roles.first("loss")
    drawn = [_chart(chart, pool) for chart in charts]
    scales, without = common_axes(one, main)
    _, unit, seconds = times_of(one)
    return {
        "sources": [source.path for source in one.run.sources],
        "units": list(scales_of(one)),
        "scales": scales,
        "without": without,
        "timeUnit": unit,
        "timeSeconds": seconds,
        "roles": {role: found.tag for role in LAID_BY_ROLE if (found := one.timeline.roles.first(role)) is not None},
        "charts": drawn,
        "tags": list(_tags(one, charts, drawn, pool)),
    }


def _chart(chart: Chart, pool: Pool) -> dict[str, Any]:
    return {
        "yLabel": chart.y_label,
        "xLabel": chart.x_label,
        "log": chart.log_y,
        "timed": chart.timed,
        "byTime": chart.by_time,
        "timeUnit": chart.time_unit,
        "joins": list(chart.joins),
        "lines": [part for line in chart.lines for part in _parts(line, chart, pool)],
        "marks": [
            {"step": m.step, "time": m.time, "y": m.y, "code": m.code, "severity": m.severity, "text": m.text}
            for m in chart.marks
        ],
    }


def _tags(one: RunReport, charts: tuple[Chart, ...], drawn: list[dict[str, Any]], pool: Pool) -> Iterator[Any]:
    """Tags that a reader may choose: places of lines that a chart draws already ([chart, line]), or lines."""
    places: dict[str, list[Any]] = {}
    for at, (chart, shown) in enumerate(zip(charts, drawn, strict=True)):
        number = 0
        for line in chart.lines:
            parts = _count_of_parts(line)
            if line.tag and line.tag not in places:
                places[line.tag] = [[at, number + part] for part in range(parts)]
            number += parts
        assert number == len(shown["lines"])
    played = {series.tag for role in LAID_BY_ROLE for series in one.timeline.roles.all(role)[:1]}
    tags = sorted(one.timeline.view.series, key=lambda tag: (tag not in places and tag not in played, tag))
    for tag in tags[:TAGS_PER_RUN]:
        lines = places.get(tag)
        if lines is None:
            line = line_of(one, one.timeline.view.series[tag])
            lines = list(_parts(line, None, pool, points=POINTS_PER_TAG))
        if lines:
            yield {"name": tag, "lines": lines}


def _sessions_of(line: Line) -> list[np.ndarray]:
    """Indices of the points of each session that has some."""
    if line.session is None:
        return [np.arange(len(line.y))] if len(line.y) else []
    count = int(line.session.max()) + 1 if len(line.session) else 0
    return [here for number in range(count) if len(here := np.flatnonzero(line.session == number))]


def _count_of_parts(line: Line) -> int:
    return len(_sessions_of(line))


def _parts(line: Line, chart: Chart | None, pool: Pool, points: int = POINTS_PER_LINE) -> Iterator[dict[str, Any]]:
    """A line a session: a replay draws as a second curve, not as a zig-zag. Arrays are places in the pool."""
    sessions = _sessions_of(line)
    for here in sessions:
        number = int(line.session[here[0]]) if line.session is not None else 0
        marks = chart.marks if chart is not None else ()
        marked = [int(np.abs(line.x["step"][here] - mark.step).argmin()) for mark in marks]
        here = here[keep_extremes(line.y[here], points, marked)]
        here = here[np.argsort(line.x["step"][here], kind="stable")]
        alone = len(sessions) == 1 and number == 0
        yield {
            "name": line.name if alone or line.style != "observed" else f"{line.name} · session {number + 1}",
            "style": line.style,
            "stepped": line.stepped,
            "x": {axis: pool.add(values[here], computed=axis != "step") for axis, values in line.x.items()},
            "y": pool.add(line.y[here], computed=line.style != "observed"),
            "source": pool.add(line.source[here]) if line.source is not None else None,
            "row": pool.add(line.row[here]) if line.row is not None else None,
        }


def _figure(one: RunReport) -> dict[str, str]:
    """The overview as a PNG of few colours in base64: it has no more than lines and letters. Or why there is none."""
    from PIL import Image  # matplotlib brings it

    try:
        drawn = draw(one, kind="overview", output="png", dots_per_inch=100)
    except NothingToDraw:
        return {}
    except Exception as error:  # a figure must never cost the page
        return {"no_figure": told(error)}
    picture = Image.open(io.BytesIO(drawn))
    small = io.BytesIO()
    picture.convert("RGB").quantize(colors=48, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return {"figure": base64.b64encode(small.getvalue()).decode("ascii")}
