"""Publication figures with matplotlib: legible in black and white, sized for a paper's column.

Curves differ by line style as well as by colour, findings by the shape of their marker.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from analyzer.model import RunReport
from analyzer.renderers.chart_data import keep_extremes
from analyzer.renderers.charts import Chart, Line, charts_of

KINDS: dict[str, tuple[str, ...]] = {
    "overview": ("loss", "epoch", "schedule", "position"),
    "epoch": ("epoch",),
    "schedule": ("schedule", "position"),
    "resume": ("sessions", "loss", "schedule"),
    "loss": ("loss", "gradient"),
    "time": ("sessions",),
}
COLUMN_INCHES = 3.5  # one column of a two-column paper
PAGE_INCHES = 7.2  # both columns
PANEL_INCHES = 2.15
POINTS_PER_LINE = 4000
NEAR_EDGE = 0.85  # of the panel: labels beyond stand on the inner side of their mark
FEW_POINTS = 60  # drawn as dots too
COLOURS = {
    "observed": ("#1f4e79", "#7a3b00", "#3f6b3f", "#5b3a7a"),
    "expected": ("#c8511b",),
    "declared": ("#3f6b3f",),
    "level": ("#8a8a8a",),
    "band": ("#b4b4b4",),
}
STYLE: Any = {
    "font.size": 7.5,
    "axes.titlesize": 8.5,
    "axes.linewidth": 0.6,
    "svg.hashsalt": "analyzer",
    "pdf.fonttype": 42,  # TrueType: journals refuse Type 3 fonts
    "ps.fonttype": 42,
}
TITLE_COLUMNS = 52  # characters that fit above one column at the title's size
TITLE_LINES = 3
MARKERS = {"error": "v", "warning": "D", "note": "o"}
MARKER_COLOURS = {"error": "#b00020", "warning": "#b36b00", "note": "#444444"}
DASHES = ("-", "--", "-.", ":")
STYLES = {"expected": "--", "declared": (0, (1, 1.2)), "band": (0, (1, 2))}


LEGEND_ENTRIES = 8  # more would cover the curves
LARGEST_DRAWN = 1e300  # beyond, matplotlib's ticks overflow


class NothingToDraw(ValueError):
    """The log does not carry what this kind of figure shows."""


@contextmanager
def own_style() -> Iterator[None]:
    """Figures look as they do everywhere: no ``matplotlibrc`` of the user or of a folder of logs has a part in them."""
    from matplotlib import rc_context, rcdefaults, rcParams

    with rc_context():
        rcdefaults()
        rcParams.update(STYLE)
        yield


def draw(report: RunReport, *, kind: str, output: str, dots_per_inch: int = 200) -> bytes:
    """A figure of one run as bytes.

    Args:
        kind: one of ``KINDS``.
        output: "png", "svg" or "pdf".

    Raises:
        NothingToDraw: when the log has none of the series that the kind shows.
    """
    figure = figure_of(report, kind)
    buffer = io.BytesIO()
    metadata = {"Date": None} if output in ("svg",) else {"CreationDate": None} if output == "pdf" else None
    try:
        with own_style():
            figure.savefig(buffer, format=output, dpi=dots_per_inch, metadata=metadata)
    except (ValueError, OverflowError) as error:
        if not _too_large(report):
            raise
        why = "values near the largest that a double holds, no scale shows them"
        raise NothingToDraw(f"{report.run.name}: {why}") from error
    return buffer.getvalue()


def _too_large(report: RunReport) -> bool:
    every = [series.value for view in report.run.views for series in view.series.values()]
    return any(np.abs(value[np.isfinite(value)]).max(initial=0.0) > LARGEST_DRAWN for value in every)


def figure_of(report: RunReport, kind: str) -> Any:
    """The matplotlib Figure of one run; a panel for each chart of the kind that the log allows."""
    from matplotlib.figure import Figure

    if kind == "resume" and not report.timeline.joins:
        raise NothingToDraw(
            f"{report.run.name}: the run was never resumed; a figure of kind 'overview' shows its clocks"
        )
    by_key = {chart.key: chart for chart in charts_of(report)}
    charts = [by_key[key] for key in KINDS[kind] if key in by_key]
    if kind == "overview" and "sessions" in by_key and by_key["sessions"].marks:
        charts.append(by_key["sessions"])  # a stall is seen on wall time alone
    if not charts:
        raise NothingToDraw(f"{report.run.name}: the log has nothing for a figure of kind {kind!r}")
    columns = 2 if kind == "overview" and len(charts) > 1 else 1
    rows = -(-len(charts) // columns)
    size = (PAGE_INCHES if columns == 2 else COLUMN_INCHES, PANEL_INCHES * rows + 0.35)
    with own_style():
        figure = Figure(figsize=size, layout="constrained")
        panels = np.atleast_1d(figure.subplots(rows, columns, squeeze=False)).ravel()
        for panel, chart in zip(panels, charts, strict=False):
            _panel(panel, chart)
        for panel in panels[len(charts) :]:
            panel.set_axis_off()
        figure.suptitle(_title(report, charts, TITLE_COLUMNS * columns), fontsize=8.5)
    return figure


def _panel(panel: Any, chart: Chart) -> None:
    x_axis = "time" if chart.by_time else "step"
    used = dict.fromkeys(COLOURS, 0)
    for line in chart.lines:
        used[line.style] += _curve(panel, line, x_axis, used[line.style])
    for join in chart.joins if x_axis == "step" else ():
        panel.axvline(join, color="#555555", linewidth=0.6, linestyle=(0, (1, 2)), gid="join")
    _annotate(panel, chart)
    if chart.log_y:
        panel.set_yscale("log")
    panel.set_title(chart.title, loc="left", fontweight="bold")
    panel.set_xlabel(chart.x_label)
    panel.set_ylabel(chart.y_label)
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(True, linewidth=0.3, color="#dddddd")
    panel.set_axisbelow(True)
    if 1 < len(panel.get_legend_handles_labels()[1]) <= LEGEND_ENTRIES:
        panel.legend(fontsize=6, loc="best", handlelength=2.4, framealpha=0.8, edgecolor="none")


def _title(report: RunReport, charts: list[Chart], width: int) -> str:
    """The run, and in a sentence the gravest finding that the charts mark."""
    marked = {mark.code for chart in charts for mark in chart.marks}
    finding = next((one for one in report.findings if one.code in marked), None)
    name = literal(report.run.name, width)
    if finding is None:
        return name
    lines = textwrap.wrap(f"{finding.code}: {literal(finding.message, 10 * width)}", width)
    cut = (
        lines[:TITLE_LINES] if len(lines) <= TITLE_LINES else [*lines[: TITLE_LINES - 1], f"{lines[TITLE_LINES - 1]} …"]
    )
    return "\n".join([name, *cut])


def _curve(panel: Any, line: Line, x_axis: str, number: int) -> int:
    """One curve; of several sessions each has a colour and dashes of its own, and none is drawn backwards.

    Returns:
        How many looks it took.
    """
    session = line.session if line.session is not None else np.zeros(len(line.y), dtype=np.int64)
    kept = keep_extremes(line.y, POINTS_PER_LINE)
    parts = np.unique(session[kept]).tolist()
    for part in parts:
        here = kept[session[kept] == part]
        apart = len(parts) > 1 and line.style == "observed"
        look = number + (part if apart else 0)
        colours = COLOURS[line.style]
        panel.plot(
            line.x[x_axis][here],
            line.y[here].astype(np.float64),
            color=colours[look % len(colours)],
            linestyle=STYLES.get(line.style) or DASHES[look % len(DASHES)],
            linewidth=1.1 if line.style == "expected" else 0.8,
            drawstyle="steps-post" if line.stepped else "default",
            marker="." if len(kept) <= FEW_POINTS and line.style == "observed" else None,
            markersize=3,
            zorder=3 if line.style == "expected" else 2,
            label=_label(line.name, part, parts, apart),
            gid=f"line-{line.style}",
        )
    return max(parts, default=0) + 1 if len(parts) > 1 and line.style == "observed" else 1


def _label(name: str, part: int, parts: list[int], apart: bool) -> str | None:
    """The entry of the legend; of a curve in parts that are not told apart, the first part stands for all."""
    if apart:
        return f"{literal(name, 30)}, session {part + 1}"
    return literal(name) if part == parts[0] else None


def _annotate(panel: Any, chart: Chart) -> None:
    from matplotlib.patheffects import withStroke

    labelled: set[str] = set()
    panel.autoscale_view()  # the limits decide on which side a label stands
    for mark in chart.marks:
        x = mark.time if chart.by_time and mark.time is not None else mark.step
        if mark.y is None:
            panel.axvline(x, color=MARKER_COLOURS[mark.severity], linewidth=0.8, gid=f"finding-{mark.code}")
        else:
            panel.plot(
                [x],
                [mark.y],
                marker=MARKERS[mark.severity],
                color=MARKER_COLOURS[mark.severity],
                markerfacecolor="none",
                markersize=6,
                linestyle="none",
                zorder=5,
                gid=f"finding-{mark.code}",
            )
        if mark.code not in labelled:
            labelled.add(mark.code)
            height = mark.y if mark.y is not None else panel.get_ylim()[1]
            across, up = panel.transAxes.inverted().transform(panel.transData.transform((x, height)))
            panel.annotate(
                mark.code,
                (x, height),
                xytext=(-4 if across > NEAR_EDGE else 4, -11 if up > NEAR_EDGE else 7),
                horizontalalignment="right" if across > NEAR_EDGE else "left",
                textcoords="offset points",
                fontsize=6.5,
                fontweight="bold",
                color=MARKER_COLOURS[mark.severity],
                zorder=6,
                annotation_clip=True,
                path_effects=[withStroke(linewidth=2, foreground="white")],
            )


def literal(text: str, longest: int = 60) -> str:
    """Text of a log as it stands: no mathematics, no control characters, not too long."""
    clean = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text).replace("$", r"\$")
    return clean if len(clean) <= longest else f"…{clean[-longest:]}"
