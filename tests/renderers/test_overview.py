"""Many runs at a glance: what comes first, what is told once, what is only counted."""

from __future__ import annotations

import pytest

from analyzer.model import Finding, RunReport
from analyzer.renderers import Look, renderer_named
from analyzer.renderers.overview import told_once, worst_first
from tests.renderers.reports import audited, falling, report_of, run_of, series, spike


def named(name: str, *findings: tuple[str, str, str]) -> RunReport:
    """A run with findings of (severity, code, message)."""
    run = run_of([series("loss", falling())], name=name, path=f"{name}/metrics.csv")
    made = [spike(run, severity=severity, code=code, message=message) for severity, code, message in findings]
    return audited(run, *made)


ERROR = ("error", "SCH002", "step 2 logs 0.004, should be 0.002")
SAME_ERROR = ("error", "SCH002", "step 71 logs 3e-05, should be 1e-05")
OTHER_ERROR = ("error", "SCH002", "the scheduler stands still from step 9 on")
WARNING = ("warning", "LOS001", "loss rises to 7 at step 31")
NOTE = ("note", "LOG008", "logged every 50 steps")


@pytest.mark.parametrize(
    ("runs", "order"),
    [
        ((named("a"), named("b", WARNING), named("c", ERROR)), "cba"),
        ((named("a", NOTE), named("b", WARNING, WARNING), named("c", WARNING)), "bca"),
        ((named("a", ERROR), named("b", ERROR, OTHER_ERROR)), "ba"),
        ((named("b"), named("a")), "ba"),  # nothing to choose: as they came
    ],
)
def test_the_worst_run_comes_first(runs: tuple[RunReport, ...], order: str) -> None:
    assert "".join(one.run.name for one in worst_first(runs)) == order


@pytest.mark.parametrize(
    ("runs", "told"),
    [
        ((named("a", ERROR), named("b", SAME_ERROR)), [("a", ("b",))]),
        ((named("a", ERROR), named("b", OTHER_ERROR)), [("a", ()), ("b", ())]),
        ((named("a", ERROR, SAME_ERROR), named("b", ERROR)), [("a", ()), ("a", ("b",))]),
        ((named("a", NOTE), named("b")), []),
    ],
)
def test_the_same_in_many_runs_is_told_once(
    runs: tuple[RunReport, ...], told: list[tuple[str, tuple[str, ...]]]
) -> None:
    assert [(shown.run.run.name, elsewhere) for shown in told_once(runs) for _, elsewhere in shown.findings] == told


def text_of(look: Look, *runs: RunReport) -> str:
    text = renderer_named("terminal").render(report_of(*runs), look)
    assert isinstance(text, str)
    return text


def test_sound_runs_are_counted_and_listed_on_demand() -> None:
    runs = [named(f"run{n}") for n in range(30)]
    assert "30 runs: nothing found" in text_of(Look(), *runs) and "run17" not in text_of(Look(), *runs)
    assert "run17: nothing found by 1 rule" in text_of(Look(sound=True), *runs)


def test_notes_take_a_line_for_each_rule() -> None:
    runs = [named(f"run{n}", NOTE) for n in range(30)]
    lines = [line for line in text_of(Look(), *runs).splitlines() if "LOG008" in line]
    assert lines == ["note[LOG008] loss-spike in 30 runs: run0, run1, run2 and 27 more"]
    assert text_of(Look(notes=True), *runs).count("LOG008") == 30


def test_the_last_line_names_the_runs_with_errors() -> None:
    text = text_of(Look(), named("sound"), named("bad/1", ERROR), named("warned", WARNING))
    assert text.splitlines()[-1] == "errors in: bad/1"
    assert "errors in" not in text_of(Look(), named("sound"), named("warned", WARNING))


def test_findings_are_not_lost_between_the_groups() -> None:
    runs = [named("a", ERROR, WARNING, NOTE), named("b", SAME_ERROR), named("c")]
    shown: list[Finding] = [finding for one in told_once(runs) for finding, _ in one.findings]
    assert [finding.code for finding in shown] == ["SCH002", "LOS001"]
