"""The number of steps per epoch changes at a resume.

What it checks
    No single number of steps per epoch makes all labels true, one before a join and another behind it does, or a
    lasting change inside a session. The finding names both. Lengths that change where epochs end, in one direction
    and for two epochs or more each, and slopes of fractional labels that change while the label goes on, are a ramp: a
    note where epochs get shorter (a batch that grows by design), a warning where they get longer, an error where the
    declaration gives one length throughout. A count of samples, tokens or environment steps that rises by one exact
    number per step up to some row and by another one behind it says the same without epochs.

Why it matters
    Another batch size, device count or accumulation after a resume changes the number of updates, the schedule's
    horizon, the noise of the gradient, and what "step" means when runs are compared.

When it is silent
    When a shift of labels explains as much (RES004, RES005), when the second part shows no whole epoch, when the two
    differ by less than two steps or 5 %, when batch_size_ramp declares the change, and where the log counts rows, which
    tell nothing of a batch.

What to do
    Resume with the same global batch, or rescale step, schedule and learning rate on purpose and declare it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from analyzer.clocks.data_rate import counts_of_data, rate_change
from analyzer.clocks.epoch_clock import Break, EpochClock, Labels
from analyzer.clocks.planned_epochs import planned_steps_per_epoch
from analyzer.model import Finding, Row, Series
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.epoch.wording import amount, either, interval
from analyzer.rules.examples import EPOCHS, epochs, falling_loss, lives, table
from analyzer.timeline import Timeline

UNSIZED = ("row", "call", "redraw")  # axes whose units may hold any number of batches, and another one later
STEADY = ("update", "micro-batch", "epoch")  # axes of which every unit takes one batch, or one pass


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    """Yield a finding where a second number of steps per epoch holds from some step on."""
    clock = timeline.epoch
    by_count = next(_by_a_count_of_data(timeline), None)
    if by_count is not None:
        yield by_count
        return
    if clock is None or clock.labels is None:
        if not _counts(timeline):
            yield Unchecked(reason="no epoch labels with steps in the log, and no count of samples or tokens")
        return
    if timeline.step_axis.unit in UNSIZED and timeline.step_axis.per_update is None:
        yield Unchecked(reason=f"this log counts {timeline.step_axis.unit}s: they tell nothing of a batch")
        return
    for account in clock.accounts:
        ramp = [one for one in account.breaks if one.kind == "ramp"]
        if ramp:
            yield _by_stretches(timeline, account, ramp)
            return
        changed = next((one for one in account.breaks if one.kind == "geometry"), None)
        labels = account.labels
        if changed is None or labels is None or len(account.laps) < 2:
            continue
        if changed.join is None and _grows(account):
            yield _by_stretches(timeline, account, list(account.breaks))
            return
        yield Finding(
            severity="error",
            message=f"{interval(account.low, account.high)} steps per epoch up to step "
            f"{int(labels.step[max(changed.position - 1, 0)])}, "
            f"{amount(account.laps[1][1])} from step {changed.step} on: the batch (size, devices or "
            "accumulation) changed" + (" at the resume" if changed.join is not None else ""),
            tag=account.tag,
            first_step=changed.step,
            numbers={"before": float(account.low), "after": float(account.laps[1][1])},
            evidence=(*changed.evidence, *_boundary_behind(timeline, labels, changed.position)),
            join=changed.join,
        )
        return


def _counts(timeline: Timeline) -> list[Series]:
    """The counts of data that a batch can be read off: none where a unit of the axis may hold any number of batches."""
    return counts_of_data(list(timeline.view.series.values())) if timeline.step_axis.unit in STEADY else []


def _by_a_count_of_data(timeline: Timeline) -> Iterator[Finding]:
    """Samples, tokens or environment steps that rise by one number per step up to a row, and by another behind it.

    An error where the declared batch gives one of the two. A rate that grows in one session may be meant so: a note.
    """
    if "batch_size_ramp" in timeline.declared:
        return
    given = _declared_samples(timeline)
    for series in _counts(timeline):
        found = rate_change(series)
        if found is None:
            continue
        session = timeline.session_map.of(series)
        opened = int(session[found.first])
        joined = opened != int(session[max(found.last - 1, 0)])
        join = next((one.index for one in timeline.joins if joined and one.after == opened), None)
        contradicted = given is not None and any(given[0] <= one <= given[1] for one in (found.before, found.after))
        grows = found.after > found.before and join is None and not contradicted
        step, first = int(series.step[found.last]), int(series.step[found.first])
        places = ((found.last, "last row at the first rate"), (found.first, "first row at the second"))
        yield Finding(
            severity="error" if contradicted else "note" if grows else "warning",
            message=f"{series.tag} rises by {amount(found.before)} for each {timeline.step_axis.unit} up to step "
            f"{step} and by {amount(found.after)} from step {first} on: the batch (size, devices or accumulation) "
            "changed" + (f"; the declaration gives {interval(*given)} throughout" if given and contradicted else ""),
            tag=series.tag,
            first_step=first,
            numbers={"before": found.before, "after": found.after},
            evidence=tuple(timeline.row(series, at, why) for at, why in places),
            join=join,
        )


def _declared_samples(timeline: Timeline) -> tuple[int, int] | None:
    """The fewest and most samples that the declaration gives for each unit of the axis: a batch, or a pass."""
    plan, unit = timeline.plan, timeline.step_axis.unit
    batch, size = plan.samples_per_update, plan.dataset_size
    if unit == "update" and batch:
        return batch, batch
    return (size - batch + 1, size + batch - 1) if unit == "epoch" and batch and size and size >= 2 * batch else None


def _grows(account: EpochClock) -> bool:
    """Whether lengths change again and again in one direction without a resume: a schedule of the batch size."""
    change = np.sign(np.diff([float(length) for _, length in account.laps]))
    return len(change) > 1 and bool((change == change[0]).all()) and all(one.join is None for one in account.breaks)


def _by_stretches(timeline: Timeline, account: EpochClock, ramp: list[Break]) -> Finding:
    """Epochs of one length per stretch: a ramp, which only a declaration of something else contradicts."""
    (_, first), *later = account.laps
    lengths = ", ".join(f"{amount(length)} from step {step} on" for step, length in later)
    planned = planned_steps_per_epoch(timeline.plan, timeline.step_axis)
    longer = later[-1][1] > first  # a batch that shrinks is nobody's design
    return Finding(
        severity="error" if planned else "warning" if longer else "note",
        message=f"{amount(first)} steps per epoch, {lengths}: the lengths change "
        + ("where an epoch ends, as " if account.source == "labels" else "and nothing else, as ")
        + ("a smaller batch or more data make them" if longer else "a batch size that grows by design makes them")
        + (f"; the declaration gives {either(planned)} throughout" if planned else ""),
        tag=account.tag,
        first_step=ramp[0].step,
        last_step=ramp[-1].step,
        numbers={"before": float(first), "after": float(later[-1][1]), "stretches": len(account.laps)},
        evidence=tuple(row for one in ramp[:3] for row in one.evidence),
    )


def _boundary_behind(timeline: Timeline, labels: Labels, position: int) -> list[Row]:
    """The first two boundaries behind the change: they measure the new lap."""
    whole = np.floor(labels.value[position:])
    change = np.nonzero(np.diff(whole) != 0)[0][:2] + position + 1
    return [
        timeline.row(labels.series, int(labels.index[at]), f"first row of epoch {whole[at - position]:g}")
        for at in change.tolist()
    ]


def _resumed(length: int, first: int = 0) -> Mapping[str, str]:
    return lives(EPOCHS, epochs(range(1, 81)), epochs(range(81, 241), length, first=first))


def _of_lengths(*lengths: int, every: int = 1) -> dict[str, str]:
    """One session of epochs of these lengths."""
    epochs = [epoch for epoch, length in enumerate(lengths) for _ in range(length)]
    rows = [(step, epoch, falling_loss(step)) for step, epoch in enumerate(epochs, 1) if step % every == 0]
    return {"log.csv": table(EPOCHS, rows)}


def _counted(after: int, ragged: int = 0) -> dict[str, str]:
    """64 samples per step up to step 200, `after` behind it; `ragged`: each fortieth batch is so much smaller."""
    seen = [64 * min(step, 200) + after * max(0, step - 200) - ragged * (step // 40) for step in range(10, 401, 10)]
    rows = [(step, falling_loss(step), count) for step, count in zip(range(10, 401, 10), seen, strict=True)]
    return {"log.csv": table(("step", "loss", "samples_seen"), rows)}


COMPOUNDING = (1000, 830, 690, 570, 480, 400, 330, 270, 230, 190, *[170] * 24)

RULE = Rule(
    code="RES009",
    name="batch-geometry-changed",
    severity="error",
    check=check,
    help="resume with the same global batch, or declare the change with batch_size_ramp",
    sources=(
        "https://github.com/huggingface/transformers/issues/25956",
        "https://github.com/facebookresearch/fairseq/issues/781",
    ),
    bad=(
        Example(
            title="batches of twice the size after the resume",
            files=lambda: _resumed(20, first=-2),
        ),
        Example(title="epochs of twice the length from the fourth on", files=lambda: _of_lengths(*[40] * 3, *[80] * 3)),
        Example(title="half the samples per step from a step on", files=lambda: _counted(32)),
        Example(
            title="twice the samples per step, and another batch declared",
            files=lambda: _counted(128),
            declared={"batch_size": 64},
        ),
    ),
    good=(
        Example(title="samples in step", files=lambda: _counted(64), why="64 samples in every step"),
        Example(
            title="a smaller last batch",
            files=lambda: _counted(64, ragged=24),
            why="the odd rows come back at every end",
        ),
        Example(
            title="a batch that doubles once, nothing declared",
            files=lambda: _counted(128),
            why="a batch size that grows in a running process is meant so: a note",
        ),
        Example(
            title="the same batch",
            files=lambda: _resumed(40),
            why="40 steps per epoch before and after",
        ),
        Example(
            title="a batch size that doubles twice by design",
            files=lambda: _of_lengths(*[40] * 3, *[20] * 3, 10, 10),
            why="the lengths change where epochs end and stay for two epochs or more: a note, nothing was declared",
        ),
        Example(
            title="a batch size that grows with every epoch",
            files=lambda: _of_lengths(*COMPOUNDING, every=200),
            why="the lengths change again and again in one direction: a note, as above",
        ),
    ),
)
