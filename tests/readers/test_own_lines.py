"""``[[line]]`` of a configuration: what nobody else knows, with units; refused where it cannot be followed."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.config.files import BadConfig, parsed
from analyzer.config.own_lines import OwnLine, own_line_of
from analyzer.discovery import discover, find_groups
from analyzer.explaining import explain
from analyzer.readers import own_lines

pytest.importorskip("re2")

MATCH = r"^\*\* (?P<step>[\d,]+) von \d+ <(?P<L>\S+)> t=(?P<elapsed>\d+)ms"
CONFIG = f"""root = true
[[line]]
match = '{MATCH}'
units = {{ step = "sample", elapsed = "ms" }}
tags = {{ L = "train/loss" }}
"""
TEXT = "Start\n" + "".join(f"** {at},000 von 90000 <{2 / at:.4f}> t={at * 1500}ms\n" for at in range(1, 21))


def made(folder: Path, config: str = CONFIG, text: str = TEXT) -> Path:
    (folder / "analyzer.toml").write_text(config)
    (folder / "mine.log").write_text(text)
    return folder


def test_a_log_that_nobody_knows_is_read_with_its_units(tmp_path: Path) -> None:
    (run,) = discover([made(tmp_path)]).runs
    assert (run.sources[0].format, run.sources[0].step_axis) == ("own-lines", "samples")
    series = run.views[0].series
    assert series["train/loss"].step.tolist()[:2] == [1000, 2000]
    assert series["train/loss"].row[0] == 2
    assert series["elapsed"].value[0] == 1.5
    explained = explain(tmp_path / "mine.log")
    assert explained.reader == "own-lines"
    assert [kind.lines for kind in explained.passed_over] == [((1, "Start"),)]


def test_it_counts_for_the_files_that_it_is_about(tmp_path: Path) -> None:
    made(tmp_path, CONFIG + 'files = "other*.log"\n')
    assert not discover([tmp_path]).runs
    (tmp_path / "other.log").write_text(TEXT)
    assert [Path(run.sources[0].path).name for run in discover([tmp_path]).runs] == ["other.log"]


def test_a_chosen_configuration_and_none(tmp_path: Path) -> None:
    made(tmp_path)
    assert not discover([tmp_path], isolated=True).runs
    elsewhere = tmp_path / "elsewhere.toml"
    elsewhere.write_text(CONFIG.replace("von", "of"))
    assert not discover([tmp_path], config=elsewhere).runs


def test_every_reader_comes_behind_it(tmp_path: Path) -> None:
    text = "".join(f"step {at} loss {2 / at:.4f}\n" for at in range(1, 21))
    (run,) = discover(
        [made(tmp_path, "root = true\n[[line]]\nmatch = 'step (?P<epoch>\\d+) loss (?P<loss>\\S+)'\n", text)]
    ).runs
    assert run.sources[0].step_axis == "epoch"


def test_a_group_that_holds_no_number_is_named(tmp_path: Path) -> None:
    made(tmp_path, text=TEXT.replace("<0.5000>", "<n.a.>"))
    (run,) = discover([tmp_path]).runs
    assert [problem.row for problem in run.problems] == [5]
    assert "n.a." in run.problems[0].message


def test_times_are_absolute(tmp_path: Path) -> None:
    line = OwnLine(match=r"^(?P<at>\S+ \S+) s(?P<step>\d+) (?P<loss>\S+)$", units=(("step", "update"), ("at", "time")))
    text = "".join(f"2024-05-01 10:00:{at:02d} s{at} {1 / at:.3f}\n" for at in range(1, 9))
    (loss,) = own_lines.parse(text.encode(), "x.log", [line]).series
    assert loss.wall_time[1] - loss.wall_time[0] == 1


def test_cut_at_every_byte_no_value_is_invented(tmp_path: Path) -> None:
    line = own_line_of({"match": MATCH, "units": {"step": "sample"}}, "x")
    data = TEXT.encode()
    whole = {(s.tag, v) for s in own_lines.parse(data, "x.log", [line]).series for v in s.value.tolist()}
    for end in range(len(data)):
        for one in own_lines.parse(data[:end], "x.log", [line]).series:
            assert {(one.tag, value) for value in one.value.tolist()} <= whole


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({}, "needs match"),
        ({"match": "step (\\d+)"}, "no named group"),
        ({"match": "(?P<a>x)(?=y)"}, "look-around"),
        ({"match": "(?P<a>["}, "look-around"),
        ({"match": "(?P<a>x)", "units": {"b": "update"}}, "a group 'b' that the expression has not; its groups: a"),
        ({"match": "(?P<step>x)", "units": {"stp": "update"}}, "did you mean 'step'?"),
        ({"match": "(?P<a>x)", "units": {"a": "lightyear"}}, "no unit 'lightyear'; units: update"),
        ({"match": "(?P<a>x)", "units": {"a": "updates"}}, "did you mean 'update'?"),
        ({"match": "\b(?P<a>x)"}, "where \\b was meant: write it between single quotes"),
        ({"match": "(?P<a>\\d)(?=y)"}, "[[line]] '(?P<a>\\d)(?=y)'"),
        ({"match": "(?P<a>x)", "units": ["a"]}, "must be a table"),
        ({"match": "(?P<a>x)", "files": 3}, "glob"),
        ({"match": "(?P<a>x)", "unit": {"a": "update"}}, "did you mean 'units'"),
    ],
)
def test_what_cannot_be_followed_is_refused_when_it_is_read(entry: dict[str, object], said: str) -> None:
    with pytest.raises(BadConfig, match=r"(?s)") as error:
        parsed({"line": [entry]}, "analyzer.toml")
    assert said in str(error.value)


def test_a_refused_expression_is_told_where_no_log_is_found(tmp_path: Path) -> None:
    made(tmp_path, CONFIG.replace('"sample"', '"lightyear"'))
    (problem,) = find_groups([tmp_path]).unreadable
    assert "lightyear" in problem.message


def test_repeats_inside_repeats_take_linear_time(tmp_path: Path) -> None:
    line = own_line_of({"match": r"^(?P<loss>(?:a+)+)$"}, "x")
    assert own_lines.parse((("a" * 9_000 + "b\n") * 20).encode(), "x.log", [line]).problems  # forever in Python's own


@pytest.mark.parametrize(
    ("configuration", "said"),
    [
        ("match = 'iter (?P<step>\\d+)'", "[[line]] 'iter (?P<step>\\d+)' of {0}/analyzer.toml matches no line"),
        ("match = '(?P<a>x)'\nfiles = '*.txt'", "are about other files (files = '*.txt')"),
        ('match = "(?P<step>\\d+)"', "between single quotes a backslash is itself"),
    ],
)
def test_an_expression_that_reads_nothing_is_told(tmp_path: Path, configuration: str, said: str) -> None:
    (tmp_path / "out.log").write_text("it 1 L 2.31\nit 2 L 2.11\n")
    (tmp_path / "analyzer.toml").write_text(f"[[line]]\n{configuration}\n")
    found = find_groups([tmp_path / "out.log"])
    assert not found.groups
    assert said.format(tmp_path) in found.unreadable[0].message
