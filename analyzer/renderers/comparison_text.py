"""Comparisons of runs as tables for people and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence

import numpy as np

from analyzer.comparison import Comparison, Standing
from analyzer.renderers import Look
from analyzer.renderers.curve import sparkline
from analyzer.renderers.escaping import visible
from analyzer.renderers.json_report import plain
from analyzer.renderers.lines import cut, paint, width_of, wrap
from analyzer.renderers.wording import duration, rounded


def as_json(comparisons: Sequence[Comparison], warning: str | None) -> str:
    """``{"warning": ..., "axes": [{"axis", "places", "runs": [{"run", "tag", "values"}], "reaches", "left_out"}]}``."""
    axes = [
        {
            "axis": one.axis,
            "places": one.places,
            "runs": [{"run": s.run, "tag": s.tag, "values": s.values} for s in one.standings],
            "reaches": one.reaches,
            "left_out": one.left_out,
        }
        for one in comparisons
    ]
    return json.dumps(plain({"warning": warning, "axes": axes}), indent=1, allow_nan=False) + "\n"


def as_text(comparisons: Sequence[Comparison], warning: str | None, look: Look) -> str:
    return "\n".join(_lines(comparisons, warning, look)) + "\n"


def _lines(comparisons: Sequence[Comparison], warning: str | None, look: Look) -> Iterator[str]:
    if warning:
        yield from (paint(line, "warning", look) for line in wrap(f"warning: {visible(warning)}", look.width))
        yield ""
    for one in comparisons:
        if len(one.standings) > 1:
            yield from _table(one, look)
        else:
            yield paint(f"by {one.axis}: not comparable", "title", look)
        for reason in dict.fromkeys(one.left_out.values()):
            runs = ", ".join(visible(run) for run, why in one.left_out.items() if why == reason)
            yield from (f"   {line}" for line in wrap(f"without {runs}: {visible(reason)}", look.width - 3))
        yield ""


def _table(one: Comparison, look: Look) -> Iterator[str]:
    yield paint(f"by {one.axis}, up to {place(one.axis, one.places[-1])}, which all reached", "title", look)
    rows = [["run", *(place(one.axis, at) for at in one.places), "went to"]]
    rows += [
        [visible(s.run), *(_value(v) for v in s.values), place(one.axis, one.reaches[s.run])] for s in one.standings
    ]
    room = max(12, look.width - 3 - sum(2 + max(len(row[i]) for row in rows) for i in range(1, len(rows[0]))))
    if room < 16:  # a narrow terminal shows the last value alone
        rows = [[row[0], *row[-2:]] for row in rows]
        room = max(12, look.width - 3 - sum(2 + max(len(row[i]) for row in rows) for i in (1, 2)))
    for row in rows:
        row[0] = cut(row[0], room)
    sizes = [max(width_of(row[i]) for row in rows) for i in range(len(rows[0]))]
    for index, row in enumerate(rows):
        cells = [
            row[0] + " " * (sizes[0] - width_of(row[0])),
            *(cell.rjust(size) for cell, size in zip(row[1:], sizes[1:], strict=True)),
        ]
        picture = "" if index == 0 else f"  {_picture(one.standings[index - 1])}"
        line = "   " + "  ".join(cells)
        yield line + (picture if width_of(line + picture) <= look.width else "")


def _picture(standing: Standing) -> str:
    return sparkline(np.array(standing.values))


def _value(value: float) -> str:
    return "-" if math.isnan(value) else rounded(value, 4)


def place(axis: str, at: float) -> str:
    """A place on an axis in its unit."""
    if axis == "time":
        return duration(at)
    return f"{at:.3g}" if axis == "epochs" else f"{round(at):,}"
