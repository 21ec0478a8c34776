"""No audit loops over rows in Python: four times the rows execute hardly more lines of the package.

Lines are counted, not seconds: the same on every machine. What grows is the search for spikes, by the number of its
block lengths, and lists that are bounded by constants of their own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

import analyzer
from analyzer.model import Run, Series, Source, View

PACKAGE = str(Path(analyzer.__file__).parent)
ROWS = 16_000  # where thinned samples have reached their size
LINES_A_ROW = 0.5  # for each further row; a loop takes one at least

Columns = dict[str, np.ndarray]


def columns(rows: int) -> Columns:
    """A healthy run of a hundred epochs, a row per update; as logged: step and wall time beside the tags."""
    random = np.random.default_rng(0)
    step = np.arange(1, rows + 1)
    return {
        "step": step,
        "wall": 1.7e9 + 0.2 * step,
        "train/loss": 0.5 + 3 * np.exp(-5 * step / rows) + random.normal(0, 0.05, rows),
        "train/lr": 5e-4 * (1 + np.cos(np.pi * step / rows)),
        "train/grad_norm": np.exp(random.normal(0, 0.4, rows)),
        "epoch": (step - 1) // (rows // 100),
        "tokens": step * 4096,
    }


def taken(told: Columns, rows: np.ndarray) -> Columns:
    return {tag: column[rows] for tag, column in told.items()}


def healthy(rows: int) -> Columns:
    return columns(rows)


def resumed_often(rows: int) -> Columns:
    """Twenty resumes, each from a checkpoint forty steps back."""
    cuts = np.linspace(0, rows, 22).astype(int)
    lives = [np.arange(max(begin - 40, 0), end) for begin, end in pairwise(cuts)]
    told = taken(columns(rows), np.concatenate(lives))
    pauses = np.repeat(3600.0 * np.arange(len(lives)), [len(life) for life in lives])
    return {**told, "wall": 1.7e9 + 0.2 * np.arange(len(pauses)) + pauses}


def rows_lost(rows: int) -> Columns:
    return taken(columns(rows), np.flatnonzero(np.random.default_rng(1).random(rows) > 0.01))


def rows_doubled(rows: int) -> Columns:
    return taken(columns(rows), np.sort(np.append(np.arange(rows), np.arange(0, rows, 50))))


def out_of_order(rows: int) -> Columns:
    return taken(columns(rows), np.argsort(np.arange(rows) + 8 * np.random.default_rng(2).random(rows)))


def not_finite(rows: int) -> Columns:
    told = columns(rows)
    told["train/loss"][3 * rows // 4 :] = np.nan
    return told


def a_thousand_peaks(rows: int) -> Columns:
    told = columns(rows)
    told["train/loss"][np.linspace(500, rows - 10, 1000).astype(int)] += 3
    return told


def epochs_of_any_label(rows: int) -> Columns:
    return {**columns(rows), "epoch": np.random.default_rng(3).integers(0, 100, rows)}


def epochs_of_any_length(rows: int) -> Columns:
    told = columns(rows)
    ends = np.sort(np.random.default_rng(4).choice(rows, 100, replace=False))
    return {**told, "epoch": np.searchsorted(ends, told["step"])}


def fractions(rows: int) -> Columns:
    told = columns(rows)
    return {**told, "epoch": np.round(told["step"] / (rows / 100), 2)}


def a_rate_of_no_schedule(rows: int) -> Columns:
    return {**columns(rows), "train/lr": 1e-3 * np.exp(np.cumsum(np.random.default_rng(5).normal(0, 0.001, rows)))}


def a_rate_that_returns(rows: int) -> Columns:
    """Of no known shape; it stands on its first level again and again, never for as long."""
    told = columns(rows)
    share = told["step"] / rows
    back = np.linspace(0.3, 0.9, 9)
    on_it = (share < 0.05) | np.any([(share > one) & (share < one + 0.01 + 0.03 * one**3) for one in back], axis=0)
    return {**told, "train/lr": np.where(on_it, 2.5e-4, 1e-3 / (1 + share**1.7))}


def updates_skipped(rows: int) -> Columns:
    told = columns(rows)
    waits = np.searchsorted(np.sort(np.random.default_rng(6).random(20)), told["step"] / rows)
    return {**told, "train/lr": 1e-3 * (rows - (told["step"] - waits)) / rows}


def micro_batches(rows: int) -> Columns:
    told = columns(rows)
    return {**told, "step": (told["step"] - 1) // 4 + 1}


def run_of(told: Columns) -> Run:
    rows = np.arange(len(told["step"]))
    series = {
        tag: Series(
            tag=tag,
            step=told["step"].astype(np.int64),
            value=value.astype(np.float32).astype(np.float64),
            wall_time=told["wall"],
            source=np.zeros(len(rows), dtype=np.int32),
            row=rows * 5 + number,
            written_as="float32",
        )
        for number, (tag, value) in enumerate(told.items())
        if tag not in ("step", "wall")
    }
    source = Source(path="events", format="tfevents", start_time=1.7e9, records=5 * len(rows))
    return Run(name="run", sources=(source,), views=(View(name="", sources=(0,), series=series),))


def lines_of(work: Callable[[], Any]) -> int:
    """How many lines of the package a piece of work executes."""
    count = 0

    def inside(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return inside

    def outside(frame: FrameType, event: str, argument: Any) -> Any:
        return inside if frame.f_code.co_filename.startswith(PACKAGE) else None

    before = sys.gettrace()
    sys.settrace(outside)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(
    "told",
    [
        healthy, resumed_often, rows_lost, rows_doubled, out_of_order, not_finite, a_thousand_peaks,
        epochs_of_any_label, epochs_of_any_length, fractions, a_rate_of_no_schedule, a_rate_that_returns,
        updates_skipped, micro_batches,
    ],
)
@pytest.mark.parametrize("declares", [False, True], ids=["nothing declared", "declared"])
def test_lines_do_not_grow_with_rows(told: Callable[[int], Columns], declares: bool) -> None:
    counted = []
    for rows in (ROWS, 4 * ROWS):
        run = run_of(told(rows))
        facts = {"steps_per_epoch": rows // 100, "epochs": 100, "scheduler": "cosine", "base_lr": 1e-3}
        counted.append(lines_of(lambda run=run, facts=facts: analyzer.audit(run, declared=facts if declares else {})))
    assert counted[1] - counted[0] < LINES_A_ROW * 3 * ROWS
