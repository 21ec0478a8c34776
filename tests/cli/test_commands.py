"""The commands that explain: timeline, rules, explain, formats, plan."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from analyzer.cli import main
from tests.cli.fake_rules import install, log_text


@pytest.fixture(autouse=True)
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    install(monkeypatch)
    Path("log.csv").write_text(log_text())


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def commands() -> dict[str, click.Command]:
    context = click.Context(main)
    assert isinstance(main, click.Group)
    return {name: command for name in main.list_commands(context) if (command := main.get_command(context, name))}


def test_every_command_and_option_has_its_line_of_help() -> None:
    found = commands()
    assert {"check", "timeline", "explain", "rules", "formats", "plan"} <= set(found)
    for name, command in found.items():
        assert command.help, name
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.name}"


def test_options_mean_the_same_on_every_command() -> None:
    meanings: dict[str, set[str]] = {}
    shared = (
        "--declare",
        "--select",
        "--ignore",
        "--role",
        "--config",
        "--baseline",
        "--include",
        "--exclude",
        "--jobs",
    )
    for command in commands().values():
        for parameter in command.params:
            for spelled in parameter.opts:
                if spelled in shared and command.name != "plan":
                    meanings.setdefault(spelled, set()).add(getattr(parameter, "help", "") or "")
    assert all(len(said) == 1 for said in meanings.values())


def test_a_misspelt_command_is_answered_with_the_nearest() -> None:
    result = run("chekc", "log.csv")
    assert result.exit_code == 2 and "'check'" in result.output


def test_explain_by_code_and_by_name() -> None:
    for asked in ("LOS001", "los001", "loss-spike"):
        result = run("explain", asked)
        assert result.exit_code == 0
        assert "Whether the loss is above 5." in result.output and "What to do" in result.output


def test_explain_knows_the_nearest_rule() -> None:
    result = run("explain", "LOS01")
    assert result.exit_code == 2 and "'LOS001'" in result.output


def test_rules_as_a_table_and_as_data() -> None:
    assert "LOS001  loss-spike" in run("rules").output
    rows = json.loads(run("rules", "-f", "json").output)
    assert rows[0] == {"code": "LOS001", "name": "loss-spike", "severity": "warning", "help": "look"}
    assert "| LOS001 | loss-spike |" in run("rules", "-f", "markdown").output


def test_formats_name_every_reader() -> None:
    from analyzer.readers import all_readers

    names = {row["name"] for row in json.loads(run("formats", "-f", "json").output)}
    assert names == {reader.name for reader in all_readers()}
    assert "TensorBoard" in run("formats").output


def test_timeline_says_what_was_taken_for_what() -> None:
    result = run("timeline", "log.csv")
    assert result.exit_code == 0
    assert "loss: 60 points" in result.output and "by its name" in result.output


def test_a_role_is_corrected() -> None:
    Path("log.csv").write_text("step,loss,speed\n" + "".join(f"{i},1.0,0.{i}\n" for i in range(1, 9)))
    result = run("timeline", "log.csv", "--role", "lr=speed", "-f", "json")
    roles = {entry["tag"]: entry["role"] for entry in json.loads(result.output)["runs"][0]["roles"]}
    assert roles["speed"] == "learning_rate"
    Path("analyzer.toml").write_text('[roles]\nlearning_rate = "speed"\n')
    assert "speed: 8 points" in run("timeline", "log.csv").output


@pytest.mark.parametrize("width", ["40", "60", "100", "160"])
def test_timeline_fits_narrow_terminals(width: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", width)
    assert all(len(line) <= int(width) + 1 for line in run("timeline", "log.csv").output.splitlines())


def test_timeline_of_nothing() -> None:
    result = run("timeline", "gone.csv")
    assert result.exit_code == 2 and "gone.csv" in result.output


def test_plan_shows_every_reading() -> None:
    result = run("plan", "--dataset-size", "1000", "--batch-size", "32", "--epochs", "3", "-f", "json")
    readings = json.loads(result.output)["readings"]
    assert {reading["steps_per_epoch"] for reading in readings} == {31, 32}
    assert {reading["total_steps"] for reading in readings} == {93, 96}
    assert "last batch dropped" in run("plan", "--dataset-size", "1000", "--batch-size", "32").output


def test_plan_needs_something_to_reckon_with() -> None:
    result = run("plan", "--epochs", "3")
    assert result.exit_code == 2 and "--dataset-size" in result.output


def test_colours_only_where_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in run("check", "log.csv").output
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in run("check", "log.csv").output


def test_isolated_reads_no_configuration(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("step,loss\n" + "".join(f"{n},{5 - n / 20:.3f}\n" for n in range(1, 60)))
    (tmp_path / "analyzer.toml").write_text("[declared]\nbatch_size = 8\n[rules]\nignore = ['LOS']\n")
    shown = CliRunner().invoke(main, ["check", str(tmp_path), "--show-settings"]).output
    assert "declared batch_size = 8" in shown and "ignore: LOS" in shown
    isolated = CliRunner().invoke(main, ["check", str(tmp_path), "--isolated", "--show-settings"]).output
    assert "configuration: none" in isolated and "batch_size" not in isolated
    both = CliRunner().invoke(main, ["check", str(tmp_path), "--isolated", "--config", str(tmp_path / "analyzer.toml")])
    assert both.exit_code == 2 and "leave one of them out" in both.output


def test_the_cache_is_shown_and_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from analyzer.cache import own_folder, write_whole

    monkeypatch.setattr("platformdirs.user_cache_path", lambda *names, **more: tmp_path / "analyzer")
    folder = own_folder("audits")
    assert folder is not None
    write_whole(folder / "ab" / "abc", b"x" * 10)
    assert ": 1 file," in CliRunner().invoke(main, ["cache", "show"]).output
    assert CliRunner().invoke(main, ["cache", "clear"]).output.startswith("1 file removed")
    assert ": 0 files" in CliRunner().invoke(main, ["cache", "show"]).output


@pytest.mark.parametrize(
    ("typed", "offered"), [("analyzer che", "plain,check"), ("analyzer check --isol", "--isolated")]
)
def test_the_shell_completes_commands_and_options(typed: str, offered: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split()) - 1))
    monkeypatch.setenv("_ANALYZER_COMPLETE", "bash_complete")
    done = CliRunner().invoke(main, [], prog_name="analyzer")
    assert offered in done.output


@pytest.mark.parametrize("command", ["timeline", "compare", "repair", "export"])
@pytest.mark.parametrize("option", ["--select", "--ignore", "--baseline", "--against"])
def test_commands_that_check_no_rule_refuse_options_about_rules(command: str, option: str) -> None:
    told = run(command, "log.csv", option, "SCH002")
    said = re.sub("[:']", "", told.output)  # click 8.1 and later ones write it differently
    assert told.exit_code == 2 and f"No such option {option}" in said
