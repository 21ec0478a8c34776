"""A rule's documentation for a terminal: its docstring, what it is founded on, and its examples."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any, Literal

from analyzer.renderers import Look
from analyzer.renderers.lines import paint, wrap

HEADINGS = ("What it checks", "Why it matters", "When it is silent", "What to do")


def card(rule: Any, look: Look) -> str:
    """The card of one ``Rule``."""
    return "\n".join(_lines(rule, look)) + "\n"


def _lines(rule: Any, look: Look) -> Iterator[str]:
    yield paint(f"{rule.code} {rule.name}", rule.severity, look) + f"  (at most: {rule.severity})"
    yield ""
    yield from _paragraphs(rule.documentation, look)
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


def blocks(documentation: str) -> Iterator[tuple[Literal["heading", "text", "verbatim"], str]]:
    """A rule's docstring in pieces: headings, paragraphs, and what keeps its lines (a list, a table, a formula)."""
    for paragraph in documentation.replace("``", "`").strip().split("\n\n"):
        lines = paragraph.splitlines()
        if lines and lines[0].strip() in HEADINGS:
            yield "heading", lines[0].strip()
            lines = lines[1:]
        text = textwrap.dedent("\n".join(lines))
        if any(line.startswith((" ", "- ", "| ")) for line in text.splitlines()):
            yield "verbatim", text
        elif text:
            yield "text", " ".join(text.splitlines())


def _paragraphs(documentation: str, look: Look) -> Iterator[str]:
    for kind, text in blocks(documentation):
        if kind == "heading":
            yield paint(text, "title", look)
            continue
        yield from text.splitlines() if kind == "verbatim" else wrap(text, min(look.width, 100))
        yield ""


def _item(text: str, look: Look) -> list[str]:
    first, *rest = wrap(text, min(look.width, 100) - 4)
    return [f"  - {first}", *(f"    {line}" for line in rest)]
