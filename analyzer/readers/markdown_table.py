"""Tables set in text with bars: the ``Training results`` of a model card, and tables that people keep in notes.

A table counts when its header names a step or an epoch and a figure of training; the others of a page are results.
Model cards of the Hugging Face Trainer state the run's arguments above it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct

from analyzer.config.framework_names import facts_from_mapping
from analyzer.model import Fact, Source
from analyzer.readers import Reader, Reading
from analyzer.readers.columns import Column, Dialect
from analyzer.readers.columns.reading import interpret
from analyzer.readers.columns.step_axis import names_an_axis
from analyzer.readers.csv_table.cells import MISSING, column_of_cells, number_of, unique_names
from analyzer.readers.text_file import (
    Lines,
    compressed,
    decode,
    lines_of,
    plain_suffix,
    unpack,
    unreadable,
    why_not_text,
)
from analyzer.regular_files import content_of, opened
from analyzer.roles import role_of_tag

SUFFIXES = (".md", ".markdown")
OTHERS = (".txt", ".log", ".out", "")  # a table there must begin in the head
BYTES_LOOKED_AT = 1 << 18  # of a page of text; a model card's table stands behind its prose
_RULE = re.compile(r"^[\s|+:=│┃├┼┤╞╪╡┠╂┨┌┬┐└┴┘─━═-]{5,}$")  # the line below a header, and the edges
_BAR_SIGNS = ("|", "│", "┃")
_PERCENT = re.compile(r"(?<=\d)\s{0,20}%$")
_BARS = re.compile(r"(?<!\\)[|│┃]")
# what transformers/modelcard.py writes for a column that the last evaluation had no value for
NOTHING = frozenset({"No log", *MISSING})
_ARGUMENTS = "The following hyperparameters were used during training:"
_ARGUMENT = re.compile(r"^- ([a-z][a-z_]{2,40}): ([^\s].{0,80})$")
# transformers/modelcard.py extract_hyperparameters_from_trainer: its names, and those of TrainingArguments
_OF_THE_TRAINER = {
    "learning_rate": "learning_rate", "train_batch_size": "per_device_train_batch_size", "num_devices": "world_size",
    "gradient_accumulation_steps": "gradient_accumulation_steps", "total_train_batch_size": "total_train_batch_size",
    "lr_scheduler_type": "lr_scheduler_type", "lr_scheduler_warmup_steps": "warmup_steps",
    "lr_scheduler_warmup_ratio": "warmup_ratio", "num_epochs": "num_train_epochs", "training_steps": "max_steps",
}  # fmt: skip


class _Found(Struct, frozen=True, kw_only=True):
    """A table of a text: its header, the cells of its rows, and their line numbers."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    at: tuple[int, ...]


def parse(data: bytes, name: str) -> Reading:
    """A page of text as a reading; rows are 1-based line numbers. Several tables of a log are several runs."""
    unpacked = unpack(data, name)
    reason = why_not_text(unpacked.data)
    if reason:
        return unreadable(name, "markdown-table", reason, unpacked.problems)
    lines = lines_of(decode(unpacked.data))
    tables = [table for table in _tables(lines) if _is_of_a_log(table.header)]
    if not tables:
        return unreadable(name, "markdown-table", "no table whose header names a step or an epoch, and a loss")
    facts = _arguments(lines.lines, Path(name).name)
    readings = [
        interpret(
            _columns(table),
            np.array(table.at, dtype=np.int64),
            dialect=Dialect(framework="transformers" if facts else None),
            facts=facts,
            problems=unpacked.problems,
            source=Source(
                path=name, format="markdown-table", line_numbers=True, view="" if len(tables) == 1 else f"{at}"
            ),
        )
        for at, table in enumerate(tables, start=1)
    ]
    if len(readings) == 1:
        return readings[0]
    return Reading(source=Source(path=name, format="markdown-table", line_numbers=True), runs=tuple(readings))


def _columns(table: _Found) -> list[Column]:
    """The columns of a table; a cell that says that there was no value is empty."""
    found = []
    for place, column in enumerate(table.header):
        cells = [_PERCENT.sub("", row[place]) for row in table.rows]
        told = [at for at, cell in enumerate(cells) if cell not in NOTHING]
        found.append(column_of_cells(column, told, [cells[at] for at in told], len(cells), decimal_comma=False))
    return [one for one in found if len(one.value) or len(one.text)]


def _tables(lines: Lines) -> list[_Found]:
    """Every table of a text. A last line that no line end closes may be cut, and is none of its rows."""
    complete = lines.lines if lines.complete or lines.lines[-1].rstrip().endswith(_BAR_SIGNS) else lines.lines[:-1]
    tables: list[_Found] = []
    at = 0
    while at < len(complete):
        header = _cells(complete[at])
        at += 1
        if len(header) < 2 or at >= len(complete) or not _RULE.match(complete[at]):
            continue
        rows: list[tuple[str, ...]] = []
        numbers: list[int] = []
        while at < len(complete) and (_RULE.match(complete[at]) or len(_cells(complete[at])) > 1):
            cells = _cells(complete[at])
            if len(cells) == len(header) - 1 and complete[at].rstrip()[-1:] in _BAR_SIGNS:
                cells.append("")  # the last column is empty here, and the edge of the row is its bar
            if not _RULE.match(complete[at]) and len(cells) == len(header):
                rows.append(tuple(cells))
                numbers.append(at + 1)
            at += 1
        if rows:
            tables.append(_Found(header=unique_names(header), rows=tuple(rows), at=tuple(numbers)))
    return tables


def _cells(line: str) -> list[str]:
    """The cells of a line between bars, without the edges; none of a line without bars."""
    text = line.strip()
    if not _BARS.search(text):
        return []
    cells = [cell.strip().strip("*`") for cell in _BARS.split(text)]
    return cells[cells[0] == "" : len(cells) - (cells[-1] == "")]


def _is_of_a_log(header: Sequence[str]) -> bool:
    return any(map(names_an_axis, header)) and any(
        role_of_tag(name) in ("loss", "validation_loss", "epoch_loss", "learning_rate") for name in header
    )


def _arguments(lines: Sequence[str], file_name: str) -> tuple[Fact, ...]:
    """What a model card says of the Trainer's arguments. It leaves out what is one: devices, accumulation."""
    start = next((at for at, line in enumerate(lines) if line.strip() == _ARGUMENTS), None)
    if start is None:
        return ()
    found: dict[str, object] = {}
    for line in lines[start + 1 :]:
        argument = _ARGUMENT.match(line.rstrip())
        if argument is None:
            break
        number = number_of(argument[2])
        value = argument[2] if number is None else int(number) if number.is_integer() else number
        if argument[1] in _OF_THE_TRAINER:
            found[_OF_THE_TRAINER[argument[1]]] = value
    if "per_device_train_batch_size" in found and "total_train_batch_size" not in found:
        found["total_train_batch_size"] = found["per_device_train_batch_size"]
    return facts_from_mapping(found, file_name)


def read(path: Path) -> Reading:
    """Read one page."""
    return parse(content_of(path), str(path))


def recognises(path: Path, head: bytes) -> bool:
    """Text with a table whose header names a step or an epoch, and a loss or a learning rate."""
    page = plain_suffix(path) in SUFFIXES
    if not page and plain_suffix(path) not in OTHERS:
        return False
    if page and len(head) >= 4096:
        try:
            with opened(path) as stream:
                head = stream.read(BYTES_LOOKED_AT)
        except OSError:
            return False
    start = unpack(head, "", most=BYTES_LOOKED_AT).data if compressed(head) else head
    if (b"|" not in start and "│".encode() not in start) or why_not_text(start):
        return False
    return any(_is_of_a_log(table.header) for table in _tables(lines_of(decode(start))))


READER = Reader(
    name="markdown-table",
    title="Tables in text",
    suffixes=SUFFIXES,
    seldom=True,
    recognises=recognises,
    read=read,
    parse=parse,
    recognised_by="a table with bars (`| Epoch | Step | Validation Loss |`) in `.md`, also in `.txt` and `.log`, whose "
    "header names a step or an epoch and a loss; model cards of the Hugging Face Trainer with their hyperparameters",
    step="the column `Step` (the Trainer's updates, from 1), else the epoch",
    epoch="the Trainer's fraction, printed with two to four decimals",
    learning_rate="as written; a model card has none",
    priority=-9,  # before CSV, to which a bar is a delimiter
)
