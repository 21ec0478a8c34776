"""A run leaves the clocks or the loss of its reference run.

What it checks
    With `--against GOLDEN` (or `against` in the configuration): whether epoch labels and learning rates are those of
    the reference at the same steps, within the digits that both were written with; whether the run reaches the step
    that the reference reached; and whether the median of the training loss stays within the reference's band in each
    of twenty stretches.

Why it matters
    A change to a data loader, a scheduler or a framework's version should not move the clocks of a training job. A
    recorded run shows that it did at the first step that differs, long before the final metric does.

When it is silent
    Without a reference. The band is three times the reference's own noise, and never narrower than 5 % of its level, so
    another seed stays inside. Steps that only one of the two logged are not compared.

What to do
    If the change was meant, record a new reference; else look at what differs at the step of the evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.noise import MAD_TO_SIGMA
from analyzer.model import NO_STEP, Finding, Floats, Ints, Row, Series
from analyzer.precision import half_width
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import falling_loss, table
from analyzer.timeline import Timeline

STRETCHES = 20  # of the common steps, in which losses are compared
FEWEST_ROWS = 3  # in a stretch, in both runs
NOISE_WIDTHS = 3.0  # of the reference's rows: medians of healthy seeds lie well within
SHARE_OF_LEVEL = 0.05


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    reference = timeline.reference
    if reference is None:
        yield Unchecked(reason="no reference run is given; --against, or `against` in analyzer.toml, names one")
        return
    clocks = [
        finding
        for role, what in (("epoch", "epoch label"), ("learning_rate", "learning rate"))
        for finding in _same_numbers(timeline, reference, role, what)
    ]
    loss = list(_within_band(timeline, reference))
    if clocks:  # a loss that follows another clock goes another way
        clocks[0] = replace(clocks[0], consequences=tuple(finding.message for finding in loss))
        loss = []
    yield from (*clocks, *_same_length(timeline, reference), *loss)


def _same_numbers(timeline: Timeline, reference: Timeline, role: str, what: str) -> Iterator[Finding]:
    ours, theirs = timeline.roles.first(role), reference.roles.first(role)
    if ours is None or theirs is None:
        return
    here, there = common_steps(ours, theirs)
    slack = half_width(ours)[here] + half_width(theirs)[there]
    with np.errstate(invalid="ignore"):
        apart = np.abs(ours.value[here] - theirs.value[there]) > slack * (1 + 1e-9)
    wrong = np.flatnonzero(apart)
    if not len(wrong):
        return
    first = int(wrong[0])
    row = timeline.row(ours, int(here[first]), "this run")
    golden = reference.row(theirs, int(there[first]), "the reference")
    yield Finding(
        severity="error",
        message=f"the {what} is {row.value} at step {row.step} where the reference has {golden.value}; "
        f"{len(wrong)} of {len(here)} common steps differ",
        tag=ours.tag,
        first_step=row.step,
        last_step=int(ours.step[here[wrong[-1]]]),
        evidence=(row, golden),
        numbers={"differing": len(wrong), "common": len(here)},
    )


def _same_length(timeline: Timeline, reference: Timeline) -> Iterator[Finding]:
    ours, theirs = _last_row(timeline), _last_row(reference)
    if ours is None or theirs is None or ours.step is None or theirs.step is None or ours.step >= theirs.step:
        return
    yield Finding(
        severity="error",
        message=f"the run ends at step {ours.step}, the reference at step {theirs.step}",
        tag=ours.tag,
        first_step=ours.step,
        evidence=(ours, theirs),
    )


def _last_row(timeline: Timeline) -> Row | None:
    loss = timeline.roles.first("loss")
    return timeline.row(loss, int(np.argmax(loss.step)), "the last row") if loss is not None and len(loss) else None


def _within_band(timeline: Timeline, reference: Timeline) -> Iterator[Finding]:
    ours, theirs = timeline.roles.first("loss"), reference.roles.first("loss")
    if ours is None or theirs is None:
        return
    here, there = common_steps(ours, theirs)
    outside = []
    for part in np.array_split(np.arange(len(here)), STRETCHES):
        if len(part) < FEWEST_ROWS:
            continue
        level = float(np.median(theirs.value[there[part]]))
        band = max(NOISE_WIDTHS * noise(theirs.value[there[part]]), SHARE_OF_LEVEL * abs(level))
        middle = float(np.median(ours.value[here[part]]))
        if not abs(middle - level) <= band:
            outside.append((part, middle, level, band))
    if not outside:
        return
    part, middle, level, band = outside[0]
    first, last = int(here[part[0]]), int(here[part[-1]])
    where = f"steps {int(ours.step[first])} to {int(ours.step[last])}"
    yield Finding(
        severity="error",
        message=f"{ours.tag} has the median {middle:.4g} in {where} where the reference has {level:.4g} "
        f"(band {band:.2g}); so in {len(outside)} of {STRETCHES} stretches",
        tag=ours.tag,
        first_step=int(ours.step[first]),
        last_step=int(ours.step[int(here[outside[-1][0][-1]])]),
        evidence=(
            timeline.row(ours, first, "first row outside"),
            reference.row(theirs, int(there[part[0]]), "the reference"),
        ),
        numbers={"median": middle, "reference": level, "band": band},
    )


def noise(values: Floats) -> float:
    """Standard deviation of rows about a smooth course: by the median of their differences, deaf to spikes."""
    steps = np.diff(values[np.isfinite(values)])
    return float(MAD_TO_SIGMA * np.median(np.abs(steps - np.median(steps))) / np.sqrt(2)) if len(steps) else 0.0


def common_steps(one: Series, two: Series) -> tuple[Ints, Ints]:
    """Indices of the rows that two series logged at equal steps, the last telling of a step; ascending steps."""
    last_one, last_two = _last_telling(one), _last_telling(two)
    _, first, second = np.intersect1d(one.step[last_one], two.step[last_two], assume_unique=True, return_indices=True)
    return last_one[first], last_two[second]


def _last_telling(series: Series) -> Ints:
    backwards = series.step[::-1]
    _, index = np.unique(backwards, return_index=True)
    last = len(series) - 1 - index
    return last[series.step[last] != NO_STEP]


def _files(
    rate: Callable[[int], float] = lambda step: round(0.1 * (1 - step / 200), 6),
    epoch: Callable[[int], int] = lambda step: (step - 1) // 50,
    loss: Callable[[int], float] = falling_loss,
    steps: int = 200,
) -> Callable[[], Mapping[str, str]]:
    """A run of 200 steps and beside it the reference that the configuration names."""

    def files() -> Mapping[str, str]:
        header = ("step", "epoch", "loss", "lr")
        golden = [(s, (s - 1) // 50, falling_loss(s), round(0.1 * (1 - s / 200), 6)) for s in range(1, 201)]
        return {
            "run/log.csv": table(header, [(s, epoch(s), loss(s), rate(s)) for s in range(1, steps + 1)]),
            "golden/log.csv": table(header, golden),
            "analyzer.toml": 'against = "golden"\n',
        }

    return files


RULE = Rule(
    code="EXP002",
    name="reference-departed",
    severity="error",
    check=check,
    help="record a new reference if the change was meant; else look at what differs at this step",
    sources=(
        "NVIDIA/Megatron-LM, tests/functional_tests: scalars of a run are held to those of a recorded one",
        "NVIDIA/bionemo-framework, verify_tensorboard_logs: expected metrics of a recorded run",
    ),
    bad=(
        Example(title="another schedule", files=_files(rate=lambda step: round(0.1 * (1 - step / 250), 6))),
        Example(title="a higher loss", files=_files(loss=lambda step: round(falling_loss(step) * 1.2, 6))),
        Example(title="ended early", files=_files(steps=150)),
    ),
    good=(
        Example(title="the same run again", files=_files(), why="every number is the reference's"),
        Example(
            title="another seed",
            files=_files(loss=lambda step: round(falling_loss(step) * (1 + 0.02 * np.sin(step * 7.0)), 6)),
            why="the loss wanders by two per cent, within the band",
        ),
        Example(
            title="fewer digits",
            files=_files(rate=lambda step: round(0.1 * (1 - step / 200), 4)),
            why="the rates are the reference's within the digits that were written",
        ),
    ),
)
