"""A pytest plugin: ``pytest --training-log PATH`` makes every rule of every run a test.

The items carry the marker ``training_log``: ``pytest --training-log runs -m training_log`` runs nothing else. A rule
that could not look is skipped with its reason. The fixture ``training_log`` audits a log inside a test of one's own.
Nothing of the audit is imported until one of the two is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from analyzer.checking import Request
    from analyzer.model import Finding, Problem, Report, RunReport

FAIL_ON = ("error", "warning", "note", "never")  # the keys of analyzer.model.GRAVE, which is not imported before use


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("training logs")
    group.addoption("--training-log", action="append", default=[], metavar="PATH", help="Audit the runs found here.")
    group.addoption(
        "--training-log-declare", action="append", default=[], metavar="KEY=VALUE", help="A fact that you know of them."
    )
    group.addoption("--training-log-select", action="append", default=[], metavar="CODES", help="Rules to check.")
    group.addoption("--training-log-ignore", action="append", default=[], metavar="CODES", help="Rules to leave out.")
    group.addoption(
        "--training-log-fail-on", choices=FAIL_ON, default="warning", help="The least severity that fails a test."
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "training_log: a rule checked on a run that --training-log found")


@pytest.hookimpl(tryfirst=True)  # before -m and -k choose among the items
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--training-log"):
        top = TrainingLogs.from_parent(session, name="training-log", nodeid="training-log")
        items += _items(top)


def _items(collector: pytest.Collector) -> Iterator[pytest.Item]:
    for node in collector.collect():
        if isinstance(node, pytest.Collector):
            yield from _items(node)
        elif isinstance(node, pytest.Item):
            yield node


class TrainingLogs(pytest.Collector):
    """All runs at the given paths."""

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        report = _audited(_requested(self.config, self.config.getoption("--training-log")))
        for one in report.runs:
            yield AuditedRun.from_parent(self, name=_name(one.run.name), report=one)
        for problem in report.unreadable:
            yield Unread.from_parent(self, name=_name(f"not read: {problem.source}"), problem=problem)


class AuditedRun(pytest.Collector):
    """One run; its items are the rules."""

    def __init__(self, *, report: RunReport, **others: Any) -> None:
        super().__init__(**others)
        self.report = report

    def collect(self) -> Iterator[pytest.Item]:
        from analyzer.rules import catalogue

        one = self.report
        reasons = {skip.code: skip.reason for skip in one.skipped}
        names = {rule.code: rule.name for rule in catalogue()}
        for code in sorted({*one.passed, *reasons, *(finding.code for finding in one.findings)}):
            findings = tuple(finding for finding in one.findings if finding.code == code)
            yield CheckedRule.from_parent(
                self,
                name=f"{code} {names.get(code, '')}".strip(),
                report=one,
                findings=findings,
                reason=None if findings else reasons.get(code),
            )


class Failed(Exception):
    """A run breaks a rule; the text is what the terminal would show."""


class CheckedRule(pytest.Item):
    """One rule on one run."""

    def __init__(self, *, report: RunReport, findings: tuple[Finding, ...], reason: str | None, **others: Any) -> None:
        super().__init__(**others)
        self.report, self.findings, self.reason = report, findings, reason
        self.add_marker(pytest.mark.training_log)

    def runtest(self) -> None:
        if self.reason is not None:
            pytest.skip(self.reason)
        from analyzer.model import GRAVE

        grave = GRAVE[self.config.getoption("--training-log-fail-on")]
        told = "\n".join(_told(self.report, finding) for finding in self.findings)
        if any(finding.severity in grave for finding in self.findings):
            raise Failed(told)
        if told:
            self.add_report_section("call", "analyzer", told)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        return str(excinfo.value) if isinstance(excinfo.value, Failed) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        sources = self.report.run.sources
        return Path(sources[0].path if sources else "."), None, f"{_name(self.report.run.name)}: {self.name}"


class Unread(pytest.Item):
    """A file that could not be read: never a pass."""

    def __init__(self, *, problem: Problem, **others: Any) -> None:
        super().__init__(**others)
        self.problem = problem
        self.add_marker(pytest.mark.training_log)

    def runtest(self) -> None:
        raise Failed(f"{_name(self.problem.source)}: {_name(self.problem.message)}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        return str(excinfo.value)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return Path(self.problem.source), None, self.name


@pytest.fixture(scope="session")
def training_log(request: pytest.FixtureRequest) -> Callable[..., RunReport]:
    """A function that audits a log: ``training_log("runs/nightly", declared={"epochs": 20}).findings``.

    Without a path it takes those of ``--training-log``. The path must hold one run; all points of it are kept.
    """
    config = request.config

    def audit(path: str | Path | None = None, *, declared: Mapping[str, Any] | None = None) -> RunReport:
        paths = [str(path)] if path is not None else config.getoption("--training-log")
        if not paths:
            pytest.fail("training_log() without a path needs --training-log PATH on the command line", pytrace=False)
        report = _audited(_requested(config, paths, declared), keep_series=True)
        if len(report.runs) != 1:
            said = "; ".join(f"{problem.source}: {problem.message}" for problem in report.unreadable)
            names = ", ".join(one.run.name for one in report.runs)
            pytest.fail(f"expected one run at {', '.join(paths)}, found {names or said or 'none'}", pytrace=False)
        return report.runs[0]

    return audit


def _requested(config: pytest.Config, paths: list[str], declared: Mapping[str, Any] | None = None) -> Request:
    from msgspec.structs import replace

    from analyzer.config.declared import checked_fact
    from analyzer.console import CannotAudit
    from analyzer.console.options import requested

    try:
        request = requested(
            paths,
            declare=config.getoption("--training-log-declare"),
            select=config.getoption("--training-log-select"),
            ignore=config.getoption("--training-log-ignore"),
        )
        facts = tuple(checked_fact(key, value, "training_log()") for key, value in (declared or {}).items())
    except (CannotAudit, ValueError) as error:
        raise pytest.UsageError(str(error)) from error
    return replace(request, facts=(*facts, *request.facts))


def _audited(request: Request, *, keep_series: bool = False) -> Report:
    from analyzer.checking import check
    from analyzer.config.files import BadConfig

    try:
        return check(request, keep_series=keep_series)
    except BadConfig as error:
        raise pytest.UsageError(str(error)) from error


def _told(one: RunReport, finding: Finding) -> str:
    from analyzer.renderers import Look
    from analyzer.renderers.finding_text import finding_lines

    return "\n".join(finding_lines(one, finding, Look(width=100)))


def _name(text: str) -> str:
    from analyzer.renderers.escaping import visible

    return visible(text)
