"""A schedule read off a log, and the straight lines that it is read by."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from analyzer.distinct import distinct
from analyzer.model import Floats

Mask = NDArray[np.bool_]
ROWS_FOR_A_LINE = 400  # a straight line is as good from 400 rows as from a million
FITTED = 1.2  # half widths that a curve with fitted, not given, parameters may miss by: its own error is a tenth
FEWEST_ROWS = 4  # distinct rows beyond the parameters of a family, below which a fit proves nothing


class Rise(Struct, frozen=True, kw_only=True, eq=False):
    """A warmup line: rate = slope * (x - zero), or ("times") the share of the schedule behind it."""

    slope: float
    zero: float  # where the line meets zero
    end: float  # where it meets the peak
    rows: int
    form: str = "line"
    start: float = 0.0  # the first rate, where it rises by a cosine or is held before a line
    seen: tuple[Floats, Floats] | None = None  # ("logged") places and rates of a warmup whose form is not known

    def __call__(self, x: Floats, peak: float) -> Floats:
        if self.seen is not None:
            return np.interp(x, *self.seen)
        if self.form == "cosine":
            share = np.clip((x - self.zero) / max(self.end - self.zero, 1e-12), 0, 1)
            return self.start + (peak - self.start) * 0.5 * (1 - np.cos(np.pi * share))
        if self.form == "log":
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.where(x - self.zero >= 1, self.slope * np.log(np.maximum(x - self.zero, 1)), 0.0)
        line = self.slope * (x - self.zero)
        return np.maximum(line, self.start) if self.form == "held line" else line


class Fit(Struct, frozen=True, kw_only=True, eq=False):
    """A schedule read off the log, in the log's own steps.

    ``start`` and ``end`` are where the decay begins and where it reaches its floor; families without an end keep their
    speed in ``parameters``.
    """

    family: str
    peak: float
    floor: float = 0.0
    rise: Rise | None = None
    hand_over: float = -np.inf  # first step that is no longer warmup
    start: float = -np.inf
    end: float = np.inf
    clamp: bool = True
    parameters: dict[str, float | tuple[float, ...]] = field(default_factory=dict)
    value: Callable[[Floats], Floats]
    held: int = 0  # rows on the plateau before the fall

    @property
    def rises_as_logged(self) -> bool:
        """Whether the warmup has a form that is not known here, and was taken as it stands in the log."""
        return self.rise is not None and self.rise.seen is not None

    def __call__(self, x: Floats) -> Floats:
        after = self.value(x)
        if self.rise is None:
            return after
        if self.rise.form == "times":
            return np.where(x < self.rise.end, self.rise.slope * (x - self.rise.zero) * after, after)
        rising = self.rise(x, self.peak)
        before = (x < self.hand_over) | ((x < self.rise.end) & (rising < after))
        return np.where(before, rising, after)


def named(fit: Fit) -> tuple[str, dict[str, float | tuple[float, ...] | str]]:
    """Family and parameters as people call them: a plateau before the fall is warmup-stable-decay, and so on."""
    parameters: dict[str, float | tuple[float, ...] | str] = dict(fit.parameters)
    if fit.rise is not None and fit.rise.form == "cosine" and fit.family == "cosine":
        return "one-cycle", parameters
    begins = fit.rise.end if fit.rise is not None else 0.0
    if (
        fit.held >= 2
        and fit.family in ("linear", "cosine", "1-sqrt")
        and fit.start > begins + max(2.0, 0.05 * fit.end)
        and math.isfinite(fit.end)
    ):
        return "wsd", {**parameters, "decay_steps": fit.end - fit.start, "shape": fit.family}
    return fit.family, parameters


def agrees(fit: Callable[[Floats], Floats], x: Floats, y: Floats, tolerance: Floats) -> Mask:
    """Which rows a schedule passes through."""
    with np.errstate(all="ignore"):
        result: Mask = np.abs(fit(x) - y) <= FITTED * tolerance
    return result


def thinned(count: int) -> NDArray[np.int64]:
    """Places of at most a few hundred rows, spread evenly, ends included."""
    if count <= ROWS_FOR_A_LINE:
        return np.arange(count)
    return distinct(np.linspace(0, count - 1, ROWS_FOR_A_LINE).astype(np.int64))


def whole_first(start: float, end: float) -> Iterator[tuple[float, float]]:
    """Whole and half numbers near a fitted pair, then the pair itself."""
    if not (np.isfinite(start) and np.isfinite(end)):
        return
    yield float(round(start)), float(round(end))
    yield float(round(start)), end
    yield start, float(round(end))
    yield start, end
