"""Tags of one run count different things as their step.

What it checks
    Rows of one file are written in order, so every point of a tag stands between two training rows. Where its own step
    lies far outside theirs, all the way and in a constant ratio, the tag counts something else: epochs, examples, calls
    of the optimizer. A step that starts again with every epoch, is never raised or goes on in another unit, rows of two
    axes in one tag, a second counter at a multiple of the first, and a second log with the same losses elsewhere are
    found the same way.

Why it matters
    Viewers draw all tags over one axis: a validation curve written at the epoch is squeezed into the first steps, and
    tools that keep the last value of a step drop the others.

When it is silent
    For axes named in a measure's tags (`rewards/step`, `rewards/iter`) or by a counter over itself (`save/env_step`).
    A note where an evaluation alone has the measure (a PSNR by epochs) or counts its batches, or a training loss is so.
    For documented conventions: Keras `epoch_*` tags, tags named by the epoch over its number, `*_vs_iterations`,
    Megatron's `vs samples` twins, mmengine's validation rows, DeepSpeed's samples; for gradient accumulation that
    explains the ratio (a second counter is a note where no accumulation and no length is declared); for one resume.

What to do
    Pass the same global step to every log call.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import numpy as np

from analyzer.clocks.cadence import usual_cadence
from analyzer.clocks.global_step import main_series
from analyzer.clocks.written_order import (
    BesideTraining,
    beside_training,
    counts_batches,
    keeps_epochs,
    measured_alone,
    named_by_axis,
    on_no_named_axis,
    sources_of,
    training_rows,
)
from analyzer.model import Finding, Row, Series, View
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.epoch.wording import amount
from analyzer.rules.examples import csv_log, falling_loss, table
from analyzer.rules.log.counters_apart import counters_apart
from analyzer.timeline import Timeline

CONVENTION = re.compile(
    r"(?:^|/)(?:epoch|evaluation|batch)_|vs[ _](?:samples|steps|iterations|tokens|epochs)|/Samples/", re.I
)
NAMED_BY_EPOCH = re.compile(r"(?:^|[/_. -])epochs?(?:$|[/_. -])", re.I)
FRAMEWORKS = ("mmengine", "stable-baselines3", "keras")  # document another axis for some of their tags
OFF_AXIS = 0.7  # share of a tag's points outside the training rows around them; the first few may agree by chance
HEADER = ("step", "epoch", "loss", "val_loss")


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    """Yield the first way in which the tags' axes differ."""
    main = main_series(timeline.view, timeline.roles)
    if main is None or len(main) < 3:
        yield Unchecked(reason="no series with steps")
        return
    if timeline.step_axis.unit == "row" and not timeline.roles.all("step"):
        yield Unchecked(reason="the log has no step: its rows are counted, which is one axis for all tags")
        return
    counts = timeline.step_axis.unit not in ("unknown", "redraw")  # what it counts itself tells what others count
    units = (_other_unit(timeline, view) for view in (timeline.view, *timeline.views) if view.series and counts)
    yield from itertools.islice(itertools.chain(filter(None, units), counters_apart(timeline, main)), 1)


def _other_unit(timeline: Timeline, view: View) -> Finding | None:
    main = training_rows(timeline, view)
    if main is None or len(main) < 3:
        return None
    frameworks = {timeline.run.sources[int(index)].framework for index in sources_of(main)}
    found: list[tuple[BesideTraining, float]] = []
    slack, told = usual_cadence(main.step), named_by_axis(view)
    for tag, series in view.series.items():
        if len(series) < 3 or tag in told or (CONVENTION.search(tag) and not _breaks_convention(timeline, series)):
            continue
        if NAMED_BY_EPOCH.search(tag) and usual_cadence(series.step) == 1:
            continue  # one row per epoch over the epoch's number, as its name says
        if frameworks & set(FRAMEWORKS) and not CONVENTION.search(tag):
            continue
        if (beside := beside_training(timeline.session_map, main, series)) is None:
            continue
        ratio = _ratio(beside)
        if np.mean(beside.off_axis(slack)) >= OFF_AXIS and ratio is not None and (ratio <= 0.67 or ratio >= 1.5):
            found.append((beside, ratio))
    found = on_no_named_axis(found, main)
    if not found:
        return None
    on_purpose = all(ratio < 1 for _, ratio in found) and keeps_epochs([one.series for one, _ in found])
    of_its_own = {one.series.tag: measured_alone(one.series, view) or counts_batches(one) for one, _ in found}
    why = timeline.roles.why
    found.sort(key=lambda one: (of_its_own[one[0].series.tag], why.get(one[0].series.tag) is None, one[0].series.tag))
    beside, ratio = found[0]
    tags = tuple(one.series.tag for one, _ in found)
    at = int(np.argmax(beside.off_axis(slack)))
    row = timeline.row(beside.series, int(beside.index[at]), "its own step")
    return Finding(
        severity="note" if all(of_its_own.values()) or on_purpose else "warning",
        message=f"{_list(tags)} count{'s' if len(tags) == 1 else ''} {_unit_of(timeline, ratio)}, {main.tag} counts "
        f"updates: step {int(beside.step[at])} of {tags[0]} was written at step {int(beside.before[at])} of {main.tag}",
        first_step=int(beside.step.min()),
        last_step=int(beside.step.max()),
        tag=tags[0],
        numbers={"tags": list(tags)},
        evidence=(row, *_main_row(timeline, main, int(beside.before[at]))),
    )


def _breaks_convention(timeline: Timeline, series: Series) -> bool:
    """Keras `epoch_*` tags count epochs; one that counts as many examples as the data set has does not."""
    N = timeline.plan.dataset_size
    return bool(
        series.tag.rsplit("/", 1)[-1].startswith("epoch_")
        and N
        and N > 1
        and np.all(series.step % N == 0)
        and series.step.max() >= N
    )


def _ratio(beside: BesideTraining) -> float | None:
    """Steps of the tag per training step, where it is constant over the second half as over the first."""
    x, m = beside.step.astype(np.float64), beside.before.astype(np.float64)
    if x[-1] <= x[0] or m[-1] <= m[0] or np.any(np.diff(x) < 0) or np.any(np.diff(m) < 0):
        return None
    half = len(x) // 2
    whole = (x[-1] - x[0]) / (m[-1] - m[0])
    if half >= 2 and m[half] > m[0]:
        part = (x[half] - x[0]) / (m[half] - m[0])
        if abs(part - whole) > 0.34 * whole + 1.0 / max(1.0, m[half] - m[0]):
            return None
    return float(whole)


def _unit_of(timeline: Timeline, ratio: float) -> str:
    clock = timeline.epoch
    if clock is not None and 0.8 < ratio * float(clock.low) < 1.25:
        return "epochs"
    samples = timeline.plan.samples_per_update
    if samples and 0.8 < ratio / samples < 1.25:
        return "examples"
    return "epochs or calls" if ratio < 0.5 else f"about {amount(round(ratio, 1))} per update"


def _main_row(timeline: Timeline, main: Series, step: int) -> tuple[Row, ...]:
    found = np.nonzero(main.step == step)[0]
    return (timeline.row(main, int(found[0]), "training row before it"),) if len(found) else ()


def _list(tags: tuple[str, ...]) -> str:
    return tags[0] if len(tags) == 1 else f"{tags[0]} and {len(tags) - 1} more tag{'s' if len(tags) > 2 else ''}"


def _second_iteration(back: int) -> list[tuple[object, ...]]:
    return [(step, step - (back if step > 70 else 0), falling_loss(step)) for step in range(1, 161)]


def _two_logs(later: int) -> dict[str, str]:
    told = [(step, falling_loss(step)) for step in range(1, 61)]
    lines = "".join(f'{{"step": {step + later}, "loss": {loss}}}\n' for step, loss in told)
    return {"log.csv": table(("step", "loss"), told), "metrics.jsonl": lines}


def _two_counters() -> dict[str, str]:
    told = [(step - 1, step, falling_loss(step)) for step in range(1, 61)]
    lines = "".join(f'{{"global_step": {step}, "loss": {loss}}}\n' for _, step, loss in told)
    return {"log.csv": table(("step", "global_step", "loss"), told), "metrics.jsonl": lines}


def _rows(validation_at_epoch: bool) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for step in range(1, 161):
        rows.append((step, (step - 1) // 20, falling_loss(step), None))
        if step % 20 == 0:
            rows.append((step // 20 if validation_at_epoch else step, None, None, falling_loss(step)))
    return rows


def _named_by_epoch() -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for step in range(1, 161):
        rows.append((step, falling_loss(step), None))
        if step % 20 == 0:
            rows.append((step // 20, None, falling_loss(step)))
    return rows


def _second_epoch() -> dict[str, str]:
    lines = [
        f"epoch {1 + step // 50} batch {step % 50}/50 loss: {falling_loss(step):.4f}\n" for step in range(0, 90, 5)
    ]
    return {"train.log": "".join(lines)}


def _called_again() -> list[tuple[object, ...]]:
    iterations = [*range(1, 81), *range(61, 141)]
    return [(step, iteration, falling_loss(step)) for step, iteration in enumerate(iterations, 1)]


RULE = Rule(
    code="LOG006",
    name="step-axis-mixed",
    severity="warning",
    check=check,
    help="pass the same global step to every log call",
    sources=(
        "https://github.com/Lightning-AI/pytorch-lightning/issues/5547",
        "https://github.com/Lightning-AI/pytorch-lightning/issues/4375",
        "https://github.com/tensorflow/tensorflow/issues/26873",
        "https://github.com/deepspeedai/DeepSpeedExamples/issues/811",
    ),
    bad=(
        Example(title="validation written at the epoch", files=csv_log(HEADER, lambda: _rows(True))),
        Example(
            title="the step counts calls: the iteration goes back at a resume and the step does not",
            files=csv_log(("step", "iteration", "loss"), _called_again),
        ),
        Example(
            title="the step starts again in every epoch",
            files=csv_log(("step", "loss"), lambda: [(step % 25, falling_loss(step)) for step in range(150)]),
        ),
        Example(
            title="the step is never raised",
            files=csv_log(("step", "loss"), lambda: [(0, falling_loss(step)) for step in range(150)]),
        ),
        Example(
            title="the iteration goes back at a resume, the step counts on",
            files=csv_log(("step", "iteration", "loss"), lambda: _second_iteration(20)),
        ),
        Example(title="two logs, one a step later", files=lambda: _two_logs(1)),
    ),
    good=(
        Example(
            title="one row an epoch, at its last step",
            files=lambda: {
                "train.log": "".join(f"epoch: {e} step: 234, loss is {falling_loss(e):.5f}\n" for e in range(1, 40))
            },
            why="the step is the place in the epoch, which the epoch beside it tells apart",
        ),
        Example(title="validation at the step", files=csv_log(HEADER, lambda: _rows(False)), why="one axis for both"),
        Example(
            title="the mean of an epoch over its number",
            files=csv_log(("step", "loss", "loss_per_epoch"), _named_by_epoch),
            why="the tag is named by what it counts",
        ),
        Example(
            title="one measure over several axes",
            files=csv_log(("step", "rewards/step", "loss", "rewards/epoch"), lambda: _rows(True)),
            why="each is named in its tag",
        ),
        Example(
            title="iterations from 0 beside steps from 1",
            files=csv_log(
                ("step", "iteration", "loss"), lambda: [(step, step - 1, falling_loss(step)) for step in range(1, 101)]
            ),
            why="a constant difference is a base",
        ),
        Example(
            title="learning rate every ten steps",
            files=csv_log(
                ("step", "loss", "lr"),
                lambda: [(step, falling_loss(step), 0.001 if step % 10 == 0 else None) for step in range(1, 161)],
            ),
            why="another cadence is no other axis",
        ),
        Example(
            title="a second counter of the same steps",
            files=csv_log(("step", "iteration", "loss"), lambda: _second_iteration(0)),
            why="they agree in all rows",
        ),
        Example(
            title="a counter of micro-batches",
            files=csv_log(
                ("step", "iteration", "loss"), lambda: [(step, 4 * step, falling_loss(step)) for step in range(1, 161)]
            ),
            declared={"grad_accumulation": 4},
            why="four to an update are declared",
        ),
        Example(
            title="the second epoch has begun",
            files=_second_epoch,
            why="a count of batches falls where the label goes up; the steps are made of both",
        ),
        Example(title="two logs of one run", files=lambda: _two_logs(0), why="the same losses at the same steps"),
        Example(
            title="two logs of one run, each with another of its counters for the step",
            files=_two_counters,
            why="the first log has both",
        ),
    ),
)
