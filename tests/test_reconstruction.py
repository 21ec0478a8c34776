"""Every clock once, in order: each reads those before it alone, and one that fails costs itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from analyzer.auditing import LATE_CLOCKS, audit_run
from analyzer.config.declared import merge
from analyzer.discovery import discover
from analyzer.model import Run
from analyzer.reconstruction import CLOCKS, reconstruct
from analyzer.timeline import Timeline

RUNS = Path(__file__).resolve().parents[1] / "fixtures" / "runs"
LOGS = ("accelerate-scheduler-stepped-twice", "lightning-data-position-lost", "transformers-resumed")
GIVEN = {"run", "declared", "role_overrides", "devices", "row"}
SHORT = {  # properties, and what they read
    "views": "accounts",
    "training": "accounts",
    "joins": "session_map",
    "sessions": "session_map",
}


def run_of(name: str) -> Run:
    return discover([RUNS / name]).runs[0]


class Asked:
    """A timeline that remembers what it is asked for."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.names: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.names.add(SHORT.get(name, name))
        return getattr(self.timeline, name)


@pytest.mark.parametrize("name", LOGS)
def test_a_clock_reads_those_before_it_alone(name: str) -> None:
    run = run_of(name)
    timeline = reconstruct(run, merge(run.facts))
    assert not timeline.failed
    known = set(GIVEN)
    for clock, read in CLOCKS.items():
        asked = Asked(timeline)
        read(cast(Timeline, asked))
        assert asked.names <= known, clock
        known.add(clock)


def test_clocks_behind_the_last_that_is_wanted_are_not_read() -> None:
    run = run_of("transformers-resumed")
    timeline = reconstruct(run, merge(run.facts), last="session_map")
    assert len(timeline.sessions) > 1
    assert (timeline.epoch, timeline.schedulers, timeline.wall, timeline.loss) == (None, (), None, None)


def oops(_: object) -> None:
    raise ZeroDivisionError("oops")


@pytest.mark.parametrize("clock", LATE_CLOCKS)
def test_a_clock_that_fails_costs_rules_that_asked_for_it(clock: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of("accelerate-scheduler-stepped-twice")
    whole = audit_run(run, merge(run.facts))
    monkeypatch.delenv("ANALYZER_DEBUG", raising=False)
    monkeypatch.setattr("analyzer.reconstruction.CLOCKS", {**CLOCKS, clock: oops})
    report = audit_run(run, merge(run.facts))
    accidents = {skipped.code for skipped in report.skipped if skipped.accident}
    assert clock in accidents
    lost = set(whole.passed) - set(report.passed)
    assert lost <= {one.code for one in report.skipped}  # nothing is passed over in silence
    assert "LOG002" in report.passed  # which asked for none of them


def test_where_roles_fail_no_rule_says_that_all_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of("transformers-resumed")
    monkeypatch.delenv("ANALYZER_DEBUG", raising=False)
    monkeypatch.setattr("analyzer.reconstruction.CLOCKS", {**CLOCKS, "roles": oops})
    report = audit_run(run, merge(run.facts))
    assert not report.passed and report.skipped
