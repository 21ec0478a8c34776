"""A schedule that passes through all rows with a few breaks: what broke, in words, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, product
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from analyzer.clocks import prices
from analyzer.clocks.declared_schedule import Claim
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.schedule_fit import Fit, agrees, identified, identify
from analyzer.clocks.scheduler import Deviation
from analyzer.clocks.scheduler.breaks import Change, changes, single_rows
from analyzer.clocks.scheduler.counters import tabled
from analyzer.clocks.scheduler.explanations import Explanation, clock_of
from analyzer.clocks.scheduler.tied import Tied, matches, references, row_of, stated
from analyzer.model import Floats, Row

if TYPE_CHECKING:
    from analyzer.timeline import Timeline

REFERENCES = 6  # declared schedules that are tried with breaks
FEWEST_BEFORE = 8  # rows that a schedule nobody declared must explain before it is left
FREE_PARAMETERS = 4  # of a schedule read off the log: start, end, top, floor
MOST_BREAKS = 3000
MOST_AT_THE_START = 50  # updates that a loss scaler may skip before it has found its scale
EVEN = 0.3  # scattered waits lie as far apart as chance has it: the spread of their distances is that of their mean
FEWEST_WAITS = 3
EVEN_FROM = 5  # waits
CLEARLY = 10  # half widths by which a single row must be off
BESIDE = 0.01  # and this share of its value
WINDOW = 9  # rows around a step that tell how long steps are there
CLEAR_STEP = 4  # half widths that such a step must be long
MOST_CALLS = 3  # of the scheduler between two rows
ODD_SHARE = 0.2  # of the rows: with more of them the usual step is not known
STILL_AT_LEAST = 3  # rows


class Left(Struct, frozen=True, kw_only=True, eq=False):
    """A reference and its breaks."""

    tied: Tied
    found: tuple[Change, ...]
    declared: bool


def with_breaks(
    timeline: Timeline, claim: Claim, rows: Observed, sample: Observed, budget: float
) -> Iterator[Explanation]:
    """Declared schedules, else one read off the beginning, with what happened where they are left."""
    sources = [(tied, True) for tied in references(claim, sample, REFERENCES)]
    if not claim.totals:
        sources += [(tied, False) for tied in beginnings(claim, sample)]
    most = MOST_BREAKS if budget > prices.SKIPPED + 1 else int(max(budget - prices.SKIPPED, 0.0) / prices.ONCE_MORE) + 2
    lefts = (left_at(rows, *source, most=most, counter_only=only) for source, only in product(sources, (True, False)))
    increments = [by_increments(claim, rows)] if claim.family is None else []
    for left in chain(increments, lefts):
        if left is None:
            continue
        tied = left.tied
        told = list(_told(timeline, claim, rows, left))
        price = sum(one[0] for one in told)
        deviations = tuple(_of_rows(rows, one[1]) for one in told if one[1] is not None)
        if not told or price > min(budget, prices.DEAREST):
            continue
        explained = 1.0 - sum(c.rows for c in left.found if c.how != "shift") / len(rows)
        yield Explanation(price=price, clock=clock_of(rows, tied, deviations, explained=explained))


def left_at(rows: Observed, tied: Tied, declared: bool, *, most: int, counter_only: bool) -> Left | None:
    """The breaks after which a schedule passes through every row; None when it does not."""
    x = rows.axes[tied.axis]
    table = tabled(tied.at, float(x.max()) * 2 + 100)
    if table is None:
        return None
    found = None if counter_only else single_rows(matches(tied, rows))
    found = found or changes(tied.at, table, x, rows.rate, rows.tolerance, most=most, counter_only=counter_only)
    if not found:
        return None
    if not declared and (found[0].place < FEWEST_BEFORE or not _moves(tied, x[: found[0].place])):
        return None
    if declared and found[0].place == 0 and found[0].how == "scale":
        return None  # another height: a parameter
    return Left(tied=tied, found=tuple(found), declared=declared)


def by_increments(claim: Claim, rows: Observed) -> Left | None:
    """A schedule that nobody declared, on a counter whose every increment is read off the rows.

    Where the rate moves smoothly, a row that stands still is an update that was skipped, and a step twice as long as
    those around it is a second call: the increment is the step over the median of its neighbours.
    """
    x, y, tolerance = rows.axes.get("step"), rows.rate, rows.tolerance
    if x is None or len(x) < 2 * WINDOW or (np.diff(rows.session) != 0).any():
        return None
    spacing = np.diff(x)
    if spacing[0] <= 0 or np.ptp(spacing) > 0:
        return None
    moved = np.diff(y)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(moved, WINDOW // 2, mode="edge"), WINDOW)
    usual = np.median(around, axis=1)
    with np.errstate(all="ignore"):
        times = np.where(np.abs(usual) > CLEAR_STEP * tolerance[1:], np.round(moved / usual), 1.0)
    times = np.where((times >= 0) & (times <= MOST_CALLS), times, 1.0)
    odd = np.flatnonzero(times != 1)
    if not len(odd) or len(odd) > ODD_SHARE * len(times):
        return None
    extra = np.concatenate([[0.0], np.cumsum(times - 1)]) * spacing[0]
    counted = replace(rows, axes={**rows.axes, "step": x + extra})
    thin = counted.sample()
    keep = np.concatenate([[True], np.diff(thin.axes["step"]) > 0])
    thin = thin.rows(keep)
    for fit in identified(
        thin.axes["step"], thin.rate, thin.tolerance, peaks=stated(claim.base_lr), floors=stated(claim.min_lr)
    ):
        if fit.family != "step" and agrees(fit, counted.axes["step"], y, tolerance).all():
            ends = np.append(odd[1:], len(y) - 1)
            found = tuple(
                Change(place=int(k) + 1, rows=int(end - k), how="shift", size=float(extra[k + 1]))
                for k, end in zip(odd, ends, strict=True)
            )
            return Left(tied=Tied(schedule=fit, axis="step", unit="step"), found=found, declared=False)
    return None


def _moves(tied: Tied, x: Floats) -> bool:
    values = tied.at(x)
    return len(values) > 1 and bool(np.ptp(values) > 1e-9 * np.abs(values).max())


def beginnings(claim: Claim, sample: Observed) -> Iterator[Tied]:
    """The schedule that explains the most rows from the first on, with more rows than it has parameters."""
    for axis in ("step", "epoch"):
        if axis not in sample.axes:
            continue
        x, y, tolerance = sample.axes[axis], sample.rate, sample.tolerance

        def fit_to(count: int) -> Fit | None:
            return identify(
                x[:count], y[:count], tolerance[:count],  # noqa: B023
                families=(claim.family,) if claim.family not in (None, "plateau") else None,
                peaks=stated(claim.base_lr), floors=stated(claim.min_lr),
            )  # fmt: skip

        low, high = max(FEWEST_BEFORE, len(x) // 8), len(x)
        best = fit_to(low) if high > low else None
        if best is None and low > 2 * FEWEST_BEFORE:
            low, best = 2 * FEWEST_BEFORE, fit_to(2 * FEWEST_BEFORE)
        if best is None:
            continue
        while high - low > 1:
            middle = (low + high) // 2
            fit = fit_to(middle)
            low, high, best = (middle, high, fit) if fit is not None else (low, middle, best)
        yield Tied(schedule=best, axis=axis, unit=axis)


def _told(
    timeline: Timeline, claim: Claim, rows: Observed, left: Left
) -> Iterator[tuple[float, Deviation | None]]:
    """Price and words of every group of breaks."""
    found = left.found
    if len(found) == 1 and found[0].how == "shift" and found[0].place == 0:
        yield _throughout(timeline, rows, left, found[0])
        return
    singles = [change for change in found if change.how == "single"]
    others = [change for change in found if change.how != "single"]
    if singles:
        yield from _singles(timeline, claim, rows, left, singles)
    at_joins = [change for change in others if join_at(rows, change) is not None]
    inside = [change for change in others if join_at(rows, change) is None]
    shift = 0.0
    before: dict[int, float] = {}
    for change in others:
        before[change.place] = shift
        if change.how == "shift":
            shift = change.size
    for change in at_joins:
        yield _at_a_join(timeline, rows, left, change, before[change.place])
    shifts = [change for change in inside if change.how == "shift" and change.size != before[change.place]]
    stills = [change for change in inside if change.how == "level"]
    resumed = [c for c in stills if any(s.place == c.place + c.rows for s in shifts)]
    waits = sorted((*shifts, *resumed), key=lambda c: c.place)
    if waits:
        yield from _shifts(timeline, claim, rows, left, waits, before)
    for change in inside:
        if change.how == "scale" or (change.how == "level" and change not in resumed):
            yield _away(timeline, claim, rows, left, change)


def _of_rows(rows: Observed, deviation: Deviation) -> Deviation:
    """Where the log's steps are no updates, what its counter does proves nothing."""
    counts = deviation.kind not in ("jump", "isolated", "frozen")
    return replace(deviation, severity="note") if counts and not rows.counted else deviation


def _throughout(timeline: Timeline, rows: Observed, left: Left, change: Change) -> tuple[float, Deviation | None]:
    """Another counter from the first row to the last: the log begins with a state that was brought back."""
    now = float(left.tied.counter(rows.axes[left.tied.axis][:1] + change.size)[0])
    return prices.CONVENTION, Deviation(
        kind="phase", step=int(rows.step[0]), last_step=int(rows.step[-1]), size=change.size,
        what=f"the scheduler stands at {now:.6g} in the first row, step {rows.step[0]}, and goes on from there",
        evidence=_evidence(timeline, rows, left, [0]), numbers={"position": now}, severity="note",
    )  # fmt: skip


def join_at(rows: Observed, change: Change) -> int | None:
    """The row at which a session begins and this change may have come in; the optimizer may bring back one rate."""
    first = change.place - 1 if change.since < 0 else min(change.since, change.place - 1)
    near = np.flatnonzero(np.diff(rows.session[max(first - 1, 0) : change.place + 1])) + max(first - 1, 0) + 1
    if len(near):
        return int(near[-1])
    x = rows.axes.get("step")
    started_late = x is not None and len(x) > 2 and x[0] > FEWEST_BEFORE + 2 * (x[2] - x[1])
    return 0 if started_late and change.place == 1 else None


def begins_session(rows: Observed, place: int) -> bool:
    """Whether a session begins at this row, or at the one before, whose rate was brought back by the optimizer."""
    return join_at(rows, Change(place=place, rows=1, how="shift", size=0.0)) is not None


def join_of(rows: Observed, place: int) -> int | None:
    return rows.joins.get(int(rows.session[place]))


def _evidence(timeline: Timeline, rows: Observed, left: Left, places: list[int]) -> tuple[Row, ...]:
    expected = left.tied.on(rows)
    shown = tuple(row_of(timeline, rows, place, f"should be {expected[place]:.6g}") for place in places[:3])
    if places[0] > 0:
        return (row_of(timeline, rows, places[0] - 1, "last row on the schedule"), *shown)
    return shown


def _singles(
    timeline: Timeline, claim: Claim, rows: Observed, left: Left, singles: list[Change]
) -> Iterator[tuple[float, Deviation | None]]:
    value = left.tied.on(rows)
    wrong = np.concatenate([np.arange(c.place, c.place + int(c.size)) for c in singles])
    off = np.abs(value[wrong] - rows.rate[wrong])
    if not (off > np.maximum(CLEARLY * rows.tolerance[wrong], BESIDE * np.abs(value[wrong]))).all():
        yield prices.DEAREST + 1, None
        return
    if wrong[-1] < max(2, len(wrong)) and _in_warmup(claim, rows, left.tied, int(wrong[-1])):
        yield prices.BEGINNING, None  # of a form that so few rows do not show
        return
    first = int(wrong[0])
    only_the_last = first == len(rows) - 1  # what a scheduler gives behind its last step is a habit
    count = "1 row leaves" if len(wrong) == 1 else f"{len(wrong)} rows leave"
    yield prices.CONVENTION if only_the_last else prices.BREAK + prices.ONCE_MORE * len(singles), Deviation(
        kind="isolated",
        severity="note" if only_the_last else "error",
        step=int(rows.step[first]),
        last_step=int(rows.step[wrong[-1]]),
        what=f"{count} an otherwise exact schedule: {rows.rate[first]:.6g} at step {rows.step[first]} "
        f"instead of {value[first]:.6g}",
        numbers={"rows": len(wrong), "observed": float(rows.rate[first]), "expected": float(value[first])},
        evidence=tuple(
            row_of(timeline, rows, place, f"should be {value[place]:.6g}") for place in wrong[:4].tolist()
        ),
    )


def _in_warmup(claim: Claim, rows: Observed, tied: Tied, place: int) -> bool:
    """Whether a row may lie in a warmup: a declared one, or one that nobody declared."""
    if not claim.warmup_declared:
        return bool(rows.rate[place] < tied.on(rows)[place])
    width = getattr(tied.schedule, "warmup", 0.0)
    return bool(tied.counter(rows.axes[tied.axis][place : place + 1])[0] < width)


def _at_a_join(
    timeline: Timeline, rows: Observed, left: Left, change: Change, before: float
) -> tuple[float, Deviation | None]:
    place, tied = change.place, left.tied
    x, join = rows.axes[tied.axis], join_of(rows, join_at(rows, change) or 0)
    cadence = float(np.median(np.abs(np.diff(x)))) if len(x) > 1 else 1.0
    step, last = int(rows.step[place]), int(rows.step[place + change.rows - 1])
    evidence = _evidence(timeline, rows, left, [place])
    numbers: dict[str, float] = {}
    if change.how == "shift":
        was, now, due = (
            float(tied.counter(x[k : k + 1] + by)[0])
            for k, by in ((place - 1, before), (place, change.size), (place, before))
        )
        if not _seamless(timeline, join) and -0.5 * cadence <= now - was <= 2 * cadence + 1:
            return prices.CONVENTION, None  # the counter goes on; it is the step that does not
        what = _counter_in_words(due, now, cadence)
        numbers = {"position_before": was, "position_after": now}
    elif change.how == "level":
        what = f"the rate stays at {change.size:.6g} from step {step} on"
    else:
        what = f"every rate is {change.size:.6g} times what it was before"
    if change.how != "shift" and geometry_changed(timeline, join):
        return prices.AT_JOIN, None
    return prices.AT_JOIN, Deviation(
        kind="restart", step=step, last_step=last, join=join, what=what, evidence=evidence, numbers=numbers,
        size=change.size,
    )  # fmt: skip


def _seamless(timeline: Timeline, join: int | None) -> bool:
    """Whether the step counter runs through a join as if nothing had been: then the scheduler's must too."""
    return any(j.index == join and j.step == "continued" and j.step_jump == 0 for j in timeline.joins)


def geometry_changed(timeline: Timeline, join: int | None) -> bool:
    """Whether steps per epoch change at a join: a new horizon then follows from that."""
    clock = timeline.epoch
    return join is not None and clock is not None and any(b.kind == "geometry" and b.join == join for b in clock.breaks)


def _counter_in_words(was: float, now: float, unit: float) -> str:
    if abs(now) <= unit + 1:
        return f"the scheduler starts again at {max(now, 0):.6g} instead of going on from {was:.6g}"
    if was > 0 and abs(now - 2 * was) <= 0.02 * was + 2 * unit:
        return f"the scheduler's position doubles, from {was:.6g} to {now:.6g}"
    return f"the scheduler goes on at {now:.6g} instead of {was:.6g} ({now - was:+.6g})"


def _shifts(
    timeline: Timeline, claim: Claim, rows: Observed, left: Left, waits: list[Change], before: dict[int, float]
) -> Iterator[tuple[float, Deviation | None]]:
    """Counters that differ from the updates by whole steps inside a session: skipped, late, one more every epoch."""
    x = rows.axes[left.tied.axis]
    shifts = [change for change in waits if change.how == "shift"]
    first_values = rows.rate[: shifts[0].place] if shifts else rows.rate
    at_the_start = bool(np.ptp(first_values) <= 2 * rows.tolerance[0]) if len(first_values) else True
    sizes = np.array([change.size - before[change.place] for change in shifts])
    places = [change.place for change in waits]
    step, last = int(rows.step[places[0]]), int(rows.step[-1])
    evidence = _evidence(timeline, rows, left, places)
    cadence = float(np.median(np.diff(x))) if len(x) > 1 else 1.0
    if not len(shifts):
        return
    lapsed = at_lap_ends(rows, [change.place for change in shifts])
    same = len(set(sizes.tolist())) == 1
    gaps = np.diff([change.place for change in shifts])
    even = len(gaps) >= EVEN_FROM and bool(np.std(gaps) < EVEN * np.mean(gaps))
    if same and len(sizes) >= 2 and (lapsed or (even and sizes[0] > 0 and np.ptp(gaps) <= 1)):
        where = "at every epoch's end" if lapsed else f"every {np.median(np.diff(x[places])):.6g} steps"
        yield prices.BREAK, Deviation(
            kind="per-epoch", step=step, last_step=last, size=float(sizes[0]), evidence=evidence,
            what=f"the scheduler moves {sizes[0]:+g} {where}, from step {step} on ({len(sizes)} times)",
            numbers={"per_epoch": float(sizes[0]), "times": len(sizes)},
            severity="error" if left.declared else "warning",
        )  # fmt: skip
        return
    updates = left.tied.axis == "step"
    if updates and (sizes < 0).all() and (len(sizes) >= 2 or (at_the_start and -sizes[0] <= MOST_AT_THE_START)):
        count = int(-sizes.sum())
        share = count / max(float(x[-1] - x[0]), 1.0)
        # Even waits may be a longer schedule, and two waits one call that was missed.
        few = len(sizes) < FEWEST_WAITS and not at_the_start
        base = prices.BREAK + prices.CONVENTION * even if even or few else prices.SKIPPED
        yield base + prices.ONCE_MORE * min(len(sizes), 50), Deviation(
            kind="skipped", step=step, last_step=int(rows.step[places[-1]]), size=float(-count), evidence=evidence,
            what=f"the scheduler falls behind the step counter by {count} in {len(sizes)} places "
            f"({100 * share:.2g} % of the steps)",
            numbers={"skipped": count, "share": share}, severity="note",
        )  # fmt: skip
        return
    now = left.tied.counter(x[places[0] : places[0] + 1] + shifts[0].size)[0]
    anew = len(sizes) == 1 and sizes[0] < -STILL_AT_LEAST and abs(now) <= 1.5 * max(cadence, 1.0) + 1
    if anew and places[0] >= FEWEST_BEFORE:
        yield prices.BREAK, Deviation(
            kind="restart", step=step, last_step=last, size=float(sizes[0]), evidence=evidence,
            what=f"the schedule starts again at step {step}", severity="error" if left.declared else "note",
        )  # fmt: skip
        return
    word = "falls behind" if sizes[0] < 0 else "runs ahead"
    what = f"the scheduler {word} by {abs(sizes[0]):g} at step {step} and stays so"
    if len(sizes) > 1:
        what = f"the scheduler's position changes {len(sizes)} times, first by {sizes[0]:+g} at step {step}"
    yield prices.BREAK * len(sizes), Deviation(
        kind="lag" if sizes[0] < 0 else "lead", step=step, last_step=last, size=float(sizes[0]), evidence=evidence,
        what=what, numbers={"steps": float(sizes[0])}, severity="error" if left.declared else "warning",
    )  # fmt: skip


def at_lap_ends(rows: Observed, places: list[int]) -> bool:
    """Whether all these rows begin an epoch, or are the last of one."""
    epoch = rows.axes.get("epoch", rows.axes.get("lap"))
    if epoch is None:
        return False
    return all(
        (p > 0 and epoch[p] != epoch[p - 1]) or (p + 1 < len(epoch) and epoch[p + 1] != epoch[p]) for p in places
    )


def _away(
    timeline: Timeline, claim: Claim, rows: Observed, left: Left, change: Change
) -> tuple[float, Deviation | None]:
    """Inside a session the rate is multiplied, set to a value, or stands still."""
    place, expected = change.place, left.tied.on(rows)
    step, last = int(rows.step[place]), int(rows.step[place + change.rows - 1])
    evidence = _evidence(timeline, rows, left, [place])
    severity = "error" if left.declared else "warning"
    if change.how == "level" and _held_still(rows, expected, change):
        to_the_end = place + change.rows == len(rows)
        if not left.declared and claim.family is None and claim.min_lr is None:
            severity = "note"
        return prices.BREAK, Deviation(
            kind="frozen" if to_the_end else "jump", step=step, last_step=last, evidence=evidence,
            what=f"the rate stands still at {change.size:.6g} from step {step} on",
            numbers={"level": change.size}, severity=severity,  # type: ignore[arg-type]
        )  # fmt: skip
    now, should = float(rows.rate[place]), float(expected[place])
    times = f"{now / should:.4g} times" if should > 0 else f"{now:.6g}"
    return prices.BREAK, Deviation(
        kind="jump", step=step, last_step=last, size=now / should if should > 0 else 0.0, evidence=evidence,
        what=f"the rate jumps to {now:.6g} at step {step}, {times} the {should:.6g} of its schedule",
        numbers={"observed": now, "expected": should, "factor": now / should if should > 0 else None},
        severity=severity,  # type: ignore[arg-type]
    )  # fmt: skip


def _held_still(rows: Observed, expected: Floats, change: Change) -> bool:
    """Whether a level lies between the row before and where the schedule would have gone: it stopped on the way."""
    if change.place == 0:
        return True
    before, should = float(rows.rate[change.place - 1]), float(expected[change.place])
    if abs(change.size - should) <= BESIDE * should and change.place + change.rows == len(rows):
        return True  # at the top, or nearly
    slack = 2 * float(rows.tolerance[change.place])
    return min(before, should) - slack <= change.size <= max(before, should) + slack
