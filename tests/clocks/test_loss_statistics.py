"""The mathematics behind the loss rules, on curves whose truth is known."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.clocks.change_points import is_integer_like, is_ramp, same_noise, shifts_of
from analyzer.clocks.extreme_tail import Tail
from analyzer.clocks.loss import burn_in_of
from analyzer.clocks.loss_baseline import Divergence, LevelShift
from analyzer.clocks.loss_divergence import find_divergence
from analyzer.clocks.loss_edges import is_gradual
from analyzer.clocks.loss_events import P_LEVEL
from analyzer.clocks.loss_scan import Scan
from analyzer.clocks.loss_spikes import find_spikes
from analyzer.clocks.recurring_peaks import is_habit
from analyzer.clocks.running_mean import undo_running_mean
from analyzer.config.declared import facts_from_options, merge
from analyzer.discovery import discover
from analyzer.model import Floats
from analyzer.reconstruction import reconstruct
from analyzer.timeline import Timeline


def noise(n: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).standard_normal(n)


def descent(n: int) -> Floats:
    return 2.0 + 6.0 * np.exp(-np.arange(n) / (0.1 * n))


def spiked(height: float, length: int, n: int = 2000, at: int = 1200) -> Floats:
    loss = descent(n) + 0.05 * noise(n)
    loss[at : at + length] += 0.05 * height
    return loss


@pytest.mark.parametrize(("height", "length"), [(12, 1), (8, 5), (6, 10), (6, 30), (8, 50)])
def test_spikes_of_many_lengths_are_found_where_they_are(height: float, length: int) -> None:
    (spike,) = find_spikes(spiked(height, length), judged_from=200)
    assert abs(spike.first - 1200) <= max(1, length // 3)
    assert abs(spike.last - (1200 + length - 1)) <= max(1, length // 3)
    assert spike.p_value < 0.01


def staircase(n: int) -> Floats:
    return 3.0 * 0.6 ** (np.arange(n) // (n // 5)) * (1 + 0.02 * noise(n))


def ringing(n: int) -> Floats:
    ring = np.exp(-np.arange(n) / 20) * np.maximum(0, np.sin(2 * np.pi * np.arange(n) / 12))
    return descent(n) * (1 + 5 * ring) + 0.05 * noise(n)


HEALTHY = {
    "descent": descent(2000) + 0.05 * noise(2000),
    "staircase at epochs": staircase(2000),
    "ringing at the start": ringing(2000),
    "heavy tail": 2.0 + 0.05 * np.random.default_rng(3).standard_t(4, 3000),
    "log-normal": np.exp(0.3 * noise(3000, 4)),
    "a rise that lasts": np.concatenate([np.full(500, 1.0), np.full(500, 2.0)]) + 0.05 * noise(1000),
    "constant": np.full(500, 0.7),
    "smooth": descent(400),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_no_spike_where_there_is_none(name: str) -> None:
    loss = HEALTHY[name]
    assert find_spikes(loss, judged_from=burn_in_of(loss), floor=1e-3 * float(np.median(loss))) == []


def late_spike(n: int) -> Floats:
    loss = 0.2 + 1.8 * np.exp(-np.arange(n) / 80) + 0.02 * noise(n)
    loss[600:603] += 3.0
    return loss


@pytest.mark.parametrize(
    ("loss", "first", "last"),
    [
        (ringing(2000), 100, 300),  # the rings and the descent
        (late_spike(4100), 100, 599),  # what rises when the descent is over
        (np.full(400, 2.0) + 0.1 * noise(400), 0, 100),  # one threshold that noise may cross
        (0.5 + np.arange(400) / 200, 0, 0),  # no descent
    ],
    ids=["ringing", "a spike in the eighth part", "flat", "a rise"],
)
def test_the_burn_in_ends_with_the_descent(loss: Floats, first: int, last: int) -> None:
    assert first <= burn_in_of(loss) <= last


@pytest.mark.parametrize("n", [0, 1, 2, 5, 12, 30])
def test_short_curves_are_never_judged_wrongly(n: int) -> None:
    loss = 1 + 0.1 * noise(n)
    assert find_spikes(loss) == []
    assert Scan(np.log(np.abs(loss) + 1)).changes(P_LEVEL) == []


@settings(max_examples=30, deadline=None)
@given(st.floats(0.01, 100.0), st.integers(0, 1000))
def test_a_spike_does_not_depend_on_the_unit_of_the_loss(unit: float, seed: int) -> None:
    loss = descent(600) + 0.05 * noise(600, seed)
    loss[400:405] += 1.0
    plain, scaled = find_spikes(loss, judged_from=100), find_spikes(unit * loss, judged_from=100)
    assert [(s.first, s.last) for s in plain] == [(s.first, s.last) for s in scaled]


FAMILIES = {
    "gaussian": lambda rng, n: rng.standard_normal(n),
    "uniform": lambda rng, n: rng.uniform(-1.7, 1.7, n),
    "student-t": lambda rng, n: rng.standard_t(4, n),
    "log-normal": lambda rng, n: (np.exp(0.4 * rng.standard_normal(n)) - 1) / 0.4,
    "wild rows": lambda rng, n: rng.standard_normal(n) + 8 * np.abs(rng.standard_t(3, n)) * (rng.random(n) < 0.005),
}


@pytest.mark.parametrize(
    ("family", "rows", "height", "surprising"),
    [
        ("gaussian", 3000, 6.0, True),
        ("gaussian", 800, 7.0, True),
        ("uniform", 3000, 6.0, True),
        ("student-t", 3000, 60.0, True),
        ("log-normal", 3000, 40.0, True),
        ("gaussian", 3000, 4.0, False),
        ("gaussian", 60, 4.0, False),
        ("gaussian", 15, 300.0, True),
        ("gaussian", 7, 100.0, False),
        ("student-t", 3000, 10.0, False),
        ("student-t", 300, 8.0, False),
        ("log-normal", 3000, 8.0, False),
        ("wild rows", 3000, 15.0, False),
    ],
)
def test_the_tail_is_the_runs_own(family: str, rows: int, height: float, surprising: bool) -> None:
    values = FAMILIES[family](np.random.default_rng(4), rows)
    chance = Tail(values).chance_of_maximum(height, of=rows)
    assert chance < 0.01 if surprising else chance > 0.03


def test_the_chance_of_a_maximum_is_that_of_gaussian_noise_where_the_noise_is() -> None:
    truth, said = [], []
    for seed in range(20):
        tail = Tail(noise(20_000, seed))
        truth.append(20_000 * 0.5 * math.erfc(4.75 / math.sqrt(2)))
        said.append(tail.chance_of_maximum(4.75, of=20_000))
    assert 0.5 * np.mean(truth) < np.median(said) < 3 * np.mean(truth)


def test_maxima_left_out_make_the_tail_no_lighter() -> None:
    values = np.sort(np.random.default_rng(2).standard_t(3, 1000))
    cut = Tail(values[:-5]).chance_of_maximum(9.0, of=1000)
    censored = Tail(values).chance_of_maximum(9.0, of=1000, without=np.arange(995, 1000))
    assert censored > cut


@pytest.mark.parametrize("family", ["gaussian", "student-t", "log-normal"])
def test_one_row_of_six_noise_units_is_a_spike_in_gaussian_noise_alone(family: str) -> None:
    found = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        loss = descent(4000) + 0.05 * FAMILIES[family](rng, 4000)
        loss[3000] = descent(4000)[3000] + 0.05 * 6.0
        found += [spike.first for spike in find_spikes(loss, judged_from=600, floor=2e-3)] == [3000]
    assert found >= 10 if family == "gaussian" else found == 0


def slope_with_peak(n: int = 1200) -> Floats:
    """A descent of one noise unit in ten rows, and thirty raised rows on it."""
    loss = 10 - 0.005 * np.arange(n) + 0.05 * noise(n, 5)
    loss[700:730] += 0.05 * 6
    return loss


def correlated(n: int = 3000, rho: float = 0.95) -> Floats:
    shocks = np.sqrt(1 - rho**2) * noise(n, 6)
    values = np.zeros(n)
    for i in range(1, n):
        values[i] = rho * values[i - 1] + shocks[i]
    return 3 + 0.1 * values


def test_a_peak_on_a_descent_and_one_row_in_correlated_noise_are_found() -> None:
    (peak,) = find_spikes(slope_with_peak(), judged_from=100, floor=1e-2)
    assert abs(peak.first - 700) <= 3 and abs(peak.last - 729) <= 3
    loss = correlated()
    assert find_spikes(loss, judged_from=100, floor=3e-3) == []
    loss[2000] += 0.5
    (row,) = find_spikes(loss, judged_from=100, floor=3e-3)
    assert (row.first, row.last) == (2000, 2000)


def slow_return(n: int = 2000) -> Floats:
    """A jump of twenty noise units that decays over fifteen rows."""
    loss = 3 + 0.05 * noise(n, 7)
    loss[1200:1300] += np.exp(-np.arange(100) / 15)
    return loss


def test_a_peak_may_take_long_to_come_back() -> None:
    (peak,) = find_spikes(slow_return(), judged_from=100, floor=3e-3)
    assert peak.first == 1200 and 1205 <= peak.last <= 1230


NO_PEAKS = {
    "the run becomes quiet": lambda rng: 1 + np.where(np.arange(200) < 100, 0.004, 5e-5) * rng.standard_normal(200),
    "two kinds of batches": lambda rng: (
        np.where(rng.random(2000) < 0.45 + 0.2 * (np.arange(2000) // 80 % 2), 0.9, 0.2)
        + 0.05 * rng.standard_normal(2000)
    ),
}


@pytest.mark.parametrize("name", NO_PEAKS)
def test_another_noise_for_a_while_is_no_peak(name: str) -> None:
    for seed in range(5):
        assert find_spikes(NO_PEAKS[name](np.random.default_rng(seed)), judged_from=10, floor=1e-3) == []


STEPS = {
    "long stairs": lambda n: 3.0 * 0.7 ** (np.arange(n) // 400),
    "short stairs": lambda n: 3.0 * 0.97 ** (np.arange(n) // 30),
    "stairs that rise before they fall": lambda n: (
        3.0 * 0.8 ** (np.arange(n) // 150) * (1 + (np.arange(n) % 150) / 1500)
    ),
    "one step up": lambda n: np.where(np.arange(n) < n // 2, 2.0, 2.3),
    "one step down": lambda n: np.where(np.arange(n) < n // 2, 2.3, 2.0),
}


@pytest.mark.parametrize("shape", STEPS)
@pytest.mark.parametrize("family", ["gaussian", "student-t"])
def test_steps_are_no_peaks(shape: str, family: str) -> None:
    for seed in range(5):
        level = STEPS[shape](2400)
        loss = level + 0.01 * level * FAMILIES[family](np.random.default_rng(seed), 2400)
        assert find_spikes(loss, judged_from=120, floor=1e-3) == []


def shifts(loss: Floats, first: int = 0) -> list[LevelShift]:
    scan = Scan(np.log(loss), first=first, floor=1e-3)
    return shifts_of(np.log(loss), scan.changes(P_LEVEL), first, scan.error_at)


def divergence(loss: Floats, first: int) -> Divergence | None:
    return find_divergence(np.log(loss), Scan(np.log(loss), first=first, floor=1e-3).changes(P_LEVEL), first)


@pytest.mark.parametrize(("factor", "onset"), [(1.6, 600), (3.0, 500), (50.0, 700)])
def test_divergence_and_its_onset(factor: float, onset: int) -> None:
    n = 1000
    rise = factor ** np.clip((np.arange(n) - onset) / 40, 0, 1)
    found = divergence((descent(n) + 0.05 * noise(n)) * rise, 150)
    assert found is not None
    assert abs(found.onset - onset) <= 30
    assert found.final / found.lowest == pytest.approx(factor, rel=0.1)


@pytest.mark.parametrize("name", [name for name in HEALTHY if name != "a rise that lasts"])
def test_no_divergence_where_there_is_none(name: str) -> None:
    assert divergence(HEALTHY[name], burn_in_of(HEALTHY[name])) is None


@pytest.mark.parametrize(("way", "gradual"), [(0, False), (10, False), (150, True), (400, True)])
def test_a_hump_has_no_edge(way: int, gradual: bool) -> None:
    t = np.arange(2000)
    rise = np.clip((t - 1000) / way + 0.5, 0, 1) if way else (t >= 1000).astype(float)
    assert is_gradual(0.05 * noise(2000) + 0.15 * rise, 1000, 200) is gradual


@pytest.mark.parametrize(("rows", "last", "told"), [(60, 2.3, True), (60, 0.5, False), (30, 2.3, False)])
def test_a_short_curve_that_falls_and_climbs(rows: int, last: float, told: bool) -> None:
    """Its scatter is that of the descent; less than twice, or a rise of few rows, is told by the scan alone."""
    t = np.arange(rows)
    climb = last * np.clip((t - 38) / 8, 0, 1) if rows > 38 else last * np.clip((t - 24) / 4, 0, 1)
    loss = np.exp(5.2 - 2 * (1 - np.exp(-t / 8)) + 0.08 * noise(rows, 3) + climb)
    assert (divergence(loss, 9) is not None) is told


@pytest.mark.parametrize("seed", range(40))
def test_a_few_noisy_rows_do_not_diverge(seed: int) -> None:
    assert divergence(np.exp(0.45 * noise(26, seed)), 5) is None


@pytest.mark.parametrize("factor", [2, 3, 8, 16, 1 / 2, 1 / 4])
@pytest.mark.parametrize("n", [800, 60_000])
def test_an_integer_factor_is_measured_and_placed(factor: float, n: int) -> None:
    at = n * 5 // 8 + 1
    loss = descent(n) * np.exp(0.1 * noise(n)) * np.where(np.arange(n) >= at, factor, 1)
    (shift,) = shifts(loss, n // 8)
    assert abs(shift.row - at) <= 1 and shift.lasting and shift.sharp
    assert (shift.factor, shift.down) == (max(factor, round(1 / factor)), factor < 1)
    assert is_integer_like(shift) and same_noise(shift) and not is_ramp(np.log(loss), shift)


def test_a_factor_that_goes_again_is_an_interval() -> None:
    loss = descent(800) * np.exp(0.1 * noise(800)) * np.where(np.abs(np.arange(800) - 500) < 60, 4, 1)
    (shift,) = shifts(loss, 100)
    assert not shift.lasting and shift.back is not None and shift.back.sharp
    assert abs(shift.row - 441) <= 1 and abs(shift.last - 559) <= 1


@pytest.mark.parametrize(("rows", "height"), [(30, 3.0), (100, 3.0), (300, 2.0)])
@pytest.mark.parametrize("seed", range(3))
def test_a_long_raised_stretch_is_found(rows: int, height: float, seed: int) -> None:
    loss = 1 + 0.05 * noise(2000, seed)
    loss[900 : 900 + rows] += 0.05 * height
    (shift,) = [shift for shift in shifts(loss) if shift.sharp]
    assert abs(shift.row - 900) <= 3 and abs(shift.last - 899 - rows) <= 3 and not shift.down


@pytest.mark.parametrize(("rows", "height"), [(30, 3.0), (100, 5.0)])
@pytest.mark.parametrize("seed", range(3))
def test_a_raised_stretch_on_a_descent_has_both_edges(rows: int, height: float, seed: int) -> None:
    """What the loss falls meanwhile takes from the rise at one edge and adds to the fall at the other."""
    t = np.arange(800)
    loss = (1 + 4 * (1 + np.cos(np.pi * t / 800))) * (1 + 0.03 * noise(800, seed))
    loss[350 : 350 + rows] *= 1 + 0.03 * height
    stretches = [(s.row, s.last) for s in shifts(loss, 100) if s.sharp and s.back is not None and s.back.sharp]
    spikes = [(s.first, s.last) for s in find_spikes(loss, judged_from=100)]
    assert any(abs(a - 350) <= 4 and abs(b - 349 - rows) <= 4 for a, b in [*stretches, *spikes])


@pytest.mark.parametrize("seed", range(6))
def test_a_smooth_descent_has_no_stretch(seed: int) -> None:
    loss = (1 + 4 * (1 + np.cos(np.pi * np.arange(800) / 800))) * (1 + 0.03 * noise(800, seed))
    assert not [shift for shift in shifts(loss, 100) if shift.sharp and not shift.down]
    assert find_spikes(loss, judged_from=100) == []


@pytest.mark.parametrize("n", [200, 161])
def test_rows_that_alternate_do_not_diverge(n: int) -> None:
    """The last of two levels is no end: 670 and 208 by turns."""
    loss = np.where(np.arange(n) % 2, 208.0, 670.0) * (1 + 0.002 * noise(n))
    loss[: n // 3] = 670 * (1 + 0.002 * noise(n // 3))
    assert divergence(loss, 0) is None


def test_the_edges_of_a_spike_are_no_change_of_level() -> None:
    loss = 2.0 + 0.01 * np.random.default_rng(4).standard_t(3.0, 3000)
    loss[1500:1503] += 0.5
    assert Scan(np.log(loss), floor=1e-3).changes(P_LEVEL) == []


def boundaries(moves: list[float]) -> Floats:
    """Epochs of 20 rows, each so much above the one before it, on a descent of 0.05 in an epoch."""
    level = np.repeat(np.cumsum([0.0, *moves]), 20)
    return level - 0.0025 * np.arange(len(level)) + 0.005 * noise(len(level), 2)


@pytest.mark.parametrize(
    ("moves", "habit"),
    [
        ([0.0] * 5 + [0.3] + [0.0] * 6, False),  # one rise on a descent
        ([-0.1] * 5 + [0.3] + [-0.1] * 6, False),  # and on stairs
        ([0.2, -0.2, 0.25, -0.3, 0.2, 0.3, -0.3, 0.2, -0.2, 0.1, -0.3, 0.2], True),  # other data with every epoch
        ([0.06, -0.06] * 2 + [0.0, 0.3] + [0.06, -0.06] * 3, True),  # five times what it usually does is not beyond it
        ([0.3, -0.3] + [0.0] * 3 + [0.3, -0.3, 0.3, -0.3] + [0.3, 0.0, 0.0], True),  # its like has been there
    ],
)
def test_a_rise_with_an_epoch_is_a_habit_where_the_loss_rises_so(moves: list[float], habit: bool) -> None:
    curve = boundaries(moves)
    assert is_habit(0.3, 6 * 20, curve, np.arange(0, len(curve), 20)) is habit


def autoregressive(n: int, rho: float, seed: int) -> Floats:
    shocks, value = np.sqrt(1 - rho**2) * noise(n + 200, seed), 0.0
    return np.array([value := rho * value + shock for shock in shocks.tolist()])[200:]


SOUND = {
    "gaussian": lambda seed: noise(600, seed),
    "student-t": lambda seed: np.random.default_rng(seed).standard_t(3, 600),
    "log-normal": lambda seed: np.exp(0.5 * noise(600, seed)),
    "correlated": lambda seed: autoregressive(600, 0.8, seed),
    "strongly correlated": lambda seed: autoregressive(600, 0.97, seed),
    "a level that wanders": lambda seed: noise(600, seed) + np.cumsum(noise(600, seed + 100)) / np.sqrt(600),
    "descent": lambda seed: 20 * descent(600) + noise(600, seed),
}


@pytest.mark.parametrize("kind", SOUND)
@pytest.mark.parametrize("seed", range(4))
def test_no_change_of_level_where_there_is_none(kind: str, seed: int) -> None:
    assert Scan(SOUND[kind](seed), first=120).changes(P_LEVEL) == []


@pytest.mark.parametrize("tau", [6, 15, 40])
def test_a_rise_that_takes_rows_is_no_factor(tau: int) -> None:
    onset, noisy = 120, np.exp(0.1 * noise(240))
    rise = 1 + 4 * -np.expm1(-np.maximum(np.arange(240) - onset, 0) / tau)
    for shift in shifts(noisy * rise):
        assert not (shift.sharp and is_integer_like(shift) and not is_ramp(np.log(noisy * rise), shift))


def running_mean_of(batch: Floats, epoch: int) -> Floats:
    parts = np.split(batch, len(batch) // epoch)
    return np.concatenate([np.cumsum(part) / np.arange(1, len(part) + 1) for part in parts])


def test_a_running_mean_is_undone() -> None:
    batch = 1 + 0.2 * noise(400)
    starts = np.arange(400) % 40 == 0
    undone = undo_running_mean(running_mean_of(batch, 40), np.arange(1, 401), starts)
    assert undone is not None
    np.testing.assert_allclose(undone.value, batch, atol=1e-9)
    np.testing.assert_array_equal(undone.count, np.arange(400) % 40 + 1)


def test_a_running_mean_whose_labels_come_a_row_late_is_undone() -> None:
    batch = 1 + 0.2 * noise(400)
    late = np.roll(np.arange(400) % 40 == 0, 1)
    late[0] = True
    undone = undo_running_mean(running_mean_of(batch, 40), np.arange(1, 401), late)
    assert undone is not None
    np.testing.assert_allclose(undone.value, batch, atol=1e-9)


def test_a_running_mean_of_two_epochs_is_undone() -> None:
    batch = descent(700) * (1 + 0.05 * noise(700))
    undone = undo_running_mean(running_mean_of(batch, 350), np.arange(1, 701), np.arange(700) % 350 == 0)
    assert undone is not None
    np.testing.assert_allclose(undone.value, batch, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("epoch", [40, 100, 250])
def test_batch_losses_are_left_alone(seed: int, epoch: int) -> None:
    loss = descent(400) + 0.2 * noise(400, seed)
    loss[epoch:] -= 0.3  # samples seen again
    assert undo_running_mean(loss, np.arange(1, 401), np.arange(400) % epoch == 0) is None


LAST_WINDOW = ("batch_size=8", "grad_accumulation=4", "accumulation_remainder=step", "drop_last=false")


def closing_run(tmp_path: Path, *, height: float, row: int, partial: bool) -> Timeline:
    """25 updates an epoch; rows that close an epoch scatter ten times as much where the last window is partial."""
    n, S = 200, 25
    loss = 3.0 + 0.1 * noise(n, 5)
    loss[S - 1 :: S] += np.array([0.5, 0.1, 0.9, 2.0, 0.3, 0.2, 0.6, 1.1]) if partial else 0.0
    loss[row] += height
    lines = [f"{k + 1},{k // S},{value:.6f}" for k, value in enumerate(loss)]
    (tmp_path / "log.csv").write_text("\n".join(["step,epoch,loss", *lines, ""]))
    (run,) = discover([tmp_path]).runs
    size = 24 * 32 + (4 if partial else 32)
    facts = (*LAST_WINDOW, f"dataset_size={size}", "epochs=8", "world_size=1")
    return reconstruct(run, merge(facts_from_options(facts)))


@pytest.mark.parametrize(
    ("height", "row", "partial", "spikes"),
    [
        (0.0, 60, True, []),  # the noise of the last window
        (1.0, 124, True, []),
        (2.0, 60, True, [60]),  # a row like others, beside noisy last windows
        (2.0, 124, False, [124]),  # the last window is full
        (0.0, 60, False, []),
    ],
)
def test_rows_that_close_an_epoch_have_a_noise_of_their_own(
    tmp_path: Path, height: float, row: int, partial: bool, spikes: list[int]
) -> None:
    loss = closing_run(tmp_path, height=height, row=row, partial=partial).loss
    assert loss is not None
    assert [spike.peak for spike in loss.events.spikes] == spikes


@pytest.mark.parametrize("replayed", [0, 100, 600])
def test_steps_that_a_resume_goes_over_again_make_the_burn_in_no_longer(tmp_path: Path, replayed: int) -> None:
    steps = [*range(1, 2501), *range(2501 - replayed, 4000)]
    loss = 0.15 + 1.8 * np.exp(-np.array(steps) / 600) + 0.02 * noise(len(steps), 3)
    loss[600:603] = 3.3  # behind the burn-in of 4,000 rows, within that of 4,100
    lines = [f"{step},{step // 500},{value:.6f}" for step, value in zip(steps, loss, strict=True)]
    (tmp_path / "log.csv").write_text("\n".join(["step,epoch,loss", *lines, ""]))
    (run,) = discover([tmp_path]).runs
    judged = reconstruct(run, merge([])).loss
    assert judged is not None
    assert [spike.first for spike in judged.events.spikes] == [600]
    assert not judged.events.shifts  # what ends a spike is no step of its own


EPOCHS_OF = {20: True, 24: True, 30: True, 12: False}  # rows: whether a tenfold row among them is told


@pytest.mark.parametrize("rows", EPOCHS_OF)
@pytest.mark.parametrize("seed", range(4))
def test_a_log_of_a_few_epochs_tells_a_tenfold_row_and_no_other(rows: int, seed: int) -> None:
    level = np.log(0.3 + 2.0 * np.exp(-np.arange(rows) / (rows / 4)))
    quiet = level + 0.03 * noise(rows, seed)
    high = quiet.copy()
    high[int(0.6 * rows)] += math.log(10)
    assert not find_spikes(quiet, judged_from=2)
    assert bool(find_spikes(high, judged_from=2)) == EPOCHS_OF[rows]
