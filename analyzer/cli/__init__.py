"""The command line (first version: `check` to JSON)."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def main() -> None:
    """Audit training logs."""


@main.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--format", "output_format", default="json")
@click.option("--fail-on", default="warning")
@click.option("--declare", multiple=True)
def check(paths: tuple[Path, ...], output_format: str, fail_on: str, declare: tuple[str, ...]) -> None:
    """Audit logs and print findings."""
    from analyzer import __version__
    from analyzer.audit import audit_run
    from analyzer.config.declared import facts_from_options, merge
    from analyzer.discovery import discover
    from analyzer.model import Report
    from analyzer.renderers.json_report import render

    found = discover(paths)
    own = facts_from_options(declare)
    reports = tuple(audit_run(run, merge(own, run.facts)) for run in found.runs)
    click.echo(render(Report(runs=reports, unreadable=found.unreadable, version=__version__)))
