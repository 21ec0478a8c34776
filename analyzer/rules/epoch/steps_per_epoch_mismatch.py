"""The loop makes another number of updates per epoch than the declaration gives.

What it checks
    The steps per epoch that make all labels true are compared with every reading of the plan: last batch kept or
    dropped, the last, incomplete accumulation window stepped, dropped or carried over. The finding says which readings
    there are and which number the log shows; a ratio (31.5) means that accumulation carries over epoch ends. In a log
    that counts epochs alone, a running count of samples tells how many each takes.

Why it matters
    Steps per epoch decide the schedule's horizon, warmup given in epochs, and how often validation runs. A wrong
    number means that another batch size, another data set, or another device count was trained than was meant.

When it is silent
    Without dataset_size and batch_size (or steps_per_epoch), when one reading explains the labels, when only the
    divisor of a fractional label is wrong (EPO006), and from a resume on that changed the batch (RES009). A number of
    devices or an accumulation that was not declared and would explain the log is named in a note.

What to do
    Compare len(loader) with the declared numbers: drop_last, limit_train_batches, sharding, packing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.cadence import usual_cadence
from analyzer.clocks.data_rate import steady_rate
from analyzer.clocks.epoch_clock import EpochClock, Labels
from analyzer.clocks.epoch_means import declared_factors, named_by_declaration
from analyzer.clocks.laps import divisor_is_wrong
from analyzer.clocks.planned_epochs import planned_steps_per_epoch
from analyzer.clocks.run_end import updates_done
from analyzer.config.declared import Declared
from analyzer.model import Fact, Finding, Row
from analyzer.planning import Plan, plan_of
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.epoch.wording import amount, either, interval, uncounted
from analyzer.rules.examples import epochs_log, falling_loss, table
from analyzer.timeline import Timeline

MOST_UNDECLARED = 64  # devices, or micro-batches per update, that an incomplete declaration may have left out
COUNTED_APART = ("world_size", "grad_accumulation")
FEWEST_PASSES = 2  # that may be meant: several views or repetitions of every sample
ENDS_OF_PLACES = 3  # ends of epochs at one place: two may be of epochs that were cut alike


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    """Yield a finding when no reading of the plan gives the log's steps per epoch."""
    clock = timeline.epoch
    planned = planned_steps_per_epoch(timeline.plan, timeline.step_axis)
    if timeline.step_axis.unit == "place" and clock is not None and _ends_in_step(clock):
        yield from _by_places(timeline, clock)
        return
    if uncounted(timeline.step_axis):
        yield Unchecked(reason=uncounted(timeline.step_axis))
        return
    if timeline.step_axis.unit == "epoch":
        yield from _by_samples(timeline)
        return
    if not planned:
        yield Unchecked(reason="declare dataset_size and batch_size, or steps_per_epoch")
        return
    if clock is None or clock.labels is None:
        yield Unchecked(reason="no epoch labels with steps in the log")
        return
    if clock.crossings < 1:
        yield Unchecked(reason="the log shows no end of an epoch")
        return
    parts = _parts(timeline) if timeline.step_axis.unit == "sample" else {1}
    if any(clock.admits(U / part) for U in planned for part in parts) or any(
        clock.admits(lap) for r in timeline.plan.readings for lap in r.laps
    ):
        return
    if divisor_is_wrong(timeline, clock):
        return
    samples = timeline.declared.get("dataset_size")
    if isinstance(samples, int) and clock.admits(Fraction(samples)) and Fraction(samples) not in planned:
        yield Unchecked(reason=f"an epoch is as long as the data set has samples ({samples}): the axis counts those")
        return
    unsaid = _explained_by_what_is_not_declared(timeline, _gives(clock))
    labels = clock.labels
    rows = _two_boundaries(timeline, labels)
    done = updates_done(timeline)
    yield Finding(
        severity="note" if unsaid else "error",
        message=f"{interval(clock.low, clock.high)} steps {_of_epochs(clock)}, the declaration gives "
        f"{either(planned)}{unsaid}{_or_moved(clock)}" + (f"; the run ends at step {done.last_step}" if done else ""),
        tag=clock.tag,
        first_step=rows[1].step if len(rows) > 1 else None,
        last_step=None if done is None else done.last_step,
        numbers={
            "steps_per_epoch_low": float(clock.low),
            "steps_per_epoch_high": None if clock.high is None else float(clock.high),
            "declared": [float(U) for U in planned],
        },
        evidence=(*rows, *((done.evidence,) if done else ())),
    )


def _of_epochs(clock: EpochClock) -> str:
    return "per epoch" if clock.crossings > 1 else "in the one epoch whose end is logged"


def _or_moved(clock: EpochClock) -> str:
    """What one end of an epoch leaves open; what is told of it stays true whichever the next ones show."""
    return "" if clock.crossings > 1 else ": the epochs have another length, or the label changes elsewhere"


def _ends_in_step(clock: EpochClock) -> bool:
    """Whether several epochs in a row have one number of places, none of them cut or told twice."""
    return clock.exact and not clock.breaks and clock.crossings >= ENDS_OF_PLACES


def _by_places(timeline: Timeline, clock: EpochClock) -> Iterator[Finding | Unchecked]:
    """Places in the epoch, batches or updates: the epoch ends up to a cadence before or behind the next one printed."""
    apart = usual_cadence(clock.labels.step) - 1 if clock.labels is not None else timeline.step_axis.cadence - 1
    most = replace(clock, low=clock.low - apart, high=clock.low + apart)
    lengths = {Fraction(one.batches_per_epoch) for one in timeline.plan.readings if one.batches_per_epoch}
    lengths.update(timeline.plan.steps_per_epoch)
    if not lengths:
        yield Unchecked(reason=uncounted(timeline.step_axis))
        return
    samples = timeline.plan.dataset_size
    if any(most.admits(one) for one in lengths) or (samples and clock.low > max(lengths)):
        return  # places beyond the batches may count samples
    unsaid = _explained_by_what_is_not_declared(timeline, _gives(most))
    rows = _two_boundaries(timeline, clock.labels) if clock.labels is not None else []
    yield Finding(
        severity="note" if unsaid else "error",
        message=f"each epoch has {interval(most.low, most.high)} batches, the declaration gives "
        f"{either(lengths)}{unsaid}",
        tag=clock.tag,
        first_step=rows[1].step if len(rows) > 1 else None,
        numbers={
            "batches_low": float(most.low),
            "batches_high": float(clock.low + apart),
            "declared": list(map(float, lengths)),
        },
        evidence=tuple(rows),
    )


def _gives(clock: EpochClock) -> Callable[[Plan, int], bool]:
    return lambda plan, _: any(clock.admits(U) for U in plan.steps_per_epoch)


def _by_samples(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    """Epochs that a count of samples measures: each takes the set, but for the leftovers of the last batch."""
    counts, plan, declared = timeline.roles.all("samples"), timeline.plan, timeline.declared
    batch = plan.samples_per_update
    if not (plan.steps_per_epoch and plan.dataset_size and batch):
        yield Unchecked(reason="declare dataset_size and batch_size")
        return
    each = [(one, rate) for one in counts if (rate := steady_rate(one, batch)) is not None]
    if not each:
        yield Unchecked(reason="this log counts epochs, and no count of samples rises by one number in each")
        return
    parts = _parts(timeline)
    low, high = _samples_of_an_epoch(plan)
    for series, rate in each:
        if any(low <= rate * part <= high for part in parts):
            continue

        def gives(supposed: Plan, count: int, rate: float = rate) -> bool:
            least, most = _samples_of_an_epoch(supposed)
            return least <= rate <= most or least <= rate * count <= most

        unsaid = _explained_by_what_is_not_declared(timeline, gives)
        times = round(rate / plan.dataset_size)
        key = named_by_declaration(times, declared) if times > 1 else None
        first, last = int(series.step[0]), int(series.step[-1])
        yield Finding(
            severity="note" if unsaid else "error" if key or times < FEWEST_PASSES else "warning",
            message=f"{series.tag} rises by {amount(rate)} samples per epoch, the declaration gives "
            f"{interval(low, high)}{unsaid}"
            + (f": {times} passes counted as one" if times > 1 else "")
            + (f"; {times} is the declared {key}" if key else ""),
            tag=series.tag,
            first_step=first,
            last_step=last,
            numbers={"samples_per_epoch": rate, "declared": [low, high]},
            evidence=(timeline.row(series, 0, "first row"), timeline.row(series, 1, "one epoch further on")),
        )
        return


def _parts(timeline: Timeline) -> set[int]:
    """Parts of the samples that a count may tell: those of one device, or of one micro-batch of each update."""
    return {1, *(size for key, size in declared_factors(timeline.declared) if key in COUNTED_APART)}


def _samples_of_an_epoch(plan: Plan) -> tuple[int, int]:
    """The fewest and most samples of the plan's readings: the set, with or without what fills its last batch."""
    sizes = [plan.dataset_size or 0]
    sizes += [round(U * plan.samples_per_update) for U in plan.steps_per_epoch if plan.samples_per_update]
    return min(sizes), max(sizes)


def _explained_by_what_is_not_declared(timeline: Timeline, gives: Callable[[Plan, int], bool]) -> str:
    """The devices or accumulation that nobody declared and that would give the log's own number; "" when none does."""
    declared = timeline.declared
    if "batch_size" not in declared or "dataset_size" not in declared or "steps_per_epoch" in declared:
        return ""
    for key in ("grad_accumulation", "world_size"):
        if key in declared or "global_batch_size" in declared:
            continue
        for count in range(2, MOST_UNDECLARED + 1):
            fact = Fact(key=key, value=count, found_in="supposed")
            supposed = plan_of(Declared(facts={**declared.facts, key: fact}))
            if gives(supposed, count):
                return f" with {key} undeclared; {key} = {count} would explain it"
    return ""


def _two_boundaries(timeline: Timeline, labels: Labels) -> list[Row]:
    """The rows at the first two boundaries inside one session: they fix the length of a lap."""
    whole = np.floor(labels.value + labels.half)
    change = np.nonzero((np.diff(whole) != 0) & (np.diff(labels.session) == 0))[0]
    rows = []
    for at in change[:2].tolist():
        rows.append(timeline.row(labels.series, int(labels.index[at]), f"last row of epoch {labels.value[at]:g}"))
        rows.append(
            timeline.row(labels.series, int(labels.index[at + 1]), f"first row of epoch {labels.value[at + 1]:g}")
        )
    return rows


def _seen(each: int) -> Mapping[str, str]:
    """A log that counts epochs, each of which takes so many samples."""
    rows = [(epoch, falling_loss(epoch), epoch * each) for epoch in range(1, 21)]
    return {"log.csv": table(("epoch", "loss", "samples_seen"), rows)}


RULE = Rule(
    code="EPO002",
    name="steps-per-epoch-mismatch",
    severity="error",
    check=check,
    help="compare len(loader) with dataset_size / batch_size: drop_last, sharding, packing, limit_train_batches",
    sources=(
        "https://github.com/huggingface/transformers/issues/36297",
        "https://github.com/huggingface/transformers/issues/37777",
    ),
    bad=(
        Example(
            title="the last batch was dropped",
            files=epochs_log(range(1, 125), 31),
            declared={"dataset_size": 1000, "batch_size": 32, "drop_last": False, "epochs": 4},
        ),
        Example(
            title="accumulation carries over the epoch's end",
            files=epochs_log(range(1, 127), 31.5),
            declared={
                "dataset_size": 1003,
                "batch_size": 16,
                "grad_accumulation": 2,
                "drop_last": False,
                "epochs": 4,
                "accumulation_remainder": "step",
            },
        ),
        Example(
            title="every device takes all of the set",
            files=lambda: _seen(4096),
            declared={"dataset_size": 1000, "batch_size": 32, "world_size": 4},
        ),
    ),
    good=(
        Example(
            title="drop_last undeclared",
            files=epochs_log(range(1, 125), 31),
            declared={"dataset_size": 1000, "batch_size": 32, "epochs": 4},
            why="31 and 32 are both readings of the declaration",
        ),
        Example(
            title="an accumulation that nobody declared",
            files=epochs_log(range(1, 33), 8),
            declared={"dataset_size": 1000, "batch_size": 32, "drop_last": False, "epochs": 4},
            why="grad_accumulation = 4 would give 8 steps per epoch: a note says so",
        ),
        Example(
            title="carried accumulation, undeclared",
            files=epochs_log(range(1, 127), 31.5),
            declared={"dataset_size": 1003, "batch_size": 16, "grad_accumulation": 2, "drop_last": False, "epochs": 4},
            why="31.5 updates per epoch is what a carried remainder gives",
        ),
        Example(
            title="samples of one device",
            files=lambda: _seen(256),
            declared={"dataset_size": 1000, "batch_size": 32, "world_size": 4},
            why="four times 256 are the set and what fills its last batch",
        ),
    ),
)
