"""The loss baseline: local level and scale of the training loss, on which spikes and level changes are judged."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from analyzer.clocks.loss_baseline import LossBaseline
from analyzer.clocks.loss_blocks import block_medians, running_scale
from analyzer.clocks.noise import MAD_TO_SIGMA
from analyzer.clocks.running_mean import Undone, undo_running_mean
from analyzer.distinct import distinct
from analyzer.model import Floats, Ints, Series
from analyzer.precision import half_width
from analyzer.timeline import Timeline

REWARD = re.compile(
    r"(?:^|[/_. -])(?:ep_rew|ep_len|episode_(?:reward|return|len)|mean_reward|avg_reward|policy_gradient_loss)", re.I
)
ADVERSARY = re.compile(
    r"(?:^|[/_. -])(?:d|disc|discriminator|critic)[/_. -]?loss|loss[/_. -](?:d|disc|discriminator)$"
    r"|^dis_update/",
    re.I,
)
FEWEST_ROWS = 8  # finite rows below which there is no level to speak of
ZERO_TAIL_ROWS = 3  # so many exact zeros at the end are a collapse, not a loss
BURN_IN_DESCENT = 0.8  # the burn-in ends when this share of the descent is behind
BURN_IN_NOISE = 8.0  # noise units: and the loss is so near to its later level
LONGEST_BURN_IN = 0.15  # share of the run
RINGING_ROWS = 100  # an optimizer rings for tens of steps; what rises later is no part of the first descent
SHORT_RUN_BURN_IN = 0.3  # share of a short run, up to as many rows as may ring
SHORTEST_BURN_IN = 5  # rows
UNDONE_FLOOR = 0.02  # of the logged running mean
RELATIVE_FLOOR = 1e-3  # of the level: a smaller scale says that the curve is smooth, not that 1 % is an event


def read_loss_baseline(timeline: Timeline) -> LossBaseline | None:
    """Level and scale of the main training loss; None when there is none."""
    series = timeline.roles.first("loss")
    return None if series is None or not len(series) else baseline_of(timeline, series)


def baseline_of(timeline: Timeline, series: Series) -> LossBaseline:
    """Level and scale of one loss of the view."""
    rows = judged_rows(series)
    value = np.ascontiguousarray(series.value[rows])
    session = timeline.session_map.of(series)[rows]
    precision = float(np.median(half_width(series)[rows])) if len(rows) else 0.0
    starts = epoch_starts(timeline, series, rows)
    undone = None if timeline.session_map.concurrent else _batch_losses(series, rows, starts)
    if undone is not None:
        value = np.maximum(undone.value, UNDONE_FLOOR * np.abs(value))  # rounding may leave a batch below zero
        precision *= 2 * float(np.max(undone.count))
    burn_in = _burn_in(timeline, series.step[rows], value)
    middle = float(np.median(np.abs(value))) if len(value) else 0.0
    floor = max(2 * precision, RELATIVE_FLOOR * middle)
    level, scale = _level_and_scale(value, floor)
    return LossBaseline(
        series=series,
        level=_spread(level, rows, len(series)),
        scale=_spread(scale, rows, len(series)),
        rows=rows,
        value=value,
        session=session,
        joins=_join_positions(timeline, session),
        burn_in=burn_in,
        starts=starts,
        floor=floor,
        log_floor=np.maximum(RELATIVE_FLOOR, 2 * precision / np.maximum(np.abs(value), 1e-300)),
        learning_rate_moves=_learning_rate_moves(timeline, series, rows),
        unfit=_unfit(timeline, series, rows, value),
        running_mean=undone is not None,
    )


def epoch_starts(timeline: Timeline, series: Series, rows: Ints) -> NDArray[np.bool_] | None:
    """True where the epoch label of a row differs from the row before, shape (m,); None without labels.

    Labels are taken from the same rows of the file where they stand there, else from the last label at or before the
    step.
    """
    labels = timeline.roles.first("epoch")
    if labels is None or len(labels) < 2 or len(rows) < 2:
        return None
    whole = np.floor(labels.value)
    if not np.array_equal(whole, labels.value):
        return None  # fractions: no framework that writes them logs a running mean
    key, wanted, in_order = _place(labels), _place(series)[rows], whole
    if np.any(np.diff(key) < 0):
        order = np.argsort(key, kind="stable")
        key, in_order = key[order], whole[order]
    at = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
    same = key[at] == wanted
    if same.mean() > 0.9:
        epoch = in_order[at]
    else:
        if np.any(np.diff(labels.step) < 0):
            return None
        epoch = whole[np.maximum(np.searchsorted(labels.step, series.step[rows], side="right") - 1, 0)]
    return np.append(True, np.diff(epoch) != 0)


def _place(series: Series) -> Ints:
    return (series.source.astype(np.int64) << 40) + series.row


def _batch_losses(series: Series, rows: Ints, starts: NDArray[np.bool_] | None) -> Undone | None:
    if len(rows) < 24 or starts is None or not 2 <= starts.sum() <= len(rows) / 4:
        return None
    return undo_running_mean(series.value[rows], series.step[rows], starts)


def judged_rows(series: Series) -> Ints:
    """Rows whose loss is finite, without a tail of exact zeros, shape (m,)."""
    finite = np.flatnonzero(np.isfinite(series.value))
    nonzero = np.flatnonzero(series.value[finite] != 0.0)
    if len(nonzero) and len(finite) - 1 - nonzero[-1] >= ZERO_TAIL_ROWS:
        finite = finite[: nonzero[-1] + 1]
    return finite


def _burn_in(timeline: Timeline, step: Ints, value: Floats) -> int:
    """The burn-in as a share of the way that the run made: steps that a resume goes over again are none of it."""
    kinds = {join.step for join in timeline.joins}
    if len(step) < FEWEST_ROWS or "replayed" not in kinds or "reset" in kinds:
        return burn_in_of(value)
    onward = np.flatnonzero(np.append(True, step[1:] > np.maximum.accumulate(step)[:-1]))
    return int(onward[burn_in_of(value[onward])])


def burn_in_of(value: Floats) -> int:
    """Rows until the first descent is over, early ringing included; at most ``LONGEST_BURN_IN`` of the run."""
    n = len(value)
    longest = int(max(LONGEST_BURN_IN * n, min(SHORT_RUN_BURN_IN * n, RINGING_ROWS)))
    if n < FEWEST_ROWS:
        return 0
    rest = float(np.median(value[longest:]))
    start = float(np.max(value[: max(3, n // 50)]))
    if start <= rest:
        return 0  # it does not descend: nothing rings
    noise = MAD_TO_SIGMA * float(np.median(np.abs(np.diff(value[longest:])))) / np.sqrt(2)
    threshold = rest + min((1 - BURN_IN_DESCENT) * (start - rest), BURN_IN_NOISE * max(noise, 0.01 * abs(rest)))
    above = np.flatnonzero(value[:longest] > threshold)
    below = np.flatnonzero(value[:longest] <= threshold)
    if not len(below):
        return longest
    end = int(below[0])
    while True:  # ringing: what rises again within twice the time so far belongs to it
        reach = max(min(2 * end, RINGING_ROWS), end) + SHORTEST_BURN_IN
        last = int(np.searchsorted(above, reach, side="right")) - 1
        if last < 0 or above[last] <= end:
            break
        end = int(above[last]) + 1
    return min(max(min(end + end // 2, RINGING_ROWS), end, SHORTEST_BURN_IN), longest)


def _level_and_scale(value: Floats, floor: float) -> tuple[Floats, Floats]:
    n = len(value)
    if n < FEWEST_ROWS:
        return np.full(n, np.median(value) if n else np.nan), np.full(n, floor)
    length = int(np.clip(n // 20, 3, 25))
    levels = block_medians(value, length)
    centre = np.arange(len(levels)) * length + (length - 1) / 2
    level = np.interp(np.arange(n), centre, levels)
    scale = np.maximum(running_scale(value - level), running_scale(np.diff(value, append=value[-1]) / np.sqrt(2)))
    return level, np.maximum(scale, floor)


def _spread(judged: Floats, rows: Ints, n: int) -> Floats:
    full = np.full(n, np.nan)
    full[rows] = judged
    return full


def _join_positions(timeline: Timeline, session: Ints) -> tuple[tuple[int, int], ...]:
    """Where a session begins on the curve: (position, index of the join)."""
    reached = np.maximum.accumulate(session)
    firsts = np.searchsorted(reached, [join.after for join in timeline.joins]).tolist()
    return tuple(
        (first, join.index) for first, join in zip(firsts, timeline.joins, strict=True) if 0 < first < len(session)
    )


def _learning_rate_moves(timeline: Timeline, series: Series, rows: Ints) -> Ints:
    """Positions on the curve at which the learning rate leaves its way: by its clock, or by a factor of 1.5 up."""
    steps: list[int] = []
    for clock in timeline.schedulers[:1]:
        steps += [one.step for one in clock.deviations if one.kind in ("jump", "isolated", "restart", "overrun")]
    rate = timeline.roles.first("learning_rate")
    if rate is not None and len(rate) > 3:
        ok = np.flatnonzero(np.isfinite(rate.value) & (rate.value > 0))
        if len(ok) > 3:
            up = np.flatnonzero(np.diff(np.log(rate.value[ok])) > np.log(1.5)) + 1
            up = up[up > 2]
            if len(up) <= max(3, len(ok) // 50):
                steps += [int(step) for step in rate.step[ok[up]]]
    if not steps:
        return np.zeros(0, dtype=np.int64)
    return distinct(np.searchsorted(series.step[rows], np.array(sorted(steps), dtype=np.int64)))


def is_played(timeline: Timeline) -> bool:
    """Rewards or an adversary are logged: losses rise and fall with what is played."""
    return any(REWARD.search(tag) or ADVERSARY.search(tag) for tag in timeline.view.series)


def _unfit(timeline: Timeline, series: Series, rows: Ints, value: Floats) -> str:
    played = [tag for tag in timeline.view.series if REWARD.search(tag)]
    if played:
        return f"reinforcement learning ({played[0]}): its loss rises and falls with what is played"
    if any(ADVERSARY.search(tag) for tag in timeline.view.series):
        return f"adversarial training: {series.tag} rises when the other side gets better"
    if timeline.session_map.concurrent:
        return "two processes wrote the run at once: its rows are not one curve"
    if len(value) < FEWEST_ROWS:
        return f"{len(value)} finite rows of {series.tag}; {FEWEST_ROWS} or more would let it run"
    if np.median(np.diff(series.step[rows])) == 0:
        return f"most rows of {series.tag} share their step with the row before: what comes first is not told"
    if np.mean(value <= 0) > 0.02:
        return f"{series.tag} is not a positive loss ({int(np.sum(value <= 0))} of {len(value)} rows are zero or less)"
    return ""
