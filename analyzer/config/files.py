"""The project's own configuration: ``analyzer.toml`` beside or above a run, or ``[tool.analyzer]`` in pyproject.toml.

All files from the run's folder upwards count, the nearest the strongest: its facts and roles win, its ``select``
replaces those above, while ``ignore``, ``[[expect]]``, ``[[silence]]`` and ``[[line]]`` add up. The search ends at
a folder that holds ``.git``, or at a file that says ``root = true``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from analyzer.config.declared import checked_fact, scalar
from analyzer.config.own_lines import OwnLine, own_line_of
from analyzer.config.silences import BadConfig, Silence, known_keys, silence_of
from analyzer.model import Expectation, Fact
from analyzer.regular_files import text_of
from analyzer.roles import ROLES, SHORT_ROLES

TABLES = ("declared", "rules", "roles", "expect", "silence", "line", "against", "root")
NAMES = ("analyzer.toml", "pyproject.toml")  # in one folder, the first that configures the analyzer counts
MOST_BYTES = 4_000_000  # nobody writes so much; what is called so in a folder of logs may be anything
RULES_KEYS = ("select", "ignore")
EXPECT_KEYS = ("tag", "at", "min", "max", "run")


class Settings(Struct, frozen=True, kw_only=True):
    """What the configuration files of one run say together."""

    facts: tuple[Fact, ...] = ()  # nearest file first
    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    roles: Mapping[str, str] = field(default_factory=dict)  # role -> tag
    expectations: tuple[Expectation, ...] = ()
    silences: tuple[Silence, ...] = ()
    lines: tuple[OwnLine, ...] = ()  # how programs of one's own print, nearest file first
    against: Path | None = None  # a reference run, or a folder of reference runs by name
    files: tuple[str, ...] = ()  # all of them, nearest first


def settings_for(folder: Path, chosen: Path | None = None) -> Settings:
    """What is configured for a run in a folder; with ``chosen``, by that file alone.

    Raises:
        BadConfig: for a file that is not TOML, an unknown key, or a value that is not what its key needs.
    """
    if chosen is not None:
        return _parsed_file(chosen.resolve(), must_apply=True) or Settings()
    return _settings_above(folder.resolve())


def places_consulted(folder: Path) -> Iterator[Path]:
    """Every file that could configure a run in a folder, whether it is there or not."""
    for place in _upwards(folder.resolve()):
        yield from (place / name for name in NAMES)


def _upwards(folder: Path) -> Iterator[Path]:
    """A folder and those above it, as far as its project reaches."""
    for place in (folder, *folder.parents):
        yield place
        if (place / ".git").exists():
            return


def _settings_above(folder: Path) -> Settings:
    found: list[Settings] = []
    for place in _upwards(folder):
        ended = False
        for name in NAMES:
            path = place / name
            if path.is_file():
                settings = _parsed_file(path, must_apply=False)
                if settings is not None:
                    found.append(settings)
                    ended = _is_root(path)
                    break
        if ended:
            break
    return combined(found)


def combined(layers: Iterable[Settings]) -> Settings:
    """Several configurations as one, the strongest first."""
    layers = list(layers)
    roles: dict[str, str] = {}
    for one in reversed(layers):
        roles.update(one.roles)
    return Settings(
        facts=tuple(fact for one in layers for fact in one.facts),
        select=next((one.select for one in layers if one.select is not None), None),
        ignore=tuple(code for one in layers for code in one.ignore),
        roles=roles,
        expectations=tuple(expectation for one in layers for expectation in one.expectations),
        silences=tuple(silence for one in layers for silence in one.silences),
        lines=tuple(line for one in layers for line in one.lines),
        against=next((one.against for one in layers if one.against is not None), None),
        files=tuple(file for one in layers for file in one.files),
    )


def _table(path: Path) -> Mapping[str, Any] | None:
    try:
        seen = path.stat()
    except OSError as error:
        raise BadConfig(
            f"{path}: {(error.strerror or str(error)).lower()}; name a readable file with --config"
        ) from error
    return _table_as_of(path, seen.st_mtime_ns, seen.st_size)


@cache
def _table_as_of(path: Path, modified: int, size: int) -> Mapping[str, Any] | None:
    """The table of one state of a file: a sweep of thousands of runs parses it once, an edited file is read anew."""
    import tomllib

    try:
        document = tomllib.loads(text_of(path, most=MOST_BYTES))
    except OSError as error:
        raise BadConfig(
            f"{path}: {(error.strerror or str(error)).lower()}; name a readable file with --config"
        ) from error
    except UnicodeDecodeError as error:
        raise BadConfig(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except (ValueError, RecursionError) as error:  # also a number of thousands of digits, a list a thousand deep
        hint = "; between single quotes a backslash is itself: match = '(\\d+)'" if "\\" in str(error) else ""
        raise BadConfig(f"{path}: not valid TOML: {error}{hint}") from error
    if path.name == "pyproject.toml":
        tools = document.get("tool")
        own = tools.get("analyzer") if isinstance(tools, dict) else None
        if own is not None and not isinstance(own, dict):
            raise BadConfig(f"{path}: tool.analyzer must be a table: [tool.analyzer]")
        return own
    return document


def _is_root(path: Path) -> bool:
    return bool((_table(path) or {}).get("root", False))


def _parsed_file(path: Path, *, must_apply: bool) -> Settings | None:
    table = _table(path)
    if table is None:
        if must_apply:
            raise BadConfig(f"{path}: has no [tool.analyzer] table; add one, or name an analyzer.toml")
        return None
    return parsed(table, str(path))


def parsed(table: Mapping[str, Any], name: str) -> Settings:
    """The settings of one configuration table. Pure; ``name`` is for messages and for where facts were found.

    Raises:
        BadConfig: as ``settings_for``.
    """
    known_keys(table, TABLES, name, "")
    declared = _a_table(table, "declared", name)
    rules = _a_table(table, "rules", name)
    roles = _a_table(table, "roles", name)
    known_keys(rules, RULES_KEYS, name, "rules")
    roles = {SHORT_ROLES.get(role, role): tag for role, tag in roles.items()}
    known_keys(roles, ROLES, name, "roles")
    try:
        facts = tuple(checked_fact(key, value, name) for key, value in declared.items())
    except ValueError as error:
        raise BadConfig(str(error)) from error
    for role, tag in roles.items():
        if not isinstance(tag, str):
            raise BadConfig(f"{name}: [roles] {role} must be the name of a tag, not {tag!r}")
    return Settings(
        facts=facts,
        select=_codes(rules, "select", name) if "select" in rules else None,
        ignore=_codes(rules, "ignore", name),
        roles=dict(roles),
        expectations=tuple(_expectation(entry, name) for entry in _entries(table, "expect", name)),
        silences=tuple(silence_of(entry, name) for entry in _entries(table, "silence", name)),
        lines=tuple(own_line_of(entry, name) for entry in _entries(table, "line", name)),
        against=_against(table, name),
        files=(name,),
    )


def _a_table(table: Mapping[str, Any], key: str, name: str) -> Mapping[str, Any]:
    value = table.get(key, {})
    if not isinstance(value, Mapping):
        raise BadConfig(f"{name}: {key} must be a table: [{key}]")
    return value


def _entries(table: Mapping[str, Any], key: str, name: str) -> list[Mapping[str, Any]]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
        raise BadConfig(f"{name}: {key} must be a list of tables: [[{key}]]")
    return value


def _codes(rules: Mapping[str, Any], key: str, name: str) -> tuple[str, ...]:
    value = rules.get(key, [])
    if not isinstance(value, list) or not all(isinstance(code, str) for code in value):
        raise BadConfig(f'{name}: [rules] {key} must be a list of codes: {key} = ["EPO", "SCH001"]')
    return tuple(value)


def _expectation(entry: Mapping[str, Any], name: str) -> Expectation:
    known_keys(entry, (*EXPECT_KEYS, "step", "epoch"), name, "[expect]")
    tag = entry.get("tag")
    if not isinstance(tag, str):
        raise BadConfig(f'{name}: an [[expect]] needs tag = "...", the metric it is about')
    at, place = _place(entry, name)
    bounds = {key: entry.get(key) for key in ("min", "max")}
    if bounds["min"] is None and bounds["max"] is None:
        raise BadConfig(f"{name}: [[expect]] {tag}: says neither min nor max")
    for key, value in bounds.items():
        if value is not None and not _is_number(value):
            raise BadConfig(f"{name}: [[expect]] {tag}: {key} must be a number, not {value!r}")
    run = entry.get("run", "*")
    if not isinstance(run, str):
        raise BadConfig(f"{name}: [[expect]] {tag}: run must be a glob on the run's name, not {run!r}")
    return Expectation(
        tag=tag, at=at, place=place, minimum=bounds["min"], maximum=bounds["max"], run=run, found_in=name
    )


def _place(entry: Mapping[str, Any], name: str) -> tuple[Any, float | None]:
    """Where an expectation looks; ``at = "step = 9"``, ``at = {step = 9}`` and ``step = 9`` mean the same."""
    at: Any = entry.get("at", "end")
    place: Any = None
    for unit in ("step", "epoch"):
        if isinstance(at, Mapping) and unit in at:
            at, place = unit, at[unit]
        elif isinstance(at, str) and at.replace(" ", "").startswith(f"{unit}="):
            at, place = unit, scalar(at.split("=", 1)[1].strip())
        elif unit in entry:
            at, place = unit, entry[unit]
    if at in ("end", "best") or (at in ("step", "epoch") and _is_number(place)):
        return at, place
    given = entry.get("at", at)
    raise BadConfig(
        f'{name}: [[expect]] {entry["tag"]}: at must be "end", "best", "step = N" or "epoch = N", not {given!r}'
    )


def _against(table: Mapping[str, Any], name: str) -> Path | None:
    value = table.get("against")
    if value is None:
        return None
    if not isinstance(value, str):
        raise BadConfig(f'{name}: against must be the path of a reference run: against = "golden/"')
    return Path(name).parent / value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
