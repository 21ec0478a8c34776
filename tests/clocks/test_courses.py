"""Rates of a schedule that nobody declared, which is left, comes back or goes on elsewhere; and those that look so."""

from __future__ import annotations

import numpy as np
import pytest

from analyzer.clocks.rate_axes import with_whole_epochs
from analyzer.clocks.schedules import Schedule
from analyzer.model import Floats
from tests.clocks.schedule_runs import timeline_of

STEPS = np.arange(400.0)
COSINE = Schedule(family="cosine", peak=1e-3, warmup=40, total=400)
EXPONENTIAL = Schedule(family="exponential", peak=1e-3, gamma=0.995)
DROPS = Schedule(family="step", peak=0.1, warmup=60, milestones=(260, 350))
BACK = Schedule(family="linear", peak=1e-3, floor=1e-5, total=400)


def times(schedule: Schedule, factor: float, first: int, after: int = 400) -> Floats:
    return schedule(STEPS) * np.where((first <= STEPS) & (after > STEPS), factor, 1.0)


def root(x: Floats) -> Floats:
    """One level, then an inverse square root of the step itself (T5)."""
    return 1e-2 * np.sqrt(50 / np.maximum(x, 50))


def power(x: Floats) -> Floats:
    """Caffe's "inv"."""
    return 1e-2 * (1 + x / 80) ** -0.75


def shared(x: Floats) -> Floats:
    """A warmup that multiplies the decay behind it (mmcv, Ultralytics)."""
    return 1e-2 * np.minimum(1, (x + 1) / 50) * (1 - x / 400)


LEFT = [
    ("five times, and back", times(COSINE, 5, 200, 240), {"jump"}),
    ("a tenth to the end", times(COSINE, 0.1, 220), {"jump"}),
    ("an exponential doubled", times(EXPONENTIAL, 2, 150), {"jump"}),
    ("drops, ten times for a stretch", times(DROPS, 10, 150, 190), {"jump"}),
    ("rows here and there", COSINE(STEPS) * np.where(np.isin(STEPS, (120, 230, 231, 300)), 10, 1.0), {"isolated"}),
    ("an inverse root of the step, halved", root(STEPS) * np.where(STEPS < 250, 1, 0.5), {"jump"}),
    ("a power, and three times it", power(STEPS) * np.where(STEPS < 250, 1, 3), {"jump"}),
    ("a warmup that multiplies, and a stretch", shared(STEPS) * np.where(np.abs(STEPS - 200) < 20, 2, 1), {"jump"}),
]  # fmt: skip
SOUND = [
    ("a warmup and drops, few digits", DROPS(STEPS)),
    ("a warmup that hands over to another height", np.where(STEPS < 60, STEPS / 60, COSINE(STEPS) * 600) * 1e-3),
    ("an inverse root of the step", root(STEPS)),
    ("a power", power(STEPS)),
    ("a warmup that multiplies", shared(STEPS)),
    ("levels of several factors", np.select([STEPS < 100, STEPS < 200, STEPS < 330], [0.1, 0.05, 0.01], 0.001)),
    ("drops in a decay", BACK(STEPS) * 0.5 ** (STEPS // 100)),
    ("a decay and its floor", np.maximum(EXPONENTIAL(STEPS), 3e-4)),
]  # fmt: skip


@pytest.mark.parametrize("digits", [5, 7])
@pytest.mark.parametrize(("rates", "kinds"), [row[1:] for row in LEFT], ids=[row[0] for row in LEFT])
def test_what_broke_is_told(rates: Floats, kinds: set[str], digits: int) -> None:
    (clock,) = timeline_of(np.arange(1, 401), rates, {}, digits=digits).schedulers
    assert {one.kind for one in clock.deviations if one.severity != "note"} == kinds


@pytest.mark.parametrize("digits", [5, 7])
@pytest.mark.parametrize("rates", [row[1] for row in SOUND], ids=[row[0] for row in SOUND])
def test_what_only_looks_broken_is_silent(rates: Floats, digits: int) -> None:
    (clock,) = timeline_of(np.arange(1, 401), rates, {}, digits=digits).schedulers
    assert [one.kind for one in clock.deviations if one.severity != "note"] == []


def again(schedule: Schedule, at: int, width: int = 30) -> Floats:
    """A warmup by which the schedule is multiplied from one step on."""
    return schedule(STEPS) * np.where(at > STEPS, 1.0, np.minimum(1.0, (STEPS - at + 1) / width))


LONGER = Schedule(family="cosine", peak=1e-3, warmup=40, total=600)
JOINS = [
    ("another end from a resume on", np.where(STEPS < 200, COSINE(STEPS), LONGER(STEPS)), 200, {"restart"}),
    ("a warmup again at a resume", again(COSINE, 200), 200, {"restart"}),
    ("a warmup again, no resume known", again(COSINE, 200), None, {"restart"}),
    ("begun again in its course", COSINE(np.where(STEPS < 250, STEPS, STEPS - 250)), None, {"restart"}),
    ("back by fifty at a place", COSINE(np.where(STEPS < 250, STEPS, STEPS - 50)), None, {"jump"}),
    ("stands still, high", COSINE(np.minimum(STEPS, 200)), None, {"frozen"}),
    ("a floor, low", np.maximum(COSINE(STEPS), 1e-4), None, set()),
    ("restored", COSINE(STEPS), 200, set()),
    ("cycles with a warmup", COSINE(np.mod(STEPS * 3, 401)), None, set()),
    ("sawteeth of an exponential", EXPONENTIAL(np.mod(STEPS, 133)), None, set()),
]  # fmt: skip


@pytest.mark.parametrize(("rates", "cut", "kinds"), [row[1:] for row in JOINS], ids=[row[0] for row in JOINS])
def test_a_schedule_that_goes_on_otherwise(rates: Floats, cut: int | None, kinds: set[str]) -> None:
    (clock,) = timeline_of(np.arange(1, 401), rates, {}, digits=6, cut=cut).schedulers
    assert {one.kind for one in clock.deviations if one.severity != "note"} == kinds


@pytest.mark.parametrize(("every", "further"), [(10, 3), (5, 2), (1, 0)])
def test_rates_tell_how_long_an_epoch_of_printed_places_is(every: int, further: int) -> None:
    place = np.arange(every, 94, every)
    epoch = np.repeat(np.arange(6.0), len(place))
    step = epoch * (90 + further) + np.tile(place, 6)
    printed = epoch * place[-1] + np.tile(place, 6)
    rate = COSINE(step * 0.6)
    axes = with_whole_epochs({"step": printed, "epoch": epoch}, rate, np.full(len(rate), 1e-10))
    assert axes["step"].tolist() == (step if further else printed).tolist()


def test_a_rate_that_drops_at_every_epoch_tells_no_length() -> None:
    place, epoch = np.tile(np.arange(10, 94, 10), 6), np.repeat(np.arange(6.0), 9)
    printed = epoch * 90 + place
    axes = with_whole_epochs({"step": printed, "epoch": epoch}, 0.5**epoch, np.full(54, 1e-9))
    assert axes["step"].tolist() == printed.tolist()


@pytest.mark.parametrize("digits", [2, 3, 4])
@pytest.mark.parametrize("schedule", [COSINE, EXPONENTIAL, BACK])
def test_a_resume_of_rounded_rates_moves_no_counter(schedule: Schedule, digits: int) -> None:
    (clock,) = timeline_of(np.arange(1, 401), schedule(STEPS), {}, digits=digits, cut=160).schedulers
    assert [one.kind for one in clock.deviations if one.severity != "note"] == []
