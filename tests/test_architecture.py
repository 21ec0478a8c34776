"""Arrows point one way: readers know no clocks, rules no paths, renderers no rule's code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import analyzer

PACKAGE = Path(analyzer.__file__).parent

FORBIDDEN = {
    "readers": (
        "analyzer.clocks",
        "analyzer.timeline",
        "analyzer.rules",
        "analyzer.renderers",
        "analyzer.auditing",
        "analyzer.cli",
    ),
    "clocks": (
        "analyzer.rules",
        "analyzer.renderers",
        "analyzer.auditing",
        "analyzer.cli",
        "analyzer.discovery",
        "analyzer.readers",
    ),
    "rules": ("analyzer.renderers", "analyzer.cli", "analyzer.readers"),
    "renderers": (
        "analyzer.cli",
        "analyzer.discovery",
        "analyzer.readers",
        "analyzer.rules.epoch",
        "analyzer.rules.schedule",
    ),
}
EXCEPTIONS = {("rules/examples.py", "analyzer.auditing"), ("rules/examples.py", "analyzer.discovery")}


def imports_of(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("layer", sorted(FORBIDDEN))
def test_layer_does_not_reach_up(layer: str) -> None:
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in sorted((PACKAGE / layer).rglob("*.py"))
        for name in imports_of(path)
        if name.startswith(FORBIDDEN[layer]) and (str(path.relative_to(PACKAGE)), name) not in EXCEPTIONS
    ]
    assert not wrong


def test_rules_never_see_a_path() -> None:
    wrong = [
        str(path.relative_to(PACKAGE))
        for path in sorted((PACKAGE / "rules").rglob("*.py"))
        if path.name != "examples.py" and imports_of(path) & {"pathlib", "os", "io"}
    ]
    assert not wrong
