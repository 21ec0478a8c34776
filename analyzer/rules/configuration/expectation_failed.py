"""A metric misses what the project itself expects of it.

What it checks
    Every [[expect]] of the configuration: the value of a tag at the end, at its best, at a step or at an epoch, against
    a minimum and a maximum. A metric that the log lacks, or that ends before the place asked for, misses it too.

Why it matters
    A training job can end with exit code 0 and a model that is worse than last night's. A gate in the repository, under
    review like the code, says what the run must reach.

When it is silent
    Without [[expect]] entries, and for runs that an entry's `run` glob does not match. "At its best" is the highest
    value for a minimum and the lowest for a maximum, over all sessions.

What to do
    Look at the evidence row; if the expectation is out of date, change it in the file that the message names.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from analyzer.clocks.label_in_force import label_in_force
from analyzer.model import Expectation, Finding, Series
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import falling_loss, table
from analyzer.spelling import nearest
from analyzer.timeline import Timeline


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    own = [one for one in timeline.expectations if fnmatch.fnmatchcase(timeline.run.name, one.run)]
    if not own:
        yield Unchecked(reason="no [[expect]] of the configuration is about this run")
    for expectation in own:
        yield from _judged(timeline, expectation)


def _judged(timeline: Timeline, expectation: Expectation) -> Iterator[Finding | Unchecked]:
    series = next((view.series[expectation.tag] for view in timeline.run.views if expectation.tag in view.series), None)
    asked = _in_words(expectation)
    if series is None or not len(series):
        tags = [tag for view in timeline.run.views for tag in view.series]
        near = nearest(expectation.tag, tags)
        hint = f"; the nearest tag is {near}" if near else ""
        yield Finding(severity="error", message=f"{asked}, but the log has no such tag{hint}", tag=expectation.tag)
        return
    for bound in ("minimum", "maximum"):
        limit = getattr(expectation, bound)
        if limit is None:
            continue
        index = _row_asked_for(timeline, series, expectation, bound)
        if isinstance(index, Unchecked):
            yield index
            return
        if index is None:
            last = int(series.step.max())
            message = f"{asked}, but {series.tag} is logged only until step {last}"
            yield Finding(severity="error", message=message, tag=series.tag, first_step=last)
            return
        value = float(series.value[index])
        if not (value >= limit if bound == "minimum" else value <= limit):
            yield _missed(timeline, series, index, expectation, asked, value, limit)


def _missed(
    timeline: Timeline, series: Series, index: int, expectation: Expectation, asked: str, value: float, limit: float
) -> Finding:
    row = timeline.row(series, index, f"expected: {limit:g}")
    where = f"step {row.step}" if row.step is not None else f"row {row.row}"
    return Finding(
        severity="error",
        message=f"{asked}, but it is {value:g} at {where} ({expectation.found_in})",
        tag=series.tag,
        first_step=row.step,
        evidence=(row,),
        numbers={"value": value, "limit": limit},
    )


def _row_asked_for(timeline: Timeline, series: Series, expectation: Expectation, bound: str) -> int | Unchecked | None:
    """Index of the row that the expectation is about; None when the log ends before it."""
    if expectation.at == "end":
        return len(series) - 1
    if expectation.at == "best":
        finite = np.where(np.isfinite(series.value), series.value, -np.inf if bound == "minimum" else np.inf)
        return int(np.argmax(finite) if bound == "minimum" else np.argmin(finite))
    place = expectation.place if expectation.place is not None else 0.0
    reached = series.step.astype(np.float64) if expectation.at == "step" else label_in_force(timeline, series)
    if reached is None:
        return Unchecked(reason="an expectation names an epoch and the log has none; name a step instead")
    if not (reached >= place).any():
        return None
    before = np.flatnonzero(reached <= place)
    return int(before[-1]) if len(before) else None


def _in_words(expectation: Expectation) -> str:
    bounds = []
    if expectation.minimum is not None:
        bounds.append(f"at least {expectation.minimum:g}")
    if expectation.maximum is not None:
        bounds.append(f"at most {expectation.maximum:g}")
    place = {
        "end": "at the end",
        "best": "at its best",
        "step": f"at step {expectation.place or 0:g}",
        "epoch": f"at epoch {expectation.place or 0:g}",
    }
    return f"{expectation.tag} is expected to be {' and '.join(bounds)} {place[expectation.at]}"


def _files(expectation: str) -> Callable[[], Mapping[str, str]]:
    """A run of 200 steps whose accuracy rises to 0.8 at step 150 and ends at 0.75, and what is expected of it."""

    def files() -> Mapping[str, str]:
        accuracy = {50: 0.6, 100: 0.7, 150: 0.8, 200: 0.75}
        rows = [(step, (step - 1) // 50, falling_loss(step), accuracy.get(step)) for step in range(1, 201)]
        return {
            "log.csv": table(("step", "epoch", "loss", "val/accuracy"), rows),
            "analyzer.toml": f'[[expect]]\ntag = "val/accuracy"\n{expectation}\n',
        }

    return files


RULE = Rule(
    code="EXP001",
    name="expectation-failed",
    severity="error",
    check=check,
    help="look at the run; change the [[expect]] entry if the expectation is out of date",
    sources=(
        "NVIDIA/Megatron-LM, tests/functional_tests/python_test_utils: nightly scalars are held to golden values",
    ),
    bad=(
        Example(title="too low at the end", files=_files("min = 0.76")),
        Example(title="too high at its best", files=_files('at = "best"\nmax = 0.5')),
        Example(title="too low at a step", files=_files('at = "step = 100"\nmin = 0.71')),
        Example(title="too low in an epoch", files=_files("at = { epoch = 2 }\nmin = 0.9")),
    ),
    good=(
        Example(title="reached at the end", files=_files("min = 0.75"), why="a value on the bound meets it"),
        Example(
            title="reached at its best", files=_files('at = "best"\nmin = 0.8'), why="the best row counts, not the last"
        ),
        Example(
            title="reached at a step",
            files=_files("step = 120\nmin = 0.7"),
            why="step 100 is the last row",
        ),
        Example(
            title="no expectation of this run",
            files=_files('run = "nightly/*"\nmin = 0.9'),
            why="the glob names other runs",
        ),
    ),
)
