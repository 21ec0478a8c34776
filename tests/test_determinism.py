"""The same logs give the same bytes, whatever the machine, the day and the number of processes are like."""

from __future__ import annotations

import json
import os
import re
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
RUN = """
import contextlib, json, sys
from analyzer.cli import main

for command in json.loads(sys.argv[1]):
    with contextlib.suppress(SystemExit):
        main(command)
"""
RESUMED, RESUMED_TOO = "fixtures/runs/transformers-resumed", "fixtures/runs/keras-resumed"
COMMANDS = [  # of every one that writes, its files; what goes to the terminal is compared as well
    [*("check", "fixtures", "--fail-on", "never", "-v"), *(p for f in FORMATS for p in ("-o", f"{f}:out.{f}"))],
    ["check", RESUMED, "--write-baseline", "--baseline", "out.baseline"],
    ["report", RESUMED, RESUMED_TOO, "-o", "out.html"],
    ["plot", RESUMED, "-o", "out.png"],
    ["plot", RESUMED, "-o", "out.svg", "--kind", "schedule"],
    ["plot", RESUMED, "-o", "out.pdf", "--kind", "resume"],
    ["export", RESUMED, RESUMED_TOO, "-o", "out.csv"],
    ["export", RESUMED, RESUMED_TOO, "-o", "out.parquet"],
    ["compare", "fixtures/compare/batch-16", "fixtures/compare/batch-64", "-o", "out.compared.html"],
    ["timeline", RESUMED, RESUMED_TOO],
    ["repair", "replayed.csv", "-o", "out.repaired"],
    ["plan", "--dataset-size", "1000", "--batch-size", "32", "--epochs", "3"],
    ["rules"],
    ["formats"],
    ["explain", "SCH002"],
    ["watch", RESUMED, "--every", "0.05", "--idle", "0"],
]
WITH_JOBS = ("check", "report", "plot", "watch")

VARIATIONS: dict[str, tuple[dict[str, str], str, list[str]]] = {
    # environment, code that runs before, further options
    "several processes": ({}, "", ["--jobs", "2"]),
    "another locale and time zone": ({"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "TZ": "Asia/Kathmandu"}, "", []),
    "no locale": ({"LC_ALL": "C", "LANG": "C", "TZ": "America/New_York"}, "", []),
    "another hash seed and folders listed backwards": ({"PYTHONHASHSEED": "12345"}, BACKWARDS, []),
}


def written(folder: Path, environment: dict[str, str], before: str, more: list[str]) -> dict[str, bytes]:
    """Every file that a command writes, and what the commands print, times of day left out."""
    folder.mkdir()
    (folder / ".git").mkdir()
    (folder / "fixtures").symlink_to(FIXTURES)
    replayed = "".join(f"{step},{1 / step:.5f}\n" for step in (*range(1, 60), *range(40, 90)))
    (folder / "replayed.csv").write_text("step,loss\n" + replayed)
    known = {"PYTHONHASHSEED": "0", "TZ": "UTC", "COLUMNS": "100", "XDG_CACHE_HOME": str(folder / "cache")}
    commands = [[*one, *more] if one[0] in WITH_JOBS else one for one in COMMANDS]
    done = subprocess.run(
        [sys.executable, "-c", before + RUN, json.dumps(commands)],
        cwd=folder,
        env={**os.environ, **known, **environment},
        capture_output=True,
        check=True,
    )
    assert b"Error" not in done.stderr, done.stderr.decode()
    files = [path for path in sorted(folder.rglob("out.*")) if path.is_file()]
    files += sorted(path for path in folder.glob("out.repaired/**/*") if path.is_file())
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
    found["printed"] = re.sub(rb"\b\d\d:\d\d:\d\d ", b"", done.stdout)
    assert len(json.loads(found["out.json"])["runs"]) > 40 and len(found) > len(FORMATS) + 9
    return found


@pytest.fixture(scope="module")
def as_ever(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return written(tmp_path_factory.mktemp("same") / "folder", {}, "", [])


@pytest.mark.parametrize(("environment", "before", "more"), VARIATIONS.values(), ids=VARIATIONS)
def test_the_same_bytes(
    environment: dict[str, str], before: str, more: list[str], as_ever: dict[str, bytes], tmp_path: Path
) -> None:
    found = written(tmp_path / "folder", environment, before, more)
    different = [name for name in found if found[name] != as_ever.get(name)]
    assert not different and set(found) == set(as_ever)
