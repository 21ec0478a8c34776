"""Where a run ended, in updates."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from analyzer.clocks.cadence import distinct_steps
from analyzer.clocks.global_step import last_step, main_series
from analyzer.model import Row, Run
from analyzer.timeline import Timeline

FEWEST_ROWS = 3
"""Training rows that show how often rows are written; fewer say nothing about what came behind the last."""
CALLED_STEPS = re.compile(r"(?:^|[/_ ])steps?$", re.I)
EVENLY = 0.5
"""Share of the rows at one distance that makes it their cadence: of others the widest gap may come again."""


class RunEnd(Struct, frozen=True, kw_only=True):
    """How many updates the log shows, as an interval: rows every c steps leave up to c - 1 of them unseen."""

    last_step: int
    low: int
    seen: int  # at most so many, if nothing came behind the last row
    high: int | None  # None: nothing says how many may have come behind it
    evidence: Row

    def holds(self, total: int) -> bool:
        """Whether the run can have had so many updates."""
        return self.low <= total and (self.high is None or total <= self.high)


def updates_done(timeline: Timeline, *, ahead: int = 0) -> RunEnd | None:
    """Updates at the end of the log; None when the axis counts something whose size in updates is not known.

    Args:
        ahead: steps at which the counter stood before the first update (``steps_ahead``).
    """
    series, axis = main_series(timeline.view, timeline.roles), timeline.step_axis
    last = last_step(timeline)
    if series is None or last is None:
        return None
    if axis.per_update is None and axis.unit in ("sample", "token"):  # no batch is larger than rows are apart
        fewest = last // max(1, int(np.gcd.reduce(distinct_steps(series.step))))
        return RunEnd(last_step=last, low=fewest, seen=fewest, high=None, evidence=_row_at(timeline, last))
    if axis.per_update is None:
        return None
    if axis.unit != "update":
        done, unseen = round(last / axis.per_update), math.ceil(axis.cadence / axis.per_update) - 1
        unseen += int(series.step.min()) == 0  # what came before the first update is counted, or comes before a row's
        return RunEnd(last_step=last, low=done, seen=done, high=done + unseen, evidence=_row_at(timeline, last))
    distinct = distinct_steps(series.step)
    apart = np.diff(distinct)
    even = np.mean(apart == axis.cadence) >= EVENLY if len(apart) else True
    spacing = max(1, axis.cadence, *(apart[-1:] if even else apart).tolist())
    enough = len(distinct) >= FEWEST_ROWS
    closing = [
        int(one.step.max())
        for one in timeline.view.series.values()
        if len(one) and last < int(one.step.max()) <= last + spacing
    ]
    closed = any(re.search(r"(?:^|/)train_runtime$", tag) for tag in timeline.view.series)
    end = max(closing, default=last)
    counted = _counter_saved(timeline.run)
    if counted is not None and end <= counted < end + spacing:  # the state file's own counter, behind the last row
        evidence = _row_at(timeline, end)
        return RunEnd(last_step=counted, low=counted, seen=counted, high=counted, evidence=evidence)
    earliest = end - 1 if closing and end - last > 1 else last
    base_low, base_high = (1, 0) if axis.base is None else (axis.base, axis.base)
    base_low, base_high = base_low + ahead, base_high + ahead
    seen = end - base_high + 1
    unseen = 0 if closed else last + spacing - 1 - end
    return RunEnd(
        last_step=end,
        low=earliest - base_low + 1,
        seen=seen,
        high=seen + max(0, unseen) if closed or enough else None,
        evidence=_row_at(timeline, end),
    )


def ends_by_another_counter(timeline: Timeline, totals: Sequence[int]) -> bool:
    """Whether a column of steps beside the axis ends at one of these totals, as near as its rows are apart.

    ``max_steps`` means those steps where another column, as ``n_updates``, is the axis; and steps of an epoch mean its
    batches where the axis counts them.
    """
    axis, last = timeline.step_axis, last_step(timeline) or 0
    if axis.unit == "micro-batch" and any(0 <= total - last <= axis.cadence for total in totals):
        return True
    for series in timeline.roles.all("step"):
        if not CALLED_STEPS.search(series.tag):
            continue
        value = distinct_steps(series.value[np.isfinite(series.value)].astype(np.int64))
        if len(value) >= FEWEST_ROWS:
            last, apart = int(value[-1]), int(np.max(np.diff(value)))
            if any(last - apart <= total <= last + apart for total in totals):
                return True
    return False


def steps_ahead(timeline: Timeline) -> int:
    """Steps by which the counter stood at the first update: an epoch for ``epoch * len(loader) + i`` from epoch 1 on.

    Where the labels run from 1 to the last planned epoch, no epoch came before the first.
    """
    clock, epochs = timeline.epoch, timeline.plan.epochs
    if clock is None or clock.labels is None or clock.source != "labels" or clock.breaks or not clock.exact:
        return 0
    of_all = epochs is not None and clock.labels.value[0] == 1 and clock.labels.value.max() == epochs
    return int(clock.low) if of_all and clock.origin is not None and clock.origin - clock.low in (0, 1) else 0


def _counter_saved(run: Run) -> int | None:
    """``global_step`` of the Trainer's state file: updates done when it was written."""
    found = [fact.value for fact in run.facts if fact.key == "global_step"]
    return int(found[0]) if found and isinstance(found[0], int) else None


def _row_at(timeline: Timeline, step: int) -> Row:
    """The last row that was written at a step, of the main series where it has one."""
    main = main_series(timeline.view, timeline.roles)
    candidates = [main] if main is not None and bool(np.any(main.step == step)) else list(timeline.view.series.values())
    found = [(one, int(np.nonzero(one.step == step)[0][-1])) for one in candidates if bool(np.any(one.step == step))]
    series, index = max(found, key=lambda one: int(one[0].row[one[1]]))
    return timeline.row(series, index, "last row of the run")
