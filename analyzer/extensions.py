"""Rules and readers of other packages, through the entry points ``analyzer.rules`` and ``analyzer.readers``.

Packages that are installed are looked through by their ``entry_points.txt`` alone: importing the standard library's
reader of metadata takes longer than a small audit's own work, and most environments have no such package.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

GROUPS = ("analyzer.rules", "analyzer.readers")

Kind = TypeVar("Kind")


class Extension(Struct, frozen=True, kw_only=True):
    """One entry point: where it was declared, and the object that it names."""

    group: str
    name: str
    value: str  # "package.module" or "package.module:object"
    found_in: str  # the entry_points.txt


class Loaded(Struct, frozen=True, kw_only=True):
    """What the entry points of a group gave, and a line for each that gave nothing."""

    objects: tuple[Any, ...]
    problems: tuple[str, ...]


@cache
def declared() -> tuple[Extension, ...]:
    """Every entry point of the groups in the environment, those on the path first; a distribution counts once."""
    found: dict[tuple[str, str], Extension] = {}
    for path in _entry_point_files():
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if "analyzer.r" in text:
            for one in _parsed(text, str(path)):
                found.setdefault((one.group, one.name), one)
    return tuple(found.values())


def _entry_point_files() -> Iterator[Path]:
    for folder in dict.fromkeys(sys.path):
        try:
            names = sorted(entry.name for entry in os.scandir(folder or "."))
        except OSError:
            continue
        yield from (
            Path(folder) / name / "entry_points.txt" for name in names if name.endswith((".dist-info", ".egg-info"))
        )


def _parsed(text: str, path: str) -> Iterator[Extension]:
    group = ""
    for line in (raw.strip() for raw in text.splitlines()):
        if line.startswith("["):
            group = line.strip("[] ")
        elif group in GROUPS and "=" in line and not line.startswith(("#", ";")):
            name, _, value = line.partition("=")
            yield Extension(group=group, name=name.strip(), value=value.partition("[")[0].strip(), found_in=path)


@cache
def loaded(group: str) -> Loaded:
    """The objects of a group. What cannot be imported costs itself and a line, never the audit."""
    objects, problems = [], []
    for one in declared():
        if one.group != group:
            continue
        try:
            objects.append((one, _object(one.value)))
        except Exception as error:
            problems.append(_line(one, f"{type(error).__name__}: {error}"))
    return Loaded(objects=tuple(objects), problems=tuple(problems))


def _object(value: str) -> Any:
    module, _, attributes = value.partition(":")
    found: Any = importlib.import_module(module)
    for attribute in filter(None, attributes.split(".")):
        found = getattr(found, attribute)
    return found


def _line(one: Extension, why: str) -> str:
    return f"{one.group} entry point {one.name!r} ({one.value}) is left out: {why}"


def accepted(group: str, kind: type[Kind], constant: str, own: Iterable[str], key: str) -> tuple[list[Any], list[str]]:
    """Objects of a kind that the entry points of a group name, with the module each is in, and a line for the others.

    Args:
        constant: what a module is asked for ("RULE"), where the entry point names a module.
        own: keys that are taken: nothing takes the place of what the analyzer brings.
        key: the attribute that must be unique ("code").
    """
    taken = set(own)
    objects: list[Any] = []
    problems = list(loaded(group).problems)
    for one, found in loaded(group).objects:
        several = getattr(found, constant, found)
        for single in several if isinstance(several, (list, tuple)) else [several]:
            if not isinstance(single, kind):
                problems.append(_line(one, f"it is no {kind.__name__} and has no {constant}"))
            elif getattr(single, key) in taken:
                problems.append(_line(one, f"there is already a {kind.__name__} with the {key} {getattr(single, key)}"))
            else:
                taken.add(getattr(single, key))
                objects.append((single, sys.modules.get(one.value.partition(":")[0])))
    return objects, problems


def states() -> list[tuple[str, ...]]:
    """What changes when an extension does: its declaration, and size and time of the file that it is in."""
    found: list[tuple[str, ...]] = []
    for one in declared():
        module = sys.modules.get(one.value.partition(":")[0])
        path = getattr(module, "__file__", None) or one.found_in
        stat = os.stat(path)
        found.append((one.group, one.name, one.value, path, str(stat.st_size), str(stat.st_mtime_ns)))
    return found
