"""SQLite files opened for reading only, without leaving a trace beside them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

MAGIC = b"SQLite format 3\x00"


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that can only read.

    A database at rest is opened as immutable: nothing is locked and no file is made beside it. With a write-ahead log
    beside it another process may be writing; then it is opened read-only in the usual way.
    """
    live = any(log.exists() for log in write_ahead_logs(path))
    mode = "mode=ro" if live else "mode=ro&immutable=1"
    with closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?{mode}", uri=True)) as connection:
        yield connection


def write_ahead_logs(path: Path) -> tuple[Path, ...]:
    """What lies beside a database while somebody writes to it."""
    return (Path(f"{path}-wal"),)


def tables_of(path: Path, head: bytes) -> dict[str, set[str]]:
    """Column names of every table; empty when the file is no database that can be read."""
    if not head.startswith(MAGIC):
        return {}
    try:
        with opened(path) as connection:
            names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            columns = {name: connection.execute(f"PRAGMA table_info({_quoted(name)})").fetchall() for name in names}
            return {name: {row[1] for row in found} for name, found in columns.items()}
    except sqlite3.Error:
        return {}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
