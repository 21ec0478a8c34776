"""A format that nobody knew: one file among the readers, and a folder of its logs is found, grouped, read and audited.

The reader is laid beside the others as its file would lie there; nothing else is told of it.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import analyzer.readers
from analyzer.cli import main

READER = '''
"""Logs of a program that writes ``@12 loss=0.5`` into files of its own suffix."""

import re
from pathlib import Path

import numpy as np

from analyzer.model import Source
from analyzer.readers import Peek, Reader, Reading
from analyzer.readers.columns import Dialect
from analyzer.readers.columns.entries import columns_of_entries
from analyzer.readers.columns.reading import interpret
from analyzer.regular_files import content_of

LINE = re.compile(rb"@([0-9]{1,15}) loss=([0-9.]+)\\n")


def parse(data: bytes, name: str) -> Reading:
    entries = [{"at": int(line[1]), "loss": float(line[2])} for line in LINE.finditer(data)]
    return interpret(
        columns_of_entries(entries),
        np.arange(len(entries)),
        problems=(),
        source=Source(path=name, format="at-lines", a_row="parcel"),
        dialect=Dialect(framework="ours", step_columns=("at",), counts="step"),
    )


READER = Reader(
    name="at-lines",
    title="our lines",
    recognises=lambda path, head: LINE.match(head) is not None,
    read=lambda path: parse(content_of(path), str(path)),
    parse=parse,
    recognised_by="an @ before the step",
    step="updates, from 1",
    epoch="none",
    learning_rate="none",
    priority=5,
    suffixes=(".ours",),
    peek=lambda head: Peek(first_step=float(LINE.match(head)[1])),
)
'''


@pytest.fixture
def a_new_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "readers"
    folder.mkdir()
    (folder / "at_lines.py").write_text(READER)
    monkeypatch.setattr(analyzer.readers, "__path__", [*analyzer.readers.__path__, str(folder)])
    importlib.invalidate_caches()
    forget()
    yield
    sys.modules.pop("analyzer.readers.at_lines", None)
    monkeypatch.undo()
    forget()


def forget() -> None:
    for kept in (analyzer.readers.all_readers, analyzer.readers.own_readers, analyzer.readers.suffixes):
        kept.cache_clear()


def log(first: int, last: int, start: float = 9.0) -> str:
    return "".join(f"@{step} loss={start - step / 20:.3f}\n" for step in range(first, last + 1))


def checked(*arguments: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(CliRunner().invoke(main, ["check", *arguments, "-f", "json"]).stdout)
    return found


@pytest.mark.usefixtures("a_new_reader")
def test_a_folder_of_its_logs_is_audited(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    for number in (1, 2):
        (logs / f"run_{number}").mkdir(parents=True)
        content = log(1, 60) + ("@61 loss=0.0\n@62 loss=0.0\n@63 loss=0.0\n" * (number == 2))
        (logs / f"run_{number}" / "progress.ours").write_text(content)
    (logs / "notes.ours").write_text("no log at all\n")
    report = checked(str(logs), "--select", "LOS005")
    assert [(run["name"], run["sources"][0]["format"]) for run in report["runs"]] == [  # type: ignore[index, attr-defined]
        ("run_1", "at-lines"), ("run_2", "at-lines")]  # fmt: skip
    found = [[one["evidence"][0]["row"] for one in run["findings"]] for run in report["runs"]]  # type: ignore[attr-defined]
    assert found[0] == [] and len(found[1]) == 1


@pytest.mark.usefixtures("a_new_reader")
def test_its_rows_have_its_name_and_its_file_is_listed(tmp_path: Path) -> None:
    (tmp_path / "run.ours").write_text(log(1, 60) + "@61 loss=0\n@62 loss=0\n@63 loss=0\n")
    text = CliRunner().invoke(main, ["check", str(tmp_path / "run.ours"), "--select", "LOS005"]).stdout
    assert "parcel" in text
    assert "our lines" in CliRunner().invoke(main, ["formats"]).stdout


def test_without_it_the_files_are_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "run.ours").write_text(log(1, 60))
    report = checked(str(tmp_path))
    assert not report["runs"]
