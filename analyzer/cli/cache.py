"""``analyzer cache``: what the program keeps for itself."""

from __future__ import annotations

import click

from analyzer.spelling import counted


@click.group("cache")
def command() -> None:
    """Show or empty what earlier audits left behind, so that logs without changes are not audited again."""


@command.command("show")
def show() -> None:
    """Print the folder, the number of files and their size."""
    from analyzer.cache import cache_folder, files_kept

    kept = files_kept()
    folder = cache_folder()
    click.echo(f"{folder}: {counted(len(kept), 'file')}, {sum(kept.values()) / 1e6:.1f} MB")


@command.command("clear")
def clear() -> None:
    """Remove everything that is kept. It costs the next audit some time, nothing else."""
    from analyzer.cache import clear_cache

    count, size = clear_cache()
    click.echo(f"{counted(count, 'file')} removed, {size / 1e6:.1f} MB")
