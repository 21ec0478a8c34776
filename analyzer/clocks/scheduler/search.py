"""The search order of the scheduler clock, from "as declared" to "one row beside it"."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.declared_schedule import Claim
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.schedule_fit import identify
from analyzer.clocks.scheduler import Deviation, SchedulerClock
from analyzer.clocks.scheduler.epochs import at_every_epoch, by_a_whole_epoch
from analyzer.clocks.scheduler.inside import inside_a_session
from analyzer.clocks.scheduler.known import Search, as_declared, best_reference, clock_of_fit, evidence_against, matches
from analyzer.clocks.scheduler.lengths import at_another_length
from analyzer.clocks.scheduler.parameters import with_own_parameters
from analyzer.clocks.scheduler.plateau import watching_a_metric
from analyzer.clocks.scheduler.rate import at_another_rate
from analyzer.clocks.scheduler.rises import never_falls_only
from analyzer.clocks.scheduler.sessions import by_sessions
from analyzer.clocks.scheduler.single_rows import single_rows
from analyzer.clocks.scheduler.sound import above_the_peak, sound

if TYPE_CHECKING:
    from analyzer.timeline import Timeline


def read_clock(timeline: Timeline, claim: Claim, rows: Observed, *, main: bool) -> SchedulerClock:
    """The clock of one series."""
    sample = rows.sample()
    found = as_declared(claim, sample, rows, main=main)
    if found is not None:
        return sound(timeline, claim, rows, found, main=main)
    rows = rows.sharpened()
    sample = rows.sample()

    searches: tuple[Search, ...] = (
        watching_a_metric,
        by_sessions,
        at_another_rate,
        frozen,
        single_rows,
        by_a_whole_epoch,
        at_another_length,
        with_own_parameters,
        at_every_epoch,
        inside_a_session,
        never_falls_only,
    )
    if claim.family is None:
        searches = (with_own_parameters, by_sessions, inside_a_session)
    for search in searches:
        clock = search(timeline, claim, rows, sample, main)
        if clock is not None:
            return clock
    above = tuple(above_the_peak(timeline, claim, rows, sample)) if main else ()
    return SchedulerClock(
        series=rows.series,
        family="unknown",
        peak_lr=float(rows.rate.max()),
        min_lr=float(rows.rate.min()),
        deviations=above,
    )


def frozen(timeline: Timeline, claim: Claim, rows: Observed, sample: Observed, main: bool) -> SchedulerClock | None:
    """One value from the first row to the last, although a schedule is declared that would have moved it."""
    one_level = (rows.rate - rows.tolerance).max() <= (rows.rate + rows.tolerance).min()
    if claim.family in (None, "constant", "plateau") or not one_level:
        return None
    level = float(np.median(rows.rate))
    reference = best_reference(claim, sample, main)
    missed = np.count_nonzero(~matches(reference, rows)) if reference is not None else len(rows)
    fit = identify(rows.axes[next(iter(rows.axes))][:2], np.full(2, level), np.full(2, 1.0))
    if fit is None or missed < max(3, 0.2 * len(rows)) or not main:
        return None if fit is None else clock_of_fit(rows, replace(fit, peak=level), axis=next(iter(rows.axes)))
    first, evidence = evidence_against(timeline, rows, reference)
    height = (
        "" if not claim.base_lr or abs(level / claim.base_lr - 1) < 1e-3 else f" (declared peak {claim.base_lr:.6g})"
    )
    deviation = Deviation(
        kind="frozen",
        step=int(rows.step[first]),
        last_step=int(rows.step[-1]),
        evidence=evidence,
        what=f"the rate is {level:.6g} in all {len(rows)} rows{height}, though {claim.name} is declared",
        numbers={"level": level, "rows": len(rows)},
    )
    return clock_of_fit(rows, replace(fit, peak=level), deviations=(deviation,), axis=next(iter(rows.axes)))
