"""Levels that each fall by one factor."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzer.clocks.schedule_fit.fit import FITTED, Fit
from analyzer.clocks.schedule_fit.lines import line_between
from analyzer.clocks.schedule_fit.parts import Parts, joined
from analyzer.model import Floats

FEWEST_LEVELS = 8  # three are the factor, the distance and the place of the first fall


def stairs(parts: Parts, peaks: tuple[float, ...], floors: tuple[float, ...], power: float | None) -> Iterator[Fit]:
    """Levels that each fall by one factor: step and multi-step schedules, a plateau schedule, a staircase."""
    x, y, tolerance = parts.x[parts.top :], parts.y[parts.top :], parts.tolerance[parts.top :]
    changes = np.flatnonzero(np.abs(np.diff(y)) > tolerance[1:] + tolerance[:-1]) + 1
    starts = np.concatenate([[0], changes])
    lengths = np.diff(np.append(starts, len(y)))
    if len(changes) == 0 or (y <= 0).any():
        return
    if len(starts) > 200 or np.median(lengths) < 2:
        falling = slice(max(parts.tail - parts.top, 0) + 1)  # with the first row of a tail that is held
        yield from _steeper_than_rows(parts, x[falling], y[falling], tolerance[falling])
        return
    level = y[starts]
    ratios = level[1:] / level[:-1]
    ratio = float(np.median(ratios))
    slack = 3 * np.max(tolerance[starts] / level) + 1e-6
    if ratio >= 1 or (np.abs(ratios - ratio) > slack).any():
        return
    places = x[starts[1:]]

    def value(at: Floats) -> Floats:
        return level[np.clip(np.searchsorted(places, at, side="right"), 0, len(level) - 1)]

    gaps = np.diff(places)
    regular = len(gaps) > 0 and np.ptp(gaps) <= 2 * max(1.0, float(np.median(np.diff(x)))) if len(gaps) else False
    parameters: dict[str, float | tuple[float, ...]] = {"gamma": ratio, "milestones": tuple(float(p) for p in places)}
    if regular:
        parameters["step_size"] = float(np.median(gaps))
    for rise in parts.rises():
        yield joined(
            parts,
            rise,
            family="step",
            peak=float(level[0]),
            floor=0.0,
            value=value,
            start=float(places[0]),
            parameters=parameters,
        )


def _steeper_than_rows(parts: Parts, x: Floats, y: Floats, tolerance: Floats) -> Iterator[Fit]:
    """Levels of which nearly every row has its own: whole numbers of falls by one factor, in equal distances.

    A rate that falls once an epoch, in rows nearly an epoch apart: now and then a row lies two falls below the last,
    or none.
    """
    fell = -np.diff(np.log(y))
    play = tolerance[1:] / y[1:] + tolerance[:-1] / y[:-1]
    if (fell < -play).any() or not (fell > play).any():
        return
    each = float(np.median(fell[fell > play]))
    falls = np.rint(fell / each)
    off = np.abs(fell - falls * each) > FITTED * play + each * play
    if len(y) < FEWEST_LEVELS or off.any() or np.ptp(falls) == 0:
        return
    count = np.concatenate([[0.0], np.cumsum(falls)])
    line = line_between(x, count, count + 1)
    if line is None or line[0] <= 0 or count[-1] < 1:
        return
    slope, intercept = line
    ratio = float(np.exp(np.log(y[-1] / y[0]) / count[-1]))
    top, last = float(y[0]), float(count[-1]) if len(x) < len(parts.x) - parts.top else np.inf

    def value(at: Floats) -> Floats:
        return top * ratio ** np.clip(np.floor(slope * at + intercept), 0.0, last)

    for rise in parts.rises():
        yield joined(
            parts, rise, family="step", peak=top, floor=0.0, value=value, start=float(x[0]),
            parameters={"gamma": ratio, "step_size": 1 / slope},
        )
