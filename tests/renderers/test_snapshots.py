"""What people and tools read, word for word. ``UPDATE_SNAPSHOTS=1 pytest`` rewrites the files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from analyzer.renderers import Look, renderer_named
from tests.renderers.reports import lifelike

SNAPSHOTS = Path(__file__).parent / "snapshots"
CASES = {
    "terminal-100.txt": ("terminal", Look(width=100)),
    "terminal-60.txt": ("terminal", Look(width=60)),
    "terminal-verbose.txt": ("terminal", Look(width=100, verbose=True)),
    "terminal-quiet.txt": ("terminal", Look(width=100, quiet=True)),
    "terminal-statistics.txt": ("terminal", Look(width=100, statistics=True)),
    "terminal-color.txt": ("terminal", Look(width=100, color=True)),
    "terminal-notes.txt": ("terminal", Look(width=100, notes=True, sound=True)),
    "concise.txt": ("concise", Look()),
    "report.sarif": ("sarif", Look()),
    "junit.xml": ("junit", Look()),
    "github.txt": ("github", Look()),
    "gitlab.json": ("gitlab", Look()),
    "comment.md": ("markdown", Look()),
}


@pytest.mark.parametrize("file", CASES)
def test_output_is_as_reviewed(file: str) -> None:
    name, look = CASES[file]
    out = renderer_named(name).render(lifelike(), look)
    assert isinstance(out, str)
    path = SNAPSHOTS / file
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(out)
    assert out == path.read_text()


@pytest.mark.parametrize("width", [45, 60, 80, 100, 160])
def test_terminal_lines_fit_the_width_where_words_allow(width: int) -> None:
    out = renderer_named("terminal").render(lifelike(), Look(width=width, verbose=True))
    assert isinstance(out, str)
    too_long = [line for line in out.splitlines() if len(line) > width and "metrics.csv" not in line]
    assert not too_long
