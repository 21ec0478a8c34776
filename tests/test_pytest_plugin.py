"""The pytest plugin in a pytest of its own."""

from __future__ import annotations

import pytest

from tests.cli.fake_rules import install, log_text

pytest_plugins = "pytester"


@pytest.fixture(autouse=True)
def world(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    (pytester.path / ".git").mkdir()
    install(monkeypatch)


def write(pytester: pytest.Pytester, path: str, spike: float) -> None:
    file = pytester.path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(log_text(spike))


def test_every_rule_of_every_run_is_an_item(pytester: pytest.Pytester) -> None:
    write(pytester, "runs/good/log.csv", 0.5)
    write(pytester, "runs/bad/log.csv", 7.0)
    result = pytester.runpytest_inprocess("--training-log", "runs", "-v")
    result.assert_outcomes(passed=5, failed=1)
    result.stdout.fnmatch_lines(
        ["training-log::bad::LOS001 loss-spike FAILED*", "*warning?LOS001? loss-spike: loss is 7 at step 31*"]
    )
    result.stdout.fnmatch_lines(["*log.csv:32"])


@pytest.mark.parametrize(("fail_on", "failed"), [("never", 0), ("error", 0), ("warning", 1), ("note", 2)])
def test_the_least_severity_that_fails(pytester: pytest.Pytester, fail_on: str, failed: int) -> None:
    write(pytester, "log.csv", 7.0)
    result = pytester.runpytest_inprocess("--training-log", "log.csv", "--training-log-fail-on", fail_on)
    result.assert_outcomes(passed=3 - failed, failed=failed)


def test_a_rule_that_cannot_look_is_skipped_with_its_reason(pytester: pytest.Pytester) -> None:
    (pytester.path / "log.csv").write_text("step,lr\n" + "".join(f"{i},0.1\n" for i in range(9)))
    result = pytester.runpytest_inprocess("--training-log", "log.csv", "-rs")
    result.assert_outcomes(skipped=3)
    result.stdout.fnmatch_lines(["*no loss in the log*"])


def test_a_log_that_cannot_be_read_fails(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("--training-log", "gone")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*gone: no such file*"])


def test_the_marker_and_keywords_choose_among_the_items(pytester: pytest.Pytester) -> None:
    write(pytester, "log.csv", 0.5)
    pytester.makepyfile("def test_own(): pass")
    pytester.runpytest_inprocess("--training-log", "log.csv").assert_outcomes(passed=4)
    pytester.runpytest_inprocess("--training-log", "log.csv", "-m", "training_log").assert_outcomes(
        passed=3, deselected=1
    )
    pytester.runpytest_inprocess("--training-log", "log.csv", "-k", "LOS002").assert_outcomes(passed=1, deselected=3)


def test_a_wrong_declaration_is_a_usage_error(pytester: pytest.Pytester) -> None:
    write(pytester, "log.csv", 0.5)
    result = pytester.runpytest_inprocess("--training-log", "log.csv", "--training-log-declare", "epoch=3")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "'epochs'" in "\n".join([*result.errlines, *result.outlines])


def test_the_fixture_audits_a_log_inside_a_test(pytester: pytest.Pytester) -> None:
    write(pytester, "log.csv", 7.0)
    pytester.makepyfile(
        """
        def test_spike(training_log):
            one = training_log("log.csv", declared={"epochs": 3})
            assert [finding.code for finding in one.findings] == ["LOS001", "LOS008"]
            assert one.timeline.declared.get("epochs") == 3
            assert len(one.timeline.roles.first("loss")) == 60

        def test_without_a_path(training_log):
            training_log()

        def test_gone(training_log):
            training_log("gone")
        """
    )
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["*needs --training-log PATH*", "*expected one run at gone*"])


def test_nothing_is_imported_until_it_is_used(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import sys\ndef test_light(): assert 'analyzer.checking' not in sys.modules")
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
