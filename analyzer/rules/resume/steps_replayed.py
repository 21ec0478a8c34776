"""Steps after a checkpoint are logged twice.

What it checks
    At every join where the step goes back together with its state: how many rows are told twice, and whether the
    second telling agrees with the first. Rows of the same step are compared in pairs, so the descent of the loss
    cancels out.

Why it matters
    The first telling belongs to a branch that no checkpoint continues. A viewer draws a zig-zag or drops one
    branch, a mean over the rows counts the steps twice, and steps per epoch come out too large.

When it is silent
    A clean replay, one whose losses agree with the first telling, is normal after a crash: a note. A session marker
    that declares from which step on the log is written anew is said in the note. When the counter went back alone,
    it is `step-reset-at-resume`.

What to do
    Write the new event file with `purge_step`, or cut the rows of the abandoned branch before computing anything from
    the log. When the losses differ, look at what was not restored: weights, optimizer, data order.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzer.clocks.session_map import Join
from analyzer.model import Finding, Series
from analyzer.roles import role_of_tag
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import csv_log, falling_loss, lives
from analyzer.timeline import Timeline

TOLD_ONE_BY_ONE = 3
PAIRS_NEEDED = 8  # fewer pairs cannot tell another level from noise
STANDARD_ERRORS = 6.0  # of the mean difference of pairs; losses of neighbouring steps are not independent
RELATIVE = 0.02  # and at least 2 % of the loss, the size at which anybody would call it another level


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    copied = {copies.join.cut for account in timeline.accounts for copies in account.copies}
    replays = [join for join in timeline.joins if join.step == "replayed" and join.cut not in copied]
    off = _levels_off(timeline, replays)
    clean = [join for join in replays if not off[join.index]]
    yield from (_replay(join, off[join.index]) for join in replays if off[join.index])
    if len(clean) > TOLD_ONE_BY_ONE:
        yield _many(clean)
    else:
        yield from (_replay(join, off[join.index]) for join in clean)


def _replay(join: Join, off: float | None) -> Finding:
    agreed = "not enough losses to compare" if off is None else "the second telling agrees with the first"
    if off:
        agreed = f"the loss of the second telling is off by {off:+.3g} on average"
    marked = "; a session marker declares it" if join.marked else ""
    return Finding(
        severity="warning" if off else "note",
        message=f"{_steps(join)} logged twice ({join.how_known}): "
        f"{join.overlap} row{'s overlap' if join.overlap > 1 else ' overlaps'}, {agreed}{marked}",
        tag=join.tag,
        first_step=join.first_step_after,
        last_step=join.last_step_before,
        numbers={"rows": join.overlap, **({"mean_difference": off} if off else {})},
        evidence=join.evidence,
        join=join.index,
    )


def _steps(join: Join) -> str:
    first, last = join.first_step_after, join.last_step_before
    return f"step {first} is" if first == last else f"steps {first} to {last} are"


def _many(clean: list[Join]) -> Finding:
    """A job that was killed and resumed again and again."""
    first, last = min(join.first_step_after for join in clean), max(join.last_step_before for join in clean)
    rows = sum(join.overlap for join in clean)
    return Finding(
        severity="note",
        message=f"steps are logged again after {len(clean)} resumes between step {first} and step {last}: {rows} rows "
        f"overlap, and agree where they can be compared",
        tag=clean[0].tag, first_step=first, last_step=last, numbers={"rows": rows, "joins": len(clean)},
        evidence=tuple(row for join in clean[:TOLD_ONE_BY_ONE] for row in join.evidence),
    )


def _levels_off(timeline: Timeline, replays: list[Join]) -> dict[int, float | None]:
    """By index of the join, how far the loss of the second telling is off; each judged in the view that shows it."""
    off: dict[int, float | None] = {}
    for account in timeline.accounts:
        loss = next((series for series in account.training if role_of_tag(series.tag) == "loss"), None)
        sessions = [] if loss is None else timeline.session_map.slices(loss)
        off |= {join.index: _level_off(join, loss, sessions) for join in replays if join.view == account.view.name}
    return off


def _level_off(join: Join, loss: Series | None, sessions: list[slice]) -> float | None:
    """Mean difference of the loss between second and first telling; 0 within noise, None for too few pairs."""
    if loss is None:
        return None
    before, after = sessions[join.before], sessions[join.after]
    _, at_first, at_second = np.intersect1d(loss.step[before], loss.step[after], return_indices=True)
    first, second = loss.value[before][at_first], loss.value[after][at_second]
    finite = np.isfinite(first) & np.isfinite(second)
    first, second = first[finite], second[finite]
    if len(first) < PAIRS_NEEDED:
        return None
    difference = second - first
    mean = float(np.mean(difference))
    error = float(np.std(difference)) / np.sqrt(len(difference))
    level = float(np.median(np.abs(first)))
    return mean if abs(mean) > max(STANDARD_ERRORS * error, RELATIVE * level) else 0.0


def _rows(first: int, last: int, off: float = 0.0) -> list[tuple[object, ...]]:
    return [(step, round(falling_loss(step) + off, 6), round(1e-3 * (1 - step / 500), 8))
            for step in range(first, last + 1)]


RULE = Rule(
    code="RES002",
    name="steps-replayed",
    severity="warning",
    check=check,
    help="write the new event file with purge_step, or cut the rows of the abandoned branch",
    sources=(
        "https://github.com/lanpa/tensorboardX/issues/679",
        "https://github.com/wandb/wandb/issues/1395",
        "https://github.com/tensorflow/tensorboard/issues/1272",
    ),
    bad=(
        Example(title="a replay from a checkpoint",
                files=csv_log(("step", "loss", "lr"), lambda: _rows(1, 60) + _rows(41, 120))),
    ),
    good=(
        Example(title="resumed at the next step",
                files=lambda: lives(("step", "loss", "lr"), _rows(1, 60), _rows(61, 120)),
                why="the header is repeated, no step is"),
    ),
)
