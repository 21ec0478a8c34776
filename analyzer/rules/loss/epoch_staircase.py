"""The training loss falls in steps at epoch boundaries and hardly within epochs.

What it checks
    Whether the level of the loss drops at each of at least two epoch boundaries by more than its scatter, and these
    drops together are most of what it falls behind the first of them.

Why it matters
    It is no fault of the log: the model meets each sample again and has memorised it. It is an independent witness of
    where epochs end, and a sign that the validation loss is the number to watch.

When it is silent
    With fewer than two boundaries, without an exact epoch clock, and when the loss falls within epochs as well.

What to do
    Nothing for the log; watch the validation loss, train for fewer epochs or regularise.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzer.clocks.noise import MAD_TO_SIGMA
from analyzer.model import Finding
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import EPOCHS, csv_log, wobble
from analyzer.rules.judged_loss import judged_loss
from analyzer.timeline import Timeline

FEWEST_BOUNDARIES = 2
ROWS = 20  # on either side of a boundary, at most
LEAST_DROP = 0.05  # in log-loss
ERRORS = 4.0
SHARE = 0.6  # of the fall behind the first boundary


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    loss, clock = judged_loss(timeline), timeline.epoch
    if isinstance(loss, Unchecked):
        yield loss
        return
    if clock is None or not clock.exact or clock.origin is None:
        yield Unchecked(reason="no exact epoch clock: boundaries are not known")
        return
    length, origin = float(clock.low), int(clock.origin)
    step = loss.series.step[loss.rows]
    if loss.running_mean or loss.joins or np.any(np.diff(step) <= 0) or length < 6 or (step[-1] - origin) / length > 50:
        return
    log = np.log(loss.value)
    boundaries = np.arange(origin + length, float(step[-1]), length)
    at = np.searchsorted(step, boundaries)
    at = at[(at >= 5) & (at <= len(step) - 5)]
    reach = int(np.clip(np.median(np.diff(np.append(0, at))) // 3, 3, ROWS)) if len(at) else 0
    at = at[(at >= reach) & (at <= len(step) - reach)]  # rows may lie unevenly
    if len(at) < FEWEST_BOUNDARIES:
        return
    noise = MAD_TO_SIGMA * float(np.median(np.abs(np.diff(log)))) / np.sqrt(2)
    error = 1.2533 * noise * np.sqrt(2 / reach)
    drops = np.array([np.median(log[k - reach : k]) - np.median(log[k : k + reach]) for k in at])
    if drops.min() < max(LEAST_DROP, ERRORS * error):
        return
    first, last = int(at[0]), int(at[-1])
    fall = float(np.median(log[first - reach : first]) - np.median(log[last : last + reach]))
    if drops.sum() < SHARE * fall:
        return
    yield Finding(
        severity="note",
        message=(
            f"{loss.series.tag} falls in steps at the {len(at)} epoch boundaries,"
            f" by {100 * (1 - np.exp(-drops.min())):.0f} to"
            f" {100 * (1 - np.exp(-drops.max())):.0f} % each, first at step {int(step[first])}: samples seen again"
        ),
        tag=loss.series.tag,
        first_step=int(step[first]),
        last_step=int(step[last]),
        numbers={"boundaries": len(at), "largest_drop": round(float(1 - np.exp(-drops.max())), 3)},
        evidence=(
            timeline.row(loss.series, int(loss.rows[first - 1]), "the last row of an epoch"),
            timeline.row(loss.series, int(loss.rows[first]), "the first of the next"),
        ),
    )


def _log(drop: float) -> list[tuple[object, ...]]:
    def loss(step: int) -> float:
        epoch = (step - 1) // 100
        smooth = 2.0 * drop**epoch if drop < 1 else 2.0 * 0.998**step
        return round(smooth * (1 + 0.02 * wobble(step)), 6)

    return [(s, (s - 1) // 100, loss(s)) for s in range(1, 401)]


RULE = Rule(
    code="LOS009",
    name="epoch-staircase",
    severity="note",
    check=check,
    help="nothing for the log; watch the validation loss, train for fewer epochs or regularise",
    sources=(
        "https://github.com/lm-sys/FastChat/issues/2025",
        "https://github.com/huggingface/transformers/issues/18730",
    ),
    bad=(Example(title="three steps down", files=csv_log(EPOCHS, lambda: _log(0.7))),),
    good=(
        Example(
            title="falls all the time",
            files=csv_log(EPOCHS, lambda: _log(1.0)),
            why="the fall within epochs is as large as at their boundaries",
        ),
    ),
)
