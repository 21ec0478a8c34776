"""The shape of a large table, from its first lines."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from analyzer.readers.csv_table.cells import (
    LINES_SNIFFED,
    MISSING,
    looks_like_header,
    number_of,
    sniff_delimiter,
    split_row,
    unique_names,
)

HEAD = 1 << 16  # bytes that tell the shape


class TableShape(Struct, frozen=True, kw_only=True):
    """What the first lines say."""

    header_line: str
    header: tuple[str, ...]
    delimiter: str
    text: frozenset[int]  # columns that hold text in the first lines
    decimal_comma: bool
    body: int  # byte at which the first row begins

    @property
    def named(self) -> list[int]:
        return [index for index, name in enumerate(self.header) if name]


def shape_of(head: bytes) -> TableShape | None:
    """What the first lines say, or None when they are no plain table: only the careful path knows comments."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"#")):
        return None
    first_end = head.find(b"\n") + 1
    header_line = head[:first_end].decode("utf-8-sig", errors="replace").rstrip("\r\n")
    sample = head.decode("utf-8-sig", errors="replace").splitlines()[:-1]
    delimiter = sniff_delimiter(sample[:LINES_SNIFFED])
    header = unique_names(split_row(header_line, delimiter))
    if (
        delimiter == " "
        or len(header) < 2
        or header_line.count('"') % 2
        or not header_line.strip()
        or not looks_like_header([one or "x" for one in header])
    ):
        return None
    return TableShape(
        header_line=header_line,
        header=header,
        delimiter=delimiter,
        text=_text_columns(header, delimiter, sample[1:51]),
        decimal_comma=delimiter == ";" and b"," in head[first_end:],
        body=first_end,
    )


def _text_columns(header: tuple[str, ...], delimiter: str, sample: Sequence[str]) -> frozenset[int]:
    cells = [row for row in (split_row(line, delimiter) for line in sample) if len(row) == len(header)]
    return frozenset(
        index
        for index in range(len(header))
        if any(
            cell not in MISSING and number_of(cell) is None and "," not in cell
            for cell in (row[index].strip() for row in cells)
        )
    )
