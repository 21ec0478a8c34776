"""Losses of players: what blows up for good where returns fall back is told, what play does by itself is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from analyzer.auditing import audit_run
from analyzer.config.declared import merge
from analyzer.discovery import discover
from analyzer.rules.examples import table

ROWS = 400
Course = Callable[[np.ndarray], np.ndarray]


def learns(row: np.ndarray) -> np.ndarray:
    return 1000 * (1 - np.exp(-row / 80))


def lost(at: int, *, keeps: float = 0.0, lasts: int = ROWS) -> Course:
    inside = lambda row: (row >= at) & (row < at + lasts)  # noqa: E731
    return lambda row: np.where(inside(row), learns(row) * np.maximum(keeps, np.exp(-(row - at) / 8)), learns(row))


def calm(row: np.ndarray) -> np.ndarray:
    return 0.3 + 0.7 * np.exp(-row / 60)


def grows(at: int, pace: float, *, times: float = 1e5, lasts: int = ROWS) -> Course:
    def course(row: np.ndarray) -> np.ndarray:
        inside = (row >= at) & (row < at + lasts)
        return calm(row) * np.where(inside, np.minimum(np.exp((row - at).clip(0) / pace), times), 1.0)

    return course


@pytest.mark.parametrize(
    ("loss", "returns", "codes"),
    [
        pytest.param(grows(250, 10.0), lost(250), ["LOS002"], id="the critic diverges"),
        pytest.param(grows(250, 1.0, times=12.0), lost(250), ["LOS002"], id="twelve times in a few rows"),
        pytest.param(grows(120, 15.0), lost(130), ["LOS002"], id="early"),
        pytest.param(grows(250, 10.0), lost(250, keeps=0.2), ["LOS002"], id="a fifth is still earned"),
        # what play does
        pytest.param(calm, learns, [], id="it learns"),
        pytest.param(lambda row: 0.05 + learns(row) / 100, learns, [], id="values grow with what is earned"),
        pytest.param(calm, lost(250), [], id="a policy that is lost alone"),
        pytest.param(grows(250, 10.0), learns, [], id="a loss that grows alone"),
        pytest.param(grows(250, 1.0, times=1.8), lost(250, keeps=0.6), [], id="a harder stage"),
        pytest.param(grows(250, 1.0, times=6.0), lost(250, keeps=0.7), [], id="worth somewhat less"),
        pytest.param(grows(250, 2.0, times=50.0, lasts=30), lost(250, lasts=30), [], id="it comes back"),
        pytest.param(grows(250, 10.0), lambda row: 0 * row, [], id="nothing was ever learnt"),
    ],
)
@pytest.mark.parametrize("noise", [0.03, 0.2])
def test_losses_and_returns(loss: Course, returns: Course, codes: list[str], noise: float, tmp_path: Path) -> None:
    draw = np.random.default_rng(8).normal(size=(2, ROWS))
    row = np.arange(ROWS)
    losses = loss(row) * np.exp(noise * draw[0])
    earned = returns(row) + 1000 * noise * draw[1] / 2
    rows = [(2048 * (k + 1), round(losses[k], 6), round(earned[k], 3), 100) for k in range(ROWS)]
    (tmp_path / "log.csv").write_text(table(("step", "losses/c_loss", "rewards/mean_reward", "episode_len"), rows))
    (run,) = discover([tmp_path]).runs
    found = audit_run(run, merge((), run.facts), select=("LOS001", "LOS002", "LOS004")).findings
    assert [one.code for one in found] == codes
    for one in found:
        assert 110 <= (one.first_step or 0) / 2048 <= 130 or 245 <= (one.first_step or 0) / 2048 <= 275
