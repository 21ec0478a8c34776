"""The same logs give the same bytes, whatever the machine, the day and the number of processes are like."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
FORMATS = ("json", "sarif", "junit", "gitlab", "github", "markdown", "terminal", "concise")
# A folder lists its entries in the order of the disk; here they come backwards.
BACKWARDS = """
import os

def backwards(scandir):
    class Entries:
        def __init__(self, path="."):
            with scandir(path) as found:
                self.entries = iter(list(found)[::-1])
        def __iter__(self):
            return self.entries
        def __next__(self):
            return next(self.entries)
        def __enter__(self):
            return self
        def __exit__(self, *_):
            pass
        def close(self):
            pass
    return Entries

listdir = os.listdir
os.scandir = backwards(os.scandir)
os.listdir = lambda path=".": listdir(path)[::-1]
"""
RUN = "from analyzer.cli import main; main()"
EVERYTHING = ["check", "fixtures", "--no-cache", "--fail-on", "never", "-v"]
PAGE = ["report", "fixtures/runs/transformers-resumed", "fixtures/runs/keras-resumed", "--no-cache", "-o", "out.html"]

VARIATIONS: dict[str, tuple[dict[str, str], str, list[str]]] = {
    # environment, code that runs before, further options
    "several processes": ({}, "", ["--jobs", "2"]),
    "another locale and time zone": ({"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "TZ": "Asia/Kathmandu"}, "", []),
    "no locale": ({"LC_ALL": "C", "LANG": "C", "TZ": "America/New_York"}, "", []),
    "another hash seed and folders listed backwards": ({"PYTHONHASHSEED": "12345"}, BACKWARDS, []),
}


def written(folder: Path, environment: dict[str, str], before: str, more: list[str]) -> dict[str, bytes]:
    """Every output format of an audit of the fixtures, and the page of two runs with its pictures."""
    folder.mkdir()
    (folder / ".git").mkdir()
    (folder / "fixtures").symlink_to(FIXTURES)
    outputs = [part for name in FORMATS for part in ("-o", f"{name}:out.{name}")]
    known = {"PYTHONHASHSEED": "0", "TZ": "UTC", "COLUMNS": "100"}
    for command in ([*EVERYTHING, *outputs], PAGE):
        subprocess.run(
            [sys.executable, "-c", before + RUN, *command, *more],
            cwd=folder,
            env={**os.environ, **known, **environment},
            capture_output=True,
            check=True,
        )
    found = {name: (folder / f"out.{name}").read_bytes() for name in (*FORMATS, "html")}
    assert len(json.loads(found["json"])["runs"]) > 40
    return found


@pytest.fixture(scope="module")
def as_ever(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return written(tmp_path_factory.mktemp("same") / "folder", {}, "", [])


@pytest.mark.parametrize(("environment", "before", "more"), VARIATIONS.values(), ids=VARIATIONS)
def test_the_same_bytes(
    environment: dict[str, str], before: str, more: list[str], as_ever: dict[str, bytes], tmp_path: Path
) -> None:
    found = written(tmp_path / "folder", environment, before, more)
    different = [name for name in found if found[name] != as_ever[name]]
    assert not different
