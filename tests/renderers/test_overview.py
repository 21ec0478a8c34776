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


def test_the_last_lines_name_the_runs_with_errors_and_those_with_warnings() -> None:
    runs = [named("sound"), named("bad/1", ERROR, WARNING), named("warned", WARNING), named("too", WARNING)]
    assert text_of(Look(), *runs).splitlines()[-2:] == ["errors in: bad/1", "warnings in: warned, too"]
    assert "errors in" not in text_of(Look(), named("sound"), named("warned", WARNING))
    assert " in: " not in text_of(Look(), named("sound"), named("noted", NOTE))


def test_findings_are_not_lost_between_the_groups() -> None:
    runs = [named("a", ERROR, WARNING, NOTE), named("b", SAME_ERROR), named("c")]
    shown: list[Finding] = [finding for one in told_once(runs) for finding, _ in one.findings]
    assert [finding.code for finding in shown] == ["SCH002", "LOS001"]


def test_of_many_runs_the_worst_are_shown_in_full_and_the_others_in_a_line() -> None:
    several = [named(f"run{n}", ("warning", "LOS001", f"{'abcdefghij'[n]} rises at step 31")) for n in range(10)]
    text = text_of(Look(width=60), *several)
    assert text.count("  --> ") == 5 and "5 more runs with findings, a line each: -v shows" in text
    assert "run9\n  warning[LOS001] j rises at step 31\n" in text
    assert all(len(line) <= 60 for line in text.splitlines())
    assert text_of(Look(verbose=True), *several).count("  --> ") == 10


def test_a_line_tells_how_many_more_there_are_of_its_kind() -> None:
    filler = [named(f"x{n}", ("error", "SCH002", f"{'abcdefg'[n]} is wrong")) for n in range(7)]
    last = named("z", ("warning", "LOS001", "one rises"), ("warning", "LOS001", "two rises"))
    again = named("zz", ("warning", "LOS001", "two rises"))
    text = text_of(Look(), *filler, last, again)
    assert "z\n  warning[LOS001] one rises (1 more here, the same in 1 more run)\n" in text


def test_the_head_names_the_declared_facts_that_the_log_contradicts() -> None:
    from msgspec.structs import replace

    from analyzer.model import Fact, FactStatus

    one = named("a", ERROR)
    facts = {key: Fact(key=key, value=7, found_in="args.json") for key in ("epochs", "batch_size")}
    timeline = replace(one.timeline, declared=replace(one.timeline.declared, facts=facts))
    said = {
        "epochs": FactStatus(status="contradicted", reason="the labels end at 5"),
        "batch_size": FactStatus(status="untested", reason="alone it says nothing"),
    }
    text = text_of(Look(), replace(one, timeline=timeline, declared=said))
    assert "   declared epochs = 7 (args.json): contradicted, the labels end at 5\n" in text
    assert "batch_size" not in text


def test_codes_are_links_where_the_terminal_is_given_the_pages() -> None:
    link = "[\x1b]8;;https://docs/rules/SCH002.html\x1b\\SCH002\x1b]8;;\x1b\\]"
    look = Look(rule_page="https://docs/rules/{code}.html")
    assert f"error{link} loss-spike: step 2 logs" in text_of(look, named("a", ERROR))
    filler = [named(f"x{n}", ("error", "SCH002", f"{'abcdefg'[n]} is wrong")) for n in range(7)]
    assert f"  error{link} g is wrong" in text_of(look, *filler)
    assert "\x1b]8" not in text_of(Look(color=True), named("a", ERROR))


@pytest.mark.parametrize(
    ("site", "page"),
    [
        ("https://docs.example.org/analyzer/", "https://docs.example.org/analyzer/rules/{code}.html"),
        ("javascript:alert(1)", None),
        ("https://evil\x07", None),
    ],
)
def test_the_site_of_the_pages_is_an_address(site: str, page: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    from analyzer.console.output import rule_page

    monkeypatch.setenv("ANALYZER_DOCS", site)
    found = rule_page()  # else the pages of the checkout; what is installed has none
    assert found == page if page else not found or found.startswith("file://")
