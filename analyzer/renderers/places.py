"""Places in files as tools for source code want them: a path, and a line where the file has lines."""

from __future__ import annotations

import os
from urllib.parse import quote

from analyzer.model import Finding, Row, RunReport
from analyzer.renderers.wording import main_row

PACKED = (".gz", ".bz2", ".xz", ".zst")


def place(one: RunReport, row: Row) -> tuple[str, int | None]:
    """Path and line of an evidence row; no line in a file that is not text, where an editor would open nothing."""
    source = next((source for source in one.run.sources if source.path == row.source), None)
    lines = source is not None and source.line_numbers and not source.path.endswith(PACKED)
    return row.source, row.row if lines and row.row > 0 else None


def main_place(one: RunReport, finding: Finding) -> tuple[str, int | None]:
    """Where a finding is shown: at the row where it begins, else at the head of the run's first file."""
    row = main_row(finding)
    if row is not None:
        return place(one, row)
    return (one.run.sources[0].path if one.run.sources else one.run.name), None


def from_here(path: str) -> str:
    """A path as code hosts want it, however it was typed: relative where it lies below the current folder."""
    if "://" in path:
        return path
    below = os.path.relpath(path)
    return os.path.abspath(path) if below.startswith("..") else below.replace(os.sep, "/")


def uri(path: str) -> str:
    """A path as a URI reference: relative below the current folder, else ``file:``; a URL stays what it is."""
    path = from_here(path)
    scheme, separator, rest = path.partition("://")
    if separator and scheme.isalnum():
        return f"{scheme}://{quote(rest.encode('utf-8', 'surrogateescape'), safe='/:@?&=')}"
    quoted = quote(os.fsencode(path), safe="/")
    if quoted.startswith("/"):
        return f"file://{quoted}"
    return quoted
