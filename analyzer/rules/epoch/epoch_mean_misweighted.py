"""The epoch's mean loss, or the loss of its last window, gives the smaller last batch the wrong weight.

What it checks
    Two places where a smaller last batch is averaged wrongly. Where batch losses and epoch means are both logged: is
    the epoch's mean the mean over batches, although the last batch holds fewer samples? And at epoch ends: is the
    loss of the last row a constant share of its neighbours, the share of the last accumulation window or of the last
    batch?

Why it matters
    A mean over batches gives the samples of a last batch of 3 in 50 seventeen times the weight of the others. A last
    window that is divided by the full number of micro-batches also scales its gradient: that update is too small.

When it is silent
    When batches have one size, when some batch rows are missing, when both means agree within the written precision,
    and when too few epochs tell.

What to do
    Weight batch losses with their sizes (``batch_size=`` in Lightning's ``self.log``, ``loss * len(batch)`` in a loop
    of your own); divide a last window by the number of micro-batches that it really holds.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzer.clocks.epoch_windows import cause_of, last_rows_of_epochs
from analyzer.model import Finding, Row, Series
from analyzer.precision import half_width
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import falling_loss, table
from analyzer.timeline import Timeline

RELATIVE = 2e-6  # of the mean: float32 sums of some hundred batches
APART = 5.0  # times the tolerance by which the two means must differ
AGREEING = 0.7  # share of the epochs that can tell and side with the mean over batches
FEWEST_EPOCHS = 2


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    loss = timeline.loss
    if loss is None or loss.unfit:
        yield Unchecked(reason=loss.unfit if loss else "no training loss in the log")
        return
    found = _misweighted_means(timeline) or _last_windows(timeline)
    if found is not None:
        yield found
    elif timeline.epoch is None and not timeline.roles.all("epoch_loss"):
        yield Unchecked(reason="neither epochs nor means over epochs in the log")


def _misweighted_means(timeline: Timeline) -> Finding | None:
    batches = timeline.roles.first("loss")
    size, batch = timeline.declared.get("dataset_size"), timeline.declared.get("batch_size")
    if batches is None or not size or not batch:
        return None
    declared = timeline.declared
    update = int(batch) * int(declared.get("world_size") or 1) * int(declared.get("grad_accumulation") or 1)
    rows, last = -(-int(size) // update), int(size) % update
    if not last or rows < 2:
        return None
    for means in timeline.roles.all("epoch_loss"):
        if means.tag != batches.tag and len(means) >= FEWEST_EPOCHS:
            found = _compare(timeline, batches, means, rows, last, update)
            if found is not None:
                return found
    return None


def _compare(timeline: Timeline, batches: Series, means: Series, rows: int, last: int, update: int) -> Finding | None:
    weights = np.full(rows, float(update))
    weights[-1] = last
    weights /= weights.sum()
    tolerance = half_width(means) + float(np.median(half_width(batches)))
    ends = np.concatenate([[means.step[0] - rows], means.step])
    by_batch: list[tuple[int, float, float]] = []
    told = 0
    for index, (low, high) in enumerate(zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)):
        inside = batches.value[(batches.step > low) & (batches.step <= high)]
        if len(inside) != rows or not np.isfinite(inside).all():
            continue
        plain, weighted, logged = float(inside.mean()), float(weights @ inside), float(means.value[index])
        allowed = RELATIVE * abs(logged) + float(tolerance[index])
        if abs(plain - weighted) < APART * allowed:
            continue
        told += 1
        if abs(logged - plain) <= allowed < abs(logged - weighted):
            by_batch.append((index, plain, weighted))
    if len(by_batch) < FEWEST_EPOCHS or len(by_batch) < AGREEING * told:
        return None
    index, plain, weighted = max(by_batch, key=lambda one: abs(one[1] - one[2]) / abs(one[2]))
    first = by_batch[0][0]
    return Finding(
        severity="warning",
        message=(
            f"{means.tag} is the mean over {rows} batches, although the last holds {last} of {update} samples:"
            f" at step {int(means.step[index])} it says {means.value[index]:.6g},"
            f" the mean over samples is {weighted:.6g}"
            f" ({len(by_batch)} of {told} epochs that can tell)"
        ),
        tag=means.tag,
        first_step=int(means.step[first]),
        last_step=int(means.step[by_batch[-1][0]]),
        numbers={"over_batches": plain, "over_samples": weighted, "last_batch": last, "batch": update},
        evidence=tuple(timeline.row(means, one, "mean over batches") for one in dict.fromkeys((first, index))),
    )


def _last_windows(timeline: Timeline) -> Finding | None:
    loss = timeline.loss
    assert loss is not None
    found = last_rows_of_epochs(loss, timeline)
    if found is None:
        return None
    cause = cause_of(found.typical, found.error, timeline)
    if cause is None:
        return None
    words, share = cause
    first = int(found.position[0])
    message = (
        f"{loss.series.tag} in the last row of each epoch is {found.typical:.3g} of its neighbours"
        f" ({len(found.position)} epochs, first at step {loss.step(first)}): {words}, would be {float(share):.3g}"
    )
    evidence: list[Row] = []
    for position in (first, int(found.position[-1])):
        evidence.append(timeline.row(loss.series, int(loss.rows[position - 1]), "the row before"))
        evidence.append(timeline.row(loss.series, int(loss.rows[position]), "the epoch's last"))
    return Finding(
        severity="warning",
        message=message,
        tag=loss.series.tag,
        first_step=loss.step(first),
        last_step=loss.step(int(found.position[-1])),
        numbers={"ratio": round(found.typical, 4), "expected": float(share)},
        evidence=tuple(evidence),
    )


def _batch(step: int) -> float:
    return round(falling_loss(step) * (1 + 0.2 * (((step * 7919) % 101) / 50 - 1)), 6)


def _epochs(weight_of_last: float) -> dict[str, str]:
    """Five epochs of ten batches; the last batch of each holds 10 of 100 samples."""
    rows: list[tuple[object, ...]] = []
    for epoch in range(5):
        steps = range(10 * epoch + 1, 10 * epoch + 11)
        rows += [(s, epoch, _batch(s), None) for s in steps]
        weights = [1.0] * 9 + [weight_of_last]
        mean = sum(w * _batch(s) for w, s in zip(weights, steps, strict=True)) / sum(weights)
        rows.append((10 * epoch + 10, epoch, None, round(mean, 7)))
    return {"log.csv": table(("step", "epoch", "loss", "epoch_loss"), rows)}


RULE = Rule(
    code="EPO007",
    name="epoch-mean-misweighted",
    severity="warning",
    check=check,
    help="weight batch losses with their sizes; divide a last window by the micro-batches that it really holds",
    sources=(
        "https://github.com/huggingface/transformers/pull/39659",
        "https://lightning.ai/docs/pytorch/stable/extensions/logging.html (batch_size)",
    ),
    bad=(
        Example(
            title="mean over batches", files=lambda: _epochs(1.0), declared={"dataset_size": 910, "batch_size": 100}
        ),
    ),
    good=(
        Example(
            title="mean over samples",
            files=lambda: _epochs(0.1),
            declared={"dataset_size": 910, "batch_size": 100},
            why="the last batch has the weight of its samples",
        ),
    ),
)
