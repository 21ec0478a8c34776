"""What happens to the training loss, each place under one name.

The order of attribution: a join first (its place is known), then a move of the learning rate, a factor, a lasting
rise, and what is left is a spike, a stretch or a shift. One place never gets two names.
"""

from __future__ import annotations

import math

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.change_points import (
    MEDIAN_ERROR,
    is_integer_like,
    is_ramp,
    row_noise,
    same_noise,
    shifts_of,
)
from analyzer.clocks.loss import read_loss_baseline
from analyzer.clocks.loss_baseline import Divergence, JoinChange, LevelShift, LossBaseline, LossEvents
from analyzer.clocks.loss_company import fell_at_starts, starts_an_epoch, starts_of_epochs, what_moved
from analyzer.clocks.loss_divergence import find_divergence
from analyzer.clocks.loss_edges import is_gradual
from analyzer.clocks.loss_joins import changes_at_joins
from analyzer.clocks.loss_restarts import restarts_without_a_join
from analyzer.clocks.loss_scan import Scan
from analyzer.clocks.loss_spikes import Spike, find_spikes
from analyzer.clocks.loss_windows import without_closing_noise
from analyzer.clocks.recurring_peaks import is_habit, without_recurring
from analyzer.model import Floats
from analyzer.timeline import Timeline

# The budget of false alarms is eight runs in a thousand over all rules of the loss: half for single rows and blocks
# (P_VALUE of loss_spikes.py, whose chances are twice too high), a quarter for the scan, and the rest for joins, the
# validation loss and epoch means. docs/detection.md has what healthy runs really give.
P_LEVEL = 1e-2  # chance of any change of level in a sound run; factors, divergence, stretches and shifts share it
LOG_NOISE = 0.6  # scatter of the log-loss from which a row of three times the loss is nothing special
RATIO_ERROR_AT_JOIN = 0.08  # of the ratio: with more, what a lost state does to the loss looks like a factor
LARGEST_FALL = 0.8  # of the level, that is told although it is no factor: a loss falls by itself
RATIO_ERROR_OF_FALL = 0.05  # a loss falls by itself, and then by any ratio; by a third or less in one row hardly ever
RATIO_ERROR_INSIDE = 0.08  # within an epoch, where no samples are seen again
RATIO_ERROR_OF_INTERVAL = 0.06  # an integer lies within three such errors of one ratio in three
FAR = 10.0  # an augmentation that is switched on or off makes two or three times the loss
LEAST_INTERVAL = 20  # rows that show whether the relative noise is the same
LEAST_BEFORE = 8  # rows without which there was no scale yet
LEAST_FACTOR_AT_JOIN = 3  # a lost state may well double the loss for a while
LEAST_DOWN_UNKNOWN = 4  # where epochs are unknown a smaller fall may be samples seen again
ERROR_OF_EXACT_FALL = 0.01  # of the ratio: a fall by chance lies so near to an integer once in twenty
FARTHEST_START = 10  # rows of a fall, whose place noise blurs, from the start of the epoch that explains it
THIRDS, SHARE_OF_A_FALL = (10, 20), 0.5  # of rows behind a rise; what a state has lost is learnt again, a factor stays
SAME_FACTOR = 0.05  # in logs: by as much a column and a loss differ that are multiplied together
SHORTEST_HUMP = 50  # rows; on fewer a rise and its way are told apart by no noise
SHARE_OF_NEW = 0.5  # of its height that a peak in replayed steps adds to what stood there before
NEAR_JOIN_ROWS = 3  # a change that begins so close to a join belongs to it
STRETCH_UNITS = 1.2  # noise units of single rows that a raised stretch stands high: less is not seen in the curve
BESIDE_ROWS = 20  # of a stretch, at most, that tell how high it begins
MOST_STRETCHES = 3  # a loss with more goes up and down with its data
TRANSIENT, LARGEST_REST = 3.0, 3.0  # times the lasting rise, in logs, that a peak is; and the largest such rise


def read_loss(timeline: Timeline) -> LossBaseline | None:
    """The main training loss with what happens to it; None when there is none."""
    loss = read_loss_baseline(timeline)
    return None if loss is None else replace(loss, events=name_events(loss, timeline))


def name_events(loss: LossBaseline, timeline: Timeline) -> LossEvents:
    """Judge the curve; nothing when statistics do not apply to it."""
    if loss.unfit or not np.all(loss.value > 0):
        return LossEvents()
    log = np.log(loss.value)
    scan = Scan(log, first=loss.burn_in, floor=loss.log_floor)
    joins = (*changes_at_joins(loss, timeline, scan), *restarts_without_a_join(loss, timeline))
    changes = scan.changes(P_LEVEL)
    anew = [at for at, index in loss.joins if timeline.joins[index].step == "fresh"]  # another run begins there
    starts = starts_of_epochs(timeline, loss)
    shifts = [
        shift
        for shift in shifts_of(log, changes, loss.burn_in, scan.error_at)
        if not is_habit(math.log(shift.ratio), shift.row, log, starts)
        if all(abs(shift.row - at) > NEAR_JOIN_ROWS for at in anew)
    ]
    factors = [shift for shift in shifts if _is_factor(shift, log, loss, timeline, joins)]
    scale = max(factors, key=lambda shift: abs(np.log(shift.ratio)), default=None)
    divergence = None
    if scale is None:
        divergence = find_divergence(log, changes, loss.burn_in)
        if divergence is not None and _explained(divergence.onset, joins):
            divergence = None
    else:
        joins = tuple(change for change in joins if abs(change.position - scale.row) > NEAR_JOIN_ROWS)
    if divergence is not None and _is_transient(divergence, log):
        divergence = None
    if divergence is not None and what_moved(timeline, loss, divergence.onset, divergence.onset).data is not None:
        divergence = None  # harder data
    if divergence is not None and any(0 <= divergence.onset - at <= NEAR_JOIN_ROWS for at in anew):
        divergence = None
    end = len(log) if divergence is None else divergence.onset - NEAR_JOIN_ROWS
    places = [] if scale is None else [scale.row, scale.last + 1]

    def is_new(first: int, last: int) -> bool:
        inside = any(first - NEAR_JOIN_ROWS <= at <= last + NEAR_JOIN_ROWS for at in places)
        return first < end and not _explained(first, joins) and not inside

    spikes = [
        spike
        for spike in without_recurring(spikes_of(loss, without_closing_noise(loss, timeline)), loss, timeline)
        if is_new(spike.first, spike.last) and not _is_replay(spike, loss) and not _is_hump(spike, log)
        if what_moved(timeline, loss, spike.first, spike.first).data is None
        if not is_habit(math.log1p(spike.height / spike.level), spike.first, log, starts)
    ]
    stretches = [
        spike
        for shift in shifts
        if is_new(shift.row, shift.row) and (spike := _stretch(shift, loss)) is not None and not _is_replay(spike, loss)
    ]
    if len(stretches) <= MOST_STRETCHES:
        spikes += [stretch for stretch in stretches if not _within(stretch, spikes)]
    lasting = tuple(
        shift
        for shift in shifts
        if scale is None and divergence is None and shift.lasting and shift.sharp and shift.steady
        if shift.ratio > 1 or shift.ratio < LARGEST_FALL
        if is_new(shift.row, shift.row) and not _explains(shift, loss, timeline) and not _falls_back(shift, log)
        if not (shift.down and any(spike.first < shift.row <= spike.last + 1 for spike in spikes))
    )
    return LossEvents(
        joins=joins,
        spikes=tuple(sorted(spikes, key=lambda spike: spike.first)),
        divergence=divergence,
        scale=scale,
        shifts=lasting,
    )


def spikes_of(loss: LossBaseline, value: Floats) -> list[Spike]:
    """Spikes of the loss, or of its logarithm where the noise is of the size of the loss itself."""
    log = np.log(value)
    if row_noise(log) <= LOG_NOISE:
        return find_spikes(value, floor=loss.floor, judged_from=loss.burn_in)
    middle = float(np.median(value))
    return [
        replace(spike, level=float(np.exp(spike.level)), height=float(value[spike.peak] - np.exp(spike.level)))
        for spike in find_spikes(log, floor=loss.floor / max(middle, 1e-300), judged_from=loss.burn_in)
    ]


def _is_hump(spike: Spike, log: Floats) -> bool:
    """Many rows whose rise takes a good part of them: harder data for a while."""
    rows = spike.last - spike.first + 1
    return rows >= SHORTEST_HUMP and is_gradual(log, spike.first, rows)


def _explained(position: int, joins: tuple[JoinChange, ...]) -> bool:
    return any(change.position - 2 <= position <= change.last + NEAR_JOIN_ROWS for change in joins)


def _is_replay(spike: Spike, loss: LossBaseline) -> bool:
    """The rows stand where the same steps stood when they were logged first: the curve goes back, the loss does not."""
    step = loss.series.step[loss.rows]
    before, inside = slice(0, spike.first), slice(spike.first, spike.last + 1)
    same = (step[before] >= step[inside].min()) & (step[before] <= step[inside].max())
    if not same.any():
        return False
    height = float(np.median(loss.value[inside])) - float(np.median(loss.value[before][same]))
    return height < SHARE_OF_NEW * (float(np.median(loss.value[inside])) - spike.level)


def _is_transient(divergence: Divergence, log: Floats) -> bool:
    """Behind its onset the curve stood far above where it ends: it comes back, if not wholly."""
    lowest, final = float(np.log(divergence.lowest)), float(np.log(divergence.final))
    later = log[divergence.onset :]
    return float(np.max(later)) - lowest > TRANSIENT * (final - lowest) and final - lowest < np.log(LARGEST_REST)


def _within(one: Spike, others: list[Spike]) -> bool:
    return any(other.first <= one.last and one.first <= other.last for other in others)


def join_near(loss: LossBaseline, position: int, reach: int = NEAR_JOIN_ROWS) -> int | None:
    """Index of the join that lies at a position of the curve, or None."""
    for at, index in loss.joins:
        if -1 <= position - at <= reach:
            return index
    return None


def _stretch(shift: LevelShift, loss: LossBaseline) -> Spike | None:
    """A rise that is taken back, each within a row or two as far as the noise tells, as a spike of many rows."""
    back = shift.back
    if shift.down or not shift.sharp or back is None or not back.sharp:
        return None
    first, last = shift.row, shift.last
    log = np.log(loss.value)
    if is_gradual(log, first, last - first + 1) or is_gradual(log, last + 1, last - first + 1):
        return None  # harder data for a while
    inside = loss.value[first : min(first + BESIDE_ROWS, last + 1)]
    level = float(np.median(inside)) / shift.ratio
    noise = max(shift.noise_before, shift.noise_after, float(loss.log_floor[shift.row]))
    units = min(math.log(shift.ratio), -math.log(back.ratio)) / noise
    if units < STRETCH_UNITS:
        return None
    peak = first + int(loss.value[first : last + 1].argmax())
    return Spike(
        first=first,
        last=last,
        peak=peak,
        level=level,
        height=float(loss.value[peak] - level),
        units=units,
        row_units=float((loss.value[peak] - level) / max(level * noise, 1e-300)),
        p_value=max(shift.p_value, back.p_value),
        length=last - first + 1,
    )


def _is_factor(
    shift: LevelShift,
    log: Floats,
    loss: LossBaseline,
    timeline: Timeline,
    joins: tuple[JoinChange, ...],
) -> bool:
    if shift.row - loss.burn_in < LEAST_BEFORE:
        return False
    told = is_integer_like(shift) or _leaves_the_validation(shift, loss, timeline)
    if not (shift.sharp and told and same_noise(shift)) or is_ramp(log, shift, loss.burn_in):
        return False
    if _falls_back(shift, log):
        return False
    if shift.down:
        inside = starts_an_epoch(timeline, loss, shift.row, reach=_blurred(shift)) is False
        unsure = RATIO_ERROR_INSIDE if inside else RATIO_ERROR_OF_FALL
        if shift.error > unsure * max(1.0, shift.factor / LEAST_FACTOR_AT_JOIN):
            return False
    back = shift.back
    if back is not None:  # as an interval: it goes as it came, and the integer is no chance
        integer = shift.error * max(shift.ratio, 1 / shift.ratio) <= RATIO_ERROR_OF_INTERVAL
        returns = abs(np.log(shift.ratio * back.ratio)) <= max(3 * np.hypot(shift.error, back.error), 0.02)
        if not (back.sharp and integer and returns) or shift.last - shift.row < LEAST_INTERVAL:
            return False
    if _explains(shift, loss, timeline):
        return False
    if shift.error > RATIO_ERROR_AT_JOIN and join_near(loss, shift.row) is not None:
        return False
    if any(change.kind == "fresh" and abs(change.position - shift.row) <= NEAR_JOIN_ROWS for change in joins):
        return False
    return shift.factor >= LEAST_FACTOR_AT_JOIN or not _explained(shift.row, joins)


def _leaves_the_validation(shift: LevelShift, loss: LossBaseline, timeline: Timeline) -> bool:
    """A step by far more than other data make of a loss, where the validation stands: it is computed anew."""
    far = shift.steady and abs(math.log(shift.ratio)) > math.log(FAR)
    return far and what_moved(timeline, loss, shift.row, shift.row).validation == 1.0


def _falls_back(shift: LevelShift, log: Floats) -> bool:
    """Behind a rise the curve falls by much of it, and did not so before it: what is multiplied keeps its course."""
    if shift.down:
        return False
    for third in THIRDS:
        before, behind = log[: shift.row][-3 * third :], log[shift.row :][: 3 * third]
        if min(len(before), len(behind)) < 3 * third:
            break
        fell = [float(np.median(part[:third]) - np.median(part[-third:])) for part in (before, behind)]
        error = max(shift.noise_before, shift.noise_after) * MEDIAN_ERROR * math.sqrt(4 / third)
        if fell[1] - max(fell[0], 0.0) > SHARE_OF_A_FALL * math.log(shift.ratio) + 2 * error:
            return True
    return False


def _explains(shift: LevelShift, loss: LossBaseline, timeline: Timeline) -> bool:
    """The learning rate moves there; or it is a fall where samples are seen again."""
    near = max(2, len(loss.value) // 100)
    if np.any(np.abs(loss.learning_rate_moves - shift.row) <= near):
        return True
    moved = what_moved(timeline, loss, shift.row, shift.row)
    if moved.learning_rate is not None and (shift.down or moved.learning_rate > 1):
        return True
    factor = 1 / shift.factor if shift.down else shift.factor
    if moved.data is not None and abs(math.log(moved.data[1] / factor)) > SAME_FACTOR:
        return True  # other data; where they are as many times as much, the loss may be their sum
    if moved.validation not in (None, 1.0) and abs(math.log(moved.validation / factor)) > SAME_FACTOR:
        return True  # the model itself is another; a factor leaves the validation alone, or multiplies it as well
    if not shift.down:
        return False
    again = starts_an_epoch(timeline, loss, shift.row, reach=_blurred(shift))
    if again and moved.validation == 1.0 and not fell_at_starts(timeline, loss, shift.row, -math.log(shift.ratio)):
        return False
    by_chance = shift.factor < LEAST_DOWN_UNKNOWN and shift.error > ERROR_OF_EXACT_FALL
    return again is True or (again is None and by_chance)


def _blurred(shift: LevelShift) -> int:
    """By how many rows noise may misplace a change, at four errors."""
    rows = (4 * max(shift.noise_before, shift.noise_after) / abs(math.log(shift.ratio))) ** 2
    return min(1 + int(rows), FARTHEST_START)
