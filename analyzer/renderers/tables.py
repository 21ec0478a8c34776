"""Tables of text: for a terminal, as Markdown, as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from analyzer.renderers import Look
from analyzer.renderers.escaping import visible
from analyzer.renderers.lines import labelled, paint, width_of, wrap

Rows = Sequence[Sequence[str]]


def as_text(headings: Sequence[str], rows: Rows, look: Look) -> str:
    """Columns of which the last wraps; below 70 columns it goes to a line of its own."""
    return "\n".join(_text_lines([[visible(cell) for cell in row] for row in (headings, *rows)], look)) + "\n"


def _text_lines(rows: list[list[str]], look: Look) -> Iterator[str]:
    widths = [max(width_of(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    used = sum(widths) + 2 * len(widths)
    beside = look.width - used >= 24
    for index, row in enumerate(rows):
        cells = [cell + " " * (size - width_of(cell)) for cell, size in zip(row, widths, strict=False)]
        lead = "  ".join(cells)
        if not beside:
            yield paint(lead.rstrip(), "title", look)
            if index:
                yield from (f"    {line}" for line in wrap(row[-1], look.width - 4))
            continue
        lines = wrap(row[-1], look.width - used)
        yield paint(f"{lead}  {lines[0]}", "title", look) if index == 0 else f"{lead}  {lines[0]}"
        yield from (" " * used + line for line in lines[1:])


def as_sections(headings: Sequence[str], rows: Rows, look: Look) -> str:
    """A heading of the first two cells for each row, and the others below it with their labels."""
    lines: list[str] = []
    for row in rows:
        lines.append(f"{paint(visible(row[0]), 'title', look)}  {visible(row[1])}")
        for heading, cell in zip(headings[2:], row[2:], strict=True):
            lines += labelled(heading, visible(cell), look, indent=18)
    return "\n".join(lines) + "\n"


def as_markdown(headings: Sequence[str], rows: Rows) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(headings) + " |", "|" + " --- |" * len(headings)]
    lines += ["| " + " | ".join(visible(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def as_json(keys: Sequence[str], rows: Rows) -> str:
    """A list of objects."""
    return json.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=1) + "\n"
