"""``analyzer rules``: the table of rules."""

from __future__ import annotations

import click


@click.command("rules")
@click.option(
    "--format",
    "-f",
    "output_format",
    type=click.Choice(["terminal", "json", "markdown"]),
    default="terminal",
    show_default=True,
    help="How to print the table.",
)
def command(output_format: str) -> None:
    """List every rule: code, name, the gravest it says, and what to do about it."""
    from analyzer.console.output import look_of_stdout, say
    from analyzer.renderers.tables import as_json, as_markdown, as_text
    from analyzer.rules import catalogue

    headings = ("code", "name", "severity", "what to do")
    rows = [(rule.code, rule.name, rule.severity, rule.help) for rule in catalogue()]
    if output_format == "json":
        say(as_json(("code", "name", "severity", "help"), rows))
    elif output_format == "markdown":
        say(as_markdown(headings, rows))
    else:
        say(as_text(headings, rows, look_of_stdout()))
