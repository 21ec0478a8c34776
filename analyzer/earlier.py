"""A run as its log was some time ago: what later rows have borne out is what an audit says of both."""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from analyzer.model import Run, Series


def earlier(run: Run, share: float) -> Run:
    """The run without the last part of every series.

    Args:
        share: of the points of each series, those that are not there yet, from 0 to 1.
    """
    views = tuple(
        replace(view, series={tag: _begun(series, share) for tag, series in view.series.items()}) for view in run.views
    )
    last: dict[int, int] = {}
    for view in views:
        for series in view.series.values():
            for source in np.unique(series.source).tolist():
                last[source] = max(last.get(source, -1), int(series.row[series.source == source].max()))
    markers = tuple(mark for mark in run.markers if mark.row <= last.get(mark.source, -1))
    return replace(run, views=views, markers=markers)


def _begun(series: Series, share: float) -> Series:
    kept = slice(0, len(series) - int(np.ceil(len(series) * share)))
    return replace(
        series,
        step=series.step[kept],
        value=series.value[kept],
        wall_time=series.wall_time[kept],
        source=series.source[kept],
        row=series.row[kept],
    )
