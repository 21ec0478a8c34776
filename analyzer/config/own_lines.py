"""One ``[[line]]`` of a configuration: how a program of one's own prints, for logs that no reader knows.

The expression is matched by RE2, in time linear in the line whatever it says; groups that repeat inside groups, which
would make Python's own matcher try forever, cost nothing.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

from msgspec import Struct

from analyzer.config.silences import BadConfig, known_keys
from analyzer.spelling import did_you_mean

LINE_KEYS = ("match", "files", "units", "tags")
COUNTERS = {  # unit of a group -> what the step axis is called that counts it
    "update": "step", "batch": "batch", "sample": "samples", "token": "tokens", "epoch": "epoch", "call": "call",
}  # fmt: skip
SECONDS = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
TIME = "time"  # an absolute time: a timestamp, or seconds since 1970
ESCAPED = {"\b": "b", "\f": "f"}  # what TOML makes of a word boundary between double quotes: in no printed line
UNITS = (*COUNTERS, *SECONDS, TIME)


class OwnLine(Struct, frozen=True, kw_only=True):
    """An expression whose named groups are the numbers of a line, with their units and tags."""

    match: str
    files: str = "*"  # glob on the file's name
    units: tuple[tuple[str, str], ...] = ()  # group -> unit
    tags: tuple[tuple[str, str], ...] = ()  # group -> tag, where it is not the group's own name
    found_in: str = ""


def own_line_of(entry: Mapping[str, Any], name: str) -> OwnLine:
    """The expression of one entry.

    Raises:
        BadConfig: for an unknown key, an expression that RE2 cannot match, or units of groups that it has not.
    """
    known_keys(entry, LINE_KEYS, name, "[line]")
    match, files = entry.get("match"), entry.get("files", "*")
    if not isinstance(match, str) or not match:
        raise BadConfig(f"{name}: a [[line]] needs match = '...', an expression with named groups: (?P<step>\\d+)")
    if not isinstance(files, str):
        raise BadConfig(f"{name}: [[line]] '{match}': files must be a glob on the file's name, not {files!r}")
    if meant := next((sign for text, sign in ESCAPED.items() if text in match), None):
        raise BadConfig(
            f"{name}: a [[line]] whose match holds a control character, where \\{meant} was meant: "
            "write it between single quotes, match = '...'"
        )
    groups = _groups(match, name)
    if not groups:
        raise BadConfig(f"{name}: [[line]] '{match}': no named group; (?P<loss>\\S+) gives a series of that name")
    tables = {key: _of_groups(entry, key, groups, f"{name}: [[line]] '{match}'") for key in ("units", "tags")}
    for group, unit in tables["units"]:
        if unit not in UNITS:
            hint = did_you_mean(unit, UNITS, otherwise=f"units: {', '.join(UNITS)}")
            raise BadConfig(f"{name}: [[line]] '{match}': {group} has no unit {unit!r}; {hint}")
    return OwnLine(match=match, files=files, units=tables["units"], tags=tables["tags"], found_in=name)


def _of_groups(entry: Mapping[str, Any], key: str, groups: Sequence[str], where: str) -> tuple[tuple[str, str], ...]:
    table = entry.get(key, {})
    if not isinstance(table, Mapping) or not all(isinstance(value, str) for value in table.values()):
        raise BadConfig(f'{where}: {key} must be a table of texts: {key} = {{ step = "update" }}')
    for group in table:
        if group not in groups:
            hint = did_you_mean(group, groups, otherwise=f"its groups: {', '.join(groups)}")
            raise BadConfig(f"{where}: {key} name a group {group!r} that the expression has not; {hint}")
    return tuple(table.items())


def _groups(match: str, name: str) -> list[str]:
    if find_spec("re2") is None:
        hint = "pip install 'training-log-analyzer[lines]'"
        raise BadConfig(f"{name}: [[line]] is matched by the package google-re2, which is not installed: {hint}")
    try:
        return list(pattern_of(match).groupindex)
    except Exception as error:  # of the package's own
        what = error.args[0] if error.args else error
        said = what.decode("utf-8", "replace") if isinstance(what, bytes) else str(what)
        raise BadConfig(
            f"{name}: [[line]] '{match}': {said}; look-around and back references are not matched"
        ) from error


@lru_cache(maxsize=256)
def pattern_of(match: str) -> Any:
    """The compiled expression.

    Raises:
        re2.Error: where RE2 cannot match it.
    """
    import re2

    options = re2.Options()
    options.log_errors = False
    return re2.compile(match, options)


def lines_for(lines: Iterable[OwnLine], file_name: str) -> tuple[OwnLine, ...]:
    """Those that are about a file of this name."""
    return tuple(line for line in lines if fnmatch.fnmatchcase(file_name, line.files))


def unmatched(lines: Iterable[OwnLine], file_name: str = "") -> str:
    """That no expression reads a file, or any file where none is named, in words; empty without expressions."""
    lines = tuple(lines)
    if not lines:
        return ""
    of_file = lines_for(lines, file_name) if file_name else lines
    if not of_file:
        globs = ", ".join(dict.fromkeys(line.files for line in lines))
        return f"the [[line]] of {lines[0].found_in} are about other files (files = '{globs}')"
    first = of_file[0]
    more = f" nor {len(of_file) - 1} more" if len(of_file) > 1 else ""
    return f"[[line]] '{first.match}' of {first.found_in}{more} matches no line"
