"""A corrected copy of a run's logs: steps that began anew are shifted on, rows of an abandoned branch are cut.

Only what a resume did to the step axis is repaired, and only where the log proves it: a replay (the rows that the
process logged before it fell back are cut) and a counter that began anew while the run went on (its steps are shifted).
Values, times and everything else stay as they were written. The original is only read.
"""

from __future__ import annotations

import os
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path

import numpy as np

from analyzer.distinct import distinct
from analyzer.model import NO_STEP, Source
from analyzer.readers import Reading, readers_by_name
from analyzer.readers.correcting import CannotRepair, Correction
from analyzer.readers.text_file import compressed
from analyzer.timeline import Timeline


def corrections(timeline: Timeline) -> list[Correction]:
    """A correction for each source of the run, in their order; empty ones for files that need none."""
    steps: dict[int, dict[int, int]] = {index: {} for index in range(len(timeline.run.sources))}
    sessions: dict[int, dict[int, int]] = {index: {} for index in range(len(timeline.run.sources))}
    for view in timeline.run.views:
        for series in view.series.values():
            session = timeline.session_map.of(series)
            for index in distinct(series.source).tolist():
                mine = series.source == index
                rows = series.row[mine].tolist()
                steps[index].update(zip(rows, series.step[mine].tolist(), strict=True))
                sessions[index].update(zip(rows, session[mine].tolist(), strict=True))
    return [
        _correction(timeline, source, steps[index], sessions[index])
        for index, source in enumerate(timeline.run.sources)
    ]


def _correction(timeline: Timeline, source: Source, steps: dict[int, int], sessions: dict[int, int]) -> Correction:
    cut: set[int] = set()
    shift: dict[int, int] = {}
    rows = np.array(list(steps), dtype=np.int64)
    step = np.array([steps[row] for row in steps], dtype=np.int64)
    session = np.array([sessions[row] for row in steps], dtype=np.int64)
    stepped = step != NO_STEP
    moved = np.zeros(len(rows), dtype=np.int64)
    for join in timeline.joins:
        if join.step == "replayed":
            cut.update(rows[stepped & (session <= join.before) & (step >= join.first_step_after)].tolist())
        elif join.step == "reset":
            moved[stepped & (session >= join.after)] += join.last_step_before + join.cadence - join.first_step_after
    shift = {
        row: amount for row, amount in zip(rows.tolist(), moved.tolist(), strict=True) if amount and row not in cut
    }
    return Correction(source=source, cut=frozenset(cut), shift=shift)


def copy_of(timeline: Timeline, correction: Correction) -> bytes:
    """The corrected contents of one file of a run, read from where it lies.

    Raises:
        CannotRepair: when it needs a correction that cannot be made.
        OSError: when it cannot be read.
    """
    path = Path(correction.source.path)
    if not path.is_file():
        raise CannotRepair("no regular file")
    content = path.read_bytes()
    if not correction:
        return content
    damaged = [
        problem
        for problem in timeline.run.problems
        if problem.source == correction.source.path and problem.kind == "corrupt"
    ]
    if damaged:
        raise CannotRepair(f"the file is damaged ({damaged[0].message}); its rows cannot be told for sure")
    if compressed(content):
        raise CannotRepair("the file is compressed; unpack it first")
    if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        raise CannotRepair("the file is UTF-16; convert it to UTF-8 first")
    return corrected(correction, content)


def corrected(correction: Correction, content: bytes) -> bytes:
    """The contents of a file with its correction made, by the reader of its format.

    Raises:
        CannotRepair: when the format cannot be written, or the file is damaged.
    """
    rewrite = readers_by_name()[correction.source.format].rewrite
    if rewrite is None:
        raise CannotRepair(f"{correction.source.format} files cannot be written; `analyzer export` gives the rows")
    return rewrite(correction, content)


def check_copy(correction: Correction, copy: Path) -> None:
    """Read a copy back and compare it with what the original says, corrected.

    Raises:
        CannotRepair: when any point is not where it should be.
        OSError: when one of them cannot be read.
    """
    reader = readers_by_name()[correction.source.format]
    if _points(reader.read(copy), None) != _points(reader.read(Path(correction.source.path)), correction):
        raise CannotRepair("its copy does not read back as it should, or the log is being written; nothing was kept")


def _points(reading: Reading, correction: Correction | None) -> dict[tuple[int, str], tuple[bytes, bytes, bytes]]:
    """Steps, values and times by table and tag, as bytes: of the rows that a correction leaves, steps as corrected."""
    found = {}
    for number, one in enumerate((reading, *reading.runs)):
        for series in one.series:
            step, kept = series.step, np.ones(len(series), dtype=bool)
            if correction is not None:
                shift = correction.shift
                step = step + np.array([shift.get(row, 0) for row in series.row.tolist()], dtype=np.int64)
                kept = ~np.isin(series.row, list(correction.cut))
            if kept.any():
                arrays = (step[kept], series.value[kept], series.wall_time[kept])
                found[number, series.tag] = tuple(np.ascontiguousarray(array).tobytes() for array in arrays)
    return found  # type: ignore[return-value]


def place_in_copy(timeline: Timeline, source: Source) -> str:
    """Where a file lies in the copy: its path below the folder that holds all files of the run."""
    folders = [os.path.dirname(os.path.abspath(one.path)) for one in timeline.run.sources]
    return os.path.relpath(os.path.abspath(source.path), os.path.commonpath(folders))
