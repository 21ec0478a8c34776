"""Rules and readers of another package: a small one is laid out as an installer does, and found by the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

RULES = '''
"""The loss is above five.

What it checks
    Whether any loss is above 5.

Why it matters
    Ours never is.

When it is silent
    Without a loss.

What to do
    Look.
"""
from analyzer.model import Finding
from analyzer.rules import Rule, Unchecked


def check(timeline):
    loss = timeline.roles.first("loss")
    if loss is None:
        yield Unchecked(reason="no training loss in the log")
        return
    for index in (loss.value > 5).nonzero()[0][:1]:
        yield Finding(
            severity="error",
            message=f"{loss.tag} is {loss.value[index]:g} at step {loss.step[index]}",
            tag=loss.tag,
            first_step=int(loss.step[index]),
            evidence=(timeline.row(loss, int(index), "above 5"),),
        )


RULE = Rule(code="OWN001", name="loss-above-five", severity="error", check=check, help="look", sources=("us",))
TAKEN = Rule(code="LOS001", name="ours", severity="error", check=check, help="look", sources=("us",))
'''
READER = """
import re
from pathlib import Path

import numpy as np

from analyzer.model import Series, Source
from analyzer.readers import Reader, Reading

LINE = re.compile(rb"^@(\\d+) loss=(\\S+)$", re.M)


def read(path: Path) -> Reading:
    data = path.read_bytes()
    rows = [(n, int(m[1]), float(m[2])) for n, line in enumerate(data.splitlines(), 1) if (m := LINE.match(line))]
    row, step, value = (np.array(column) for column in zip(*rows))
    series = Series(
        tag="loss", step=step.astype(np.int64), value=value.astype(float), wall_time=np.full(len(step), np.nan),
        source=np.zeros(len(step), dtype=np.int32), row=row.astype(np.int64),
    )
    source = Source(path=str(path), format="at-lines", records=len(step), line_numbers=True)
    return Reading(source=source, series=(series,))


READER = Reader(
    name="at-lines", title="our lines", recognises=lambda path, head: LINE.match(head) is not None, read=read,
    recognised_by="an @ before the step", step="updates, from 1", epoch="none", learning_rate="none", priority=50,
)
"""
ENTRY_POINTS = """\
[console_scripts]
ours = ours:main

[analyzer.rules]
above = ours_rules
taken = ours_rules:TAKEN
gone = ours_nowhere:RULE
odd = ours_rules:check

[analyzer.readers]
at = ours_reader:READER
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Variables under which the small package is installed."""
    site = tmp_path / "site"
    (site / "ours-1.0.dist-info").mkdir(parents=True)
    (site / "ours-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: ours\nVersion: 1.0\n")
    (site / "ours-1.0.dist-info" / "entry_points.txt").write_text(ENTRY_POINTS)
    (site / "ours_rules.py").write_text(RULES)
    (site / "ours_reader.py").write_text(READER)
    paths = [str(site), str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "XDG_CACHE_HOME": str(tmp_path / "cache")}


def ran(arguments: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "analyzer", *arguments]
    return subprocess.run(command, check=False, env=environment, capture_output=True, text=True)


def test_a_rule_and_a_reader_of_another_package(tmp_path: Path, environment: dict[str, str]) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "train.log").write_text("".join(f"@{n} loss={9 - n / 10:.2f}\n" for n in range(1, 60)))
    report = json.loads(ran(["check", str(logs), "-f", "json"], environment).stdout)
    run = report["runs"][0]
    assert run["sources"][0]["format"] == "at-lines"
    found = next(one for one in run["findings"] if one["code"] == "OWN001")
    assert found["message"] == "loss is 8.9 at step 1" and found["evidence"][0]["row"] == 1
    left_out = "\n".join(report["notes"])
    assert "there is already a Rule with the code LOS001" in left_out
    assert "'gone' (ours_nowhere:RULE) is left out: ModuleNotFoundError" in left_out
    assert "'odd' (ours_rules:check) is left out: it is no Rule and has no RULE" in left_out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["rules"], "OWN001"),
        (["explain", "OWN001"], "Ours never is."),
        (["formats"], "our lines"),
        (["rules", "--help"], "Usage"),
    ],
)
def test_the_commands_that_list_know_them(arguments: list[str], says: str, environment: dict[str, str]) -> None:
    done = ran(arguments, environment)
    assert done.returncode == 0 and says in done.stdout, done.stderr


def test_without_such_a_package_nothing_is_imported_to_look(tmp_path: Path) -> None:
    probe = "import sys, analyzer.rules as r; r.catalogue(); print('importlib.metadata' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", probe], check=True, env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.strip() == "False", done.stderr


def test_an_own_rule_names_itself_in_the_page(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "log.csv").write_text("step,loss\n" + "".join(f"{n},{9 - n / 10:.2f}\n" for n in range(1, 60)))
    done = ran(["report", str(tmp_path / "log.csv"), "-q", "--no-figures", "-o", str(tmp_path / "r.html")], environment)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "r.html").read_text()
    assert 'id="rule-OWN001"' in page and "Ours never is." in page
