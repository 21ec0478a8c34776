"""The log is a down-sampled export of a denser one.

What it checks
    Whether a reader knows the file as a sampled export, and whether the steps of the main series look like a random
    sample of a regular cadence: many different distances, all multiples of one step, of which each longer one is
    rarer.

Why it matters
    Boundaries, spikes and duplicates lie between the rows that were kept. A check that needs every row would accuse
    the sampling, or miss the fault.

When it is silent
    A regular cadence, one that changes a few times, and logs whose distances follow the data (tokens, samples).

What to do
    Audit the original log: event files instead of the dashboard's CSV, `wandb.Api().run(...).scan_history()`
    instead of `history()`, TensorBoard with `--samples_per_plugin scalars=0` for the export.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzer.distinct import distinct
from analyzer.model import NO_STEP, Finding, Ints
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import csv_log, falling_loss
from analyzer.timeline import Timeline

ROWS_NEEDED = 100
SAMPLE_SIZES = frozenset((500, 1000, 10_000))  # W&B's history(); TensorBoard's data server and event accumulator
IRREGULAR = 0.2  # share of distances that are not the usual one, in every quarter of the log


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    known = [source.path for source in timeline.run.sources if source.sampled]
    sampled = looks_sampled(timeline)
    if not sampled:
        return
    series = timeline.training[0]
    rises = np.diff(series.step)
    unit = int(np.gcd.reduce(rises[rises > 0])) if np.any(rises > 0) else 1
    span = int(series.step[-1] - series.step[0])
    share = len(series) / (span / unit + 1) if span else 1.0
    why = "it says so itself" if known else f"distances from {rises.min()} to {rises.max()} in no order"
    yield Finding(
        severity="note",
        message=f"a down-sampled export: {len(series)} rows of {series.tag} between step {series.step[0]} and "
        f"{series.step[-1]}, about {share:.0%} of what a cadence of {unit} would give ({why}); checks that need every "
        f"row are skipped",
        tag=series.tag, first_step=int(series.step[0]), last_step=int(series.step[-1]),
        numbers={"rows": len(series), "share": share}, evidence=(timeline.row(series, 0, "first row"),),
    )


def looks_sampled(timeline: Timeline) -> bool:
    """Whether the main series is a random sample of a regular cadence, by its reader's word or by its steps."""
    if any(timeline.run.sources[index].sampled for index in timeline.view.sources):
        return True
    references = timeline.training
    if not references or references[0].step[0] == NO_STEP:
        return False
    return random_sample(references[0].step)


def random_sample(step: Ints) -> bool:
    """Whether distances of ascending steps are those of a random sample: irregular everywhere and falling in number."""
    if len(step) < ROWS_NEEDED or np.any(np.diff(step) <= 0):
        return False
    rises = np.diff(step)
    unit = int(np.gcd.reduce(rises))
    distances = rises // unit
    quarters = np.array_split(distances, 4)
    usual = np.bincount(np.minimum(distances, 10_000)).argmax()
    if any(np.count_nonzero(part != usual) < IRREGULAR * len(part) for part in quarters):
        return False
    if len(distinct(distances)) < 4:
        return False
    if len(step) in SAMPLE_SIZES:
        return True
    # A sample without memory follows the geometric law: neighbouring distances are unrelated, deviation and mean are
    # alike, and the shortest distance is the most frequent. Episodes and token counts have a shortest of their own.
    mean = float(distances.mean())
    first, second = distances[:-1] - mean, distances[1:] - mean
    related = abs(float(np.mean(first * second))) / float(np.var(distances))
    expected = np.sqrt(1 - 1 / mean)
    short = np.count_nonzero(distances <= mean / 4 + 1) / len(distances)
    expected_short = 1 - (1 - 1 / mean) ** np.floor(mean / 4 + 1)
    return related < 0.2 and 0.7 < float(np.std(distances)) / mean / expected < 1.4 and short > 0.6 * expected_short


def _sample() -> list[tuple[object, ...]]:
    state = 12345
    rows: list[tuple[object, ...]] = []
    for step in range(1, 3001):
        state = (1103515245 * state + 12345) % 2**31
        if state / 2**31 < 0.1:
            rows.append((step, falling_loss(step)))
    return rows


def _episodes() -> list[tuple[object, ...]]:
    state, step, rows = 12345, 0, []
    for _ in range(300):
        state = (1103515245 * state + 12345) % 2**31
        step += 40 + state % 90
        rows.append((step, falling_loss(step)))
    return [*rows]


RULE = Rule(
    code="LOG007",
    name="sampled-export",
    severity="note",
    check=check,
    help="audit the original log instead of the dashboard's export",
    sources=(
        "https://github.com/tensorflow/tensorboard/issues/4047",
        "https://github.com/wandb/wandb/issues/5694",
    ),
    bad=(Example(title="one row in ten, at random", files=csv_log(("step", "loss"), _sample)),),
    good=(
        Example(title="every tenth row",
                files=csv_log(("step", "loss"), lambda: [(step, falling_loss(step)) for step in range(10, 3001, 10)]),
                why="a cadence of ten is no sample"),
        Example(title="a row an episode", files=csv_log(("step", "loss"), _episodes),
                why="episodes have lengths of their own, and no two rows are near each other"),
    ),
)
