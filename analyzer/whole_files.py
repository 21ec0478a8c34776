"""Files where a user wants them: each appears whole or not at all, and nothing else is written to."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

OPEN_FILES = ("/dev/fd/", "/dev/std", "/proc/")
LINKS_FOLLOWED = 40  # as Linux does


@contextmanager
def whole_file(path: Path, *, spared: Iterable[str | Path] = ()) -> Iterator[BinaryIO]:
    """A stream whose content takes the place of a file when all of it is written.

    A link stays, and what it leads to is replaced; the new file has the mode of the old one. What is no regular file (a
    pipe, a terminal, a device), or is an open one by its name in /dev or /proc, is written into. The temporary file
    beside the path is made anew under a name that cannot be foreseen, and is gone when anything fails.

    Args:
        spared: files that must not be written to, whatever they are called: the audited logs.

    Raises:
        OSError: when the file is one of those, or cannot be written.
    """
    place, found = _behind_links(path)
    if found is not None and any(_is_same(found, other) for other in spared):
        raise FileExistsError(errno.EEXIST, "it is one of the files that were read")
    if found is not None and (not stat.S_ISREG(found.st_mode) or _is_open_file(place)):
        with open(place, "ab") as stream:
            yield stream
        return
    if found is not None and not os.access(place, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    with put_in_place(place, mode=None if found is None else stat.S_IMODE(found.st_mode)) as stream:
        yield stream


@contextmanager
def put_in_place(place: Path, *, mode: int | None) -> Iterator[BinaryIO]:
    """A stream to a file beside a path, which takes its place at the end: a link that stands there is replaced.

    Args:
        mode: permissions of the new file; None for those that a new file has.
    """
    temporary = place.with_name(f".{os.urandom(8).hex()}.tmp")
    made_with = 0o666 if mode is None else mode & 0o600
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), made_with)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
        if mode is not None:
            os.chmod(temporary, mode)
        os.replace(temporary, place)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


@contextmanager
def whole_folder(output: Path) -> Iterator[Path]:
    """A folder that takes the name of the output when all is in it, and is gone when nothing is, or anything fails.

    Raises:
        OSError: when it cannot be made, or something else stands under the name.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    folder = output.parent / f".{os.urandom(8).hex()}.tmp"
    folder.mkdir()
    try:
        yield folder
        if any(folder.iterdir()):
            os.replace(folder, output)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _behind_links(path: Path) -> tuple[Path, os.stat_result | None]:
    """Where a path leads, and what stands there; a name of an open file is left as it is."""
    for _ in range(LINKS_FOLLOWED):
        if _is_open_file(path) or not path.is_symlink():
            break
        path = path.parent / path.readlink()
    try:
        return path, path.stat()
    except FileNotFoundError:
        return path, None


def _is_open_file(path: Path) -> bool:
    return os.path.abspath(path).startswith(OPEN_FILES)


def _is_same(found: os.stat_result, other: str | Path) -> bool:
    try:
        return os.path.samestat(found, os.stat(other))
    except (OSError, ValueError):  # a URL, a file that is gone
        return False
