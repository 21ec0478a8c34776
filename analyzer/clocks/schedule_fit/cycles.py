"""Families that rise again: cosine cycles, a zig-zag, one cycle in three phases."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

import numpy as np

from analyzer.clocks.schedule_fit.falls import fall_through
from analyzer.clocks.schedule_fit.fit import FEWEST_ROWS, Fit, Rise
from analyzer.clocks.schedule_fit.lines import line_through
from analyzer.clocks.schedule_fit.parts import Parts
from analyzer.clocks.schedules import Schedule
from analyzer.model import Floats

SHRINKS = (1.0, 0.5)  # of the height from cycle to cycle: CyclicLR "triangular" and "triangular2"
RESTART_JUMP = 0.3  # of the whole height, between two rows


def restarts(parts: Parts, peaks: tuple[float, ...], floors: tuple[float, ...], power: float | None) -> Iterator[Fit]:
    """Cosine cycles, each starting at the peak again: the first cycle gives the shape, the jumps give the lengths."""
    x, y, tolerance = parts.x, parts.y, parts.tolerance
    height = float(y.max() - y.min())
    jumps = np.flatnonzero((np.diff(y) > RESTART_JUMP * height) & (y[1:] > y.max() - 0.5 * height)) + 1
    jumps = jumps[jumps > parts.top + 3]
    if not len(jumps) or len(jumps) > 200:
        return
    first = slice(0, int(jumps[0]))
    head = fall_through("cosine", x[first], y[first], tolerance[first], peaks=(*peaks, float(y.max())), floors=floors)
    if head is None or not math.isfinite(head.end):
        return
    origin = head.start
    ends = [float(x[jump]) for jump in jumps]
    lengths = np.diff([origin, *ends])
    ratio = 1.0 if len(lengths) < 2 else float(round(lengths[1] / lengths[0]))
    length = head.end - origin
    filled = float(round((len(jumps) + 1) * length))  # the cycles of transformers fill the run, and end with it
    shapes = [(mult, length, math.inf) for mult in dict.fromkeys((ratio, 1.0, 2.0))]
    if filled <= x[-1] - origin + 1:
        shapes.append((1.0, filled / (len(jumps) + 1), filled))
    for mult, length, total in shapes:
        cycles = Schedule(
            family="warm-restarts",
            peak=head.peak,
            floor=head.floor,
            step_size=length,
            cycle_mult=max(mult, 1.0),
            gamma=1.0,
        )

        def value(at: Floats, cycles: Schedule = cycles, total: float = total) -> Floats:
            return np.where(at - origin >= total, cycles.floor, cycles(np.maximum(at - origin, 0.0)))

        yield Fit(
            family="warm-restarts",
            peak=head.peak,
            floor=head.floor,
            rise=head.rise,
            hand_over=head.hand_over,
            start=origin,
            value=value,
            parameters={"step_size": length, "cycle_mult": mult},
        )


def zigzag(parts: Parts, peaks: tuple[float, ...], floors: tuple[float, ...], power: float | None) -> Iterator[Fit]:
    """Straight up and straight down, again and again (CyclicLR)."""
    x, y = parts.x, parts.y
    turns = np.flatnonzero(np.diff(np.sign(np.diff(y))) != 0) + 1
    if len(turns) < 3 or len(turns) > 500:
        return
    up, down = turns[0], turns[1]
    if up < 3 or down - up < 3 or y[up] < y[0]:
        return
    low, high = float(y.min()), float(y.max())
    rising = line_through(x[:up], y[:up], parts.tolerance[:up])
    falling = line_through(x[up + 1 : down], y[up + 1 : down], parts.tolerance[up + 1 : down])
    if rising is None or falling is None or rising[0] <= 0 or falling[0] >= 0:
        return
    for bottom, shrink in product(dict.fromkeys((*floors, low)), SHRINKS):
        origin = (bottom - rising[1]) / rising[0]
        width, back = (high - bottom) / rising[0], (bottom - high) / falling[0]
        teeth = Schedule(
            family="cyclic", peak=high, floor=bottom, step_size=round(width, 6), timescale=round(back, 6), gamma=shrink
        )

        def value(at: Floats, teeth: Schedule = teeth, origin: float = origin) -> Floats:
            return teeth(at - round(origin, 6))

        parameters: dict[str, float | tuple[float, ...]] = {"step_size": width, "step_size_down": back}
        if shrink != 1.0:
            parameters["gamma"] = shrink
        yield Fit(family="cyclic", peak=high, floor=bottom, value=value, parameters=parameters)


def three_phases(
    parts: Parts, peaks: tuple[float, ...], floors: tuple[float, ...], power: float | None
) -> Iterator[Fit]:
    """Up, down the same way, and from where it began on to nothing (torch's OneCycleLR with ``three_phase``)."""
    x, y = parts.x, parts.y
    for rise in parts.rises():
        if rise is None or rise.rows < FEWEST_ROWS or rise.form not in ("cosine", "line"):
            continue
        curved = rise.form == "cosine"
        begins = rise.start if curved else float(y[0])
        zero = rise.zero if curved else float(x[0])
        turn = 2 * rise.end - zero
        last = x > turn
        if begins <= 0 or last.sum() < FEWEST_ROWS:
            continue
        ending = fall_through(
            "cosine" if curved else "linear",
            np.append(turn, x[last]),
            np.append(begins, y[last]),
            np.append(parts.tolerance[0], parts.tolerance[last]),
            peaks=(begins,),
            floors=floors,
        )
        if ending is None:
            continue

        def value(at: Floats, rise: Rise = rise, ending: Fit = ending, turn: float = turn) -> Floats:
            mirrored = rise(2 * rise.end - at, float(y.max()))
            return np.where(at <= turn, mirrored, ending(at))

        yield Fit(
            family="one-cycle",
            peak=float(y.max()),
            floor=ending.floor,
            rise=rise,
            hand_over=rise.end,
            start=rise.end,
            end=ending.end,
            value=value,
            parameters={"phases": 3.0},
        )
