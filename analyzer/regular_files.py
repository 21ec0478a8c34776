"""Files that somebody else wrote, opened so that nothing waits: a regular file, whatever took its place meanwhile.

To look what a path is and to open it are two moments. What a pipe becomes between them is seen on what was opened.
"""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import BinaryIO, cast

NOT_REGULAR = "a pipe, device or socket, never opened"


class TooLarge(OSError):
    """A file of more bytes than anybody writes for its purpose."""


def opened(path: Path, *, buffering: int = -1) -> BinaryIO:
    """The bytes of a file from its start. One without a size, as those of /proc, is empty: reading it could wait.

    Raises:
        OSError: it is not there, may not be read, or is no regular file.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        seen = os.fstat(handle)
        if not stat.S_ISREG(seen.st_mode):
            raise OSError(None, "is a directory" if stat.S_ISDIR(seen.st_mode) else NOT_REGULAR, str(path))
    except BaseException:
        os.close(handle)
        raise
    if seen.st_size:
        return cast(BinaryIO, os.fdopen(handle, "rb", buffering=buffering))
    os.close(handle)
    return cast(BinaryIO, open(os.devnull, "rb", buffering=buffering))


def content_of(path: Path, *, most: int | None = None) -> bytes:
    """All bytes of a file.

    Raises:
        TooLarge: it has more than ``most`` bytes.
        OSError: as ``opened``.
    """
    with opened(path) as stream:
        content = stream.read() if most is None else stream.read(most + 1)
    if most is not None and len(content) > most:
        raise TooLarge(None, f"larger than {most >> 20} MB", str(path))
    return content


def text_of(path: Path, *, most: int | None = None, errors: str = "strict") -> str:
    """The same as UTF-8 text, line ends as Python's.

    Raises:
        UnicodeDecodeError: it is none, and errors are strict.
        OSError: as ``content_of``.
    """
    return io.TextIOWrapper(io.BytesIO(content_of(path, most=most)), "utf-8", errors).read()
