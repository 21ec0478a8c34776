"""What the lines of one file count together: a step of their own, places in the epoch, or the states of bars."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from analyzer.readers.columns import Counts
from analyzer.readers.stdout.bars import bars_with_steps, last_states, of_one_phase, one_bar, under_bars
from analyzer.readers.stdout.counters import COUNTERS, PROGRESS, UNNAMED
from analyzer.readers.stdout.counting import (
    PLACES_AND_TOTALS,
    beside_a_count_of_the_run,
    one_name,
    second_loops,
    without_measures,
    without_places_of_evaluations,
)
from analyzer.readers.stdout.passed import OF_A_LINE
from analyzer.readers.stdout.places import BAR, BARS, HEADING, STEP, is_whole, of_the_epoch, with_steps
from analyzer.readers.stdout.values import is_a_result
from analyzer.roles import OF_A_DAY, role_of_tag

Entry = dict[str, Any]
Found = tuple[int, str, Entry]  # line number, name of the pattern, what the line says
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
    under = under_bars(found) if bars else None
    if bars:
        found = last_states(of_one_phase([one for one in found if set(one[2]) - {BAR, BARS, OF_A_LINE, OF_A_DAY}]))
        if not found:
            return found, LapAxis()
    entries = [entry for _, _, entry in found]
    one_name(entries)
    without_measures(entries)
    second_loops(entries)
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
        total = one_bar(entries)
        if total is not None:
            for entry in entries:
                if BAR in entry:
                    entry[STEP] = entry[BAR]
            return found, LapAxis(column=STEP, counts="step", max_steps=total)
        if LIGHTNING in {key for entry in entries for key in entry} or not bars_with_steps(entries):
            return found, LapAxis(redraws=True)
        return found, LapAxis(column=STEP, counts="batch")
    laps = with_steps(entries)
    if laps is not None:
        return found, LapAxis(column=STEP, counts=laps.counts)
    counts = _laps_without_a_label(entries)
    if counts is not None:
        return found, LapAxis(column=STEP, counts=counts)
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
    """What each line tells of: "" a step, "epoch" an epoch, "summary" what stands below a counter.

    Where lines of steps tell the place in the epoch, one that has a label, a step and no place is of the whole epoch.
    """
    counted = [entry for _, _, entry in found if not COUNTERS.isdisjoint(entry)]
    placed = 2 * sum("batch" in entry for entry in counted) > len(counted)
    return [
        "summary"
        if pattern in BELOW
        else ""
        if any(name in entry for name in _OF_A_STEP) and not (placed and "epoch" in entry and "batch" not in entry)
        else "epoch"
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


def _told_apart(found: Sequence[Found]) -> None:
    """Give a result that lines of two kinds name alike a name for each: rows of steps, lines of an epoch, lines below.

    What an epoch's line or a line without a counter calls ``Loss`` beside rows of steps is a mean, or of validation.
    """
    kinds = _kinds(found)
    tell = [any(role_of_tag(name) == "loss" for name in entry) for _, _, entry in found]
    rows = Counter(kind for kind, has_a_loss in zip(kinds, tell, strict=True) if has_a_loss)
    most = max(rows.values(), default=0)
    main = next((kind for kind in ("", "epoch") if kind in rows and FEWEST_OF_THE_MOST * rows[kind] >= most), "summary")
    of_main = {name for kind, (_, _, entry) in zip(kinds, found, strict=True) if kind == main for name in entry}
    shared = {name for name in of_main if role_of_tag(name) in ("loss", None) and is_a_result(name)}
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
    rises = {after["step"] - one["step"] for one, after in itertools.pairwise(rows)}
    if rises <= {0, 1} and (1 in rises or len(rows) == 1):
        for entry in rows:
            entry["epoch"] = entry.pop("step")
            del entry["total"]


def _laps_without_a_label(entries: Sequence[Entry]) -> Counts | None:
    """Count the laps of a place whose total it reaches before it begins again, where no line with a place has a label.

    A place that begins again elsewhere is none that steps can be made of. One that is gone through inside every step
    (`step 12 (3/8)`) counts the micro-batches of an update. A line without a place, as one that closes an epoch, stands
    at the step that was printed before it.
    """
    return next((told for place, total in PLACES_AND_TOTALS if (told := _whole_laps(entries, place, total))), None)


def _whole_laps(entries: Sequence[Entry], place: str, of: str) -> Counts | None:
    rows = [entry for entry in entries if is_whole(entry.get(place)) and of in entry]
    if not rows or len({entry[of] for entry in rows}) > 1 or any("epoch" in entry for entry in rows):
        return None
    total = rows[0][of]
    rises = [after[place] - one[place] for one, after in itertools.pairwise(rows)]
    falls = [at for at, rise in enumerate(rises) if rise < 0]
    if not falls:
        return None
    inside = any(
        all(name in entry for entry in rows)
        and [after[name] - one[name] for one, after in itertools.pairwise(rows)] == [int(rise < 0) for rise in rises]
        for name in COUNTERS - {place}
    )
    most = max(rises)
    whole = all(rows[at][place] + most >= total - 1 and rows[at + 1][place] <= most for at in falls)
    lap = 0
    for entry, rise in zip(rows, [0, *rises], strict=True):
        lap += rise < 0
        if whole:
            entry[STEP] = lap * total + entry[place]
        entry["batch_in_epoch"] = entry.pop(place)
        del entry[of]
    if not whole:
        return None
    at = None
    for entry in entries:
        at = entry.get(STEP, at)
        if at is not None and COUNTERS.isdisjoint(entry) and "batch" not in entry:
            entry.setdefault(STEP, at)
    return "micro-batch" if inside else "batch"


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


def total_of_the_run(entries: Sequence[Entry]) -> int | None:
    """The total of a step counter where it is that of the run: it is one, and the counter goes on over the epochs."""
    rows = [entry for entry in entries if "total" in entry]
    totals = {entry["total"] for entry in rows}
    if 2 * len(rows) < len(entries) or len(totals) != 1 or any(STEP in entry for entry in rows):
        return None
    labels = [entry["epoch"] for entry in rows if "epoch" in entry]
    counts = [next(entry[name] for name in entry if name in COUNTERS) for entry in rows if COUNTERS & entry.keys()]
    falls = any(b < a for a, b in itertools.pairwise(counts))
    if not counts or max(counts) > max(totals):
        return None  # of something else than what is known to count
    if labels and (len(set(labels)) == 1 or falls or len(set(counts)) == 1):
        return None  # one epoch shows nothing; a counter that falls, or stands still, was none of the run
    return int(totals.pop())
