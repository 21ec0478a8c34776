"""Runs over each other for a paper: a panel for each axis that at least two of them have."""

from __future__ import annotations

import io
from collections.abc import Sequence

from analyzer.comparison import Axis, Curve, curve_of
from analyzer.renderers.chart_data import keep_extremes
from analyzer.renderers.figures import COLOURS, DASHES, PAGE_INCHES, PANEL_INCHES, STYLE, NothingToDraw
from analyzer.timeline import Timeline

POINTS_PER_LINE = 2000
SECONDS_PER_HOUR = 3600.0


def draw(
    timelines: Sequence[Timeline], axes: Sequence[Axis], tag: str | None, *, output: str, dots_per_inch: int = 200
) -> bytes:
    """The figure as bytes.

    Args:
        output: "png", "svg" or "pdf".

    Raises:
        NothingToDraw: when no axis is common to two runs.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    panels = {axis: curves for axis in axes if len(curves := _curves(timelines, axis, tag)) > 1}
    if not panels:
        raise NothingToDraw("no two of the runs have an axis in common")
    columns = min(2, len(panels))
    lines = -(-len(panels) // columns)
    with rc_context(STYLE):
        figure = Figure(figsize=(PAGE_INCHES, PANEL_INCHES * lines + 0.35), layout="constrained")
        places = figure.subplots(lines, columns, squeeze=False).ravel()
        for place, (axis, curves) in zip(places, panels.items(), strict=False):
            for number, curve in enumerate(curves):
                scale = SECONDS_PER_HOUR if axis == "time" else 1.0
                kept = keep_extremes(curve.y, POINTS_PER_LINE)
                colours = COLOURS["observed"]
                place.plot(
                    curve.x[kept] / scale,
                    curve.y[kept],
                    color=colours[number % len(colours)],
                    linestyle=DASHES[number % len(DASHES)],
                    linewidth=0.9,
                    label=curve.run.replace("$", r"\$"),
                    gid=f"run-{number + 1}",
                )
            place.locator_params(axis="x", nbins=6)
            place.set_xlabel("hours of work" if axis == "time" else axis)
            place.set_ylabel(curves[0].tag.replace("$", r"\$"))
            place.spines[["top", "right"]].set_visible(False)
            place.grid(True, linewidth=0.3, color="#dddddd")
        for place in places[len(panels) :]:
            place.set_axis_off()
        places[0].legend(fontsize=6, frameon=False, loc="best", handlelength=2.6)
        buffer = io.BytesIO()
        metadata = {"Date": None} if output == "svg" else {"CreationDate": None} if output == "pdf" else None
        figure.savefig(buffer, format=output, dpi=dots_per_inch, metadata=metadata)
    return buffer.getvalue()


def _curves(timelines: Sequence[Timeline], axis: Axis, tag: str | None) -> list[Curve]:
    return [found for one in timelines if isinstance(found := curve_of(one, axis, tag), Curve)]
