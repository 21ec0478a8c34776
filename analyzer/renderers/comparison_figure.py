"""Runs over each other for a paper: a panel for each axis that at least two of them have."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from analyzer.comparison import Axis, Curve, curve_of
from analyzer.renderers.chart_data import keep_extremes
from analyzer.renderers.figures import (
    COLOURS,
    DASHES,
    MARKER_COLOURS,
    PAGE_INCHES,
    PANEL_INCHES,
    NothingToDraw,
    literal,
    own_style,
)
from analyzer.timeline import Timeline

POINTS_PER_LINE = 2000
BLOCKS = 60  # of a noisy curve whose medians are drawn over it: a block is wider than a dash
SECONDS_PER_HOUR = 3600.0
NOTE_COLUMNS = 130  # characters of a note's size across the page
NOTE_CHARACTERS = 4 * NOTE_COLUMNS
NOTE_INCHES = 0.12


def draw(
    timelines: Sequence[Timeline],
    axes: Sequence[Axis],
    tag: str | None,
    *,
    output: str,
    notes: Sequence[str] = (),
    dots_per_inch: int = 200,
) -> bytes:
    """The figure as bytes.

    Args:
        output: "png", "svg" or "pdf".
        notes: sentences below the panels.

    Raises:
        NothingToDraw: when no axis is common to two runs.
    """
    from matplotlib.figure import Figure

    panels = {axis: curves for axis in axes if len(curves := _curves(timelines, axis, tag)) > 1}
    if not panels:
        raise NothingToDraw("no two of the runs have an axis in common")
    columns = min(2, len(panels))
    lines = -(-len(panels) // columns)
    with own_style():
        figure = Figure(figsize=(PAGE_INCHES, PANEL_INCHES * lines + 0.35), layout="constrained")
        places = figure.subplots(lines, columns, squeeze=False).ravel()
        for place, (axis, curves) in zip(places, panels.items(), strict=False):
            for number, curve in enumerate(curves):
                _curve(place, curve, number, SECONDS_PER_HOUR if axis == "time" else 1.0)
            place.locator_params(axis="x", nbins=6)
            place.set_xlabel("hours of work" if axis == "time" else axis)
            place.set_ylabel(literal(curves[0].tag))
            place.spines[["top", "right"]].set_visible(False)
            place.grid(True, linewidth=0.3, color="#dddddd")
        for place in places[len(panels) :]:
            place.set_axis_off()
        places[0].legend(fontsize=6, loc="best", handlelength=2.6, framealpha=0.8, edgecolor="none")
        first = next(iter(panels.values()))
        figure.suptitle(literal(f"{first[0].tag}: {' and '.join(one.run for one in first)}"), fontsize=8.5)
        below = [line for note in notes for line in textwrap.wrap(literal(note, NOTE_CHARACTERS), NOTE_COLUMNS)]
        if below:
            figure.set_figheight(figure.get_figheight() + NOTE_INCHES * len(below))
            figure.supxlabel("\n".join(below), fontsize=6.5, color=MARKER_COLOURS["error"], x=0.01, ha="left")
        buffer = io.BytesIO()
        metadata = {"Date": None} if output == "svg" else {"CreationDate": None} if output == "pdf" else None
        figure.savefig(buffer, format=output, dpi=dots_per_inch, metadata=metadata)
    return buffer.getvalue()


def _curve(place: Any, curve: Curve, number: int, scale: float) -> None:
    """One run: every point pale, and over them the medians of blocks, which are read by their dashes too."""
    kept = keep_extremes(curve.y, POINTS_PER_LINE)
    colour, dashes = COLOURS["observed"][number % len(COLOURS["observed"])], DASHES[number % len(DASHES)]
    noisy = len(curve.y) >= 2 * BLOCKS
    place.plot(
        curve.x[kept] / scale, curve.y[kept], color=colour, linestyle="-" if noisy else dashes,
        linewidth=0.4 if noisy else 0.9, alpha=0.35 if noisy else 1.0, zorder=2,
        label=None if noisy else literal(curve.run), gid=f"run-{number + 1}",
    )  # fmt: skip
    if noisy:
        order = np.argsort(curve.x, kind="stable")
        blocks = [block for block in np.array_split(order, BLOCKS) if np.isfinite(curve.y[block]).any()]
        x, y = ([np.nanmedian(values[block]) for block in blocks] for values in (curve.x / scale, curve.y))
        place.plot(x, y, color=colour, linestyle=dashes, linewidth=1.3, zorder=3, label=literal(curve.run))


def _curves(timelines: Sequence[Timeline], axis: Axis, tag: str | None) -> list[Curve]:
    return [found for one in timelines if isinstance(found := curve_of(one, axis, tag), Curve)]
