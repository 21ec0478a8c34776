"""``analyzer repair``: a corrected copy."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analyzer.console import CannotAudit
from analyzer.console.options import audit_options

if TYPE_CHECKING:
    from analyzer.checking import Request


@click.command("repair")
@audit_options
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, file_okay=False), required=True, help="A new or empty folder."
)
def command(request: Request, output: Path) -> None:
    """Write a corrected copy of runs whose step axis a resume has broken; the original is only read.

    Rows of a branch that was abandoned at a replay are cut, steps that began anew while the run went on are shifted.
    Values and times stay as they were written. Nothing is written where nothing is to be repaired.
    """
    from analyzer.cli.timeline import timelines_of
    from analyzer.console.output import say
    from analyzer.renderers.escaping import visible

    if output.exists() and any(output.iterdir()):
        raise CannotAudit(f"{output}: the folder is not empty; name a new one with -o")
    timelines, found = timelines_of(request)
    for problem in found.unreadable:
        click.echo(f"not read: {visible(problem.source)}: {visible(problem.message)}", err=True)
    failed = False
    for timeline in timelines:
        name = visible(timeline.run.name)
        folder = output / _safe(timeline.run.name) if len(timelines) > 1 else output
        told = _repaired(timeline, folder)
        failed = failed or any(line.startswith("not repaired") for line in told)
        say(f"{name}: nothing to repair" if not told else "\n".join([f"{name}:", *(f"   {line}" for line in told)]))
    sys.exit(2 if failed or not timelines else 0)


def _repaired(timeline: Any, folder: Path) -> list[str]:
    """Write the copy of one run, all its files or none; what was done to each file."""
    from analyzer.console.output import write_file
    from analyzer.renderers.escaping import visible
    from analyzer.repair import CannotRepair, copy_of, corrected, corrections, place_in_copy

    found = corrections(timeline)
    if not any(found):
        return []
    contents: dict[Path, bytes] = {}
    told = []
    for one in found:
        try:
            contents[folder / place_in_copy(timeline, one.source)] = corrected(one, copy_of(timeline, one))
        except (CannotRepair, OSError, ValueError) as error:
            return [f"not repaired: {visible(one.source.path)}: {visible(error)}"]
        told.append(f"{visible(one.source.path)}: {one.told}")
    for path, content in contents.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, content)
    return [*told, f"copy in {visible(folder)}"]


def _safe(name: str) -> str:
    """A run's name as a path that stays below the folder it is put into."""
    return "/".join(part for part in Path(name).parts if part not in ("/", "..", ".")) or "run"
