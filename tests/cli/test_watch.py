"""A watched run tells each finding once, waits for logs that are not there yet, and ends when told to."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from analyzer.checking import Request, check
from analyzer.cli import main
from analyzer.model import Severity
from analyzer.rules import Rule
from analyzer.watch import News, follow
from tests.cli.fake_rules import install, log_text, loss_above


class Time:
    """A clock that moves when somebody sleeps, and does at each sleep what the training would have done meanwhile."""

    def __init__(self, *happenings: object) -> None:
        self.happenings = list(happenings)
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        if self.happenings:
            happening = self.happenings.pop(0)
            if callable(happening):
                happening()


@pytest.fixture(autouse=True)
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    install(monkeypatch)


def grow(text: str) -> None:
    with Path("log.csv").open("a") as stream:
        stream.write(text)


def looks(time: Time, idle: float = 30.0) -> list[News]:
    return list(follow(Request(paths=(Path("log.csv"),)), every=10.0, idle=idle, now=time.now, sleep=time.sleep))


def rows(first: int, last: int, loss: float = 0.5) -> str:
    return "".join(f"{step},{loss}\n" for step in range(first, last + 1))


def codes(found: list[News]) -> list[list[str]]:
    return [[finding.code for _, finding in news.new] for news in found]


def test_a_finding_is_told_once_and_when_the_rows_behind_it_bear_it_out() -> None:
    grow(log_text(0.5))
    found = looks(Time(lambda: grow("61,7.5\n"), None, lambda: grow(rows(62, 66)), lambda: grow(rows(67, 80))))
    assert codes(found) == [[], [], [], ["LOS001"], ["LOS008"]]  # the plateau is about the end
    assert [news.over for news in found] == [False] * 4 + [True]


def test_what_lies_there_already_is_told_at_the_first_look() -> None:
    grow(log_text(7.5))
    assert codes(looks(Time()))[0] == ["LOS001"]


def test_a_loss_that_is_no_number_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, (loss_above(5, "LOS003", "loss-not-finite", "error"),))
    grow(log_text(0.5))
    assert codes(looks(Time(lambda: grow("61,7.5\n")))) == [[], ["LOS003"], []]


def test_what_later_rows_disprove_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    one = loss_above(5, "LOS001", "loss-spike", "warning")
    install(monkeypatch, (of_length(one, 0, 80),))
    grow(log_text(7.5))
    found = looks(Time(lambda: grow(rows(61, 90)), lambda: grow(rows(91, 95))))
    assert codes(found) == [["LOS001"], [], [], []]
    assert [[finding.code for _, finding in news.withdrawn] for news in found] == [[], ["LOS001"], [], []]


def of_length(rule: Rule, fewest: int, below: int) -> Rule:
    """A rule that speaks while a log has so many rows."""
    return replace(
        rule,
        check=lambda timeline: (
            rule.check(timeline) if fewest <= len(timeline.roles.first("loss")) < below else iter(())
        ),
    )


SPIKE, RESET = ("LOS001", "loss-spike", "warning"), ("RES001", "step-reset-at-resume", "error")
RATE, LENGTH = ("SCH002", "scheduler-rate-mismatch", "error"), ("SCH001", "schedule-horizon-mismatch", "error")
NOTE = ("LOS008", "plateau", "note")
ANEW = [
    # title, rule of the short log, rule that more rows bring, loss above which it speaks, told anew as, withdrawn
    ("another rule of the same row", SPIKE, RESET, 5, ["RES001"], []),
    ("the same rule of the same row", SPIKE, SPIKE, 5, ["LOS001"], []),
    ("a mere note of the row", SPIKE, NOTE, 5, [], ["LOS001"]),
    ("another rule of another row", SPIKE, RESET, 8, [], ["LOS001"]),
    ("the next explanation of one clock", RATE, LENGTH, 8, ["SCH001"], []),
    ("a clock and a loss, of other rows", RATE, SPIKE, 8, [], ["SCH002"]),
]


@pytest.mark.parametrize(
    ("first", "later", "limit", "anew", "withdrawn"), [one[1:] for one in ANEW], ids=[one[0] for one in ANEW]
)
def test_rows_whose_cause_is_told_anew_are_not_taken_back(
    monkeypatch: pytest.MonkeyPatch,
    first: tuple[str, str, Severity],
    later: tuple[str, str, Severity],
    limit: float,
    anew: list[str],
    withdrawn: list[str],
) -> None:
    early = of_length(loss_above(5, *first), 0, 80)
    late = of_length(loss_above(limit, *later), 80, 1000)
    moved = replace(late, check=lambda timeline: (replace(one, first_step=77) for one in late.check(timeline)))
    install(monkeypatch, (early, moved))
    grow(log_text(7.5, rows=70))
    second = looks(Time(lambda: grow(rows(71, 90, 0.5 if limit == 5 else 9.0))))[1]
    assert [finding.code for _, finding, _ in second.renamed] == anew
    assert [finding.code for _, finding in second.withdrawn] == withdrawn


def test_the_command_says_what_the_rows_were_told_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    early = of_length(loss_above(5, "LOS001", "loss-spike", "warning"), 0, 80)
    late = of_length(loss_above(5, "RES001", "step-reset-at-resume", "error"), 80, 1000)
    install(monkeypatch, (early, late))
    grow(log_text(7.5))
    found = looks(Time(lambda: grow(rows(61, 90))))
    monkeypatch.setattr("analyzer.watch.follow", lambda *_, **__: iter(found))
    done = CliRunner().invoke(main, ["watch", "log.csv", "--fail-on", "error"])
    assert done.exit_code == 1
    assert "told of these rows before as LOS001" in done.output
    assert "no longer so" not in done.output


def test_a_look_at_a_run_that_is_known_is_one_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    grow(log_text(0.5))
    audits: list[float] = []
    monkeypatch.setattr("analyzer.watch.check", lambda request: audits.append(request.without_last) or check(request))
    looks(Time(lambda: grow(rows(61, 62)), lambda: grow(rows(63, 64))))
    assert audits == [0.0, 0.1, 0.5, 0.0, 0.0, 0.0]  # the first look asks as well what two earlier ones would have said


@pytest.mark.parametrize("code", ["SCH001", "PRF002"])
def test_what_is_fitted_to_the_course_waits_until_the_log_has_doubled(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, (loss_above(5, code, "fitted", "error"),))
    grow(log_text(0.5) + "61,7.5\n")
    found = looks(Time(lambda: grow(rows(62, 100)), lambda: grow(rows(101, 121)), lambda: grow(rows(122, 125))))
    assert codes(found) == [[], [], [], [code], []]


def test_what_chance_may_have_done_is_told_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    one = loss_above(5, "LOS001", "loss-spike", "warning")
    unsure = replace(
        one, check=lambda timeline: (replace(found, numbers={"p_value": 0.004}) for found in one.check(timeline))
    )
    install(monkeypatch, (unsure,))
    grow(log_text(7.5))
    assert codes(looks(Time(lambda: grow(rows(61, 100))))) == [[], [], ["LOS001"]]


def test_a_log_that_is_not_there_yet_is_waited_for() -> None:
    found = looks(Time(None, lambda: grow(log_text(0.5))))
    assert [len(news.report.runs) for news in found] == [0, 1, 1]
    assert [len(news.unreadable) for news in found] == [1, 0, 0]


def test_the_command_ends_at_a_finding_or_when_idle() -> None:
    Path("log.csv").write_text(log_text(7.0))
    ended = CliRunner().invoke(main, ["watch", "log.csv", "--every", "0.05", "--idle", "0"])
    assert ended.exit_code == 0 and "LOS001" in ended.output and "over: 1 warning" in ended.output
    failed = CliRunner().invoke(main, ["watch", "log.csv", "--every", "0.05", "--fail-on", "warning"])
    assert failed.exit_code == 1
