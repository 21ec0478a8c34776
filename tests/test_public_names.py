"""The public functions stay functions whatever has been imported, and do what the documentation says."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path

import pytest

import analyzer

RUNS = Path(__file__).resolve().parents[1] / "fixtures" / "runs"


def test_no_module_hides_a_public_function() -> None:
    modules = {module.name for module in pkgutil.iter_modules(analyzer.__path__)}
    functions = [name for name in analyzer.__all__ if callable(getattr(analyzer, name))]
    assert not modules & set(functions)
    for name in functions:
        importlib.import_module("analyzer.checking")
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


LOG = "step,loss\n" + "".join(f"{step},{1 / step:.6f}\n" for step in range(1, 41)) + "41,nan\n42,nan\n43,nan\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "run" / "log.csv"
    path.parent.mkdir()
    path.write_text(LOG)
    return path


def test_check_is_the_command(log: Path) -> None:
    report = analyzer.check(log.parent)
    assert not report.passed and "LOS003" in set(report.findings["code"])
    assert analyzer.check(log, ignore=["LOS003"]).passed
    assert analyzer.check(log, select=["SCH"]).runs[0].findings == ()
    (log.parent / "analyzer.toml").write_text('[rules]\nignore = ["LOS003"]\n')
    assert analyzer.check(log).passed, "the configuration beside the run holds"


def test_nothing_audited_is_not_passed(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing\n")
    assert not analyzer.check(tmp_path).passed


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda log: analyzer.check(log, select=["SCH999"]), ValueError, "no rule is called 'SCH999'"),
        (lambda log: analyzer.check(log, ignore=["loss-spik"]), ValueError, "did you mean 'loss-spike'"),
        (lambda log: analyzer.check(log, declared={"batchsize": 3}), ValueError, "batch_size"),
        (lambda log: analyzer.check(log / "gone"), FileNotFoundError, "no such file or folder"),
        (lambda log: analyzer.check(), ValueError, "needs a path"),
        (lambda log: analyzer.check(log, config=log.parent / "no.toml"), ValueError, "no.toml"),
        (lambda log: analyzer.read(log / "gone"), FileNotFoundError, "no such file or folder"),
        (lambda log: analyzer.audit(analyzer.read(log)[0], select=["XYZ"]), ValueError, "'XYZ'"),
        (lambda log: analyzer.check(log).save(log.parent / "a.pdf"), ValueError, "no format is known by this ending"),
        (lambda log: analyzer.check(log).save(log.parent / "a.html", form="htm"), ValueError, "did you mean 'html'"),
        (lambda log: analyzer.check(log).save(log.parent / "no" / "a.html"), OSError, "No such file"),
    ],
)
def test_errors_name_what_is_wrong(
    call: Callable[[Path], object], error: type[Exception], said: str, log: Path
) -> None:
    with pytest.raises(error, match=said):
        call(log)


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("r.html", "<!doctype html>"),
        ("r.json", "{"),
        ("r.sarif", "{"),
        ("r.xml", "<?xml"),
        ("r.md", "##"),
        ("r.txt", "── "),
    ],
)
def test_a_report_is_saved_by_its_ending(name: str, start: str, log: Path) -> None:
    analyzer.check(log).save(log.parent / name)
    assert (log.parent / name).read_text().lstrip().startswith(start)
    assert [path.name for path in log.parent.iterdir() if path.name.startswith(".")] == []
