"""The declared schedule over another number of steps, for families whose length cannot be read off a part of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from analyzer.clocks.declared_schedule import Claim
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.scheduler import Deviation, SchedulerClock
from analyzer.clocks.scheduler.known import (
    as_declared,
    best_reference,
    clock_of,
    distinct_inner_values,
    evidence_against,
)
from analyzer.clocks.scheduler.rate import FEWEST_DISTINCT, named_rates

if TYPE_CHECKING:
    from analyzer.timeline import Timeline

WHOLE_SHAPES = ("one-cycle", "restarts")


def at_another_length(
    timeline: Timeline, claim: Claim, rows: Observed, sample: Observed, main: bool
) -> SchedulerClock | None:
    """One cycle, or cycles, built for a common multiple or fraction of the planned steps."""
    if not main or claim.family not in WHOLE_SHAPES or not claim.totals:
        return None
    if distinct_inner_values(rows) < FEWEST_DISTINCT:
        return None
    factors = [1 / rate for rate, _ in named_rates(claim)] + [1 / per for per in claim.per_epoch]
    for factor in dict.fromkeys(factors):
        other = replace(
            claim,
            totals=tuple(round(total * factor) for total in claim.totals),
            pairs=tuple((round(total * factor) if total else total, width) for total, width in claim.pairs),
        )
        known = as_declared(other, sample, rows, main=True)
        if known is None:
            continue
        first, evidence = evidence_against(timeline, rows, best_reference(claim, sample, main))
        planned = min(claim.totals)
        deviation = Deviation(
            kind="horizon",
            step=int(rows.step[first]),
            last_step=int(rows.step[-1]),
            evidence=evidence,
            what=f"the schedule was built for {planned * factor:.6g} steps, {planned:.6g} are planned "
            f"(ratio {factor:.4g})",
            numbers={"schedule_steps": planned * factor, "planned_steps": planned, "ratio": factor},
        )
        return clock_of(rows, known, deviations=(deviation,))
    return None
