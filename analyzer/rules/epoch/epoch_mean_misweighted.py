"""The epoch's mean loss, or the loss of its last window, gives the smaller last batch the wrong weight.

What it checks
    Where batch losses and epoch means are both logged and every batch is there: is the epoch's mean what another
    formula gives, the mean over batches although the last holds fewer samples, the sum divided by one batch too few
    or too many, by the samples, or by those that full batches would hold? Where some rows of each epoch are there: is
    it the mean (or the sum) of all rows since the start, or a declared number of times what they give? And is the loss
    of the first or last row of every epoch a constant multiple of its neighbours: the share of the last accumulation
    window or batch, or far from them without a declared reason?

Why it matters
    A mean over batches gives the samples of a last batch of 3 in 50 seventeen times the weight of the others. A last
    window that is divided by the full number of micro-batches also scales its gradient: that update is too small.

When it is silent
    When batches have one size, when both means agree within the written precision or the spread of the rows that are
    logged, when too few epochs tell, and for sums over an epoch: a factor of as many rows as there are, or more. A
    factor that a declared accumulation or batch size explains is a note, and so is a difference below the third digit
    of every mean.

What to do
    Weight batch losses with their sizes (``batch_size=`` in Lightning's ``self.log``, ``loss * len(batch)`` in a loop
    of your own); divide a last window by the number of micro-batches that it really holds.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from analyzer.clocks.epoch_laps import RowsOfEpochs, laps_of
from analyzer.clocks.epoch_means import (
    Groups,
    constant_factor,
    declared_factors,
    groups_of,
    named_by_declaration,
    one_measure,
)
from analyzer.clocks.epoch_windows import cause_of, last_rows_of_epochs
from analyzer.clocks.loss_baseline import LossBaseline
from analyzer.model import Finding, Floats, Row, Series, Severity
from analyzer.roles import role_of_tag
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import falling_loss, table, wobble
from analyzer.timeline import Timeline

APART = 5.0  # times the tolerance by which the two means must differ
AGREEING = 0.7  # share of the epochs that can tell and side with the mean over batches
THIRD_DIGIT = 0.005  # of a mean: losses are compared to three digits; what changes none of them is context
FEWEST_EPOCHS = 2
MOST_SERIES = 6  # of each kind that are compared
LOSSES = ("loss", "epoch_loss")
SUMMED_OVER = ("grad_accumulation", "batch_size")  # by which a mean may be larger: a sum over a window or a batch
ODD_UNITS, ODD_RATIO = 6.0, 1.15  # noise units of single rows, and the ratio, from which an unexplained row is told


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    loss = timeline.loss
    if loss is None or loss.unfit:
        yield Unchecked(reason=loss.unfit if loss else "no training loss in the log")
        return
    found = _wrong_means(timeline) or _odd_rows(timeline, loss)
    if found is not None:
        yield found
    elif timeline.epoch is None and not timeline.roles.all("epoch_loss"):
        yield Unchecked(reason="neither epochs nor means over epochs in the log")


def _wrong_means(timeline: Timeline) -> Finding | None:
    """Epoch means that are what another formula makes of the batches, where every batch is in the log."""
    for batches in timeline.roles.all("loss")[:MOST_SERIES]:
        for means in _means_beside(timeline, batches):
            for groups in groups_of(batches, means, timeline.epoch):
                found = _compare(timeline, groups) or _by_a_factor(timeline, groups)
                if found is not None:
                    return found
            found = _by_some_rows(timeline, batches, means)
            if found is not None:
                return found
    return None


def _means_beside(timeline: Timeline, batches: Series) -> list[Series]:
    """What may be the epoch means of a loss: what is called so, and what has its name in fewer rows, in any account."""
    named = [one for one in timeline.roles.all("epoch_loss") if one.tag != batches.tag]
    told = [one for view in timeline.views for tag, one in view.series.items() if role_of_tag(tag) in LOSSES]
    alike = [one for one in told if 2 * len(one) <= len(batches) and one_measure(one.tag, batches.tag)]
    return [*named, *(one for one in alike if not any(one is other for other in named))][: 2 * MOST_SERIES]


def _formulas(timeline: Timeline, rows: int) -> tuple[Floats, dict[str, Floats], str]:
    """Weights of the batches under the right mean, and those of other formulas by their words, shape (rows,) each."""
    one = np.ones(rows)
    declared = timeline.declared
    size, batch = declared.get("dataset_size"), declared.get("batch_size")
    wrong = {f"the sum of {rows} batches divided by {other}": one / other for other in (rows - 1, rows + 1)}
    if not size or not batch:
        return one / rows, wrong, ""
    update = int(batch) * int(declared.get("world_size") or 1) * int(declared.get("grad_accumulation") or 1)
    whole, last = divmod(int(size), update)
    if rows not in (whole, whole + 1) or not last:
        return one / rows, wrong, ""
    wrong[f"the sum over batches divided by the {int(size)} samples"] = one / int(size)
    wrong[f"the sum over batches divided by {int(size)}/{update} batches"] = one * update / int(size)
    if rows == whole:  # the last batch is dropped
        return one / rows, wrong, ""
    wrong[f"the mean over {rows} batches"] = one / rows
    weights = np.append(one[1:] * update, last) / int(size)
    padded = rows * update
    wrong[f"the sum over samples divided by the {padded} that {rows} full batches hold"] = weights * int(size) / padded
    return weights, wrong, f", although the last holds {last} of {update} samples"


def _compare(timeline: Timeline, groups: Groups) -> Finding | None:
    means, full, rows = groups.means, groups.at, groups.inside.shape[1]
    weights, wrong, although = _formulas(timeline, rows)
    inside, logged, allowed = groups.rows.value[groups.inside], means.value[full], groups.allowed
    right = inside @ weights
    for words, others in wrong.items():
        said = inside @ others
        telling = np.isfinite(said) & (np.abs(said - right) >= APART * allowed)
        agree = telling & (np.abs(logged - said) <= allowed)
        if agree.sum() < FEWEST_EPOCHS or agree.sum() < AGREEING * telling.sum():
            continue
        far = int(np.where(agree, np.abs(said - right) / np.abs(right), -1.0).argmax())
        return _told(
            timeline, groups, agree, far, float(right[far]), words,
            f"{words}{although if 'mean' in words else ''}:"
            f" at step {int(means.step[full[far]])} it says {logged[far]:.6g}, the mean"
            f"{' over samples' if although else ''} is {right[far]:.6g}"
            f" ({int(agree.sum())} of {int(telling.sum())} epochs that can tell)",
            "warning" if abs(said[far] / right[far] - 1) >= THIRD_DIGIT else "note",
        )
    return None


def _by_a_factor(timeline: Timeline, groups: Groups) -> Finding | None:
    """All means are one whole number of times, or one over it, what their rows give."""
    factor = constant_factor(groups) if one_measure(groups.means.tag, groups.rows.tag) else None
    if factor is None:
        return None
    rows, logged = groups.inside.shape[1], float(groups.means.value[groups.at[0]])
    key = named_by_declaration(factor.size, timeline.declared)
    because = f" ({factor.size} is the declared {key})" if key else ""
    words = f"{factor.words} the mean of its {rows} rows"
    of = next((view.name for view in timeline.views if view.series.get(groups.means.tag) is groups.means), "")
    return _told(
        timeline, groups, np.ones(len(groups.at), dtype=np.bool_), 0, float(factor.mean[0]), words,
        f"{f'in {of} ' if of != timeline.view.name else ''}{words} of {groups.rows.tag} in all {len(groups.at)} epochs:"
        f" the first says {logged:.6g}, the mean of the rows is {factor.mean[0]:.6g}; the sum is divided by"
        f" {factor.inverse} their number{because}",
        severity="note" if factor.times > 1 and key in SUMMED_OVER else "warning",
    )


def _by_some_rows(timeline: Timeline, rows: Series, means: Series) -> Finding | None:
    """Means that the rows of their epochs refute, few or all, and that those since the start or a factor explain."""
    ways = list(laps_of(rows, means, timeline.epoch)) if one_measure(means.tag, rows.tag) else []
    if not ways or any(laps.by_their_own_rows for laps in ways):
        return None
    for laps in ways:
        cumulative = laps.since_start()
        if cumulative is not None:
            words, far = cumulative
            return _of_laps(timeline, laps, far, words, f"rows of {rows.tag}; a meter that is not reset")
        for key, size in declared_factors(timeline.declared):
            for factor, words in ((1 / size, f"about 1/{size} of"), (float(size), f"about {size} times")):
                if laps.is_times(factor) and not laps.sums_over(timeline.epoch, factor):
                    severity: Severity = "note" if factor > 1 and key in SUMMED_OVER else "warning"
                    every = np.ones(len(means), dtype=np.bool_)
                    words = f"{words} the mean of the rows of {rows.tag}"
                    return _of_laps(timeline, laps, every, words, f"{size} is the declared {key}", severity)
    return None


def _of_laps(
    timeline: Timeline, laps: RowsOfEpochs, far: NDArray[np.bool_], words: str, why: str, severity: Severity = "warning"
) -> Finding:
    first, last = (int(np.flatnonzero(far)[end]) for end in (0, -1))
    means, rows = laps.means, laps.rows
    return Finding(
        severity=severity,
        message=f"{means.tag} is {words} ({why}) in {int(far.sum())} of {len(far)} epochs: the first of them says"
        f" {means.value[first]:.6g}, its {laps.count[first]} rows give {laps.own[first]:.4g}"
        f" +- {laps.own[first] * laps.error[first]:.1g}",
        tag=means.tag,
        first_step=int(rows.step[laps.last[0 if far.all() else 1]]),  # what follows the first epoch is of two
        last_step=int(rows.step[laps.last[last]]),
        numbers={"logged": float(means.value[first]), "mean": float(laps.own[first])},
        evidence=(timeline.row(means, first, words), timeline.row(rows, int(laps.last[first]), "the last of its rows")),
    )


def _told(
    timeline: Timeline, groups: Groups, agree: NDArray[np.bool_], far: int, mean: float, words: str, message: str,
    severity: Severity = "warning",
) -> Finding:
    means, which = groups.means, np.flatnonzero(agree)
    first, at = int(groups.at[which[0]]), int(groups.at[far])
    return Finding(
        severity=severity,
        message=f"{means.tag} is {message}",
        tag=means.tag,
        first_step=int(groups.rows.step[groups.inside[which[0], -1]]),
        last_step=int(groups.rows.step[groups.inside[which[-1], -1]]),
        numbers={"logged": float(means.value[at]), "mean": mean},
        evidence=tuple(timeline.row(means, one, words) for one in dict.fromkeys((first, at))),
    )


def _odd_rows(timeline: Timeline, loss: LossBaseline) -> Finding | None:
    """The first or last row of every epoch stands apart: by a share that the declaration names, or far."""
    found = last_rows_of_epochs(loss, timeline)
    if found is None:
        return None
    cause = cause_of(found.typical, found.error, timeline) if found.name == "last" else None
    if cause is None and (found.units < ODD_UNITS or abs(np.log(found.typical)) < np.log(ODD_RATIO)):
        return None
    first = int(found.position[0])
    why = "no declared size explains it" if cause is None else f"{cause[0]}, would be {float(cause[1]):.3g}"
    evidence: list[Row] = []
    for position in (first, int(found.position[-1])):
        evidence.append(timeline.row(loss.series, int(loss.rows[position - 1]), "the row before"))
        evidence.append(timeline.row(loss.series, int(loss.rows[position]), f"the epoch's {found.name}"))
    return Finding(
        severity="warning",
        message=(
            f"{loss.series.tag} in the {found.name} row of each epoch is {found.typical:.3g} of its neighbours"
            f" ({len(found.position)} epochs, first at step {loss.step(first)}, {found.units:.0f} noise units): {why}"
        ),
        tag=loss.series.tag,
        first_step=loss.step(first),
        last_step=loss.step(int(found.position[-1])),
        numbers={"ratio": round(found.typical, 4)} | ({} if cause is None else {"expected": float(cause[1])}),
        evidence=tuple(evidence),
    )


def _batch(step: int) -> float:
    return round(falling_loss(step) * (1 + 0.2 * wobble(step)), 6)


def _epochs(weight_of_last: float, divisor: float | None = None) -> dict[str, str]:
    """Five epochs of ten batches; the last batch of each holds 10 of 100 samples."""
    rows: list[tuple[object, ...]] = []
    for epoch in range(5):
        steps = range(10 * epoch + 1, 10 * epoch + 11)
        rows += [(s, epoch, _batch(s), None) for s in steps]
        weights = [1.0] * 9 + [weight_of_last]
        mean = sum(w * _batch(s) for w, s in zip(weights, steps, strict=True)) / (divisor or sum(weights))
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
        Example(title="sum over one batch too few", files=lambda: _epochs(1.0, 9.0)),
        Example(
            title="mean over batches", files=lambda: _epochs(1.0), declared={"dataset_size": 910, "batch_size": 100}
        ),
    ),
    good=(
        Example(title="mean of batches", files=lambda: _epochs(1.0), why="divided by the batches that it sums"),
        Example(
            title="mean over samples",
            files=lambda: _epochs(0.1),
            declared={"dataset_size": 910, "batch_size": 100},
            why="the last batch has the weight of its samples",
        ),
    ),
)
