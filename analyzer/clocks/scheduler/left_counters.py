"""What a counter does inside a session: it waits, runs ahead, goes back, gains a step at every epoch's end."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from analyzer.clocks import prices
from analyzer.clocks.claim import Claim
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.schedule_fit import Fit
from analyzer.clocks.scheduler.beginnings import MOST_CALLS, Left
from analyzer.clocks.scheduler.breaks import CounterChange
from analyzer.clocks.scheduler.left_words import FEWEST_BEFORE, evidence_of
from analyzer.clocks.scheduler.tied import Tied
from analyzer.clocks.scheduler_clock import Deviation
from analyzer.clocks.schedules import ending
from analyzer.model import Floats, Ints, View
from analyzer.timeline import Timeline

SCALER = re.compile(r"(?:loss|grad)[-_ ]?scale|scaler", re.I)
MOST_AT_THE_START = 50  # updates that a loss scaler may skip before it has found its scale
EVEN = 0.3  # scattered waits lie as far apart as chance has it: the spread of their distances is that of their mean
FEWEST_WAITS = 3
EVEN_FROM = 5  # waits
STILL_AT_LEAST = 3  # rows
NEAR_THE_BEGINNING = 0.05  # of the course so far: a cycle may begin with a few rows left out
WITHOUT_AN_END = ("exponential", "inverse-sqrt", "inverse-time")
BROKEN_OFF = 0.1  # of the height above the floor: the last row of a cycle lies lower


def scale_fell(view: View, steps: Ints) -> bool:
    """Whether a loss scaler's own series fell at all of these steps: it halves where it skips an update."""
    for tag, series in view.series.items():
        if SCALER.search(tag) is None or len(series) < 2:
            continue
        falls = series.step[1:][np.diff(series.value) < 0]
        if np.isin(steps, falls).all():
            return True
    return False


def has_scaler(view: View) -> bool:
    """Whether the log shows a loss scaler's own series: what it did not skip was not skipped."""
    return any(SCALER.search(tag) and len(series) >= 2 for tag, series in view.series.items())


def shifts_told(
    timeline: Timeline, claim: Claim, rows: Observed, left: Left, waits: list[CounterChange], before: dict[int, float]
) -> Iterator[tuple[float, Deviation | None]]:
    """Counters that differ from the updates by whole steps inside a session: skipped, late, one more every epoch."""
    x = rows.axes[left.tied.axis]
    shifts = [change for change in waits if change.how == "shift"]
    first_values = rows.rate[: shifts[0].place] if shifts else rows.rate
    at_the_start = bool(np.ptp(first_values) <= 2 * rows.tolerance[0]) if len(first_values) else True
    sizes = np.array([change.size - before[change.place] for change in shifts])
    places = [change.place for change in waits]
    step, last = int(rows.step[places[0]]), int(rows.step[-1])
    evidence = evidence_of(timeline, rows, left, places)
    cadence = float(np.median(np.diff(x))) if len(x) > 1 else 1.0
    if not len(shifts):
        return
    lapsed = at_lap_ends(rows, [change.place for change in shifts])
    stood = {change.place + change.rows: change.place for change in waits if change.how == "level"}
    since = [stood.get(c.place, c.place if c.since is None else c.since) for c in shifts]  # where it may have begun
    passed = np.array([x[c.place] - x[row - 1] if row else np.inf for c, row in zip(shifts, since, strict=True)])
    goes_back = bool((-sizes > passed).any())  # no update that was skipped takes back one that was made
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
    scaled = scale_fell(timeline.view, rows.step[[change.place for change in shifts]])
    standing = not goes_back and any(change.place in stood for change in shifts)
    usual = not goes_back and (standing or len(sizes) >= 2 or (at_the_start and -sizes[0] <= MOST_AT_THE_START))
    if updates and (sizes < 0).all() and (usual or scaled):
        count = int(-sizes.sum())
        share = count / max(float(x[-1] - x[0]), 1.0)
        # Even waits may be a longer schedule, and two waits one call that was missed.
        few = len(sizes) < FEWEST_WAITS and not at_the_start and not standing
        base = prices.BREAK + prices.CONVENTION * even if (even or few) and not scaled else prices.SKIPPED
        yield base + prices.ONCE_MORE * min(len(sizes), 50), Deviation(
            kind="skipped", step=step, last_step=int(rows.step[places[-1]]), size=float(-count), evidence=evidence,
            what=f"the scheduler falls behind the step counter by {count} in {len(sizes)} place"
            f"{'s' if len(sizes) > 1 else ''} ({100 * share:.2g} % of the steps)",
            numbers={"skipped": count, "share": share}, severity="note",
        )  # fmt: skip
        return
    now = left.tied.counter(x[places[0] : places[0] + 1] + shifts[0].size)[0]
    cycles = goes_back and not broken_off(left.tied, x[places[0] - 1]) and _near_the_beginning(x, shifts, cadence)
    anew = len(sizes) == 1 and sizes[0] < -STILL_AT_LEAST and abs(now) <= 1.5 * max(cadence, 1.0) + 1
    if anew and places[0] >= FEWEST_BEFORE:
        yield prices.BREAK, Deviation(
            kind="restart", step=step, last_step=last, size=float(sizes[0]), evidence=evidence,
            what=f"the schedule starts again at step {step}", numbers={"position_after": float(now)},
            severity="error" if left.declared else "warning" if broken_off(left.tied, x[places[0] - 1]) else "note",
        )  # fmt: skip
        return
    word = "falls behind" if sizes[0] < 0 else "runs ahead"
    what = f"the scheduler {word} by {abs(sizes[0]):g} at step {step} and stays so"
    once = sizes.tolist() == [-1.0] and updates and not has_scaler(timeline.view)  # a loss scaler does so as well
    if once:
        what += ": a call that was missed, or an update that was skipped"
    leapt = bool((abs(sizes) > MOST_CALLS * passed).any()) and not cycles
    if leapt:
        what = f"the scheduler's counter goes from {now - sizes[0]:.6g} to {now:.6g} at step {step}"
    if len(sizes) > 1:
        what = f"the scheduler's position changes {len(sizes)} times, first by {sizes[0]:+g} at step {step}"
    yield prices.BREAK * len(sizes), Deviation(
        kind="jump" if leapt else "lag" if sizes[0] < 0 else "lead",
        step=step, last_step=last, size=float(sizes[0]), evidence=evidence,
        what=what, numbers={"steps": float(sizes[0])},
        severity=("warning" if once else "error") if left.declared else ("note" if once or cycles else "warning"),
    )  # fmt: skip


def _near_the_beginning(x: Floats, shifts: list[CounterChange], cadence: float) -> bool:
    """Whether a counter that went back always did so to where it began, as cycles do."""
    return all(
        x[c.place] + c.size - x[0] <= max(1.5 * cadence + 1, NEAR_THE_BEGINNING * (x[c.place] - x[0])) for c in shifts
    )


def broken_off(tied: Tied, last: float) -> bool:
    """Whether a schedule was left in its course, by its end or as one that has none: no framework begins a cycle there.
    """
    fit = tied.schedule
    if not isinstance(fit, Fit) or fit.family not in (*ending(), *WITHOUT_AN_END):
        return False
    if fit.family in WITHOUT_AN_END:
        return True
    return float(tied.at(np.array([last]))[0]) > fit.floor + BROKEN_OFF * (fit.peak - fit.floor)


def at_lap_ends(rows: Observed, places: list[int]) -> bool:
    """Whether all these rows begin an epoch, or are the last of one."""
    epoch = rows.axes.get("epoch", rows.axes.get("lap"))
    if epoch is None:
        return False
    every = len(places) > epoch[places[-1]] - epoch[places[0]]  # none is left out
    return bool(every) and all(
        (p > 0 and epoch[p] != epoch[p - 1]) or (p + 1 < len(epoch) and epoch[p + 1] != epoch[p]) for p in places
    )
