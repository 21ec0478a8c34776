"""Real logs in fixtures/runs, audited as a user would: what is said, and that nothing else is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from analyzer.cli import main

RUNS = Path(__file__).resolve().parents[1] / "fixtures" / "runs"
EXPECTED = {
    "transformers-30-epochs": ["LOS006"],
    "detectron2-started-twice": [],
    "lightning-data-position-lost": ["RES004"],
    "accelerate-scheduler-stepped-twice": ["SCH002"],
    "transformers-resumed": [],
    "keras-resumed": [],
}


@pytest.mark.parametrize("folder", sorted(EXPECTED))
def test_findings_of_a_real_log(folder: str) -> None:
    result = CliRunner().invoke(main, ["check", str(RUNS / folder), "--format", "json", "--fail-on", "never"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    serious = [f["code"] for run in report["runs"] for f in run["findings"] if f["severity"] != "note"]
    assert serious == EXPECTED[folder]
    assert not report["unreadable"]
    assert len(report["runs"]) == 1


def test_every_folder_has_its_expectation() -> None:
    assert {path.name for path in RUNS.iterdir() if path.is_dir()} == set(EXPECTED)
