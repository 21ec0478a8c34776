"""One run as every producer writes it gives one timeline and one set of findings."""

from __future__ import annotations

from pathlib import Path

import pytest

import analyzer
from analyzer.model import RunReport

SAME_RUN = Path(__file__).resolve().parents[1] / "fixtures" / "same_run"
PRODUCERS = sorted(path.name for path in SAME_RUN.iterdir() if path.is_dir())
DECLARED = {
    "dataset_size": 320, "batch_size": 16, "world_size": 1, "grad_accumulation": 1, "drop_last": False,
    "epochs": 6, "scheduler": "linear", "warmup_steps": 10, "base_lr": 0.1,
}  # fmt: skip


def audited(producer: str) -> RunReport:
    (run,) = analyzer.read(SAME_RUN / producer)
    return analyzer.audit(run, declared=DECLARED).runs[0]


@pytest.mark.parametrize("producer", PRODUCERS)
def test_timeline(producer: str) -> None:
    timeline = audited(producer).timeline
    assert len(timeline.sessions) == 1
    assert timeline.epoch is not None
    assert (timeline.epoch.low, timeline.epoch.high) == (20, 20)
    session = timeline.sessions[0]
    assert session.last_step - session.first_step == 119
    (clock,) = timeline.schedulers
    assert clock.family == "linear"
    assert clock.warmup_steps is not None and clock.warmup_steps[0] <= 10 <= clock.warmup_steps[1] + 1
    assert clock.total_steps is not None and clock.total_steps[0] - 1 <= 240 <= clock.total_steps[1] + 1


@pytest.mark.parametrize("producer", PRODUCERS)
def test_findings(producer: str) -> None:
    serious = {finding.code for finding in audited(producer).findings if finding.severity != "note"}
    assert serious == {"SCH001", "LOS001"}


def test_nothing_fell_away() -> None:
    assert len(PRODUCERS) >= 15
