"""The careful path of CSV tables: every line by itself, what cannot be placed is noted."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct, field

from analyzer.model import Ints, Marker, Problem, Source
from analyzer.readers import Reading
from analyzer.readers.bounds import worth_reading
from analyzer.readers.columns import Column
from analyzer.readers.columns.reading import interpret
from analyzer.readers.csv_table.cells import (
    column_of_cells,
    looks_like_header,
    number_of,
    records,
    sniff_delimiter,
    split_row,
    unique_names,
)
from analyzer.readers.csv_table.dialects import dialect_of
from analyzer.readers.text_file import lines_of, plain_name, unreadable

OF_EACH_ROW = 8  # headers, one for every other row or more, that belong to the rows (`to_csv(mode="a")`), not to lives
NO_HEADER = "not a training log that can be read: its first line holds numbers, no header names the columns"
HABIT = 3  # rows of one odd width that make it the writer's habit and no accident


class _Table(Struct, kw_only=True):
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


def collect(
    lines: Sequence[str],
    complete: bool,
    delimiter: str,
    name: str,
    numbers: Sequence[int] | None = None,
    header: tuple[str, ...] = (),
) -> _Table:
    """Read every line into a table of cells; what cannot be placed is noted.

    Args:
        complete: whether the last line was ended.
        numbers: line numbers, where the lines are not all of a file.
        header: of a table that has none, where it is known.
    """
    table = _Table(name=name, delimiter=delimiter, main=header)
    if header:
        table.set_header(header)
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
        cells = split_row(line.lstrip("# ") if comment and line.startswith("#") else line, delimiter)
        cut = index + line.count("\n") == last and not complete and not _ends_with_a_closing_quote(line)
        if not table.main:
            commented = split_row(comment, delimiter)  # numpy.savetxt writes its header as a comment
            behind = len(commented) == len(cells) and looks_like_header(commented) and number_of(cells[0]) is not None
            names = unique_names(commented if behind else cells)
            table.main = names
            table.set_header(names)
            if not behind:
                continue
        if line.startswith("#") and len(cells) not in table.headers:
            continue  # a comment between the rows
        if cut:
            _read_cut_row(table, line_number, cells)
            continue
        if _is_header(table, cells):
            names = unique_names(cells)
            before = {name: at for at, name in reversed([*enumerate(table.main)])}  # the first of two
            now = {name: at for at, name in reversed([*enumerate(names)])}
            moved = [name for name in names if before.get(name, now[name]) != now[name]]
            if moved:
                table.complain("header", line_number, ", ".join(moved))
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


_MESSAGES = {
    "cells": "{count} {rows} left out: {detail}",
    "short": "{count} {rows} cut short: {detail}",
    "header": "{count} {lines} inside the table name columns at another place than before ({detail}): who reads "
    "the rows behind by the first header takes one column for another",
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


def parse_text(text: str, name: str, problems: Sequence[Problem] = (), header: tuple[str, ...] = ()) -> Reading:
    """The careful path: every line by itself; the header where it is known and stands in no line."""
    split = lines_of(text)
    delimiter = sniff_delimiter(split.lines)
    table = collect(split.lines, split.complete, delimiter, name, header=header)
    reason = why_no_table(table)
    if reason:
        return unreadable(name, "csv", reason, (*problems, *problems_of(table)))
    named = [column for column in table.at if column]
    columns = [
        column_of_cells(column, table.at[column], table.cells[column], len(table.rows), decimal_comma=delimiter == ";")
        for column in (named[at] for at in worth_reading(named))
    ]
    left = len(named) - len(columns)
    return read_columns(table, columns, np.array(table.rows, dtype=np.int64), name, problems, left_aside=left)


def holds_numbers(header: Sequence[str]) -> bool:
    """Whether most cells of what should be a header are numbers."""
    return sum(number_of(cell) is not None for cell in header) > 0.5 * len(header)


def why_no_table(table: _Table) -> str | None:
    """Why the lines are no table with a header, or None."""
    if not table.main:
        return "empty file"
    if holds_numbers(table.main):
        return NO_HEADER
    if not table.rows:
        return (
            "a header without rows: nothing was logged"
            if "cells" not in table.odd
            else ("not a training log: no row has as many cells as the header")
        )
    return None


def read_columns(
    table: _Table,
    columns: list[Column],
    row_numbers: Ints,
    name: str,
    problems: Sequence[Problem],
    *,
    left_aside: int = 0,
) -> Reading:
    """Columns of a table, so many of them left aside, with what is known of its writer."""
    file_name = plain_name(Path(name))
    dialect = dialect_of(table.main, file_name)
    cut = table.odd.get("cut")
    incomplete = len(row_numbers) - 1 if cut and len(row_numbers) and row_numbers[-1] == cut[0][0] else None
    habit = len(table.repeats) >= OF_EACH_ROW and 2 * len(table.repeats) > len(row_numbers)
    lives = () if habit else table.repeats
    markers = tuple(Marker(source=0, row=row, kind="header-repeated") for row in lives)
    return interpret(
        columns,
        row_numbers,
        dialect=dialect,
        markers=markers,
        problems=(*problems, *problems_of(table)),
        source=Source(path=name, format="csv", line_numbers=True),
        incomplete=incomplete,
        left_aside=left_aside,
    )
