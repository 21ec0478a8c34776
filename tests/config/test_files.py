"""Configuration files: where they are found, how they add up, and what is said of a wrong one."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from analyzer.config.files import BadConfig, Settings, Silence, parsed, settings_for
from analyzer.model import Expectation, Finding


def parse(text: str) -> Settings:
    import tomllib

    return parsed(tomllib.loads(text), "analyzer.toml")


WRONG = {
    "declard = 1": "'declared'",
    "[declared]\nbatchsize = 1": "'batch_size'",
    "[rules]\nselct = []": "'select'",
    "[roles]\nlearning_rat = 'x'": "'learning_rate'",
    "[roles]\nlearning_rate = 3": "name of a tag",
    "declared = 3": "[declared]",
    "[rules]\nselect = 'ALL'": "list of codes",
    "[expect]\ntag = 'x'": "[[expect]]",
    "[[expect]]\nmin = 1": "tag",
    "[[expect]]\ntag = 'x'": "neither min nor max",
    "[[expect]]\ntag = 'x'\nmin = 'a'": "min must be a number",
    "[[expect]]\ntag = 'x'\nmin = true": "min must be a number",
    "[[expect]]\ntag = 'x'\nmin = 1\nat = 'middle'": "'middle'",
    "[[expect]]\ntag = 'x'\nmin = 1\nat = 'step = soon'": "soon",
    "[[expect]]\ntag = 'x'\nmin = 1\nmaxx = 2": "'max'",
    "[[silence]]\nreason = 'r'": "rule",
    "[[silence]]\nrule = 'EPO001'": "reason",
    "[[silence]]\nrule = 'EPO001'\nreason = ' '": "reason",
    "[[silence]]\nrule = 'EPO001'\nreason = 'r'\nsteps = [1]": "[first, last]",
    "[[silence]]\nrule = 'EPO001'\nreason = 'r'\nexpires = 'soon'": "2027-01-31",
    "[[silence]]\nrule = 'EPO001'\nreason = 'r'\nuntil = 2027-01-01": "unknown key 'until'",
}


@pytest.mark.parametrize(("text", "said"), WRONG.items())
def test_what_is_wrong_is_said_with_file_and_key(text: str, said: str) -> None:
    with pytest.raises(BadConfig) as caught:
        parse(text)
    assert said in str(caught.value) and str(caught.value).startswith("analyzer.toml")


@pytest.mark.parametrize(
    ("entry", "at", "place"),
    [
        ("", "end", None),
        ('at = "best"', "best", None),
        ('at = "step = 100"', "step", 100),
        ("at = { epoch = 3 }", "epoch", 3),
        ("step = 7", "step", 7),
        ("epoch = 1.5", "epoch", 1.5),
    ],
)
def test_expectations(entry: str, at: str, place: float | None) -> None:
    (found,) = parse(f'[[expect]]\ntag = "val/acc"\nmin = 0.5\n{entry}').expectations
    assert found == Expectation(tag="val/acc", at=at, place=place, minimum=0.5, found_in="analyzer.toml")  # type: ignore[arg-type]


def finding(code: str = "LOS001", first: int | None = 100, last: int | None = None) -> Finding:
    return Finding(severity="warning", message="", code=code, name="loss-spike", first_step=first, last_step=last)


TODAY = datetime.date(2026, 6, 1)


@pytest.mark.parametrize(
    ("silence", "known"),
    [
        (Silence(rule="LOS001", reason="r"), True),
        (Silence(rule="LOS", reason="r"), True),
        (Silence(rule="loss-spike", reason="r"), True),
        (Silence(rule="LOS002", reason="r"), False),
        (Silence(rule="LOS001", run="sweep/*", reason="r"), True),
        (Silence(rule="LOS001", run="other/*", reason="r"), False),
        (Silence(rule="LOS001", first_step=100, last_step=100, reason="r"), True),
        (Silence(rule="LOS001", first_step=101, last_step=200, reason="r"), False),
        (Silence(rule="LOS001", first_step=0, last_step=99, reason="r"), False),
        (Silence(rule="LOS001", expires=TODAY, reason="r"), True),  # the last day counts
        (Silence(rule="LOS001", expires=TODAY - datetime.timedelta(1), reason="r"), False),
    ],
)
def test_a_silence_covers_what_it_names(silence: Silence, known: bool) -> None:
    assert silence.covers("sweep/a", finding(), TODAY) is known


def test_a_silence_with_steps_covers_findings_that_reach_into_them() -> None:
    silence = Silence(rule="LOS", first_step=50, last_step=60, reason="r")
    assert silence.covers("x", finding(first=40, last=55), TODAY)
    assert silence.covers("x", finding(first=None), TODAY)
    assert not silence.covers("x", finding(first=61, last=70), TODAY)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def facts(settings: Settings) -> dict[str, object]:
    chosen: dict[str, object] = {}
    for fact in settings.facts:
        chosen.setdefault(fact.key, fact.value)
    return chosen


def test_files_add_up_from_the_run_upwards_until_the_repository_ends(tmp_path: Path) -> None:
    write(tmp_path / "analyzer.toml", "[declared]\nepochs = 99\nworld_size = 9\n")
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    write(tmp_path / "repo" / "pyproject.toml", "[tool.analyzer.declared]\nepochs = 5\nbatch_size = 6\n")
    write(tmp_path / "repo" / "runs" / "analyzer.toml", '[declared]\nepochs = 7\n[rules]\nignore = ["LOG008"]\n')
    settings = settings_for(tmp_path / "repo" / "runs" / "a")
    assert facts(settings) == {"epochs": 7, "batch_size": 6}
    assert settings.ignore == ("LOG008",)


def test_a_root_file_ends_the_search(tmp_path: Path) -> None:
    write(tmp_path / "analyzer.toml", "root = true\n[declared]\nepochs = 1\n")
    write(tmp_path / "a" / "analyzer.toml", "root = true\n[declared]\nbatch_size = 2\n")
    assert facts(settings_for(tmp_path / "a" / "b")) == {"batch_size": 2}


def test_a_pyproject_of_others_is_no_configuration(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    write(tmp_path / "pyproject.toml", "[tool.ruff]\nline-length = 3\n")
    assert settings_for(tmp_path) == Settings()
    with pytest.raises(BadConfig, match=r"no \[tool.analyzer\] table"):
        settings_for(tmp_path, tmp_path / "pyproject.toml")


@pytest.mark.parametrize(
    ("content", "said"), [(b"= = =", "not valid TOML"), (b"\xff\xfe", "not UTF-8"), (None, "no such file")]
)
def test_a_file_that_cannot_be_read(content: bytes | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "analyzer.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadConfig, match=said):
        settings_for(tmp_path, path)
