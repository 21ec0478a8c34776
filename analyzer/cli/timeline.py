"""``analyzer timeline``: what was reconstructed, and from what."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from analyzer.console.options import reading_options

if TYPE_CHECKING:
    from analyzer.checking import Request
    from analyzer.discovery import Discovered
    from analyzer.timeline import Timeline


@click.command("timeline")
@reading_options
@click.option(
    "--format",
    "-f",
    "output_format",
    type=click.Choice(["terminal", "json"]),
    default="terminal",
    show_default=True,
    help="How to print it.",
)
@click.option("--verbose", "-v", is_flag=True, help="Also why every file was given to its run, and what is no log.")
def command(request: Request, output_format: str, verbose: bool) -> None:
    """Show what was reconstructed of each run, how surely, and from which column.

    A wrong guess is corrected with --role, on this and every other command.
    """
    import json

    from analyzer.console.output import look_of_stdout, say
    from analyzer.renderers.escaping import visible
    from analyzer.renderers.timeline_text import as_json, as_text

    timelines, found = timelines_of(request, last="wall")
    if output_format == "json":
        say(json.dumps({"runs": [as_json(one) for one in timelines]}, indent=1, allow_nan=False), form="json")
    elif timelines:
        say("\n".join(as_text(one, look_of_stdout(verbose=verbose)) for one in timelines))
    for problem in found.unreadable:
        click.echo(f"not read: {visible(problem.source)}: {visible(problem.message)}", err=True)
    for problem in found.left_alone if verbose else ():
        click.echo(f"no log: {visible(problem.source)}: {visible(problem.message)}", err=True)
    sys.exit(0 if timelines else 2)


def timelines_of(request: Request, last: str) -> tuple[list[Timeline], Discovered]:
    """The clocks of all runs at the requested paths up to the ``last`` that is wanted, and what was found there."""
    from msgspec.structs import replace

    from analyzer.checking import checked_settings, find_all, timeline_of
    from analyzer.config.files import BadConfig, settings_for
    from analyzer.console import CannotAudit
    from analyzer.unread import place_of, told_together

    if request.config is not None:
        try:
            checked_settings(settings_for(Path(), request.config))
        except BadConfig as error:
            raise CannotAudit(str(error)) from error
    found = find_all(request)
    timelines: list[Timeline] = []
    refused: list[tuple[str, str]] = []
    for run in found.runs:
        try:
            timelines.append(timeline_of(run, request, last))
        except BadConfig as error:
            refused.append((place_of(run), str(error)))
    return timelines, replace(found, unreadable=(*found.unreadable, *told_together(refused)))
