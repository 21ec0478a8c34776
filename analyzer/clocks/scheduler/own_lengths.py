"""Lengths that only the log can tell a declaration: where a decay ends, how long about the declared epochs are."""

from __future__ import annotations

import math

import numpy as np
from msgspec import Struct

from analyzer.clocks.claim import Claim, stated
from analyzer.clocks.learning_rate import Observed
from analyzer.clocks.schedule_fit import identify
from analyzer.clocks.schedules import ending

NEVER = 1e12  # an end beyond any log, for a decay that has not begun
FALLS_AS = {"wsd": ("linear", "cosine", "1-sqrt"), "one-cycle": ("cosine", "linear")}
FEWEST_LAPS = 4  # seen, from which the length of one is told to a half at most


class About(Struct, frozen=True, kw_only=True):
    """A length that is known to a part of it."""

    total: float
    unsure: float


def epochs_in_steps(claim: Claim, rows: Observed) -> About | None:
    """Declared epochs in steps of the log, where its labels tell an epoch's length about, and nothing tells it exactly.
    """
    if claim.totals or not claim.epochs or not claim.epochs_asked:
        return None
    return about_steps_of(rows, claim.epochs)


def about_steps_of(rows: Observed, epochs: float) -> About | None:
    """Step at which so many epochs are done, as the labels beside the steps tell it about."""
    step, epoch = rows.axes.get("step"), rows.axes.get("epoch")
    laps = 0.0 if step is None or epoch is None else float(epoch[-1] - epoch[0])
    if step is None or epoch is None or laps < FEWEST_LAPS:
        return None
    each = float(step[-1] - step[0]) / laps
    total = float(step[0]) + each * (epochs - float(epoch[0]))
    return About(total=total, unsure=each * (1 + 2 * epochs / laps))


def own_totals(claim: Claim, rows: Observed) -> tuple[float, ...]:
    """Ends read off the log, for a schedule whose length nobody declares."""
    axis = rows.axes.get("step")
    if claim.totals or claim.family not in ending() or axis is None:
        return ()
    falls = FALLS_AS.get(claim.family, (claim.family,))
    seen = slice(int(np.argmax(rows.rate)) if claim.family == "one-cycle" else 0, None)  # its rise is its own
    fit = identify(
        axis[seen], rows.rate[seen], rows.tolerance[seen], families=falls, peaks=stated(claim.base_lr),
        floors=stated(claim.min_lr),
    )  # fmt: skip
    found = [] if fit is None or not math.isfinite(fit.end) else [float(round(fit.end)) + k for k in (0, -1, 1)]
    about = epochs_in_steps(claim, rows)
    found = [end for end in found if about is None or abs(end - about.total) <= about.unsure]
    if claim.family == "wsd":
        found.append(NEVER)
    return (*found, float(axis[-1]), float(axis[-1]) + 1)
