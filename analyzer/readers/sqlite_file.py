"""SQLite files read as their last complete transaction left them, without leaving a trace beside them.

A database at rest is opened as immutable: nothing is locked and no file is made. Where a journal or a write-ahead log
lies beside it, its pages alone are not what was committed: SQLite has to roll back or to replay first, and would write
into the folder of the log to do so. Then all of it is copied into a folder of its own and read there. What was changed
while it was read, or copied, is read again.
"""

from __future__ import annotations

import itertools
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

MAGIC = b"SQLite format 3\x00"
SHORTEST_LIMIT = 1 << 20  # bytes of a cell; none is longer than its file, unless it is computed
STEPS_AT_ONCE = 100_000  # of SQLite's machine, between two looks at what a file makes it do
LEAST_STEPS, STEPS_A_BYTE = 50_000_000, 100  # a second or two; reading a row of ten bytes takes some dozens
TIMES = 5  # a database that changes during each of so many reads is being written all the time

Found = TypeVar("Found")
_State = tuple[tuple[int, int, int] | None, ...]


def read_database(path: Path, work: Callable[[sqlite3.Connection], Found]) -> Found:
    """What ``work`` finds in a database that nothing changed meanwhile.

    Raises:
        sqlite3.Error: it cannot be read, or changes all the time.
        OSError: a file of it cannot be read.
    """
    error: sqlite3.Error | None = None
    for _ in range(TIMES):
        before = _state(path)
        try:
            with _opened(path, before) as connection:
                connection.text_factory = text_in  # a cell that is no UTF-8 costs itself
                connection.execute("PRAGMA trusted_schema = OFF")  # no function with effects that the file names is run
                _bound(connection, sum(one[0] for one in before if one is not None))
                found = work(connection)
        except sqlite3.Error as raised:
            error = raised
        except UnicodeDecodeError:  # SQLite's own message quotes what it could not parse
            error = sqlite3.DatabaseError("its schema is damaged")
        else:
            if _state(path) == before:
                return found
            error = None
        if error is not None and _state(path) == before:
            raise error
    raise error or sqlite3.OperationalError(f"another process writes to it: it changed during {TIMES} reads")


def _bound(connection: sqlite3.Connection, size: int) -> None:
    """Stop what a file computes instead of holding it: a view without an end, columns of megabytes made of nothing."""
    looks = itertools.count(1)
    most = (LEAST_STEPS + STEPS_A_BYTE * size) // STEPS_AT_ONCE
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max(SHORTEST_LIMIT, size))
    connection.set_progress_handler(lambda: int(next(looks) > most), STEPS_AT_ONCE)


@contextmanager
def _opened(path: Path, state: _State) -> Iterator[sqlite3.Connection]:
    """A connection to the database as it lies there, or to a copy of it with what lies beside it."""
    if not any(state[1:]):
        address = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True)) as connection:
            yield connection
        return
    import shutil
    import tempfile

    with tempfile.TemporaryDirectory(prefix="analyzer-") as folder:
        copy = Path(folder) / "copy.db"
        for name, found in zip(("", *_BESIDE), state, strict=True):
            if found is not None:
                shutil.copyfile(f"{path}{name}", f"{copy}{name}")
        with closing(sqlite3.connect(copy)) as connection:
            yield connection


_BESIDE = ("-journal", "-wal")


def _state(path: Path) -> _State:
    """Size, time of change and inode of the database and of what lies beside it; None for what is not there or empty.

    Raises:
        OSError: what lies beside it is no regular file; that is never opened.
    """
    found: list[tuple[int, int, int] | None] = []
    for name in ("", *_BESIDE):
        try:
            seen = os.stat(f"{path}{name}")
        except FileNotFoundError:
            found.append(None)
            continue
        if not stat.S_ISREG(seen.st_mode):
            raise OSError(f"{path.name}{name} is no regular file, never opened")
        found.append((seen.st_size, seen.st_mtime_ns, seen.st_ino) if seen.st_size or not name else None)
    return tuple(found)


def write_ahead_logs(path: Path) -> tuple[Path, ...]:
    """What lies beside a database while somebody writes to it, or when the writer was killed."""
    return tuple(Path(f"{path}{name}") for name in _BESIDE)


def tables_of(path: Path, head: bytes) -> dict[str, set[str]]:
    """Column names of every table; empty when the file is no database that can be read."""
    if not head.startswith(MAGIC):
        return {}
    try:
        return read_database(path, _tables)
    except (sqlite3.Error, OSError):
        return {}


def _tables(connection: sqlite3.Connection) -> dict[str, set[str]]:
    listed = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    names = [name for (name,) in listed if isinstance(name, str)]  # a damaged one may be missing or a number
    columns = {name: connection.execute(f"PRAGMA table_info({_quoted(name)})").fetchall() for name in names}
    return {name: {row[1] for row in found} for name, found in columns.items()}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def number_in(cell: object) -> float | None:
    """The number that a cell holds; SQLite lets every cell hold anything."""
    if isinstance(cell, int | float):
        try:
            return float(cell)
        except OverflowError:
            return None
    return None


def step_in(cell: object) -> int | None:
    """The whole number that a cell holds, as far as a step can go."""
    return cell if isinstance(cell, int) and abs(cell) < 2**62 else None


def text_in(cell: object) -> str:
    """A cell as a text, whatever it holds."""
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "replace")
    return "" if cell is None else str(cell)
