"""A peak whose like is met in epoch after epoch is the data's; a single event, or a long one, is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import analyzer
from analyzer.clocks.recurring_peaks import is_habit
from analyzer.rules.examples import table

LAP, LAPS = 40, 8


def spikes_said(folder: Path, heights: dict[int, float]) -> list[int | None]:
    """Steps at which LOS001 speaks of a run of eight epochs with the given peaks on a noisy level of one."""
    noise = np.random.default_rng(5).normal(size=LAP * LAPS)
    rows = []
    for step in range(1, LAP * LAPS + 1):
        loss = 1.0 + 3.0 * np.exp(-step / 15) + 0.05 * noise[step - 1] + heights.get(step, 0.0)
        rows.append((step, (step - 1) // LAP, f"{loss:.6f}"))
    (folder / "log.csv").write_text(table(("step", "epoch", "loss"), rows))
    (run,) = analyzer.read(folder)
    findings = analyzer.audit(run, select=["LOS001"]).runs[0].findings
    return [finding.first_step for finding in findings]


@pytest.mark.parametrize(
    ("heights", "spoken"),
    [
        pytest.param({}, False, id="no peak"),
        pytest.param({190: 2.0}, True, id="one event"),
        pytest.param({190: 2.0, 290: 1.9}, True, id="two events in eight epochs"),
        pytest.param(
            {lap * LAP + 7 + 3 * lap: 2.0 for lap in range(1, LAPS)}, False, id="an example drawn in every epoch"
        ),
        pytest.param({lap * LAP + 30 - 3 * lap: 1.6 + 0.1 * lap for lap in range(2, 7)}, False, id="in most epochs"),
        pytest.param(dict.fromkeys(range(190, 202), 2.0), True, id="one event of twelve rows"),
    ],
)
def test_peaks(heights: dict[int, float], spoken: bool, tmp_path: Path) -> None:
    assert bool(spikes_said(tmp_path, heights)) is spoken


def stairs(moves: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """A noisy curve whose level moves by so much at the start of each epoch of forty rows, and where epochs begin."""
    level = np.repeat(np.cumsum([0.0, *moves]), LAP)
    return level + 0.02 * np.random.default_rng(2).normal(size=len(level)), np.arange(0, len(level), LAP)


@pytest.mark.parametrize(
    ("moves", "at", "habit"),
    [
        pytest.param([0.3, -0.3, 0.3, -0.3, 0.3, -0.3, 0.3], 3, True, id="up and down with the epochs"),
        pytest.param([0, 0.9, -0.1, 0, 1.0, -0.9, 0, 0.9, 0, 0.8], 2, True, id="three more restarts"),
        pytest.param([0, 0, 0.7, 0, 0, 0, 0], 3, False, id="one step at a boundary"),
        pytest.param([-0.3, -0.2, 0.7, -0.1, -0.05, -0.05, 0], 3, False, id="one rise on stairs that fall"),
        pytest.param([0.3, -0.3, 0.3], 1, False, id="too few boundaries to speak of a habit"),
    ],
)
def test_what_the_loss_does_where_epochs_begin(moves: list[float], at: int, habit: bool) -> None:
    curve, starts = stairs(moves)
    assert is_habit(moves[at - 1], at * LAP, curve, starts) is habit
    assert not is_habit(moves[at - 1], at * LAP + LAP // 2, curve, starts)
    assert not is_habit(moves[at - 1], at * LAP, curve, None)
