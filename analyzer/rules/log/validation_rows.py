"""A validation of a regular series that left no row."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzer.clocks.cadence import usual_cadence
from analyzer.distinct import distinct
from analyzer.model import NO_STEP, Finding, Series
from analyzer.timeline import Timeline

VALIDATIONS_LOST = 2  # in a row; a longer pause in validating is meant so,
REGULAR_VALIDATIONS = 8  # and of fewer distances one is not odd


def validation_missing(timeline: Timeline) -> Iterator[Finding]:
    """A validation series at one distance that begins an interval late, or has one hole of an interval or two."""
    main = next((series for series in timeline.training if series.step[0] != NO_STEP), None)
    validation = timeline.roles.first("validation_loss")
    if main is None or validation is None or len(validation) < 4:
        return
    rises = np.diff(validation.step)
    interval = usual_cadence(validation.step)
    first = int(validation.step[0])
    if interval < 5 * usual_cadence(main.step) or np.any(rises < interval):
        return
    odd = np.flatnonzero(rises != interval)
    late = not len(odd) and len(timeline.sessions) == 1 and first in (2 * interval, 2 * interval - 1)
    if late and main.step[0] <= interval / 2:
        labels = timeline.roles.first("epoch")
        if labels is not None and len(distinct(labels.value[labels.step < first])) == 1:
            return  # one label up to the first validation: no epoch ended before it
        yield _no_validation(timeline, validation, first - interval, ((0, "first row"), (1, "one interval later")))
    hole = int(rises[odd[0]]) // interval - 1 if len(odd) == 1 and rises[odd[0]] % interval == 0 else 0
    if 1 <= hole <= VALIDATIONS_LOST and len(rises) >= REGULAR_VALIDATIONS:
        at = int(odd[0])
        rows = ((at, "last row before"), (at + 1, "next row"))
        yield _no_validation(timeline, validation, int(validation.step[at]) + interval, rows)


def _no_validation(timeline: Timeline, series: Series, step: int, rows: tuple[tuple[int, str], ...]) -> Finding:
    behind = int(series.step[rows[-1][0]])
    return Finding(
        severity="warning",
        message=f"{series.tag} is logged every {usual_cadence(series.step)} steps, but not at step {step}",
        tag=series.tag, first_step=step, last_step=behind,
        numbers={"rows": 1, "cadence": usual_cadence(series.step)},
        evidence=tuple(timeline.row(series, at, why) for at, why in rows),
    )
