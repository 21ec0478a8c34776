"""Places inside an epoch to steps: where label, place and total are printed, they say which step of the run it was.

``Epoch [3/5], Step [100/600]`` is step 2 * 600 + 100, and 600 is no length of the run. What the lines do not determine
stays what it is.
"""

from __future__ import annotations

import bisect
import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from analyzer.model import Floats
from analyzer.readers.columns import Counts
from analyzer.readers.stdout.general import COUNTERS

Entry = dict[str, Any]
Found = tuple[int, str, Entry]  # line number, name of the pattern, what the line says
STEP = "step of the run"  # the derived counter, in the entries
HEADING = "heading"  # the epoch that stands alone above a line, in the entries
BAR, BARS = "bar", "bars"  # place and total of a progress bar, in the entries
PLACES_AND_TOTALS = (("batch", "batches"), ("samples", "of"), ("step", "total"), ("iter", "total"))
TOTALS = ("epochs", "batches", "of", "total", BAR, BARS)  # of an entry that are no series
LIGHTNING = "v_num"  # its bar went on over the batches of validation, which the total then holds too
SHARE_WITH_A_TOTAL = 0.5  # of the rows with an epoch; fewer are those of another phase
BEYOND_ITS_SHARE = 1.5  # a place that far in the first epoch is none in a total of all epochs
GLOBAL = frozenset({"global_step", "num_updates", "total_step", "total_timesteps"})  # counters of the run by their name
ROWS_OF_A_LIFE = 3  # fewer between two breaks are a label that is wrong
EVENLY = 0.8  # share of equal distances between rows that a cadence of logging has


class Axis(Struct, frozen=True, kw_only=True):
    """The counter that the lines of one file have together, and what they declare by it."""

    column: str | None = None  # the derived counter; None where the lines have one of their own, or none
    counts: Counts | None = None
    max_steps: int | None = None  # a printed total of the run
    redraws: bool = False  # rows are the states of a progress bar


def axis_of(found: list[Found]) -> tuple[list[Found], Axis]:
    """The lines with a step where they determine one, without the states of bars, and what was derived."""
    bars = sum(BAR in entry for _, _, entry in found)
    under = _under_bars(found) if bars else None
    if bars:
        found = _last_states([one for one in found if set(one[2]) - {BAR, BARS}])
    entries = [entry for _, _, entry in found]
    _under_headings(entries)
    if under is not None:
        return found, Axis(max_steps=under)
    of_bars = sum(BAR in entry for entry in entries)
    if of_bars > len(entries) // 2:
        total = _one_bar(entries)
        if total is not None:
            for entry in entries:
                if BAR in entry:
                    entry[STEP] = entry[BAR]
            return found, Axis(column=STEP, counts="step", max_steps=total)
        if LIGHTNING in {key for entry in entries for key in entry} or not _bars_with_steps(entries):
            return found, Axis(redraws=True)
        return found, Axis(column=STEP, counts="batch")
    laps = with_steps(entries)
    if laps is not None:
        return found, Axis(column=STEP, counts=laps.counts)
    _call_places(entries)
    return found, Axis(max_steps=total_of_the_run(entries))


def _under_headings(entries: Sequence[Entry]) -> None:
    """Give lines the epoch that stands alone above them, where it advances; a counter that starts over is a place."""
    headings = [entry.pop(HEADING, None) for entry in entries]
    if len({heading for heading in headings if heading is not None}) > 1:
        for entry, heading in zip(entries, headings, strict=True):
            if heading is not None:
                entry.setdefault("epoch", heading)
    for name in ("step", "iter", "iteration"):
        told = [(entry["epoch"], entry[name]) for entry in entries if name in entry and "epoch" in entry]
        pairs = list(itertools.pairwise(told))
        rises = [after[1] < before[1] for before, after in pairs if after[0] > before[0]]
        inside = [after[1] < before[1] for before, after in pairs if after[0] == before[0]]
        if rises and all(rises) and not any(inside) and not any("total" in entry for entry in entries):
            for entry in entries:
                if name in entry and "batch" not in entry:
                    entry["batch"] = entry.pop(name)


def _call_places(entries: Sequence[Entry]) -> None:
    """Call a counter that starts over with the label by what it is, where its steps could not be told."""
    for name in ("step", "iter"):
        rows = [entry for entry in entries if name in entry and "total" in entry and _whole(entry.get("epoch"))]
        epoch, at = (np.array([float(entry[key]) for entry in rows]) for key in ("epoch", name))
        if len(rows) > 1 and _of_the_epoch(epoch, at, max(int(entry["total"]) for entry in rows), 1):
            for entry in rows:
                entry["batch_in_epoch"] = entry.pop(name)
                del entry["total"]


def _last_states(found: list[Found]) -> list[Found]:
    """The last painting of each state of a bar: the earlier ones show the same place."""
    return [
        one
        for one, after in zip(found, [*found[1:], None], strict=True)
        if after is None or BAR not in one[2] or any(one[2].get(k) != after[2].get(k) for k in (BAR, BARS, "epoch"))
    ]


def _one_bar(entries: Sequence[Entry]) -> int | None:
    """The total of a bar that goes once through the run: no epochs beside it, one total, and it never falls."""
    states = [(entry[BAR], entry[BARS]) for entry in entries if BAR in entry]
    once = len({total for _, total in states}) == 1 and all(a <= b for (a, _), (b, _) in itertools.pairwise(states))
    return states[0][1] if once and not any("epoch" in entry for entry in entries) else None


def _bars_with_steps(entries: Sequence[Entry]) -> bool:
    """Add the step of the run to the states of bars that go through one epoch each; whether they say enough for it.

    Bars without a label count laps where each goes to its total before the next begins.
    """
    bars = [entry for entry in entries if BAR in entry]
    if not any("epoch" in entry for entry in bars):
        totals = {entry[BARS] for entry in bars}
        falls = [before for before, after in itertools.pairwise(bars) if after[BAR] < before[BAR]]
        if len(totals) > 1 or any(entry[BAR] != entry[BARS] for entry in falls):
            return False
        lap = -1
        for before, entry in zip([None, *bars], bars, strict=False):
            lap += before is None or entry[BAR] < before[BAR]
            entry[STEP] = lap * entry[BARS] + entry[BAR]
        return True
    return _laps(entries, BAR, BARS) is not None


def _under_bars(found: Sequence[Found]) -> int | None:
    """Give printed dictionaries the place of the bar above them, where it goes on as evenly as a cadence of logging.

    The Trainer's bar counts updates and its dictionaries have none. Returns the bar's total; None where none is sure.
    """
    last: dict[int, int] = {}  # total -> place
    latest = 0
    told: list[tuple[Entry, dict[int, int]]] = []
    for _, pattern, entry in found:
        if BAR in entry:
            latest = entry[BARS]
            last[latest] = entry[BAR]
        if pattern == "trainer" and "loss" in entry and last:
            told.append((entry, dict(last)))
    totals = Counter(total for _, places in told for total in places)
    if len(told) < 2 or not totals:
        return None
    total = max(totals, key=lambda one: (totals[one], one))
    places = np.array([of_bar.get(total, -1) for _, of_bar in told])
    rises = np.diff(places)
    if (places < 0).any() or (rises <= 0).any() or (rises == np.median(rises)).mean() < EVENLY:
        return None
    place = None
    for _, pattern, entry in found:
        place = entry[BAR] if entry.get(BARS) == total else place
        if pattern == "trainer" and place is not None:
            entry["step"] = place
    return int(total)


class Laps(Struct, frozen=True, kw_only=True):
    """How places inside the epoch became steps."""

    place: str  # the column of the place: batch, step, iter, samples, bar
    total: int  # places in one epoch
    counts: Counts  # what the derived counter counts: step or samples


def with_steps(entries: Sequence[Entry]) -> Laps | None:
    """Add the step of the run to every entry that has an epoch, where places and totals determine it; else None.

    They do when all epochs have one length and (epoch, place) goes on, or breaks off inside an epoch. A label that is
    wrong, an epoch that is done twice or left out whole, and a length that changes are for the clocks to find, and a
    step made of them would hide them.
    Entries without a counter have the step at which they were printed: the lap's end, where they close one.
    """
    if sum(not GLOBAL.isdisjoint(entry) for entry in entries) >= len(entries) / 2:
        return None
    _call_labels(entries)
    for place, total in PLACES_AND_TOTALS:
        found = _laps(entries, place, total)
        if found is not None:
            return found
    _count_whole_laps(entries)
    for place, total in PLACES_AND_TOTALS:
        _lengths_by_cadence(entries, place, total)
        found = _laps(entries, place, total)
        if found is not None:
            return found
    return None


def _call_labels(entries: Sequence[Entry]) -> None:
    """Tell ``Batch 3/100`` of WeNet from a place with its total: the first goes up by one where the second falls."""
    for place, total in (("batch", "batches"), ("step", "total"), ("iter", "total")):
        rows = [entry for entry in entries if place in entry and total in entry]
        pairs = list(itertools.pairwise((entry[place], entry[total]) for entry in rows))
        inside = [after[1] > before[1] for before, after in pairs if after[0] == before[0]]
        seams = [after[1] < before[1] for before, after in pairs if after[0] == before[0] + 1]
        if seams and all(inside) and all(seams) and len(inside) >= len(seams):
            for entry in rows:
                entry["epoch"], entry["batch"] = entry.pop(place), entry.pop(total)


def _lengths_by_cadence(entries: Sequence[Entry], place: str, total: str) -> None:
    """Give places their total where rows go on at one distance over the ends of epochs, at other places in each.

    CycleGAN prints every 100 images of the run: epoch 1 ends with 1300, epoch 2 begins with 66, so there are 1334.
    """
    rows = [entry for entry in entries if place in entry and _whole(entry.get("epoch"))]
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
    """Give every row the places of an epoch, where all are printed and all epochs but the last have as many."""
    rows = [entry for entry in entries if "batch" in entry and _whole(entry.get("epoch"))]
    if len(rows) < 2 or any("batches" in entry for entry in rows):
        return
    epoch, place = (np.array([int(entry[name]) for entry in rows]) for name in ("epoch", "batch"))
    starts = np.flatnonzero(np.diff(epoch, prepend=epoch[0] - 1))
    first = place[starts]
    lengths = np.diff(np.append(starts, len(rows)))
    inside = np.diff(place)[np.diff(epoch) == 0]
    if len(starts) < 2 or (first != first[0]).any() or first[0] not in (0, 1) or (inside != 1).any():
        return
    if (lengths[:-1] != lengths[0]).any() or lengths[-1] > lengths[0]:
        return
    for entry in rows:
        entry["batch"] += 1 - int(first[0])
        entry["batches"] = int(lengths[0])


def _laps(entries: Sequence[Entry], place: str, total: str) -> Laps | None:
    rows = [at for at, entry in enumerate(entries) if place in entry and total in entry and _whole(entry.get("epoch"))]
    labelled = sum("epoch" in entry for entry in entries)
    if len(rows) < 2 or len(rows) < SHARE_WITH_A_TOTAL * labelled:
        return None
    epoch, at, of = (np.array([float(entries[row][name]) for row in rows]) for name in ("epoch", place, total))
    length = int(of[0])
    if length < 2 or (of != length).any() or (at > length).any() or not _goes_on(epoch, at, length):
        return None
    if total == "total":
        of_all = [entries[row].get("epochs") for row in rows]
        if not _of_the_epoch(epoch, at, length, max((e for e in of_all if e), default=1)):
            return None
    base = 0 if (epoch == 0).any() else 1
    for row, label, where in zip(rows, epoch.tolist(), at.tolist(), strict=True):
        entries[row][STEP] = int((label - base) * length + where)
    _close_laps(entries, rows, epoch - base, length)
    return Laps(place=place, total=length, counts="samples" if place == "samples" else "batch")


def _goes_on(epoch: Floats, at: Floats, length: int) -> bool:
    """Whether (epoch, place) goes on, or breaks off where no wrong label would: inside an epoch, for several rows."""
    rise = np.diff(epoch)
    back = np.diff(epoch * (length + 1) + at) < 0
    breaks = np.flatnonzero(back | (rise > 1))
    if not len(breaks):
        return True
    steps = np.diff(at)[(rise == 0) & ~back]
    cadence = float(np.median(steps)) if len(steps) else length
    ends, begins = at[breaks] + cadence >= length, at[breaks + 1] <= cadence
    whole = ends & begins & (rise[breaks] >= 0)  # a lap more or less, or a label that is wrong
    return not whole.any() and int(np.diff([-1, *breaks, len(at) - 1]).min()) >= ROWS_OF_A_LIFE


def _close_laps(entries: Sequence[Entry], rows: Sequence[int], lap: Floats, length: int) -> None:
    """Give entries without a counter the step at which they were printed, whatever label they carry.

    Between the last place of a lap and the first of the next it is the lap's end; between two places of one lap that of
    the place before. ``lap`` counts from 0 at ``rows``.
    """
    for at, entry in enumerate(entries):
        if STEP in entry or not COUNTERS.isdisjoint(entry) or "batch" in entry or BAR in entry:
            continue
        after = bisect.bisect_left(rows, at)
        if after == 0:
            entry[STEP] = int(lap[0]) * length
        elif after == len(rows) or lap[after] > lap[after - 1]:
            entry[STEP] = int(lap[after - 1] + 1) * length
        else:
            entry[STEP] = entries[rows[after - 1]][STEP]


def _whole(epoch: Any) -> bool:
    return isinstance(epoch, int) or (isinstance(epoch, float) and epoch.is_integer())


def _of_the_epoch(epoch: Floats, at: Floats, length: int, epochs: int) -> bool:
    """Whether a total is that of each epoch: the place starts over with the label, or goes further in the first epoch
    than its share of a total of all epochs."""
    rises = np.diff(epoch) > 0
    if rises.any():
        return bool((np.diff(at) < 0)[rises].mean() > 0.5)
    return epochs > 1 and float(at.max()) > BEYOND_ITS_SHARE * length / epochs


def total_of_the_run(entries: Sequence[Entry]) -> int | None:
    """The total of a step counter where it is that of the run: it is one, and the counter goes on over the epochs."""
    rows = [entry for entry in entries if "total" in entry]
    totals = {entry["total"] for entry in rows}
    if len(totals) != 1 or any(STEP in entry for entry in rows):
        return None
    labels = [entry["epoch"] for entry in rows if "epoch" in entry]
    counts = [next(entry[name] for name in entry if name in COUNTERS) for entry in rows if COUNTERS & entry.keys()]
    falls = any(b < a for a, b in itertools.pairwise(counts))
    if labels and (len(set(labels)) == 1 or falls):
        return None  # one epoch shows nothing; a counter that falls was none of the run
    return int(totals.pop())
