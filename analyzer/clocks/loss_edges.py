"""Where a peak begins and ends, and whether it has these edges in the curve itself.

A hump over a level that steps down stands out of that level as well, but the curve does not rise where it begins.
"""

from __future__ import annotations

import numpy as np

from analyzer.clocks.loss_blocks import Blocks, block_medians
from analyzer.clocks.noise import MAD_TO_SIGMA
from analyzer.model import Floats

# These shares and errors keep simulated staircases of every noise silent (scripts/bench_detection.py), and let a peak
# of six noise units pass on a descent of one unit in five rows.
FEWEST_BESIDE = 4  # rows on either side of a peak
EDGE_SHARE = 0.4  # of the height that the curve rises and falls at the edges of a peak
EDGE_ROWS = (4, 6, 9, 14, 20, 32, 50, 80, 128, 200)  # on either side of an edge
FEWEST_EDGES = 12  # differences of so many rows that tell how large they are
EDGE_ERRORS = 2.0  # standard errors of a difference of medians that this is, at least
STEP_SHARE, STEP_ERRORS = 0.5, 4.0  # one side so much lower is a step, and a rise before it may be chance
WIDE = 2  # times the rows of a cluster lie beside it that it stands above
SHORT = 12  # rows: a hump so short has hardly been searched for
FAR_SHARE, FAR_ROWS = 0.35, 20  # and of the height that is left on more rows, where chance places no edge
BESIDE_ROWS = 24  # on either side that show whether the noise is the same there
CHANCE_OF_NOISE = 1.5  # the larger of two such noises is so much more than theirs in one of fifty places

STEP_EVIDENCE = 12.0  # twice the log-likelihood that a step gains: 6 for its place, as much for its two parameters
MOST_ROWS = 320  # on either side of an edge that tell a step from a way
WINDOW_BLOCKS, WINDOW_ROWS = 8, 40  # on either side of a block in which its edges are looked for


def edges(value: Floats, one: Blocks, block: int) -> tuple[int, int]:
    """First and last row of the stretch over a block whose rows are nearer to its height than to the level."""
    start, stop = int(one.start[block]), int(one.start[block]) + one.length
    reach = WINDOW_BLOCKS * one.length + WINDOW_ROWS
    rows = np.arange(max(0, start - reach), min(len(value), stop + reach))
    half = float(one.excess[block]) / 2
    gain = np.clip(value[rows] - one.level_at(rows) - half, -half, half)
    total = np.concatenate([[0.0], np.cumsum(gain)])
    lowest = np.minimum.accumulate(np.where(rows < stop, total[:-1], np.inf))
    last = int(np.where(rows >= start, total[1:] - lowest, -np.inf).argmax())
    first = int(np.where(rows[: last + 1] < stop, total[: last + 1], np.inf).argmin())
    return int(rows[first]), int(rows[last])


class Edges:
    """Whether rows of one curve begin with a rise and end with a fall, as a peak does and a hump over steps does not.

    Looked for on few rows, for a descent takes from the rise what it falls on them. What tells is the curve's own: how
    far medians of so many rows differ from those beside them.
    """

    def __init__(self, value: Floats, rows: Blocks) -> None:
        self.value, self.rows = value, rows
        self.usual = float(np.median(rows.scale))
        self.errors: dict[int, float] = {}

    def around(self, first: int, last: int, one: Blocks) -> bool:
        """Rows [first, last] stand out on either side by much of their height over the level of ``one``."""
        if min(first, len(self.value) - 1 - last) < FEWEST_BESIDE:
            return False
        length = last - first + 1
        height = float(np.median(self.value[first : last + 1] - one.level_at(np.arange(first, last + 1))))
        reach, error = self._reach(first, length, EDGE_SHARE * height)
        descent = self._descent(first, last) if length > SHORT else 0.0
        rise, fall = self._contrasts(first, last, reach, descent)
        if min(rise, fall) < max(EDGE_SHARE * height, EDGE_ERRORS * error if length > SHORT else 0.0):
            return False
        far_rise, far_fall = self._contrasts(first, last, int(np.clip(length, reach, FAR_ROWS)), descent)
        if min(far_rise, far_fall) < FAR_SHARE * height:
            return False
        return abs(far_rise - far_fall) < STEP_SHARE * height or min(rise, fall) > STEP_ERRORS * error

    def noisier(self, first: int, last: int) -> float:
        """By what factor the noise on one side is larger than that which rows [first, last] are judged in; 1 or more.

        Where a run becomes quiet the last of the noise is no peak.
        """
        here = self.rows.scale[np.clip(first - self.rows.start[0], 0, len(self.rows.start) - 1)]
        sides = self.value[max(0, first - BESIDE_ROWS) : first], self.value[last + 1 : last + 1 + BESIDE_ROWS]
        beside = max(_scatter(np.diff(side)) / np.sqrt(2.0) for side in sides)
        return max(1.0, float(beside / here) / CHANCE_OF_NOISE)

    def _descent(self, first: int, last: int) -> float:
        """What the curve falls in a row beside rows [first, last], the same on either side; 0 where it does not.

        A descent takes from the rise at one edge what it adds to the fall at the other. Stairs are flat beside theirs.
        """
        wide = max(WIDE * (last - first + 1), FAR_ROWS)
        slopes = []
        for side in (self.value[max(0, first - wide) : first], self.value[last + 1 : last + 1 + wide]):
            if len(side) < FAR_ROWS:
                return 0.0
            third = len(side) // 3
            slopes.append(float(np.median(side[-third:]) - np.median(side[:third])) / (len(side) - third))
        return min(max(slopes), 0.0)

    def _contrasts(self, first: int, last: int, reach: int, descent: float) -> tuple[float, float]:
        """How far medians of so many rows rise and fall at the edges; or how far all rows stand above those beside.

        A loss may take long to come back: then there is no edge where it does.
        """
        inside, wide = min(reach, last - first + 1), max(reach, WIDE * (last - first + 1))
        low, high = max(0, first - wide), min(len(self.value), last + 1 + wide)
        value = self.value[low:high] - descent * np.arange(high - low)
        first, last = first - low, last - low
        middle = np.median(value[first : last + 1])
        before, after = value[max(0, first - reach) : first], value[last + 1 : last + 1 + reach]
        rise = np.median(value[first : first + inside]) - np.median(before)
        fall = np.median(value[last + 1 - inside : last + 1]) - np.median(after)
        above_before = middle - np.median(value[max(0, first - wide) : first])
        above_after = middle - np.median(value[last + 1 : last + 1 + wide])
        return float(max(rise, above_before)), float(max(fall, above_after))

    def _reach(self, first: int, length: int, rise: float) -> tuple[int, float]:
        """The fewest rows on either side of an edge that such a rise stands out on, and the error that they have."""
        local = float(self.rows.scale[np.clip(first - self.rows.start[0], 0, len(self.rows.start) - 1)]) / self.usual
        reach, error = FEWEST_BESIDE, local * self._error(FEWEST_BESIDE)
        for rows in EDGE_ROWS[1:] if length > SHORT else ():
            if rows <= length and EDGE_ERRORS * error > rise and len(self.value) > FEWEST_EDGES * rows:
                reach, error = rows, local * self._error(rows)
        return reach, error

    def _error(self, rows: int) -> float:
        """How far medians of so many rows differ from those beside them; 0 in a curve too short to tell."""
        if rows not in self.errors:
            enough = len(self.value) > FEWEST_EDGES * rows
            self.errors[rows] = _scatter(np.diff(block_medians(self.value, rows))) if enough else 0.0
        return self.errors[rows]


def is_gradual(log: Floats, row: int, length: int) -> bool:
    """Whether a way up or down fits the rows around an edge of a stretch better than a step, both on a descent.

    A way as long as the rows looked at is a descent like any other: the step has to be told from none at all.
    """
    reach = min(length, row, len(log) - row, MOST_ROWS)
    if reach < FEWEST_BESIDE:
        return False
    rows, t = log[row - reach : row + reach], np.arange(-reach, reach) + 0.5
    t = t / np.linalg.norm(t)

    def left(shape: Floats | None) -> float:
        """Sum of squares that a level, a descent and the shape leave."""
        rest = rows - rows.mean()
        rest = rest - (t @ rest) * t
        if shape is not None:
            shape = shape - shape.mean()
            shape = shape - (t @ shape) * t
            rest = rest - (shape @ rest) / max(float(shape @ shape), 1e-12) * shape
        return float(rest @ rest)

    step = left((t > 0).astype(np.float64))
    ways = [np.clip(t / t[-1] / share + 0.5, 0, 1) for share in (0.5, 1.0)]
    evidence = 2 * reach * float(np.log(max(left(None), 1e-300) / max(step, 1e-300)))
    return min(left(way) for way in ways) < step or evidence < STEP_EVIDENCE


def _scatter(values: Floats) -> float:
    return MAD_TO_SIGMA * float(np.median(np.abs(values - np.median(values))))
