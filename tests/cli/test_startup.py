"""What each command imports: start-up time is a list of modules, not a stopwatch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.fake_rules import log_text

HEAVY = (
    "pandas",
    "scipy",
    "matplotlib",
    "tensorboard",
    "google.protobuf",
    "jinja2",
    "rich",
    "yaml",
    "pyarrow",
    "xml.etree",
    "asyncio",
    "multiprocessing",
)
FOR_OTHER_FILES = (  # than a small table
    "logging",
    "concurrent.futures",
    "socket",
    "tempfile",
    "tomllib",
    "difflib",
    "analyzer.readers.csv_table.large",
    "analyzer.readers.stdout.patterns",
    "analyzer.readers.stdout.general",
    "analyzer.explaining",
    "analyzer.readers.stdout.programs",
    "analyzer.readers.tfevents.file",
)
PROBE = """
import json, sys
from analyzer.cli import main
try:
    main(args={arguments!r}, standalone_mode=True)
except SystemExit:
    pass
print("\\n" + json.dumps(sorted(sys.modules)))
"""


def modules_after(arguments: list[str], folder: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(arguments=arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "log.csv").write_text(log_text())
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "also_not"),
    [
        (["--help"], ("numpy",)),
        (["--version"], ("numpy",)),
        (["check", "--help"], ("numpy",)),
        (["plan", "--help"], ("numpy",)),
        (["check", "--no-cache", "log.csv"], FOR_OTHER_FILES),
        (["check", "log.csv"], ()),
        (["check", "log.csv", "-f", "json"], ()),
        (["check", "log.csv", "-f", "sarif"], ()),
        (["check", "log.csv", "-f", "github"], ()),
        (["check", "."], ()),
        (["timeline", "log.csv"], ()),
        (["rules"], ()),
        (["explain", "LOS001"], ()),
        (["plan", "--dataset-size", "100", "--batch-size", "3"], ()),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_nothing_heavy_is_imported(arguments: list[str], also_not: tuple[str, ...], folder: Path) -> None:
    loaded = modules_after(arguments, folder)
    heavy = [name for name in (*HEAVY, *also_not) if any(one == name or one.startswith(f"{name}.") for one in loaded)]
    assert not heavy


def test_a_command_imports_no_other_command(folder: Path) -> None:
    loaded = modules_after(["check", "log.csv"], folder)
    assert {name for name in loaded if name.startswith("analyzer.cli.")} == {"analyzer.cli.check"}
