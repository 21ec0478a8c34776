"""Deviations of the scheduler clock as findings, and small logs of schedules for the rules' examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from analyzer.clocks.scheduler_clock import Deviation, Fact, Kind, SchedulerClock, deviations_of
from analyzer.clocks.schedules import Schedule
from analyzer.model import Finding
from analyzer.rules import Unchecked
from analyzer.rules.examples import falling_loss, table
from analyzer.timeline import Timeline

NO_RATE = "no learning rate in the log: log it, or name its tag with --role learning_rate=TAG"
COUNTS = "this log counts {}s, of no known number of updates: declare logging_steps or the batch size"
UNKNOWN = (
    "the learning rate follows no schedule that is known here: "
    "declare scheduler, base_lr, warmup_steps and max_steps or epochs"
)


NOT_DECLARED = {
    "family": "no scheduler is declared, or one that is not known here: declare scheduler",
    "horizon": "no length of the run is declared: declare max_steps, or dataset_size, batch_size and epochs",
    "warmup": "no warmup is declared: declare warmup_steps, warmup_epochs or warmup_ratio",
}


def told(timeline: Timeline, *kinds: Kind, against: Fact | None = None) -> Iterator[Finding | Unchecked]:
    """Findings for deviations of some kinds; why not, where nothing could be looked at.

    Args:
        against: the declared fact without which there is nothing to compare.
    """
    clocks = timeline.schedulers
    if not clocks:
        yield Unchecked(reason=NO_RATE)
        return
    if all(clock.family == "unknown" and not clock.deviations for clock in clocks):
        yield Unchecked(reason=UNKNOWN)
        return
    found = deviations_of(timeline.schedulers, *kinds)
    if not found and against is not None and not any(against in clock.held_against for clock in clocks):
        counts = next((clock.counts for clock in clocks if clock.counts), None)
        declared = NOT_DECLARED.get(against, f"no {against} is declared")
        yield Unchecked(reason=COUNTS.format(counts) if counts else declared)
        return
    for clock, deviation in found:
        yield finding(timeline, clock, deviation)


def finding(timeline: Timeline, clock: SchedulerClock, deviation: Deviation) -> Finding:
    """One deviation in words."""
    tag = clock.series.tag
    others = sorted(
        other.series.tag
        for other in timeline.schedulers
        if other is not clock and any(d.kind == deviation.kind and d.step == deviation.step for d in other.deviations)
    )
    also = f" (so in {', '.join(others[:3])})" if others else ""
    return Finding(
        severity=deviation.severity,
        message=f"{tag}: {deviation.what}{_first_place(deviation)}{also}",
        tag=tag,
        first_step=deviation.step,
        last_step=deviation.last_step,
        numbers=dict(deviation.numbers),
        evidence=deviation.evidence,
        join=deviation.join,
    )


def _first_place(deviation: Deviation) -> str:
    """The row that shows a deviation, in words, where the deviation names no step."""
    row = None if deviation.shown_by is None else deviation.evidence[deviation.shown_by]
    if row is None or row.step is None or not isinstance(row.value, (int, float)):
        return ""
    return f"; step {row.step} logs {row.value:.6g}, {row.why}"


def rate_log(
    rate: Callable[[np.ndarray], np.ndarray] | Schedule,
    steps: int,
    *,
    every: int = 1,
    per_epoch: int | None = None,
    digits: int = 10,
) -> Callable[[], Mapping[str, str]]:
    """A CSV log of steps 1, 2, ...: the rate used by each update, beside a harmless loss."""

    def files() -> Mapping[str, str]:
        step = np.arange(1, steps + 1)
        values = rate((step - 1).astype(np.float64))
        kept = [i for i in range(steps) if (i + 1) % every == 0]
        header = ["step", "loss", "lr"] if per_epoch is None else ["step", "epoch", "loss", "lr"]
        rows = []
        for i in kept:
            shown = float(f"{values[i]:.{digits}g}")
            middle = [] if per_epoch is None else [i // per_epoch]
            rows.append([int(step[i]), *middle, falling_loss(int(step[i])), shown])
        return {"log.csv": table(header, rows)}

    return files
