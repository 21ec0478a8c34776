"""The recorded run that another is held against."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from analyzer.config.declared import merge
from analyzer.config.files import BadConfig
from analyzer.discovery import discover
from analyzer.model import Run
from analyzer.reconstruction import reconstruct
from analyzer.timeline import Timeline

FILES_OF_REFERENCES = 20_000  # in a folder of reference runs; `against = "/"` must not read the whole disk


def reference_of(run: Run, path: Path | None) -> Timeline | None:
    """The reference of a run: the one run at the path, or the one of its name where the path holds several.

    Raises:
        BadConfig: when the path holds no run, or several of which none has the name, or far too much.
    """
    if path is None:
        return None
    found = references_at(path.resolve())
    if not found:
        raise BadConfig(f"{path}: no reference run can be read there; name another with --against")
    by_name = {one.run.name: one for one in found}
    if run.name not in by_name and len(found) > 1:
        names = ", ".join(sorted(by_name)[:5])
        raise BadConfig(f"{path}: no reference run is called {run.name!r} (there are {names})")
    return by_name.get(run.name, found[0])


@cache
def references_at(path: Path) -> tuple[Timeline, ...]:
    """Every run at a path with its clocks, read once for all runs that are held against it."""
    files = 0
    for _, _, names in os.walk(path):
        files += len(names)
        if files > FILES_OF_REFERENCES:
            told = (
                f"{path}: more than {FILES_OF_REFERENCES} files lie there; name the folder of the reference run alone"
            )
            raise BadConfig(told)
    runs = discover([path]).runs
    with_numbers = [run for run in runs if any(len(series) for view in run.views for series in view.series.values())]
    return tuple(reconstruct(run, merge(run.facts)) for run in with_numbers)
