"""Renderers: pure functions from a report to text or bytes, one module per output, each ending in RENDERER."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable

from msgspec import Struct

from analyzer.model import Report


class Look(Struct, frozen=True, kw_only=True):
    """What a reader of the output can take, and how much of it is wanted."""

    width: int = 100  # columns
    color: bool = False
    verbose: bool = False  # what was skipped and silenced, too
    statistics: bool = False  # counts per rule instead of findings
    quiet: bool = False  # findings only
    notes: bool = False  # notes in full, not a line each
    sound: bool = False  # every run without findings by name, not only counted
    rule_page: str = ""  # address of a rule's page, {code} in it, for terminals that show links; empty: no links
    fail_on: str = "warning"  # the least severity that fails, for test reporters: a key of GRAVE


class Renderer(Struct, frozen=True, kw_only=True):
    """One output format."""

    name: str  # as `--format` spells it
    title: str
    render: Callable[[Report, Look], str | bytes]


ENDINGS = {
    ".html": "html",
    ".json": "json",
    ".sarif": "sarif",
    ".xml": "junit",
    ".md": "markdown",
    ".txt": "terminal",
}
"""File ending -> the format that it means."""


def all_renderers() -> dict[str, Renderer]:
    """Every renderer by name. Imports them all: for listings; `renderer_named` is the quick way to one."""
    found = {}
    for module_info in pkgutil.iter_modules(__path__):
        renderer = _of_module(module_info.name)
        if renderer is not None:
            found[renderer.name] = renderer
    return found


def renderer_named(name: str) -> Renderer:
    """One renderer, importing no other where its module is named like it.

    Raises:
        KeyError: when there is none of this name.
    """
    for module in (name, f"{name}_report"):
        if any(found.name == module for found in pkgutil.iter_modules(__path__)):
            renderer = _of_module(module)
            if renderer is not None and renderer.name == name:
                return renderer
    return all_renderers()[name]


def _of_module(module: str) -> Renderer | None:
    found = getattr(importlib.import_module(f"{__name__}.{module}"), "RENDERER", None)
    return found if isinstance(found, Renderer) else None
