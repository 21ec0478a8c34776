"""The long table of many runs: one line a point, with its run, session, epoch, file and row."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np
from msgspec.structs import replace

from analyzer.clocks.label_in_force import label_in_force
from analyzer.model import NO_STEP, Series, View
from analyzer.renderers.escaping import visible
from analyzer.roles import assign_roles
from analyzer.timeline import Timeline

COLUMNS = ("run", "view", "tag", "step", "epoch", "wall_time", "value", "session", "source", "row")
FORMULA = ("=", "+", "-", "@", "::", "##")  # OWASP, "CSV injection"; a tab or a return is written out
LINES_AT_ONCE = 100_000

Columns = Mapping[str, Any]
"""The columns of one series: the text ones as one string, the others as arrays; missing numbers are NaN or NO_STEP."""


def long_table(timelines: Iterable[Timeline]) -> Iterator[Columns]:
    """The points of every series of every view, in written order, with the session and the epoch in force."""
    for timeline in timelines:
        for view in timeline.run.views:
            seen = seen_from(timeline, view)
            for series in view.series.values():
                yield _columns(seen, view, series)


def seen_from(timeline: Timeline, view: View) -> Timeline:
    """The timeline of another account of the same run, with roles of its own and the sessions of the whole."""
    if view is timeline.view:
        return timeline
    return replace(timeline, view=view, roles=assign_roles(view, timeline.run.sources, timeline.role_overrides))


def _columns(timeline: Timeline, view: View, series: Series) -> Columns:
    count = len(series)
    epoch = label_in_force(timeline, series)
    return {
        "run": timeline.run.name,
        "view": view.name,
        "tag": series.tag,
        "step": series.step,
        "epoch": np.full(count, np.nan) if epoch is None else epoch,
        "wall_time": series.wall_time,
        "value": series.value,
        "session": timeline.session_map.of(series) + 1,
        "source": [timeline.run.sources[index].path for index in series.source.tolist()],
        "row": series.row,
    }


def csv_lines(table: Iterable[Columns]) -> Iterator[str]:
    """The table as CSV, some thousand lines at a time; a missing number is an empty cell, NaN is written out."""
    yield _lines([COLUMNS])
    for columns in table:
        cells = [_cells(name, columns[name], len(columns["value"])) for name in COLUMNS]
        for start in range(0, len(columns["value"]), LINES_AT_ONCE):
            yield _lines(zip(*(cell[start : start + LINES_AT_ONCE] for cell in cells), strict=True))


def _lines(rows: Iterable[Iterable[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _cells(name: str, column: Any, count: int) -> list[Any]:
    if isinstance(column, str):
        return [_harmless(column)] * count
    if name in ("step", "session"):
        return ["" if number == NO_STEP else number for number in column.tolist()]
    if name in ("epoch", "wall_time"):
        return ["" if math.isnan(number) else number for number in column.tolist()]
    if isinstance(column, list):
        harmless = {text: _harmless(text) for text in set(column)}
        return [harmless[text] for text in column]
    return column.tolist()


def _harmless(text: str) -> str:
    """A name on one line, which neither a spreadsheet takes for a formula nor a runner for a command."""
    text = visible(text)
    return f"'{text}" if text.startswith(FORMULA) else text


def write_parquet(table: Iterable[Columns], stream: BinaryIO) -> None:
    """Write the table as Parquet, a row group a series.

    Raises:
        ModuleNotFoundError: when pyarrow is not installed.
    """
    import pyarrow as pa  # type: ignore[import-not-found, unused-ignore]
    import pyarrow.parquet as pq  # type: ignore[import-not-found, unused-ignore]

    words = pa.dictionary(pa.int32(), pa.string())
    types = {"run": words, "view": words, "tag": words, "source": words, "step": pa.int64(), "session": pa.int64()}
    types |= {"row": pa.int64(), "epoch": pa.float64(), "wall_time": pa.float64(), "value": pa.float64()}
    schema = pa.schema([(name, types[name]) for name in COLUMNS])
    with pq.ParquetWriter(stream, schema) as writer:
        for columns in table:
            count = len(columns["value"])
            arrays = [_array(pa, name, columns[name], count).cast(types[name]) for name in COLUMNS]
            if count:
                writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _array(pa: Any, name: str, column: Any, count: int) -> Any:
    if isinstance(column, str):
        return pa.array([_encodable(column)] * count, pa.string()).dictionary_encode()
    if isinstance(column, list):
        return pa.array([_encodable(text) for text in column], pa.string()).dictionary_encode()
    if name in ("step", "session"):
        return pa.array(column, mask=np.asarray(column) == NO_STEP)
    if name in ("epoch", "wall_time"):
        return pa.array(column, mask=np.isnan(column))
    return pa.array(column)


def _encodable(text: str) -> str:
    """Text without lone surrogates, which stand for undecodable bytes of a path."""
    return text.encode("utf-8", "backslashreplace").decode()
