"""``analyzer formats``: which logs are read, and what their conventions are taken to be."""

from __future__ import annotations

import click


@click.command("formats")
@click.option(
    "--format",
    "-f",
    "output_format",
    type=click.Choice(["terminal", "json", "markdown"]),
    default="terminal",
    show_default=True,
    help="How to print the list.",
)
def command(output_format: str) -> None:
    """List every log format: how it is recognised, and what its step, epoch and learning rate are taken to be."""
    from analyzer.console.output import look_of_stdout, say
    from analyzer.readers import all_readers
    from analyzer.renderers.tables import as_json, as_markdown, as_sections

    headings = ("name", "title", "recognised by", "step", "epoch", "learning rate")
    rows = [(r.name, r.title, r.recognised_by, r.step, r.epoch, r.learning_rate) for r in all_readers()]
    if output_format == "json":
        say(as_json(("name", "title", "recognised_by", "step", "epoch", "learning_rate"), rows))
    elif output_format == "markdown":
        say(as_markdown(headings, rows))
    else:
        say(as_sections(headings, rows, look_of_stdout()))
