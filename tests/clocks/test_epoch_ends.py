"""Fractional labels that were written at the ends of epochs only."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from analyzer.clocks.epoch_clock import EpochClock
from analyzer.config.declared import merge
from analyzer.discovery import discover
from analyzer.reconstruction import reconstruct


def clock_of(folder: Path, rows: list[tuple[int, float]]) -> EpochClock | None:
    """The clock of a Trainer's state file with these steps and epochs."""
    history = [{"epoch": epoch, "loss": 1 / step, "learning_rate": 1e-4, "step": step} for step, epoch in rows]
    state = {"epoch": rows[-1][1], "global_step": rows[-1][0], "log_history": history, "max_steps": rows[-1][0]}
    (folder / "trainer_state.json").write_text(json.dumps(state))
    (run,) = discover([folder]).runs
    return reconstruct(run, merge((), ())).epoch


@pytest.mark.parametrize(
    ("rows", "low", "high"),
    [
        pytest.param(
            [*((387 * k, float(k)) for k in range(1, 6)), (2100, 5.426356589147287)], 387, 387, id="cut by max_steps"
        ),
        pytest.param([*((47 * k, float(k)) for k in range(1, 5)), (200, 4.259)], 47, 47, id="accumulation of 4"),
    ],
)
def test_rows_at_the_ends_tell_the_length(rows: list[tuple[int, float]], low: int, high: int, tmp_path: Path) -> None:
    clock = clock_of(tmp_path, rows)
    assert clock is not None and clock.source == "fractions" and clock.origin == 0 and not clock.breaks
    assert (clock.low, clock.high) == (Fraction(low), Fraction(high)) and not clock.too_sparse


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([(120, 1.0), (240, 2.0)], id="any two rows are on a line"),
        pytest.param([(120, 1.0), (240, 2.0), (361, 3.0), (481, 4.0)], id="an epoch with a step more"),
        pytest.param([(s, float(s // 25)) for s in range(5, 101, 5)], id="whole labels inside epochs"),
        pytest.param([(121, 1.0), (242, 2.0), (363, 3.0), (400, 3.9)], id="a row inside an epoch, off the line"),
    ],
)
def test_other_rows_do_not(rows: list[tuple[int, float]], tmp_path: Path) -> None:
    clock = clock_of(tmp_path, rows)
    assert clock is None or clock.too_sparse or clock.source == "labels"


def whole_labels(folder: Path, labels: list[int], length: int) -> EpochClock | None:
    """The clock of a table with one row per epoch: its label, the step, a loss."""
    rows = [f"{label},{length * (n + 1)},{1 / (n + 1):.4f}\n" for n, label in enumerate(labels)]
    (folder / "log.csv").write_text("epoch,steps,loss\n" + "".join(rows))
    (run,) = discover([folder]).runs
    return reconstruct(run, merge((), ())).epoch


ALL = list(range(1, 25))


@pytest.mark.parametrize(
    ("labels", "length", "breaks"),
    [
        pytest.param(ALL, 224, [], id="sound"),
        pytest.param([*ALL[:12], *ALL[11:]], 224, [("repeat", 13 * 224)], id="a label twice"),
        pytest.param([*ALL[:12], *ALL[13:]], 224, [("skip", 13 * 224)], id="a label left out"),
    ],
)
def test_rows_that_close_epochs(labels: list[int], length: int, breaks: list[tuple[str, int]], tmp_path: Path) -> None:
    clock = whole_labels(tmp_path, labels, length)
    assert clock is not None and (clock.low, clock.high) == (length, length) and not clock.too_sparse
    assert [(one.kind, one.step) for one in clock.breaks] == breaks


@pytest.mark.parametrize(
    ("labels", "length"),
    [
        pytest.param([*ALL[:12], *ALL[11:]], 250, id="at a distance that people choose"),
        pytest.param([k // 3 for k in range(24)], 224, id="several rows per epoch"),
        pytest.param(ALL[:6], 224, id="six rows"),
        pytest.param([k + (k > 7) + (k > 15) + (k > 20) for k in range(24)], 224, id="labels left out all the time"),
    ],
)
def test_rows_that_need_not_close_epochs(labels: list[int], length: int, tmp_path: Path) -> None:
    clock = whole_labels(tmp_path, labels, length)
    assert clock is None or clock.too_sparse or (clock.low < clock.high and not clock.breaks)
