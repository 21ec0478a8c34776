"""Lines of text for a terminal: wrapping, widths, colours, labels. What every printed output is made of."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterator

from analyzer.renderers import Look

STYLES = {"error": "1;31", "warning": "1;33", "note": "1;36", "title": "1", "dim": "2", "gutter": "34", "good": "32"}


def labelled(label: str, text: str, look: Look, indent: int = 12) -> Iterator[str]:
    """A label in a column of its own, and text that wraps beside it."""
    lines = wrap(text, max(20, look.width - indent))
    if width_of(label) > indent - 4:
        yield paint(f"   {label}", "dim", look)
        label = ""
    for number_of_line, line in enumerate(lines):
        shown = paint(f"   {label}".ljust(indent), "dim", look) if number_of_line == 0 else " " * indent
        yield shown + line


def wrapped(text: str, look: Look, *, style: str, label: int | None, indent: str = "") -> Iterator[str]:
    """Wrapped text of which the first ``label`` characters are painted; all of it when None."""
    for index, line in enumerate(wrap(text, look.width, indent)):
        if label is None:
            yield paint(line, style, look)
        elif index == 0:
            yield paint(line[:label], style, look) + line[label:]
        else:
            yield line


def wrap(text: str, width: int, indent: str = "") -> list[str]:
    """Lines of at most ``width`` columns where words allow; a path is never broken."""
    return textwrap.wrap(
        text, max(20, width), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    ) or [""]


def width_of(text: str) -> int:
    """Columns that a text takes in a terminal: wide East Asian signs two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def cut(text: str, width: int) -> str:
    """The text, ended by dots where it would not fit."""
    if width_of(text) <= width:
        return text
    while text and width_of(text) > width - 3:
        text = text[:-1]
    return text + "..."


def cut_inside(name: str, width: int) -> str:
    """A name with dots in its middle where it would not fit: runs of a tree differ at either end."""
    if width_of(name) <= width:
        return name
    head, tail = name[: len(name) // 2], name[len(name) // 2 :]
    while width_of(head) + width_of(tail) > width - 3 and (head or tail):
        head, tail = (head[:-1], tail) if width_of(head) >= width_of(tail) else (head, tail[1:])
    return f"{head}...{tail}"


def paint(text: str, style: str, look: Look) -> str:
    """The text in a style of its own on a colour terminal."""
    return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if look.color and text else text


def linked(line: str, code: str, look: Look) -> str:
    """The line with its first ``[CODE]`` leading to the rule's page, where the terminal is given one (OSC 8)."""
    if not look.rule_page:
        return line
    page = look.rule_page.replace("{code}", code)
    return line.replace(f"[{code}]", f"[\x1b]8;;{page}\x1b\\{code}\x1b]8;;\x1b\\]", 1)
