"""What the lines of one file count together: a step of their own, places in the epoch, or the states of bars."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from analyzer.distinct import distinct
from analyzer.readers.columns import Counts
from analyzer.readers.stdout.counters import COUNTERS, PROGRESS, UNNAMED
from analyzer.readers.stdout.counting import beside_a_count_of_the_run, one_name, without_places_of_evaluations
from analyzer.readers.stdout.places import BAR, BARS, EVENLY, STEP, is_whole, laps_of, of_the_epoch, with_steps
from analyzer.roles import role_of_tag

Entry = dict[str, Any]
Found = tuple[int, str, Entry]  # line number, name of the pattern, what the line says
HEADING = "heading"  # the epoch that stands alone above a line, in the entries
TOTALS = ("epochs", "batches", "of", "total", BAR, BARS, UNNAMED)  # of an entry that are no series
BELOW = ("block",)  # patterns of lines that count by what stands above them
_OF_A_STEP = (*COUNTERS, "batch", "samples", BAR)
LIGHTNING = "v_num"  # its bar went on over the batches of validation, which the total then holds too


class LapAxis(Struct, frozen=True, kw_only=True):
    """The counter that the lines of one file have together, and what they declare by it."""

    column: str | None = None  # the derived counter; None where the lines have one of their own, or none
    counts: Counts | None = None
    max_steps: int | None = None  # a printed total of the run
    redraws: bool = False  # rows are the states of a progress bar


def axis_of(found: list[Found]) -> tuple[list[Found], LapAxis]:
    """The lines with a step where they determine one, without the states of bars, and what was derived."""
    bars = sum(BAR in entry for _, _, entry in found)
    under = _under_bars(found) if bars else None
    if bars:
        found = _last_states(_of_one_phase([one for one in found if set(one[2]) - {BAR, BARS}]))
        if not found:
            return found, LapAxis()
    entries = [entry for _, _, entry in found]
    one_name(entries)
    without_places_of_evaluations(entries)
    beside_a_count_of_the_run(entries)
    headed = [HEADING in entry or pattern in BELOW for _, pattern, entry in found]
    _under_headings(entries)
    _without_labels_of_another_base(found, headed)
    _told_apart(found)
    if under is not None:
        return found, LapAxis(max_steps=under)
    if 2 * sum(PROGRESS in entry for entry in entries) > len(entries):
        return found, LapAxis(redraws=True)
    of_bars = sum(BAR in entry for entry in entries)
    if of_bars > len(entries) // 2:
        total = _one_bar(entries)
        if total is not None:
            for entry in entries:
                if BAR in entry:
                    entry[STEP] = entry[BAR]
            return found, LapAxis(column=STEP, counts="step", max_steps=total)
        if LIGHTNING in {key for entry in entries for key in entry} or not _bars_with_steps(entries):
            return found, LapAxis(redraws=True)
        return found, LapAxis(column=STEP, counts="batch")
    laps = with_steps(entries)
    if laps is not None:
        return found, LapAxis(column=STEP, counts=laps.counts)
    if _laps_without_a_label(entries):
        return found, LapAxis(column=STEP, counts="batch")
    _call_places(entries)
    _epochs_without_a_word(found)
    return found, LapAxis(max_steps=total_of_the_run(entries))


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


def _kinds(found: Sequence[Found]) -> list[str]:
    """What each line tells of: "" a step, "epoch" an epoch, "summary" what stands below a counter."""
    return [
        "summary" if pattern in BELOW else "" if any(name in entry for name in _OF_A_STEP) else "epoch"
        for _, pattern, entry in found
    ]


def _without_labels_of_another_base(found: Sequence[Found], headed: Sequence[bool]) -> None:
    """Take the label from lines that count epochs from another number than the headlines do.

    ``epoch 0: {'accuracy': 0.7}`` under the headline ``Epoch 1``. A line is told after its epoch, or before it.
    """
    kinds = _kinds(found)
    main = next((kind for kind in ("", "epoch") if kind in kinds), "summary")
    if len({by for by, kind in zip(headed, kinds, strict=True) if kind == main}) > 1:
        return
    by_headline = next(by for by, kind in zip(headed, kinds, strict=True) if kind == main)
    latest, off = None, []
    for kind, by, (_, _, entry) in zip(kinds, headed, found, strict=True):
        if "epoch" in entry and kind == main:
            latest = entry["epoch"]
        elif "epoch" in entry and latest is not None and by != by_headline:
            off.append(entry["epoch"] - latest)
    if len(off) > 1 and len(set(off)) == 1 and off[0] not in (0, 1):
        for kind, by, (_, _, entry) in zip(kinds, headed, found, strict=True):
            if kind != main and by != by_headline and "epoch" in entry:
                entry[f"{kind} epoch"] = entry.pop("epoch")


FEWEST_OF_THE_MOST = 10  # rows of an epoch for each line about a step: a few steps are told at the end, or by chance
FEWEST_TURNS = 4  # of two bars; fewer are a length that changed


def _told_apart(found: Sequence[Found]) -> None:
    """Give a loss that lines of two kinds name alike a name for each: rows of steps, lines of an epoch, lines below.

    What an epoch's line or a line without a counter calls ``Loss`` beside rows of steps is a mean, or of validation.
    """
    kinds = _kinds(found)
    tell = [any(role_of_tag(name) == "loss" for name in entry) for _, _, entry in found]
    rows = Counter(kind for kind, has_a_loss in zip(kinds, tell, strict=True) if has_a_loss)
    most = max(rows.values(), default=0)
    main = next((kind for kind in ("", "epoch") if kind in rows and FEWEST_OF_THE_MOST * rows[kind] >= most), "summary")
    of_main = {name for kind, (_, _, entry) in zip(kinds, found, strict=True) if kind == main for name in entry}
    shared = {name for name in of_main if role_of_tag(name) == "loss"}
    for kind, (_, _, entry) in zip(kinds, found, strict=True):
        for name in shared.intersection(entry) if kind != main else ():
            entry[f"{kind} {name}"] = entry.pop(name)


LARGEST_NUMBER_OF_EPOCHS = 1_000  # a place of fewer that goes up by one with each line, and has no name, counts epochs


def _epochs_without_a_word(found: Sequence[Found]) -> None:
    """Call a place with a total that has no name an epoch, where every line goes one further and there are few of them.

    ``[025/50] train 0.2269``: whoever prints a line for each update prints thousands of them.
    """
    rows = [entry for _, _, entry in found if UNNAMED in entry and "step" in entry and "total" in entry]
    few = max((entry["total"] for entry in rows), default=0) <= LARGEST_NUMBER_OF_EPOCHS
    if any("epoch" in entry for _, _, entry in found) or not few:
        return
    if all(after["step"] - one["step"] == 1 for one, after in itertools.pairwise(rows)):
        for entry in rows:
            entry["epoch"] = entry.pop("step")
            del entry["total"]


def _laps_without_a_label(entries: Sequence[Entry]) -> bool:
    """Count the laps of a place whose total it reaches before it begins again, where no line has a label of epochs.

    A place that begins again elsewhere is none that steps can be made of.
    """
    rows = [entry for entry in entries if "step" in entry and "total" in entry]
    if not rows or any("epoch" in entry for entry in entries) or len({entry["total"] for entry in rows}) > 1:
        return False
    total = rows[0]["total"]
    rises = [after["step"] - one["step"] for one, after in itertools.pairwise(rows)]
    falls = [at for at, rise in enumerate(rises) if rise < 0]
    if not falls:
        return False
    most = max(rises)
    whole = all(rows[at]["step"] + most >= total - 1 and rows[at + 1]["step"] <= most for at in falls)
    lap = 0
    for entry, rise in zip(rows, [0, *rises], strict=True):
        lap += rise < 0
        if whole:
            entry[STEP] = lap * total + entry["step"]
        entry["batch_in_epoch"] = entry.pop("step")
        del entry["total"]
    return whole


def _call_places(entries: Sequence[Entry]) -> None:
    """Call a counter that starts over with the label by what it is, where its steps could not be told."""
    rows = [entry for entry in entries if "batch" in entry and is_whole(entry.get("epoch"))]
    seams = [after["batch"] < one["batch"] for one, after in itertools.pairwise(rows) if after["epoch"] > one["epoch"]]
    if seams and all(seams):
        for entry in entries:
            if "batch" in entry:
                entry["batch_in_epoch"] = entry.pop("batch")
    for name in ("step", "iter", "iteration"):  # the first place of each epoch alone
        rows = [entry for entry in entries if name in entry and is_whole(entry.get("epoch"))]
        if len({entry["epoch"] for entry in rows}) > 2 and len({entry[name] for entry in rows}) == 1:
            for entry in rows:
                entry["batch_in_epoch"] = entry.pop(name)
                entry.pop("total", None)
    for name in ("step", "iter"):
        rows = [entry for entry in entries if name in entry and "total" in entry and is_whole(entry.get("epoch"))]
        epoch, at = (np.array([float(entry[key]) for entry in rows]) for key in ("epoch", name))
        if len(rows) > 1 and of_the_epoch(epoch, at, max(int(entry["total"]) for entry in rows), 1):
            for entry in rows:
                entry["batch_in_epoch"] = entry.pop(name)
                del entry["total"]


def _of_one_phase(found: list[Found]) -> list[Found]:
    """The lines without the bars of another phase: where bars of several totals take turns, most are of training."""
    totals = [entry[BARS] for _, _, entry in found if BAR in entry]
    turns = sum(one != after for one, after in itertools.pairwise(totals))
    main = Counter(totals).most_common(1)[0][0] if turns >= FEWEST_TURNS else None
    return [one for one in found if main is None or one[2].get(BARS, main) == main]


def _last_states(found: list[Found]) -> list[Found]:
    """The last painting of each state of a bar: the earlier ones show the same place."""
    return [
        one
        for one, after in itertools.zip_longest(found, found[1:])
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
    return laps_of(entries, BAR, BARS) is not None


def _under_bars(found: Sequence[Found]) -> int | None:
    """Give printed dictionaries the place of the bar above them, where places lie as evenly as a cadence of logging.

    The Trainer's bar counts updates and its dictionaries have none. A place may come again: a process was started
    again, or two write. Returns the bar's total; None where none is sure.
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
    rises = np.diff(distinct(places))
    if (places < 0).any() or not len(rises) or (np.diff(places) == 0).any():
        return None
    if (rises == np.median(rises)).mean() < EVENLY:
        return None
    place = None
    for _, pattern, entry in found:
        place = entry[BAR] if entry.get(BARS) == total else place
        if pattern == "trainer" and place is not None:
            entry["step"] = place
    return int(total)


def total_of_the_run(entries: Sequence[Entry]) -> int | None:
    """The total of a step counter where it is that of the run: it is one, and the counter goes on over the epochs."""
    rows = [entry for entry in entries if "total" in entry]
    totals = {entry["total"] for entry in rows}
    if 2 * len(rows) < len(entries) or len(totals) != 1 or any(STEP in entry for entry in rows):
        return None
    labels = [entry["epoch"] for entry in rows if "epoch" in entry]
    counts = [next(entry[name] for name in entry if name in COUNTERS) for entry in rows if COUNTERS & entry.keys()]
    falls = any(b < a for a, b in itertools.pairwise(counts))
    if labels and (len(set(labels)) == 1 or falls or len(set(counts)) == 1):
        return None  # one epoch shows nothing; a counter that falls, or stands still, was none of the run
    return int(totals.pop())
