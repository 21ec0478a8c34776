"""Arrows point one way: readers know no clocks, rules no paths, renderers no rule's code."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pytest

import analyzer
from analyzer.readers import own_readers

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


LONGEST_FILE = 300  # lines
RIM = ("cli/", "console/", "callbacks/", "tensorboard_plugin/", "__init__.py", "pytest_plugin.py")
"""Commands, and what other programs load: they import what a call needs when it is called, so that starting is fast."""
HEAVY = {
    "distributed", "fsspec", "google_crc32c", "jinja2", "markupsafe", "matplotlib", "mlflow", "pandas", "platformdirs",
    "PIL", "pyarrow", "re2", "tensorboard", "google.protobuf", "yaml", "zstandard",
}  # fmt: skip
"""Libraries of which most audits need nothing: they cost more than the audit of a small run."""
SELDOM = {
    "concurrent.futures", "contextlib", "difflib", "hashlib", "importlib", "multiprocessing", "os", "shutil", "signal",
    "socket", "tempfile", "threading", "time", "tomllib",
}  # fmt: skip
"""Of the standard library, for the same reason."""
LATE: Mapping[str, str | tuple[str, ...]] = {
    "readers/stdout/__init__.py": "analyzer.readers.stdout",  # some hundred patterns to compile
    "readers/notebook.py": "analyzer.readers.stdout.reading",
    "readers/csv_table/__init__.py": "analyzer.readers.csv_table",  # a path for large tables
    "readers/csv_table/cells.py": "analyzer.readers.stdout.languages",  # words of other languages, which most lack
    "readers/tfevents/__init__.py": "analyzer.readers.tfevents",
    "discovery.py": "analyzer",  # what asks a tracking server, by its URL only
    "walking.py": "analyzer.readers",  # the reader of a project's own lines, which most have none of
    "config/keys.py": "analyzer.clocks.schedules",  # names of schedules stand with their families, which need numpy
    "rules/examples.py": ("analyzer.auditing", "analyzer.discovery"),  # an example is run by tests and the docs alone
}
"""Own modules that a file imports when they are needed: large ones that are seldom wanted."""


def modules() -> dict[str, Path]:
    """Every module by its dotted name."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = ("analyzer", *path.relative_to(PACKAGE).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def own_imports(path: Path, known: Collection[str]) -> set[str]:
    """Modules of the package that a file names in an import, wherever it stands in the file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= inner & set(known) or {node.module}
    return names & set(known)


def test_no_module_imports_itself_by_a_detour() -> None:
    """Also not for annotations alone: a circle of types is a circle to whoever reads it."""
    known = modules()
    needs = {name: own_imports(path, known) - {name} for name, path in known.items()}
    while free := [name for name, needed in needs.items() if not needed]:
        for name in free:
            del needs[name]
        needs = {name: needed - set(free) for name, needed in needs.items()}
    while ends := set(needs) - {one for needed in needs.values() for one in needed}:  # only those inside circles stay
        for name in ends:
            del needs[name]
    assert not needs


def late_imports(path: Path) -> Iterator[str]:
    """Modules that a file imports inside functions."""
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Import):
                    yield from (alias.name for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module:
                    yield node.module


def test_only_what_is_heavy_is_imported_inside_functions() -> None:
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        name = str(path.relative_to(PACKAGE))
        if name.startswith(RIM):
            continue
        allowed = tuple(HEAVY | SELDOM)
        late = {one for one in late_imports(path) if not one.startswith(allowed)}
        wrong += [f"{name} imports {one}" for one in late if not one.startswith(LATE.get(name, "-"))]
    assert not wrong


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


@pytest.mark.parametrize("folder", ["clocks", "rules"])
def test_files_are_short_enough_to_be_read_at_once(folder: str) -> None:
    lines = {str(path.relative_to(PACKAGE)): path.read_text().count("\n") for path in (PACKAGE / folder).rglob("*.py")}
    assert not {name: count for name, count in lines.items() if count > LONGEST_FILE}


TWICE = {"AuditCallback", "Report"}  # one for each framework's trainer; what Python code gets, with tables and files
CLASS = re.compile(r"^class (\w+)", re.M)


def test_a_class_name_means_one_thing() -> None:
    names = Counter(name for path in PACKAGE.rglob("*.py") for name in CLASS.findall(path.read_text()))
    assert {name for name, count in names.items() if count > 1 and not name.startswith("_")} == TWICE


def test_what_is_known_of_a_format_stands_in_its_reader() -> None:
    """Files are grouped, joined and repaired by what readers say of themselves, not by the names of formats."""
    names = {reader.name for reader in own_readers()}
    paths = [*sorted((PACKAGE / "joining").glob("*.py")), *(PACKAGE / f"{name}.py" for name in ("grouping", "repair"))]
    compared = {
        (path.name, constant.value)
        for path in paths
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Compare)
        for constant in ast.walk(node)
        if isinstance(constant, ast.Constant) and constant.value in names
    }
    assert not compared
