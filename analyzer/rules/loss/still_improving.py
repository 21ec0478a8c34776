"""The run ended while the loss was still falling and the learning rate was still high.

What it checks
    Whether the loss fell by at least 3 % from the last but one fifth of the run to the last, five standard errors or
    more, and the learning rate ended at no less than half of its peak.

Why it matters
    A schedule that was not run to its end leaves the gain of its decay on the table: comparisons with runs that
    finished are not on equal footing.

When it is silent
    When the learning rate is not logged or came down, in short runs, and when the loss levels off.

What to do
    Train longer, or let the learning rate decay to its end before comparing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzer.clocks.loss_baseline import LossBaseline
from analyzer.clocks.noise import MAD_TO_SIGMA
from analyzer.model import Finding
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import csv_log, wobble
from analyzer.rules.judged_loss import judged_loss
from analyzer.timeline import Timeline

FEWEST_ROWS = 100
LEAST_FALL = 0.03
ERRORS = 5.0
HIGH = 0.5  # of the peak learning rate


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    loss, rate = judged_loss(timeline, fewest_rows=FEWEST_ROWS), timeline.roles.first("learning_rate")
    if isinstance(loss, Unchecked):
        yield loss
        return
    if rate is None:
        yield Unchecked(reason="no learning rate in the log: whether the schedule was finished cannot be told")
        return
    ended = final_share(rate.value)
    events = loss.events
    if ended < HIGH or events.divergence or events.scale or events.joins:
        return
    before, last, error = fifths(loss)
    fall = np.log(before / last)
    if fall < LEAST_FALL or fall < ERRORS * error:
        return
    start = len(loss.value) * 4 // 5
    yield Finding(
        severity="note",
        message=(
            f"{loss.series.tag} was still falling when the run ended: {before:.4g} in the last but one fifth,"
            f" {last:.4g} in the last, with the learning rate at {100 * ended:.0f} % of its peak"
        ),
        tag=loss.series.tag,
        first_step=loss.step(start),
        last_step=loss.step(len(loss.value) - 1),
        numbers={"before": before, "last": last, "learning_rate_share": round(ended, 3)},
        evidence=(
            timeline.row(loss.series, int(loss.rows[start]), "the last fifth begins"),
            timeline.row(loss.series, int(loss.rows[-1]), "the end"),
        ),
    )


def final_share(rate: np.ndarray) -> float:
    """The last learning rate as a share of the highest."""
    finite = rate[np.isfinite(rate)]
    return float(finite[-1] / finite.max()) if len(finite) and finite.max() > 0 else 0.0


def fifths(loss: LossBaseline) -> tuple[float, float, float]:
    """Median loss of the last but one and of the last fifth, and the standard error of their log-ratio."""
    n = len(loss.value)
    before, last = loss.value[n * 3 // 5 : n * 4 // 5], loss.value[n * 4 // 5 :]
    log = np.log(np.maximum(loss.value[n * 3 // 5 :], np.finfo(np.float64).tiny))
    blocks = np.array([np.median(part) for part in np.array_split(log, 20)])
    scatter = MAD_TO_SIGMA * float(np.median(np.abs(np.diff(blocks) - np.median(np.diff(blocks))))) / np.sqrt(2)
    return float(np.median(before)), float(np.median(last)), scatter * np.sqrt(2 / 10)


def _log(decays: bool) -> list[tuple[object, ...]]:
    def rate(step: int) -> float:
        return round(0.001 * (1 - step / 401), 8) if decays else 0.001

    return [(s, round(3.0 - 0.005 * s + 0.02 * wobble(s), 5), rate(s)) for s in range(1, 401)]


RULE = Rule(
    code="LOS007",
    name="still-improving",
    severity="note",
    check=check,
    help="train longer, or let the learning rate decay to its end before comparing with other runs",
    sources=("https://arxiv.org/abs/2203.15556 (Hoffmann et al. 2022: schedules must end with the run)",),
    bad=(Example(title="constant rate, falling loss", files=csv_log(("step", "loss", "lr"), lambda: _log(False))),),
    good=(
        Example(
            title="decayed",
            files=csv_log(("step", "loss", "lr"), lambda: _log(True)),
            why="the learning rate came down to its end with the run",
        ),
    ),
)
