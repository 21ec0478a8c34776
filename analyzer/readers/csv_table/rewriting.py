"""A table of text with rows cut and steps shifted."""

from __future__ import annotations

import re

from analyzer.readers.correcting import CannotRepair, Correction
from analyzer.readers.csv_table.cells import number_of, records, sniff_delimiter, split_row, unique_names
from analyzer.readers.text_file import written_lines


def rewritten(correction: Correction, content: bytes) -> bytes:
    """A table of text: whole rows go, and of a shifted one its step changes; what else was written stays, byte by byte.

    Lines and rows are those of the reader: a quoted cell may span several lines.
    """
    lines = [line.decode("utf-8", "surrogateescape") for line in written_lines(content)]
    plain = [line.rstrip("\r\n") for line in lines]
    delimiter = sniff_delimiter(plain[:-1] or plain)
    column = correction.source.step_column
    header, at = "", -1
    kept: list[str] = []
    for number, row in records(plain):
        written = "".join(lines[number - 1 : number + row.count("\n")])
        if not header and row.strip() and not row.startswith("#"):
            header = row
            names = unique_names(split_row(header, delimiter))
            at = names.index(column) if column in names else -1
            if correction.shift and at < 0:
                raise CannotRepair("its step column is not in the first line")
        elif number in correction.cut or (correction.shift and row.strip() == header.strip("\ufeff").strip()):
            continue
        amount = correction.shift.get(number)
        kept.append(_shifted_row(written, at, amount, delimiter) if amount else written)
    return "".join(kept).encode("utf-8", "surrogateescape")


def _shifted_row(row: str, at: int, amount: int, delimiter: str) -> str:
    """A row with another step in its place, and nothing else changed."""
    begin, end = _cell(row, at, delimiter)
    cell = row[begin:end]
    written = cell.strip().strip('"')
    number = number_of(written, decimal_comma=delimiter == ";")
    if number is None:
        raise CannotRepair(f"{cell[:40]!r} is no step")
    whole = written.isascii() and written.lstrip("+-").isdecimal()
    shifted = str(int(written) + amount) if whole else repr(number + amount)
    return row[:begin] + cell.replace(written, shifted, 1) + row[end:]


def _cell(row: str, at: int, delimiter: str) -> tuple[int, int]:
    """Where a cell begins and ends in a row."""
    if delimiter == " ":
        return [found.span() for found in re.finditer(r"\S+", row)][at]
    begin = place = 0
    quoted = False
    for end, character in enumerate(row):
        if character == '"':
            quoted = not quoted
        elif character == delimiter and not quoted:
            if place == at:
                return begin, end
            begin, place = end + 1, place + 1
    return begin, len(row.rstrip("\r\n"))
