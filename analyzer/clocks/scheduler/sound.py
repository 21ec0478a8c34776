"""What may still be said of a run that follows its schedule: another height, a phase, rows past the end."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.claim import Claim
from analyzer.clocks.learning_rate import Observed, rates_of
from analyzer.clocks.rate_axes import counts
from analyzer.clocks.scheduler.explanations import clock_of
from analyzer.clocks.scheduler.tied import Tied, matches, row_of
from analyzer.clocks.scheduler_clock import Deviation, SchedulerClock
from analyzer.clocks.schedules import Schedule
from analyzer.timeline import Timeline

OTHER_PEAK = 1e-3  # relative; printed rates have three digits at least
CONVENTION = 1.5  # steps
FEWEST_PAST_END = 3  # rows; one row at the very end is a logger's habit
LOGS_THE_NEXT = ("deepspeed", "megatron", "composer")  # docs/conventions: the rate of the next update is logged
LOGS_THE_NEXT_AS = ("learning-rate", "Train/Samples/lr")


def sound(timeline: Timeline, claim: Claim, rows: Observed, tied: Tied) -> SchedulerClock:
    """The clock of a run that follows its declaration; a phase other than the framework's is a note."""
    deviations = [*other_peak(timeline, claim, rows, tied)]
    if not deviations:
        deviations = [*first_value_twice(timeline, claim, rows, tied)] or [*phase_note(timeline, rows, tied)]
    schedule = tied.schedule
    if isinstance(schedule, Schedule):
        end = schedule.total if schedule.span != "T" else schedule.total + schedule.warmup
        end = end / tied.rate - tied.offset
        planned = own_plan(timeline, tied.axis)
        past = overrun(timeline, rows, end, schedule.floor, planned=planned, axis=tied.axis)
        # PyTorch documents the way up again: where its length is declared it may be meant
        deviations += (replace(one, severity="warning") if one.numbers["risen"] else one for one in past)
    return clock_of(rows, tied, tuple(deviations))


def first_value_twice(timeline: Timeline, claim: Claim, rows: Observed, tied: Tied) -> Iterator[Deviation]:
    """A counter of -1 at the first row: the first rate is used twice, and everything is one late."""
    p = tied.counter(rows.axes[tied.axis])
    if p[0] >= 0 or len(rows) < 3 or abs(rows.rate[1] - rows.rate[0]) > rows.tolerance[0]:
        return
    on_time = tied.at(rows.axes[tied.axis] - p[0] / tied.rate)
    wrong = np.flatnonzero(np.abs(on_time - rows.rate) > rows.tolerance)
    if not len(wrong):
        return
    if abs(on_time[1] - on_time[0]) <= rows.tolerance[0]:
        return
    unit = "step" if counts(tied.axis) == "step" else "epoch"
    yield Deviation(
        kind="lag" if unit == "epoch" else "phase",
        step=int(rows.step[wrong[0]]),
        last_step=int(rows.step[-1]),
        size=-1.0,
        what=f"the scheduler is one {unit} late from the start: {rows.rate[0]:.6g} is used twice, "
        f"at {rows.step[0]} and {rows.step[1]}",
        numbers={"steps": -1},
        evidence=tuple(
            row_of(timeline, rows, k, f"should be {on_time[k]:.6g}")
            for k in dict.fromkeys((int(wrong[0]), int(wrong[-1])))
        ),
        shown_by=0,
        severity="error" if unit == "epoch" else "note",
    )


def other_peak(timeline: Timeline, claim: Claim, rows: Observed, tied: Tied) -> Iterator[Deviation]:
    """The declared schedule at another height."""
    schedule, declared = tied.schedule, claim.base_lr
    height = schedule.peak
    if not declared or height <= 0 or abs(height / declared - 1) < OTHER_PEAK:
        return
    if any(
        abs(float(np.nanmax(series.value)) / declared - 1) < OTHER_PEAK for series in rates_of(timeline) if len(series)
    ):
        return
    top = int(np.argmax(rows.rate))
    if height < declared and top + 1 < len(rows) and declared - height <= 2 * (rows.rate[top] - rows.rate[top + 1]):
        return  # the decay had begun when the first row was written
    moving = np.flatnonzero(np.abs(rows.rate * declared / height - rows.rate) > rows.tolerance)
    place = int(moving[0]) if len(moving) else 0
    yield Deviation(
        kind="peak",
        step=int(rows.step[place]),
        last_step=int(rows.step[-1]),
        evidence=(
            row_of(timeline, rows, place, f"should be {rows.rate[place] * declared / height:.6g}"),
            row_of(timeline, rows, top, f"highest; {declared:.6g} is declared"),
        ),
        shown_by=0,
        what=f"the rate peaks at {height:.6g}, {declared:.6g} is declared ({height / declared:.4g} times)",
        numbers={"observed": height, "declared": declared},
    )


def own_plan(timeline: Timeline, axis: str = "step") -> tuple[float, ...]:
    """Totals of the plan itself on an axis of the rate, without a scheduler's own parameters."""
    if counts(axis) == "step":
        return timeline.plan.total_steps
    return () if timeline.plan.epochs is None else (float(timeline.plan.epochs),)


def overrun(
    timeline: Timeline, rows: Observed, end: float, floor: float, *, planned: tuple[float, ...], axis: str = "step"
) -> Iterator[Deviation]:
    """Rows past the end of a schedule whose rate rises again, or is zero."""
    x, y = rows.axes[axis], rows.rate
    after = np.flatnonzero(x > end + CONVENTION)
    if (
        not math.isfinite(end)
        or len(after) < FEWEST_PAST_END
        or any(abs(end - total) <= CONVENTION for total in planned)
    ):
        return
    risen = after[y[after] > floor + 4 * rows.tolerance[after] + 1e-9]
    if len(risen) >= FEWEST_PAST_END:
        place, top = int(risen[0]), int(risen[np.argmax(y[risen])])
        unit = "" if counts(axis) == "step" else f"{counts(axis)} "
        again = f"the rate rises again to {y[top]:.6g} at step {rows.step[top]}"
        what = f"the schedule ends at {unit}{end:.6g}, and {again}"
        evidence = (
            row_of(timeline, rows, place, "rises again"),
            row_of(timeline, rows, top, "the highest after the end"),
        )
    elif floor == 0 and (np.abs(y[after]) <= rows.tolerance[after]).all():
        place = int(after[0])
        others = (series for series in rates_of(timeline) if series.tag != rows.series.tag)
        if any((series.value[series.step >= rows.step[place]] > 0).any() for series in others):
            return  # one group is frozen from there on, the others train
        what = (
            f"the rate is 0 from step {rows.step[place]} to the end ({len(after)} of {len(rows)} rows): "
            f"the schedule was over at {end:.6g}"
        )
        evidence = (row_of(timeline, rows, place, "zero"), row_of(timeline, rows, len(rows) - 1, "still zero"))
    else:
        return
    yield Deviation(
        kind="overrun",
        step=int(rows.step[place]),
        last_step=int(rows.step[-1]),
        what=what,
        evidence=evidence,
        numbers={"end": end, "rows_after": len(after), "risen": len(risen)},
        severity="error" if planned else "warning",
    )


def phase_note(timeline: Timeline, rows: Observed, tied: Tied) -> Iterator[Deviation]:
    """Logged one step ahead, by a writer that is not known for it."""
    if tied.axis != "step" or tied.unit != "step":
        return
    first = int(rows.step[0])
    if (first, int(tied.offset)) not in ((1, 0), (0, 1)):
        return
    source = timeline.run.sources[int(rows.series.source[0])]
    if (source.framework or "") in LOGS_THE_NEXT or rows.series.tag in LOGS_THE_NEXT_AS:
        return
    used = replace(tied, offset=tied.offset - 1)
    head = rows.rows(slice(0, 400))
    wrong = np.flatnonzero(~matches(used, head))
    if not len(wrong):
        return
    place = int(wrong[0])
    given = float(used.on(head)[place])
    yield Deviation(
        kind="phase",
        step=int(rows.step[place]),
        size=1.0,
        what=f"every rate is that of the next update: step {rows.step[place]} logs {rows.rate[place]:.6g}, "
        f"the schedule gives update {rows.step[place]} {given:.6g}",
        evidence=(row_of(timeline, rows, place, f"used at this step: {given:.6g}"),),
        severity="note",
    )
