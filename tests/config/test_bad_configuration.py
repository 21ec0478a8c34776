"""A configuration that cannot be followed costs the runs that it binds, and is named; the others are audited."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from analyzer.cli import main
from analyzer.renderers import all_renderers
from tests.cli.fake_rules import install, log_text


@pytest.fixture(autouse=True)
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    install(monkeypatch)
    for name in ("good", "bad/one", "bad/two"):
        Path("runs", name).mkdir(parents=True)
        Path("runs", name, "log.csv").write_text(log_text(7.0))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments])


def report_of(*arguments: str) -> tuple[int, Any]:
    result = run("check", *arguments, "-f", "json")
    return result.exit_code, json.loads(result.stdout)


BAD = {
    "no TOML": ("a = ", "not valid TOML"),
    "an unknown key": ("[declared]\nbatchsize = 3\n", "batch_size"),
    "a list for a number": ("[declared]\nbatch_size = []\n", "batch_size = []: expected a positive whole number"),
    "a table for a number": ("[declared.epochs]\na = 3\n", "expected a positive number"),
    "a number for a table": ("[declared]\nscheduler_params = 3\n", "expected a table"),
    "a rule that is not there": ("[rules]\nselect = ['XYZ']\n", "XYZ"),
    "every rule ignored": ("[rules]\nignore = ['ALL']\n", "no rule is left to check: ALL without ALL"),
    "a deep list": (f"a = {'[' * 5000}{']' * 5000}\n", "not valid TOML"),
    "a long number": (f"root = {'1' * 5000}\n", "not valid TOML"),
    "the whole disk for a reference": ('against = "/"\n', "more than 20000 files"),
    "no reference": ('against = "."\n[[silence]]\nrule="LOS"\n', 'needs reason'),
}  # fmt: skip


@pytest.mark.parametrize(("text", "said"), BAD.values(), ids=BAD)
def test_it_costs_the_runs_that_it_binds(text: str, said: str) -> None:
    Path("runs/bad/analyzer.toml").write_text(text)
    code, report = report_of("runs")
    assert code == 1 and [one["name"] for one in report["runs"]] == ["good"]
    (told,) = report["unreadable"]
    assert told["path"] == "runs/bad/one/log.csv" and said in told["reason"], told
    assert "nor are 1 more: runs/bad/two/log.csv" in told["reason"]


@pytest.mark.parametrize(("text", "said"), BAD.values(), ids=BAD)
def test_where_it_binds_all_runs_nothing_could_be_audited(text: str, said: str) -> None:
    Path("runs/bad/analyzer.toml").write_text(text)
    code, report = report_of("runs/bad")
    assert code == 2 and not report["runs"] and said in report["unreadable"][0]["reason"]


def test_other_commands_go_on_without_them_as_well() -> None:
    Path("runs/bad/analyzer.toml").write_text("a = ")
    result = run("timeline", "runs")
    assert result.exit_code == 0 and "── good" in result.output and "not valid TOML" in result.output
    assert run("export", "runs", "-o", "out.csv").exit_code == 0
    assert {line.split(",")[0] for line in Path("out.csv").read_text().splitlines()[1:]} == {"good"}


def test_the_configuration_that_was_asked_for_stops_everything() -> None:
    Path("own.toml").write_text("a = ")
    for command in (["check", "runs"], ["timeline", "runs"]):
        result = run(*command, "--config", "own.toml")
        assert result.exit_code == 2 and result.output.startswith("Error: ") and result.output.count("\n") == 1


@pytest.mark.parametrize("option", ["--config", "--baseline"])
@pytest.mark.parametrize("content", ["[" * 100_000, "x = " + "[" * 5_000, None], ids=["deep", "deep TOML", "sparse"])
def test_a_file_that_no_person_wrote_is_one_line(option: str, content: str | None) -> None:
    path = Path("own.toml")
    path.write_text(content or "")
    if content is None:
        os.truncate(path, 200 << 20)
    result = run("check", "runs/good", option, "own.toml")
    assert result.exit_code == 2 and "own.toml: " in result.output and "internal error" not in result.output


def test_options_that_leave_no_rule_are_said() -> None:
    result = run("check", "runs", "--ignore", "ALL")
    assert result.exit_code == 2 and "no rule is left to check" in result.output


def test_the_files_that_hold_for_a_run_are_named() -> None:
    Path("analyzer.toml").write_text("[rules]\nignore = ['LOS008']\n")
    Path("runs/good/analyzer.toml").write_text("[declared]\nepochs = 3\n")
    out = run("check", "runs/good", "-v").output
    nearest, above = (out.index(str(Path(place).resolve())) for place in ("runs/good/analyzer.toml", "analyzer.toml"))
    assert nearest < above
    assert "configured in" not in run("check", "runs/good").output


@pytest.mark.parametrize("value", ["[]", "{}", "[[1,2]]", '"x"', "-3", "0", "true", "1e400", "nan", "1.5"])
def test_no_declared_value_breaks_an_output(value: str) -> None:
    Path("runs/good/config.json").write_text(f'{{"per_device_train_batch_size": {value}, "num_train_epochs": {value}}}')
    for form in all_renderers():
        result = run("check", "runs/good", "-f", form, "--fail-on", "never")
        assert result.exit_code == 0, result.output
    typed = run("check", "runs/good", "--declare", f"batch_size={value}", "--fail-on", "never")
    assert typed.exit_code == 2 and "positive whole number" in typed.output and "internal" not in typed.output
