"""Spikes of several rows in a short run, which has too few blocks to know its tail.

A test on ranks needs none: if l rows in a row are all higher than all k rows around them, chance explains it once in
binom(k + l, l) places, whatever the noise is like, as long as rows do not depend on one another.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from analyzer.clocks.loss_spikes import Spike
from analyzer.clocks.noise import MAD_TO_SIGMA
from analyzer.model import Floats

LENGTHS = (8, 12, 18)  # rows that are compared
LONGEST_RUN = 400  # rows; longer runs know their tail
CONTEXT_ROWS = 16  # on either side, at least, and at least as many as the block has
LEAST_UNITS = 3.5  # of the block's median over the higher side, in noise of single rows: an offset to look at
CHANCE = 1e-5  # over all places and lengths; neighbouring rows may depend a little on one another
DEPENDENT = 0.35  # correlation of neighbouring rows around, two standard errors of so few rows: ranks say less then
MOST = 2  # a loss with more of them goes up and down with its data


def find_plateaus(value: Floats, *, floor: float = 0.0, judged_from: int = 0) -> list[Spike]:
    """Raised stretches of a short curve that begin and end within it, in order of rows."""
    n = len(value)
    if n > LONGEST_RUN:
        return []
    found: list[Spike] = []
    for length in LENGTHS:
        context, gap = max(CONTEXT_ROWS, length), -(-length // 2)
        reach = context + gap
        if n < 2 * reach + length:
            break
        places = np.arange(reach, n - reach - length + 1)
        sides = sliding_window_view(value, context)
        before, after = sides[places - reach], sides[places + length + gap]
        block = sliding_window_view(value, length)[places]
        highest = np.maximum(before.max(axis=1), after.max(axis=1))
        chance = len(places) * len(LENGTHS) / math.comb(2 * context + length, length)
        level = np.maximum(np.median(before, axis=1), np.median(after, axis=1))
        noise = np.maximum(_noise(before), _noise(after))
        inside = _noise(block)  # a ramp that passes through is no plateau
        units = (np.median(block, axis=1) - level) / np.maximum(np.maximum(noise, inside), max(floor, 1e-300))
        alone = (_neighbours(before) + _neighbours(after)) / 2 < DEPENDENT
        good = alone & (block.min(axis=1) > highest) & (units >= LEAST_UNITS)
        good &= (places >= judged_from) & (chance < CHANCE)
        while good.any():
            at = int(np.where(good, units, -np.inf).argmax())
            spike = _spike(value, int(places[at]), length, float(level[at]), float(units[at]), chance)
            good &= (places + length + gap < spike.first) | (places > spike.last + gap)
            if not any(one.first <= spike.last and spike.first <= one.last for one in found):
                found.append(spike)
    return sorted(found, key=lambda spike: spike.first) if len(found) <= MOST else []


def _noise(rows: Floats) -> Floats:
    middle = np.median(rows, axis=1, keepdims=True)
    return np.asarray(MAD_TO_SIGMA * np.median(np.abs(rows - middle), axis=1))


def _neighbours(rows: Floats) -> Floats:
    """Correlation of each row with the next, of every window."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    power = np.maximum((centred**2).mean(axis=1), 1e-300)
    return np.asarray((centred[:, 1:] * centred[:, :-1]).mean(axis=1) / power)


def _spike(value: Floats, start: int, length: int, level: float, units: float, chance: float) -> Spike:
    half = (level + float(np.median(value[start : start + length]))) / 2
    below = np.flatnonzero(value <= half)
    first = int(below[below < start].max(initial=-1)) + 1
    last = int(below[below >= start + length].min(initial=len(value))) - 1
    peak = first + int(value[first : last + 1].argmax())
    height = float(value[peak] - level)
    scale = float(np.median(value[start : start + length]) - level) / units
    return Spike(
        first=first,
        last=last,
        peak=peak,
        level=level,
        height=height,
        units=units,
        row_units=height / scale,
        p_value=chance,
        length=length,
    )
