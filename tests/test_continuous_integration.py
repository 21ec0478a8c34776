"""The GitHub Action, the pre-commit hook and every example of docs/ci.md are run as their readers run them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from analyzer.cli import main
from analyzer.config.files import parsed
from tests.cli.fake_rules import install, log_text

pytest_plugins = "pytester"

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)


COMMANDS = [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "runs" / "nightly").mkdir(parents=True)
    (tmp_path / "runs" / "nightly" / "log.csv").write_text(log_text(0.5))
    (tmp_path / "golden" / "nightly").mkdir(parents=True)
    (tmp_path / "golden" / "nightly" / "log.csv").write_text(log_text(0.5))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    return tmp_path


def test_the_page_has_examples_of_both() -> None:
    assert [line for line in COMMANDS if line.startswith("analyzer ")]
    assert [line for line in COMMANDS if line.startswith("pytest ")]


def test_commands_of_the_page_work_in_their_order(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    for line in COMMANDS:
        if line.startswith("analyzer "):
            result = CliRunner().invoke(main, shlex.split(line)[1:])
            assert result.exit_code == 0, f"{line}: {result.output}"
    assert {"analyzer.sarif", "analyzer.xml", "analyzer.json", "known.json"} <= set(os.listdir(project))


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("pytest ")])
def test_pytest_examples(line: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    (pytester.path / "runs" / "nightly").mkdir(parents=True)
    (pytester.path / "runs" / "nightly" / "log.csv").write_text(log_text(0.5))
    pytester.runpytest_inprocess(*shlex.split(line)[1:]).assert_outcomes(passed=3)


def test_the_fixture_example(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    (pytester.path / "runs" / "nightly").mkdir(parents=True)
    (pytester.path / "runs" / "nightly" / "log.csv").write_text(log_text(0.5))
    pytester.makepyfile("\n".join(blocks("python")))
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


@pytest.mark.parametrize("text", blocks("toml"))
def test_configuration_of_the_page_is_understood(text: str) -> None:
    parsed(tomllib.loads(text), "docs/ci.md")


def steps_using(value: Any, key: str) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        return ([value] if key in value else []) + [one for item in value.values() for one in steps_using(item, key)]
    return [one for item in value for one in steps_using(item, key)] if isinstance(value, list) else []


def test_the_workflow_of_the_page_gives_the_action_what_it_takes() -> None:
    (step,) = [
        step
        for text in blocks("yaml")
        for step in steps_using(yaml.safe_load(text), "uses")
        if "analyzer" in step["uses"]
    ]
    assert set(step["with"]) <= set(ACTION["inputs"])
    needed = {name for name, one in ACTION["inputs"].items() if one.get("required")}
    assert needed <= set(step["with"])


def test_no_input_is_pasted_into_a_script() -> None:
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step["run"]
        assert step["shell"] == "bash"
        used = set(re.findall(r"\$\{?(ANALYZER\w*)", step["run"]))
        assert used == {name for name in step["env"] if name.startswith("ANALYZER")}


def run_action(project: Path, **inputs: str) -> tuple[int, str, str]:
    """The action's audit step under bash, its inputs with the defaults of action.yml."""
    (step,) = [step for step in ACTION["runs"]["steps"] if step.get("id") == "check"]
    values = {name: str(one.get("default", "")) for name, one in ACTION["inputs"].items()} | inputs
    environment = {
        name: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda m: values[m[1]], text)
        for name, text in step["env"].items()
    }
    command = project / "analyzer"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m analyzer "$@"\n')
    command.chmod(0o755)
    environment |= {
        "ANALYZER": str(command),
        "GITHUB_OUTPUT": "output",
        "GITHUB_STEP_SUMMARY": "summary",
        "PATH": os.environ["PATH"],
    }
    done = subprocess.run(
        ["bash", "-e", "-c", step["run"]], cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_the_action_passes_a_sound_run(project: Path) -> None:
    code, out, err = run_action(
        project, paths="runs/nightly", declare="epochs=20\nbatch_size=2\n", junit="j.xml", **{"fail-on": "never"}
    )
    assert code == 0, out + err
    assert (project / "output").read_text() == "exit-code=0\n"
    assert (project / "analyzer.sarif").exists() and (project / "j.xml").exists()
    assert (project / "summary").read_text().startswith("## analyzer: ")


def test_the_action_fails_on_what_cannot_be_audited_and_says_so(project: Path) -> None:
    code, out, _ = run_action(project, paths="gone")
    assert code == 2 and "::error file=gone" in out
    assert (project / "output").read_text() == "exit-code=2\n"


def test_the_action_takes_hostile_inputs_as_text(project: Path) -> None:
    run_action(project, paths='$(touch a) `touch b` "; touch c; "', declare="x=$(touch d)\n", arguments="; touch e")
    assert not {"a", "b", "c", "d", "e"} & set(os.listdir(project))


def test_the_hook_is_a_command_that_we_have(project: Path) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hook["entry"].split()[0] == "analyzer" and hook["language"] == "python"
    result = CliRunner().invoke(main, [*hook["entry"].split()[1:], *hook["args"], "--fail-on", "never"])
    assert result.exit_code == 0
    for name in ("runs/metrics.csv", "a/trainer_state.json", "events.out.tfevents.1.h", "analyzer.toml"):
        assert re.search(hook["files"], name)
    (ours,) = [one for text in blocks("yaml") for one in steps_using(yaml.safe_load(text), "hooks")]
    assert ours["hooks"][0]["id"] == hook["id"]
    example = CliRunner().invoke(main, ["check", *(str(argument) for argument in ours["hooks"][0]["args"])])
    assert "results" in example.output  # the options are known; the folder is the reader's
