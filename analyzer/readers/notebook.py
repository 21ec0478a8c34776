"""Jupyter notebooks with saved outputs: what their cells printed, as printed output, and the tables that they show.

Every cell whose output tells of training is a run of its own, and so is every training that a cell begins anew (its
epochs start over). A cell that goes on where the one before ended is another life of the same run. Notebooks keep one
line of output in one line of the file (nbformat, indent 1), so rows are its line numbers where they do.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from analyzer.model import NO_STEP, Ints, Marker, Series, Source
from analyzer.readers import Reader, Reading, markdown_table, stdout
from analyzer.readers.text_file import Lines, decode, plain_head, plain_suffix, unpack, unreadable, why_not_text
from analyzer.regular_files import content_of, opened
from analyzer.roles import role_of_tag
from analyzer.written_numbers import loads_json

_OPENS = re.compile(r'\s*"(?:text|text/plain)": \[\s*')
_CLOSES = re.compile(r"\s*\],?\s*")
_TABLE = re.compile(r"(?is)<table\b.{0,200}?>(.*?)</table>")
_ROW = re.compile(r"(?is)<tr\b[^>]{0,200}>(.*?)</tr>")
_CELL = re.compile(r"(?is)<t[hd]\b[^>]{0,200}>(.*?)</t[hd]>")
_TAG = re.compile(r"<[^>]{0,200}>")
_FIGURE = re.compile(rb"(?i)(?:loss|accuracy|reward|perplexity)[^\n]{0,80}\d")
BYTES_LOOKED_AT = 1 << 23  # pictures stand between the outputs
ARRAYS = ("step", "value", "wall_time", "source", "row")
FEWEST_ROWS = 2  # of a training: one row is a result


class _Cell(Struct, frozen=True, kw_only=True):
    """What one cell left."""

    number: int  # of the cell, from 1
    lines: Sequence[str]  # that it printed
    rows: Sequence[int]  # line of the file that each stands in, from 1
    tables: Sequence[str]  # that it shows, with bars


class _Told(Struct, frozen=True, kw_only=True, eq=False):
    """Lines of a training and what was read in them."""

    cell: int
    lines: Sequence[str]
    rows: Sequence[int]
    reading: Reading
    begins: tuple[int, ...] = ()  # rows at which later cells go on


def parse(data: bytes, name: str) -> Reading:
    """Every training that cells tell of as a run."""
    unpacked = unpack(data, name)
    if reason := why_not_text(unpacked.data):
        return unreadable(name, "notebook", reason, unpacked.problems)
    try:
        cells = list(_cells_of(loads_json(text := decode(unpacked.data)), text))
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return unreadable(name, "notebook", "no complete notebook: its JSON cannot be read", unpacked.problems)
    told: list[_Told] = []
    for one in (one for cell in cells for one in _trainings(cell, name)):
        if told and (joined := _gone_on(told[-1], one, name)) is not None:
            told[-1] = joined
        else:
            told.append(one)
    runs = [_as_run(one) for one in told]
    if not runs:
        return unreadable(name, "notebook", "no saved output of a cell tells of training", unpacked.problems)
    if len(runs) == 1:
        problems = (*unpacked.problems, *runs[0].problems)
        return replace(runs[0], source=replace(runs[0].source, view=""), problems=problems)
    views: dict[str, int] = {}
    for at, run in enumerate(runs):
        view = run.source.view
        views[view] = views.get(view, 0) + 1
        if views[view] > 1:
            runs[at] = replace(run, source=replace(run.source, view=f"{view} ({views[view]})"))
    source = Source(path=name, format="notebook", records=sum(one.source.records for one in runs))
    return Reading(source=source, problems=tuple(unpacked.problems), runs=tuple(runs))


def _cells_of(document: Any, text: str) -> Iterator[_Cell]:
    """The cells of a document that left something, with the lines of the file in which they did."""
    outputs = [cell.get("outputs") or [] for cell in document["cells"]]
    printed = [list(_printed(one)) for one in outputs]
    kept = list(_kept_lines(text))
    if len(kept) != sum(map(len, printed)):  # several lines of output in one of the file
        kept = list(range(1, 1 + sum(map(len, printed))))
    at = 0
    for number, (lines, shown) in enumerate(zip(printed, outputs, strict=True), start=1):
        rows = kept[at : at + len(lines)]
        at += len(lines)
        streamed = any(of_stream for _, of_stream in lines)  # what a cell returns behind it repeats what it printed
        both = zip(rows, lines, strict=True)
        told = [(row, line.rstrip("\n")) for row, (line, of_stream) in both if of_stream or not streamed]
        tables = list(_tables(shown))
        if told or tables:
            yield _Cell(number=number, lines=[line for _, line in told], rows=[row for row, _ in told], tables=tables)


def _kept_lines(text: str) -> Iterator[int]:
    """Numbers of the lines of a notebook's file that hold a line of printed output each."""
    inside = False
    for row, line in enumerate(text.split("\n"), start=1):
        if inside:
            inside = _CLOSES.fullmatch(line) is None
            if inside:
                yield row
        else:
            inside = _OPENS.fullmatch(line) is not None


def _printed(outputs: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, bool]]:
    """The lines that outputs print, and whether each was printed on the way."""
    for one in outputs:
        data = one.get("data")
        said = data.get("text/plain") if isinstance(data, dict) else one.get("text")
        lines = map(str, said) if isinstance(said, list) else str(said or "").splitlines(keepends=True)
        yield from ((line, one.get("output_type") == "stream") for line in lines)


def _tables(outputs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The tables that outputs show, with bars; a frame of pandas, whose first name is empty, tells what was printed."""
    for one in outputs:
        data = one.get("data")
        shown = data.get("text/html") if isinstance(data, dict) else None
        for table in _TABLE.findall("".join(shown) if isinstance(shown, list) else str(shown or "")):
            cells = [_CELL.findall(row) for row in _ROW.findall(table)]
            rows = [[html.unescape(_TAG.sub("", cell)).strip() for cell in row] for row in cells]
            if len(rows) > 1 and rows[0] and rows[0][0]:
                bars = ["| " + " | ".join(cells) + " |" for cells in rows]
                yield "\n".join([bars[0], "|---" * len(rows[0]) + "|", *bars[1:], ""])


def _trainings(cell: _Cell, name: str) -> Iterator[_Told]:
    """The trainings that one cell tells of: each begins where the epochs start over."""
    for first, last in _parts(cell, name):
        lines, rows = cell.lines[first:last], cell.rows[first:last]
        reading = _read(lines, rows, name)
        for one in reading.runs or (reading,):
            if _rows_told(one) and (_counted(one) or _loses(one)):
                alone = () if reading.runs else lines  # what the lines tell of several runs is not told anew
                yield _Told(cell=cell.number, lines=alone, rows=rows if alone else (), reading=one)
    for table in cell.tables:
        reading = markdown_table.parse(table.encode(), name)
        if _rows_told(reading):
            source = replace(reading.source, line_numbers=False)
            yield _Told(cell=cell.number, lines=(), rows=(), reading=replace(reading, source=source))


def _parts(cell: _Cell, name: str) -> Iterator[tuple[int, int]]:
    """The first line of each training, and the one behind its last."""
    from analyzer.readers.stdout.reading import tells_of_training

    if not tells_of_training(Lines(lines=list(cell.lines), complete=True)):
        return
    counts = _counted(_read(cell.lines, range(1, len(cell.lines) + 1), name))
    if not counts:
        yield 0, len(cell.lines)
        return
    counted = next(iter(counts.values()))
    label, row = counted.label, counted.row
    over = np.flatnonzero((label[1:] < label[:-1]) & (label[1:] <= label[0]))
    behind = (int(row[place]) for place in over)  # the row before a fall: a heading stands above what falls
    yield from pairwise([0, *behind, len(cell.lines)])


def _read(lines: Sequence[str], rows: Sequence[int], name: str) -> Reading:
    """Lines as printed output, each at its place in the file."""
    laid = [""] * rows[-1] if len(rows) else []
    for row, line in zip(rows, lines, strict=True):
        laid[row - 1] = line.replace("\n", " ")
    return stdout.parse("\n".join((*laid, "")).encode(), name)


class _Counted(Struct, frozen=True, kw_only=True, eq=False):
    """How far a training says that it is, row by row."""

    label: Ints
    row: Ints

    @property
    def cadence(self) -> int:
        """The usual distance of two rows that differ."""
        distinct = np.unique(self.label)
        return int(np.median(np.diff(distinct))) if len(distinct) > 1 else 1

    def goes_on_in(self, after: _Counted) -> bool:
        """Whether another count begins behind the end of this one, or inside it where no training starts."""
        begins, behind = int(after.label[0]), int(self.label[-1]) + self.cadence
        inside = int(self.label[0]) + self.cadence < begins < behind and begins > after.cadence
        return begins == behind or inside


def _counted(reading: Reading) -> Mapping[str, _Counted]:
    """By what a training counts ("epoch", "step"), and how, each by its longest series."""
    counts = {}
    named = [one for one in reading.series if role_of_tag(one.tag) == "epoch" and len(one)]
    if named:
        longest = max(named, key=len)
        counts["epoch"] = _Counted(label=np.floor(longest.value).astype(np.int64), row=longest.row)
    steps = [one for one in reading.series if len(one) and not (one.step == NO_STEP).any()]
    if steps and reading.source.step_axis not in ("row", "redraw"):
        longest = max(steps, key=len)
        by = "epoch" if reading.source.step_axis == "epoch" else "step"
        counts.setdefault(by, _Counted(label=longest.step, row=longest.row))
    return counts


def _rows_told(reading: Reading) -> bool:
    return any(len(series) >= FEWEST_ROWS for series in reading.series)


def _loses(reading: Reading) -> bool:
    """Whether a loss of training is told, which needs no counter beside it."""
    told = [series for series in reading.series if len(series) >= FEWEST_ROWS]
    return any(role_of_tag(series.tag) in ("loss", "epoch_loss") for series in told)


def _gone_on(before: _Told, after: _Told, name: str) -> _Told | None:
    """Two trainings as one where the second counts on from the first; else None."""
    if not before.lines or not after.lines:
        return None
    ended, begins = _counted(before.reading), _counted(after.reading)
    common = ended.keys() & begins.keys()
    if not any(ended[by].goes_on_in(begins[by]) for by in common):
        return None
    if "epoch" in common and begins["epoch"].label[0] <= ended["epoch"].label[0]:
        return None  # a call that counts its own epochs
    first = min(int(one.row[0]) for one in after.reading.series if len(one))
    lines, rows = [*before.lines, *after.lines], [*before.rows, *after.rows]
    reading = _end_to_end(before.reading, after.reading) or _read(lines, rows, name)
    return _Told(cell=before.cell, lines=lines, rows=rows, reading=reading, begins=(*before.begins, first))


def _end_to_end(before: Reading, after: Reading) -> Reading | None:
    """Two readings as one where the steps of the second begin behind those of the first; else None."""
    of_tag: dict[str, list[Series]] = {}
    for one in (*before.series, *after.series):
        of_tag.setdefault(one.tag, []).append(one)
    ended, begins = _counted(before), _counted(after)
    if "step" not in ended.keys() & begins.keys() or not ended["step"].goes_on_in(begins["step"]):
        return None
    series = tuple(
        replace(parts[0], **{name: np.concatenate([getattr(one, name) for one in parts]) for name in ARRAYS})
        for parts in of_tag.values()
    )
    source = replace(after.source, records=before.source.records + after.source.records)
    facts = tuple(fact for fact in before.facts if fact in after.facts)  # a length that changed was that of a part
    problems = before.problems + after.problems
    return Reading(source=source, series=series, markers=before.markers + after.markers, problems=problems, facts=facts)


def _as_run(told: _Told) -> Reading:
    """A training as the reading of a run."""
    reading = told.reading
    markers = (*reading.markers, *(Marker(source=0, row=row, kind="header-repeated") for row in told.begins))
    source = replace(reading.source, format="notebook", view=f"cell {told.cell}", alone=True)
    return replace(reading, source=source, markers=markers)


def read(path: Path) -> Reading:
    """Read the saved outputs of one notebook."""
    return parse(content_of(path), str(path))


def recognises(path: Path, head: bytes) -> bool:
    """A file that is called a notebook, begins as its JSON does and names a figure of training with a number."""
    if plain_suffix(path) != ".ipynb" or plain_head(head).lstrip()[:1] != b"{":
        return False
    try:
        with opened(path) as stream:
            start = stream.read(BYTES_LOOKED_AT)
    except OSError:
        start = head
    return b'"output_type"' in start and _FIGURE.search(start) is not None


READER = Reader(
    name="notebook",
    title="Jupyter notebooks",
    suffixes=(".ipynb",),
    seldom=True,
    recognises=recognises,
    read=read,
    parse=parse,
    recognised_by="`.ipynb` with saved outputs: what cells printed, and the tables of the Trainer and of fastai; a "
    "cell that trained is a run, one that goes on where the last ended is its next life",
    step="as printed output",
    epoch="as printed output",
    learning_rate="as printed output",
)
