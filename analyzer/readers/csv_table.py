"""CSV tables: one reader, and a small table of the dialects that frameworks write.

``parse`` is pure: bytes and a name in, a reading out. Small files are split by hand; large regular ones go through
pyarrow where it is installed, and only their odd lines through the careful path. Both give the same columns.
"""

from __future__ import annotations

import csv
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from analyzer.model import Ints, Marker, Problem, Source
from analyzer.readers import Reader, Reading
from analyzer.readers.columns import (
    NO_LOG,
    Column,
    Dialect,
    interpret,
    is_long_form,
    names_an_axis,
    seconds_of_stamp,
)
from analyzer.readers.text_file import (
    decode,
    lines_of,
    plain_head,
    plain_name,
    plain_suffix,
    unpack,
    unreadable,
    why_not_text,
)
from analyzer.roles import role_of_tag

FAST_FROM = 1 << 20  # bytes; below it the import of a fast parser costs more than it saves
HABIT = 3  # rows of one odd width that make it the writer's habit and no accident
LINES_SNIFFED = 30
QUOTED_LINES = 100  # lines that one quoted cell may span; beyond, the quote is a stray one
MISSING = frozenset(("", "NA", "N/A", "n/a", "na", "null", "NULL", "Null", "None", "none", "-", "--", "<NA>", "#N/A"))
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|inf(?:inity)?|nan)$", re.I | re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?(?:\d+,\d*|,\d+)(?:[eE][+-]?\d+)?$", re.ASCII)
_TENSOR = re.compile(r"tensor\(\s*([^\s,)]+)\s*(?:,.*)?\)$", re.S)
_WINDOWS = {
    "1.#INF": "inf",
    "-1.#INF": "-inf",
    "1.#QNAN": "nan",
    "-1.#IND": "nan",
    "1.#IND": "nan",
    "nan(ind)": "nan",
    "-nan(ind)": "nan",
    "∞": "inf",
    "-∞": "-inf",
}


# ---------------------------------------------------------------------------------------------------------------
# dialects: who wrote it, and what follows from that


def dialect_of(header: Sequence[str], file_name: str) -> Dialect:
    """What the header (and, for files of one metric, the file name) says about the writer."""
    names = {name.strip() for name in header}
    lower = [name.strip().lower() for name in header]
    for recognises, dialect in _DIALECTS:
        found = dialect(header, file_name) if recognises(names, lower, file_name) else None
        if found is not None:
            return found
    return Dialect()


def _tensorboard_export(header: Sequence[str], file_name: str) -> Dialect:
    return Dialect(
        framework="tensorboard",
        step_columns=(header[1],),
        wall_column=header[0],
        exported=True,
        tags={header[2].strip(): _tag_of_export(file_name)},
    )


def _tag_of_export(file_name: str) -> str:
    """TensorBoard offers ``run-<run>-tag-<tag>.csv``: the tag is in the name only."""
    stem = Path(file_name).stem
    found = re.search(r"(?:^|[-_])tag[-_](.+)$", stem)
    return found.group(1) if found else stem


def _deepspeed(header: Sequence[str], file_name: str) -> Dialect:
    """``Train_Samples_lr.csv`` with the header ``step,lr``: the step counts samples, the tag is the file's name."""
    stem = Path(file_name).stem
    parts = re.match(r"(Train)_(Samples|Eigenvalues)_(.+)$", stem)
    tag = "/".join(parts.groups()) if parts else stem
    return Dialect(framework="deepspeed", step_columns=("step",), counts="samples", tags={header[1].strip(): tag})


def _wandb_chart(header: Sequence[str], file_name: str) -> Dialect:
    """A chart export: a column for each run and its band, ``<run> - <tag>``, with ``__MIN`` and ``__MAX`` beside it."""
    tags = {name.strip(): name.strip().rsplit(" - ", 1)[-1] for name in header if " - " in name}
    if len(set(tags.values())) < len(set(tags) - {name for name in tags if re.search(r"__(MIN|MAX)$", name)}):
        tags = {}
    ignored = tuple(name.strip() for name in header if re.search(r"__(MIN|MAX)$", name))
    return Dialect(framework="wandb", exported=True, tags=tags, ignored=ignored)


def _of(framework: str, **known: object) -> Callable[[Sequence[str], str], Dialect]:
    return lambda header, file_name: Dialect(framework=framework, **known)  # type: ignore[arg-type]


_Recognises = Callable[[set[str], list[str], str], bool]
_DIALECTS: tuple[tuple[_Recognises, Callable[[Sequence[str], str], Dialect]], ...] = (
    (lambda names, lower, file: lower == ["wall time", "step", "value"], _tensorboard_export),
    (lambda names, lower, file: any(name.endswith("__MIN") for name in names), _wandb_chart),
    (lambda names, lower, file: len(lower) == 2 and lower[0] == "step" and file.startswith("Train_"), _deepspeed),
    (
        lambda names, lower, file: "time/total_timesteps" in names,
        _of("stable-baselines3", step_columns=("time/total_timesteps",), counts="samples"),
    ),
    (
        lambda names, lower, file: "_step" in names and bool(names & {"_timestamp", "_runtime"}),
        _of("wandb", wall_column="_timestamp", elapsed_columns=("_runtime",), exported=True),
    ),
    (
        lambda names, lower, file: lower[:1] == ["epoch"] and any(name.startswith("metrics/") for name in lower),
        lambda header, file: Dialect(
            framework="yolov5" if any(name.strip().startswith("x/lr") for name in header) else "ultralytics",
            elapsed_columns=("time",),
        ),
    ),
    (
        lambda names, lower, file: (
            "step" in names
            and (
                ("epoch" in names and file == "metrics.csv")
                or any(re.match(r"lr-(?:Adam|SGD|RMS|LBFGS|Rprop|ASGD|NAdam|RAdam|Spars)", name) for name in names)
            )
        ),
        _of("pytorch-lightning", step_columns=("step",)),
    ),
    (
        lambda names, lower, file: "main/loss" in names,
        _of("chainer", step_columns=("iteration",), elapsed_columns=("elapsed_time",)),
    ),
    (
        lambda names, lower, file: "num_updates" in names and bool(names & {"wall", "gnorm", "wps", "ups"}),
        _of("fairseq", step_columns=("num_updates",), elapsed_columns=("wall", "train_wall")),
    ),
    (
        lambda names, lower, file: lower[:3] == ["epoch", "train_loss", "valid_loss"],
        _of("fastai", elapsed_columns=("time",)),
    ),
    (
        lambda names, lower, file: (
            lower[:2] == ["epoch", "train_loss"]
            and any(name.startswith("eval_") for name in lower)
            and file.startswith("summary")
        ),
        _of("timm", counts="epoch"),
    ),
    (
        lambda names, lower, file: (
            lower[:1] == ["epoch"]
            and "loss" in names
            and lower[1:] == sorted(lower[1:])
            and "step" not in names
            and any(re.match("val_|accuracy|acc$", name) for name in lower)
        ),
        _of("keras", step_columns=("epoch",), counts="epoch"),
    ),
    (
        lambda names, lower, file: {"samples", "step", "grad_norm", "loss_q0"} <= names,
        _of("improved-diffusion", step_columns=("step",)),
    ),
)


# ---------------------------------------------------------------------------------------------------------------
# cells


def number_of(cell: str, *, decimal_comma: bool = False) -> float | None:
    """The number that a cell holds, or None when it holds something else."""
    text = cell.strip()
    if _NUMBER.match(text):
        return float(text)
    if decimal_comma and _DECIMAL_COMMA.match(text):
        return float(text.replace(",", "."))
    if text in _WINDOWS:
        return float(_WINDOWS[text])
    inner = _TENSOR.match(text)
    return number_of(inner.group(1)) if inner else None


def split_row(line: str, delimiter: str) -> list[str]:
    """The cells of one line. A line that cannot be parsed as CSV is split at every delimiter."""
    if delimiter == " ":
        return line.split()
    if '"' not in line:
        return line.split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        return line.split(delimiter)


def records(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Line numbers and lines; a quoted cell may span several lines, which are then one record."""
    at = 0
    while at < len(lines):
        line, first = lines[at], at
        at += 1
        if line.count('"') % 2:
            end = next(
                (index for index in range(at, min(at + QUOTED_LINES, len(lines))) if lines[index].count('"') % 2), None
            )
            if end is not None:
                line = "\n".join(lines[first : end + 1])
                at = end + 1
        yield first + 1, line


def sniff_delimiter(lines: Sequence[str]) -> str:
    """The delimiter that splits the first lines into the most even rows: comma, semicolon, tab, bar or blanks."""
    sample = [line for line in lines[:LINES_SNIFFED] if line.strip() and "\0" not in line and line[0] != "#"]

    def evenness(delimiter: str) -> tuple[float, int]:
        widths = [len(split_row(line, delimiter)) for line in sample]
        first = widths[0] if widths else 0
        return (sum(width == first for width in widths) / max(len(widths), 1) if first > 1 else 0.0), first

    scores = {delimiter: evenness(delimiter) for delimiter in (",", ";", "\t", "|")}
    best = max(scores, key=lambda delimiter: (scores[delimiter][0] >= 0.5, scores[delimiter][1], scores[delimiter][0]))
    if scores[best][0] > 0:
        return best
    return " " if evenness(" ")[0] >= 0.8 else ","


# ---------------------------------------------------------------------------------------------------------------
# rows to columns


@dataclass(kw_only=True)
class _Table:
    """Rows of one file while they are collected; the only mutable thing here."""

    name: str
    delimiter: str
    headers: dict[int, tuple[str, ...]] = field(
        default_factory=dict
    )  # width -> names of the latest header of that width
    main: tuple[str, ...] = ()
    rows: list[int] = field(default_factory=list)  # line number of each row
    at: dict[str, list[int]] = field(default_factory=dict)
    cells: dict[str, list[str]] = field(default_factory=dict)
    repeats: list[int] = field(default_factory=list)  # line after each repeated header
    odd: dict[str, list[tuple[int, str]]] = field(default_factory=dict)  # what was wrong -> rows

    def complain(self, what: str, line_number: int, detail: str = "") -> None:
        self.odd.setdefault(what, []).append((line_number, detail))

    def add(self, line_number: int, names: Sequence[str], cells: Sequence[str]) -> None:
        position = len(self.rows)
        self.rows.append(line_number)
        for name, cell in zip(names, cells, strict=False):
            if cell and name:
                self.at[name].append(position)
                self.cells[name].append(cell)

    def set_header(self, names: tuple[str, ...]) -> None:
        self.headers[len(names)] = names
        for name in names:
            self.at.setdefault(name, [])
            self.cells.setdefault(name, [])


def unique_names(cells: Sequence[str]) -> tuple[str, ...]:
    """Column names without padding; a name that occurs again gets a number, as pandas does it."""
    seen: dict[str, int] = {}
    names = []
    for cell in cells:
        name = cell.strip().lstrip("﻿").strip()
        count = seen.get(name, 0)
        seen[name] = count + 1
        names.append(f"{name}.{count}" if count and name else name)
    return tuple(names)


def looks_like_header(cells: Sequence[str]) -> bool:
    """Whether all cells are names: none is empty, a number or a list."""
    stripped = [cell.strip() for cell in cells]
    return bool(stripped) and all(
        cell
        and cell not in MISSING
        and number_of(cell) is None
        and cell[0] not in "[({"
        and seconds_of_stamp(cell) is None
        for cell in stripped
    )


def collect(
    lines: Sequence[str], complete: bool, delimiter: str, name: str, numbers: Sequence[int] | None = None
) -> _Table:
    """Read every line into a table of cells; what cannot be placed is noted.

    Args:
        complete: whether the last line was ended.
        numbers: line numbers, where the lines are not all of a file.
    """
    table = _Table(name=name, delimiter=delimiter)
    widths: dict[int, int] = {}
    short: list[tuple[int, tuple[str, ...], int]] = []
    last = len(lines)
    comment = ""
    for index, line in records(lines):
        line_number = numbers[index - 1] if numbers else index
        blank = not line.strip() and (delimiter == " " or delimiter not in line)
        if blank:
            continue
        if line.startswith("#") and not table.headers:
            comment = line.lstrip("# ")
            continue
        if "\0" in line:
            _read_around_nul(table, line_number, line)
            continue
        cells = split_row(line, delimiter)
        cut = index + line.count("\n") == last and not complete and not _ends_with_a_closing_quote(line)
        if not table.main:
            commented = split_row(comment, delimiter)  # numpy.savetxt writes its header as a comment
            behind = len(commented) == len(cells) and looks_like_header(commented) and number_of(cells[0]) is not None
            names = unique_names(commented if behind else cells)
            table.main = names
            table.set_header(names)
            if not behind:
                continue
        if cut:
            _read_cut_row(table, line_number, cells)
            continue
        if _is_header(table, cells):
            names = unique_names(cells)
            table.set_header(names)
            if set(names) & set(table.main):
                table.repeats.append(line_number + 1)
                table.main = names
            continue
        names_of_width = table.headers.get(len(cells))
        if names_of_width is not None:
            table.add(line_number, names_of_width, cells)
        elif len(cells) > len(table.main) and not any(cell.strip() for cell in cells[len(table.main) :]):
            table.add(line_number, table.main, cells[: len(table.main)])
        elif len(cells) < len(table.main):
            widths[len(cells)] = widths.get(len(cells), 0) + 1
            short.append((len(table.rows), table.main, len(cells)))
            table.add(line_number, table.main, cells)
        else:
            table.complain("cells", line_number, f"{len(cells)} cells where the header names {len(table.main)}")
    for position, names, width in short:
        if widths[width] < HABIT:
            _distrust_last_cell(table, position, names[width - 1])
            table.complain(
                "short", table.rows[position], f"{width} of {len(names)} cells, the last of them is not trusted"
            )
    return table


def _ends_with_a_closing_quote(line: str) -> bool:
    """A cell in quotes is completely written when its last quote is there."""
    return line.endswith('"') and line.count('"') % 2 == 0


def _is_header(table: _Table, cells: Sequence[str]) -> bool:
    first = cells[0].strip()
    if first and (first[0].isdigit() or first[0] in "+-."):
        return False
    names = unique_names(cells)
    if names in table.headers.values():
        return True
    if len(names) < 2 or not looks_like_header(cells):
        return False
    known = set(table.at)
    shared = sum(one in known for one in names)
    return shared >= max(2, 0.5 * len(names)) or (
        len(names) not in table.headers and shared == 0 and _names_fit(names, table)
    )


def _names_fit(names: Sequence[str], table: _Table) -> bool:
    """Whether a row of words may be the header of a second row shape: words without blanks, after the first header."""
    return all(re.fullmatch(r"[A-Za-z_][\w/.\-]*", name) for name in names) and len(table.rows) <= 2


def _read_cut_row(table: _Table, line_number: int, cells: list[str]) -> None:
    """The last line without its end: every cell but the last was completely written."""
    names = table.headers.get(len(cells), table.main)
    table.complain("cut", line_number)
    if 1 < len(cells) <= len(names) and cells[0].strip() not in table.at:
        table.add(line_number, names, cells[:-1])


def _read_around_nul(table: _Table, line_number: int, line: str) -> None:
    """NUL bytes overwrite what was there: of such a line only a repeated header can be trusted."""
    table.complain("nul", line_number, f"{line.count(chr(0))} NUL bytes")
    rest = unique_names(split_row(line.replace("\0", ""), table.delimiter))
    if rest == table.main:
        table.repeats.append(line_number + 1)


def _distrust_last_cell(table: _Table, position: int, name: str) -> None:
    index = bisect_left(table.at[name], position)
    if index < len(table.at[name]) and table.at[name][index] == position:
        del table.at[name][index], table.cells[name][index]


def column_of_cells(name: str, at: Sequence[int], cells: Sequence[str], rows: int, *, decimal_comma: bool) -> Column:
    """Numbers and texts of one column apart; missing cells are neither."""
    numbers: list[float] = []
    number_at: list[int] = []
    text_at: list[int] = []
    text: list[str] = []
    for position, cell in zip(at, cells, strict=True):
        value = number_of(cell, decimal_comma=decimal_comma)
        if value is not None:
            numbers.append(value)
            number_at.append(position)
        elif cell.strip() not in MISSING:
            text_at.append(position)
            text.append(cell.strip())
    return Column(
        name=name,
        value=np.array(numbers, dtype=np.float64),
        at=None if len(numbers) == rows else np.array(number_at, dtype=np.int64),
        text_at=text_at,
        text=text,
    )


_MESSAGES = {
    "cells": "{count} {rows} left out: {detail}",
    "short": "{count} {rows} cut short: {detail}",
    "nul": "{count} {lines} overwritten by NUL bytes, lost ({detail}): the file system did not finish a write",
}


def problems_of(table: _Table) -> list[Problem]:
    """One problem for each thing that went wrong, with its first row and its count."""
    found = []
    for what, places in table.odd.items():
        row, detail = places[0]
        if what == "cut":
            found.append(
                Problem(
                    source=table.name,
                    kind="truncated",
                    row=row,
                    message=f"the file ends inside row {row}: its last cell is left out, a number may be cut",
                )
            )
            continue
        message = _MESSAGES[what].format(
            count=len(places),
            detail=detail,
            rows="row" if len(places) == 1 else "rows",
            lines="line" if len(places) == 1 else "lines",
        )
        found.append(Problem(source=table.name, kind="corrupt" if what == "nul" else "row", message=message, row=row))
    return found


# ---------------------------------------------------------------------------------------------------------------
# the reader


def parse(data: bytes, name: str, fast_from: int = FAST_FROM) -> Reading:
    """The bytes of a table (compressed or not) as a reading.

    Args:
        name: the path that messages show.
        fast_from: bytes from which on the fast path is tried.
    """
    unpacked = unpack(data, name)
    if any(problem.kind == "unreadable" for problem in unpacked.problems):
        return Reading(source=Source(path=name, format="csv", line_numbers=True), problems=unpacked.problems)
    reason = why_not_text(unpacked.data)
    if reason:
        return unreadable(name, "csv", reason, unpacked.problems)
    text = unpacked.data
    if len(text) >= FAST_FROM and no_log_by_its_header(text):
        return unreadable(name, "csv", NO_LOG, unpacked.problems)
    if len(text) >= fast_from:
        from analyzer.readers.large_table import parse_large

        reading = parse_large(text, name, unpacked.problems)
        if reading is not None:
            return reading
    return parse_text(decode(text), name, unpacked.problems)


def no_log_by_its_header(text: bytes) -> bool:
    """Whether a large table names nothing that a log has: data sets are told by their first line, not read whole."""
    lines = lines_of(decode(text[: 1 << 16])).lines[:LINES_SNIFFED]
    lines = [line for line in lines if line.strip() and not line.startswith("#")]
    header = unique_names(split_row(lines[0], sniff_delimiter(lines))) if lines else ()
    return not any(names_an_axis(name) or role_of_tag(name) or is_long_form(name) for name in header)


def parse_text(text: str, name: str, problems: Sequence[Problem] = ()) -> Reading:
    """The careful path: every line by itself."""
    split = lines_of(text)
    delimiter = sniff_delimiter(split.lines)
    table = collect(split.lines, split.complete, delimiter, name)
    reason = why_no_table(table)
    if reason:
        return unreadable(name, "csv", reason, (*problems, *problems_of(table)))
    columns = [
        column_of_cells(column, table.at[column], table.cells[column], len(table.rows), decimal_comma=delimiter == ";")
        for column in table.at
        if column
    ]
    return read_columns(table, columns, np.array(table.rows, dtype=np.int64), name, problems)


def why_no_table(table: _Table) -> str | None:
    """Why the lines are no table with a header, or None."""
    if not table.main:
        return "empty file"
    if sum(number_of(cell) is not None for cell in table.main) > 0.5 * len(table.main):
        return "not a training log that can be read: its first line holds numbers, no header names the columns"
    if not table.rows:
        return (
            "a header without rows: nothing was logged"
            if "cells" not in table.odd
            else ("not a training log: no row has as many cells as the header")
        )
    return None


def read_columns(
    table: _Table, columns: list[Column], row_numbers: Ints, name: str, problems: Sequence[Problem]
) -> Reading:
    """Columns of a table with what is known of its writer."""
    file_name = plain_name(Path(name))
    dialect = dialect_of(table.main, file_name)
    cut = table.odd.get("cut")
    incomplete = len(row_numbers) - 1 if cut and len(row_numbers) and row_numbers[-1] == cut[0][0] else None
    markers = tuple(Marker(source=0, row=row, kind="header-repeated") for row in table.repeats)
    return interpret(
        columns,
        row_numbers,
        dialect=dialect,
        markers=markers,
        problems=(*problems, *problems_of(table)),
        source=Source(path=name, format="csv", line_numbers=True),
        incomplete=incomplete,
    )


def read(path: Path) -> Reading:
    """Read one table from disk."""
    return parse(path.read_bytes(), str(path))


def recognises(path: Path, head: bytes) -> bool:
    """``.csv`` and ``.tsv`` always; other text files when their first lines are a table with a step or epoch column."""
    suffix = plain_suffix(path)
    if suffix in (".csv", ".tsv"):
        return True
    if suffix not in (".txt", ".log", ".dat", ".out", "") or path.name.startswith("events.out"):
        return False
    start = plain_head(head)
    if why_not_text(start) or b"\0" in start or len(start) < 8 or start.lstrip()[:1] in (b"{", b"[", b"<", b":", b"-"):
        return False
    lines = lines_of(decode(start)).lines[:LINES_SNIFFED]
    return looks_like_a_log_table(lines)


def looks_like_a_log_table(lines: Sequence[str]) -> bool:
    """Whether lines begin with a header that names an axis and go on with rows of as many cells, mostly numbers."""
    comments = [line for line in lines if line.startswith("#")]
    lines = [line for line in lines if not line.startswith("#")]
    if len(lines) < 3:
        return False
    delimiter = sniff_delimiter(lines[:-1])
    if comments and number_of(split_row(lines[0], delimiter)[0] if lines[0].strip() else "") is not None:
        lines = [comments[-1].lstrip("# "), *lines]
    header = unique_names(split_row(lines[0], delimiter))
    if len(header) < 2 or not looks_like_header(header) or not any(names_an_axis(name) for name in header):
        return False
    rows = [split_row(line, delimiter) for line in lines[1:-1]]
    even = [cells for cells in rows if len(cells) == len(header)]
    numeric = sum(number_of(cell) is not None for cells in even for cell in cells)
    return (
        len(even) >= 0.8 * len(rows)
        and numeric >= 0.4 * sum(map(len, even))
        and any(names_an_axis(name) or role_of_tag(name) for name in header)
    )


READER = Reader(
    name="csv",
    title="CSV tables",
    recognises=recognises,
    read=read,
    parse=parse,
    recognised_by="`.csv`, `.tsv` (also `.gz`, `.zst`); `.txt` and `.log` files that begin with a header naming a step "
    "or epoch column",
    step="the column that counts updates: `global_step`, `step`, `iteration`, `num_updates`, ...; else samples or "
    "tokens; else W&B's `_step` (a counter of log calls), the epoch, or the row. DeepSpeed and Stable-Baselines3 count "
    "samples",
    epoch="the column `epoch`: 0-based in Keras, Lightning and timm, 1-based in Ultralytics; a series beside a step",
    learning_rate="as logged: Lightning's monitor and nanoGPT the rate that the update used, Keras and timm that of "
    "the finished epoch, DeepSpeed the next one's",
    priority=-10,
)
