"""A resumed process counts its steps from the beginning although the training goes on.

What it checks
    At every join where the step goes back, whether the state went back with it. The learning rate, the epoch and the
    level of the loss say what the state did: when one of them goes on from where the session before ended, only the
    counter was lost.

Why it matters
    Every step after the join carries a number that is too small. Schedules, checkpoints and evaluations that hang on
    the counter run again from the start, and a viewer draws the two lives over each other or throws the first away.

When it is silent
    One fall to the step that the log begins with, without another trace of a new process, is a note until the counter
    has passed the place it fell from, where no labels tell epochs: a count of batches falls so at their ends. A replay
    from a checkpoint goes back with its state: that is `steps-replayed`. When the loss and the other clocks start over,
    another run was written into the same place: a note, as is a fall that nothing in the log explains. A counter that
    restarts with every epoch is an axis of its own (`step-axis-mixed`), and two processes that write at once are
    `concurrent-writers`.

What to do
    Restore the step counter from the checkpoint (`global_step`, `initial_epoch`, `purge_step`) before the first log
    call. Shift the rows of the later session by the last step of the earlier one to repair the log.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.clocks.labels import made_of_labels
from analyzer.clocks.session_map import Join
from analyzer.model import Finding
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import csv_log, falling_loss
from analyzer.timeline import Timeline

OF_THE_RUN = re.compile(  # an environment's frames and episodes are counted in no epoch
    r"total|global|^samples$|^tokens$|(?:^|[/_])(?:frames?|epi(?:sodes?)?|num[_ ]episodes|env[_ ]steps?|timesteps?)$",
    re.I,
)
OWN_FOLDER = "give every run a directory of its own"


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    for join in timeline.joins:
        if join.step == "reset" and not made_of_labels(timeline):
            yield _reset(join, bare=_only_a_fall(timeline, join), all_anew=_totals_start_over(join))
    for account in timeline.accounts:
        copied = [copies.join for copies in account.copies]
        others = [join for join in account.other_runs if join not in copied]
        if others:
            yield _another_run(others[0], len(others))
            return
    for note in timeline.run.notes:
        if note.startswith("another run in the same folder"):
            yield _shared_folder(timeline, note)


def _shared_folder(timeline: Timeline, note: str) -> Finding:
    """A file that discovery took for a run of its own, because nothing in it goes on from the files before."""
    series = max(timeline.view.series.values(), key=len, default=None)
    if series is None or not len(series):
        return Finding(severity="note", message=note, help=OWN_FOLDER)
    ends = ((0, "first row of this run"), (len(series) - 1, "its last row"))
    evidence = tuple(timeline.row(series, at, why) for at, why in ends)
    return Finding(
        severity="note",
        message=note,
        tag=series.tag,
        first_step=int(series.step[0]),
        last_step=int(series.step[-1]),
        evidence=evidence,
        help=OWN_FOLDER,
    )


def _only_a_fall(timeline: Timeline, join: Join) -> bool:
    """Whether the step went back to where the log began and has not come further since, as a count of batches does.

    Epoch labels would tell: they go up where such a count falls.
    """
    if timeline.roles.all("epoch"):
        return False
    lives = timeline.session_map.sessions
    again = join.how_known == "step falls back" and join.first_step_after == lives[0].first_step
    return again and lives[join.after].last_step <= join.last_step_before


def _totals_start_over(join: Join) -> bool:
    """Whether counts of the whole run fell too: no count of batches was meant, but all that counts began anew."""
    return any(said == "starts over" and OF_THE_RUN.search(name) for name, said in join.witnesses.items())


def _reset(join: Join, *, bare: bool, all_anew: bool) -> Finding:
    otherwise = "another run began with these weights" if all_anew else "the step counts the batches of an epoch"
    goes_on = [role.replace("_", " ") for role, said in join.witnesses.items() if said == "goes on"]
    return Finding(
        severity="error" if not bare else "warning" if all_anew else "note",
        message=f"step goes back from {join.last_step_before} to {join.first_step_after} ({join.how_known}) while "
        f"{_listed(goes_on, 'goes', 'go')} on from where the session before ended: {join.overlap} rows carry steps "
        f"that were already used" + (f"; or {otherwise}" if bare else ""),
        tag=join.tag,
        first_step=join.first_step_after,
        numbers={"steps": join.last_step_before + join.cadence - join.first_step_after, "rows": join.overlap,
                 "last_step_before": join.last_step_before},
        evidence=join.evidence,
        join=join.index,
    )


def _listed(clocks: list[str], one: str, several: str) -> str:
    """The clocks with their verb; without a name it was the training as a whole."""
    if not clocks:
        return f"the training {one}"
    if len(clocks) == 1:
        return f"the {clocks[0]} {one}"
    return f"the {', '.join(clocks[:-1])} and {clocks[-1]} {several}"


def _another_run(join: Join, count: int) -> Finding:
    more = f", {count} times in all" if count > 1 else ""
    over = [role.replace("_", " ") for role, said in join.witnesses.items() if said == "starts over"]
    why = f"{_listed(over, 'starts', 'start')} over with it: another run was written into the same place"
    if join.step == "unknown":
        why = "the log does not show why"
    return Finding(
        severity="note",
        message=f"the step falls from {join.last_step_before} to {join.first_step_after} ({join.how_known}){more}, and "
        f"{why}; the longest stretch is audited",
        tag=join.tag,
        first_step=join.first_step_after,
        numbers={"last_step_before": join.last_step_before},
        evidence=join.evidence,
        help=OWN_FOLDER,
    )


def _rows(first: int, last: int, shift: int = 0) -> list[tuple[object, ...]]:
    return [(step - shift, falling_loss(step), round(1e-3 * (1 - step / 500), 8)) for step in range(first, last + 1)]


def _fresh() -> list[tuple[object, ...]]:
    return _rows(1, 60) + _rows(1, 100)


def _weights_only() -> list[tuple[object, ...]]:
    again = [(step, falling_loss(60 + step), round(1e-3 * (1 - step / 500), 8)) for step in range(1, 81)]
    return _rows(1, 60) + again


RULE = Rule(
    code="RES001",
    name="step-reset-at-resume",
    severity="error",
    check=check,
    help="restore the step counter from the checkpoint before the first log call; shift the later rows to repair it",
    sources=(
        "https://github.com/kohya-ss/musubi-tuner/pull/915",
        "https://github.com/keras-team/keras/issues/19179",
        "https://github.com/pytorch/torchtitan/issues/571",
    ),
    bad=(
        Example(title="counter restarts while learning rate and loss go on",
                files=csv_log(("step", "loss", "lr"), lambda: _rows(1, 60) + _rows(61, 150, shift=60))),
        Example(title="weights are loaded, everything else starts again",
                files=csv_log(("step", "loss", "lr"), _weights_only)),
    ),
    good=(
        Example(title="another run in the same file", files=csv_log(("step", "loss", "lr"), _fresh),
                why="every clock and the loss start over: nothing was resumed, a note says so"),
        Example(title="the second lap of a count of batches",
                files=csv_log(("step", "loss"),
                              lambda: [(at % 60, falling_loss(at)) for at in range(100)]),
                why="the counter went back once, to its beginning, and has not come as far again: a note"),
        Example(title="a replay from a checkpoint",
                files=csv_log(("step", "loss", "lr"), lambda: _rows(1, 60) + _rows(41, 120)),
                why="learning rate and loss go back together with the step"),
    ),
)
