"""The validation loss turned long before the end.

What it checks
    Whether the validation loss of any account has its minimum before 70 % of the evaluations and ends at least 15 %
    above it (of its fall, where it goes below zero), five standard errors of its own noise beyond what a lowest of many
    is by chance, while the training loss does not rise with it.

Why it matters
    The last checkpoint is not the best one, and everything behind the minimum was spent on memorising.

When it is silent
    With fewer than eight evaluations, when the training loss rises too (that is a divergence), when the rise is within
    the scatter from one evaluation to the next, and when it comes in one leap that nothing adds to: then weights, data
    or targets are others from there on.

What to do
    Take the checkpoint of the minimum; stop early, or train with more data or regularisation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from analyzer.clocks.loss import is_played
from analyzer.clocks.noise import MAD_TO_SIGMA
from analyzer.model import NO_STEP, Finding, Floats, Series
from analyzer.rules import Example, Rule, Unchecked
from analyzer.rules.examples import table
from analyzer.rules.judged_loss import series_of_every_account
from analyzer.timeline import Timeline

FEWEST = 8  # evaluations
TURNED_BEFORE = 0.7  # share of the evaluations
LEAST_RISE = 0.15  # of the minimum
NOISE_UNITS = 5.0  # standard errors, beyond what the lowest of so many evaluations is below the level by chance
WORDS = re.compile(r"[a-z]+|\d+")
PHASES = frozenset({"train", "training", "val", "valid", "validation", "test", "eval", "dev"})
TRAINING_RISE = 1.1  # the training loss may end this factor above its level at the minimum


def check(timeline: Timeline) -> Iterator[Finding | Unchecked]:
    losses = series_of_every_account(timeline, "validation_loss")
    if not losses:
        yield Unchecked(reason="no validation loss in the log")
        return
    if timeline.session_map.concurrent:
        yield Unchecked(reason="two processes wrote the run at once: its rows are not one curve")
        return
    if is_played(timeline):
        yield Unchecked(reason="rewards or an adversary are logged: what is validated changes with what is played")
        return
    if max(len(series) for series in losses) < FEWEST:
        yield Unchecked(reason=f"{len(losses[0])} evaluations; {FEWEST} or more would let it run")
        return
    main = losses[0]
    for series in losses:
        beside = series.tag != main.tag and len(main) >= FEWEST and series in timeline.roles.all("validation_loss")
        own = _trained_on(timeline, series, main) if beside else None
        if beside and own is None:
            continue  # a part of the main one, or another data set
        found = _turned(series)
        if found is None or _training_rises(timeline, int(series.step[found[0]])):
            continue
        if own is None or _falls_on(own, int(series.step[found[0]])):
            yield _finding(timeline, series, *found)
            return


def _trained_on(timeline: Timeline, series: Series, main: Series) -> Series | None:
    """The training loss of the same name, of a validation loss that lies above the main one and is no part of it."""
    if len(series) != len(main) or np.any(series.value <= main.value):
        return None
    name = _measure(series.tag)
    return next((one for one in timeline.roles.all("loss") if _measure(one.tag) == name), None)


def _measure(tag: str) -> tuple[str, ...]:
    return tuple(word for word in WORDS.findall(tag.lower()) if word not in PHASES)


def _falls_on(loss: Series, step: int) -> bool:
    """Whether a training loss ends below where it was at a step."""
    value = loss.value[np.isfinite(loss.value)]
    around = loss.value[np.isfinite(loss.value) & (loss.step >= step)][:FEWEST]
    return len(around) == FEWEST and bool(np.median(value[-FEWEST:]) < np.median(around))


def _turned(series: Series) -> tuple[int, int, float] | None:
    """Row of the minimum, last row, and how many standard errors of the curve's own noise lie between them."""
    rows = np.flatnonzero(np.isfinite(series.value))
    value = series.value[rows]
    if len(rows) < FEWEST or np.any(np.diff(series.step[rows]) < 0):
        return None
    smooth = np.concatenate([value[:1], np.median(sliding_window_view(value, 3), axis=1), value[-1:]])
    best = int(smooth[:-1].argmin())
    tail = max(3, len(value) // 10)
    lowest, end = float(smooth[best]), float(np.median(value[-tail:]))
    size = _size(value, lowest)
    if best >= TURNED_BEFORE * (len(value) - 1) or end < lowest + LEAST_RISE * size:
        return None
    # Its own noise: what three evaluations in a row leave of a straight line. A minimum of many is low by chance, too.
    bends = value[1:-1] - (value[2:] + value[:-2]) / 2
    noise = MAD_TO_SIGMA * float(np.median(np.abs(bends - np.median(bends)))) / np.sqrt(1.5)
    chosen = noise * float(np.sqrt(2 * np.log(max(len(value), 2))))
    errors = (end - lowest - chosen) / max(noise * float(np.sqrt(1 / 3 + 1 / tail)), 1e-300)
    later = smooth[best:]
    if errors < NOISE_UNITS or np.mean(later[len(later) // 2 :] > lowest + LEAST_RISE / 2 * size) < 0.9:
        return None
    near = max(0, best - 1)
    lowest_row = near + int(value[near : best + 2].argmin())
    if value[lowest_row + 1] >= end - noise:
        return None  # it leapt in one evaluation and rises no further: weights, data or targets were others from there
    return int(rows[lowest_row]), int(rows[-1]), errors


def _size(value: Floats, lowest: float) -> float:
    """What a rise is a share of: the lowest loss; of one that goes below zero its fall, as it has no ratio."""
    return lowest if value.min() > 0 else float(np.median(value[:3])) - lowest


def _training_rises(timeline: Timeline, step: int) -> bool:
    loss = timeline.loss
    if loss is None or loss.unfit or len(loss.value) < FEWEST:
        return False
    at = int(np.searchsorted(loss.series.step[loss.rows], step))
    around = loss.value[max(0, at - 5) : at + 5]
    end = loss.value[-max(5, len(loss.value) // 10) :]
    return bool(len(around) and np.median(end) > TRAINING_RISE * np.median(around))


def _finding(timeline: Timeline, series: Series, best: int, last: int, errors: float) -> Finding:
    value = series.value[np.isfinite(series.value)]
    lowest, end = float(series.value[best]), float(series.value[last])
    share = (end - lowest) / max(_size(value, lowest), 1e-300)
    above = f"{100 * share:.0f} % {'above it' if value.min() > 0 else 'of its fall above it'}"
    return Finding(
        severity="warning",
        message=(
            f"{series.tag} is lowest at {_place(series, best)} ({series.value[best]:.4g}) and ends at"
            f" {series.value[last]:.4g}, {above}, at {_place(series, last)}"
            f" ({min(errors, 999):.0f} standard errors of its own noise){_stopping(timeline, series, best)}"
        ),
        tag=series.tag,
        first_step=None if series.step[best] == NO_STEP else int(series.step[best]),
        last_step=None if series.step[last] == NO_STEP else int(series.step[last]),
        numbers={"lowest": float(series.value[best]), "end": float(series.value[last]), "ratio": round(1 + share, 4)},
        evidence=(timeline.row(series, best, "the minimum"), timeline.row(series, last, "the end")),
    )


def _place(series: Series, at: int) -> str:
    return f"row {int(series.row[at])}" if series.step[at] == NO_STEP else f"step {int(series.step[at])}"


def _stopping(timeline: Timeline, series: Series, best: int) -> str:
    """What a declared patience says of the evaluations behind the minimum."""
    patience = timeline.declared.get("early_stopping")
    later = int(np.sum(np.isfinite(series.value[best + 1 :])))
    if isinstance(patience, int) and not isinstance(patience, bool) and patience > 0:
        return f"; {later} evaluations follow the minimum, the declared patience is {patience}"
    return f"; the best checkpoint is the one before {later} evaluations"


def _log(rise: float) -> dict[str, str]:
    def validation(epoch: int) -> float:
        return round(0.6 + 1.5 * 0.6**epoch + rise * max(0, epoch - 6), 4)

    rows = [(20 * e, e - 1, round(0.4 + 2 * 0.8**e, 4), validation(e)) for e in range(1, 25)]
    return {"log.csv": table(("step", "epoch", "loss", "val_loss"), rows)}


RULE = Rule(
    code="LOS006",
    name="overfitting",
    severity="warning",
    check=check,
    help="take the checkpoint of the minimum; stop early, or train with more data or regularisation",
    sources=(
        "https://keras.io/api/callbacks/early_stopping/",
        "https://page.mi.fu-berlin.de/prechelt/Biblio/stop_tricks1997.pdf",
    ),
    bad=(Example(title="turns at epoch 6", files=lambda: _log(0.03)),),
    good=(Example(title="levels off", files=lambda: _log(0.0), why="the validation loss stays at its minimum"),),
)
