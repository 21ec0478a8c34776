"""Comparisons of runs as tables for people and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct, field

from analyzer.comparison import Comparison, Standing
from analyzer.parting import Parting
from analyzer.renderers import Look
from analyzer.renderers.curve import sparkline
from analyzer.renderers.escaping import visible
from analyzer.renderers.json_report import plain
from analyzer.renderers.lines import cut_inside, paint, width_of, wrap
from analyzer.renderers.wording import duration, number, rounded
from analyzer.spelling import counted

FEW_ROWS = 5  # a median of fewer is about as noisy as a row


class Context(Struct, frozen=True, kw_only=True):
    """What stands beside the tables of a comparison."""

    warning: str | None = None
    doubts: tuple[str, ...] = ()  # errors that touch a compared axis
    higher_is_better: bool = False
    differences: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # declared key -> run -> value
    partings: Sequence[Parting] = ()


def as_json(comparisons: Sequence[Comparison], context: Context) -> str:
    """The comparison as one JSON object.

    ``{"warning", "doubts": [text], "better": "lower"|"higher", "axes": [{"axis", "places",
    "runs": [{"run", "tag", "values", "rows"}], "reaches", "left_out"}], "configuration": {key: {run: value}},
    "partings": [{"role", "runs", "same", "step", "rows"}]}``
    """
    axes = [
        {
            "axis": one.axis,
            "places": one.places,
            "runs": [{"run": s.run, "tag": s.tag, "values": s.values, "rows": s.rows} for s in one.standings],
            "reaches": one.reaches,
            "left_out": one.left_out,
        }
        for one in comparisons
    ]
    document = {
        "warning": context.warning,
        "doubts": context.doubts,
        "better": "higher" if context.higher_is_better else "lower",
        "axes": axes,
        "configuration": context.differences,
        "partings": [
            {
                "role": one.role,
                "runs": one.runs,
                "same": one.same,
                "step": one.step,
                "rows": [
                    {"source": row.source, "row": row.row, "tag": row.tag, "value": row.value} for row in one.rows
                ],
            }
            for one in context.partings
        ],
    }
    return json.dumps(plain(document), indent=1, allow_nan=False) + "\n"


def as_text(comparisons: Sequence[Comparison], context: Context, look: Look) -> str:
    return "\n".join(_lines(comparisons, context, look)) + "\n"


def metric_in_words(comparisons: Sequence[Comparison], higher_is_better: bool) -> str:
    """The metric that is compared, and which way is better; the tag of each run where they differ."""
    tags = {standing.run: standing.tag for one in comparisons for standing in one.standings}
    better = "higher is better" if higher_is_better else "lower is better"
    named = list(dict.fromkeys(tags.values()))
    if len(named) == 1:
        return f"{visible(named[0])}, {better}"
    return f"{', '.join(f'{visible(tag)} of {visible(run)}' for run, tag in tags.items())}; {better}"


def parting_in_words(one: Parting) -> str:
    """Where two runs part, in a sentence."""
    what, (first, second) = one.role.replace("_", " "), (visible(run) for run in one.runs)
    if one.step is None:
        return f"{what}: alike at all {one.same:,} steps that {first} and {second} log"
    a, b = one.rows
    alike = f"alike at {counted(one.same, 'step')} before" if one.same else "at the first step that both log"
    return (
        f"{what}: parts at step {one.step}: {first} logs {number(a.value)} (row {a.row}), "
        f"{second} {number(b.value)} (row {b.row}); {alike}"
    )


def _lines(comparisons: Sequence[Comparison], context: Context, look: Look) -> Iterator[str]:
    if any(one.standings for one in comparisons):
        yield from wrap(f"compared: {metric_in_words(comparisons, context.higher_is_better)}", look.width)
        yield ""
    if context.warning:
        yield from (paint(line, "warning", look) for line in wrap(f"warning: {visible(context.warning)}", look.width))
        yield ""
    for doubt in context.doubts:
        yield from (paint(line, "error", look) for line in wrap(visible(doubt), look.width))
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
    if context.differences:
        yield paint("declared differently", "title", look)
        for key, of_runs in context.differences.items():
            told = ", ".join(f"{visible(run)} {_declared(value)}" for run, value in of_runs.items())
            yield from (f"   {line}" for line in wrap(f"{key}: {told}", look.width - 3))
        yield ""
    if context.partings:
        yield paint("where they part", "title", look)
        for parting in context.partings:
            yield from (f"   {line}" for line in wrap(parting_in_words(parting), look.width - 3))
        yield ""


def _declared(value: Any) -> str:
    return "nothing" if value is None else visible(str(value))


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
        row[0] = cut_inside(row[0], room)
    sizes = [max(width_of(row[i]) for row in rows) for i in range(len(rows[0]))]
    for index, row in enumerate(rows):
        cells = [
            row[0] + " " * (sizes[0] - width_of(row[0])),
            *(cell.rjust(size) for cell, size in zip(row[1:], sizes[1:], strict=True)),
        ]
        picture = "" if index == 0 else f"  {_picture(one.standings[index - 1])}"
        line = "   " + "  ".join(cells)
        yield line + (picture if width_of(line + picture) <= look.width else "")
    if few := rows_in_words(one):
        yield paint(f"   {few}", "dim", look)


def rows_in_words(one: Comparison) -> str:
    """Of how many rows the values are medians, where some are of so few that noise decides; else nothing."""
    counts = [count for standing in one.standings for count in standing.rows if count]
    if not counts or min(counts) >= FEW_ROWS:
        return ""
    many = f"{min(counts)} to {max(counts)} rows" if min(counts) < max(counts) else counted(counts[0], "row")
    return f"a value is the median of {many}: noise may decide the order"


def _picture(standing: Standing) -> str:
    return sparkline(np.array(standing.values))


def _value(value: float) -> str:
    return "-" if math.isnan(value) else rounded(value, 4)


def place(axis: str, at: float) -> str:
    """A place on an axis in its unit."""
    if axis == "time":
        return duration(at)
    return f"{at:.3g}" if axis == "epochs" else f"{round(at):,}"
