"""What the command audits: condensed reports say the same as full ones, one bad clock or folder costs nothing else."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from analyzer.checking import Request, check
from analyzer.fingerprint import fingerprints
from analyzer.model import Report
from analyzer.reconstruction import CLOCKS
from analyzer.renderers import Look, renderer_named

RUNS = Path(__file__).resolve().parents[1] / "fixtures" / "runs"
REQUEST = Request(paths=(RUNS,))


@pytest.mark.parametrize("name", ["terminal", "json", "sarif", "junit", "github", "gitlab", "markdown"])
def test_a_condensed_report_says_the_same(name: str) -> None:
    look = Look(verbose=True)
    full, small = check(REQUEST, keep_series=True), check(REQUEST)
    assert any(one.findings for one in full.runs)
    assert renderer_named(name).render(small, look) == renderer_named(name).render(full, look)


def test_a_condensed_report_is_small_and_goes_through_a_pipe() -> None:
    small = check(REQUEST)
    full = check(REQUEST, keep_series=True)
    sizes = [
        sum(len(s) for one in report.runs for v in one.run.views for s in v.series.values()) for report in (small, full)
    ]
    assert sizes[0] < sizes[1] / 2
    assert [one.run.name for one in pickle.loads(pickle.dumps(small)).runs] == [one.run.name for one in small.runs]


@pytest.mark.parametrize("typed", ["runs", "./runs", "formats/../runs", "."])
def test_names_and_fingerprints_stay_however_a_path_is_typed(typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def marked(report: Report) -> list[tuple[str, list[str]]]:
        return [(one.run.name, [mark for _, mark in fingerprints(one.run.name, one.findings)]) for one in report.runs]

    monkeypatch.chdir(RUNS if typed == "." else RUNS.parent)
    assert marked(check(Request(paths=(Path(typed),)))) == marked(check(REQUEST))


def test_a_clock_that_fails_is_named_and_the_audit_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.delenv("ANALYZER_DEBUG", raising=False)
    monkeypatch.setattr("analyzer.reconstruction.CLOCKS", {**CLOCKS, "wall": broken})
    report = check(REQUEST)
    assert len(report.runs) == len(check(REQUEST, keep_series=True).runs) > 1
    assert all("wall clock" in " ".join(skip.reason for skip in one.skipped) for one in report.runs)
    assert "internal error" in str(renderer_named("terminal").render(report, Look(verbose=True)))


def test_a_group_that_fails_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    import analyzer.checking

    genuine = analyzer.checking.read_group

    def sometimes(group):  # type: ignore[no-untyped-def]
        if "keras" in str(group.logs[0].path):
            raise RecursionError("deep")
        return genuine(group)

    monkeypatch.delenv("ANALYZER_DEBUG", raising=False)
    whole = len(check(REQUEST).runs)
    monkeypatch.setattr(analyzer.checking, "read_group", sometimes)
    report = check(REQUEST)
    assert len(report.runs) == whole - 1
    assert [("keras" in problem.source, "RecursionError" in problem.message) for problem in report.unreadable] == [
        (True, True)
    ]


def test_a_resume_of_which_nothing_is_found_names_what_could_not_be_looked_at(tmp_path: Path) -> None:
    def rows(first: int, last: int) -> str:
        return "".join(f"{step},{2 / (1 + step / 50):.5f}\n" for step in range(first, last + 1))

    (tmp_path / "log.csv").write_text(f"step,loss\n{rows(1, 60)}step,loss\n{rows(61, 120)}")
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "log.csv").write_text(f"step,loss\n{rows(1, 120)}")
    resumed = renderer_named("terminal").render(check(Request(paths=(tmp_path / "log.csv",))), Look(width=120))
    assert "not checked at the resume: RES006: no learning rate" in resumed
    assert "not checked at the resume: RES004: no epoch labels and no count" in resumed
    assert "at the resume" not in renderer_named("terminal").render(check(Request(paths=(tmp_path / "whole",))), Look())
