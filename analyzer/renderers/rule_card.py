"""A rule's documentation for a terminal: its docstring, what it is founded on, and its examples."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from analyzer.renderers import Look
from analyzer.renderers.lines import paint, wrap

HEADINGS = ("What it checks", "Why it matters", "When it is silent", "What to do")


def card(rule: Any, look: Look) -> str:
    """The card of one ``Rule``."""
    return "\n".join(_lines(rule, look)) + "\n"


def _lines(rule: Any, look: Look) -> Iterator[str]:
    yield paint(f"{rule.code} {rule.name}", rule.severity, look) + f"  (at most: {rule.severity})"
    yield ""
    for paragraph in rule.documentation.replace("``", "`").strip().split("\n\n"):
        yield from _paragraph(paragraph, look)
        yield ""
    if rule.sources:
        yield paint("Sources", "title", look)
        yield from (line for source in rule.sources for line in _item(source, look))
        yield ""
    for title, examples in (("Examples that it reports", rule.bad), ("Examples that it leaves alone", rule.good)):
        if examples:
            yield paint(title, "title", look)
            for example in examples:
                yield from _item(example.title + (f": {example.why}" if example.why else ""), look)
            yield ""


def _paragraph(paragraph: str, look: Look) -> Iterator[str]:
    lines = paragraph.splitlines()
    if lines and lines[0].strip() in HEADINGS:
        yield paint(lines[0].strip(), "title", look)
        lines = lines[1:]
    lines = textwrap.dedent("\n".join(lines)).splitlines()
    if any(line.startswith((" ", "- ", "| ")) for line in lines):  # a list, a table or a formula keeps its lines
        yield from lines
    elif lines:
        yield from wrap(" ".join(lines), min(look.width, 100))


def _item(text: str, look: Look) -> list[str]:
    first, *rest = wrap(text, min(look.width, 100) - 4)
    return [f"  - {first}", *(f"    {line}" for line in rest)]
