"""The public functions stay functions whatever has been imported, and do what the documentation says."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import pytest

import analyzer

RUNS = Path(__file__).resolve().parents[1] / "fixtures" / "runs"


def test_no_module_hides_a_public_function() -> None:
    modules = {module.name for module in pkgutil.iter_modules(analyzer.__path__)}
    functions = [name for name in analyzer.__all__ if callable(getattr(analyzer, name))]
    assert not modules & set(functions)
    for name in functions:
        importlib.import_module("analyzer.check")
        assert callable(getattr(analyzer, name))


def test_plan() -> None:
    readings = analyzer.plan(dataset_size=1000, batch_size=32, epochs=3).readings
    assert {reading.total_steps for reading in readings} == {93, 96}
    with pytest.raises(ValueError, match="'batch_size'"):
        analyzer.plan(batchsize=3)


def test_read_and_audit() -> None:
    runs = analyzer.read(RUNS)
    for run in runs:
        report = analyzer.audit(run, declared={"epochs": 3}, select=["LOG"])
        assert {finding.code[:3] for finding in report.runs[0].findings} <= {"LOG"}
