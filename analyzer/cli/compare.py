"""``analyzer compare``: runs on equal footing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from analyzer.console import CannotAudit
from analyzer.console.options import audit_options

if TYPE_CHECKING:
    from analyzer.checking import Request

AXES = ("updates", "samples", "tokens", "epochs", "time")


@click.command("compare")
@audit_options
@click.option(
    "--by", "axes", multiple=True, type=click.Choice(AXES), help="What to hold equal (repeatable); all without it."
)
@click.option("--tag", help="The metric; the training loss without it.")
@click.option("--higher/--lower", "higher", default=None, help="Which is better; by the metric's name without it.")
@click.option(
    "--format", "-f", "output_format", type=click.Choice(["terminal", "json"]), default="terminal", show_default=True,
    help="How to print it.",
)  # fmt: skip
def command(request: Request, axes: tuple[str, ...], tag: str | None, higher: bool | None, output_format: str) -> None:
    """Compare a metric of several runs after the same updates, samples, tokens, epochs or time.

    The best run comes first. A value is the median over the last 5 % of the budget. Replayed steps count once, pauses
    between two lives of a process do not count as time.
    """
    from analyzer.cli.timeline import timelines_of
    from analyzer.comparison import AXES as ALL
    from analyzer.comparison import compare_runs, heights_apart
    from analyzer.console.output import look_of_stdout, say
    from analyzer.renderers.comparison_text import as_json, as_text
    from analyzer.renderers.escaping import visible

    timelines, there = timelines_of(request)
    for problem in there.unreadable:
        click.echo(f"not read: {visible(problem.source)}: {visible(problem.message)}", err=True)
    if not timelines:
        sys.exit(2)
    if len(timelines) < 2:
        raise CannotAudit("one run alone cannot be compared; name a second one")
    chosen = [axis for axis in ALL if not axes or axis in axes]
    found = compare_runs(timelines, axes=chosen, tag=tag, higher_is_better=higher)
    warning = heights_apart(timelines) if tag is None else None
    if output_format == "json":
        say(as_json(found, warning), form="json")
    else:
        say(as_text(found, warning, look_of_stdout()))
    sys.exit(0 if any(len(one.standings) > 1 for one in found) else 2)
