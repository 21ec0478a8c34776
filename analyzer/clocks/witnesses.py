"""What the other clocks did where the step counter broke: did the state go on, go back, or start over?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from analyzer.clocks.cadence import usual_cadence
from analyzer.clocks.noise import MAD_TO_SIGMA
from analyzer.clocks.session_map import StepChange, Witness
from analyzer.model import NO_STEP, Floats, Ints, Series, View
from analyzer.roles import role_of_tag

STATE_ROLES = ("loss", "learning_rate", "epoch", "samples", "tokens")
ROWS_REMEMBERED = 200_000  # of the lives before a join, for comparing equal steps
GOES_ON = 0.35  # position of the second life's first loss: 0 is the end of the first life, 1 its start
STARTS_OVER = 0.65
MID_RUN = 20  # times the first step of the second life: where the first life's log begins
ROW_NUMBER = re.compile(r"^(?:unnamed: ?\d+|index|)$", re.I)  # what DataFrame.to_csv puts in front
OTHER_NAMES = 12  # series that are asked in a log that names no loss
LOSS_ROWS = 5  # rows whose median is a level at the edge of a session
PAIRS_NEEDED = 8  # rows of equal step that both lives told
ROWS_OF_A_COUNT = 2000  # the last of the first life
FEWEST_OF_A_COUNT = 6
RISING, EVENLY = 0.95, 0.99  # share of the rows; correlation with the row's number: 0.97 is what a running best has
PAIR_ERRORS = 6.0  # standard errors of their mean difference; neighbouring losses are not independent


def witnesses_at(
    view: View, references: Sequence[Series], parts: Mapping[str, Ints], number: int
) -> dict[str, Witness]:
    """What loss, learning rate, epoch and every count did at the end of session ``number``."""
    found: dict[str, Witness] = {}
    losses: set[Witness] = set()
    training = {series.tag: place for place, series in enumerate(references)}
    anew = bool(references) and _begins_anew(references[0], int(parts[references[0].tag][number + 1]))
    for series in sorted(view.series.values(), key=lambda one: training.get(one.tag, len(training))):
        if not len(series) or series.step[0] == NO_STEP:
            continue
        role = (role_of_tag(series.tag) or "").replace("epoch_loss", "loss")
        cut, end = int(parts[series.tag][number + 1]), int(parts[series.tag][number + 2])
        if cut < 2 or cut == end or (role in ("loss", "learning_rate") and series.tag not in training):
            continue
        before, after = slice(max(0, cut - ROWS_REMEMBERED), cut), slice(cut, end)
        name = role if role in STATE_ROLES else series.tag
        if name == series.tag and anew and _goes_on_itself(series.step[before], int(series.step[cut])):
            found[name] = "goes on"
            continue
        if (name in found and role != "loss") or (role not in STATE_ROLES and not counts_evenly(series.value[before])):
            continue
        if np.array_equal(series.value[before], series.step[before]) or ROW_NUMBER.match(series.tag):
            continue  # the axis itself, or the number of the row: no second clock
        if name == series.tag and counts_rows(series, before.start, cut):
            continue
        judge = loss_witness if role == "loss" else exact_witness
        said = judge(series.step[before], series.value[before], series.step[after], series.value[after])
        if role == "elapsed":
            continue  # seconds of the process start over with it, which tells nothing of the run
        found.setdefault(name, said)
        losses |= {said} if role == "loss" else set()
    if found.get("loss") == "unknown" and losses == {"unknown", "goes on"}:
        found["loss"] = "goes on"  # the first of several losses may lie where it lay all along
    if "loss" not in found:
        unnamed = _losses_by_other_names(references, parts, number)
        if unnamed is not None:
            found["loss"] = unnamed
    return found


def _begins_anew(main: Series, cut: int) -> bool:
    """Whether the step begins where it began at first: further on, another axis may go on beside a replay."""
    return 0 < cut < len(main) and int(main.step[cut]) <= int(main.step[0]) + usual_cadence(main.step[:cut])


def _goes_on_itself(before: Ints, following: int) -> bool:
    """Whether a tag that is written over an axis of its own, one step after another, goes on where it was."""
    rises = np.diff(before[-ROWS_OF_A_COUNT:])
    even = len(rises) >= FEWEST_OF_A_COUNT and np.ptp(rises) == 0 and rises[0] > 0
    return bool(even and following - before[-1] == rises[0])


def _counts(value: Floats) -> bool:
    """Whether a column holds a count of some kind, and no measure of the model."""
    return counts_evenly(value) or not np.any(value != np.round(value))


def _losses_by_other_names(references: Sequence[Series], parts: Mapping[str, Ints], number: int) -> Witness | None:
    """What series that are no role's did, where all that say something say the same: a log may name no loss."""
    said: set[Witness] = set()
    for series in references[:OTHER_NAMES]:
        begin, cut, end = (int(parts[series.tag][number + k]) for k in (0, 1, 2))
        before, after = slice(max(begin, cut - ROWS_REMEMBERED), cut), slice(cut, end)
        if role_of_tag(series.tag) is not None or cut < 2 or cut == end or _counts(series.value[before]):
            continue
        said.add(loss_witness(series.step[before], series.value[before], series.step[after], series.value[after]))
    said.discard("unknown")
    return said.pop() if len(said) == 1 else None


def step_went_back(first: int, last: int, start: int, cadence: int, witnesses: Mapping[str, Witness]) -> StepChange:
    """Replay, reset or another run, for a step that goes back; "unknown" where nothing that was logged decides.

    A counter is reset when a state goes on: any value without noise, or (at the very start, where it differs most) the
    loss. Another run needs a witness too: what is not logged has not started over.
    """
    exact = {said for role, said in witnesses.items() if role != "loss"}
    loss = witnesses.get("loss")
    if first >= start + max(cadence, 1):
        if "goes on" in exact:
            return "replayed" if "goes back" in exact else "reset"
        return "reset" if loss == "goes on" and "goes back" not in exact else "replayed"
    if "goes on" in exact and loss == "starts over":
        return "unknown"  # another run's rate may begin near where the last one's ended
    if "goes on" in exact or loss == "goes on":
        return "reset"
    return "fresh" if "starts over" in exact or loss == "starts over" else "unknown"


def loss_witness(step: Ints, before: Floats, step_after: Ints, after: Floats) -> Witness:
    """Where the second life's first loss lies between the first life's start and end.

    When the step goes back into the middle of the first life, the losses of equal steps are compared in pairs instead:
    a replay tells them again, a state that goes on lies below them by as much as the loss fell in between.
    """
    finite, finite_after = np.isfinite(before), np.isfinite(after)
    step, before, step_after, after = step[finite], before[finite], step_after[finite_after], after[finite_after]
    if len(before) < 2 or not len(after):
        return "unknown"
    if step[0] + usual_cadence(step) <= step_after[0] <= step[-1]:
        return _loss_in_the_middle(step, before, step_after, after)
    rows = max(1, min(LOSS_ROWS, len(before) // 4, len(after) // 4))
    last_rows = max(rows, min(LOSS_ROWS, len(before) // 2))
    begin, end = float(np.median(before[:rows])), float(np.median(before[-last_rows:]))
    noise = MAD_TO_SIGMA * float(np.median(np.abs(np.diff(before[len(before) // 2 :])))) if len(before) > 5 else 0.0
    known_to = max(3 * noise / np.sqrt(rows), 1e-12 * abs(begin))
    if abs(begin - end) <= known_to:
        # A log that was opened in mid-run does not show where a loss starts from; one that is at its level at step 1
        # was never new.
        opened_late = step[0] > MID_RUN * max(int(step_after[0]), usual_cadence(step))
        there_at_once = noise > 0 and abs(float(np.median(after[:rows])) - end) <= known_to
        return "goes on" if opened_late and there_at_once else "unknown"
    level = float(np.median(after[:rows]))
    position = (level - end) / (begin - end)
    falling = max(0.0, float(before[-last_rows] - before[-1])) / abs(begin - end)  # what the last rows still fell by
    if -GOES_ON - falling <= position <= GOES_ON or abs(level - end) <= known_to:
        # a loss that falls within the first rows is down again in their median; its first row is not
        new_at_first = before[0] != end and (float(after[0]) - end) / (float(before[0]) - end) >= STARTS_OVER
        return "unknown" if new_at_first else "goes on"
    return "starts over" if position >= STARTS_OVER else "unknown"


def _loss_in_the_middle(step: Ints, before: Floats, step_after: Ints, after: Floats) -> Witness:
    near = step >= step[step <= step_after.min()].max(initial=step.min())
    step, before = step[near], before[near]
    # A step told by several lives counts as the last of them told it; steps of another phase lie between two rows.
    told_at, index = np.unique(step[::-1], return_index=True)
    inside = step_after <= told_at[-1]
    again = after[inside]
    if len(again) < PAIRS_NEEDED:
        return "unknown"
    told = np.interp(step_after[inside], told_at, before[::-1][index])
    difference = again - told
    error = float(np.std(difference)) / np.sqrt(len(difference)) + 1e-12 * float(np.abs(told).max())
    rows = min(LOSS_ROWS, len(told) // 2)
    fell = float(np.median(told[:rows]) - np.median(told[-rows:]))
    moved = float(np.median(told[:rows]) - np.median(again[:rows]))
    if float(np.mean(difference)) < -PAIR_ERRORS * error and fell > 0 and moved > 0.5 * fell:
        return "goes on"
    return "goes back" if abs(float(np.mean(difference))) < error * 3 and fell > PAIR_ERRORS * error else "unknown"


def counts_evenly(value: Floats) -> bool:
    """Whether a column is a count by what it holds: it rises in nearly every row, by about as much each time."""
    value = value[-ROWS_OF_A_COUNT:]
    if len(value) < FEWEST_OF_A_COUNT or not np.isfinite(value).all():
        return False
    rises = np.diff(value)
    if np.any(rises < 0) or np.mean(rises > 0) < RISING:
        return False
    return bool(np.corrcoef(value, np.arange(len(value)))[0, 1] >= EVENLY)


def counts_rows(series: Series, begin: int, cut: int) -> bool:
    """Whether a column only counts the rows of its file: one more in each, the first row of another life too.

    A writer that appends goes on counting whatever became of the training; what a checkpoint restores lies some rows
    back. Only where the step is raised by one in each row and starts again may the column be the run's own count.
    """
    value, step = series.value[begin : cut + 1], series.step[begin : cut + 1]
    starts_again = usual_cadence(step[:-1]) == 1 and step[-1] <= step[0]
    return bool(np.all(np.diff(value) == 1)) and not starts_again


def exact_witness(step: Ints, before: Floats, step_after: Ints, after: Floats) -> Witness:
    """Whether a noise-free value goes on from the end of the first life, or is what the first life had at this step."""
    known = np.isfinite(before)
    step, before = step[known], before[known]
    if len(before) < 2 or not np.isfinite(after[0]):
        return "unknown"
    end, value = float(before[-1]), float(after[0])
    at = np.flatnonzero(step <= step_after[0])
    there = float(before[at[-1]]) if len(at) else float(before[0])
    usual = float(np.median(np.abs(np.diff(before[-20:])))) if len(before) > 2 else 0.0
    if abs(there - end) <= 4 * usual or there == end:
        return "unknown"  # both would be the same
    if abs(value - end) <= 2 * usual + 1e-9 * abs(end):
        return "goes on"
    if abs(value - there) <= 2 * usual + 1e-9 * abs(there):
        return "starts over" if not len(at) or at[-1] <= 1 else "goes back"
    return "unknown"
