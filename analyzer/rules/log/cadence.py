"""The log is written too rarely to resolve an epoch.

What it checks
    The usual distance of two training rows is compared with the steps per epoch. When an epoch has fewer than two rows,
    the boundaries of its labels cannot be seen, and the rules about epochs say little.

Why it matters
    A log that is silent for whole epochs cannot show what happens at their ends: a short last batch, a validation, a
    counter that is one off. Knowing it prevents reading a clean report as a clean run.

When it is silent
    When an epoch has two rows or more, when its length is unknown, and for logs that are meant to have one row per
    epoch (the epoch as step, or a row at every epoch's end).

What to do
    Log every tenth of an epoch or more often.
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.clocks.global_step import main_series
from analyzer.clocks.planned_epochs import planned_steps_per_epoch
from analyzer.model import Finding
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.epoch.wording import amount, uncounted
from analyzer.rules.examples import epochs_log
from analyzer.timeline import Timeline

ROWS_PER_EPOCH = 2  # fewer rows leave every boundary of the labels open
FEWEST_EPOCHS = 3  # a run of one or two epochs is watched over its steps


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    """Yield a note when rows are further apart than half an epoch."""
    series, axis = main_series(timeline.view, timeline.roles), timeline.step_axis
    planned = planned_steps_per_epoch(timeline.plan, axis)
    if not planned or series is None:
        yield Unchecked(reason=uncounted(axis) or "declare dataset_size and batch_size, or steps_per_epoch")
        return
    longest = float(max(planned))
    if (
        axis.cadence * ROWS_PER_EPOCH <= longest
        or longest < ROWS_PER_EPOCH
        or int(series.step.max()) < FEWEST_EPOCHS * longest
    ):
        return
    if any(axis.cadence % float(U) == 0 for U in planned):
        return  # a row at every epoch's end
    yield Finding(
        severity="note",
        message=f"a row every {axis.cadence} steps, {amount(min(planned))} steps per epoch: the boundaries of "
        "epochs are not seen",
        tag=series.tag,
        first_step=int(series.step[0]),
        numbers={"cadence": axis.cadence, "steps_per_epoch": float(min(planned))},
    )


RULE = Rule(
    code="LOG008",
    name="cadence",
    severity="note",
    check=check,
    help="log every tenth of an epoch or more often",
    sources=("https://github.com/huggingface/transformers/blob/main/src/transformers/training_args.py",),
    bad=(
        Example(
            title="a row every 70 steps, 40 per epoch",
            files=epochs_log(range(70, 401, 70)),
            declared={"steps_per_epoch": 40},
        ),
    ),
    good=(
        Example(
            title="four rows per epoch",
            files=epochs_log(range(10, 401, 10)),
            declared={"steps_per_epoch": 40},
            why="every boundary lies between two rows",
        ),
        Example(
            title="one row at each epoch's end",
            files=epochs_log(range(40, 401, 40)),
            declared={"steps_per_epoch": 40},
            why="meant so",
        ),
    ),
)
