"""What broke where a schedule is left, in words, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzer.clocks import prices
from analyzer.clocks.claim import Claim
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.rate_axes import counts
from analyzer.clocks.schedule_fit import Fit
from analyzer.clocks.scheduler.beginnings import Left
from analyzer.clocks.scheduler.breaks import CounterChange
from analyzer.clocks.scheduler.tied import Tied, row_of
from analyzer.clocks.scheduler_clock import Deviation
from analyzer.model import Floats, Ints, Row
from analyzer.timeline import Timeline

FEWEST_BEFORE = 8  # rows that a schedule nobody declared must explain before it is left
CLEARLY = 10  # half widths by which a single row must be off
BESIDE = 0.01  # and this share of its value
USUAL = 0.2  # of the peak: higher floors than this are declared, or not meant


def throughout(timeline: Timeline, rows: Observed, left: Left, change: CounterChange) -> tuple[float, Deviation | None]:
    """Another counter from the first row to the last: the log begins with a state that was brought back."""
    now = float(left.tied.counter(rows.axes[left.tied.axis][:1] + change.size)[0])
    return prices.CONVENTION, Deviation(
        kind="phase", step=int(rows.step[0]), last_step=int(rows.step[-1]), size=change.size,
        what=f"the scheduler stands at {now:.6g} in the first row, step {rows.step[0]}, and goes on from there",
        evidence=evidence_of(timeline, rows, left, [0]), numbers={"position": now}, severity="note",
    )  # fmt: skip


def join_at(rows: Observed, change: CounterChange) -> int | None:
    """The row at which a session begins and this change may have come in; the optimizer may bring back one rate."""
    first = change.place - 1 if change.since is None else min(change.since, change.place - 1)
    near = np.flatnonzero(np.diff(rows.session[max(first - 1, 0) : change.place + 1])) + max(first - 1, 0) + 1
    if len(near):
        return int(near[-1])
    x = rows.axes.get("step")
    started_late = x is not None and len(x) > 2 and x[0] > FEWEST_BEFORE + 2 * (x[2] - x[1])
    return 0 if started_late and change.place == 1 else None


def begins_session(rows: Observed, place: int) -> bool:
    """Whether a session begins at this row, or at the one before, whose rate was brought back by the optimizer."""
    return join_at(rows, CounterChange(place=place, rows=1, how="shift", size=0.0)) is not None


def join_of(rows: Observed, place: int) -> int | None:
    return rows.joins.get(int(rows.session[place]))


def evidence_of(timeline: Timeline, rows: Observed, left: Left, places: list[int]) -> tuple[Row, ...]:
    expected = left.tied.on(rows)
    shown = tuple(row_of(timeline, rows, place, f"should be {expected[place]:.6g}") for place in places[:3])
    if places[0] > 0:
        return (row_of(timeline, rows, places[0] - 1, "last row on the schedule"), *shown)
    return shown


def singles_told(
    timeline: Timeline, claim: Claim, rows: Observed, left: Left, singles: list[CounterChange]
) -> Iterator[tuple[float, Deviation | None]]:
    value = left.tied.on(rows)
    wrong = np.concatenate([np.arange(c.place, c.place + int(c.size)) for c in singles])
    off = np.abs(value[wrong] - rows.rate[wrong])
    if not (off > np.maximum(CLEARLY * rows.tolerance[wrong], BESIDE * np.abs(value[wrong]))).all():
        yield prices.DEAREST + 1, None
        return
    if not left.declared and _at_a_corner(rows, wrong):
        yield prices.DEAREST + 1, None
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


def _at_a_corner(rows: Observed, wrong: Ints) -> bool:
    """Whether single rows stand as near the rows beside them as these to one another: a corner that a fit cuts."""
    before, behind = rows.rate[np.maximum(wrong - 1, 0)], rows.rate[np.minimum(wrong + 1, len(rows) - 1)]
    low, high, rate = np.minimum(before, behind), np.maximum(before, behind), rows.rate[wrong]
    return bool(((rate >= low - (high - low)) & (rate <= high + (high - low))).all())


def join_told(
    timeline: Timeline, rows: Observed, left: Left, change: CounterChange, before: float
) -> tuple[float, Deviation | None]:
    place, tied = change.place, left.tied
    x, join = rows.axes[tied.axis], join_of(rows, join_at(rows, change) or 0)
    cadence = float(np.median(np.abs(np.diff(x)))) if len(x) > 1 else 1.0
    step, last = int(rows.step[place]), int(rows.step[place + change.rows - 1])
    evidence = evidence_of(timeline, rows, left, [place])
    numbers: dict[str, float] = {}
    relabelled = _relabelled(timeline, rows, left, change, before) if change.how == "shift" else None
    if relabelled is not None:
        return prices.CONVENTION, relabelled
    if change.how == "shift":
        was, now, due = (
            float(tied.counter(x[k : k + 1] + by)[0])
            for k, by in ((place - 1, before), (place, change.size), (place, before))
        )
        if not _seamless(timeline, join) and -0.5 * cadence <= now - was <= 2 * cadence + 1:
            return prices.CONVENTION, None  # the counter goes on; it is the step that does not
        what = _counter_in_words(due, now, cadence)
        numbers = {"position_before": was, "position_after": now}
        again = bool(np.diff(x)[place - 1] <= 0)  # the step whose state was saved is trained a second time
        if again and counts(tied.axis) == "step" and abs(now - due) == 1:
            return prices.CONVENTION, Deviation(
                kind="phase", step=step, last_step=last, size=now - due, what=f"{what}: the step that was saved last",
                evidence=evidence, numbers=numbers, severity="note",
            )  # fmt: skip
    elif change.how == "level":
        what = f"the rate stays at {change.size:.6g} from step {step} on"
    else:
        what = f"every rate is {change.size:.6g} times what it was before"
    if change.how != "shift" and geometry_changed(timeline, join):
        return prices.AT_JOIN, None
    return prices.AT_JOIN, Deviation(
        kind="restart", step=step, last_step=last, join=join, what=what, evidence=evidence, numbers=numbers,
        size=change.size, shown_by=None if change.how == "level" else len(evidence) - 1,
    )  # fmt: skip


def _relabelled(
    timeline: Timeline, rows: Observed, left: Left, change: CounterChange, before: float
) -> Deviation | None:
    """Epochs whose labels come again at a join, and which a scheduler that counts epochs counts as further ones."""
    at, x = join_at(rows, change), rows.axes[left.tied.axis]
    if not at or not left.declared or counts(left.tied.axis) != "epoch":
        return None
    again = float(x[at - 1] - x[at]) + 1
    if again < 1 or change.size - before != again:
        return None
    return Deviation(
        kind="relabelled", step=int(rows.step[at]), size=again, join=join_of(rows, at),
        what=f"the schedule goes on at step {rows.step[change.place]} as if no label had come again",
        evidence=evidence_of(timeline, rows, left, [change.place]), severity="warning",
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


def built_for_the_run(claim: Claim, rows: Observed, tied: Tied) -> bool:
    """Whether a schedule that was read off its beginning ends where the run does, or as is planned."""
    x, fit = rows.axes[tied.axis], tied.schedule
    if not isinstance(fit, Fit) or not np.isfinite(fit.end) or len(x) < 2:
        return False
    cadence = float(np.median(np.diff(x)))
    ends_with_it = abs(fit.end - x[-1]) <= cadence + 1
    return bool(ends_with_it or any(abs(fit.end - total) <= 1.5 for total in claim.totals if tied.axis == "step"))


def away_told(
    timeline: Timeline, claim: Claim, rows: Observed, left: Left, change: CounterChange
) -> tuple[float, Deviation | None]:
    """Inside a session the rate is multiplied, set to a value, or stands still."""
    place, expected = change.place, left.tied.on(rows)
    step, last = int(rows.step[place]), int(rows.step[place + change.rows - 1])
    evidence = evidence_of(timeline, rows, left, [place])
    severity = "error" if left.declared else "warning"
    if change.how == "level" and _held_still(rows, expected, change):
        to_the_end = place + change.rows == len(rows)
        high = change.size > USUAL * float(rows.rate.max())
        if not left.declared and claim.min_lr is None and not (high and built_for_the_run(claim, rows, left.tied)):
            severity = "note"  # a floor that nobody declares
        return prices.BREAK, Deviation(
            kind="frozen" if to_the_end else "jump", step=step, last_step=last, evidence=evidence,
            what=f"the rate stands still at {change.size:.6g} from step {step} on",
            numbers={"level": change.size}, severity=severity,  # type: ignore[arg-type]
        )  # fmt: skip
    if not left.declared and change.how == "level" and _is_over(rows, left.tied, place):
        severity = "note"  # behind the end of a schedule that nobody declared, any rate may be meant (SWA)
    now, should = float(rows.rate[place]), float(expected[place])
    times = f"{now / should:.4g} times" if should > 0 else f"{now:.6g}"
    return prices.BREAK, Deviation(
        kind="jump", step=step, last_step=last, size=now / should if should > 0 else 0.0, evidence=evidence,
        what=f"the rate jumps to {now:.6g} at step {step}, {times} the {should:.6g} of its schedule",
        numbers={"observed": now, "expected": should, "factor": now / should if should > 0 else None},
        severity=severity,  # type: ignore[arg-type]
    )  # fmt: skip


def _is_over(rows: Observed, tied: Tied, place: int) -> bool:
    """Whether a schedule that was read off the log has come to its end by a row."""
    x = rows.axes[tied.axis]
    return isinstance(tied.schedule, Fit) and bool(x[place] >= tied.schedule.end - (x[place] - x[place - 1]))


def _held_still(rows: Observed, expected: Floats, change: CounterChange) -> bool:
    """Whether a level lies between the row before and where the schedule would have gone: it stopped on the way."""
    if change.place == 0:
        return True
    before, should = float(rows.rate[change.place - 1]), float(expected[change.place])
    if abs(change.size - should) <= BESIDE * should and change.place + change.rows == len(rows):
        return True  # at the top, or nearly
    slack = 2 * float(rows.tolerance[change.place])
    return min(before, should) - slack <= change.size <= max(before, should) + slack
