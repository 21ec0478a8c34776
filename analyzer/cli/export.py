"""``analyzer export``: the long table of all points."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from analyzer.console import CannotAudit
from analyzer.console.options import reading_options
from analyzer.spelling import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from analyzer.checking import Request
    from analyzer.export import Columns


@click.command("export")
@reading_options
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    help="A .csv or .parquet file; CSV to standard output without it.",
)
def command(request: Request, output: Path | None) -> None:
    """Write every point of every run as one long table.

    Columns: run, view, tag, step, epoch, wall_time, value, session, source, row. Nothing is sorted, merged or dropped:
    two loggers of one run are two views, and steps that were logged twice are there twice, in two sessions. In CSV a
    name that a spreadsheet would take for a formula has a ' in front, and control characters are written out.
    """
    from analyzer.cli.timeline import timelines_of
    from analyzer.console.output import files_read, say, writing
    from analyzer.export import csv_lines, long_table
    from analyzer.renderers.escaping import visible

    form = (output.suffix.lower() if output else ".csv").removeprefix(".")
    if form not in ("csv", "parquet"):
        raise CannotAudit(f"{output}: the name must end in .csv or .parquet")
    timelines, found = timelines_of(request, last="session_map")
    for problem in found.unreadable:
        click.echo(f"not read: {visible(problem.source)}: {visible(problem.message)}", err=True)
    if not timelines:
        sys.exit(2)
    table = long_table(timelines)
    if output is None:
        for lines in csv_lines(table):
            say(lines)
        return
    points = sum(len(series) for one in timelines for view in one.run.views for series in view.series.values())
    with writing(output, spared=files_read((one.run for one in timelines), request)) as stream:
        if form == "csv":
            stream.writelines(lines.encode("utf-8", "backslashreplace") for lines in csv_lines(table))
        else:
            _parquet(table, stream)
    say(f"{output}: {counted(points, 'point')} of {counted(len(timelines), 'run')}")


def _parquet(table: Iterable[Columns], stream: BinaryIO) -> None:
    from analyzer.export import write_parquet

    try:
        write_parquet(table, stream)
    except ModuleNotFoundError as error:
        raise CannotAudit("Parquet needs pyarrow: pip install pyarrow, or export to .csv") from error
