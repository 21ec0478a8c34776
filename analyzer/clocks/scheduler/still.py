"""One value from the first row to the last, although a schedule is declared that would have moved it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzer.clocks import prices
from analyzer.clocks.claim import Claim
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.schedule_fit import identify
from analyzer.clocks.scheduler.explanations import Explanation, clock_of_fit
from analyzer.clocks.scheduler.tied import evidence_against, matches, references
from analyzer.clocks.scheduler_clock import Deviation
from analyzer.timeline import Timeline

FEWEST_MISSED = 3  # rows that the declared schedule would have moved
MISSED_SHARE = 0.2


def one_level(rows: Observed) -> bool:
    """Whether one value lies within the written precision of every row."""
    return bool((rows.rate - rows.tolerance).max() <= (rows.rate + rows.tolerance).min())


def frozen(
    timeline: Timeline, claim: Claim, rows: Observed, sample: Observed, budget: float
) -> Iterator[Explanation]:
    """A standstill; a finding where the declared schedule would have moved by then."""
    level = float(np.median(rows.rate))
    axis = next(iter(rows.axes))
    fit = identify(rows.axes[axis][:2], np.full(2, level), np.full(2, 1.0))
    if fit is None:
        return
    reference = next(iter(references(claim, sample, 1)), None)
    missed = int(np.count_nonzero(~matches(reference, rows))) if reference is not None else 0
    if claim.family in (None, "constant", "plateau") or missed < max(FEWEST_MISSED, MISSED_SHARE * len(rows)):
        yield Explanation(price=prices.CONVENTION, clock=clock_of_fit(rows, fit, axis=axis))
        return
    first, evidence = evidence_against(timeline, rows, reference)
    height = (
        "" if not claim.base_lr or abs(level / claim.base_lr - 1) < 1e-3 else f" (declared peak {claim.base_lr:.6g})"
    )
    deviation = Deviation(
        kind="frozen",
        step=int(rows.step[first]),
        last_step=int(rows.step[-1]),
        evidence=evidence,
        shown_by=0 if evidence and reference is not None else None,
        what=f"the rate is {level:.6g} in all {len(rows)} rows{height}, though {claim.name} is declared",
        numbers={"level": level, "rows": len(rows)},
        severity="error" if level else "warning",  # zeros may be rates that were written with too few digits
    )
    yield Explanation(price=prices.PARAMETER, clock=clock_of_fit(rows, fit, (deviation,), axis=axis))
