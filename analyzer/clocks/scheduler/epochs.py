"""A scheduler that is off by epochs: late by one throughout, or one step further at the end of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.declared_schedule import Claim
from analyzer.clocks.declared_shapes import candidates
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.scheduler import Deviation, SchedulerClock
from analyzer.clocks.scheduler.known import (
    Known,
    as_declared,
    clock_of,
    counted_laps,
    extras_of,
    matches,
    peaks_of,
    row_of,
)

if TYPE_CHECKING:
    from analyzer.timeline import Timeline


def by_a_whole_epoch(
    timeline: Timeline, claim: Claim, rows: Observed, sample: Observed, main: bool
) -> SchedulerClock | None:
    """A schedule in epochs that runs one epoch late, or early, from the first row on."""
    phased = counted_laps(sample)
    if (
        not main
        or claim.family is None
        or "step" not in rows.axes
        or rows.axes["step"][0] > 1 + np.median(np.diff(rows.step))
    ):
        return None
    for axis in phased:
        for candidate in candidates(claim, peaks_of(claim, rows, main)[0], extras_of(sample)):
            for offset in (-1, 1) if candidate.unit == "epoch" and rows.axes[axis][0] == 0 else ():
                known = Known(schedule=candidate.schedule, axis=axis, unit="epoch", offset=offset)
                if not matches(known, sample).all() or not matches(known, rows).all():
                    continue
                on_time = replace(known, offset=0)
                wrong = np.flatnonzero(~matches(on_time, rows))
                given = on_time.on(rows)
                if len(wrong) < 3:
                    continue
                late = offset < 0
                here = int(wrong[0])
                what = (
                    f"the scheduler is one epoch {'late' if late else 'early'}: {rows.rate[here]:.6g} at step "
                    f"{rows.step[here]} instead of {given[here]:.6g}"
                )
                deviation = Deviation(
                    kind="lag" if late else "lead",
                    step=int(rows.step[wrong[0]]),
                    last_step=int(rows.step[-1]),
                    size=float(offset),
                    what=what,
                    numbers={"epochs": offset},
                    severity="error" if late else "warning",
                    evidence=tuple(
                        row_of(timeline, rows, int(k), f"should be {given[k]:.6g}")
                        for k in dict.fromkeys((wrong[0], wrong[-1]))
                    ),
                )
                return clock_of(rows, known, deviations=(deviation,))
    return None


def at_every_epoch(
    timeline: Timeline, claim: Claim, rows: Observed, sample: Observed, main: bool
) -> SchedulerClock | None:
    """One extra step, or one missed, at the end of every epoch."""
    if not main or claim.family is None or "step" not in rows.axes:
        return None
    x = rows.axes["step"]
    for laps in (rows.axes[name] for name in ("epoch", "lap") if name in rows.axes):
        if laps[-1] - laps[0] < 2:
            continue
        for per_lap in (1.0, -1.0):
            drift = per_lap * (laps - laps[0])
            moved = replace(rows, axes={**rows.axes, "step": x + drift})
            known = as_declared(claim, moved.sample(), moved, main=True)
            if known is None or known.axis != "step":
                continue
            given = known.on(rows)
            wrong = np.flatnonzero(np.abs(given - rows.rate) > rows.tolerance)
            if len(wrong) < 3:
                return None
            shown = dict.fromkeys([int(wrong[0]), int(wrong[len(wrong) // 2]), int(wrong[-1])])
            deviation = Deviation(
                kind="per-epoch",
                step=int(rows.step[wrong[0]]),
                last_step=int(rows.step[-1]),
                size=per_lap,
                what=f"the scheduler moves {per_lap:+g} at every epoch's end: {abs(drift[-1]):g} steps "
                f"{'ahead' if per_lap > 0 else 'behind'} at step {rows.step[-1]}",
                numbers={"per_epoch": per_lap, "times": float(abs(drift[-1]))},
                evidence=tuple(row_of(timeline, rows, place, f"should be {given[place]:.6g}") for place in shown),
            )
            return clock_of(rows, known, deviations=(deviation,), explained=float(1 - len(wrong) / len(rows)))
    return None
