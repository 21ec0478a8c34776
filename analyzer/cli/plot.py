"""``analyzer plot``: a figure for an issue or a paper."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from analyzer.console import CannotAudit
from analyzer.console.options import audit_options

if TYPE_CHECKING:
    from analyzer.checking import Request

OUTPUTS = ("png", "svg", "pdf")
KIND_NAMES = ("overview", "epoch", "schedule", "resume", "loss", "time")  # figures.KINDS, without importing it


@click.command("plot")
@audit_options
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    default=Path("figure.png"),
    show_default=True,
    help="The figure to write: .png, .svg or .pdf. Several runs give a file each, named after the run.",
)
@click.option("--kind", type=click.Choice(KIND_NAMES), default="overview", show_default=True, help="What it shows.")
@click.option("--dpi", type=click.IntRange(30, 1200), default=200, show_default=True, help="Resolution of a png.")
@click.option("--quiet", "-q", is_flag=True, help="Print nothing.")
def command(request: Request, output: Path, kind: str, dpi: int, quiet: bool) -> None:
    """Draw the figure that shows the fault, good enough for an issue or a paper.

    Kinds: overview (loss, epoch, learning rate, scheduler position), epoch, schedule, resume, loss, time.
    """
    from analyzer.cli.check import checked
    from analyzer.console.output import files_read, say, write_file
    from analyzer.renderers.escaping import visible
    from analyzer.renderers.figures import NothingToDraw, draw

    form = output.suffix.lstrip(".").lower()
    if form not in OUTPUTS:
        raise CannotAudit(f"-o {output}: a figure is written as {', '.join('.' + name for name in OUTPUTS)}")
    report = checked(request, quiet=quiet, keep_series=True)
    if not report.runs:
        reasons = "; ".join(f"{problem.source}: {problem.message}" for problem in report.unreadable)
        raise CannotAudit(reasons or "no training log found")
    nothing: list[str] = []
    spared = list(files_read((one.run for one in report.runs), request))
    names = _file_names([one.run.name for one in report.runs])
    for one, name in zip(report.runs, names, strict=True):
        target = output if len(report.runs) == 1 else output.with_stem(f"{output.stem}-{name}")
        try:
            write_file(target, draw(one, kind=kind, output=form, dots_per_inch=dpi), spared=spared)
        except NothingToDraw as reason:
            nothing.append(str(reason))
            continue
        if not quiet:
            say(f"{target}: {kind} of {visible(one.run.name)}")
    if len(nothing) == len(report.runs):
        raise CannotAudit("; ".join(nothing))
    for line in () if quiet else nothing:
        say(visible(line))


def _file_names(runs: list[str]) -> list[str]:
    """Names of runs as parts of files' names, each its own."""
    names: list[str] = []
    for run in runs:
        name = re.sub(r"[^\w.-]+", "-", run).strip("-.") or "run"
        same = sum(re.fullmatch(rf"{re.escape(name)}(-\d+)?", other) is not None for other in names)
        names.append(f"{name}-{same + 1}" if same else name)
    return names
