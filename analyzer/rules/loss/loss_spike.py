"""A transient peak of the training loss beyond the run's own noise.

What it checks
    Whether some rows stand above the level before *and* after them by more than the run's own noise explains: blocks of
    1 to 200 rows, judged in units of their local scatter and against the tail that the run itself shows.

Why it matters
    A spike costs steps until the model has recovered, and spikes that grow more frequent announce a divergence. Its
    cause is usually a few bad batches, a learning rate that is too high, or optimizer moments that went stale.

When it is silent
    Descent, steps at epochs, divergence and ringing in the first descent are no spikes. A run whose noise has a heavy
    tail needs a higher peak. What happens at a resume is told as loss-jump-at-resume, and a loss rises where a schedule
    of warm restarts raises the rate.

What to do
    Look at the batches of these rows and at the gradient norm. If it comes back: clip gradients, lower the learning
    rate or the second-moment decay, or skip the batches.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzer.clocks.loss_baseline import LossBaseline
from analyzer.clocks.loss_spikes import Spike
from analyzer.model import Finding, Ints, Row
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import EPOCHS, csv_log, epochs, falling_loss, wobble
from analyzer.rules.judged_loss import chance, company, judged_loss, spoken
from analyzer.timeline import Timeline

AT_A_RESTART = 1  # rows between a raised rate and the loss that it raises
SHOWN = 3  # spikes with evidence rows of their own


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    loss = judged_loss(timeline)
    if isinstance(loss, Unchecked):
        yield loss
        return
    restarts = _restarts(timeline, loss)
    spikes = tuple(one for one in loss.events.spikes if not (np.abs(restarts - one.first) <= AT_A_RESTART).any())
    if not spikes:
        return
    highest = max(spikes, key=lambda spike: spike.row_units)
    evidence: list[Row] = []
    for spike in sorted(spikes, key=lambda one: -one.row_units)[:SHOWN]:
        evidence += _rows(timeline, loss, spike)
    yield Finding(
        severity="warning",
        message=_message(loss, spikes, highest) + company(timeline, loss, highest.first, highest.last),
        tag=loss.series.tag,
        first_step=loss.step(spikes[0].first),
        last_step=loss.step(spikes[-1].last),
        numbers={
            "spikes": len(spikes),
            "height": highest.height,
            "noise_units": round(highest.row_units, 1),
            "rows": highest.last - highest.first + 1,
            "p_value": float(f"{highest.p_value:.2g}"),
        },
        evidence=tuple(evidence),
    )


def _restarts(timeline: Timeline, loss: LossBaseline) -> Ints:
    """Positions at which the rate is raised again by a schedule of warm restarts that is kept."""
    kept = any(clock.family == "warm-restarts" and not clock.deviations for clock in timeline.schedulers)
    return loss.learning_rate_moves if kept else loss.learning_rate_moves[:0]


def _message(loss: LossBaseline, spikes: tuple[Spike, ...], highest: Spike) -> str:
    rows = highest.last - highest.first + 1
    peak = loss.value[highest.peak]
    text = (
        f"{spoken(loss)} rises from about {highest.level:.4g} to {peak:.4g} at step {loss.step(highest.peak)}"
        f" ({highest.row_units:.0f} noise units, {rows} row{'s' if rows > 1 else ''}, {chance(highest.p_value)})"
    )
    after = highest.last + 1
    if after < len(loss.rows):
        text += f" and is back at step {loss.step(after)}"
    else:
        text += " and the log ends there"
    if len(spikes) > 1:
        others = ", ".join(str(loss.step(s.peak)) for s in spikes if s is not highest)
        text += f"; {len(spikes) - 1} more at step{'s' if len(spikes) > 2 else ''} {others}"
    return text


def _rows(timeline: Timeline, loss: LossBaseline, spike: Spike) -> list[Row]:
    rows = [timeline.row(loss.series, int(loss.rows[spike.peak]), "the peak")]
    if spike.first > 0:
        rows.insert(0, timeline.row(loss.series, int(loss.rows[spike.first - 1]), "the last row before it"))
    if spike.last + 1 < len(loss.rows):
        rows.append(timeline.row(loss.series, int(loss.rows[spike.last + 1]), "back at its level"))
    return rows


def _log(extra: dict[int, float]) -> list[tuple[int, float]]:
    return [(s, round(falling_loss(s) + 0.02 * wobble(s) + extra.get(s, 0.0), 6)) for s in range(1, 401)]


RULE = Rule(
    code="LOS001",
    name="loss-spike",
    severity="warning",
    check=check,
    help="look at the batches and the gradient norm of these rows; if it returns, clip or lower the learning rate",
    sources=(
        "https://arxiv.org/abs/2501.00656 (OLMo 2, section 3: spike score)",
        "https://arxiv.org/abs/2204.02311 (PaLM, section 5.1: spikes and skipped batches)",
    ),
    bad=(
        Example(title="one row", files=csv_log(("step", "loss"), lambda: _log({250: 1.5}))),
        Example(title="eight rows", files=csv_log(("step", "loss"), lambda: _log(dict.fromkeys(range(250, 258), 0.4)))),
    ),
    good=(
        Example(title="noise only", files=csv_log(("step", "loss"), lambda: _log({})), why="no row leaves the noise"),
        Example(
            title="staircase at epochs",
            files=csv_log(
                EPOCHS,
                lambda: [(s, e, round(2 * 0.5**e + 0.02 * wobble(s), 6)) for s, e, _ in epochs(range(1, 401), 100)],
            ),
            why="a loss that falls in steps never stands above what came before",
        ),
    ),
)
