"""One extra step, or one missed, at the end of every epoch: the counter goes up with two kinds of events."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec.structs import replace

from analyzer.clocks import prices
from analyzer.clocks.claim import Claim
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.rate_axes import counts
from analyzer.clocks.scheduler.explanations import Explanation, clock_of
from analyzer.clocks.scheduler.tied import as_declared, row_of
from analyzer.clocks.scheduler_clock import Deviation
from analyzer.timeline import Timeline

FEWEST_LAPS = 2
FEWEST_WRONG = 3  # rows that a schedule without the extra steps does not give


def at_every_epoch(
    timeline: Timeline, claim: Claim, rows: Observed, sample: Observed, budget: float
) -> Iterator[Explanation]:
    """The declared schedule on updates plus or minus the epochs that have ended."""
    if claim.family is None or "step" not in rows.axes or not rows.counted:
        return  # where steps are made of places, an epoch is as long as a cadence leaves open
    x = rows.axes["step"]
    for laps in (laps for name, laps in rows.axes.items() if counts(name) == "epoch"):
        if laps[-1] - laps[0] < FEWEST_LAPS:
            continue
        for per_lap in (1.0, -1.0):
            drift = per_lap * (laps - laps[0])
            moved = replace(rows, axes={**rows.axes, "step": x + drift})
            tied = as_declared(claim, moved.sample(), moved)
            if tied is None or tied.axis != "step":
                continue
            given = tied.on(rows)
            wrong = np.flatnonzero(np.abs(given - rows.rate) > 2 * rows.tolerance)
            if len(wrong) < FEWEST_WRONG:
                return
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
            explained = float(1 - len(wrong) / len(rows))
            yield Explanation(price=prices.BREAK, clock=clock_of(rows, tied, (deviation,), explained=explained))
            return


