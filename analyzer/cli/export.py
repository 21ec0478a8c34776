"""``analyzer export``: the long table of all points."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from analyzer.console import CannotAudit
from analyzer.console.options import audit_options

if TYPE_CHECKING:
    from collections.abc import Iterable

    from analyzer.checking import Request
    from analyzer.export import Columns


@click.command("export")
@audit_options
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    help="A .csv or .parquet file; CSV to standard output without it.",
)
def command(request: Request, output: Path | None) -> None:
    """Write every point of every run as one long table.

    Columns: run, view, tag, step, epoch, wall_time, value, session, source, row. Nothing is sorted, merged or dropped:
    two loggers of one run are two views, and steps that were logged twice are there twice, in two sessions.
    """
    from analyzer.cli.timeline import timelines_of
    from analyzer.console.output import replacing, say
    from analyzer.export import csv_lines, long_table
    from analyzer.renderers.escaping import visible

    form = (output.suffix.lower() if output else ".csv").removeprefix(".")
    if form not in ("csv", "parquet"):
        raise CannotAudit(f"{output}: the name must end in .csv or .parquet")
    timelines, found = timelines_of(request)
    for problem in found.unreadable:
        click.echo(f"not read: {visible(problem.source)}: {visible(problem.message)}", err=True)
    if not timelines:
        sys.exit(2)
    table = long_table(timelines)
    if output is None:
        for lines in csv_lines(table):
            # names from logs go unchanged into a file or a pipe, and never into a terminal
            say("\n".join(visible(line) for line in lines.split("\n")) if sys.stdout.isatty() else lines)
        return
    points = sum(len(series) for one in timelines for view in one.run.views for series in view.series.values())
    with replacing(output) as temporary:
        if form == "csv":
            with temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
                stream.writelines(csv_lines(table))
        else:
            _parquet(table, temporary)
    say(f"{output}: {points} points of {len(timelines)} runs")


def _parquet(table: Iterable[Columns], path: Path) -> None:
    from analyzer.export import write_parquet

    try:
        write_parquet(table, path)
    except ModuleNotFoundError as error:
        raise CannotAudit("Parquet needs pyarrow; pip install pyarrow, or export to .csv") from error
