"""CSV tables (first version)."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from analyzer.model import NO_STEP, Series, Source
from analyzer.readers import Reader, Reading
from analyzer.roles import role_of_tag


def read(path: Path) -> Reading:
    """Read a CSV table with a header into one series a column."""
    lines = list(csv.reader(path.read_text(errors="replace").splitlines()))
    header = lines[0]
    step_column = next((name for name in header if role_of_tag(name) == "step"), None)
    axis = step_column or next((name for name in header if role_of_tag(name) == "epoch"), None)
    points: dict[str, list[tuple[int, float, int]]] = {}
    for number, cells in enumerate(lines[1:], start=2):
        row = dict(zip(header, cells, strict=False))
        try:
            step = int(float(row[axis])) if axis else NO_STEP
        except ValueError:
            continue
        for name, cell in row.items():
            try:
                points.setdefault(name, []).append((step, float(cell), number))
            except ValueError:
                continue
    series = tuple(series_of(tag, rows) for tag, rows in points.items() if tag != step_column)
    source = Source(path=str(path), format="csv", records=len(lines) - 1, step_column=axis,
                    step_axis="step" if step_column else "epoch" if axis else "row", line_numbers=True)
    return Reading(source=source, series=series)


def series_of(tag: str, rows: list[tuple[int, float, int]]) -> Series:
    """A series of (step, value, row) points without wall time."""
    step, value, row = zip(*rows, strict=True)
    return Series(tag=tag, step=np.array(step, dtype=np.int64), value=np.array(value, dtype=np.float64),
                  wall_time=np.full(len(rows), np.nan), source=np.zeros(len(rows), dtype=np.int32),
                  row=np.array(row, dtype=np.int64))


READER = Reader(
    name="csv",
    title="CSV tables",
    recognises=lambda path, head: path.suffix == ".csv",
    read=read,
    recognised_by="`.csv` with a header line",
    step="the column `step`, `global_step`, `iteration`, ...",
    epoch="the column `epoch`",
    learning_rate="as logged",
    priority=-10,
)
