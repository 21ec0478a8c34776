"""The commands that write pages and figures, as a user types them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from analyzer.cli import main
from analyzer.cli.plot import KIND_NAMES
from analyzer.renderers.figures import KINDS

RUNS = Path(__file__).resolve().parents[2] / "fixtures" / "runs"


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    return result.exit_code, result.output


def test_a_folder_gives_one_page_with_every_run(tmp_path: Path) -> None:
    code, output = run("report", RUNS, "-o", tmp_path / "page.html", "--no-figures")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert code == 0 and "6 runs" in output
    assert all(folder.name in page for folder in RUNS.iterdir() if folder.is_dir())


@pytest.mark.parametrize("form", ["png", "svg", "pdf"])
def test_a_figure_of_each_form(form: str, tmp_path: Path) -> None:
    target = tmp_path / f"figure.{form}"
    code, output = run("plot", RUNS / "transformers-resumed", "-o", target, "--kind", "schedule", "--dpi", "60")
    assert code == 0, output
    assert target.stat().st_size > 1000


def test_several_runs_give_a_file_each(tmp_path: Path) -> None:
    code, _ = run(
        "plot",
        RUNS / "keras-resumed",
        RUNS / "transformers-30-epochs",
        "-o",
        tmp_path / "f.png",
        "--dpi",
        "40",
        "--kind",
        "loss",
    )
    assert code == 0
    assert len(list(tmp_path.glob("f-*.png"))) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plot", RUNS / "keras-resumed", "-o", "figure.bmp"], ".png"),
        (["plot", "no/such/place", "-o", "figure.png"], "no/such/place"),
        (["report", "no/such/place", "-o", "page.html"], ""),
    ],
)
def test_what_cannot_be_drawn_exits_with_two(
    arguments: list[str | Path], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, output = run(*arguments)
    assert code == 2 and said in output


def test_with_nothing_read_an_older_page_stays(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("of yesterday")
    code, output = run("report", tmp_path / "no such place", "-o", tmp_path / "page.html")
    assert code == 2 and "is not written" in output and "no such file" in output
    assert (tmp_path / "page.html").read_text() == "of yesterday"


def test_kinds_on_the_command_line_are_the_figures_own() -> None:
    assert tuple(KINDS) == KIND_NAMES


def test_no_style_of_the_user_or_of_a_folder_has_a_part_in_a_figure(tmp_path: Path) -> None:
    """A ``matplotlibrc`` in a folder of logs is read by matplotlib where somebody stands in that folder."""
    command = [sys.executable, "-m", "analyzer", "plot", str(RUNS / "keras-resumed"), "--kind", "loss", "-o"]
    found = []
    for name, style in (("plain", ""), ("styled", "text.usetex: True\nfont.size: 40\nsavefig.dpi: 100000\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "matplotlibrc").write_text(style)
        environment = {**os.environ, **({"MPLBACKEND": "none such"} if style else {})}
        subprocess.run([*command, "f.svg"], cwd=tmp_path / name, env=environment, check=True)
        found.append((tmp_path / name / "f.svg").read_bytes())
    assert found[0] == found[1]
