"""Families that come down from a top to a floor: one level, line, cosine, power, 1 - sqrt."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from analyzer.clocks.schedule_families.conventions import USUAL_FLOORS, decay_shape
from analyzer.clocks.schedule_fit.fit import FEWEST_ROWS, FITTED, Fit, Rise, agrees, thinned, whole_first
from analyzer.clocks.schedule_fit.lines import line_between, line_through
from analyzer.clocks.schedule_fit.parts import Parts, joined
from analyzer.model import Floats

GAUSS_NEWTON_STEPS = 15
ENOUGH = 1e-3  # relative gain, below which a further step moves no row by a part of its half width
HOPELESS = 1e4  # squared half widths a row: a right family halves them with every step, a wrong one does not
NEAR_ENOUGH = 100.0  # the same, behind the last step: what is further off has another shape
CUT_AT, GRID, NARROWED = 32.0, 36, 40  # ends up to so many times the logged part; a grid of them; thirds of a bracket
RISEN_TWICE = 2  # times: the top that a curve tells moves the end of the warmup by less than a thousandth each
NEARLY = 1e-3  # relative: a height so near to a round number is that number, a floor so near to zero is zero


def fall_through(
    family: str, x: Floats, y: Floats, tolerance: Floats, *, peaks: tuple[float, ...], floors: tuple[float, ...]
) -> Fit | None:
    """The first fall of one family that passes through every row of a stretch."""
    parts = Parts.of(x, y, tolerance)
    return next((fit for fit in falls(family)(parts, peaks, floors, None) if agrees(fit, x, y, tolerance).all()), None)


def constants(parts: Parts, peaks: tuple[float, ...], floors: tuple[float, ...], power: float | None) -> Iterator[Fit]:
    """A warmup and then one level."""
    if parts.top_end < len(parts.y) - 1:
        return
    level = float(np.median(parts.y[parts.top :]))
    for rise in parts.rises():
        yield joined(parts, rise, family="constant", peak=level, floor=0.0, value=lambda at: np.full_like(at, level))


def falls(family: str) -> Callable[..., Iterator[Fit]]:
    def fits(parts: Parts, peaks: tuple[float, ...], floors: tuple[float, ...], power: float | None) -> Iterator[Fit]:
        powers = ((power,) if power else (2.0, 0.5, 0.9, 3.0)) if family == "polynomial" else (1.0,)
        for rise in parts.rises():
            for exponent in powers:
                yield from one_fall(parts, rise, family, exponent, peaks, floors)

    return fits


def one_fall(
    parts: Parts, rise: Rise | None, family: str, power: float, peaks: tuple[float, ...], floors: tuple[float, ...]
) -> Iterator[Fit]:
    y, tolerance = parts.y, parts.tolerance
    last = min(parts.tail, parts.bottom - 1 if _rebounds(parts, family) else parts.bottom + 1)
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
        lows += [share * observed_top for share in USUAL_FLOORS if family == "cosine"]  # met later, if at all
    tops = [p for p in peaks if p >= observed_top - tolerance[parts.top]] + [observed_top]
    seen: set[tuple[float, float]] = set()
    for low in lows:
        for top in tops:
            if (low, top) in seen or top <= low or low > observed_low + tolerance[parts.bottom]:
                continue
            seen.add((low, top))
            held = _held_at(parts, top, low)
            for fit in _with_ends(parts, rise, family, power, top, low, rows):
                yield fit if held is None else _not_below(fit, held)
    if family == "linear":
        return
    if family == "cosine" and not ended:
        yield from _from_its_beginning(parts, rise, rows)
    for free in (("low", "start", "end"), ("top", "start", "end"), ("top", "low", "start", "end")):
        for low in dict.fromkeys(lows) if "low" not in free else dict.fromkeys((observed_low, 0.0)):
            refined = _refined(parts, family, power, observed_top, low, rows, free)
            if refined is None:
                continue
            yield from _ended(parts, rise, family, power, refined)
            chosen = float(f"{refined[0]:.2g}")
            if abs(chosen / refined[0] - 1) < NEARLY and "top" in free:  # people choose round numbers
                bottom = 0.0 if refined[1] < NEARLY * chosen else refined[1]
                again = _refined(parts, family, power, chosen, bottom, rows, ("start", "end"))
                if again is not None:
                    yield from _ended(parts, rise, family, power, again)


def _held_at(parts: Parts, top: float, low: float) -> float | None:
    """The level of the tail, where it is a usual share of the top above the floor of the fall: ``max(share, cosine)``.

    Another level may be that of a scheduler that was no longer called.
    """
    if parts.tail >= len(parts.y) or low >= parts.y[parts.tail] - 2 * parts.tolerance[parts.tail]:
        return None
    usual = (share * top for share in USUAL_FLOORS)
    return next((one for one in usual if abs(one - parts.y[parts.tail]) <= parts.tolerance[parts.tail]), None)


def _not_below(fit: Fit, held: float) -> Fit:
    return replace(fit, floor=held, value=lambda at: np.maximum(fit.value(at), held))


def _from_its_beginning(parts: Parts, rise: Rise | None, rows: NDArray[np.int64]) -> Iterator[Fit]:
    """A cosine that was cut before its end: where its beginning is known, top, floor and end are told by the curve."""
    if len(rows) < 3 + FEWEST_ROWS:
        return
    starts = [0.0, 1.0, -1.0, float(parts.x[parts.top_end])]
    if rise is not None and rise.form == "line" and rise.end < parts.x[rows[-1]]:
        for _ in range(RISEN_TWICE):  # it ends at the top, which the curve tells
            height, low, _, _ = _cut_cosine(parts, rows, rise.end)
            rise = replace(rise, end=rise.zero + (height + low) / rise.slope)
        starts = [float(round(rise.end)), rise.end, *starts]
    for start in dict.fromkeys(starts):
        if start <= parts.x[rows[0]] < parts.x[rows[-1]]:
            height, low, end, error = _cut_cosine(parts, rows, start)
            if height > 0 and low > -NEARLY * height and error <= NEAR_ENOUGH * len(rows):
                low = 0.0 if low < NEARLY * NEARLY * height else low
                yield _falling(parts, rise, "cosine", 1.0, height + low, low, start, end)


def _cut_cosine(parts: Parts, rows: NDArray[np.int64], start: float) -> tuple[float, float, float, float]:
    """Height, floor, end and misfit of the nearest cosine that begins at ``start``.

    For a given end the rates are a straight line in the shape: height and floor follow from least squares. The end is
    looked for on a grid, then narrowed; a whole number near it is taken where it is as good.
    """
    x, y = parts.x[rows], parts.y[rows]
    weight = np.maximum(parts.tolerance[rows], 1e-15) ** -2.0

    def nearest(end: float) -> tuple[float, float, float, float]:
        with np.errstate(all="ignore"):
            shape = decay_shape("cosine", np.clip((x - start) / (end - start), 0, 1))
            middle, rate = np.average(shape, weights=weight), np.average(y, weights=weight)
            height = np.sum(weight * (shape - middle) * (y - rate)) / np.sum(weight * (shape - middle) ** 2)
        low = rate - height * middle
        return float(height), float(low), end, float(np.sum(weight * (height * shape + low - y) ** 2))

    def missed(end: float) -> float:
        return nearest(end)[3]

    ends = start + (x[-1] - start) * np.geomspace(1.0, CUT_AT, GRID)
    best = int(np.argmin([missed(float(end)) for end in ends]))
    near, far = float(ends[max(best - 1, 0)]), float(ends[min(best + 1, GRID - 1)])
    for _ in range(NARROWED):
        third = (far - near) / 3
        near, far = (near, far - third) if missed(near + third) < missed(far - third) else (near + third, far)
    end = 0.5 * (near + far)
    whole = nearest(float(round(end)))
    return whole if whole[3] <= len(rows) else nearest(end)


def _ended(
    parts: Parts, rise: Rise | None, family: str, power: float, found: tuple[float, float, float, float]
) -> Iterator[Fit]:
    top, low, start, end = found
    for s, e in whole_first(start, end):
        yield _falling(parts, rise, family, power, top, low, s, e)


def _rebounds(parts: Parts, family: str) -> bool:
    """Whether a cosine goes on past its end: the rate rises again, and its lowest rows may lie on either side."""
    return family == "cosine" and parts.bottom < len(parts.y) - 1 and parts.tail == len(parts.y)


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
    below_top = inner & (y < top - 2 * tolerance)  # the last row at the top may lie before the fall's beginning
    if below_top.sum() >= FEWEST_ROWS:
        inner = below_top
    if parts.bottom == len(parts.y) - 1 and (inner & (share > 0)).sum() >= FEWEST_ROWS:
        inner &= share > 0  # a last row at the floor may lie past the end
    if inner.sum() < 2:
        return
    x, u, sigma = parts.x[rows][inner], u[inner], FITTED * sigma[inner]
    line = line_through(x, u, sigma)
    if line is None or (np.abs(line[0] * x + line[1] - u) > sigma).any():
        line = line_between(x, u - sigma, u + sigma) or line  # the likeliest one misses a row that another meets
    if line is None or line[0] <= 0:
        return
    for start, end in whole_first(-line[1] / line[0], (1 - line[1]) / line[0]):
        yield _falling(parts, rise, family, power, top, low, start, end)


def _falling(
    parts: Parts, rise: Rise | None, family: str, power: float, top: float, low: float, start: float, end: float
) -> Fit:
    clamp = not _rebounds(parts, family)
    least = -np.inf if rise is not None and rise.form == "times" else 0.0  # the fall began before its warmup ended

    def value(at: Floats) -> Floats:
        r = np.maximum((at - start) / max(end - start, 1e-12), least)
        r = np.minimum(r, 1.0) if clamp else r
        return low + (top - low) * decay_shape(family, r, power)

    parameters: dict[str, float | tuple[float, ...]] = {"power": power} if family == "polynomial" else {}
    return joined(
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


def rising_again(fit: Fit) -> Fit:
    """A cosine that goes on past its end (torch, transformers), where the rows do not show it."""

    def value(at: Floats) -> Floats:
        r = np.maximum((at - fit.start) / max(fit.end - fit.start, 1e-12), 0.0)
        return fit.floor + (fit.peak - fit.floor) * decay_shape("cosine", r)

    return replace(fit, clamp=False, value=value)


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
        if gain <= ENOUGH * error or (gain <= error and error > HOPELESS * len(rows)):
            break
    if error > NEAR_ENOUGH * len(rows):
        return None
    floor = 0.0 if abs(guess["low"]) < 1e-7 * top else guess["low"]
    return guess["top"], floor, guess["start"], guess["end"]
