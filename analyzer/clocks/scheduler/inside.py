"""A schedule that holds up to one row inside a session and is left there."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np

from analyzer.clocks.declared_schedule import Claim
from analyzer.clocks.declared_shapes import ENDS
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.schedule_fit import Fit, agrees, identify
from analyzer.clocks.scheduler import Deviation, SchedulerClock
from analyzer.clocks.scheduler.changes import Change, Value, changes, falls_behind, kept_until, moves
from analyzer.clocks.scheduler.known import Known, best_references, clock_of, clock_of_fit, matches, row_of, stated
from analyzer.clocks.scheduler.lengths_read import lengths_compared
from analyzer.clocks.scheduler.single_rows import clearly_off, few_warmup_rows, opening_rows, rows_beside
from analyzer.clocks.scheduler.sound import MOST_AT_THE_START
from analyzer.model import Floats, Row

if TYPE_CHECKING:
    from analyzer.timeline import Timeline

REFERENCES = 16  # declared schedules that a change is looked for against, the longest-lasting first
FEWEST_BEFORE = 3  # rows on the schedule, before which one that starts again is one that starts
FEWEST_OF_EACH = 6  # rows on the declared schedule, and on the one that follows it; either has four unknowns at most
ANOTHER = 1.1  # times; a schedule that starts again does not go on where the one before was
PHASE = 2  # steps that a logger's and a scheduler's habits may differ by
ROWS_FOR_WAITS = 2000
HARDLY = 0.01
SHORT_TAIL = 0.2  # share of the rows: a rate that stands still for less, at the end, has met a floor


def inside_a_session(
    timeline: Timeline, claim: Claim, rows: Observed, sample: Observed, main: bool
) -> SchedulerClock | None:
    """A schedule that holds up to one row and is left there."""
    if not main:
        return None
    possible = []
    for order, (value, axis, known, fit) in enumerate(references(claim, rows, sample, main)):
        shifting = moves(value, rows.axes[axis])
        thin = sample.axes[axis]
        told = None
        if kept_until(value, thin, sample.rate, sample.tolerance, 0) < len(thin):
            told = changes(value, thin, sample.rate, sample.tolerance, shifting=shifting)
            if not told and not (known is not None and shifting and waits_from_the_start(value, rows, axis)):
                continue  # no need to look at every row
            shifting = shifting and (not told or told[0].how == "shift")
        ways = 0 if told is None else len({change.how for change in told}) + any(map(_hardly_scaled, told)) or 1
        many = 0 if told is None else len(told) or len(rows)
        possible.append(((known is None, ways, many, order), value, axis, known, fit, shifting))
    for _, value, axis, known, fit, shifting in sorted(possible, key=lambda one: one[0]):
        x = rows.axes[axis]
        found = changes(value, x, rows.rate, rows.tolerance, shifting=shifting)
        if not found:
            continue
        deviations = tuple(_in_words(timeline, claim, rows, value, axis, found, known))
        if not deviations:
            continue
        if known is not None:
            return clock_of(rows, known, deviations=deviations, explained=float(matches(known, rows).mean()))
        assert fit is not None
        if claim.family == fit.family:
            prior = tuple(
                lengths_compared(claim, rows, fit, axis, int(rows.step[0]), int(rows.step[-1]), deviations[0].evidence)
            )
            deviations = prior or deviations
        return clock_of_fit(rows, fit, deviations=deviations, axis=axis)
    return _followed_by_another(timeline, claim, rows, sample)


def waits_from_the_start(value: Value, rows: Observed, axis: str) -> bool:
    """Whether the scheduler only waits in the first rows: where it does so often, a sample cannot follow."""
    head = slice(0, ROWS_FOR_WAITS)
    return bool(falls_behind(value, rows.axes[axis][head], rows.rate[head], rows.tolerance[head]))


def _followed_by_another(timeline: Timeline, claim: Claim, rows: Observed, sample: Observed) -> SchedulerClock | None:
    """The declared schedule up to one row, and from there on another of its family, with lengths of its own."""
    if claim.family not in ENDS or not claim.totals:
        return None
    for known in best_references(claim, sample, True, wanted=2):
        x = rows.axes[known.axis]
        place = kept_until(known.at, x, rows.rate, rows.tolerance, 0)
        if min(place, len(rows) - place) < FEWEST_OF_EACH or not moves(known.at, x[:place]):
            continue
        rest = rows.rows(slice(place, None))
        thin = rest.sample()
        fit = identify(
            thin.axes[known.axis],
            thin.rate,
            thin.tolerance,
            families=(claim.family,),
            peaks=stated(claim.base_lr),
            floors=stated(claim.min_lr),
        )
        if fit is None or not agrees(fit, rest.axes[known.axis], rest.rate, rest.tolerance).all():
            continue
        step, given = int(rows.step[place]), float(known.at(x[place : place + 1])[0])
        began = fit.rise.zero if fit.rise is not None and fit.rise.form == "line" else fit.start
        beside = float(rows.rate[place]) / given if given > 0 else math.inf
        if not x[place - 1] - PHASE <= began <= x[place] + PHASE or 1 / ANOTHER < beside < ANOTHER:
            continue
        deviation = Deviation(
            kind="restart",
            step=step,
            last_step=int(rows.step[-1]),
            join=rows.joins.get(int(rows.session[place])) if _begins_session(rows, place) else None,
            evidence=(
                row_of(timeline, rows, place - 1, "last row on the schedule"),
                row_of(timeline, rows, place, f"should be {given:.6g}"),
            ),
            what=f"the rate leaves its schedule at step {step} ({rows.rate[place]:.6g} instead of {given:.6g}) and "
            f"follows another {claim.name} schedule from its beginning, which ends at {fit.end:.6g}",
            numbers={"observed": float(rows.rate[place]), "expected": given, "end": fit.end},
        )
        return clock_of(rows, known, deviations=(deviation,), explained=place / len(rows))
    return None


def references(
    claim: Claim, rows: Observed, sample: Observed, main: bool
) -> Iterator[tuple[Value, str, Known | None, Fit | None]]:
    """What to compare with: the declared schedules that hold longest, then one read off the longest beginning."""
    if claim.family not in (None, "plateau") and (claim.totals or claim.family not in ENDS):
        for known in best_references(claim, sample, main, wanted=REFERENCES):
            yield known.at, known.axis, known, None
    for axis in ("step", "epoch"):
        if axis in rows.axes:
            fit = longest_beginning(claim, sample, axis)
            if fit is not None:
                yield fit, axis, None, fit


def longest_beginning(claim: Claim, sample: Observed, axis: str) -> Fit | None:
    """The schedule that explains the most rows from the first on, and at least eight or a quarter of them."""
    x, y, tolerance = sample.axes[axis], sample.rate, sample.tolerance

    def fit_to(count: int) -> Fit | None:
        families = (claim.family,) if claim.family not in (None, "plateau") else None
        return identify(
            x[:count],
            y[:count],
            tolerance[:count],
            families=families,
            peaks=stated(claim.base_lr),
            floors=stated(claim.min_lr),
        )

    low, high = max(8, len(x) // 8), len(x)
    if high <= low:
        return None
    best = fit_to(low)
    if best is None:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        fit = fit_to(middle)
        if fit is not None:
            low, best = middle, fit
        else:
            high = middle
    return best


def _in_words(
    timeline: Timeline, claim: Claim, rows: Observed, value: Value, axis: str, found: list[Change], known: Known | None
) -> Iterator[Deviation]:
    x, declared = rows.axes[axis], known is not None
    first = found[0]
    expected = value(x)
    step = int(rows.step[first.place])
    last = int(rows.step[-1])
    shown = [first.place, *(change.place for change in found[1:3])]
    evidence = tuple(row_of(timeline, rows, place, f"should be {expected[place]:.6g}") for place in shown)
    if first.place > 0:
        evidence = (row_of(timeline, rows, first.place - 1, "last row on the schedule"), *evidence)
    join = rows.joins.get(int(rows.session[first.place])) if _begins_session(rows, first.place) else None
    if all(change.how == "single" for change in found):
        wrong = np.concatenate([np.arange(change.place, change.place + int(change.size)) for change in found])
        good = np.ones(len(rows), dtype=bool)
        good[wrong] = False
        if not clearly_off(rows, expected, wrong) or opening_rows(claim, rows, expected, wrong):
            return
        if known is not None and few_warmup_rows(known, rows, good):
            return
        yield rows_beside(timeline, rows, expected, wrong)
        return
    if all(change.how == "shift" for change in found):
        before = x[: first.place]
        telling = np.abs(value(before + 0.5) - value(before - 0.5)) > 2 * rows.tolerance[: first.place]
        if len(found) == 1 and abs(first.size) <= PHASE and first.place > 1 and np.count_nonzero(telling) < 2:
            return  # a constant phase, seen late
        if first.place == 0 and first.size > 0:
            return  # a warmup that starts above zero
        yield from _shifts_in_words(claim, rows, x, found, evidence, join, declared)
        return
    if not declared and not moves(value, x[: first.place]):
        return  # levels that nobody declared may be meant so
    if _hardly_scaled(first):
        return
    begun = first.place == 0 or x[first.place - 1] <= max(claim.warmups, default=0.0)
    if first.how == "scale" and claim.base_lr is None and begun:
        return  # the top itself was not logged, and nobody declares it
    if first.how == "scale" or (first.how == "level" and not _held_still(rows, expected, first)):
        now, should = float(rows.rate[first.place]), float(expected[first.place])
        times = f"{now / should:.4g} times" if should > 0 else f"{now:.6g}"
        yield Deviation(
            kind="restart" if join is not None else "jump",
            step=step,
            last_step=int(rows.step[first.place + first.rows - 1]),
            join=join,
            size=now / should if should > 0 else 0.0,
            evidence=evidence,
            what=f"the rate jumps to {now:.6g} at step {step}, {times} the {should:.6g} of its schedule",
            numbers={"observed": now, "expected": should, "factor": now / should if should > 0 else None},
        )
        return
    if first.how == "level" and first.place + first.rows == len(rows) and first.rows >= 3:
        if declared is False and join is None and claim.min_lr is not None and first.rows < SHORT_TAIL * len(rows):
            yield Deviation(
                kind="floor",
                step=step,
                last_step=last,
                evidence=evidence,
                what=f"the rate stands still at {first.size:.6g} from step {step} on, "
                f"{claim.min_lr:.6g} is the declared floor",
                numbers={"observed": first.size, "declared": claim.min_lr},
            )
            return
        yield Deviation(
            kind="restart" if join is not None else "frozen",
            step=step,
            last_step=last,
            join=join,
            evidence=evidence,
            what=f"the rate stands still at {first.size:.6g} from step {step} on",
            numbers={"level": first.size},
        )


def _hardly_scaled(change: Change) -> bool:
    """A factor so near to 1 that a schedule moved along or another end gives it as well."""
    return change.how == "scale" and abs(change.size - 1) < HARDLY


def _held_still(rows: Observed, expected: Floats, change: Change) -> bool:
    """Whether a level lies between the row before and where the schedule would have gone: it stopped on the way."""
    if change.place == 0:
        return True
    before, should = float(rows.rate[change.place - 1]), float(expected[change.place])
    slack = 2 * float(rows.tolerance[change.place])
    return min(before, should) - slack <= change.size <= max(before, should) + slack


def _begins_session(rows: Observed, place: int) -> bool:
    return place > 0 and bool(rows.session[place] != rows.session[place - 1])


def _shifts_in_words(
    claim: Claim,
    rows: Observed,
    x: Floats,
    found: list[Change],
    evidence: tuple[Row, ...],
    join: int | None,
    declared: bool,
) -> Iterator[Deviation]:
    step, last = int(rows.step[found[0].place]), int(rows.step[-1])
    sizes = np.diff([0.0, *(change.size for change in found)])
    places = [change.place for change in found]
    cadence = float(np.median(np.diff(x))) if len(x) > 1 else 1.0
    anew = len(found) == 1 and sizes[0] < -3 and abs(x[places[0]] + found[0].size) <= 1.5 * max(cadence, 1.0)
    if anew and places[0] < FEWEST_BEFORE:
        if not claim.warmup_declared:
            return
        anew = False  # it has not begun before
    if not declared and not anew and (join is not None or np.abs(sizes).max() > 3):
        return  # a schedule that nobody declared may have cycles
    if join is not None or (anew and declared):
        what = f"the scheduler's position moves by {sizes[0]:+.6g} at step {step}"
        if anew:
            what = f"the schedule starts again at step {step}"
        yield Deviation(
            kind="restart", step=step, last_step=last, join=join, size=float(sizes[0]), evidence=evidence, what=what
        )
        return
    if anew:
        return
    epoch = rows.axes.get("epoch")
    at_boundaries = (
        epoch is not None
        and len(places) >= 2
        and all(
            (p > 0 and epoch[p] != epoch[p - 1]) or (p + 1 < len(epoch) and epoch[p + 1] != epoch[p]) for p in places
        )
    )
    if at_boundaries and len(set(sizes.tolist())) == 1:
        what = f"the scheduler moves {sizes[0]:+g} at every epoch's end, from step {step} on ({len(places)} times)"
        yield Deviation(
            kind="per-epoch",
            step=step,
            last_step=last,
            size=float(sizes[0]),
            evidence=evidence,
            what=what,
            numbers={"per_epoch": float(sizes[0]), "times": len(places)},
        )
        return
    if (sizes < 0).all() and (len(places) >= 2 or (places[0] <= 1 and -sizes[0] <= MOST_AT_THE_START)):
        count = int(-sizes.sum())
        share = count / max(int(rows.step[-1] - rows.step[0]), 1)
        what = (
            f"the scheduler falls behind the step counter by {count} in {len(places)} places "
            f"({100 * share:.2g} % of the steps)"
        )
        yield Deviation(
            kind="skipped",
            step=step,
            last_step=int(rows.step[places[-1]]),
            size=float(-count),
            evidence=evidence,
            what=what,
            numbers={"skipped": count, "share": share},
            severity="note",
        )
        return
    kind: Literal["lag", "lead"] = "lag" if sizes[0] < 0 else "lead"
    word = "falls behind" if sizes[0] < 0 else "runs ahead"
    what = f"the scheduler {word} by {abs(sizes[0]):g} at step {step} and stays so"
    if len(places) > 1:
        what = f"the scheduler's position changes {len(places)} times, first by {sizes[0]:+g} at step {step}"
    yield Deviation(
        kind=kind,
        step=step,
        last_step=last,
        size=float(sizes[0]),
        evidence=evidence,
        what=what,
        numbers={"steps": float(sizes[0])},
    )
