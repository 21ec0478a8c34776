"""A small picture of a curve around a place, in one line of text."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.model import Finding, Series

BARS = "▁▂▃▄▅▆▇█"
NOT_FINITE = "×"


def sparkline(values: NDArray[np.float64]) -> str:
    """One character a value, from the lowest to the highest finite one; a value that is not finite is a cross."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return NOT_FINITE * len(values)
    half = np.where(np.isfinite(values), values, finite[0]) / 2  # halved: the range of two float64 may overflow
    low, reach = half.min(), half.max() - half.min()
    share = (half - low) / reach if reach > 0 else np.full(len(values), 0.5)
    level = np.clip(share * len(BARS), 0, len(BARS) - 1).astype(np.int64)
    return "".join(BARS[i] if good else NOT_FINITE for i, good in zip(level, np.isfinite(values), strict=True))


def curve_around(series: Series, index: int, width: int) -> tuple[NDArray[np.float64], int]:
    """The values around a point, and the place of the point among them."""
    start = max(0, min(index - width // 2, len(series) - width))
    return series.value[start : start + width], index - start


def place_in_curve(timeline: Any, finding: Finding) -> tuple[Series, int] | None:
    """The series that a finding speaks of, and the index at which it begins; None where there is nothing to draw."""
    series = series_of(timeline, finding)
    if series is None or len(series) < 3:
        return None
    for row in finding.evidence:
        if row.tag == series.tag and (finding.first_step is None or row.step == finding.first_step):
            paths = [source.path for source in timeline.run.sources]
            here = np.flatnonzero(series.row == row.row)
            here = here[[paths[int(series.source[i])] == row.source for i in here]] if len(here) else here
            if len(here):
                return series, int(here[0])
    if finding.first_step is None:
        return None
    reached = np.flatnonzero(series.step >= finding.first_step)
    return (series, int(reached[0])) if len(reached) else None


def series_of(timeline: Any, finding: Finding) -> Series | None:
    """The series of the finding's tag; the loss when it names none."""
    if finding.tag is None:
        loss: Series | None = timeline.roles.first("loss")
        return loss
    views = (timeline.view, *timeline.run.views)
    return next((view.series[finding.tag] for view in views if finding.tag in view.series), None)
