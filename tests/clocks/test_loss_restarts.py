"""Resumes that only the loss shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analyzer.model import Floats
from tests.clocks.made_runs import timeline_of


def kinds(folder: Path, step: Floats, loss: Floats) -> set[str]:
    rows = "".join(f"{int(at)},{value:.6g}\n" for at, value in zip(step, loss, strict=True))
    (folder / "log.csv").write_text(f"step,loss\n{rows}")
    found = timeline_of(folder).loss
    assert found is not None
    return {change.kind for change in found.events.joins}


def means(seed: int, every: int, rows: int, noise: float) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    step = every * np.arange(1.0, rows + 1)
    return step, 2.5 / (1 + np.arange(rows) / rows) * np.exp(rng.normal(0, noise, rows))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("every", "resumed_at"), [(10, 40), (20, 60), (100, 25), (500, 90)])
@pytest.mark.parametrize("noise", [0.01, 0.1])
def test_a_window_divided_by_all_steps(tmp_path: Path, seed: int, every: int, resumed_at: int, noise: float) -> None:
    """The Trainer's bug: the first mean behind a resume is the window's sum over the global step."""
    step, loss = means(seed, every, 120, noise)
    loss[resumed_at] *= every / step[resumed_at]
    assert "divided" in kinds(tmp_path, step, loss)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [1.0, 0.5, 0.3, 0.06])
def test_other_low_rows_are_none(tmp_path: Path, seed: int, share: float) -> None:
    step, loss = means(seed, 10, 120, 0.05)
    loss[40] *= share  # a batch that was easy, a window that was short: step 410 would give a share of 0.024
    assert "divided" not in kinds(tmp_path, step, loss)


@pytest.mark.parametrize(("trials", "told"), [(2, True), (5, False)])
def test_weights_that_start_over_once_and_in_every_trial(tmp_path: Path, trials: int, told: bool) -> None:
    """Training and validation loss at their first values again: a lost checkpoint once, else trials or folds."""
    rows = []
    for step in range(1, 15 * trials + 1):
        loss = 0.4 + 0.8 * 0.75 ** ((step - 1) % 15)
        rows.append(f"{step},{loss:.4f},{1.05 * loss:.4f}\n")
    (tmp_path / "log.csv").write_text("step,train_loss,val_loss\n" + "".join(rows))
    found = timeline_of(tmp_path).loss
    assert found is not None
    assert ("fresh" in {change.kind for change in found.events.joins}) is told


@pytest.mark.parametrize(
    ("height", "pause", "told"),
    [
        pytest.param(1.0, 3000, True, id="back at the first values behind a pause"),
        pytest.param(1.0, 0, False, id="nothing but the loss itself"),
        pytest.param(9.0, 3000, False, id="far above where it began"),
        pytest.param(0.2, 3000, False, id="a small part of the way"),
    ],
)
def test_weights_that_start_over_behind_a_pause(tmp_path: Path, height: float, pause: float, told: bool) -> None:
    rows = []
    for step in range(200):
        loss = 3.7 + 4 * 0.9 ** (step if step < 100 else step - 100) * (1 if step < 100 else height)
        rows.append(f"{step},{loss * (1 + 0.002 * np.sin(7 * step)):.4f},{36 * step + pause * (step >= 100)}\n")
    (tmp_path / "log.csv").write_text("step,train_loss,elapsed\n" + "".join(rows))
    found = timeline_of(tmp_path).loss
    assert found is not None
    assert ("fresh" in {change.kind for change in found.events.joins}) is told
