"""A stretch of rates cut into rise, plateau, fall and tail, and the warmups that pass through its rise."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from analyzer.clocks.schedule_fit.fit import FITTED, Fit, Rise, thinned, whole_first
from analyzer.clocks.schedule_fit.lines import line_between, line_through
from analyzer.model import Floats

NEAR_THE_TOP = 0.9  # between two rows a height is met to a tenth
ROWS_OF_A_SHARE = 3  # two make a line, the third lies on it to its last digit
HALVINGS = 50  # of an interval: beyond the digits of a float
ROWS_OF_A_FALL = 8  # rows of a fall that tell a schedule by themselves, whatever warmup came before


class Parts(Struct, frozen=True, kw_only=True, eq=False):
    """A stretch cut into rise, plateau, fall and tail. All rows of the fall are strictly between top and floor."""

    x: Floats
    y: Floats
    tolerance: Floats
    top: int  # first row at the maximum
    top_end: int  # last row of the plateau that begins there
    tail: int  # first row of the constant tail; n when there is none
    bottom: int  # first row at the minimum behind the top

    @classmethod
    def of(cls, x: Floats, y: Floats, tolerance: Floats) -> Parts:
        top = int(np.argmax(y))
        near = y >= y[top] - 2 * tolerance[top]
        top = int(np.argmax(near))
        beyond = np.flatnonzero(~near[top:])
        top_end = top + int(beyond[0]) - 1 if len(beyond) else len(y) - 1
        flat = np.flatnonzero(np.abs(y - y[-1]) > 2 * tolerance[-1])
        tail = int(flat[-1]) + 1 if len(flat) else 0
        if len(y) - tail < 2:
            tail = len(y)
        bottom = top + int(np.argmin(y[top:]))
        return cls(x=x, y=y, tolerance=tolerance, top=top, top_end=top_end, tail=tail, bottom=bottom)

    def at_its_height(self) -> Iterator[Parts]:
        """The same stretch cut at its highest number: rows a unit of the last digit lower are on the rise still."""
        top = int(np.argmax(self.y))
        if self.top < top <= self.top_end:
            yield replace(self, top=top)

    def first_top(self) -> Iterator[Parts]:
        """The same stretch cut at its first height, where a later one that is no lower was met by a row."""
        falls = np.flatnonzero(np.diff(self.y) < -2 * self.tolerance[1:])
        first = int(falls[0]) if len(falls) else self.top
        if first < self.top and self.y[first] > NEAR_THE_TOP * self.y[self.top]:
            bottom = first + int(np.argmin(self.y[first:]))
            yield replace(self, top=first, top_end=first, bottom=bottom)

    def rising_to_the_top(self, peaks: tuple[float, ...]) -> Iterator[Parts]:
        """The same stretch with its highest row on the rise: a likely peak lies higher, between it and the next row."""
        alone = 0 < self.top == self.top_end < len(self.y) - 2
        if alone and any(peak > self.y[self.top] + 2 * self.tolerance[self.top] for peak in peaks):
            yield replace(self, top=self.top + 1, top_end=self.top + 1)

    def rises(self) -> list[Rise | None]:
        """Warmups that pass through the rows before the top; [None] when there are none.

        Where none does, the warmup may be a factor of what follows: a line that ``joined`` reads off the two.
        """
        if self.top == 0:
            return [None]
        x, y, tolerance = self.x[: self.top], self.y[: self.top], self.tolerance[: self.top]
        peak = float(self.y.max())
        found: list[Rise | None] = []
        if len(x) == 1:
            zero = float(x[0])
            slope = (peak - float(y[0])) / max(float(self.x[self.top]) - zero, 1e-12)
            if slope > 0:
                found.append(Rise(slope=slope, zero=zero - float(y[0]) / slope, end=float(self.x[self.top]), rows=1))
            return found
        places = thinned(len(x))
        lines = (line_through, lambda x, y, by: line_between(x, y - by, y + by))  # likely, else possible
        for line in (through(x[places], y[places], tolerance[places]) for through in lines):
            if line is not None and line[0] > 0 and not found:
                slope, intercept = line
                rise = Rise(slope=slope, zero=-intercept / slope, end=(peak - intercept) / slope, rows=len(x))
                if (np.abs(rise(x, peak) - y) <= FITTED * tolerance).all():
                    found.append(rise)
        held = int(np.argmax(np.append(y - y[0] > tolerance[0], True)))
        if not found and held >= 2 and len(x) - held >= 2:  # the first rate was used more than once
            line = line_through(x[held:], y[held:], tolerance[held:])
            if line is not None and line[0] > 0:
                zero, end = -line[1] / line[0], (peak - line[1]) / line[0]
                rise = Rise(slope=line[0], zero=zero, end=end, rows=len(x) - held, form="held line", start=float(y[0]))
                if (np.abs(rise(x, peak) - y) <= FITTED * tolerance).all():
                    found.append(rise)
        if not found:
            found += self._curved_rises(x, y, tolerance, peak)
        if not found and len(x) >= ROWS_OF_A_SHARE:
            found.append(Rise(slope=0.0, zero=0.0, end=0.0, rows=len(x), form="times"))
            if (np.diff(self.y[: self.top + 1]) > -tolerance.max()).all() and self.bottom - self.top >= ROWS_OF_A_FALL:
                seen = (self.x[: self.top + 1], self.y[: self.top + 1])
                end = float(self.x[self.top])
                found.append(Rise(slope=0.0, zero=float(x[0]), end=end, rows=len(x), form="logged", seen=seen))
        return found

    def _curved_rises(self, x: Floats, y: Floats, tolerance: Floats, peak: float) -> list[Rise | None]:
        found: list[Rise | None] = []
        for start in dict.fromkeys([float(y[0]), 0.0, peak / 25]):
            with np.errstate(all="ignore"):
                share = np.arccos(np.clip(1 - 2 * (y - start) / (peak - start), -1, 1)) / np.pi
                slant = 0.5 * np.pi * (peak - start) * np.sin(np.pi * share)
            line = line_through(x, share, tolerance / np.maximum(slant, 1e-12 * peak))
            if line is None or line[0] <= 0:
                continue
            for zero, end in whole_first(-line[1] / line[0], (1 - line[1]) / line[0]):
                rise = Rise(slope=line[0], zero=zero, end=end, rows=len(x), form="cosine", start=start)
                if (np.abs(rise(x, peak) - y) <= tolerance).all():
                    found.append(rise)
                    return found
        for zero in (0.0, -1.0, 1.0):
            with np.errstate(all="ignore"):
                logs = np.log(np.maximum(x - zero, 1))
            good = logs > 0
            if good.sum() < 2:
                continue
            slope = float(np.sum(y[good] * logs[good]) / np.sum(logs[good] ** 2))
            if slope <= 0:
                continue
            rise = Rise(
                slope=slope, zero=zero, end=zero + float(np.exp(min(peak / slope, 700))), rows=len(x), form="log"
            )
            if (np.abs(rise(x, peak) - y) <= tolerance).all():
                found.append(rise)
                break
        return found


def joined(
    parts: Parts, rise: Rise | None, *, family: str, peak: float, start: float = -np.inf, **fields: object
) -> Fit:
    """A fit with its warmup in front; the hand-over lies between the last rising row and the row at the top."""
    hand_over = float(parts.x[parts.top]) if rise is not None else -np.inf
    if rise is not None and rise.form == "times":
        rise = share_of(parts, rise, fields["value"])  # type: ignore[arg-type]
    if rise is not None and rise.rows == 1 and parts.x[parts.top - 1] < start <= hand_over:
        rise, hand_over = rise_to(parts, peak, start), start
    elif rise is not None and rise.form in ("line", "held line"):
        rise = replace(rise, end=rise.zero + peak / rise.slope)  # the top itself may not be logged
        if start < parts.x[parts.top - 1]:  # the decay runs below the warmup, which ends where the two meet
            rise = replace(rise, end=meeting(rise, fields["value"], float(parts.x[parts.top - 1])))  # type: ignore[arg-type]
            hand_over = min(hand_over, rise.end)  # rows between the two may not be in the sample
    return Fit(
        rise=rise,
        hand_over=hand_over,
        held=parts.top_end - parts.top,
        family=family,
        peak=peak,
        start=start,
        **fields,  # type: ignore[arg-type]
    )


def meeting(rise: Rise, value: Callable[[Floats], Floats], low: float) -> float:
    """Where a warmup line that lies below a decay at ``low`` and above it at its own end meets it."""
    high = rise.end
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        below = rise.slope * (middle - rise.zero) < float(value(np.array([middle]))[0])
        low, high = (middle, high) if below else (low, middle)
    return high


def share_of(parts: Parts, rise: Rise, value: Callable[[Floats], Floats]) -> Rise:
    """The line by which a warmup multiplies the schedule behind it."""
    x, y = parts.x[: parts.top], parts.y[: parts.top]
    with np.errstate(all="ignore"):
        after = value(x)
        line = line_through(x, y / after, parts.tolerance[: parts.top] / after)
    if line is None or line[0] <= 0:
        return rise
    return replace(rise, slope=line[0], zero=-line[1] / line[0], end=(1 - line[1]) / line[0])


def rise_to(parts: Parts, peak: float, start: float) -> Rise:
    """The warmup line through its only row and the place where the decay begins."""
    x, y = float(parts.x[parts.top - 1]), float(parts.y[parts.top - 1])
    slope = (peak - y) / (start - x)
    return Rise(slope=slope, zero=x - y / slope, end=start, rows=1)
