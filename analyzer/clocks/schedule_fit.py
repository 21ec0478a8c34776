"""Identify a schedule from its values alone: every family has a form u(rate) that is linear in the step.

Linear decay is the rate itself; cosine ``acos(2 (rate - m) / (M - m) - 1) / pi``; a power ``1 - rate^(1/power)``;
exponential its logarithm; inverse square root ``rate^-2``; inverse time ``1 / rate``; warmup the rate itself. A
straight line through u gives start and end of the decay at once; whole numbers are tried first, and a fit is believed
only if it passes through the interval of every row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from analyzer.clocks.schedules import Schedule, decay_shape
from analyzer.model import Floats

Mask = NDArray[np.bool_]
GAUSS_NEWTON_STEPS = 15
ROWS_FOR_A_LINE = 400  # a straight line is as good from 400 rows as from a million
FITTED = 1.2  # half widths that a curve with fitted, not given, parameters may miss by: its own error is a tenth
FEWEST_ROWS = 4  # distinct rows beyond the parameters of a family, below which a fit proves nothing


@dataclass(frozen=True, kw_only=True, eq=False)
class Rise:
    """A warmup line: rate = slope * (x - zero)."""

    slope: float
    zero: float  # where the line meets zero
    end: float  # where it meets the peak
    rows: int
    form: str = "line"
    start: float = 0.0  # the first rate, where it rises by a cosine or is held before a line

    def __call__(self, x: Floats, peak: float) -> Floats:
        if self.form == "cosine":
            share = np.clip((x - self.zero) / max(self.end - self.zero, 1e-12), 0, 1)
            return self.start + (peak - self.start) * 0.5 * (1 - np.cos(np.pi * share))
        if self.form == "log":
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.where(x - self.zero >= 1, self.slope * np.log(np.maximum(x - self.zero, 1)), 0.0)
        line = self.slope * (x - self.zero)
        return np.maximum(line, self.start) if self.form == "held line" else line


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
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

    def __call__(self, x: Floats) -> Floats:
        after = self.value(x)
        if self.rise is None:
            return after
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


def line_through(x: Floats, u: Floats, sigma: Floats) -> tuple[float, float] | None:
    """Slope and intercept of the weighted straight line; None when x does not vary."""
    good = np.isfinite(u) & np.isfinite(sigma) & (sigma > 0)
    if good.sum() < 2:
        return None
    x, u, sigma = x[good], u[good], sigma[good]
    weight = (sigma.min() / sigma) ** 2
    mean_x, mean_u = np.average(x, weights=weight), np.average(u, weights=weight)
    spread = float(np.average((x - mean_x) ** 2, weights=weight))
    if spread <= 0:
        return None
    slope = float(np.average((x - mean_x) * (u - mean_u), weights=weight)) / spread
    return slope, float(mean_u - slope * mean_x)


def thinned(count: int) -> NDArray[np.int64]:
    """Places of at most a few hundred rows, spread evenly, ends included."""
    if count <= ROWS_FOR_A_LINE:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, ROWS_FOR_A_LINE).astype(np.int64))


def identify(
    x: Floats,
    y: Floats,
    tolerance: Floats,
    *,
    families: tuple[str, ...] | None = None,
    peaks: tuple[float, ...] = (),
    floors: tuple[float, ...] = (),
    power: float | None = None,
) -> Fit | None:
    """The schedule that passes through every row of one stretch; None when no family does.

    Args:
        x: steps, ascending, shape (n,).
        y: rates; tolerance: half widths of their intervals.
        families: names to try, in this order; all when None.
        peaks, floors: values that are likely for the top and the bottom (declared ones).
    """
    return next(identified(x, y, tolerance, families=families, peaks=peaks, floors=floors, power=power), None)


def identified(
    x: Floats,
    y: Floats,
    tolerance: Floats,
    *,
    families: tuple[str, ...] | None = None,
    peaks: tuple[float, ...] = (),
    floors: tuple[float, ...] = (),
    power: float | None = None,
) -> Iterator[Fit]:
    """All schedules that pass through every row, the simplest family first."""
    if len(x) < 2:
        return
    wanted = families or tuple(FAMILY_FITS)
    low, high = float((y - tolerance).max()), float((y + tolerance).min())
    if low <= high:  # one value lies inside the intervals of all rows
        level = min(max(float(np.median(y)), low), high)
        yield Fit(family="constant", peak=level, value=lambda at: np.full_like(at, level), parameters={})
        return
    parts = Parts.of(x, y, tolerance)
    for family in wanted:
        for fit in FAMILY_FITS.get(family, _none)(parts, peaks, floors, power):
            if agrees(fit, x, y, tolerance).all():
                yield fit
                break


@dataclass(frozen=True, kw_only=True, eq=False)
class Parts:
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

    def rises(self) -> list[Rise | None]:
        """Warmups that pass through the rows before the top; [None] when there are none, [] when nothing fits."""
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
        line = line_through(x[places], y[places], tolerance[places])
        if line is not None and line[0] > 0:
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
            for zero, end in _whole_first(-line[1] / line[0], (1 - line[1]) / line[0]):
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


def _whole_first(start: float, end: float) -> Iterator[tuple[float, float]]:
    """Whole and half numbers near a fitted pair, then the pair itself."""
    if not (np.isfinite(start) and np.isfinite(end)):
        return
    yield float(round(start)), float(round(end))
    yield float(round(start)), end
    yield start, float(round(end))
    yield start, end


def _none(parts: Parts, peaks: tuple[float, ...], floors: tuple[float, ...], power: float | None) -> Iterator[Fit]:
    return iter(())


def _constants(parts: Parts, peaks: tuple[float, ...], floors: tuple[float, ...], power: float | None) -> Iterator[Fit]:
    """A warmup and then one level."""
    if parts.top_end < len(parts.y) - 1:
        return
    level = float(np.median(parts.y[parts.top :]))
    for rise in parts.rises():
        yield _joined(parts, rise, family="constant", peak=level, floor=0.0, value=lambda at: np.full_like(at, level))


def _falls(family: str) -> Callable[..., Iterator[Fit]]:
    def fits(parts: Parts, peaks: tuple[float, ...], floors: tuple[float, ...], power: float | None) -> Iterator[Fit]:
        powers = ((power,) if power else (2.0, 0.5, 0.9, 3.0)) if family == "polynomial" else (1.0,)
        for rise in parts.rises():
            for exponent in powers:
                yield from _one_fall(parts, rise, family, exponent, peaks, floors)

    return fits


def _one_fall(
    parts: Parts, rise: Rise | None, family: str, power: float, peaks: tuple[float, ...], floors: tuple[float, ...]
) -> Iterator[Fit]:
    y, tolerance = parts.y, parts.tolerance
    last = min(parts.tail, parts.bottom + 1)
    first = parts.top_end if parts.top_end > parts.top else parts.top
    if last - first < 2:
        return
    rows = first + thinned(last - first)
    observed_top, observed_low = float(y.max()), float(y[parts.bottom])
    ended = parts.tail < len(y) or parts.bottom < len(y) - 1
    lows = [observed_low] if ended else []
    lows += [f for f in (*floors, 0.0) if f <= observed_low + tolerance[parts.bottom]]
    if not ended:
        lows.append(observed_low)
    tops = [p for p in peaks if p >= observed_top - tolerance[parts.top]] + [observed_top]
    seen: set[tuple[float, float]] = set()
    for low in lows:
        for top in tops:
            if (low, top) in seen or top <= low:
                continue
            seen.add((low, top))
            yield from _with_ends(parts, rise, family, power, top, low, rows)
    if family == "linear":
        return
    for free in (("low", "start", "end"), ("top", "start", "end"), ("top", "low", "start", "end")):
        for low in dict.fromkeys(lows) if "low" not in free else (observed_low,):
            refined = _refined(parts, family, power, observed_top, low, rows, free)
            if refined is None:
                continue
            height, bottom, start, end = refined
            for s, e in _whole_first(start, end):
                yield _falling(parts, rise, family, power, height, bottom, s, e)


def _with_ends(
    parts: Parts, rise: Rise | None, family: str, power: float, top: float, low: float, rows: NDArray[np.int64]
) -> Iterator[Fit]:
    y, tolerance = parts.y[rows], parts.tolerance[rows]
    with np.errstate(all="ignore"):
        share = np.clip((y - low) / (top - low), 0.0, 1.0)
        if family == "cosine":
            u = np.arccos(np.clip(2 * share - 1, -1, 1)) / np.pi
            slant = 0.5 * np.pi * np.sin(np.pi * u)
        elif family == "polynomial":
            u = 1 - share ** (1 / power)
            slant = power * (1 - u) ** (power - 1)
        elif family == "1-sqrt":
            u = (1 - share) ** 2
            slant = 0.5 / np.sqrt(np.maximum(u, 1e-12))
        else:
            u, slant = 1 - share, np.ones_like(share)
        sigma = tolerance / np.maximum((top - low) * slant, 1e-9 * (top - low))
    inner = (share > 0) & (share < 1) if family == "cosine" else share >= 0
    if parts.bottom == len(parts.y) - 1 and (inner & (share > 0)).sum() >= FEWEST_ROWS:
        inner &= share > 0  # a last row at the floor may lie past the end
    if inner.sum() < 2:
        return
    line = line_through(parts.x[rows][inner], u[inner], sigma[inner])
    if line is None or line[0] <= 0:
        return
    for start, end in _whole_first(-line[1] / line[0], (1 - line[1]) / line[0]):
        yield _falling(parts, rise, family, power, top, low, start, end)


def _falling(
    parts: Parts, rise: Rise | None, family: str, power: float, top: float, low: float, start: float, end: float
) -> Fit:
    clamp = not (family == "cosine" and parts.bottom < len(parts.y) - 1 and parts.tail == len(parts.y))

    def value(at: Floats) -> Floats:
        r = (at - start) / max(end - start, 1e-12)
        r = np.clip(r, 0.0, 1.0) if clamp else np.maximum(r, 0.0)
        return low + (top - low) * decay_shape(family, r, power)

    parameters: dict[str, float | tuple[float, ...]] = {"power": power} if family == "polynomial" else {}
    return _joined(
        parts,
        rise,
        family=family,
        peak=top,
        floor=low,
        value=value,
        start=start,
        end=end,
        clamp=clamp,
        parameters=parameters,
    )


def _refined(
    parts: Parts, family: str, power: float, top: float, low: float, rows: NDArray[np.int64], free: tuple[str, ...]
) -> tuple[float, float, float, float] | None:
    """Top, floor, start, end by Gauss-Newton from the linearised line: where no row stands at the top or floor."""
    x, y = parts.x[rows], parts.y[rows]
    if len(rows) < len(free) + 2:
        return None
    height = top * (1 + 1e-3) if "top" in free else top
    bottom = low - 0.02 * (top - low) if "low" in free else low
    first = next(_with_ends(parts, None, family, power, height, bottom, rows), None)
    if first is None:
        return None
    guess = {"top": height, "low": bottom, "start": first.start, "end": first.end}
    weight = 1 / np.maximum(parts.tolerance[rows], 1e-15)
    unit = {
        "top": 1e-6 * top,
        "low": 1e-6 * top,
        "start": 1e-6 * (first.end - first.start),
        "end": 1e-6 * (first.end - first.start),
    }

    def model(at: dict[str, float]) -> Floats:
        r = np.clip((x - at["start"]) / max(at["end"] - at["start"], 1e-9), 0, 1)
        return at["low"] + (at["top"] - at["low"]) * decay_shape(family, r, power)

    def misfit(at: dict[str, float]) -> float:
        with np.errstate(over="ignore"):
            return float(np.sum(((y - model(at)) * weight) ** 2))

    error = misfit(guess)
    for _ in range(GAUSS_NEWTON_STEPS):
        now = model(guess)
        columns = [(model({**guess, name: guess[name] + unit[name]}) - now) / unit[name] for name in free]
        jacobian = np.stack(columns, axis=1) * weight[:, None]
        scale = np.maximum(np.linalg.norm(jacobian, axis=0), 1e-300)
        change = np.linalg.lstsq(jacobian / scale, (y - now) * weight, rcond=1e-13)[0] / scale
        for damping in (1.0, 0.3, 0.1):
            moved = {
                **guess,
                **{name: guess[name] + damping * float(step) for name, step in zip(free, change, strict=True)},
            }
            better = moved["end"] > moved["start"] and misfit(moved) < error
            if better:
                break
        if not better:
            break
        gain, guess = error - misfit(moved), moved
        error = misfit(guess)
        if gain <= 1e-6 * error:
            break
    floor = 0.0 if abs(guess["low"]) < 1e-7 * top else guess["low"]
    return guess["top"], floor, guess["start"], guess["end"]


def _joined(
    parts: Parts, rise: Rise | None, *, family: str, peak: float, start: float = -np.inf, **fields: object
) -> Fit:
    """A fit with its warmup in front; the hand-over lies between the last rising row and the row at the top."""
    hand_over = float(parts.x[parts.top]) if rise is not None else -np.inf
    if rise is not None and rise.rows == 1 and parts.x[parts.top - 1] < start <= hand_over:
        rise, hand_over = rise_to(parts, peak, start), start
    elif rise is not None and rise.form in ("line", "held line"):
        rise = replace(rise, end=rise.zero + peak / rise.slope)  # the top itself may not be logged
    return Fit(
        rise=rise,
        hand_over=hand_over,
        held=parts.top_end - parts.top,
        family=family,
        peak=peak,
        start=start,
        **fields,  # type: ignore[arg-type]
    )


def rise_to(parts: Parts, peak: float, start: float) -> Rise:
    """The warmup line through its only row and the place where the decay begins."""
    x, y = float(parts.x[parts.top - 1]), float(parts.y[parts.top - 1])
    slope = (peak - y) / (start - x)
    return Rise(slope=slope, zero=x - y / slope, end=start, rows=1)


def _by_speed(family: str) -> Callable[..., Iterator[Fit]]:
    """Families without an end: a straight line through log(rate), rate^-2 or 1 / rate."""

    def fits(parts: Parts, peaks: tuple[float, ...], floors: tuple[float, ...], power: float | None) -> Iterator[Fit]:
        first = parts.top_end if parts.top_end > parts.top else parts.top
        last = parts.tail if parts.tail < len(parts.y) and parts.tail > first + 3 else len(parts.y)
        rows = first + thinned(last - first)
        y, tolerance = parts.y[rows], parts.tolerance[rows]
        if len(rows) < FEWEST_ROWS or (y <= 0).any():
            return
        with np.errstate(all="ignore"):
            if family == "exponential":
                u, sigma = np.log(y), tolerance / y
            elif family == "inverse-sqrt":
                u, sigma = y**-2.0, 2 * tolerance / y**3
            else:
                u, sigma = 1 / y, tolerance / y**2
        line = line_through(parts.x[rows], u, sigma)
        if line is None or line[0] == 0 or (family != "exponential" and line[0] < 0):
            return
        slope, intercept = line
        low = float(parts.y[-1]) if last < len(parts.y) else 0.0
        top = float(parts.y.max())

        def value(at: Floats) -> Floats:
            with np.errstate(all="ignore"):
                if family == "exponential":
                    return np.maximum(np.exp(intercept + slope * at), low)
                if family == "inverse-sqrt":
                    return np.minimum(
                        np.maximum(1 / np.sqrt(np.maximum(intercept + slope * at, 1e-300)), low), top * (1 + 1e-9)
                    )
                return 1 / np.maximum(intercept + slope * at, 1e-300)

        for rise in parts.rises():
            yield _joined(
                parts,
                rise,
                family=family,
                peak=top,
                floor=low,
                value=value,
                start=float(parts.x[first]),
                parameters={"slope": slope, "intercept": intercept},
            )

    return fits


def _stairs(parts: Parts, peaks: tuple[float, ...], floors: tuple[float, ...], power: float | None) -> Iterator[Fit]:
    """Levels that each fall by one factor: step and multi-step schedules, a plateau schedule, a staircase."""
    x, y, tolerance = parts.x[parts.top :], parts.y[parts.top :], parts.tolerance[parts.top :]
    changes = np.flatnonzero(np.abs(np.diff(y)) > tolerance[1:] + tolerance[:-1]) + 1
    starts = np.concatenate([[0], changes])
    lengths = np.diff(np.append(starts, len(y)))
    if len(changes) == 0 or len(starts) > 200 or np.median(lengths) < 2 or (y <= 0).any():
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
        yield _joined(
            parts,
            rise,
            family="step",
            peak=float(level[0]),
            floor=0.0,
            value=value,
            start=float(places[0]),
            parameters=parameters,
        )


def _restarts(parts: Parts, peaks: tuple[float, ...], floors: tuple[float, ...], power: float | None) -> Iterator[Fit]:
    """Cosine cycles, each starting at the peak again: the first cycle gives the shape, the jumps give the lengths."""
    x, y, tolerance = parts.x, parts.y, parts.tolerance
    height = float(y.max() - y.min())
    jumps = np.flatnonzero((np.diff(y) > RESTART_JUMP * height) & (y[1:] > y.max() - 0.5 * height)) + 1
    jumps = jumps[jumps > parts.top + 3]
    if not len(jumps) or len(jumps) > 200:
        return
    first = slice(0, int(jumps[0]))
    head = next(
        identified(
            x[first], y[first], tolerance[first], families=("cosine",), peaks=(*peaks, float(y.max())), floors=floors
        ),
        None,
    )
    if head is None or not math.isfinite(head.end):
        return
    origin = head.start
    ends = [float(x[jump]) for jump in jumps]
    lengths = np.diff([origin, *ends])
    ratio = 1.0 if len(lengths) < 2 else float(round(lengths[1] / lengths[0]))
    length = head.end - origin
    for mult in dict.fromkeys((ratio, 1.0, 2.0)):
        cycles = Schedule(
            family="warm-restarts",
            peak=head.peak,
            floor=head.floor,
            step_size=length,
            cycle_mult=max(mult, 1.0),
            gamma=1.0,
        )

        def value(at: Floats, cycles: Schedule = cycles) -> Floats:
            return cycles(np.maximum(at - origin, 0.0))

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


def _zigzag(parts: Parts, peaks: tuple[float, ...], floors: tuple[float, ...], power: float | None) -> Iterator[Fit]:
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


def _three_phases(
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
        ending = identify(
            np.append(turn, x[last]),
            np.append(begins, y[last]),
            np.append(parts.tolerance[0], parts.tolerance[last]),
            families=("cosine",) if curved else ("linear",),
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


SHRINKS = (1.0, 0.5)  # of the height from cycle to cycle: CyclicLR "triangular" and "triangular2"
RESTART_JUMP = 0.3  # of the whole height, between two rows
FAMILY_FITS: dict[str, Callable[..., Iterator[Fit]]] = {
    "constant": _constants,
    "linear": _falls("linear"),
    "cosine": _falls("cosine"),
    "polynomial": _falls("polynomial"),
    "1-sqrt": _falls("1-sqrt"),
    "exponential": _by_speed("exponential"),
    "inverse-sqrt": _by_speed("inverse-sqrt"),
    "inverse-time": _by_speed("inverse-time"),
    "step": _stairs,
    "warm-restarts": _restarts,
    "cyclic": _zigzag,
    "one-cycle": _three_phases,
}
