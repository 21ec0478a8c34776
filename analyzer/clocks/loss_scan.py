"""Changes of a curve's level, by one scan: means of windows of every length before and behind every row.

The place of a change is a nuisance, and so is the length of the window that shows it best; the chance of the best is
corrected for both. How far such differences go by themselves is the run's own: it is measured at every length where
the run has enough windows, and carried on to longer ones with the growth that was seen. Neighbouring rows that
resemble one another make long windows scatter more than the root of their length says, and that is measured as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.lib.stride_tricks import sliding_window_view

from analyzer.clocks.loss_blocks import steady_scale
from analyzer.clocks.loss_noise import Noise, window_lengths
from analyzer.clocks.noise import MAD_TO_SIGMA
from analyzer.clocks.row_medians import row_medians
from analyzer.model import Floats, Ints

SHORTEST = 4  # rows of a window: single rows are what spikes are judged by
CLEANED = 5  # rows of the running median that wild rows are cut off around: two in a row do not move it
WILD = 3.0  # noise units from which on they are
PHASES = 4  # places looked at in each window's length
PLACES = 1.3  # independent looks at each window's length of a curve: with it simulated p-values are uniform
KNOWN_TO = 1 / 6  # a scale is measured on windows of at most this share of the run
DESCENT = 1.0  # standard errors of what a descent may hide of a rise: noise beside it makes none
ASKED = 2.5  # standard errors below which no chance is small
MOST_CHANGES = 12
AHEAD = 4  # changes that are taken out before they are given up, in a curve whose noise they could make
LONG, HALF_SURE = 5000, 0.1  # rows from which one change makes no noise, unless it is one of the edges of a stretch
ALIKE = 0.6  # of the larger of a rise and the fall behind it that the smaller is at least, if one undoes the other
ENOUGH = 5000  # windows of one length tell its scale


class Change(Struct, frozen=True, kw_only=True):
    """From ``row`` on the curve stands ``rise`` above the ``length`` rows before, on as many rows."""

    row: int
    length: int
    rise: float  # in the unit of the curve
    units: float  # rise in standard errors of such a difference, serial correlation included
    p_value: float  # of any such change anywhere in the run
    way: int = 0  # rows that it takes, where several changes are one


class Scan:
    """One curve, shape (n,) and finite, whose rows from ``first`` on are looked at."""

    def __init__(self, curve: Floats, *, first: int = 0, floor: Floats | float = 1e-12) -> None:
        n = len(curve)
        self.curve, self.first, self.n = curve, first, n
        self.lengths: list[int] = []
        self.law: Noise | None = None  # what differences do by themselves, the changes left out
        if n - first < 2 * SHORTEST + CLEANED:
            return
        noise = np.maximum(steady_scale(np.diff(curve, append=curve[-1]) / math.sqrt(2), 1e-12), floor)
        middle = running_median(curve)
        self.clean = np.clip(curve, middle - WILD * noise, middle + WILD * noise)
        self.noise = np.concatenate([[0.0], np.cumsum(noise)])
        self.lengths = [length for length in window_lengths(60) if length <= (n - first) // 2]
        self.total = summed(self.clean)
        self.plain = self._noise_of(self.total)  # with all changes in it

    def changes(self, p_value: float) -> list[Change]:
        """Changes that chance explains with less than ``p_value`` each, in order of rows.

        One after the other is taken out of the curve, and the noise is that of what is left: a change that stays in it
        makes the noise that it is judged by. Of such groups the largest whose members are all sure
        counts (Rosner 1983).
        """
        if not self.lengths:
            return []
        rest, noise = self.clean.copy(), self.plain
        self.law = noise
        found: list[tuple[int, int, float, float]] = []  # row, index of the length, rise, its size in noise of rows
        kept: list[Change] = []
        self.least = 1.0
        for _ in range(MOST_CHANGES):
            total = summed(rest)
            best = self._largest(total, noise)
            if best is None:
                break
            place, k, z = best
            row = self._edge(rest, place, self.lengths[k])
            rise = self._rise(total, row, k, noise)
            found.append((row, k, rise, z))
            rest[row:] -= rise
            noise = self._noise_of(summed(rest))
            chances = [noise.chance(np.array([z]), k, self._looks(k)).item() for _, k, _, z in found]
            chances = self._of_both(found, chances, noise)
            self.least = min(self.least, max(chances))
            if max(chances) < p_value:
                self.law = noise
                kept = [
                    Change(row=row, length=self.lengths[k], rise=rise, units=z / float(noise.error[k]), p_value=chance)
                    for (row, k, rise, z), chance in zip(found, chances, strict=True)
                ]
            elif len(found) - len(kept) >= (AHEAD if self.n < LONG or chances[-1] < HALF_SURE else 1):
                break
        return self._merged(sorted(kept, key=lambda change: change.row), p_value)

    def _merged(self, changes: list[Change], p_value: float) -> list[Change]:
        """Changes in order of rows, those within a few rows of one another as one; none where they are the edges of a
        spike, around which the longest of their windows differ by nothing."""
        groups: list[list[Change]] = []
        for change in changes:
            if groups and change.row - groups[-1][-1].row < SHORTEST:
                groups[-1].append(change)
            else:
                groups.append([change])
        found = []
        for group in groups:
            longest = max(group, key=lambda one: one.length)
            rise = sum(change.rise for change in group)
            undone = abs(rise) < (1 - ALIKE) * max(abs(change.rise) for change in group)
            if undone and self._chance_around(group[0].row, group[-1].row, longest.length) > p_value:
                continue
            found.append(replace(max(group, key=lambda one: one.units), rise=rise))
        return found

    def _chance_around(self, first: int, last: int, length: int) -> float:
        """Chance anywhere of such a difference of the rows behind ``last`` from those before ``first``."""
        k, law = self.lengths.index(length), self.law or self.plain
        first, last = max(first, self.first + length), min(last, self.n - length)
        before, after = (self.total[[at + length, at]] for at in (first - length, last))
        z = abs(after[0] - after[1] - before[0] + before[1]) / length / self._noise(np.array([last]), length)
        return float(law.chance(z, k, self._looks(k))[0])

    def _of_both(
        self, found: Sequence[tuple[int, int, float, float]], chances: list[float], noise: Noise
    ) -> list[float]:
        """Chances of changes, where a rise is followed by a fall that undoes it those of both together.

        Two p-values of the curve as it is, whose product is q, are so small together with a chance of q (1 - log q)
        (Fisher 1925); one of as many pairs as there may be is.
        """
        joint = list(chances)
        for one, other in pairwise(sorted(range(len(found)), key=lambda index: found[index][0])):
            (first, k, up, _), (last, back, down, _) = found[one], found[other]
            apart = last - first >= self.lengths[k] + self.lengths[back]
            if not apart or not min(up, -down) > ALIKE * max(up, -down) > 0:
                continue
            q = 1.0
            for row, which in ((first, k), (last, back)):
                length = self.lengths[which]
                stride = max(1, length // PHASES)
                beside = -(-2 * length // stride)
                rows = range(row - beside * stride, row + beside * stride + 1, stride)
                if rows[0] < self.first + length or rows[-1] > self.n - length:
                    continue
                size = self._sizes(self.total, rows, length, float(noise.error[which])) / self._noise(rows, length)
                q *= noise.chance(size[beside : beside + 1], which, self._looks(which)).item()
            both = min((len(found) - 1) * q * (1 - math.log(max(q, 1e-300))), 1.0)
            joint[one], joint[other] = min(joint[one], both), min(joint[other], both)
        return joint

    def _rise(self, total: Floats, row: int, k: int, noise: Noise) -> float:
        """Rise at a row, beside the descent, on as many rows as say the same as those that showed it."""
        length = self.lengths[k]
        rise = self._jump(total, min(max(row, self.first + length), self.n - length), length)
        error = float(noise.error[k]) * self.noise_at(row)
        for wide in (2 * length, 4 * length):
            if self.first + wide <= row <= self.n - wide:
                other = self._jump(total, row, wide)
                rise = other if abs(other - rise) <= error else rise
        return rise

    def _jump(self, total: Floats, row: int, length: int) -> float:
        """Difference at a row over what the curve falls by itself: the lesser of the falls before and behind."""
        inside = [at for at in (row - 2 * length, row + 2 * length) if self.first + length <= at <= self.n - length]
        jump, *beside = self._differences(total, np.array([row, *inside]), length).tolist()
        return jump - (min(max(beside), 0.0) if len(beside) == 2 else 0.0)

    def at(self, row: int, length: int, noise: Noise) -> tuple[float, float, float]:
        """Rise at a known row over so many rows on either side, its standard errors, and its chance, either way."""
        k = int(np.searchsorted(self.lengths, min(length, row - self.first, self.n - row), side="right")) - 1
        rows = np.array([row])
        rise = float(self._differences(self.total, rows, self.lengths[k])[0])
        z = rise / float(self._noise(rows, self.lengths[k])[0])
        return rise, z / float(noise.error[k]), float(noise.chance(np.array([abs(z)]), k, 1.0)[0])

    def error_at(self, row: int, rows: int) -> float:
        """Standard error of a difference at a row over so many rows on either side, the changes left out; 0 where the
        curve is too short for a scan."""
        if self.law is None:
            return 0.0
        k = int(np.searchsorted(self.lengths, rows, side="right")) - 1
        return float(self.law.error[k]) * self.noise_at(row) * math.sqrt(self.lengths[k] / rows)

    def noise_at(self, row: int) -> float:
        """Noise of single rows there."""
        return float(self.noise[row + 1] - self.noise[row])

    def noise_without(self, row: int, rise: float) -> Noise:
        """The noise of the curve with the rise from a row on taken out of it."""
        rest = self.clean.copy()
        rest[row:] -= rise
        return self._noise_of(summed(rest))

    def _largest(self, total: Floats, noise: Noise) -> tuple[int, int, float] | None:
        """Row and index of the length of the window whose difference chance explains least, and that difference."""
        best: tuple[float, int, int, float] | None = None
        for k, length in enumerate(self.lengths):
            if length < SHORTEST:
                continue
            rows = self._places(length)
            z = self._sizes(total, rows, length, float(noise.error[k])) / self._noise(rows, length)
            at = int(z.argmax())
            if z[at] < ASKED * noise.error[k]:
                continue
            chance = noise.log_chance(float(z[at]), k) + math.log(self._looks(k))
            if best is None or chance < best[0]:
                best = chance, int(rows[at]), k, float(z[at])
        return None if best is None else best[1:]

    def _sizes(self, total: Floats, rows: range, length: int, error: float) -> Floats:
        """Size of the differences, each as far as a descent does not explain it: a loss is to fall.

        Of a fall it is what it is more than the larger of those beside it, of a rise what the smaller hides.
        Where a window has no neighbour, what a quarter of its rows shows of it tells a step from a line.
        """
        difference = self._differences(total, rows, length)
        stride, n = max(1, length // PHASES), len(rows)
        lag = -(-2 * length // stride)
        low, high = np.zeros(n), np.zeros(n)  # of those beside it; of a rise without one nothing is hidden
        inside = slice(lag, max(n - lag, lag))
        low[inside] = np.minimum(difference[: -2 * lag], difference[2 * lag :])
        high[inside] = np.maximum(difference[: -2 * lag], difference[2 * lag :])
        rise = difference - np.minimum(high + DESCENT * error * self._noise(rows, length), 0.0)
        fall = np.minimum(low, 0.0) - difference
        ends = np.arange(n) if n <= 2 * lag else np.append(np.arange(lag), np.arange(n - lag, n))
        short = max(2, stride)
        times = length / short  # what a straight line gives the longer windows more
        near = self._differences(total, rows.start + rows.step * ends, short)
        fall[ends] = (difference[ends] - times * near) / times**1.5
        return np.where(difference > 0, rise, np.maximum(fall, 0.0))

    def _looks(self, k: int) -> float:
        return max(PLACES * (self.n - self.first) / self.lengths[k], 1.0) * len(self.lengths)

    def _edge(self, curve: Floats, row: int, length: int) -> int:
        """The row near a change at which two levels fit best."""
        reach = max(3, length // 2)
        low, high = max(self.first + 1, row - reach), min(self.n - 1, row + reach)
        before, after = float(np.median(curve[row - length : row])), float(np.median(curve[row : row + length]))
        middle, step = (before + after) / 2, abs(after - before) / 2
        gain = np.clip((curve[low:high] - middle) * np.sign(after - before), -step, step)
        return low + int(np.argmin(np.concatenate([[0.0], np.cumsum(gain)])))

    def _places(self, length: int, *, at_most: int = 0) -> range:
        stride = max(1, length // PHASES)
        if at_most:
            stride = max(stride, (self.n - self.first) // at_most)
        return range(self.first + length, self.n - length + 1, stride)

    def _differences(self, total: Floats, rows: Ints | range, length: int) -> Floats:
        return (_at(total, rows, length) - 2 * _at(total, rows, 0) + _at(total, rows, -length)) / length

    def _noise(self, rows: Ints | range, length: int) -> Floats:
        return (_at(self.noise, rows, length) - _at(self.noise, rows, -length)) / (2 * length)

    def _noise_of(self, total: Floats) -> Noise:
        """What differences of windows of each length do by themselves."""
        judged = self.n - self.first
        seen = []
        for length in self.lengths:
            if length > 1 and length > KNOWN_TO * judged:
                break
            rows = self._places(length, at_most=ENOUGH)
            rows = range(rows.start, min(rows.stop, self.n - 3 * length + 1), rows.step)
            z = self._differences(total, rows, length) / self._noise(rows, length)
            apart = range(rows.start + 2 * length, rows.stop + 2 * length, rows.step)
            z = z - self._differences(total, apart, length) / self._noise(apart, length)
            seen.append(2 * math.log(max(MAD_TO_SIGMA * float(np.median(np.abs(z))), 1e-9) / math.sqrt(2)))
        known = (judged / np.array(self.lengths[: len(seen)]) - 4) / 4
        return Noise(self.lengths, np.array(seen), known)


def _at(sums: Floats, rows: Ints | range, away: int) -> Floats:
    """The sums so far from each of the rows, without a copy where the rows are evenly spaced."""
    if isinstance(rows, range):
        return sums[rows.start + away : max(rows.stop + away, 0) : rows.step]
    return sums[rows + away]


def summed(values: Floats) -> Floats:
    """Sums of the first 0, 1, ..., n values, kept small, shape (n + 1,)."""
    return np.concatenate([[0.0], np.cumsum(values - values.mean())])


def running_median(curve: Floats) -> Floats:
    """Running median of five rows, shape (n,)."""
    side = CLEANED // 2
    return row_medians(sliding_window_view(np.pad(curve, side, mode="edge"), CLEANED))
