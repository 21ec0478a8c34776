"""Time runs backwards, or is in another unit.

What it checks
    Record times and columns of elapsed seconds inside a session, in every account of the run: they must not fall
    while the step rises, nor be negative, nor change from seconds to milliseconds. And a throughput that a summary
    row gives against the steps and seconds of its own session.

Why it matters
    Curves over time fold back on themselves, throughput and time to finish come out wrong or negative, and files
    sorted by time are read in the wrong order.

When it is silent
    Adjustments of up to two seconds (NTP), rows that a buffer wrote late, a new session that starts its elapsed
    time at zero. The Trainer's summary divides all steps by the seconds of the last session in some versions: a
    note, and a warning where it is off by a factor of five or more.

What to do
    Do not trust durations across the place. Log elapsed time from a monotonic clock, and throughput from the steps
    of the session alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzer.clocks.elapsed import FEWEST, set_back, tells_elapsed_time
from analyzer.clocks.rows import rows_of
from analyzer.clocks.wall_time import IN_SECONDS, TIMESTAMP, unit_of
from analyzer.model import NO_STEP, Finding, Floats, Ints, Series
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import csv_log, falling_loss
from analyzer.spelling import counted
from analyzer.timeline import Timeline

JITTER_SECONDS = 2.0  # NTP steps a clock by hand's width and slews the rest; what is smaller disturbs nothing
UNIT_RATIO = 500.0  # between neighbouring rows: seconds became milliseconds (a factor of 1000), nothing else does that
MILLISECONDS = 1e11  # seconds since 1970 reach this in the year 5138; milliseconds reached it in 1973
THOUSANDS = (9e5, 3e6)  # thousands of seconds since 1970, from 1998 to 2065
FACTOR_WARNED = 5.0


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    elapsed = [*_elapsed(timeline), *_dates(timeline)]
    yield from elapsed
    if timeline.wall is None:
        if not elapsed:
            yield Unchecked(reason="the log has no times; event files or a column of times would show its clock")
        return
    other_unit = list(_record_times_in_another_unit(timeline))
    backwards = list(_backwards(timeline, of_units=bool(other_unit)))
    if backwards:
        yield max(backwards, key=lambda finding: finding.numbers["seconds"])
    yield from other_unit
    yield from _throughput_of_another_session(timeline)


def _backwards(timeline: Timeline, *, of_units: bool) -> Iterator[Finding]:
    """Record times that fall inside a session; `of_units`: falls to another unit are told as what they are."""
    for account in timeline.accounts:
        for series in account.training[:1]:
            session = timeline.session_map.of(series)
            passed = np.diff(series.wall_time)
            inside = (np.diff(session) == 0) & (np.diff(series.source) == 0) & (np.diff(series.step) >= 0)
            if of_units:
                inside &= series.wall_time[1:] * UNIT_RATIO > series.wall_time[:-1]
            falls = np.flatnonzero(inside & (passed < -JITTER_SECONDS)) + 1
            if len(falls):
                yield _fell(timeline, series, series.wall_time, falls, "time")


def _fell(timeline: Timeline, series: Series, time: Floats, falls: Ints, what: str) -> Finding:
    back = time[falls - 1] - time[falls]
    worst = int(falls[int(np.argmax(back))])
    more = f", {len(falls)} times in all" if len(falls) > 1 else ""
    around = [int(index) for at in falls[:3] for index in (at - 1, at)]
    rows = [timeline.row(series, index, f"at {time[index]:.3f} s") for index in around]
    return Finding(
        severity="warning",
        message=f"{what} runs backwards by {back.max():.0f} s from step {series.step[worst - 1]} to step "
        f"{series.step[worst]}{more}",
        tag=series.tag, first_step=int(series.step[falls[0]]), last_step=int(series.step[falls[-1]]),
        numbers={"seconds": float(back.max()), "times": len(falls)}, evidence=tuple(rows),
    )


def _elapsed(timeline: Timeline) -> Iterator[Finding]:
    """Columns of seconds since the start of the process: negative, falling, or suddenly a thousand times larger."""
    for tag, column in timeline.view.series.items():
        series = rows_of(column, np.isfinite(column.value))
        of_a_day = unit_of(series.value) is not None or _is_a_date(series.value)
        if len(series) < 3 or of_a_day or not tells_elapsed_time(series):
            continue
        session = timeline.session_map.of(series)
        same = (np.diff(session) == 0) & (np.diff(series.step) >= 0) & (series.step[1:] != NO_STEP)
        falls = np.flatnonzero(same & (np.diff(series.value) < -JITTER_SECONDS)) + 1
        falls = set_back(series.value, series.step, falls)
        negative = np.flatnonzero(series.value < 0)
        passed = np.abs(np.diff(series.value))
        if len(negative):
            at = int(negative[0])
            rows = counted(len(negative), "row")
            message = f"{tag} is negative in {rows}, first {series.value[at]:g} at step {series.step[at]}"
            yield Finding(severity="warning", message=message, tag=tag, first_step=int(series.step[at]),
                          numbers={"rows": len(negative), "seconds": float(-series.value[at])},
                          evidence=(timeline.row(series, at, "negative"),))
        elif len(falls) and not _in_another_unit(passed, same):
            yield _fell(timeline, series, series.value, falls, tag)
        elif _in_another_unit(passed, same):
            change = int(np.flatnonzero(same)[np.argmax(passed[same])]) + 1
            message = (f"{tag} jumps from {series.value[change - 1]:g} to {series.value[change]:g} at step "
                       f"{series.step[change]}, as if seconds became milliseconds")
            yield Finding(severity="warning", message=message, tag=tag,
                          first_step=int(series.step[change]), numbers={"seconds": float(passed.max())},
                          evidence=(timeline.row(series, change - 1, "before"), timeline.row(series, change, "after")))


def _dates(timeline: Timeline) -> Iterator[Finding]:
    """Columns of the time of day beside what the reader took for the times of the rows: set back inside a session."""
    for tag, column in timeline.view.series.items():
        series = rows_of(column, np.isfinite(column.value))
        unit = unit_of(series.value) if "time" in tag.lower() else None
        if unit is None or len(series) < FEWEST or np.isfinite(series.wall_time).all():
            continue
        time = series.value * IN_SECONDS[unit]
        session = timeline.session_map.of(series)
        same = (np.diff(session) == 0) & (np.diff(series.step) >= 0) & (series.step[1:] != NO_STEP)
        falls = set_back(time, series.step, np.flatnonzero(same & (np.diff(time) < -JITTER_SECONDS)) + 1)
        if len(falls):
            yield _fell(timeline, series, time, falls, tag)


def _record_times_in_another_unit(timeline: Timeline) -> Iterator[Finding]:
    """Times of day that are seconds since 1970 in no row, or in some rows only."""
    for account in timeline.accounts:
        told = [(series, series.wall_time) for series in account.training[:1]]
        columns = account.view.series.items()
        told += [(one, one.value) for tag, one in columns if TIMESTAMP.match(tag) or _is_a_date(one.value)]
        for series, time in told:
            known = np.flatnonzero(np.isfinite(time) & (time > 0))
            found = _two_units(timeline, series, time, known) or _one_unit(timeline, series, time, known)
            if found is not None:
                yield found
                return


def _is_a_date(time: Floats) -> bool:
    """Whether times begin further from zero than a run lasts, where thousands of seconds since 1970 are today.

    A time goes on, by parts of its unit: a number of parameters stands still, a count of tokens is whole.
    """
    known = time[np.isfinite(time)]
    return bool(len(known) > 1 and THOUSANDS[0] <= known.min() <= known.max() < THOUSANDS[1]
                and known.min() > UNIT_RATIO * np.ptp(known) > 0 and (known != np.floor(known)).any()
                and (np.diff(known) >= 0).all())


def _two_units(timeline: Timeline, series: Series, time: Floats, known: Ints) -> Finding | None:
    """Neighbouring times of day a thousandfold apart."""
    if len(known) < 2 or np.median(time[known]) < THOUSANDS[0]:
        return None  # seconds since a start pass through all sizes
    ratio = time[known[1:]] / time[known[:-1]]
    changes = np.flatnonzero((ratio > UNIT_RATIO) | (ratio < 1 / UNIT_RATIO)) + 1
    if not len(changes):
        return None
    at, before = int(known[changes[0]]), int(known[changes[0] - 1])
    large = np.count_nonzero(time[known] > UNIT_RATIO * time[known].min())
    return Finding(
        severity="warning",
        message=f"times are in two units: {large} of {len(known)} rows are a thousand times larger than the others, "
        f"which changes at step {series.step[at]}",
        tag=series.tag, first_step=int(series.step[at]), numbers={"rows": int(large)},
        evidence=(timeline.row(series, before, f"at {time[before]:.0f}"),
                  timeline.row(series, at, f"at {time[at]:.0f}")),
    )


def _one_unit(timeline: Timeline, series: Series, time: Floats, known: Ints) -> Finding | None:
    """Times that are seconds since 1970 in no row: an event file holds them, and other columns say that they do."""
    if not len(known):
        return None
    first = int(known[0])
    if time[first] >= MILLISECONDS and time is series.wall_time:
        unit = "microseconds" if time[first] >= 1000 * MILLISECONDS else "milliseconds"
        message = f"record times are {unit} in all rows, first {time[first]:.0f} at step {series.step[first]}; event " \
                  "files hold seconds since 1970"
    elif _is_a_date(time[known]):
        message = f"times of {series.tag} are thousands of seconds since 1970, first {time[first]:.6g} at step " \
                  f"{series.step[first]}: read as seconds they lie in January 1970, and a step takes a thousandth"
    else:
        return None
    return Finding(severity="warning", message=message, tag=series.tag, first_step=int(series.step[first]),
                   numbers={"rows": len(known)}, evidence=(timeline.row(series, first, f"at {time[first]:.6g}"),))


def _in_another_unit(passed: Floats, same: np.ndarray) -> bool:
    """One jump of three orders of magnitude with a thousandfold pace behind it."""
    inside = passed[same]
    if len(inside) < 6:
        return False
    at = int(np.argmax(inside))
    before = np.median(inside[:at]) if at >= 2 else 0.0
    after = np.median(inside[at + 1 :]) if len(inside) - at > 2 else 0.0
    low, high = sorted((float(before), float(after)))
    return low > 0 and high / low > UNIT_RATIO


def _throughput_of_another_session(timeline: Timeline) -> Iterator[Finding]:
    """A summary row that divides the steps of all sessions by the seconds of the last."""
    if len(timeline.sessions) < 2:
        return
    last_session = timeline.sessions[-1]
    made = last_session.last_step - timeline.sessions[-2].last_step
    for tag, series in timeline.view.series.items():
        runtime = timeline.view.series.get(tag.replace("steps_per_second", "runtime"))
        if not tag.endswith("train_steps_per_second") or runtime is None or not len(runtime) or not len(series):
            continue
        steps, total = float(series.value[-1] * runtime.value[-1]), last_session.last_step
        if not np.isfinite(steps) or runtime.value[-1] <= 0:
            return
        if made <= 0 or total <= made or abs(steps - total) > 0.02 * total or steps < 1.2 * made:
            return
        rate = made / float(runtime.value[-1])
        factor = float(series.value[-1]) / rate
        yield Finding(
            severity="warning" if factor >= FACTOR_WARNED else "note",
            message=f"{tag} is {series.value[-1]:g} at step {total}: all {total} steps divided by the "
            f"{runtime.value[-1]:g} s of the last session, which made {made} of them at {rate:.3g} steps/s",
            tag=tag, first_step=int(series.step[-1]), numbers={"factor": factor, "seconds": float(runtime.value[-1])},
            evidence=(timeline.row(series, len(series) - 1, f"{rate:.3g} is right"),
                      timeline.row(runtime, len(runtime) - 1, "seconds of the last session")),
        )


def _rows(back: float = 0.0, at: int = 60) -> list[tuple[object, ...]]:
    times = {step: step * 0.5 - (back if step >= at else 0.0) for step in range(1, 101)}
    return [(step, falling_loss(step), round(time, 2)) for step, time in times.items()]


def _resumed() -> list[tuple[object, ...]]:
    return [(step, falling_loss(step), round((step if step <= 60 else step - 60) * 0.5, 2)) for step in range(1, 121)]


RULE = Rule(
    code="LOG005",
    name="wall-clock-fault",
    severity="warning",
    check=check,
    help="do not trust durations across the place; log elapsed time from a monotonic clock",
    sources=(
        "https://github.com/mosaicml/composer/pull/1123",
        "https://github.com/wandb/wandb/issues/10480",
        "https://github.com/unslothai/unsloth/pull/11297",
    ),
    bad=(
        Example(title="the clock is set back by 12 seconds",
                files=csv_log(("step", "loss", "elapsed"), lambda: _rows(back=12.0))),
        Example(title="a time stamp in seconds, then in milliseconds",
                files=csv_log(("step", "loss", "timestamp"), lambda: [
                    (step, falling_loss(step), (1_700_000_000 + 30 * step) * (1000 if step >= 70 else 1))
                    for step in range(1, 101)])),
        Example(title="elapsed time is negative",
                files=csv_log(("step", "loss", "elapsed"), lambda: [
                    (step, falling_loss(step), 0.5 * step - 300) for step in range(1, 101)])),
    ),
    good=(
        Example(title="a number of parameters and a clipped perplexity",
                files=csv_log(("step", "loss", "timestamp", "params", "ppl"), lambda: [
                    (step, falling_loss(step), 1.7e9 + step, 1_234_567, 1_048_576.0) for step in range(1, 31)]),
                why="a time goes on"),
        Example(title="tokens of a long run",
                files=csv_log(("step", "loss", "timestamp", "tokens"), lambda: [
                    (step, falling_loss(step), 1.7e9 + step, 1_500_000 + 32 * step) for step in range(1, 31)]),
                why="a count is whole"),
        Example(title="elapsed time starts again at a resume", files=csv_log(("step", "loss", "elapsed"), _resumed),
                why="a new process counts its own seconds"),
        Example(title="time stamps in milliseconds throughout",
                files=csv_log(("step", "loss", "timestamp"), lambda: [
                    (step, falling_loss(step), (1_700_000_000 + 30 * step) * 1000) for step in range(1, 101)]),
                why="one unit in all rows; which one is the logger's affair"),
        Example(title="an NTP adjustment of less than a second",
                files=csv_log(("step", "loss", "elapsed"), lambda: _rows(back=0.8)),
                why="below two seconds nothing that is computed from the times changes"),
    ),
)
