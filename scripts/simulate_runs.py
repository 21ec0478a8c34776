"""Seeded training runs with known truth: healthy ones of many kinds, and ones with a planted fault in the loss.

The noise families are those that training losses show: Gaussian (large batches), Student-t and log-normal (small
batches, hard examples), autocorrelated (data in order, running averages), and that of real curves, resampled. A healthy
run may ring at its start, fall in steps at its epochs, meet harder data for a while, get larger batches, be a game of
two networks or of returns, be logged as a running mean, sparsely, or with four digits: none of this is a fault.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NOISES = ("gaussian", "student-t", "log-normal", "autocorrelated")
HEALTHY_NOISES = (*NOISES, "real")
SHAPES = ("exponential", "power law", "cosine", "staircase", "ringing", "flat")
HEALTHY_SHAPES = (*SHAPES, "curriculum", "batch ramp", "returns", "adversarial")
CURVES = Path(__file__).parent.parent / "fixtures" / "loss_curves"
LOGGED = ("every step", "window mean", "running mean", "four digits")


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulatedRun:
    """One run as its log would show it, arrays of shape (n,), and what is wrong with it."""

    step: NDArray[np.int64]
    epoch: NDArray[np.int64]
    loss: Floats
    learning_rate: Floats
    grad_norm: Floats
    validation_step: NDArray[np.int64]
    validation_loss: Floats
    steps_per_epoch: int
    noise: str
    shape: str
    logged: str
    level: Floats  # loss without noise at every row
    sigma: Floats  # standard deviation of the noise at every row: one noise unit
    fault: str = ""  # "", "spike", "divergence", "scale", "overfitting"
    fault_row: int | None = None
    truth: dict[str, float] = field(default_factory=dict)


def unit_noise(rng: np.random.Generator, family: str, n: int) -> Floats:
    """Noise of one robust unit (1.4826 times its median absolute deviation is 1), median 0, shape (n,)."""
    if family == "student-t":
        noise = rng.standard_t(rng.choice([3.0, 4.0, 5.0, 8.0]), n)
    elif family == "log-normal":
        spread = rng.uniform(0.2, 0.6)
        noise = (np.exp(spread * rng.standard_normal(n)) - 1.0) / spread
    elif family == "autocorrelated":
        rho = rng.choice([0.5, 0.8, 0.95, 0.97])
        noise = autoregressive(rng.standard_normal(n) * np.sqrt(1 - rho**2), rho)
    elif family == "real":
        residual = real_residuals()[rng.integers(len(real_residuals()))]
        length = int(rng.integers(20, 80))  # rows in a row, so that what they have in common stays
        starts = rng.integers(0, len(residual) - length, -(-n // length))
        noise = np.concatenate([residual[start : start + length] for start in starts.tolist()])[:n]
    else:
        noise = rng.standard_normal(n)
    if family in ("student-t", "log-normal", "real"):
        noise = noise / (1.4826 * np.median(np.abs(noise - np.median(noise))))
    return noise


@cache
def real_residuals() -> list[Floats]:
    """What real losses differ by from the median of the 51 rows around them, as a share of it, for each curve."""
    found = []
    for path in sorted(CURVES.glob("*.csv")):
        loss = np.loadtxt(path, skiprows=1)
        level = np.median(np.lib.stride_tricks.sliding_window_view(np.pad(loss, 25, mode="edge"), 51), axis=1)
        share = (loss / level - 1)[len(loss) // 5 :]
        found.append(share / (1.4826 * np.median(np.abs(share))))
    return found


def autoregressive(shocks: Floats, rho: float) -> Floats:
    """x_i = rho x_(i-1) + shock_i, by a convolution with the decaying weights."""
    reach = min(len(shocks), int(np.ceil(np.log(1e-6) / np.log(rho))))
    weights = rho ** np.arange(reach)
    size = len(shocks) + reach
    spectrum = np.fft.rfft(shocks, size) * np.fft.rfft(weights, size)
    return np.fft.irfft(spectrum, size)[: len(shocks)]


def level_curve(rng: np.random.Generator, shape: str, n: int, steps_per_epoch: int) -> Floats:
    """Noise-free loss, shape (n,)."""
    progress = np.arange(n) / max(n, 1)
    start, floor = rng.uniform(2.0, 12.0), rng.uniform(0.05, 2.5)
    if shape == "power law":
        return floor + (start - floor) * (1 + np.arange(n) / rng.uniform(2, 50)) ** -rng.uniform(0.2, 0.8)
    if shape == "cosine":
        return floor + (start - floor) * (
            0.25 * (1 + np.cos(np.pi * progress)) + 0.5 * np.exp(-progress * rng.uniform(5, 40))
        )
    if shape == "staircase":
        epoch = np.arange(n) // steps_per_epoch
        within = (np.arange(n) % steps_per_epoch) / steps_per_epoch
        return floor + (start - floor) * 0.4**epoch * (1 - rng.uniform(0.0, 0.15) * within) + 0.1 * floor
    if shape == "curriculum":  # harder data come in gradually, stay for a part of the run, and go
        start_at, width = rng.uniform(0.2, 0.5), rng.uniform(0.1, 0.4)
        hump = np.clip((progress - start_at) / 0.1, 0, 1) - np.clip((progress - start_at - width) / 0.1, 0, 1)
        return (floor + (start - floor) * np.exp(-8 * progress)) * (1 + rng.uniform(0.02, 0.2) * hump)
    if shape in ("returns", "adversarial"):
        waves = np.cumsum(rng.standard_normal(n)) / np.sqrt(n)
        return (floor + 0.5) * np.exp(rng.uniform(0.2, 1.0) * waves)
    if shape == "flat":
        return np.full(n, floor + 0.1)
    curve = floor + (start - floor) * np.exp(-np.arange(n) / (n * rng.uniform(0.01, 0.3)))
    if shape == "ringing":
        tau, period = rng.uniform(5, 30), rng.uniform(4, 20)
        ring = np.exp(-np.arange(n) / tau) * np.maximum(0, np.sin(2 * np.pi * np.arange(n) / period))
        curve = curve + rng.uniform(1, 7) * curve * ring
    return curve


def healthy_run(
    rng: np.random.Generator,
    *,
    n: int | None = None,
    noise: str | None = None,
    shape: str | None = None,
    logged: str | None = None,
) -> SimulatedRun:
    """A run without a fault; what is not given is drawn."""
    n = n or int(np.exp(rng.uniform(np.log(50), np.log(200_000))))
    noise = noise or str(rng.choice(HEALTHY_NOISES))
    shape = shape or str(rng.choice(HEALTHY_SHAPES))
    logged = logged or str(rng.choice(LOGGED))
    steps_per_epoch = max(4, int(n / rng.uniform(1.3, 30)))
    clean = level_curve(rng, shape, n, steps_per_epoch)
    share = np.exp(rng.uniform(np.log(0.003), np.log(0.3)))  # noise as a share of the loss
    additive = rng.random() < 0.3
    sigma = share * (np.full(n, clean[-1]) if additive else clean)
    if shape == "batch ramp":  # each stage has batches twice as large
        sigma = sigma / np.sqrt(2.0) ** np.floor(np.arange(n) / n * rng.integers(2, 6))
    loss = clean + sigma * unit_noise(rng, noise, n)
    loss = np.maximum(loss, 0.02 * clean)
    return finish(
        rng, loss, sigma=sigma, clean=clean, steps_per_epoch=steps_per_epoch, noise=noise, shape=shape, logged=logged
    )


def finish(
    rng: np.random.Generator,
    loss: Floats,
    *,
    sigma: Floats,
    clean: Floats,
    steps_per_epoch: int,
    noise: str,
    shape: str,
    logged: str,
) -> SimulatedRun:
    """Write the batch losses down as the run's logger would, with the other columns of a log."""
    n = len(loss)
    step = np.arange(1, n + 1)
    epoch = (step - 1) // steps_per_epoch
    peak = 10 ** rng.uniform(-5, -1)
    warmup = min(n // 10, 500)
    rate = peak * 0.5 * (1 + np.cos(np.pi * np.clip((step - warmup) / max(n - warmup, 1), 0, 1)))
    rate[:warmup] = peak * step[:warmup] / max(warmup, 1)
    grad = 10 ** rng.uniform(-1, 1) * np.exp(0.3 * rng.standard_normal(n)) * (0.5 + clean / clean[0])
    lasts = np.arange(steps_per_epoch, n + 1, steps_per_epoch) - 1
    validation = clean[lasts] * rng.uniform(1.0, 1.3) * (1 + 0.01 * rng.standard_normal(len(lasts)))
    if logged == "running mean":
        loss = running_means(loss, epoch)
    elif logged == "window mean":
        window = int(rng.integers(2, 11))
        kept = np.arange(window - 1, n, window)
        if len(kept) >= 20:
            loss = loss[: len(kept) * window].reshape(-1, window).mean(axis=1)
            step, epoch, rate, grad = step[kept], epoch[kept], rate[kept], grad[kept]
            sigma, clean = sigma[kept] / np.sqrt(window), clean[kept]
    elif logged == "four digits":
        loss = np.round(loss, 4)
    return SimulatedRun(
        step=step,
        epoch=epoch,
        loss=loss,
        learning_rate=rate,
        grad_norm=grad,
        validation_step=step_of(lasts),
        validation_loss=validation,
        steps_per_epoch=steps_per_epoch,
        noise=noise,
        shape=shape,
        logged=logged,
        level=clean,
        sigma=sigma,
    )


def step_of(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return rows + 1


def running_means(batch: Floats, epoch: NDArray[np.int64]) -> Floats:
    """Mean of the epoch so far, as Keras logs it."""
    first = np.flatnonzero(np.diff(epoch, prepend=epoch[0] - 1))
    start = first[np.cumsum(np.diff(epoch, prepend=epoch[0] - 1) != 0) - 1]
    total = np.cumsum(batch)
    before = np.where(start > 0, total[start - 1], 0.0)
    return (total - before) / (np.arange(len(batch)) - start + 1)


def with_spike(run: SimulatedRun, rng: np.random.Generator, *, height: float, length: int) -> SimulatedRun:
    """Raise ``length`` rows by ``height`` noise units, somewhere behind the first quarter."""
    n = len(run.loss)
    row = int(rng.integers(n // 4, max(n // 4 + 1, n - length - max(20, 3 * length))))
    loss = run.loss.copy()
    loss[row : row + length] += height * run.sigma[row : row + length]
    return replace(run, loss=loss, fault="spike", fault_row=row, truth={"height": height, "length": length})


def with_shift(
    run: SimulatedRun, rng: np.random.Generator, *, errors: float, down: bool = False, rows: int = 0
) -> SimulatedRun:
    """From one row on the level differs by so many standard errors, of all rows on either side or of ``rows``."""
    n = len(run.loss)
    row = int(rng.integers(n // 3, max(n // 3 + 1, int(0.7 * n))))
    sides = (rows, rows) if rows else (row - n // 8, n - row)
    share = float(np.median(run.sigma / np.abs(run.loss)))
    rise = errors * share * (1.0 if rows else float(np.sqrt(1 / sides[0] + 1 / sides[1])))
    factor = np.where(np.arange(n) >= row, np.exp(-rise if down else rise), 1.0)
    return replace(run, loss=run.loss * factor, fault="shift", fault_row=row, truth={"errors": errors})


def with_divergence(run: SimulatedRun, rng: np.random.Generator, *, factor: float) -> SimulatedRun:
    """The loss rises within a tenth of the run to ``factor`` times its level and stays there: it learns no more."""
    n = len(run.loss)
    row = int(rng.integers(n // 3, max(n // 3 + 1, int(0.8 * n))))
    ramp = np.clip((np.arange(n) - row) / rng.uniform(1, max(2, n / 20)), 0, 1)
    no_more = np.where(np.arange(n) > row, run.level[row] / run.level, 1.0)
    loss = run.loss * no_more * factor**ramp
    return replace(run, loss=loss, fault="divergence", fault_row=row, truth={"factor": factor})


def with_scale_jump(run: SimulatedRun, rng: np.random.Generator, *, factor: float) -> SimulatedRun:
    """The logged loss is multiplied by ``factor`` from one row on."""
    n = len(run.loss)
    row = int(rng.integers(n // 3, max(n // 3 + 1, int(0.8 * n))))
    return replace(
        run,
        loss=run.loss * np.where(np.arange(n) >= row, factor, 1.0),
        fault="scale",
        fault_row=row,
        truth={"factor": factor},
    )


def with_overfitting(run: SimulatedRun, rng: np.random.Generator, *, rise: float) -> SimulatedRun:
    """The validation loss turns at a third to a half of the run and ends ``rise`` above what it was there."""
    n = len(run.validation_loss)
    turn = int(n * rng.uniform(0.3, 0.5))
    after = np.clip((np.arange(n) - turn) / max(n - 1 - turn, 1), 0, None)
    noise = 1 + 0.01 * rng.standard_normal(n)
    turned = np.where(np.arange(n) > turn, run.validation_loss[turn] * (1 + rise * after) * noise, run.validation_loss)
    return replace(run, validation_loss=turned, fault="overfitting", fault_row=turn, truth={"rise": rise})
