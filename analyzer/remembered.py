"""Audits that are still true: of logs that nothing has changed since, under the same configuration and program.

An answer is kept under a digest of all that it depends on: the identity (size, times, inode) of every file that was
read or looked for, what was asked, and the program's own source. So nothing ever has to be declared out of date; an
answer whose files changed is not found any more. What depends on more than that is not kept.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar, cast

from analyzer.cache import own_folder, read_own, write_whole
from analyzer.config.files import places_consulted
from analyzer.extensions import states
from analyzer.grouping import Group
from analyzer.plain_records import from_bytes, to_bytes
from analyzer.readers import all_readers

SECONDS_TO_SETTLE = 2.0  # a file system's clock ticks in milliseconds: two writes within one tick look like one
PURPOSE = "audits"
DAYS_KEPT = 30
SECONDS_BETWEEN_SWEEPS = 86_400.0

Answer = TypeVar("Answer")


def remembered(
    group: Group, *, audit: Callable[[Group], Answer], asked: str, lasts: Callable[[Answer], bool]
) -> Answer:
    """The answer to a group of logs, from an earlier audit where all that it depends on is as it was.

    Args:
        asked: what the audit was asked for, as text: the same text, the same question.
        lasts: whether an answer depends on nothing but the files of the group, its configuration and the question.
    """
    folder = own_folder(PURPOSE)
    digest = digest_of(group, asked) if folder is not None else None
    if folder is None or digest is None:
        return audit(group)
    path = folder / digest[:2] / digest
    kept = read_own(path)
    if kept is not None:
        with contextlib.suppress(ValueError):  # cut, or of another program: audit again
            return cast(Answer, from_bytes(kept))
    answer = audit(group)
    if lasts(answer):
        with contextlib.suppress(OSError):  # a full disk costs the next audit some time, and this one nothing
            write_whole(path, to_bytes(answer))
    return answer


def sweep() -> None:
    """Remove answers that are older than a month; at most once a day."""
    folder = own_folder(PURPOSE)
    if folder is None:
        return
    now = time.time()
    swept = folder / "swept"
    with contextlib.suppress(OSError):
        if swept.exists() and now - swept.stat().st_mtime < SECONDS_BETWEEN_SWEEPS:
            return
        swept.touch()
        for path in folder.glob("??/*"):
            if now - path.stat().st_mtime > DAYS_KEPT * 86_400:
                path.unlink()


# ---------------------------------------------------------------------------------------------------------------
# what an answer depends on


def digest_of(group: Group, asked: str) -> str | None:
    """A digest of all that the audit of a group depends on; None while a file may still be in the course of change."""
    import hashlib

    states = [_state(path) for path in files_of(group)]
    if group.url or time.time() - _newest(states) < SECONDS_TO_SETTLE:
        return None
    logs = [(str(log.path), log.reader, log.lines) for log in group.logs]
    known = (_program(), os.getcwd(), asked, group.name, str(group.root), group.notes, logs, states)
    return hashlib.sha256(repr(known).encode("utf-8", "surrogateescape")).hexdigest()


def files_of(group: Group) -> Iterator[Path]:
    """Every file that the audit of a group reads, or looks for."""
    readers = {reader.name: reader for reader in all_readers()}
    for log in group.logs:
        yield log.path
        yield from readers[log.reader].also_reads(log.path)
    yield from group.sidecars
    for folder in dict.fromkeys(log.path.parent for log in group.logs):
        yield from places_consulted(folder)


State = tuple[str, int, int, int, int] | tuple[str]


def _state(path: Path) -> State:
    """What changes when a file does: size, times in ns, inode; the name alone where there is none."""
    try:
        found = path.stat()
    except OSError:
        return (str(path),)
    return (str(path), found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def _newest(states: Iterable[State]) -> float:
    """The last change of any of the files, seconds since 1970."""
    return max((max(state[2], state[3]) / 1e9 for state in states if len(state) == 5), default=0.0)


@cache
def _program() -> str:
    """The source of the analyzer as it lies on the disk, and what it computes with."""
    source = Path(__file__).parent
    numpy = find_spec("numpy")
    origins = [Path(numpy.origin)] if numpy is not None and numpy.origin else []
    return repr((sys.version, states(), [_state(path) for path in (*origins, *sorted(source.rglob("*.py")))]))
