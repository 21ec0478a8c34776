"""A run report without its long series: all that a text report needs of it, small enough to keep for ten thousand runs.

Around every finding a window of its curve stays; everything else of the series is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from msgspec.structs import replace

from analyzer.distinct import distinct
from analyzer.model import Finding, RunReport, Series, View
from analyzer.renderers.curve import place_in_curve
from analyzer.roles import Roles
from analyzer.timeline import Timeline

POINTS_AROUND = 100  # each side of a finding: more than the widest picture shows


def condensed(report: RunReport) -> RunReport:
    """The report with a timeline whose clocks are known and whose series hold only the rows around findings."""
    timeline: Timeline = report.timeline
    kept = _points_kept(timeline, report.findings)

    def thin(series: Series) -> Series:
        return _taken(series, kept.get(series.tag, np.zeros(0, dtype=np.int64)))

    view = _thinned(timeline.view, thin)
    views = tuple(view if one is timeline.view else _thinned(one, thin) for one in timeline.run.views)
    small = replace(
        timeline,
        run=replace(timeline.run, views=views),
        reference=None,
        writers=(),
        accounts=(),
        view=view,
        roles=Roles(
            series={role: tuple(thin(one) for one in found) for role, found in timeline.roles.series.items()},
            why=timeline.roles.why,
        ),
        schedulers=tuple(
            replace(clock, series=thin(clock.series), position=None, expected=None, distinct_steps=None)
            for clock in timeline.schedulers
        ),
        step_jumps=(),
        loss=None,
    )
    return replace(report, run=small.run, timeline=small)


def _points_kept(timeline: Timeline, findings: tuple[Finding, ...]) -> Mapping[str, Any]:
    """Indices to keep of each tag, ascending."""
    kept: dict[str, list[Any]] = {}
    for finding in findings:
        found = place_in_curve(timeline, finding)
        if found is not None:
            series, index = found
            around = np.arange(max(0, index - POINTS_AROUND), min(len(series), index + POINTS_AROUND + 1))
            kept.setdefault(series.tag, []).append(around)
    return {tag: distinct(np.concatenate(parts)) for tag, parts in kept.items()}


def _thinned(view: View, thin: Any) -> View:
    return replace(view, series={tag: thin(series) for tag, series in view.series.items()})


def _taken(series: Series, indices: Any) -> Series:
    indices = indices[indices < len(series)]
    return replace(
        series,
        step=series.step[indices],
        value=series.value[indices],
        wall_time=series.wall_time[indices],
        source=series.source[indices],
        row=series.row[indices],
    )
