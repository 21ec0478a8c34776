"""Files that the program keeps for itself: in a folder of its user alone, each written whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from analyzer.whole_files import put_in_place

WRITABLE_BY_OTHERS = 0o022


def own_folder(purpose: str) -> Path | None:
    """The folder for files of a purpose; deleting it costs time, nothing else.

    None where it cannot be made, or where it is a link, belongs to another user or can be written to by others: in a
    cache folder that several users share, anybody could have laid it there.
    """
    ours = cache_folder()
    try:
        for folder in (ours, ours / purpose):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or not _is_own(found):
                return None
    except OSError:
        return None
    return ours / purpose


def cache_folder() -> Path:
    """The cache folder of the user; a user without a home has one that cannot be made."""
    import platformdirs

    try:
        return platformdirs.user_cache_path("analyzer", appauthor=False)
    except RuntimeError:
        return Path(os.devnull) / "analyzer"


def read_own(path: Path) -> bytes | None:
    """What this program wrote under a name; None where nothing lies there, or a link, or what others can write to."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return None
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode) or not _is_own(found):
        os.close(handle)
        return None
    with os.fdopen(handle, "rb") as stream:
        return stream.read()


def _is_own(found: os.stat_result) -> bool:
    return not hasattr(os, "getuid") or (found.st_uid == os.getuid() and not found.st_mode & WRITABLE_BY_OTHERS)


def write_whole(path: Path, content: bytes) -> None:
    """Write under a temporary name and rename: nobody ever reads half a file, and a full disk leaves nothing behind."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with put_in_place(path, mode=0o600) as stream:
        stream.write(content)


def files_kept() -> dict[Path, int]:
    """Every file that is kept for any purpose, with its size; none where the folder is not our own."""
    kept: dict[Path, int] = {}
    ours = cache_folder()
    for purpose in sorted(ours.iterdir()) if ours.is_dir() else ():
        folder = own_folder(purpose.name) if purpose.is_dir() else None
        for path in folder.rglob("*") if folder is not None else ():
            found = path.lstat()
            if stat.S_ISREG(found.st_mode):
                kept[path] = found.st_size
    return kept


def clear_cache() -> tuple[int, int]:
    """Remove every file that is kept: how many there were, and their bytes."""
    kept = files_kept()
    for path in kept:
        path.unlink(missing_ok=True)
    return len(kept), sum(kept.values())
