"""One bad file, name or folder costs itself: it is named, and the log beside it is audited."""

from __future__ import annotations

import bz2
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from analyzer import discovery
from analyzer.cli import main
from analyzer.discovery import discover
from analyzer.walking import natural

SOUND = "step,loss\n" + "".join(f"{step},{2 - step / 40}\n" for step in range(1, 40))
Make = Callable[[Path], object]

VARINT = bytes.fromhex("0500000000000000eab2043e288084af5f9e4c4cf1")  # 200,000,000 where a message should be
ALIASES = "a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
PRINTED = "".join(f"epoch {n}: loss: 0.{n}\n" for n in range(10, 20)) + f"step {'9' * 5000}: loss: 1\n"

# what lies beside a sound log -> what is said of it ("" where there is nothing to say)
BESIDE: dict[str, tuple[Make, str]] = {
    "only a byte order mark": (lambda at: (at / "x.txt").write_bytes(b"\xef\xbb\xbf"), ""),
    "an empty UTF-16 text": (lambda at: (at / "train.log").write_bytes(b"\xff\xfe\r\0\n\0"), ""),
    "a mark and a line end": (lambda at: (at / "log.json").write_bytes(b"\xef\xbb\xbf\n"), ""),
    "lists inside one another": (lambda at: (at / "a.log").write_text("[" * 100_000), ""),
    "objects inside one another": (lambda at: (at / "a.json").write_text('{"a":' * 100_000), ""),
    "a number without an end": (lambda at: (at / "events.out.tfevents.1.h").write_bytes(VARINT), ""),
    "aliases that multiply": (lambda at: (at / "hparams.yaml").write_text(ALIASES), "more than 200,000 values"),
    "a nested side file": (lambda at: (at / "config.json").write_text("[" * 100_000), "nested too deeply"),
    "a long side file": (lambda at: (at / "config.yaml").write_text("- 1\n" * 300_000), "more than 1,000,000 bytes"),
    "an archive of nothing but zeros": (
        lambda at: (at / "big.csv.bz2").write_bytes(bz2.compress(b"0,0\n" * 5_000_000)),
        "unpacks to more than 16,777,216 bytes",
    ),
    "a pipe": (lambda at: os.mkfifo(at / "train.log"), "never opened"),
    "a pipe named as a side file": (lambda at: os.mkfifo(at / "hparams.yaml"), "never opened"),
    "a long integer": (lambda at: (at / "train.log").write_text(PRINTED), "line with a number of more than 309 digits"),
    "a link to itself": (lambda at: os.symlink("loop.csv", at / "loop.csv"), "levels of symbolic links"),
}


@pytest.mark.parametrize(("make", "said"), BESIDE.values(), ids=BESIDE.keys())
def test_it_costs_itself(tmp_path: Path, make: Make, said: str) -> None:
    (tmp_path / "metrics.csv").write_text(SOUND)
    make(tmp_path)
    found = discover([tmp_path])
    series = [one for run in found.runs for view in run.views for one in view.series.values()]
    assert any(len(one) == 39 and one.value[0] == 1.975 for one in series)
    told = [problem.message for problem in (*found.unreadable, *(one for run in found.runs for one in run.problems))]
    assert any(said in one for one in told) if said else not told


NAMES = ["②", "１", "٣", "run²", "a\nb", "-o", "x" * 250, "\udcff", "version_" + "9" * 200]


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    for folder in (name, "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "metrics.csv").write_text(SOUND)
    assert len(discover([tmp_path]).runs) == 2


def test_names_have_one_order() -> None:
    names = ["a", "a1", "a01", "a2", "a10", "a²", "٣", "b", ""]
    backwards = names[::-1]
    assert sorted(names, key=natural) == sorted(backwards, key=natural)
    assert sorted(["v10", "v9", "v"], key=natural) == ["v", "v9", "v10"]


def test_a_file_that_goes_while_the_tree_is_walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(SOUND)

    def look(path: Path, head: bytes) -> None:
        (tmp_path / "b.csv").unlink(missing_ok=True)
        return original(path, head)

    original = discovery.reader_for
    monkeypatch.setattr("analyzer.walking.reader_for", look)
    found = discover([tmp_path])
    assert len(found.runs) == 1
    assert [problem.message for problem in found.unreadable] == ["no such file or folder; check the path"]


@pytest.mark.parametrize("place", ["analyzer.walking.reader_for", "analyzer.walking._peek", "analyzer.discovery.join"])
def test_an_error_inside_costs_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.csv").write_text(SOUND)
    calls = iter([True])
    module, name = place.rsplit(".", 1)
    original = getattr(__import__(module, fromlist=[name]), name)

    def fails_once(*arguments: object) -> object:
        if next(calls, False):
            raise TypeError("a bug")
        return original(*arguments)

    monkeypatch.setattr(place, fails_once)
    found = discover([tmp_path])
    assert len(found.runs) == 1
    assert [problem.message for problem in found.unreadable] == ["internal error, please report it: TypeError: a bug"]


def test_an_error_inside_a_side_file_costs_that_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "metrics.csv").write_text(SOUND)
    (tmp_path / "hparams.yaml").write_text("epochs: 3\n")

    def fails(*_: object) -> None:
        raise TypeError("a bug")

    monkeypatch.setattr("analyzer.config.sidecars.facts_of_file", fails)
    (run,) = discover([tmp_path]).runs
    told = [(Path(problem.source).name, problem.message) for problem in run.problems]
    assert told == [("hparams.yaml", "internal error, please report it: TypeError: a bug")]


TINY = {
    "gradient norms only": {"grad_norm": [1.0 + step / 10 for step in range(40)]},
    "losses near the largest double": {"loss": [1e308] * 40},
    "losses that go to and fro between them": {"loss": [1.7e308, -1.7e308] * 20, "lr": [1e308, 1e-308] * 20},
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("columns", TINY.values(), ids=TINY.keys())
def test_there_is_a_page_where_there_is_nothing_to_draw(tmp_path: Path, columns: dict[str, list[float]]) -> None:
    rows = zip(range(40), *columns.values(), strict=True)
    lines = [",".join(("step", *columns)), *(",".join(map(repr, row)) for row in rows)]
    (tmp_path / "metrics.csv").write_text("\n".join(lines) + "\n")
    result = CliRunner().invoke(main, ["report", str(tmp_path), "-o", str(tmp_path / "page.html")])
    assert result.exit_code in (0, 1), result.output
    assert "metrics.csv" in (tmp_path / "page.html").read_text()
