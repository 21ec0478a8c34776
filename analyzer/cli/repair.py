"""``analyzer repair``: a corrected copy."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analyzer.console import CannotAudit
from analyzer.console.options import reading_options

if TYPE_CHECKING:
    from analyzer.checking import Request


@click.command("repair")
@reading_options
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
    from analyzer.whole_files import whole_folder

    if output.exists() and any(output.iterdir()):
        raise CannotAudit(f"{output}: the folder is not empty; name a new one with -o")
    timelines, found = timelines_of(request, last="session_map")
    for problem in found.unreadable:
        click.echo(f"not read: {visible(problem.source)}: {visible(problem.message)}", err=True)
    failed = False
    with whole_folder(output) as folder:
        for timeline in timelines:
            told = _repaired(timeline, _own_place(folder, timeline.run.name) if len(timelines) > 1 else folder)
            failed = failed or any(line.startswith("not repaired") for line in told)
            name = visible(timeline.run.name)
            told = [*told, *_beyond_repair(timeline)]
            say(f"{name}: nothing to repair" if not told else "\n".join([f"{name}:", *(f"   {line}" for line in told)]))
    if output.exists() and any(output.iterdir()):
        say(f"copies in {visible(output)}")
    sys.exit(2 if failed or not timelines else 0)


def _repaired(timeline: Any, folder: Path) -> list[str]:
    """Write the copy of one run, all its files or none; what was done to each file."""
    from analyzer.readers.correcting import CannotRepair
    from analyzer.renderers.escaping import visible
    from analyzer.repair import check_copy, copy_of, corrections, place_in_copy

    found = corrections(timeline)
    if not any(found):
        return []
    told = []
    for one in found:
        path = folder / place_in_copy(timeline, one.source)
        try:
            content = copy_of(timeline, one)
            if path.exists() and path.read_bytes() != content:
                raise CannotRepair("several tables in one file")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            if one:
                check_copy(one, path)
        except (CannotRepair, OSError, ValueError) as error:
            for left in sorted(folder.rglob("*"), reverse=True):
                left.rmdir() if left.is_dir() else left.unlink()
            return [f"not repaired: {visible(one.source.path)}: {visible(error)}"]
        told.append(f"{visible(one.source.path)}: {one.told}")
    return told


def _beyond_repair(timeline: Any) -> list[str]:
    """Jumps of the step at joins, which no copy can put right: nothing was logged of the steps between."""
    return [
        f"steps {join.last_step_before + join.cadence} to {join.first_step_after - 1} are skipped at the resume: "
        "no copy can repair that, nothing was logged there; `analyzer check` tells whether they were trained"
        for join in timeline.joins
        if join.step == "skipped"
    ]


def _own_place(folder: Path, name: str) -> Path:
    """A folder for a run below another, its name as a path; two runs never share one."""
    below = "/".join(part for part in Path(name).parts if part not in ("/", "..", ".")) or "run"
    number = 1
    while (place := folder / (below if number == 1 else f"{below} ({number})")).exists():
        number += 1
    place.mkdir(parents=True)
    return place
