"""``analyzer report``: one self-contained HTML page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from analyzer.console.options import audit_options

if TYPE_CHECKING:
    from analyzer.checking import Request


@click.command("report")
@audit_options
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    default=Path("report.html"),
    show_default=True,
    help="The page to write.",
)
@click.option("--title", help="Heading of the page.")
@click.option(
    "--figures/--no-figures",
    default=None,
    help="Static pictures for readers without scripts, of all runs or of none.  [default: of a single run]",
)
@click.option("--quiet", "-q", is_flag=True, help="Print nothing.")
def command(request: Request, output: Path, title: str | None, figures: bool | None, quiet: bool) -> None:
    """Write one self-contained HTML page: verdicts, clocks, findings with their rows.

    A folder of runs gives a page with a table of all runs, worst first. The page opens from disk and fetches nothing.
    Exit codes: 0 the page was written, 2 nothing could be audited.
    """
    from analyzer.cli.check import checked
    from analyzer.console.output import files_read, say, write_file
    from analyzer.renderers.escaping import visible
    from analyzer.renderers.html_report import TITLE, render
    from analyzer.spelling import counted

    report = checked(request, quiet=quiet, keep_series=True)
    if not report.runs:
        for problem in report.unreadable[:5]:
            click.echo(f"not read: {visible(problem.source)}: {visible(problem.message)}", err=True)
        click.echo(f"nothing was read, {visible(str(output))} is not written", err=True)
        sys.exit(2)
    spared = files_read((one.run for one in report.runs), request)
    write_file(output, render(report, figures=figures, title=title or TITLE), spared=spared)
    if not quiet:
        found = sum(len(one.findings) for one in report.runs)
        unread = counted(len(report.unreadable), "file")
        say(f"{output}: {counted(len(report.runs), 'run')}, {counted(found, 'finding')}, {unread} not read")
