"""Where the losses of a player blow up for good and what it earns falls back at the same place.

Either alone is play: values are larger where more is earned, and a harder stage is worth less. Both together, beyond
all that came before and to the end, are not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from msgspec import Struct
from numpy.lib.stride_tricks import sliding_window_view

from analyzer.clocks.noise import MAD_TO_SIGMA
from analyzer.model import NO_STEP, Floats, Series
from analyzer.timeline import Timeline

RETURN = re.compile(r"reward|return|score", re.I)
_NO_RETURN = re.compile(r"loss|std|min\b|max\b|len|time|rate|value|num", re.I)
FEWEST_ROWS = 60
PLACES = 40  # at which a rise is looked for
LEAST_TAIL = 0.1  # share of the rows behind it
SMOOTH = 5  # rows of a running median
HIGHEST, LOWEST = 0.99, 0.25  # quantiles of what came before and of what is behind
TIMES = 2.0  # so much higher: twice the highest of a run's whole beginning is no stage of play
BLOCKS = 20  # of the returns, a level each
LOST = 0.5  # of what had been gained
GAINED_ERRORS = 6.0  # scatters of a level that a gain is: one that was learnt


class Collapse(Struct, frozen=True, kw_only=True, eq=False):
    """A loss that rises for good where returns fall back; rows are indices into the two series."""

    loss: Series
    onset: int
    before: float  # the level of the loss in front of it
    after: float
    returns: Series
    best: float  # the level that had been reached
    final: float
    last: int  # row of the returns: the end


def collapse_of(timeline: Timeline) -> Collapse | None:
    """The first loss of a player with such a place; None where there is none."""
    returns = [one for one in timeline.view.series.values() if _tells_returns(one)]
    for loss in timeline.roles.all("loss") if returns else ():
        rows = _usable(loss)
        onset = _rise(loss.value[rows])
        if onset is None:
            continue
        step = int(loss.step[rows[onset]])
        for series in returns:
            if (fallen := _fall(series, step, int(loss.step[rows[-1]]))) is None:
                continue
            best, final, last = fallen
            before = float(np.median(loss.value[rows[max(0, onset - FEWEST_ROWS) : onset]]))
            after = float(np.median(loss.value[rows[onset:]]))
            return Collapse(loss=loss, onset=int(rows[onset]), before=before, after=after, returns=series,
                            best=best, final=final, last=last)  # fmt: skip
    return None


def _tells_returns(series: Series) -> bool:
    named = RETURN.search(series.tag) is not None and _NO_RETURN.search(series.tag) is None
    return named and len(_usable(series)) >= FEWEST_ROWS


def _usable(series: Series) -> np.ndarray:
    return np.flatnonzero(np.isfinite(series.value) & (series.step != NO_STEP))


def _rise(value: Floats) -> int | None:
    """The row behind which a loss lies above all that came before it, to the end."""
    if len(value) < FEWEST_ROWS or np.mean(value >= 0) < HIGHEST:
        return None
    smooth = np.median(sliding_window_view(value, SMOOTH), axis=1)
    for place in _places(len(smooth)):
        high = float(np.quantile(smooth[:place], HIGHEST))
        if float(np.quantile(smooth[place:], LOWEST)) > TIMES * high:
            return _leaves(smooth, int(np.flatnonzero(smooth <= high)[-1]))
    return None


def _leaves(smooth: Floats, last: int) -> int:
    """The row from which a curve that is no longer low at ``last`` has left the level that it had before: it may take
    its time."""
    level = smooth[max(0, last - FEWEST_ROWS) : last + 1][: -FEWEST_ROWS // 3]
    if not len(level):
        return last + SMOOTH
    scatter = MAD_TO_SIGMA * float(np.median(np.abs(level - np.median(level))))
    return int(np.flatnonzero(smooth[: last + 1] <= np.median(level) + 2 * scatter)[-1]) + SMOOTH // 2 + 1


def _places(rows: int) -> Iterator[int]:
    yield from np.linspace(LEAST_TAIL * rows, (1 - LEAST_TAIL) * rows, PLACES).astype(int).tolist()


def _fall(series: Series, onset: int, end: int) -> tuple[float, float, int] | None:
    """The best level before a step, that at the end, and the last row, where much of a gain is lost behind it."""
    rows = _usable(series)
    step, value = series.step[rows], series.value[rows]
    if not onset < step[-1] <= 2 * end:
        return None  # over an axis of its own
    before, behind = value[step < onset], value[step >= onset]
    size = len(value) // BLOCKS
    if min(len(before), len(behind)) < 2 * size:
        return None
    levels = np.array([np.median(before[at : at + size]) for at in range(0, len(before) - size + 1, size)])
    scatter = MAD_TO_SIGMA * float(np.median(np.abs(np.diff(before)))) / np.sqrt(2 * size)
    start, reached, final = float(levels[0]), float(levels[-2:].max()), float(np.median(behind[-size:]))
    gained = reached - start
    most = max(float(np.median(behind[at : at + size])) for at in range(len(behind) // 2, len(behind) - size + 1, size))
    if gained <= GAINED_ERRORS * scatter or reached - start < LOST * (float(levels.max()) - start):
        return None
    return (reached, final, int(rows[-1])) if reached - most > LOST * gained else None
