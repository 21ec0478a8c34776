"""Cells and lines of CSV tables: what a number is, where a line is split, which line is a header."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence

import numpy as np

from analyzer.model import Floats
from analyzer.readers.columns import Column
from analyzer.readers.columns.step_axis import names_an_axis
from analyzer.readers.columns.wall_time import seconds_of_stamp
from analyzer.written_numbers import DECIMAL, number_written

LINES_SNIFFED = 30
QUOTED_LINES = 100  # lines that one quoted cell may span; beyond, the quote is a stray one
MISSING = frozenset(("", "NA", "N/A", "n/a", "na", "null", "NULL", "Null", "None", "none", "-", "--", "<NA>", "#N/A"))
_TENSOR = re.compile(r"tensor\(\s*+([^\s,)]++)\s*+(?:,.*)?\)", re.S)
_PLAIN = re.compile(rf"(?:[ \t]*+{DECIMAL}[ \t]*+\n)*+")
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


def number_of(cell: str, *, decimal_comma: bool = False) -> float | None:
    """The number that a cell holds, or None when it holds something else."""
    text = cell.strip()
    number = number_written(text)
    if number is not None:
        return number
    if decimal_comma and text.count(",") == 1 and "." not in text:
        return number_written(text.replace(",", "."))
    if text in _WINDOWS:
        return float(_WINDOWS[text])
    inner = _TENSOR.fullmatch(text) if text[:7] == "tensor(" else None
    return number_written(inner[1]) if inner else None


def split_row(line: str, delimiter: str) -> list[str]:
    """The cells of one line. A line that cannot be parsed as CSV is split at every delimiter."""
    if delimiter == " ":
        return line.split()
    if '"' not in line:
        return line.split(delimiter)
    for text in (line, re.sub(rf'"[ \t]+(?={re.escape(delimiter)}|$)', '"', line)):  # blanks behind a quote are padding
        try:
            # strict: else ``"5"15`` would be 515
            return next(csv.reader([text], delimiter=delimiter, skipinitialspace=True, strict=True), [])
        except csv.Error:
            continue
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


def unique_names(cells: Sequence[str]) -> tuple[str, ...]:
    """Column names without padding; a name that occurs again gets a number, as pandas does it."""
    seen: dict[str, int] = {}
    names = []
    for cell in cells:
        name = cell.strip().lstrip("﻿").strip()
        count = seen.get(name, 0)
        seen[name] = count + 1
        names.append(f"{name}.{count}" if count and name else name)
    if any(map(names_an_axis, names)):
        return tuple(names)
    from analyzer.readers.stdout.languages import name_in_english  # many words, for headers that name no counter

    english = [name_in_english(name) for name in names]
    return tuple(english if len(set(english)) == len(set(names)) and any(map(names_an_axis, english)) else names)


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


def plain_numbers(cells: Sequence[str]) -> Floats | None:
    """The numbers of cells that all are digits, point and exponent, by one match over all of them; else None."""
    whole = "\n".join(cells)
    if not cells or whole.count("\n") >= len(cells) or not _PLAIN.fullmatch(whole + "\n"):
        return None
    values = np.array(list(map(float, cells)), dtype=np.float64)
    return values if np.isfinite(values).all() else None  # a number beyond a double is none


def column_of_cells(name: str, at: Sequence[int], cells: Sequence[str], rows: int, *, decimal_comma: bool) -> Column:
    """Numbers and texts of one column apart; missing cells are neither."""
    plain = plain_numbers(cells)
    if plain is not None:
        kept = None if len(plain) == rows else np.array(at, dtype=np.int64)
        return Column(name=name, value=plain, at=kept, text_at=[], text=[])
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
