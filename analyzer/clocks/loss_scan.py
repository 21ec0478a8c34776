"""Changes of a curve's level, by one scan: means of windows of every length before and behind every row.

The place of a change is a nuisance, and so is the length of the window that shows it best; the chance of the best is
corrected for both. How far such differences go by themselves is the run's own: it is measured at every length where
the run has enough windows, and carried on to longer ones with the growth that was seen. Neighbouring rows that
resemble one another make long windows scatter more than the root of their length says, and that is measured as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.lib.stride_tricks import sliding_window_view

from analyzer.clocks.extreme_tail import student
from analyzer.clocks.loss_blocks import steady_scale
from analyzer.clocks.noise import MAD_TO_SIGMA
from analyzer.clocks.row_medians import row_medians
from analyzer.model import Floats, Ints

SHORTEST = 4  # rows of a window: single rows are what spikes are judged by
CLEANED = 5  # rows of the running median that wild rows are cut off around: two in a row do not move it
WILD = 3.0  # noise units from which on they are
PHASES = 4  # places looked at in each window's length
PLACES = 1.3  # independent looks at each window's length of a curve: with it simulated p-values are uniform
# Models of the noise and their odds before the run has said anything: white noise of a share w and an autoregression.
CORRELATION = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.985, 0.993, 0.997, 0.999)  # of neighbouring rows
WHITE = {0.0: 1.0, 0.5: 0.02, 0.8: 0.004}  # share of the variance: odds
# A random walk beside them: times the variance of white noise that it adds to differences of the longest windows, odds.
WALK = {0.0: 1.0} | dict.fromkeys((0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3), 0.01)
KNOWN_TO = 1 / 6  # a scale is measured on windows of at most this share of the run
LARGEST_FREEDOM = 60.0
ASKED = 2.5  # standard errors below which no chance is small
MOST_CHANGES = 12
AHEAD = 4  # changes that are taken out before they are given up, in a curve whose noise they could make
LONG = 5000  # rows from which one change makes no noise
ENOUGH = 5000  # windows of one length tell its scale
OCTAVES = 2 ** np.arange(40)


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
            self.least = min(self.least, max(chances))
            if max(chances) < p_value:
                kept = [
                    Change(row=row, length=self.lengths[k], rise=rise, units=z / float(noise.error[k]), p_value=chance)
                    for (row, k, rise, z), chance in zip(found, chances, strict=True)
                ]
            elif len(found) - len(kept) >= (AHEAD if self.n < LONG else 1):
                break
        return _merged(sorted(kept, key=lambda change: change.row))

    def _rise(self, total: Floats, row: int, k: int, noise: Noise) -> float:
        """Rise at a row on as many rows as say the same as those that showed it."""
        length, at = self.lengths[k], np.array([row])
        rise = float(self._differences(total, np.clip(at, self.first + length, self.n - length), length)[0])
        error = float(noise.error[k]) * self.noise_at(row)
        for wide in (2 * length, 4 * length):
            if self.first + wide <= row <= self.n - wide:
                other = float(self._differences(total, at, wide)[0])
                rise = other if abs(other - rise) <= error else rise
        return rise

    def at(self, row: int, length: int, noise: Noise) -> tuple[float, float, float]:
        """Rise at a known row over so many rows on either side, its standard errors, and its chance, either way."""
        k = int(np.searchsorted(self.lengths, min(length, row - self.first, self.n - row), side="right")) - 1
        rows = np.array([row])
        rise = float(self._differences(self.total, rows, self.lengths[k])[0])
        z = rise / float(self._noise(rows, self.lengths[k])[0])
        return rise, z / float(noise.error[k]), float(noise.chance(np.array([abs(z)]), k, 1.0)[0])

    def noise_at(self, row: int) -> float:
        """Noise of single rows there."""
        return float(self.noise[row + 1] - self.noise[row])

    def noise_without(self, rises: Iterable[tuple[int, float]]) -> Noise:
        """The noise of the curve with the rises from these rows on taken out of it."""
        return self._noise_of(summed(self._without(rises)))

    def _without(self, rises: Iterable[tuple[int, float]]) -> Floats:
        rest = self.clean.copy()
        for row, rise in rises:
            rest[row:] -= rise
        return rest

    def _largest(self, total: Floats, noise: Noise) -> tuple[int, int, float] | None:
        """Row and index of the length of the window whose difference chance explains least, and that difference."""
        best: tuple[float, int, int, float] | None = None
        for k, length in enumerate(self.lengths):
            if length < SHORTEST:
                continue
            rows = self._places(length)
            z = self._sizes(total, rows, length) / self._noise(rows, length)
            at = int(z.argmax())
            if z[at] < ASKED * noise.error[k]:
                continue
            chance = noise.log_chance(float(z[at]), k) + math.log(self._looks(k))
            if best is None or chance < best[0]:
                best = chance, int(rows[at]), k, float(z[at])
        return None if best is None else best[1:]

    def _sizes(self, total: Floats, rows: Ints, length: int) -> Floats:
        """Size of the differences; of a fall what it is more than those beside it: a loss is to fall.

        Where a window has no neighbour, what a quarter of its rows shows of it tells a step from a line.
        """
        difference = self._differences(total, rows, length)
        lag = -(-2 * length // max(1, length // PHASES))
        beside = np.full((2, len(rows)), np.nan)
        beside[0, lag:], beside[1, :-lag] = difference[:-lag], difference[lag:]
        fall = np.minimum(beside.min(axis=0), 0.0) - difference
        short = max(2, length // PHASES)
        times = length / short  # what a straight line gives the longer windows more
        bend = (difference - times * self._differences(total, rows, short)) / (times - 1)
        fall = np.where(np.isnan(fall), bend * (times - 1) / times**1.5, fall)
        return np.where(difference > 0, difference, np.maximum(fall, 0.0))

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

    def _places(self, length: int, *, at_most: int = 0) -> Ints:
        stride = max(1, length // PHASES)
        if at_most:
            stride = max(stride, (self.n - self.first) // at_most)
        return np.arange(self.first + length, self.n - length + 1, stride)

    def _differences(self, total: Floats, rows: Ints, length: int) -> Floats:
        return (total[rows + length] - 2 * total[rows] + total[rows - length]) / length

    def _noise(self, rows: Ints, length: int) -> Floats:
        return (self.noise[rows + length] - self.noise[rows - length]) / (2 * length)

    def _noise_of(self, total: Floats) -> Noise:
        """What differences of windows of each length do by themselves."""
        judged = self.n - self.first
        seen = []
        for length in self.lengths:
            if length > 1 and length > KNOWN_TO * judged:
                break
            rows = self._places(length, at_most=ENOUGH)
            rows = rows[rows + 3 * length <= self.n]
            z = self._differences(total, rows, length) / self._noise(rows, length)
            z = z - self._differences(total, rows + 2 * length, length) / self._noise(rows + 2 * length, length)
            seen.append(2 * math.log(max(MAD_TO_SIGMA * float(np.median(np.abs(z))), 1e-9) / math.sqrt(2)))
        known = (judged / np.array(self.lengths[: len(seen)]) - 4) / 4
        return Noise(self.lengths, np.array(seen), known)


class Noise:
    """The law of differences of windows: models weighed by what was measured, and what none of them explains.

    Args:
        seen: log variance of differences, in noise units of single rows, at the first of the lengths.
        known: the degrees of freedom that each is known with.
    """

    def __init__(self, lengths: list[int], seen: Floats, known: Floats) -> None:
        expected, measured, odds = models(len(lengths))
        told = np.flatnonzero(known > 0)
        octave = told[np.isin(np.array(lengths)[told], OCTAVES)]
        share = known[octave] / known[octave].sum()
        off = seen[octave] - measured[:, octave]
        level = (off * share).sum(axis=1, keepdims=True)
        fit = -0.25 * ((off - level) ** 2 * known[octave]).sum(axis=1)
        weight = odds * np.exp(fit - fit.max())
        self.weight = weight / weight.sum()
        self.freedom = float(round(min(max(known[octave].sum() / 2, 2.0), LARGEST_FREEDOM)))
        # What no model explains, as waves of the data, is kept: at the lengths that show it and at longer ones.
        excess = np.maximum(seen[told] - np.sqrt(2 / known[told]) - (measured[:, told] + level), 0.0)
        lift = np.concatenate([excess, np.repeat(excess[:, -1:], len(lengths) - len(told), axis=1)], axis=1)
        self.errors = np.exp((expected + level + lift) / 2)  # (models, lengths)
        self.error = np.sqrt((self.weight[:, None] * self.errors**2).sum(axis=0))

    def chance(self, z: Floats, k: int, places: float) -> Floats:
        """Chance of a difference of ``z`` noise units of single rows, in either direction, at one of so many places."""
        u, log_survival, _ = student(self.freedom)
        single = np.exp(np.interp(z[:, None] / self.errors[:, k], u, log_survival))
        return np.asarray((self.weight * -np.expm1(-2 * places * single)).sum(axis=1))

    def log_chance(self, z: float, k: int) -> float:
        """Logarithm of the chance at one place, also where it is too small for a number."""
        u, log_survival, _ = student(self.freedom)
        single = np.interp(z / self.errors[:, k], u, log_survival)
        return float(np.logaddexp.reduce(np.log(self.weight + 1e-300) + single))


def _merged(changes: list[Change]) -> list[Change]:
    """Changes in order of rows, those within a few rows of one another as one."""
    found: list[Change] = []
    for change in changes:
        if found and change.row - found[-1].row < SHORTEST:
            surest = max(found[-1], change, key=lambda one: one.units)
            found[-1] = replace(surest, rise=found[-1].rise + change.rise)
        else:
            found.append(change)
    return [change for change in found if change.rise]


def summed(values: Floats) -> Floats:
    """Sums of the first 0, 1, ..., n values, kept small, shape (n + 1,)."""
    return np.concatenate([[0.0], np.cumsum(values - values.mean())])


@lru_cache
def models(lengths: int) -> tuple[Floats, Floats, Floats]:
    """Log variance of differences of windows, and of what is measured, shape (models, lengths) each; odds (models,).

    Measured are differences two windows apart, in which slow noise shows less.
    """
    expected, measured, odds = [], [], []
    L = np.array(window_lengths(lengths), dtype=np.float64)
    for rho in CORRELATION:
        side = ((1 - rho**L) / (1 - rho)) ** 2 * rho  # covariance of the sums of neighbouring windows
        total = L * (1 + rho) / (1 - rho) - 2 * rho * (1 - rho**L) / (1 - rho) ** 2
        alone = 2 * (total - side) / L**2
        apart = side * (2 * rho**L - 1 - rho ** (2 * L)) / L**2
        for white, odd in WHITE.items() if rho else ((0.0, 4.0),):
            for walk, of_walk in WALK.items():
                wandered = walk * (2 * L * L + 1) / L / L[-1] ** 2
                expected.append(white * 2 / L + (1 - white) * alone + wandered)
                measured.append(white * 2 / L + (1 - white) * (alone - apart) + wandered)
                odds.append(odd * of_walk)
    return np.log(expected), np.log(measured), np.array(odds)


def running_median(curve: Floats) -> Floats:
    """Running median of five rows, shape (n,)."""
    side = CLEANED // 2
    return row_medians(sliding_window_view(np.pad(curve, side, mode="edge"), CLEANED))


def window_lengths(count: int) -> list[int]:
    """1, 2, 3, 4, 6, 8, 11, 16, ...: two in an octave."""
    return [1, *(round(math.sqrt(2) ** k) for k in range(2, count + 1))]
