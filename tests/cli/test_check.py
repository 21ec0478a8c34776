"""``analyzer check`` as a user types it: exit codes, outputs, bad input, silences, baseline."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from analyzer.cli import main
from tests.cli.fake_rules import install, log_text


@pytest.fixture(autouse=True)
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder that no configuration lies above, and rules that are known."""
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    install(monkeypatch)


def log(path: str, spike: float = 7.0) -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(log_text(spike))
    return file


def check(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["check", *arguments])


@pytest.mark.parametrize(
    ("spike", "fail_on", "code"),
    [
        (0.5, "note", 0),
        (0.95, "note", 1),
        (0.95, "warning", 0),
        (7.0, "warning", 1),
        (7.0, "error", 0),
        (700.0, "error", 1),
        (700.0, "never", 0),
    ],
)
def test_exit_code_follows_the_gravest_finding(spike: float, fail_on: str, code: int) -> None:
    log("run/log.csv", spike)
    assert check("run", "--fail-on", fail_on).exit_code == code


def test_a_warning_fails_by_default() -> None:
    log("run/log.csv")
    result = check("run")
    assert result.exit_code == 1
    assert "warning[LOS001] loss-spike: loss is 7 at step 31" in result.output
    assert "run/log.csv:32" in result.output
    assert "\x1b" not in result.output  # no colours when piped


BAD_INPUT = {
    "a path that does not exist": (lambda: None, "gone/log.csv", "gone/log.csv"),
    "an empty file": (lambda: Path("x.csv").write_bytes(b""), "x.csv", "empty"),
    "a folder without logs": (lambda: Path("x").mkdir(), "x", "no training log"),
    "binary garbage": (lambda: Path("x.csv").write_bytes(bytes(range(256)) * 64), "x.csv", "x.csv"),
    "zero bytes": (lambda: Path("x.csv").write_bytes(b"\0" * 4096), "x.csv", "x.csv"),
    "an event file of garbage": (lambda: Path("events.out.tfevents.1.h").write_bytes(b"\x07" * 999), ".", "tfevents"),
    "a header without rows": (lambda: Path("x.csv").write_text("step,loss\n"), "x.csv", "x.csv"),
    "text that is no table": (lambda: Path("x.csv").write_text("dear diary\ntoday I trained\n"), "x.csv", "x.csv"),
    "broken JSON": (
        lambda: Path("trainer_state.json").write_text('{"log_history": [{"loss'),
        ".",
        "trainer_state.json",
    ),
}


@pytest.mark.parametrize(("make", "path", "said"), BAD_INPUT.values(), ids=BAD_INPUT)
def test_bad_input_is_one_clear_line_and_exit_code_2(make, path: str, said: str) -> None:  # type: ignore[no-untyped-def]
    make()
    result = check(path)
    assert result.exit_code == 2, result.output
    assert said in result.output and "Traceback" not in result.output
    assert "not read" in result.output and "internal error" not in result.output
    assert len(result.output.strip().splitlines()) <= 3


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_named() -> None:
    log("x.csv").chmod(0)
    result = check("x.csv")
    assert result.exit_code == 2 and "permission" in result.output.lower()


def test_what_can_be_read_is_audited_and_the_rest_is_in_the_report() -> None:
    log("good/log.csv")
    result = check("good", "gone", "--format", "json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert len(report["runs"]) == 1
    assert [problem["path"] for problem in report["unreadable"]] == ["gone"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--declare", "dataset_sise=5"], "'dataset_size'"),
        (["run", "--declare", "dataset_size"], "KEY=VALUE"),
        (["run", "--select", "LOS0001"], "'LOS001'"),
        (["run", "--role", "learning_rat=lr"], "'learning_rate'"),
        (["run", "--format", "sarfi"], "'sarif'"),
        (["run", "--config", "none.toml"], "none.toml"),
        (["run", "--baseline", "none.json"], "`--baseline none.json --write-baseline` writes it"),
        (["run", "-o", "pdf:foo.pdf"], "-o pdf:foo.pdf: there is no format 'pdf'"),
        (["run", "-o", "no/such/folder/out.json"], "no/such/folder/out.json"),
        (["run", "-o", "a.txt", "-o", "b.txt"], "sarif:out.sarif"),
        (["run", "--fail-on", "panic"], "panic"),
        ([], "PATH"),
    ],
)
def test_a_wrong_option_says_what_is_right_and_exits_with_2(arguments: list[str], said: str) -> None:
    log("run/log.csv")
    result = check(*arguments)
    assert result.exit_code == 2 and said in result.output and "Traceback" not in result.output


def test_a_bug_of_ours_does_not_look_like_findings(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("analyzer.checking.find_groups", broken)
    result = check("run")
    assert result.exit_code == 2 and "please report" in result.output


def test_several_outputs_at_once() -> None:
    log("run/log.csv")
    result = check("run", "-o", "sarif:out.sarif", "-o", "junit:out.xml", "-o", "json:out.json")
    assert "LOS001" in result.output  # the terminal still tells
    assert json.loads(Path("out.sarif").read_text())["version"] == "2.1.0"
    assert Path("out.xml").read_text().startswith("<?xml")
    assert json.loads(Path("out.json").read_text())["schema"] == "analyzer-report/1"
    assert sorted(path.name for path in Path().iterdir() if path.is_file()) == ["out.json", "out.sarif", "out.xml"]


def test_one_output_takes_its_format_from_its_name() -> None:
    log("run/log.csv")
    result = check("run", "-o", "out.sarif")
    assert result.output == "" and json.loads(Path("out.sarif").read_text())["version"] == "2.1.0"


def test_an_output_is_replaced_as_a_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    log("run/log.csv")
    Path("out.json").write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    result = check("run", "-o", "out.json")
    assert result.exit_code == 2 and "no space left" in result.output
    assert Path("out.json").read_text() == "old" and not list(Path().glob(".out*"))


def test_select_and_ignore() -> None:
    log("run/log.csv", 700.0)
    codes = {
        f["code"]
        for f in json.loads(check("run", "-f", "json", "--select", "LOS001,LOS008").stdout)["runs"][0]["findings"]
    }
    assert codes == {"LOS001", "LOS008"}
    codes = {
        f["code"] for f in json.loads(check("run", "-f", "json", "--ignore", "LOS002").stdout)["runs"][0]["findings"]
    }
    assert codes == {"LOS001", "LOS008"}


def test_declared_facts_strongest_first() -> None:
    log("run/deep/log.csv")
    Path("analyzer.toml").write_text("[declared]\nepochs = 1\nbatch_size = 2\ndataset_size = 3\n")
    Path("run/analyzer.toml").write_text("[declared]\nepochs = 10\nbatch_size = 20\n")
    facts = json.loads(check("run", "-f", "json", "-d", "epochs=100").stdout)["runs"][0]["declared"]
    assert {key: fact["value"] for key, fact in facts.items()} == {"epochs": 100, "batch_size": 20, "dataset_size": 3}
    assert facts["epochs"]["from"] == "--declare" and facts["batch_size"]["from"].endswith("run/analyzer.toml")


SILENCE = '[[silence]]\nrule = "LOS001"\nreason = "a known bad batch"\n'


def test_a_silenced_finding_does_not_fail_and_is_counted() -> None:
    log("run/log.csv")
    Path("analyzer.toml").write_text(SILENCE)
    result = check("run")
    assert result.exit_code == 0 and "1 silenced" in result.output and "warning[LOS001]" not in result.output
    assert "a known bad batch" not in result.output
    assert "silenced" in check("run", "-v").output


@pytest.mark.parametrize(
    ("entry", "code", "stale"),
    [
        ('run = "run"', 0, False),
        ('run = "other*"', 1, False),  # covers no run of this audit: nothing to say about it
        ("steps = [31, 31]", 0, False),
        ("steps = [100, 200]", 1, True),
        ("expires = 2999-01-01", 0, False),
        ("expires = 2001-01-01", 1, True),
    ],
)
def test_a_silence_has_its_bounds(entry: str, code: int, stale: bool) -> None:
    log("run/log.csv")
    Path("analyzer.toml").write_text(SILENCE + entry)
    result = check("run")
    assert result.exit_code == code
    assert ("silences nothing any more" in result.output) is stale


def test_a_silence_that_silences_nothing_any_more_is_reported() -> None:
    log("run/log.csv", 0.5)
    Path("analyzer.toml").write_text(SILENCE)
    result = check("run")
    assert result.exit_code == 0 and "silences nothing any more" in " ".join(result.output.split())
    assert json.loads(check("run", "-f", "json").stdout)["notes"]


def test_a_baseline_lets_only_new_findings_count() -> None:
    log("run/log.csv")
    assert check("run", "--write-baseline", "--baseline", "known.json").exit_code == 0
    assert check("run", "--baseline", "known.json").exit_code == 0
    log("run/log.csv", 700.0)
    result = check("run", "--baseline", "known.json")
    assert result.exit_code == 1 and "LOS002" in result.output and "warning[LOS001]" not in result.output


def test_a_known_finding_that_is_gone_is_reported() -> None:
    log("run/log.csv")
    check("run", "--write-baseline")
    log("run/log.csv", 0.5)
    result = check("run", "--baseline", "analyzer-baseline.json")
    assert result.exit_code == 0 and "known findings are gone" in " ".join(result.output.split())


def test_github_appends_a_step_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    log("run/log.csv")
    Path("summary.md").write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    result = check("run", "-f", "github")
    assert result.output.startswith("::warning file=run/log.csv,line=32,title=LOS001 loss-spike::")
    assert Path("summary.md").read_text().startswith("before\n## analyzer: 1 warning")


def test_statistics_and_quiet() -> None:
    log("a/log.csv")
    log("b/log.csv")
    assert "2  warning  LOS001 loss-spike (in 2 runs)" in check(".", "--statistics").output
    quiet = check(".", "-q").output
    assert quiet.startswith("warning[LOS001]") and "2 warnings" not in quiet


def test_many_runs_in_several_processes_give_the_same_report() -> None:
    for name in "abcdef":
        log(f"{name}/log.csv", 700.0 if name == "c" else 7.0)
    alone = CliRunner().invoke(main, ["check", ".", "-f", "json", "--jobs", "1"])
    together = CliRunner().invoke(main, ["check", ".", "-f", "json", "--jobs", "2"])
    one, two = json.loads(alone.stdout), json.loads(together.stdout)
    assert [run["name"] for run in one["runs"]] == [run["name"] for run in two["runs"]] == list("abcdef")
    assert alone.exit_code == together.exit_code == 1


def test_runs_of_one_name_are_told_apart() -> None:
    log("a/logs/log.csv")
    log("b/logs/log.csv")
    names = [run["name"] for run in json.loads(check("a/logs", "b/logs", "-f", "json").stdout)["runs"]]
    assert len(set(names)) == 2


def golden(path: str, rate: float) -> None:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = [f"{step},{round(1 / (1 + step / 60), 4)},{rate}" for step in range(1, 61)]
    file.write_text("\n".join(["step,loss,lr", *rows]) + "\n")


def test_a_run_is_held_against_its_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    from analyzer.rules.configuration.reference_departed import RULE

    install(monkeypatch, (RULE,))
    golden("run/log.csv", 0.1)
    golden("golden/same/log.csv", 0.1)
    golden("golden/run/log.csv", 0.25)
    assert check("run").exit_code == 0
    assert check("run", "--against", "golden/same").exit_code == 0
    result = check("run", "--against", "golden")  # a folder of references: the one of the run's name
    assert result.exit_code == 1 and "the learning rate is 0.1 at step 1 where the reference has 0.25" in " ".join(
        result.output.split()
    )
    Path("analyzer.toml").write_text('against = "golden/run"')
    assert check("run").exit_code == 1
    assert check("run", "--against", "golden/same").exit_code == 0  # the option is stronger


@pytest.mark.parametrize(("path", "said"), [("gone", "--against gone: no such file"), ("golden", "'run'")])
def test_a_reference_that_is_not_there_is_a_wrong_configuration(path: str, said: str) -> None:
    log("run/log.csv")
    log("golden/a/log.csv")
    log("golden/b/log.csv")
    result = check("run", "--against", path)
    assert result.exit_code == 2 and said in result.output
