"""A schedule that passes through all rows with a few breaks: what broke, in words, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain, islice, product

import numpy as np
from msgspec.structs import replace

from analyzer.clocks import prices
from analyzer.clocks.claim import Claim
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.schedule_fit.fit import FITTED, Fit
from analyzer.clocks.scheduler.beginnings import FEWEST_BEFORE, Left, by_increments, read_off
from analyzer.clocks.scheduler.breaks import CounterChange, changes, single_rows
from analyzer.clocks.scheduler.compared import mismatches
from analyzer.clocks.scheduler.counters import tabled
from analyzer.clocks.scheduler.explanations import Explanation, clock_of
from analyzer.clocks.scheduler.left_counters import shifts_told
from analyzer.clocks.scheduler.left_words import away_told, join_at, join_told, singles_told, throughout
from analyzer.clocks.scheduler.tied import Tied, matches, references
from analyzer.clocks.scheduler_clock import Deviation
from analyzer.model import Floats
from analyzer.timeline import Timeline

REFERENCES = 6  # declared schedules that are tried with breaks
MOST_BREAKS = 3000
OF_READ_OFF = 3  # explanations: the first courses are those with the fewest breaks left
FEWEST_BEHIND = 4  # rows that tell how a schedule that nobody declared goes on
CLEARLY = 4.0  # half widths: twice what a fit and a rounded rate miss together
OF_LEVELS = ("constant", "step")
FACTOR = 1.2  # people change a rate by more; less is how far a schedule read off its beginning misses its end
MOST_READ_OFF = 24  # schedules that nobody declared


def with_breaks(
    timeline: Timeline, claim: Claim, rows: Observed, sample: Observed, budget: float
) -> Iterator[Explanation]:
    """Declared schedules, else one read off the beginning, with what happened where they are left."""
    sources = [(tied, True) for tied in references(claim, sample, REFERENCES)]
    if claim.family is None or not claim.totals or not claim.warmup_declared:  # something is left to be read off
        sources += [(tied, False) for tied in islice(read_off(claim, rows), MOST_READ_OFF)]
    most = MOST_BREAKS if budget > prices.SKIPPED + 1 else int(max(budget - prices.SKIPPED, 0.0) / prices.ONCE_MORE) + 2
    lefts = (left_at(rows, *source, most=most, counter_only=only) for source, only in product(sources, (True, False)))
    increments = [by_increments(claim, rows)] if claim.family is None else []
    explanations = 0
    for left in chain(increments, lefts):
        if left is None:
            continue
        tied = left.tied
        told = list(_told(timeline, claim, rows, left))
        price = sum(one[0] for one in told) + (0.0 if left.declared else _beside_the_declaration(claim, rows, tied))
        deviations = tuple(_of_rows(rows, one[1]) for one in told if one[1] is not None)
        if not told or price > min(budget, prices.DEAREST):
            continue
        explanations += not left.declared
        if explanations > OF_READ_OFF:
            return
        explained = 1.0 - sum(c.rows for c in left.found if c.how != "shift") / len(rows)
        yield Explanation(price=price, clock=clock_of(rows, tied, deviations, explained=explained))


def _beside_the_declaration(claim: Claim, rows: Observed, tied: Tied) -> float:
    """What a schedule that was read off costs beside a declared one: a warmup that was forgotten, and the rest."""
    if claim.family is None or not claim.totals or not isinstance(tied.schedule, Fit):
        return 0.0
    wrong = mismatches(claim, rows, tied.schedule, tied.axis)
    return math.inf if wrong is None else prices.FORGOTTEN + sum(one.price for one in wrong)


def left_at(rows: Observed, tied: Tied, declared: bool, *, most: int, counter_only: bool) -> Left | None:
    """The breaks after which a schedule passes through every row; None when it does not."""
    x = rows.axes[tied.axis]
    slack = FITTED * rows.tolerance if isinstance(tied.schedule, Fit) else rows.tolerance
    table = tabled(tied.at, float(x.max()) * 2 + 100)
    if table is None:
        return None
    found = None if counter_only else single_rows(matches(tied, rows) | (np.abs(tied.on(rows) - rows.rate) <= slack))
    found = found or changes(tied.at, table, x, rows.rate, slack, most=most, counter_only=counter_only)
    if not found:
        return None
    if not declared and not (_is_left(tied, x, found) and _clearly(tied, rows, found)):
        return None
    if declared and found[0].place == 0 and found[0].how == "scale":
        return None  # another height: a parameter
    return Left(tied=tied, found=tuple(found), declared=declared)


def _is_left(tied: Tied, x: Floats, found: list[CounterChange]) -> bool:
    """Whether a schedule that nobody declared was seen to run before it is left.

    Levels that fall are a schedule of levels, a warmup may hand over to another height, and the last rows tell no
    factor; where the rate comes back it is seen to have been left.
    """
    first = next((change for change in found if change.how != "single"), found[0])
    head, ends = x[: first.place], {change.place for change in found if change.how == "shift" and change.size == 0}
    if len(head) < FEWEST_BEFORE or not _moves(tied, head):
        return False
    if found[-1].how in ("shift", "level") and found[-1].rows < FEWEST_BEHIND and found[-1].place not in ends:
        return False
    fit = tied.schedule
    if isinstance(fit, Fit) and fit.rises_as_logged and np.count_nonzero(head >= fit.hand_over) < FEWEST_BEFORE:
        return False
    of_levels = tied.schedule.family in OF_LEVELS
    stays = [
        change
        for change in found
        if change.place + change.rows not in ends
        and (change.how == "scale" or (change.how == "level" and of_levels and change.size < tied.at(x)[change.place]))
    ]
    if not stays:
        return True
    behind = head[head >= getattr(tied.schedule, "hand_over", -np.inf)]
    clear = all(change.rows >= FEWEST_BEFORE and not 1 / FACTOR < change.size < FACTOR for change in stays)
    return clear and not of_levels and len(behind) >= FEWEST_BEFORE and _moves(tied, behind)


def _clearly(tied: Tied, rows: Observed, found: list[CounterChange]) -> bool:
    """Whether the rows where a counter has moved lie clearly off the course before: a fit itself misses by a little."""
    x, before = rows.axes[tied.axis], 0.0
    for change in found:
        part = slice(change.place, change.place + change.rows)
        if change.how == "shift" and change.size != before:
            off = np.abs(tied.at(x[part] + before) - rows.rate[part])
            if change.size != 0 and not (off > CLEARLY * rows.tolerance[part]).any():
                return False
            before = change.size
    return True


def _moves(tied: Tied, x: Floats) -> bool:
    values = tied.at(x)
    return len(values) > 1 and bool(np.ptp(values) > 1e-9 * np.abs(values).max())


def _told(
    timeline: Timeline, claim: Claim, rows: Observed, left: Left
) -> Iterator[tuple[float, Deviation | None]]:
    """Price and words of every group of breaks."""
    found = left.found
    if len(found) == 1 and found[0].how == "shift" and found[0].place == 0:
        yield throughout(timeline, rows, left, found[0])
        return
    singles = [change for change in found if change.how == "single"]
    others = [change for change in found if change.how != "single"]
    if singles:
        yield from singles_told(timeline, claim, rows, left, singles)
    at_joins = [change for change in others if join_at(rows, change) is not None]
    inside = [change for change in others if join_at(rows, change) is None]
    shift = 0.0
    before: dict[int, float] = {}
    for change in others:
        before[change.place] = shift
        if change.how == "shift":
            shift = change.size
    for change in at_joins:
        yield join_told(timeline, rows, left, change, before[change.place])
    shifts = [change for change in inside if change.how == "shift" and change.size != before[change.place]]
    stills = [change for change in inside if change.how == "level"]
    resumed = [c for c in stills if any(s.place == c.place + c.rows for s in shifts)]
    waits = sorted((*shifts, *resumed), key=lambda c: c.place)
    if waits:
        yield from shifts_told(timeline, claim, rows, left, waits, before)
    for change in inside:
        if change.how == "scale" or (change.how == "level" and change not in resumed):
            yield away_told(timeline, claim, rows, left, change)


def _of_rows(rows: Observed, deviation: Deviation) -> Deviation:
    """Where the log's steps are no updates, what its counter does proves nothing; that it begins again does."""
    if rows.counted or deviation.kind in ("jump", "isolated", "frozen"):
        return deviation
    now, step = deviation.numbers.get("position_after"), rows.axes.get("step")
    if deviation.kind == "restart" and now is not None and step is not None:
        cadence = float(np.median(np.abs(np.diff(step))))
        if now <= 1.5 * cadence + 1:
            return replace(deviation, severity="warning") if deviation.severity == "error" else deviation
    return replace(deviation, severity="note")
