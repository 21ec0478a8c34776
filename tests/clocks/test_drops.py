"""Drops of a step schedule against the declared epochs."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from analyzer.auditing import audit_run
from analyzer.config.declared import checked_fact, merge
from analyzer.discovery import discover

PER_EPOCH = 20
FACTS = {
    "steps_per_epoch": PER_EPOCH, "epochs": 30, "scheduler": "MultiStepLR", "scheduler_interval": "epoch",
    "scheduler_params": {"milestones": [10, 20], "gamma": 0.1}, "base_lr": 0.1, "warmup_epochs": 1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("drops", "severity"),
    [
        pytest.param((10, 20), None, id="as declared"),
        pytest.param((9, 19), "error", id="an epoch early, by steps"),
        pytest.param((6, 16), "error", id="four epochs early"),
    ],
)
def test_milestones_in_epochs(drops: tuple[int, int], severity: str | None, tmp_path: Path) -> None:
    def rate(step: int) -> float:
        return 0.1 * min(1.0, step / PER_EPOCH) * 0.1 ** sum(step // PER_EPOCH >= drop for drop in drops)

    rows = [
        f"{step},{step // PER_EPOCH + 1},{2 / (1 + step / 50):.5f},{rate(step):.6f}" for step in range(30 * PER_EPOCH)
    ]
    (tmp_path / "log.csv").write_text("step,epoch,loss,lr\n" + "\n".join(rows) + "\n")
    (run,) = discover([tmp_path]).runs
    declared = merge(tuple(checked_fact(key, value, "here") for key, value in FACTS.items()), run.facts)
    found = [one.severity for one in audit_run(run, declared).findings if one.code.startswith("SCH")]
    assert found == ([] if severity is None else [severity])


@pytest.mark.parametrize(("drops", "severity"), [((20, 40, 50), None), ((19, 39, 49), "note"), ((14, 34, 44), "error")])
def test_labels_that_count_from_1_may_be_what_the_scheduler_is_handed(
    drops: tuple[int, ...], severity: str | None, tmp_path: Path
) -> None:
    def rate(step: int) -> float:
        return 0.1 * min(1.0, step / 32) * 0.2 ** sum(step // 32 >= drop for drop in drops)

    lines = [
        f"Training Epoch: {step // 32 + 1} [{min(128 * (step % 32 + 1), 4000)}/4000]\tLoss: {4 / (1 + step / 300):.4f}"
        f"\tLR: {rate(step):.6f}"
        for step in range(60 * 32)
    ]
    (tmp_path / "train.log").write_text("\n".join(lines) + "\n")
    (run,) = discover([tmp_path]).runs
    facts = {
        "dataset_size": 4000, "batch_size": 128, "epochs": 60, "drop_last": False, "scheduler": "MultiStepLR",
        "scheduler_interval": "epoch", "scheduler_params": {"milestones": [20, 40, 50], "gamma": 0.2}, "base_lr": 0.1,
        "warmup_epochs": 1,
    }  # fmt: skip
    declared = merge(tuple(checked_fact(key, value, "here") for key, value in facts.items()), run.facts)
    found = [one.severity for one in audit_run(run, declared).findings if one.code.startswith("SCH")]
    assert found == ([] if severity is None else [severity])


@pytest.mark.parametrize("share", [1.0, 0.25])
def test_a_rate_that_is_scaled_behind_a_warmup_whose_top_is_one_row(share: float, tmp_path: Path) -> None:
    """A warmup into a cosine that runs already: the sample on which both are read need not hold the row of the top."""

    def rate(step: int) -> float:
        decayed = 0.05 * (1 + math.cos(math.pi * step / 2688))
        top = 0.05 * (1 + math.cos(math.pi * 252 / 2688))
        warm = min(0.01 + (top - 0.01) * step / 252, decayed) if step < 252 else decayed
        return warm * (share if step >= 1596 else 1)

    rows = [f"{step},{2 / (1 + step / 300):.5f},{rate(step):.9g}" for step in range(2688)]
    (tmp_path / "log.csv").write_text("step,loss,lr\n" + "\n".join(rows) + "\n")
    (run,) = discover([tmp_path]).runs
    report = audit_run(run, merge((), run.facts))
    found = [(one.code, one.first_step) for one in report.findings if one.severity != "note"]
    assert found == ([] if share == 1 else [("SCH006", 1596)])
