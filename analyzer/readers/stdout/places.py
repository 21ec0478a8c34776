"""Places inside an epoch to steps: where label, place and total are printed, they say which step of the run it was.

``Epoch [3/5], Step [100/600]`` is step 2 * 600 + 100, and 600 is no length of the run. What the lines do not determine
stays what it is.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from analyzer.model import Floats
from analyzer.readers.columns import Counts
from analyzer.readers.columns.places import laps_of_rows
from analyzer.readers.columns.step_axis import LARGEST_STEP
from analyzer.readers.stdout.counters import COUNTERS
from analyzer.readers.stdout.counting import PLACES_AND_TOTALS, goes_on, without_places_of_evaluations
from analyzer.readers.stdout.patterns import WALL
from analyzer.roles import role_of_tag

Entry = dict[str, Any]
STEP = "step of the run"  # the derived counter, in the entries
HEADING = "heading"  # the epoch that stands alone above a line, in the entries
BAR, BARS = "bar", "bars"  # place and total of a progress bar, in the entries
SHARE_WITH_A_TOTAL = 0.5  # of the rows with an epoch; fewer are those of another phase
BEYOND_ITS_SHARE = 1.5  # a place that far in the first epoch is none in a total of all epochs
GLOBAL = frozenset({"global_step", "num_updates", "total_step", "total_timesteps"})  # counters of the run by their name
LENGTHS_AT_MOST = 3  # changes of the total; epochs that differ all the time have no length
EPOCHS_OF_A_LENGTH = 2  # a single one was cut, or has lost rows
ROWS_OF_A_LIFE = 3  # fewer between two breaks are a label that is wrong
SMALLEST_BATCH = 16  # samples; places that rise by a multiple of it, which is no round number, are hardly batches
EVENLY = 0.8  # share of equal distances between rows that a cadence of logging has


class Laps(Struct, frozen=True, kw_only=True):
    """How places inside the epoch became steps."""

    place: str  # the column of the place: batch, step, iter, samples, bar
    total: int  # places in one epoch
    counts: Counts  # what the derived counter counts: step or samples


def with_steps(entries: Sequence[Entry]) -> Laps | None:
    """Add the step of the run to every entry that has an epoch, where places and totals determine it; else None.

    They do when all epochs have one length, or another one from some epoch on, and (epoch, place) goes on, or breaks
    off inside an epoch. Where a label does not follow the one before although the places go on, laps are counted, so
    that the label is left for the clocks to judge.
    Entries without a counter have the step at which they were printed: the lap's end, where they close one.
    """
    if sum(not GLOBAL.isdisjoint(entry) for entry in entries) >= len(entries) / 2:
        return None
    if any(goes_on(entries, place, total) for place, total in PLACES_AND_TOTALS):
        return None
    _call_labels(entries)
    without_places_of_evaluations(entries)
    for place, total in PLACES_AND_TOTALS:
        found = laps_of(entries, place, total)
        if found is not None:
            return found
    _count_whole_laps(entries)
    for place, total in PLACES_AND_TOTALS:
        _lengths_by_cadence(entries, place, total)
        found = laps_of(entries, place, total)
        if found is not None:
            return found
    return None


def _call_labels(entries: Sequence[Entry]) -> None:
    """Tell ``Batch 3/100`` of WeNet from a place with its total: the first goes up by one where the second falls."""
    for place, total in (("batch", "batches"), ("step", "total"), ("iter", "total")):
        kinds: dict[frozenset[str], list[Entry]] = {}
        for entry in entries:
            if place in entry and total in entry:
                kinds.setdefault(frozenset(entry), []).append(entry)
        told = [_labels_and_places([(entry[place], entry[total]) for entry in rows]) for rows in kinds.values()]
        if any(told) and False not in told:
            for entry in itertools.chain.from_iterable(kinds.values()):
                entry["epoch"], entry["batch"] = entry.pop(place), entry.pop(total)


def _labels_and_places(told: Sequence[tuple[int, int]]) -> bool | None:
    """Whether pairs of numbers are labels and places rather than places and totals; None where they show neither."""
    pairs = list(itertools.pairwise(told))
    inside = [after[1] > before[1] for before, after in pairs if after[0] == before[0]]
    seams = [after[1] < before[1] for before, after in pairs if after[0] == before[0] + 1]
    if not seams and all(inside):
        return None
    return bool(seams) and all(inside) and all(seams) and len(inside) >= len(seams)


def _lengths_by_cadence(entries: Sequence[Entry], place: str, total: str) -> None:
    """Give places their total where rows go on at one distance over the ends of epochs, at other places in each.

    CycleGAN prints every 100 images of the run: epoch 1 ends with 1300, epoch 2 begins with 66, so there are 1334.
    """
    rows = [entry for entry in entries if is_whole(entry.get(place)) and is_whole(entry.get("epoch"))]
    if len(rows) < 4 or any(total in entry for entry in rows):
        return
    epoch, at = (np.array([int(entry[name]) for entry in rows]) for name in ("epoch", place))
    rise, along = np.diff(epoch), np.diff(at)
    spacing = float(np.median(along[rise == 0])) if (rise == 0).any() else 0.0
    seams = np.flatnonzero(rise == 1)
    length = at[seams] + spacing - at[seams + 1]
    if len(seams) < 2 or spacing <= 0 or (along[rise == 0] == spacing).mean() < EVENLY:
        return
    if (length != length[0]).any() or len(set(at[seams + 1].tolist())) < 2 or length[0] < at.max():
        return
    for entry in rows:
        entry[total] = int(length[0])


def _count_whole_laps(entries: Sequence[Entry]) -> None:
    """Give every row the places of its epoch, where all are printed, and two epochs or more have each length."""
    rows = [entry for entry in entries if is_whole(entry.get("batch")) and is_whole(entry.get("epoch"))]
    if len(rows) < 2 or any("batches" in entry for entry in rows):
        return
    epoch, place = (np.array([int(entry[name]) for entry in rows]) for name in ("epoch", "batch"))
    starts = np.flatnonzero(np.diff(epoch, prepend=epoch[0] - 1))
    first = place[starts]
    lengths = np.diff(np.append(starts, len(rows)))
    inside = np.diff(place)[np.diff(epoch) == 0]
    if len(starts) < 2 or (first != first[0]).any() or first[0] not in (0, 1) or (inside != 1).any():
        return
    changes = np.flatnonzero(np.diff(lengths[:-1])) + 1
    held = np.diff([0, *changes, len(lengths) - 1])
    if len(changes) > LENGTHS_AT_MOST or (len(changes) and held.min() < EPOCHS_OF_A_LENGTH):
        return
    if lengths[-1] > lengths[-2]:
        return
    lengths[-1] = lengths[-2]  # the last may be cut
    for entry, length in zip(rows, np.repeat(lengths, np.diff(np.append(starts, len(rows)))).tolist(), strict=True):
        entry["batch"] += 1 - int(first[0])
        entry["batches"] = length


def laps_of(entries: Sequence[Entry], place: str, total: str) -> Laps | None:
    rows = [at for at, entry in enumerate(entries) if {place, total} <= entry.keys() and is_whole(entry.get("epoch"))]
    labelled = sum("epoch" in entry for entry in entries)
    if len(rows) < 2 or len(rows) < SHARE_WITH_A_TOTAL * labelled:
        return None
    epoch, at, of = (np.array([float(entries[row][name]) for row in rows]) for name in ("epoch", place, total))
    if of.min() < 2 or (at > of).any():
        return None
    batch = _batch_of_samples(at, of)
    if batch:
        at, of = np.ceil(at / batch), np.ceil(of / batch)
    length = int(of[0])
    told = [entries[row] for row in rows]
    before = _before(epoch, at, of, _rates(told), np.array([float(one.get(WALL, np.nan)) for one in told]))
    if before is None:
        return None
    if total == "total":
        of_all = [entries[row].get("epochs") for row in rows]
        if not of_the_epoch(epoch, at, length, max((e for e in of_all if e), default=1)):
            return None
    begin = before - (0 if (epoch == 0).any() else length)
    for row, start, where in zip(rows, begin.tolist(), at.tolist(), strict=True):
        entries[row][STEP] = int(start + where)
    _close_laps(entries, rows, begin, of)
    samples = not batch and (place == "samples" or _in_samples(epoch, at))
    return Laps(place=place, total=length, counts="samples" if samples else "batch")


def _batch_of_samples(at: Floats, of: Floats) -> float | None:
    """The size of the batches whose samples are counted, where every batch has a row: places are its multiples, but for
    the last of each epoch, which is the total and no multiple. None where they count something else."""
    batch, total = float(at.min()), float(of[0])
    ends = at == total
    if batch < 2 or total % batch == 0 or np.count_nonzero(ends) < 2 or (of != total).any():
        return None
    behind = np.append(False, ends[:-1])  # the rows that begin an epoch
    whole = (at[~ends] % batch == 0).all() and (at[behind] == batch).all()
    return batch if whole and (np.diff(np.ceil(at / batch))[~ends[:-1]] == 1).all() else None


def _in_samples(epoch: Floats, at: Floats) -> bool:
    """Whether places count samples: each epoch begins with one batch of them and goes on by several, or they rise by
    what is a batch's size and no cadence of logging."""
    first = at[np.flatnonzero(np.diff(epoch, prepend=epoch[0] - 1) != 0)]
    batch, rise = float(first[0]), float(np.median(np.diff(at)))
    begins = len(first) > 1 and bool((first == batch).all()) and batch > 1 and rise > batch and rise % batch == 0
    return begins or (rise >= SMALLEST_BATCH and rise % SMALLEST_BATCH == 0 and rise % 10 != 0)


def _before(epoch: Floats, at: Floats, of: Floats, rate: Floats, wall: Floats) -> Floats | None:
    """The steps before the epoch of each row, counted from label 0, shape (rows,); None where they are not known."""
    rises, along, length = np.diff(epoch), np.diff(at), int(of[0])
    if (of != length).any():  # another length from some epoch on
        changes = np.diff(of) != 0
        sound = (rises[changes] == 1).all() and ((rises == 1) | ((rises == 0) & (along >= 0))).all()
        if not sound or np.count_nonzero(changes) > LENGTHS_AT_MOST:
            return None
        return epoch[0] * length + np.concatenate([[0.0], np.cumsum(rises * of[:-1])])
    behind = _behind(epoch, at, length, rate) if (along[rises == 1] <= 0).all() else None
    if behind is not None:
        return epoch * length + behind
    laps = laps_of_rows(epoch.astype(np.int64), at.astype(np.int64), wall, length)
    return None if laps is None else laps[0].astype(np.float64) * length


def _behind(epoch: Floats, at: Floats, length: int, rate: Floats) -> Floats | None:
    """How many steps each row lies behind its label and place, shape (rows,); None where they do not tell its step.

    They break off where no wrong label would: inside an epoch, for several rows. Where the epoch begins again under a
    rate that goes on, its batches are done once more; where the rate is that of the same place before, they are
    logged twice.
    """
    behind = np.zeros(len(at))
    rise = np.diff(epoch)
    along = epoch * (length + 1) + at
    back = np.diff(along) < 0
    breaks = np.flatnonzero(back | (rise > 1))
    if not len(breaks):
        return behind
    steps = np.diff(at)[(rise == 0) & ~back]
    cadence = float(np.median(steps)) if len(steps) else length
    whole = (at[breaks] + cadence >= length) & (at[breaks + 1] <= cadence) & (rise[breaks] >= 0)
    if whole.any() or int(np.diff([-1, *breaks, len(at) - 1]).min()) < ROWS_OF_A_LIFE:
        return None  # a lap more or less, or a label that is wrong
    for one in breaks[rise[breaks] == 0].tolist():
        again = np.flatnonzero(along[: one + 1] >= along[one + 1])
        twice = np.isin(along[one + 1 :], along[again])
        earlier = {along[row]: rate[row] for row in again.tolist()}
        same = [rate[one + 1 + row] == earlier[along[one + 1 + row]] for row in np.flatnonzero(twice).tolist()]
        if len(set(earlier.values())) < 2 or not np.isfinite(rate).all() or any(same) != all(same):
            return None  # a rate that is not there, or stands still, tells nothing
        if not any(same):
            if at[one + 1] > cadence:
                return None
            behind[one + 1 :] += at[one] + (at[0] == 0)
    return behind


def _rates(entries: Sequence[Entry]) -> Floats:
    """The learning rate of each entry, NaN where it has none, which equals nothing."""
    keys = dict.fromkeys(key for entry in entries for key in entry)
    name = next((key for key in keys if role_of_tag(key) == "learning_rate"), "")
    return np.array([float(entry.get(name, np.nan)) for entry in entries])


def _close_laps(entries: Sequence[Entry], rows: Sequence[int], begin: Floats, of: Floats) -> None:
    """Give entries without a counter the step at which they were printed, whatever label they carry.

    Between the last place of a lap and the first of the next it is the lap's end; between two places of one lap that of
    the place before. ``begin`` is the step at which the lap of each row begins, ``of`` its length.
    """
    for at, entry in enumerate(entries):
        if STEP in entry or not COUNTERS.isdisjoint(entry) or "batch" in entry or BAR in entry:
            continue
        after = bisect.bisect_left(rows, at)
        if after == 0:
            entry[STEP] = int(begin[0])
        elif after == len(rows) or begin[after] - begin[after - 1] >= of[after - 1]:
            entry[STEP] = int(begin[after - 1] + of[after - 1])
        else:
            entry[STEP] = entries[rows[after - 1]][STEP]


def is_whole(epoch: Any) -> bool:
    """Whether a label is a whole number that a step can be made of."""
    return isinstance(epoch, int | float) and abs(epoch) < LARGEST_STEP and float(epoch).is_integer()


def of_the_epoch(epoch: Floats, at: Floats, length: int, epochs: int) -> bool:
    """Whether a total is that of each epoch: the place starts over with the label, or goes further in the first epoch
    than its share of a total of all epochs."""
    rises = np.diff(epoch) > 0
    if rises.any():
        return bool((np.diff(at) < 0)[rises].mean() > 0.5)
    return epochs > 1 and float(at.max()) > BEYOND_ITS_SHARE * length / epochs
