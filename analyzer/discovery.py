"""Paths to runs: which files are logs, and which logs belong to one run (first version: a folder is a run)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from analyzer.model import Problem, Run, Series, Source, View
from analyzer.readers import Reading, reader_for


@dataclass(frozen=True, kw_only=True)
class Discovered:
    """The runs found, and the files that could not be read at all."""

    runs: tuple[Run, ...]
    unreadable: tuple[Problem, ...]


def discover(paths: Iterable[Path]) -> Discovered:
    """Read every log below the given paths and group them into runs."""
    runs: list[Run] = []
    unreadable: list[Problem] = []
    for path in paths:
        files = [path] if path.is_file() else sorted(found for found in path.rglob("*") if found.is_file())
        readings: list[Reading] = []
        for file in files:
            with file.open("rb") as stream:
                head = stream.read(4096)
            reader = reader_for(file, head)
            if reader is None:
                continue
            try:
                readings.append(reader.read(file))
            except Exception as error:
                unreadable.append(Problem(source=str(file), kind="unreadable", message=str(error)))
        if readings:
            runs.append(join_readings(path.name, readings))
    return Discovered(runs=tuple(runs), unreadable=tuple(unreadable))


def join_readings(name: str, readings: list[Reading]) -> Run:
    """One run of several files: a view a format, sources in order of their start."""
    readings = sorted(readings, key=lambda one: (one.source.start_time or 0.0, one.source.path))
    sources: list[Source] = []
    by_view: dict[str, list[tuple[int, Reading]]] = {}
    for index, reading in enumerate(readings):
        view = reading.source.format if reading.source.format == "tfevents" else reading.source.path
        sources.append(replace(reading.source, view=view))
        by_view.setdefault(view, []).append((index, reading))
    views = tuple(
        View(name=view, sources=tuple(index for index, _ in parts), series=_joined_series(parts))
        for view, parts in by_view.items()
    )
    markers = tuple(replace(m, source=index) for index, reading in enumerate(readings) for m in reading.markers)
    return Run(name=name, sources=tuple(sources), views=views, markers=markers,
               problems=tuple(problem for reading in readings for problem in reading.problems),
               facts=tuple(fact for reading in readings for fact in reading.facts))


def _joined_series(parts: list[tuple[int, Reading]]) -> dict[str, Series]:
    by_tag: dict[str, list[tuple[int, Series]]] = {}
    for index, reading in parts:
        for series in reading.series:
            by_tag.setdefault(series.tag, []).append((index, series))
    return {
        tag: Series(
            tag=tag,
            step=np.concatenate([series.step for _, series in found]),
            value=np.concatenate([series.value for _, series in found]),
            wall_time=np.concatenate([series.wall_time for _, series in found]),
            source=np.concatenate([np.full(len(series), index, dtype=np.int32) for index, series in found]),
            row=np.concatenate([series.row for _, series in found]),
            written_as=found[0][1].written_as,
        )
        for tag, found in by_tag.items()
    }
